# SPDX-License-Identifier: MIT
"""One turn of one peer: tasks are queued in bulk, drained by one worker
process, and then sent on a fixed schedule to a worker that is idle.

Each peer is a program with the same words:

    PROGRAM ADDRESS queue TASKS         queues them in bulk
    PROGRAM ADDRESS work TASKS          one worker process; ends after them
    PROGRAM ADDRESS listen TASKS        the same, says how late each began
    PROGRAM ADDRESS send TASKS RATE     sends one by one, RATE a second

Each prints one JSON object {"tasks", "seconds"}, `listen` also "late_ms".
Seconds of `work` are from the first task's start to the last one's end.
`work` and `listen` first print "ready" and wait for a line on stdin, so that
starting an interpreter is not counted. What is sent carries, as 20 digits of
nanoseconds of CLOCK_MONOTONIC, when it was due to be sent; so a sender that
falls behind its schedule makes the tasks late, too."""

import time

from child import Failed

LIMIT_S = 120  # for any one answer
IDLE_S = 0.5   # a worker that has begun has nothing to do for so long
WARM_S = 1     # of sends before those that count


def part(sorted_values, share):
    """The value that this share of all does not exceed."""
    at = min(int(len(sorted_values) * share), len(sorted_values) - 1)
    return sorted_values[at]


def fresh(server, left):
    """Empties the server; `left` are keys of a turn that should be gone."""
    if server.left(left):
        raise Failed("tasks were left that nobody acknowledged")
    server.fresh()


class Turn:
    """The counts and the place of a turn; all values in one dict."""

    def __init__(self, children, server, counts):
        self.children = children
        self.server = server
        self.counts = counts
        self.values = {}
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def keep(self, name, value):
        if value is not None:
            self.values[name] = value

    def take(self, peer):
        self.server.fresh()
        peer.take(self)
        return self.values


class Program:
    """A peer that speaks the words above."""

    def __init__(self, argv, left=()):
        self.argv = argv
        self.left = left

    def take(self, turn):
        self.queue(turn)
        if turn.counts.drain != turn.counts.queue:
            turn.server.fresh()
            self.call(turn, "queue", turn.counts.drain)
        self.drain(turn)
        fresh(turn.server, self.left)
        self.latency(turn)

    def words(self, turn, what, tasks, *more):
        return self.argv + [turn.server.address, what, str(tasks), *more]

    def call(self, turn, what, tasks, *more):
        return turn.children.run(self.words(turn, what, tasks, *more),
                                 LIMIT_S)

    def queue(self, turn):
        server, n = turn.server, turn.counts.queue
        bytes_before, cpu_s = server.memory(), server.cpu_s()
        answer = self.call(turn, "queue", n)
        turn.keep("queue_server_cpu_us", (server.cpu_s() - cpu_s) * 1e6 / n)
        turn.keep("queue_per_s", n / answer["seconds"])
        if bytes_before is not None:
            turn.keep("bytes_per_task", (server.memory() - bytes_before) / n)

    def worker(self, turn, what, tasks):
        child = turn.children.start(self.words(turn, what, tasks))
        child.ready(LIMIT_S)
        return child

    def drain(self, turn):
        server, n = turn.server, turn.counts.drain
        child = self.worker(turn, "work", n)
        try:
            server_s, worker_s = server.cpu_s(), child.cpu_s()
            child.go()
            answer = child.answer(LIMIT_S)
            worker_s = child.cpu_s() - worker_s
            server_s = server.cpu_s() - server_s
            child.done(LIMIT_S)
        finally:
            turn.children.end(child)
        turn.keep("drain_per_s", n / answer["seconds"])
        turn.keep("drain_server_cpu_us", server_s * 1e6 / n)
        turn.keep("worker_cpu_us", worker_s * 1e6 / n)

    def latency(self, turn):
        warm = round(turn.counts.rate * WARM_S)
        n = warm + round(turn.counts.rate * turn.counts.seconds)
        child = self.worker(turn, "listen", n)
        sender = None
        try:
            child.go()
            time.sleep(IDLE_S)
            sender = turn.children.start(
                self.words(turn, "send", n, str(turn.counts.rate)),
                "sender.log")
            sender.answer(LIMIT_S)
            late = sorted(child.answer(LIMIT_S)["late_ms"][warm:])
            sender.done(LIMIT_S)
            child.done(LIMIT_S)
        finally:
            turn.children.end(child)
            if sender:
                turn.children.end(sender)
        turn.keep("latency_p50_ms", part(late, 0.5))
        turn.keep("latency_p99_ms", part(late, 0.99))
