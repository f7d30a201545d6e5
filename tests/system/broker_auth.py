# SPDX-License-Identifier: MIT
"""Who may do what at a broker: broker_auth.py MODE URL. The table of all that
decides is tests/unit/test_gate.c; here it is asked through the program."""
from broker_http import (JSON, ask, check, equal, json, ok, raw, ssl,
                         status_of, strict, sys)

READ = {"Authorization": "Bearer reader-reader-reader-1"}
QUEUE = {"Authorization": "Bearer queuer-queuer-queuer-1"}
ADMIN = {"Authorization": "Bearer admin-admin-admin-admin-1"}


def headers_are_strict(url):
    for method, path in (("GET", "/healthz"), ("GET", "/api/v1"),
                         ("GET", "/"), ("GET", "/app.js"), ("GET", "/none"),
                         ("GET", "/%zz"), ("POST", "/healthz"),
                         ("OPTIONS", "/healthz"), ("BREW", "/")):
        strict(f"{method} {path}", ask(url, method, path))
    equal("no-store", "no-store",
          ask(url, "GET", "/api/v1").headers["Cache-Control"])
    page = ask(url, "GET", "/")
    equal("the page", 200, page.status)
    equal("its type", "text/html; charset=utf-8", page.headers["Content-Type"])
    tag = page.headers["ETag"]
    again = ask(url, "GET", "/", {"If-None-Match": tag})
    equal("the page is not sent twice", (304, b""), (again.status, again.body))


def open_broker(url):
    """Nobody is asked who he is."""
    headers_are_strict(url)
    me = ask(url, "GET", "/api/v1").json()
    equal("everybody is admin", ("", "admin"), (me["user"], me["role"]))
    here = url.split("//")[1]
    change = [
        ("a program", JSON, None, 204),
        ("no type", {}, None, 415),
        ("a form", {"Content-Type": "application/x-www-form-urlencoded"}, None,
         415),
        ("plain text", {"Content-Type": "text/plain"}, None, 415),
        ("a page of ours", {**JSON, "Origin": url,
                            "Sec-Fetch-Site": "same-origin"}, None, 204),
        ("a page of another", {**JSON, "Origin": "http://evil.example",
                               "Sec-Fetch-Site": "cross-site"}, None, 403),
        ("another origin", {**JSON, "Origin": "http://evil.example"}, None,
         403),
        ("no origin", {**JSON, "Origin": "null"}, None, 403),
        ("another site", {**JSON, "Sec-Fetch-Site": "cross-site"}, None, 403),
        ("a name that was rebound", {**JSON, "Origin": "http://evil.example"},
         "evil.example", 403),
        ("a name", JSON, "localhost", 204),
        ("a name that is allowed", JSON, "stint.example:443", 204),
    ]
    for what, headers, host, status in change:
        equal(f"change by {what}", status,
              ask(url, "POST", "/logout", headers, b"", host).status)
    equal("reading by another name", 403,
          ask(url, "GET", "/api/v1", host="evil.example").status)
    equal("a probe by another name", 200,
          ask(url, "GET", "/healthz", host="evil.example").status)
    equal("no login without users", 409,
          ask(url, "POST", "/login", JSON,
              b'{"user":"a","password":"b"}').status)
    equal("two hosts", 400, status_of(raw(
        url, b"GET /api/v1 HTTP/1.1\r\nHost: %s\r\nHost: evil\r\n\r\n"
        % here.encode())))


def login(url, user, password, headers=None, context=None):
    return ask(url, "POST", "/login", {**JSON, **(headers or {})},
               json.dumps({"user": user, "password": password}).encode(),
               context=context)


def cookie_of(answer):
    return answer.headers["Set-Cookie"].split(";")[0]


# method, path, least role
ROUTES = [
    ("GET", "/api/v1", "read"),
    ("GET", "/api/v1/groups", "read"),
    ("GET", "/api/v1/tasks", "read"),
    ("GET", "/api/v1/workers", "read"),
    ("GET", "/api/v1/doctor", "admin"),
    ("POST", "/api/v1/tasks", "queue"),
    ("POST", "/api/v1/tasks/actions", "admin"),
    ("POST", "/api/v1/tasks/none/stop", "admin"),
    ("DELETE", "/api/v1/tasks/none", "admin"),
    ("POST", "/api/v1/workers/kill", "admin"),
    ("POST", "/api/v1/groups/main/pause", "admin"),
]
RANK = {"read": 1, "queue": 2, "admin": 3}


