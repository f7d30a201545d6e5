# SPDX-License-Identifier: MIT
"""Follows the events of a broker: broker_stream.py URL STINT. Queues tasks and
hears of them; comes again with Last-Event-ID; over a hundred are refused."""
import json
import subprocess
import time

from broker_http import check, connect, equal, status_of, sys


def follow(url, path, more=b"", timeout=10):
    link = connect(url)
    link.settimeout(timeout)
    link.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n"
                 b"Accept: text/event-stream\r\n" + more + b"\r\n")
    return link


def hear(link, n, seconds=15):
    """The next n events as (id, verb, data)."""
    events, got, until = [], b"", time.monotonic() + seconds
    while len(events) < n and time.monotonic() < until:
        try:
            part = link.recv(65536)
        except TimeoutError:
            break
        if not part:
            break
        got += part
        events = []
        for block in got.decode().replace("\r\n", "\n").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n")
                          if line.startswith(("id: ", "event: ", "data: ")))
            if len(fields) == 3 and "late" not in fields["data"]:
                events.append((fields["id"], fields["event"],
                               json.loads(fields["data"])))
    return events


def queue(stint, *words):
    subprocess.run([stint, "queue-task", *words], check=True,
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def main():
    url, stint = sys.argv[1:]
    for group in ("one", "two"):
        subprocess.run([stint, "group", group, "--events", "1000"], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    path = b"/api/v1/events/stream"
    all_of_them = follow(url, path)
    one = follow(url, path + b"?group_name=one")
    equal("a stream", 200, status_of(one.recv(4096)))
    time.sleep(1.2) # both are at the end of what is there
    queue(stint, "--group-name", "one", "--id", "a", "f")
    queue(stint, "--group-name", "two", "--id", "b", "f")
    heard = hear(all_of_them, 2)
    equal("all groups", ["a", "b"], [e[2]["id"] for e in heard])
    heard = hear(one, 1)
    equal("one group", [("queue_task", "a", "QUEUED")],
          [(e[1], e[2]["id"], e[2]["status"]) for e in heard])
    last = heard[0][0]
    one.close()
    queue(stint, "--group-name", "one", "--id", "c", "f")
    again = follow(url, path + b"?group_name=one",
                   b"Last-Event-ID: " + last.encode() + b"\r\n")
    equal("on from where it was", ["c"],
          [e[2]["id"] for e in hear(again, 1)])
    wrong = follow(url, path + b"?group_name=one",
                   b"Last-Event-ID: one/nonsense\r\n")
    got = b""
    while True:
        part = wrong.recv(65536)
        got += part
        if not part or got.endswith(b"0\r\n\r\n"):
            break
    check("from nowhere: it ends", got.endswith(b"0\r\n\r\n"), got[-50:])
    many = [follow(url, path) for _ in range(110)]
    told = [status_of(link.recv(4096)) for link in many]
    check("a hundred at most", told.count(503) in (11, 12) and
          told.count(200) in (98, 99), told)
    for link in many:
        link.close()
    time.sleep(0.5)
    equal("then others may", 200, status_of(follow(url, path).recv(4096)))
    # Redis is asked for all of them together; the last one hears it, too.
    queue(stint, "--group-name", "one", "--id", "d", "f")
    equal("and go on", ["d"], [e[2]["id"] for e in hear(again, 1)])


main()
