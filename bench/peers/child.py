# SPDX-License-Identifier: MIT
"""Child processes: each in a group of its own, with a time limit for every
answer, and ended by its own id however the comparison ends. A Child is made
by a Children, which ends those that are left when it is closed."""

import ctypes
import json
import os
import select
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A program did not do what it was asked; the text says why."""


_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """One process; its lines of stdout are read, its stderr goes to a file."""

    def __init__(self, argv, log, env):
        self.name = os.path.basename(argv[0])
        self.log = log
        self.pending = b""
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=stderr, env=env, start_new_session=True,
                preexec_fn=_die_with_parent)
        self.pid = self.process.pid

    def why(self):
        """The last words of its log, for a message."""
        try:
            with open(self.log, "rb") as file:
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            lines = []
        lines = [line.strip() for line in lines if line.strip()]
        return f": {lines[-1][:300]}" if lines else ""

    def line(self, limit_s):
        """The next line of its stdout, without the end of line."""
        until_s = time.monotonic() + limit_s
        fd = self.process.stdout.fileno()
        while b"\n" not in self.pending:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:
                raise Failed(f"no answer within {limit_s:.0f} s{self.why()}")
            data = os.read(fd, 1 << 20)
            if not data:
                raise Failed(f"it ended without an answer{self.why()}")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace")

    def answer(self, limit_s):
        """The next line that is a JSON object; others are passed over."""
        until_s = time.monotonic() + limit_s
        while True:
            line = self.line(max(until_s - time.monotonic(), 0.001))
            if line.startswith("{"):
                return json.loads(line)

    def ready(self, limit_s):
        """Waits until it says that it can begin."""
        until_s = time.monotonic() + limit_s
        while self.line(max(until_s - time.monotonic(), 0.001)) != "ready":
            pass

    def go(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def cpu_s(self):
        """CPU seconds so far of all processes of its group."""
        ticks = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                    words = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(words[2]) == self.pid:
                ticks += int(words[11]) + int(words[12])
        return ticks / TICKS_PER_S

    def done(self, limit_s):
        """Waits for its end, which must be a good one."""
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end in {limit_s:.0f} s{self.why()}")
        if status:
            raise Failed(f"exit status {status}{self.why()}")

    def end(self, grace_s=3):
        """Ends it and all of its group."""
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5)):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(wait_s)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.stdin.close()
        self.process.stdout.close()


class Children:
    """Starts children and knows which of them are alive."""

    def __init__(self, directory, env):
        self.directory = directory
        self.env = dict(os.environ, **env)
        self.alive = []

    def start(self, argv, log="child.log"):
        """Starts one; its messages replace those of the last with this log."""
        path = os.path.join(self.directory, log)
        if os.path.exists(path):
            os.unlink(path)
        try:
            child = Child(argv, path, self.env)
        except OSError as error:
            raise Failed(f"{argv[0]}: {error.strerror}")
        self.alive.append(child)
        return child

    def end(self, child):
        if child in self.alive:
            self.alive.remove(child)
            child.end()

    def run(self, argv, limit_s):
        """Runs one to its end; returns the JSON object it printed."""
        child = self.start(argv)
        try:
            answer = child.answer(limit_s)
            child.done(limit_s)
            return answer
        finally:
            self.end(child)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in list(self.alive):
            self.end(child)
