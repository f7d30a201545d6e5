# SPDX-License-Identifier: MIT
"""What the tests of the broker share: requests as they are, and checks."""
import http.client
import json
import socket
import ssl
import sys
from urllib.parse import urlsplit

checks = 0


def ok(what):
    global checks
    checks += 1
    print(f"ok {checks} - {what}", flush=True)


def equal(what, wanted, got):
    if wanted != got:
        sys.exit(f"FAILED: {what}: wanted {wanted!r}, got {got!r}")
    ok(what)


def check(what, condition, detail=""):
    if not condition:
        sys.exit(f"FAILED: {what} {detail!r}")
    ok(what)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def ask(url, method, path, headers=None, body=None, host=None, context=None):
    """One request on a connection of its own; headers exactly as given."""
    at = urlsplit(url)
    if at.scheme == "https":
        link = http.client.HTTPSConnection(at.hostname, at.port, timeout=20,
                                           context=context)
    else:
        link = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
    link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    link.putheader("Host", host if host is not None else at.netloc)
    for name, value in (headers or {}).items():
        link.putheader(name, value)
    if body is not None:
        link.putheader("Content-Length", str(len(body)))
    link.endheaders(body)
    answer = Answer(link.getresponse())
    link.close()
    return answer


def connect(url):
    at = urlsplit(url)
    return socket.create_connection((at.hostname, at.port), timeout=20)


def raw(url, text, timeout=20):
    """Sends bytes, reads until the other side closes or nothing comes."""
    link = connect(url)
    link.settimeout(timeout)
    try:
        link.sendall(text)
        return read_all(link)
    except (ConnectionResetError, BrokenPipeError):
        return b""
    finally:
        link.close()


def read_all(link):
    got = b""
    try:
        while True:
            part = link.recv(65536)
            if not part:
                break
            got += part
    except (ConnectionResetError, TimeoutError):
        pass
    return got


def status_of(answer):
    """The first line's status; 0: there was no answer."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


JSON = {"Content-Type": "application/json"}
STRICT = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def strict(what, answer):
    for name, value in STRICT.items():
        if answer.headers.get(name) != value:
            sys.exit(f"FAILED: {what}: {name}: {answer.headers.get(name)!r}")
    ok(f"{what}: strict headers")


__all__ = ["Answer", "ask", "connect", "raw", "read_all", "status_of", "ok",
           "equal", "check", "strict", "JSON", "STRICT", "ssl", "json", "sys"]