def roles(url):
    equal("nobody", 401, ask(url, "GET", "/api/v1").status)
    equal("nobody learns what there is", 401,
          ask(url, "GET", "/api/v1/none").status)
    equal("how to say who", 'Bearer realm="stint"',
          ask(url, "GET", "/api/v1").headers["WWW-Authenticate"])
    equal("the page is for everybody", 200, ask(url, "GET", "/").status)
    for method, path, least in ROUTES:
        for who, role in ((READ, "read"), (QUEUE, "queue"), (ADMIN, "admin"),
                          (None, "")):
            headers = dict(who or {})
            if method == "POST":
                headers.update(JSON)
            got = ask(url, method, path, headers,
                      b"{" if method == "POST" else None).status
            refused = not role or RANK[role] < RANK[least]
            wanted = (403 if role else 401) if refused else None
            check(f"{method} {path} by {role or 'nobody'}",
                  got == wanted if refused else got not in (401, 403, 405),
                  got)
    for value in ("Bearer reader-reader-reader-2", "Bearer", "Basic eDp5",
                  "Bearer " + "x" * 5000):
        equal(f"not with {value[:30]}", 401,
              ask(url, "GET", "/api/v1", {"Authorization": value}).status)


def sessions(url):
    for user, password, role in (("ann", "correct horse", "admin"),
                                 ("vera", "viewer pass", "read"),
                                 ("quinn", "queue pass", "queue")):
        made = login(url, user, password)
        equal(f"login of {user}", 200, made.status)
        equal("role", role, made.json()["role"])
        told = ask(url, "GET", "/api/v1", {"Cookie": cookie_of(made)}).json()
        equal("me", (user, role), (told["user"], told["role"]))
    made = login(url, "ann", "correct horse")
    words = made.headers["Set-Cookie"]
    for word in ("stint_session=", "HttpOnly", "SameSite=Strict", "Path=/"):
        check(f"the cookie says {word}", word in words, words)
    equal("no-store", "no-store", made.headers["Cache-Control"])
    cookie, csrf = cookie_of(made), made.json()["csrf"]
    page = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Origin": url,
            **JSON}
    equal("no change without its token", 403,
          ask(url, "POST", "/logout", page, b"").status)
    equal("nor with another's", 403,
          ask(url, "POST", "/logout", {**page, "Stint-CSRF": "0" * 64},
              b"").status)
    equal("nor from another page", 403,
          ask(url, "POST", "/logout",
              {**page, "Stint-CSRF": csrf, "Origin": "http://evil.example"},
              b"").status)
    equal("a login from another page", 403,
          login(url, "ann", "correct horse",
                {"Origin": "http://evil.example"}).status)
    equal("it is still there", 200,
          ask(url, "GET", "/api/v1", {"Cookie": cookie}).status)
    gone = ask(url, "POST", "/logout", {**page, "Stint-CSRF": csrf}, b"")
    equal("logout", 204, gone.status)
    check("the cookie goes", "Max-Age=0" in gone.headers["Set-Cookie"])
    equal("the session is gone", 401,
          ask(url, "GET", "/api/v1", {"Cookie": cookie}).status)
    equal("wrong fields", 400, login(url, 1, None).status)


def guessing(url):
    """After all else: logins of this address are used up."""
    answers = [login(url, user, "wrong").status
               for user in ("ann", "nobody") * 8]
    equal("no wrong password comes in", {401, 429}, set(answers))
    equal("then guessing is slowed", 429, answers[-1])
    equal("others go on", 200, ask(url, "GET", "/api/v1", READ).status)


def reload(url, user, password, status):
    equal(f"login of {user}", int(status), login(url, user, password).status)


def tls(url, authority):
    trust = ssl.create_default_context(cafile=authority)
    equal("over TLS", 200,
          ask(url, "GET", "/healthz", context=trust).status)
    made = login(url, "ann", "correct horse", context=trust)
    equal("login", 200, made.status)
    words = made.headers["Set-Cookie"]
    check("the cookie is of this host, by TLS alone",
          words.startswith("__Host-stint_session=") and "Secure" in words,
          words)
    equal("session", 200, ask(url, "GET", "/api/v1",
                              {"Cookie": cookie_of(made)},
                              context=trust).status)
    big = b'{"x":"' + b"y" * 900000 + b'"}'
    equal("a large body", 400,
          ask(url, "POST", "/login", JSON, big, context=trust).status)
    try:
        ask(url, "GET", "/healthz", context=ssl.create_default_context())
        sys.exit("FAILED: a certificate of nobody's was trusted")
    except ssl.SSLError:
        ok("the certificate is looked at")
    old = ssl.create_default_context(cafile=authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        ask(url, "GET", "/healthz", context=old)
        sys.exit("FAILED: TLS 1.1 was spoken")
    except (ssl.SSLError, ConnectionError):
        ok("no TLS 1.1")
    equal("no plain HTTP", 0, status_of(raw(
        url, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 3)))


def main():
    mode, url, *rest = sys.argv[1:]
    {"open": open_broker, "roles": roles, "sessions": sessions,
     "guessing": guessing, "reload": reload, "tls": tls}[mode](url, *rest)


main()
