# SPDX-License-Identifier: MIT
"""What the peers on Python share: arguments, payload, counting, the answer.
The words between the programs are described in turns.py."""

import json
import sys
import time

PAYLOAD_CHARS = 96  # 100 bytes as ["..."]

address, what = sys.argv[1:3]
tasks = int(sys.argv[3])
rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0


def payload(stamp=None):
    digits = "" if stamp is None else f"{stamp:020d}"
    return digits.ljust(PAYLOAD_CHARS, "x")


def answer(seconds, **more):
    print(json.dumps({"tasks": tasks, "seconds": seconds, **more}),
          flush=True)


def queue_all(chunk, queue_some):
    """Queues all, `chunk` tasks a call."""
    start = time.monotonic_ns()
    for first in range(0, tasks, chunk):
        queue_some(min(chunk, tasks - first))
    answer((time.monotonic_ns() - start) / 1e9)


def send_all(send_one):
    """One by one on a fixed schedule; each carries when it was due."""
    start = time.monotonic_ns() + 200_000_000
    for i in range(tasks):
        at = start + round(i * 1e9 / rate)
        left = at - time.monotonic_ns()
        if left > 0:
            time.sleep(left / 1e9)
        send_one(payload(at))
    answer((time.monotonic_ns() - start) / 1e9)


def go():
    print("ready", flush=True)
    sys.stdin.readline()


class Count:
    """The handler's part. The global one, as handlers are found by name."""

    def __init__(self):
        self.n = 0
        self.start = 0
        self.late_ms = []

    def take(self, text):
        """Returns whether this was the last one."""
        at = time.monotonic_ns()
        if self.n == 0:
            self.start = at
        if what == "listen":
            self.late_ms.append((at - int(text[:20])) / 1e6)
        self.n += 1
        if self.n == tasks:
            answer((time.monotonic_ns() - self.start) / 1e9,
                   late_ms=self.late_ms)
        return self.n == tasks


count = Count()


def handle(text):
    count.take(text)
