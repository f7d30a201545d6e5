# SPDX-License-Identifier: MIT
"""Malformed, huge, slow and many requests: broker_limits.py URL PID."""
import os
import random
import threading
import time

from broker_http import (JSON, ask, check, connect, equal, ok, raw, read_all,
                         status_of, sys)

HOST = b"Host: localhost\r\n"
LAST = HOST + b"Connection: close\r\n"
END = b"\r\n"


def rss_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def refused(url):
    get, post = b"GET /healthz HTTP/1.1\r\n", b"POST /login HTTP/1.1\r\n"
    rows = [
        ("lines without CR", 400, b"GET /healthz HTTP/1.1\nHost: a\n\r\n\r\n"),
        ("HTTP/0.9", 400, b"GET /healthz\r\n\r\n"),
        ("HTTP/2 in the clear", 505,
         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a path of a proxy", 400,
         b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + END),
        ("CONNECT", 501, b"CONNECT a:1 HTTP/1.1\r\n" + HOST + END),
        ("a NUL in the head", 400, get + HOST + b"X: a\0b\r\n" + END),
        ("a NUL in the path", 400, b"GET /a%00 HTTP/1.1\r\n" + LAST + END),
        ("dots", 400, b"GET /a/../healthz HTTP/1.1\r\n" + LAST + END),
        ("hidden dots", 400,
         b"GET /a/%2e%2e/healthz HTTP/1.1\r\n" + LAST + END),
        ("a long path", 414,
         b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + END),
        ("a long head", 431, get + HOST + b"X: " + b"a" * 9000 + b"\r\n" + END),
        ("many headers", 431, get + HOST + b"X: a\r\n" * 2000 + END),
        ("a head without an end", 431, get + b"X: " + b"a" * 100000),
        ("two lengths", 400, post + HOST +
         b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}G"),
        ("length and chunks", 411, post + HOST +
         b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("chunks", 411, post + HOST +
         b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("a body of GET", 400, get + HOST + b"Content-Length: 5\r\n\r\nhello"),
        ("a huge body", 413, post + HOST +
         b"Content-Length: 1048577\r\n\r\n" + b"x" * 5000000),
        ("a negative body", 400, post + HOST + b"Content-Length: -1\r\n\r\n"),
        ("no host", 400, get + END),
        ("no such expectation", 417, post + HOST + b"Expect: tea\r\n" + END),
    ]
    for what, status, text in rows:
        got = raw(url, text)
        equal(f"{what}: {status}", status, status_of(got))
        check(f"{what}: one answer", got.count(b"Content-Security-Policy: ") == 1, got[:300])
        check(f"{what}: told apart", b"application/problem+json" in got)


def bodies(url):
    def post(body, headers=JSON):
        return ask(url, "POST", "/login", headers, body).status
    deep = b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"
    for what, body, status in (
            ("no JSON", b"{", 400), ("an array", b"[]", 400),
            ("a text", b'"a"', 400), ("deep", deep, 400),
            ("hidden deep", b'{"a":' + b"[" * 65 + b"]" * 65 + b"}", 400),
            ("a key twice", b'{"a":1,"a":2}', 400),
            ("something behind it", b"{} {}", 400),
            ("no UTF-8", b'{"a":"\xff"}', 400), ("a NUL", b'{"a":"\\u0000"}',
                                                 400),
            ("nothing", b"", 409), ("an object", b"{}", 409),
            ("brackets in a text", b'{"a":"' + b"[" * 1000 + b'\\""}', 409)):
        equal(f"a body: {what}", status, post(body))
    equal("no type", 415, post(b"{}", {}))
    equal("another type", 415, post(b"{}", {"Content-Type": "text/json"}))
    equal("a type with more", 409,
          post(b"{}", {"Content-Type": "Application/JSON; charset=utf-8"}))
    link = connect(url)
    link.sendall(b"POST /login HTTP/1.1\r\n" + HOST + b"Expect: 100-continue"
                 b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                 b"Connection: close\r\n\r\n")
    equal("go on", 100, status_of(link.recv(1000)))
    link.sendall(b"{}")
    equal("and the answer", 409, status_of(read_all(link)))
    link.close()
    head = raw(url, b"HEAD /app.js HTTP/1.1\r\n" + HOST +
               b"Connection: close\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    check("HEAD tells the length and sends nothing",
          length > 100 and head.endswith(b"\r\n\r\n"), head)


def kept(url):
    """Connections that go on, and requests that come too early."""
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + END
    link = connect(url)
    for i in range(50):
        link.sendall(one)
        got = b""
        while not got.endswith(b"ok\n"):
            got += link.recv(1000)
    ok("fifty requests on one connection")
    link.sendall(one[:20])
    time.sleep(0.05)
    link.sendall(one[20:])
    equal("in two pieces", 200, status_of(link.recv(1000)))
    link.sendall(b"BREW / HTTP/1.1\r\n" + HOST + END)
    equal("a bad one behind good ones", 501, status_of(read_all(link)))
    link.close()
    got = raw(url, one * 20)
    check("what comes before its answer is answered or closed",
          got.startswith(b"HTTP/1.1 200") and
          (b"Connection: close" in got or got.count(b"200 OK") == 20),
          got[:500])
    bad = raw(url, one + b"GET /x HTTP/1.1\r\nX : y\r\n\r\n" + one)
    check("a bad one behind a good one is not answered with good",
          bad.count(b"200 OK") == 1, bad[:900])


def gone(url):
    """Clients that go in the middle of everything."""
    text = b"POST /login HTTP/1.1\r\n" + HOST + \
        b"Content-Type: application/json\r\nContent-Length: 30\r\n\r\n" + \
        b"{" + b" " * 28 + b"}"
    for n in range(len(text) + 1):
        link = connect(url)
        link.sendall(text[:n])
        link.close()
    for n in range(200):
        link = connect(url)
        link.sendall(b"GET /app.js HTTP/1.1\r\n" + HOST + END)
        link.close()
    dice = random.Random(7)
    for n in range(300):
        link = connect(url)
        try:
            link.sendall(dice.randbytes(dice.randrange(1, 9000)))
        except ConnectionError:
            pass
        link.close()
    equal("it lives", 200, ask(url, "GET", "/healthz").status)


def count_refused(links, least):
    """How many were told 503, looking until it is enough; 8 s at most."""
    told, until = set(), time.monotonic() + 8
    for link in links:
        link.setblocking(False)
    while len(told) < least and time.monotonic() < until:
        time.sleep(0.1)
        for i, link in enumerate(links):
            try:
                if link.recv(1000).startswith(b"HTTP/1.1 503"):
                    told.add(i)
            except BlockingIOError:
                pass
            except ConnectionError:
                told.add(i)
    return len(told)


def crowd(url, pid):
    """Six hundred connections."""
    links = []
    for _ in range(600):
        links.append(connect(url))
    told = count_refused(links, 80)
    check("those beyond 512 are told so", 80 <= told <= 100, told)
    check("they take little", rss_mib(pid) < 150, rss_mib(pid))
    for link in links:
        link.close()
    time.sleep(0.6)
    equal("then there is room again", 200, ask(url, "GET", "/healthz").status)


def heavy(url, pid):
    """More bodies at once than may be held, each of them allowed."""
    links = []
    head = b"POST /login HTTP/1.1\r\n" + HOST + \
        b"Content-Type: application/json\r\nContent-Length: 1048576\r\n\r\n"
    part = b"x" * 1048000
    for _ in range(80):
        link = connect(url)
        links.append(link)
        try:
            link.sendall(head + part)
        except ConnectionError:
            pass
    told = count_refused(links, 5)
    check("who comes with too much is told so", 5 <= told <= 30, told)
    check("memory is bounded", rss_mib(pid) < 250, rss_mib(pid))
    equal("others go on", 200, ask(url, "GET", "/healthz").status)
    for link in links:
        link.close()


def deaf(url, pid):
    """Clients that ask and never read."""
    links = []
    for _ in range(100):
        link = connect(url)
        link.setblocking(False)
        links.append(link)
        try:
            for _ in range(200):
                link.send(b"GET /app.js HTTP/1.1\r\n" + HOST + END)
        except (BlockingIOError, ConnectionError):
            pass
    time.sleep(0.3)
    check("answers that nobody reads are bounded", rss_mib(pid) < 250,
          rss_mib(pid))
    equal("others go on", 200, ask(url, "GET", "/healthz").status)
    for link in links:
        link.close()


def slow(url, results):
    """Bytes that trickle: however they do it, ten seconds are all there is."""
    def trickle(what, text, tail):
        link = connect(url)
        began = time.monotonic()
        got = b""
        try:
            link.sendall(text)
            link.settimeout(0.4)
            while time.monotonic() - began < 18:
                try:
                    got = link.recv(1000)
                    break
                except TimeoutError:
                    link.sendall(tail)
        except ConnectionError:
            pass
        results[what] = (time.monotonic() - began, status_of(got))
        link.close()
    ways = {
        "nothing": (b"", b""),
        "a head": (b"GET / HTTP/1.1\r\n", b"X: a\r\n"),
        "half a head": (b"GET / HT", b""),
        "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""),
        "a body": (b"POST /login HTTP/1.1\r\n" + HOST +
                   b"Content-Type: application/json\r\n"
                   b"Content-Length: 1000\r\n\r\n", b"x"),
    }
    threads = [threading.Thread(target=trickle, args=(what, *way),
                                daemon=True)
               for what, way in ways.items()]
    for t in threads:
        t.start()
    return threads


def main():
    url, pid = sys.argv[1:]
    results = {}
    threads = slow(url, results)
    refused(url)
    bodies(url)
    kept(url)
    gone(url)
    crowd(url, pid)
    heavy(url, pid)
    deaf(url, pid)
    for t in threads:
        t.join()
    for what, (seconds, status) in results.items():
        check(f"slowly: {what}: {seconds:.1f} s, {status}",
              9 < seconds < 12.5 and status == (0 if what == "nothing"
                                                else 408))
    equal("it lives", 200, ask(url, "GET", "/healthz").status)


main()
