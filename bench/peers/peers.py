# SPDX-License-Identifier: MIT
"""The peers: one table row each. The settings are the fastest of those
tried, which the comment above a row names."""

import os
import re
from dataclasses import dataclass, field

import install
from child import Failed
from turns import Program

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which sees Debian's packages
RUBY = "/usr/bin/ruby"


@dataclass
class Counts:
    """Tasks a turn, for one to a few seconds; sends a second, seconds."""
    queue: int
    drain: int
    rate: float = 100
    seconds: float = 10

    def quick(self):
        return Counts(max(self.queue // 10, 100), max(self.drain // 10, 100),
                      self.rate, 2)


@dataclass
class Peer:
    key: str           # for --only
    title: str
    server: str        # of servers.KINDS
    counts: Counts
    settings: str
    argv: list = ()
    remark: str = ""   # beside its name, wherever that stands
    runtime: str = ""  # a program whose --version is worth knowing
    left: tuple = ()   # keys in Redis that exist while a task is not done
    apt: tuple = ()    # the first is the one whose version is shown
    npm: dict = field(default_factory=dict)
    client: str = ""   # of our own, compiled
    reference: bool = False  # no peer, but what could be reached

    def install(self, may_install):
        if self.apt:
            services = [s for s in install.SERVICES if s in self.apt]
            install.packages(self.apt, services, may_install)
        if self.npm:
            install.npm(self.npm, may_install)
        if self.client:
            install.client(self.client)

    def version(self):
        if self.npm:
            return next(iter(self.npm.values()))
        found = install.package_version(self.apt[0]) if self.apt else None
        return install.upstream(found) if found else ""

    def settings_shown(self):
        if not self.runtime:
            return self.settings
        text = install.run([self.runtime, "--version"], self.runtime)
        name = os.path.basename(self.runtime)
        found = re.search(r"\d+(\.\d+)+", text)
        return f"{self.settings}; {name} {found.group() if found else text}"

    def take(self, turn):
        Program(self.argv, self.left).take(turn)


class Built(Peer):
    """A program of the build directory."""

    def install(self, _may_install):
        if not os.path.exists(self.argv[0]):
            raise Failed(f"{self.argv[0]} is not there: build it, or give -b")


class Stint(Built):
    """By the program's own bench command."""

    def version(self):
        return install.run([self.argv[0], "--version"], "stint").split()[-1]

    def bench(self, turn, what, *more):
        return turn.children.run(
            [self.argv[0], "bench", what, "--url", turn.server.url, "--json",
             *more], 120)

    def take(self, turn):
        server, n = turn.server, turn.counts.queue
        size = ["--tasks", str(n), "--payload", "100"]
        bytes_before = server.memory()
        answer = self.bench(turn, "queue", "--keep", *size)
        turn.keep("queue_server_cpu_us", answer["redis_cpu_us_per_task"])
        turn.keep("queue_per_s", answer["tasks_per_s"])
        turn.keep("bytes_per_task", (server.memory() - bytes_before) / n)
        server.fresh()
        answer = self.bench(turn, "drain", "--concurrency", "64", *size)
        turn.keep("drain_server_cpu_us", answer["redis_cpu_us_per_task"])
        turn.keep("drain_per_s", answer["tasks_per_s"])
        turn.keep("worker_cpu_us", answer["worker_cpu_us_per_task"])
        server.fresh()
        self.latency(turn)

    def latency(self, turn):
        try:
            answer = self.bench(
                turn, "latency", "--rate", f"{turn.counts.rate:g}",
                "--seconds", f"{turn.counts.seconds:g}")
        except Failed as why:
            turn.note(f"pick-up latency not measured: {why}")
            return
        turn.keep("latency_p50_ms", answer["p50_ms"])
        turn.keep("latency_p99_ms", answer["p99_ms"])


class Ceiling(Built):
    """Stint's scripts from a bare loop: no worker, and so no latency."""

    def take(self, turn):
        n = str(turn.counts.queue)
        for what, depth in (("queue", "4"), ("drain", "2")):
            turn.server.fresh()
            answer = turn.children.run(
                [*self.argv, turn.server.url, what, n, "100", "250", depth],
                120)
            turn.keep(f"{what}_per_s", answer["tasks_per_s"])
            turn.keep(f"{what}_server_cpu_us",
                      answer["redis_cpu_us_per_task"])


def script(interpreter, name):
    return [interpreter, os.path.join(HERE, name)]


def table(build):
    """All of them, in the order of the turns. build: the build directory."""
    return [
        Ceiling(
            key="ceiling", title="raw scripts", remark="(ceiling)",
            server="redis",
            counts=Counts(200000, 200000), reference=True,
            argv=[os.path.join(build, "bench", "stint-bench-ceiling")],
            settings="Stint's Lua scripts from one bare hiredis loop, 250 "
            "tasks a call, 4 calls in flight to queue, 2 to drain"),
        Stint(
            key="stint", title="Stint", server="redis",
            counts=Counts(200000, 200000),
            argv=[os.path.join(build, "stint")],
            settings="`stint bench`: stint_queue_tasks; one worker, a C "
            "function on threads, concurrency 64"),
        # Also tried: concurrency 30, 50, 100, 400 and 500; calls of 500,
        # 1,000, 2,000 and 5,000; two calls at once.
        Peer(
            key="bullmq", title="BullMQ", server="redis", runtime="node",
            counts=Counts(30000, 30000),
            argv=script("node", "bullmq.mjs"),
            left=("bull:bench:wait", "bull:bench:active"),
            npm={"bullmq": "6.7.0", "ioredis": "6.0.0"},
            settings="addBulk of 250; one worker, concurrency 200, "
            "removeOnComplete"),
        # Also tried: concurrency 20, 50, 100, 300, 400 and 1,000; calls of
        # 100, 250, 1,000, 2,000 and 5,000; two calls at once.
        Peer(
            key="bee-queue", title="bee-queue", server="redis",
            runtime="node",
            counts=Counts(80000, 80000),
            argv=script("node", "bee-queue.mjs"),
            left=("bq:bench:waiting", "bq:bench:active"),
            npm={"bee-queue": "2.0.0"},
            settings="saveAll of 500; concurrency 200, no events, "
            "removeOnSuccess"),
        # Also tried: concurrency 2, 7, 10, 15 and 25; calls of 500 and 2,000;
        # the driver in Ruby (a quarter slower).
        Peer(
            key="sidekiq", title="Sidekiq", server="redis",
            remark="(no acknowledgement)", runtime=RUBY,
            counts=Counts(100000, 30000),
            argv=script(RUBY, "sidekiq.rb"), left=("queue:bench",),
            apt=("ruby-sidekiq", "ruby-hiredis"),
            settings="push_bulk of 1,000; concurrency 5, hiredis driver; "
            "its open-source fetch does not acknowledge"),
        # Also tried: pool threads (less than half), prefork with 1, 2 and 3
        # processes (slower, and twice the CPU), prefetch 10, 100 and 1,000.
        Peer(
            key="celery", title="Celery", server="redis", runtime=PYTHON,
            counts=Counts(5000, 4000),
            argv=script(PYTHON, "celery_turn.py"), left=("bench", "unacked"),
            apt=("python3-celery", "python3-redis", "python3-hiredis"),
            settings="one producer, no bulk call; pool solo, prefetch "
            "without limit, acks_late, results ignored"),
        # Also tried: its JSON serializer, which was no faster. Its worker
        # takes one job at a time.
        Peer(
            key="rq", title="RQ", server="redis", runtime=PYTHON,
            counts=Counts(10000, 800),
            argv=script(PYTHON, "rq_turn.py"), left=("rq:queue:bench",),
            apt=("python3-rq", "python3-hiredis"),
            settings="enqueue_many of 500; SimpleWorker (no fork), "
            "result_ttl 0"),
        Peer(
            key="beanstalkd", title="beanstalkd", server="beanstalkd",
            counts=Counts(200000, 200000),
            argv=[install.client_path("beanstalkd")], client="beanstalkd",
            apt=("beanstalkd",),
            settings="our C client on a unix socket, pipelined: 100 puts a "
            "write, 20 reserves ahead; kept in memory only"),
        Peer(
            key="gearmand", title="gearmand", server="gearmand",
            counts=Counts(500000, 500000),
            argv=[install.client_path("gearmand")], client="gearmand",
            apt=("gearman-job-server",),
            settings="our C client over TCP, pipelined: 200 jobs a write, "
            "100 jobs ahead; a million buckets; kept in memory only"),
    ]
