# SPDX-License-Identifier: MIT
"""The servers: one Redis for all who use it, beanstalkd and gearmand for
themselves. Private ones, in a temporary directory and reached from this host
only, with nothing kept on disk. `address` is what the clients are given."""

import os
import socket
import time

from child import Failed

START_S = 10


class Server:
    """A server process: fresh() gives an empty one, cpu_s() what it used."""

    def __init__(self, children, directory):
        self.children = children
        self.directory = directory
        self.child = None

    def start(self):
        self.child = self.children.start(self.argv(), f"{self.name}.log")
        until_s = time.monotonic() + START_S
        while not self.listens():
            if self.child.process.poll() is not None:
                raise Failed(f"{self.name} ended{self.child.why()}")
            if time.monotonic() > until_s:
                raise Failed(f"{self.name} does not listen{self.child.why()}")
            time.sleep(0.02)

    def end(self):
        if self.child:
            self.children.end(self.child)
            self.child = None

    def fresh(self):
        self.end()
        self.start()

    def listens(self):
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(START_S)
        connection.connect(self.address)
        return connection

    def cpu_s(self):
        return self.child.cpu_s()

    def memory(self):
        return None

    def left(self, _keys):
        return 0


class Redis(Server):
    """Without persistence. Emptied rather than started again."""

    name = "redis-server"

    def __init__(self, children, directory):
        super().__init__(children, directory)
        self.address = os.path.join(directory, "redis.sock")
        self.url = f"unix://{self.address}"
        self.stream = None

    def argv(self):
        return [self.name, "--port", "0", "--unixsocket", self.address,
                "--unixsocketperm", "700", "--save", "", "--appendonly", "no",
                "--dir", self.directory, "--daemonize", "no"]

    def fresh(self):
        if self.child is None:
            self.start()
        self.call("FLUSHALL", "SYNC")
        # What the turn before unlinked may still be on its way out, and
        # would be missing from used_memory after this turn.
        until_s = time.monotonic() + START_S
        while self.info("memory").get("lazyfree_pending_objects", "0") != "0":
            if time.monotonic() > until_s:
                raise Failed("Redis is still freeing the memory of before")
            time.sleep(0.02)

    def call(self, *words):
        """One command; replies are text, numbers or None."""
        if self.stream is None:
            self.stream = self.connect().makefile("rwb")
        self.stream.write(b"*%d\r\n" % len(words))
        for word in words:
            data = str(word).encode()
            self.stream.write(b"$%d\r\n%s\r\n" % (len(data), data))
        self.stream.flush()
        line = self.stream.readline().rstrip()
        if line[:1] == b"$" and line != b"$-1":
            return self.stream.read(int(line[1:]) + 2)[:-2].decode()
        if line[:1] == b":":
            return int(line[1:])
        if line[:1] == b"+":
            return line[1:].decode()
        raise Failed(f"Redis: {line.decode(errors='replace')}")

    def info(self, section):
        lines = self.call("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu_s(self):
        info = self.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def memory(self):
        return int(self.info("memory")["used_memory"])

    def left(self, keys):
        """How many of these keys are not empty."""
        return self.call("EXISTS", *keys) if keys else 0


class Beanstalkd(Server):
    """Without its log: started without -b it keeps jobs in memory only."""

    name = "beanstalkd"

    def __init__(self, children, directory):
        super().__init__(children, directory)
        self.address = os.path.join(directory, "beanstalkd.sock")

    def argv(self):
        if os.path.exists(self.address):
            os.unlink(self.address)
        return [self.name, "-l", f"unix:{self.address}"]


class Gearmand(Server):
    """It has no unix socket, so a free port of the loopback interface."""

    name = "gearmand"

    def argv(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        # Threads: 0, 1 and 2 were tried. Its table of jobs has 991 chains
        # by default; with them 150,000 jobs took five times as long to drain.
        return [self.name, "--listen", "127.0.0.1", "--port", str(self.port),
                "--threads", "0", "--hashtable-buckets", "1000003",
                "--log-file",
                os.path.join(self.directory, "gearmand.log")]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), START_S)


KINDS = {"redis": Redis, "beanstalkd": Beanstalkd, "gearmand": Gearmand}
