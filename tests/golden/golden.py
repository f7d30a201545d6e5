#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Saves and loads golden data, and makes recorded calls: see README.md.

  golden.py SOCKET save DIR [MONITOR-LOG]
  golden.py SOCKET load DIR
  golden.py SOCKET answers DIR     the shapes of the answers to the calls
  golden.py SOCKET check DIR       compares them with those of then
"""
import json
import re
import socket
import sys

CALLS_OF_EACH = 4


class ReplyError(Exception):
    pass


class Redis:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.file = self.sock.makefile("rb")

    def __call__(self, *argv):
        argv = [a if isinstance(a, bytes) else str(a).encode() for a in argv]
        self.sock.sendall(b"*%d\r\n" % len(argv) + b"".join(
            b"$%d\r\n%s\r\n" % (len(a), a) for a in argv))
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        return ReplyError(rest.decode()) if kind == b"-" else rest


def to_line(argv):
    return json.dumps([a.decode("latin-1") for a in argv])


def from_line(line):
    return [a.encode("latin-1") for a in json.loads(line)]


# ---- Data -------------------------------------------------------------------

def pairs(scored):
    return [x for i in range(0, len(scored), 2)
            for x in (scored[i + 1], scored[i])]


WRITERS = {
    b"string": lambda r, k: [b"SET", k, r("GET", k)],
    b"hash": lambda r, k: [b"HSET", k] + r("HGETALL", k),
    b"set": lambda r, k: [b"SADD", k] + sorted(r("SMEMBERS", k)),
    b"list": lambda r, k: [b"RPUSH", k] + r("LRANGE", k, 0, -1),
    b"zset": lambda r, k: [b"ZADD", k] + pairs(
        r("ZRANGE", k, 0, -1, "WITHSCORES")),
}


def dump(r):
    for key in sorted(r("KEYS", "*")):
        if r("PTTL", key) < 0:  # the others are gone by then
            yield to_line(WRITERS[r("TYPE", key)](r, key))


def load(r, where):
    r("FLUSHALL")
    with open(where + "/data") as f:
        for line in f:
            r(*from_line(line))


def monitored(path):
    """The first calls of each function that MONITOR saw."""
    seen = {}
    word = re.compile(rb'"((?:[^"\\]|\\.)*)"')
    escape = re.compile(rb"\\(x[0-9a-f]{2}|.)")
    plain = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

    def byte(m):
        e = m[1]
        return bytes([int(e[1:], 16)]) if len(e) == 3 else plain.get(e, e)

    with open(path, "rb") as f:
        for line in f:
            argv = [escape.sub(byte, w) for w in word.findall(line)]
            if b" lua] " in line or argv[:1] not in ([b"FCALL"],
                                                     [b"FCALL_RO"]):
                continue
            seen.setdefault(argv[1], [])
            if len(seen[argv[1]]) < CALLS_OF_EACH:
                seen[argv[1]].append(argv)
                yield argv


def save(r, where, log):
    with open(where + "/data", "w") as f:
        f.writelines(line + "\n" for line in dump(r))
    s, us = r("TIME")
    ms = b"%d" % (int(s) * 1000 + int(us) // 1000)
    functions = set()
    with open(where + "/calls", "w") as f:
        for argv in monitored(log):
            functions.add(argv[1].decode())
            argv[5] = ms  # for the same answers whenever they are made
            f.write(to_line(argv) + "\n")
    has = {name.decode()
           for lib in r("FUNCTION", "LIST", "LIBRARYNAME", "stint")
           for f in lib[5] for name in [f[1]]}
    print("functions that nobody called:", " ".join(sorted(has - functions)))


# ---- Calls ------------------------------------------------------------------

def shape(x):
    """Words of the protocol as they are, numbers and texts by their kind."""
    if isinstance(x, list):
        return [shape(e) for e in x]
    if x is None or isinstance(x, int):
        return x if x is None else 0
    if re.fullmatch(rb"[0-9a-f]{12}", x):
        return "token"
    if re.fullmatch(rb"-?[0-9.]+", x):
        return "0"
    if re.fullmatch(rb"[A-Z]+|", x):
        return x.decode()
    return "text"


def answers(r, where):
    with open(where + "/calls") as f:
        for line in f:
            argv = from_line(line)
            try:
                yield argv, shape(r(*argv))
            except ReplyError as why:
                yield argv, "-" + str(why).split()[0]


def fits(then, now):
    """More behind what there was is fine."""
    if isinstance(then, list) and isinstance(now, list):
        return len(now) >= len(then) and all(map(fits, then, now))
    return then == now


def check(r, where):
    bad = n = 0
    with open(where + "/answers") as f:
        for line, (argv, now) in zip(f, answers(r, where)):
            n += 1
            if not fits(json.loads(line), now):
                bad += 1
                print("%s\n  then %s\n  now  %s" % (
                    to_line(argv)[:200], line.strip()[:300],
                    json.dumps(now)[:300]))
    with open(where + "/answers") as f:
        wanted = sum(1 for _ in f)
    print("%d calls, %d answered otherwise" % (n, bad))
    return 1 if bad or n != wanted or n == 0 else 0


def main():
    r, verb, where = Redis(sys.argv[1]), sys.argv[2], sys.argv[3]
    if verb == "save":
        save(r, where, sys.argv[4])
    elif verb == "load":
        load(r, where)
    elif verb == "answers":
        with open(where + "/answers", "w") as f:
            f.writelines(json.dumps(now) + "\n"
                         for _, now in answers(r, where))
    else:
        return check(r, where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
