# SPDX-License-Identifier: MIT
"""A client that believes nothing: every answer is held against the OpenAPI
document of the server that gave it."""
import http.client
import json
import re
import socket
import urllib.parse

from jsonschema import Draft202012Validator

JSON = "application/json"
LINES = "application/x-ndjson"
PROBLEM = "application/problem+json"


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(x)[:2000] for x in what))


def same(what, wanted, got):
    check(wanted == got, f"{what}: wanted {wanted!r}, got {got!r}")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.type = (headers.get("Content-Type") or "").split(";")[0]
        self.json = None
        if self.type in (JSON, PROBLEM):
            self.json = json.loads(body)

    def __getitem__(self, name):
        return self.json[name]


class Client:
    def __init__(self, url):
        at = urllib.parse.urlparse(url)
        self.host, self.port = at.hostname, at.port
        self.link = None
        self.validators = {}
        self.seen = {}  # (method, template): the statuses
        self.doc = json.loads(self.send("GET", "/api/v1/openapi.json").body)
        self.templates = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
            for path in self.doc["paths"]]
        # /tasks/bulk before /tasks/{id}
        self.templates.sort(key=lambda row: row[1].count("{"))

    def send(self, method, target, body=None, headers=None):
        if self.link is None:
            self.link = http.client.HTTPConnection(self.host, self.port,
                                                   timeout=20)
        try:
            self.link.request(method, target, body, headers or {})
            r = self.link.getresponse()
            answer = Answer(r.status, r.headers, r.read())
        except OSError:
            self.link = None
            raise
        if r.will_close:
            self.link.close()
            self.link = None
        return answer

    def raw(self, data, shut=True):
        """Bytes as they are, and all that comes until the other side ends."""
        with socket.create_connection((self.host, self.port),
                                      timeout=15) as s:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            got = b""
            while True:
                part = s.recv(65536)
                if not part:
                    return got
                got += part

    # ---- Against the document ---------------------------------------------

    def template(self, method, path):
        for pattern, template in self.templates:
            if pattern.match(path) and \
                    method.lower() in self.doc["paths"][template]:
                return template
        return None

    def operation(self, method, path):
        of = self.doc["paths"].get(self.template(method, path), {})
        return of.get(method.lower(), {})

    def judge(self, schema, value, what):
        key = json.dumps(schema)
        if key not in self.validators:
            root = dict(schema, components=self.doc["components"])
            self.validators[key] = Draft202012Validator(root)
        faults = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                  for e in self.validators[key].iter_errors(value)]
        check(not faults, what, faults[:3])

    def judge_answer(self, method, target, answer):
        path = target.split("?")[0]
        what = f"{method} {target} -> {answer.status}"
        documented = self.operation(method, path).get("responses", {})
        if answer.status >= 400 and str(answer.status) not in documented:
            same(f"{what}: type", PROBLEM, answer.type)
            same(f"{what}: status", answer.status, answer["status"])
            self.judge({"$ref": "#/components/schemas/Problem"}, answer.json,
                       what)
        template = self.template(method, path)
        if template is None:
            check(answer.status in (404, 405), what, "is not documented")
            return
        self.seen.setdefault((method, template), set()).add(answer.status)
        if answer.status >= 400 and str(answer.status) not in documented:
            return
        content = documented[str(answer.status)]["content"]
        check(answer.type in content, what, answer.type, "is not documented")
        schema = content[answer.type]["schema"]
        if answer.type == LINES:
            for i, line in enumerate(answer.body.splitlines()):
                if i < 100 or b"null" in line:
                    self.judge(schema, json.loads(line), what)
        elif answer.type == JSON:
            self.judge(schema, answer.json, what)

    def call(self, method, target, body=None, wanted=None, type=None):
        """The answer, which is as documented and of the wanted status."""
        headers = {}
        if method in ("POST", "PUT"):
            headers["Content-Type"] = type or JSON
            if body is None:
                body = ""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        answer = self.send(method, target, body, headers)
        self.judge_answer(method, target, answer)
        if wanted is not None:
            check(answer.status == wanted,
                  f"{method} {target}: wanted {wanted}, got {answer.status}:",
                  answer.body)
        return answer

    def get(self, target, wanted=200):
        return self.call("GET", target, wanted=wanted)

    def post(self, target, body=None, wanted=200, type=None):
        return self.call("POST", target, body, wanted, type)

    def refused(self, method, target, body=None, field=None):
        """400, and the field at fault is named."""
        answer = self.call(method, target, body, 400)
        if field is not None:
            check(field in answer.json.get("errors", {}),
                  f"{method} {target} {body}: {field} is not named:",
                  answer.body)
        return answer
