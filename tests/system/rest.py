# SPDX-License-Identifier: MIT
"""Every route of the interface for programs, with good and bad input. Called
by test_rest.sh with the URL of a broker."""
import http.client
import json
import sys
import time
import urllib.parse

from rest_client import LINES, Client, check, same

API = "/api/v1"
EVIL = '<script>alert("1")</script> \u00e9\u4e16\u754c \U0001f600 \' & \\'
ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "STOPPED", "EXPIRED"}
c = Client(sys.argv[1])


def quoted(text):
    return urllib.parse.quote(text, safe="")


def queue(wanted=201, **task):
    return c.post(f"{API}/tasks", task, wanted)


def ended(id, group="main"):
    t = c.get(f"{API}/tasks/{id}/wait?timeout=15&group_name={group}&output=1")
    check(t["status"] in ENDED, id, "is", t["status"])
    return t


def until(what, fn):
    end = time.monotonic() + 15
    while not fn():
        check(time.monotonic() < end, what, "took too long")
        time.sleep(0.05)


# ---- Tests, in the order of this file ---------------------------------------

def about():
    c.get(f"{API}/openapi.json")
    a = c.get(API)
    same("version", c.doc["info"]["version"], a["version"])
    same("namespace", "stint", a["namespace"])
    c.post(f"{API}/groups/main/events", {"keep": 5000})
    same("events are kept", 5000, c.get(f"{API}/groups/main")["events"])
    until("two workers are there",
          lambda: c.get(f"{API}/overview")["workers"]["live"] == 2)


def one_task():
    a = queue(function="echo", id="one", args=[EVIL], task_name=EVIL,
              tags=["t1", "t2"])
    same("id", "one", a["id"])
    same("location", f"{API}/tasks/one?group_name=main",
         a.headers["Location"])
    t = ended("one")
    same("status", "COMPLETED", t["status"])
    same("output", EVIL + "\n", t["output"])
    same("args", [EVIL], t["args"])
    same("task_name", EVIL, t["task_name"])
    same("tags", ["t1", "t2"], t["tags"])
    t = c.get(f"{API}/tasks/one")
    check("output" not in t.json and "runs" not in t.json, t.body)
    t = c.get(f"{API}/tasks/one?output=1&runs=1")
    same("a run", "COMPLETED", t["runs"][0]["status"])
    same("its output", EVIL + "\n", t["runs"][0]["output"])
    a = queue(function="echo", args=["x"])
    same("an id is made", 26, len(a["id"]))


def the_same_again():
    task = {"function": "nap", "id": "again", "args": [{"a": 1}], "vars":
            {"x": EVIL}, "timeout": 7, "start_time": "+1h"}
    c.post(f"{API}/tasks", task, 201)
    c.post(f"{API}/tasks", task, 200)
    c.post(f"{API}/tasks", dict(task, start_time="+2h"), 200)
    for change in ({"args": [{"a": 2}]}, {"timeout": 8}, {"vars": {}},
                   {"function": "echo"}):
        a = c.post(f"{API}/tasks", dict(task, **change), 409)
        same("type", "urn:stint:exists", a["type"])
        check("id" in a["errors"], a.body)
    c.post(f"{API}/tasks", dict(task, group_name="side"), 201)
    c.call("DELETE", f"{API}/tasks/again?group_name=side", wanted=200)
    c.call("DELETE", f"{API}/tasks/again", wanted=200)
    c.call("DELETE", f"{API}/tasks/again", wanted=404)
    c.post(f"{API}/tasks", dict(task, timeout=9), 201)


def bad_tasks():
    for task, field in [
            ({}, "function"), ({"function": "a b"}, "function"),
            ({"function": "echo", "args": {}}, "args"),
            ({"function": "echo", "vars": []}, "vars"),
            ({"function": "echo", "id": ""}, "id"),
            ({"function": "echo", "id": "x" * 129}, "id"),
            ({"function": "echo", "group_name": "a/b"}, "group_name"),
            ({"function": "echo", "start_time": "soon"}, "start_time"),
            ({"function": "echo", "timeout": 0}, "timeout"),
            ({"function": "echo", "priority": 101}, "priority"),
            ({"function": "echo", "repeats": 1.5}, "repeats"),
            ({"function": "echo", "cronline": "* * *"}, "cronline"),
            ({"function": "echo", "depends_on": ["no-such"]}, "depends_on"),
            ({"function": "echo", "durability": 9}, "durability"),
            ({"function": "echo", "periood": 1}, "periood")]:
        c.refused("POST", f"{API}/tasks", task, field)
    a = c.refused("POST", f"{API}/tasks", {"args": 1, "timeout": -1})
    same("all of it at once", {"function", "args", "timeout"},
         set(a["errors"]))
    for text in ("", "[]", "7", "null", "{", '{"function":"echo"', "nonsense",
                 '{"function":"echo","function":"fail"}', "\0",
                 '{"function":"\xff"}'.encode("latin-1"),
                 '{"function":"echo","args":' + "[" * 200 + "]" * 200 + "}"):
        c.call("POST", f"{API}/tasks", text, 400)
    for field in ("queue_taks", "<b>"):
        c.refused("POST", f"{API}/tasks?{quoted(field)}=1",
                  {"function": "echo"}, field)


def sizes_and_types():
    big = json.dumps({"function": "echo", "args": ["x" * 1100000]})
    a = c.call("POST", f"{API}/tasks", big, 413)
    same("type", "urn:stint:too-large", a["type"])
    c.post(f"{API}/tasks", "function=echo", 415,
           type="application/x-www-form-urlencoded")
    c.post(f"{API}/tasks", "{}", 415, type="text/plain")
    c.post(f"{API}/tasks/bulk", "{}", 415)
    head = (b"POST /api/v1/tasks HTTP/1.1\r\nHost: %b:%d\r\n"
            b"Content-Type: application/json\r\n" %
            (c.host.encode(), c.port))
    task = b'{"function":"echo","id":"half"}'
    c.raw(head + b"Content-Length: %d\r\n\r\n%b" % (len(task) + 1, task))
    c.raw(head + b"Content-Length: 1000\r\n\r\n" + task)
    c.get(f"{API}/tasks/half", 404)
    for bad in (b"-1", b"x", b"99999999999999999999"):
        got = c.raw(head + b"Content-Length: %b\r\n\r\n%b" % (bad, task))
        check(got.startswith(b"HTTP/1.1 4"), bad, got)
    c.get(f"{API}/tasks/half", 404)


def wrong_methods():
    for template, methods in c.doc["paths"].items():
        path = template.replace("{id}", "one").replace("{group}", "main")
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            if method.lower() in methods or \
                    c.template(method, path) is not None:
                continue
            a = c.send(method, path, b"", {"Content-Type":
                                           "application/json"})
            check(a.status in (404, 405, 501), method, path, a.status)
            if a.status == 405:
                allowed = a.headers["Allow"]
                for one in methods:
                    check(one.upper() in allowed, path, allowed)
    for path in ("/api", "/api/v2", "/api/v1/", "/api/v1/nothing",
                 "/api/v1/tasks/one/nothing", "/api/v1/tasks/one/stop/now"):
        check(c.send("GET", path).status in (400, 404), path)


def names_not_known():
    """Every operation refuses a parameter it does not know, and each that
    takes a body, a field."""
    free = (f"{API}/events/stream", f"{API}/tasks/bulk", API,
            f"{API}/autoscale")
    for template, methods in c.doc["paths"].items():
        path = template.replace("{id}", "one").replace("{group}", "main")
        for method in methods:
            if template in free or not path.startswith(API):
                continue
            body = {} if method == "post" else None
            c.refused(method.upper(), f"{path}?bogus=1", body, "bogus")
            if method == "post":
                c.refused("POST", path, {"bogus": 1}, "bogus")


def numbers_out_of_bounds():
    """Below, above, and no number at all: of every parameter that is one."""
    for template, methods in c.doc["paths"].items():
        if template == f"{API}/autoscale":
            continue
        path = template.replace("{id}", "one").replace("{group}", "main")
        for p in methods.get("get", {}).get("parameters", []):
            s = p["schema"]
            if s.get("type") == "integer":
                for bad in (s["minimum"] - 1, s["maximum"] + 1, "x", "", "1e1",
                            "99999999999999999999", "1.5", "%201"):
                    c.refused("GET", f"{path}?{p['name']}={bad}", None,
                              p["name"])
            elif s.get("enum") == ["0", "1"]:
                c.refused("GET", f"{path}?{p['name']}=2", None, p["name"])


def no_such_task():
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/wait"),
                         ("GET", "/why"), ("GET", "/graph"),
                         ("GET", "/timeline"), ("POST", "/stop"),
                         ("POST", "/requeue"), ("POST", "/enable"),
                         ("POST", "/disable"), ("POST", "/run-now")):
        for id in ("no-such", quoted(EVIL.replace("/", "")), "..%2E",
                   "x" * 500):
            if c.template(method, f"{API}/tasks/x{rest}") is None:
                continue
            a = c.call(method, f"{API}/tasks/{id}{rest}",
                       {} if method == "POST" else None)
            check(a.status in (404, 400), method, rest, id, a.status, a.body)
    c.post(f"{API}/tasks/no-such/priority", {"priority": 1}, 404)
    c.get(f"{API}/tasks/one?group_name=side", 404)
    c.get(f"{API}/tasks/one?group_name={quoted(EVIL)}", 404)
    c.get(f"{API}/groups/no-such", 404)


def waiting():
    begin = time.monotonic()
    t = c.get(f"{API}/tasks/again/wait?timeout=1")
    same("not ended", "QUEUED", t["status"])
    check(0.9 < time.monotonic() - begin < 5, "the time was kept")
    queue(function="nap", id="w", args=["0.3"])
    same("ended", "COMPLETED", c.get(f"{API}/tasks/w/wait")["status"])


def errors_and_results():
    queue(function="fail", id="f")
    t = ended("f")
    same("status", "FAILED", t["status"])
    check("<script>broken" in t["error"], t.body)
    queue(function="value", id="v")
    t = ended("v")
    same("hidden", {"password": "(hidden)", "n": [1, {"password": "(hidden)"}]},
         t["result"])
    queue(function="echo", id="h", args=["x", {"a": {"password": [1]}}],
          vars={"password": "p", "user": "u"})
    t = ended("h")
    same("args", ["x", {"a": {"password": "(hidden)"}}], t["args"])
    same("vars", {"password": "(hidden)", "user": "u"}, t["vars"])
    for t in c.get(f"{API}/tasks?id=h")["tasks"]:
        same("in a list", "(hidden)", t["vars"]["password"])


def changes():
    queue(function="nap", id="c", args=["60"], start_time="+1h")
    a = c.post(f"{API}/tasks/c/disable")
    same("id", "c", a["id"])
    check("disabled" in c.get(f"{API}/tasks/c/why")["reason"])
    c.post(f"{API}/tasks/c/run-now", wanted=409)
    c.post(f"{API}/tasks/c/enable", "{}")
    c.refused("POST", f"{API}/tasks/c/priority", {}, "priority")
    c.refused("POST", f"{API}/tasks/c/priority", {"priority": 101}, "priority")
    c.post(f"{API}/tasks/c/priority", {"priority": 5})
    same("priority", 5, c.get(f"{API}/tasks/c")["priority"])
    c.post(f"{API}/tasks/c/requeue", wanted=409)
    c.post(f"{API}/tasks/c/run-now")
    until("it runs", lambda: c.get(f"{API}/tasks/c")["status"] == "RUNNING")
    c.call("DELETE", f"{API}/tasks/c", wanted=409)
    same("running", True, c.post(f"{API}/tasks/c/stop")["running"])
    same("stopped", "STOPPED", ended("c")["status"])
    c.post(f"{API}/tasks/c/stop", wanted=409)
    c.refused("POST", f"{API}/tasks/c/requeue", {"reset": 1}, "reset")
    c.post(f"{API}/tasks/c/requeue?group_name=main", {"reset": True})
    c.post(f"{API}/tasks/c/stop")
    ended("c")
    c.call("DELETE", f"{API}/tasks/c?group_name=main", wanted=200)


def graphs():
    queue(function="nap", id="p", args=["60"], start_time="+1h")
    queue(function="echo", id="k", args=["x"], depends_on=["p"])
    g = c.get(f"{API}/tasks/k/graph")
    same("nodes", ["p", "k"], [n["id"] for n in g["nodes"]])
    same("parents", ["main/p"], g["nodes"][1]["parents"])
    c.get(f"{API}/tasks/k/graph?limit=1", 409)
    check("p" in c.get(f"{API}/tasks/k/why")["reason"])


def bulk():
    lines, bad = [], {}
    for i in range(5000):
        task = {"function": "echo", "id": f"b{i}", "args": [f"{i} {EVIL}"],
                "group_name": "bulk", "start_time": "+1h",
                "tags": ["even" if i % 2 == 0 else "odd"]}
        if i % 500 == 250:
            task["timeout"] = -1
            bad[i] = "timeout"
        elif i % 500 == 251:
            task["depends_on"] = ["no-such"]
            bad[i] = "depends_on"
        elif i == 1999:
            task["id"] = "b0"  # there, and not the same
            bad[i] = "id"
        elif i == 2999:
            task["id"] = "b2998"  # a line before
            bad[i] = "id"
        lines.append(json.dumps(task))
    lines[4321], bad[4321] = "{nonsense", "task"
    lines[4322], bad[4322] = "7", "task"
    text = "\n".join(lines) + "\n\n\r\n"
    begin = time.monotonic()
    a = c.post(f"{API}/tasks/bulk", text, type=LINES)
    took = time.monotonic() - begin
    answers = [json.loads(x) for x in a.body.splitlines()]
    same("lines", 5000, len(answers))
    for i, one in enumerate(answers):
        if i in bad:
            check(one["id"] is None and bad[i] in one["errors"], i, one)
        else:
            same(f"line {i}", {"id": f"b{i}", "errors": {}}, one)
    good = 5000 - len(bad)
    g = c.get(f"{API}/groups/bulk")
    same("queued", good, g["queued"])
    same("scheduled", good, g["scheduled"])
    again = c.post(f"{API}/tasks/bulk", text, type=LINES)
    same("the same again", a.body, again.body)
    same("and no more", good, c.get(f"{API}/groups/bulk")["queued"])
    same("nothing", b"", c.post(f"{API}/tasks/bulk", "\n\n", type=LINES).body)
    a = c.call("POST", f"{API}/tasks/bulk?x=1", text, 400, type=LINES)
    check("x" in a["errors"], a.body)
    print(f"   5,000 lines took {took:.2f} s")
    return good


def pages(good):
    def walk(query):
        ids, cursor, calls = [], None, 0
        while True:
            more = f"&cursor={quoted(cursor)}" if cursor else ""
            # A thousand tasks of one kind need no second look each.
            a = (c.send("GET", f"{API}/tasks?{query}{more}") if more else
                 c.get(f"{API}/tasks?{query}"))
            same("status", 200, a.status)
            ids += [t["id"] for t in a["tasks"]]
            cursor = a["cursor"]
            calls += 1
            check(calls < 200, query, "does not end")
            if cursor is None:
                return ids
    for limit in (300, 999):
        ids = walk(f"group_name=bulk&limit={limit}")
        same("all", good, len(ids))
        same("each once", good, len(set(ids)))
    check(len(c.get(f"{API}/tasks?group_name=bulk&limit=1")["tasks"]) <= 1)
    odd = walk("group_name=bulk&tag=odd&limit=1000")
    check(all(int(x[1:]) % 2 for x in odd) and len(odd) > 2400, len(odd))
    same("by text", {"b4999"}, set(walk("group_name=bulk&text=4999+%3Cscript")))
    same("by id", ["b17"], walk("id=b17&group_name=bulk"))
    check("f" in walk("status=FAILED,TIMEOUT&error=broken"))
    same("none", [], walk("group_name=bulk&status=RUNNING"))
    for cursor in ("x", "0", "-1", quoted(EVIL), "%F0%9F%98%80", "a" * 3000,
                   "eyJ4IjoxfQ", "1:2:3:4:5:6:7:8", "99999999999999999999"):
        a = c.get(f"{API}/tasks?cursor={cursor}", wanted=400)
        same("type", "urn:stint:invalid", a["type"])
    for bad in ("status=NOPE", "from=soon", f"group_name={quoted(EVIL)}"):
        c.get(f"{API}/tasks?{bad}", wanted=400)


def actions(good):
    url = f"{API}/tasks/actions"

    def steps(**body):
        total, calls, cursor = {"matched": 0, "done": 0, "failed": 0}, 0, None
        while True:
            a = c.post(url, dict(body, cursor=cursor))
            for name in total:
                total[name] += a[name]
            cursor, calls = a["cursor"], calls + 1
            check(calls < 200, body, "does not end")
            if cursor is None:
                return total, calls
    bulk = {"group_name": "bulk"}
    odd = {"group_name": "bulk", "tag": "odd"}
    for body, field in [
            ({}, "action"), ({"action": "x", "filter": {}}, "action"),
            ({"action": "stop"}, "filter"),
            ({"action": "stop", "filter": 1}, "filter"),
            ({"action": "stop", "filter": {"grup": "x"}}, "grup"),
            ({"action": "stop", "filter": {"id": 1}}, "id"),
            ({"action": "stop", "filter": {}, "dry_run": 1}, "dry_run"),
            ({"action": "stop", "filter": {}, "priority": 1}, "priority"),
            ({"action": "priority", "filter": bulk}, "priority"),
            ({"action": "priority", "filter": bulk, "priority": 101},
             "priority"),
            ({"action": "requeue", "filter": bulk, "reset": "yes"}, "reset")]:
        c.refused("POST", url, body, field)
    c.post(url, {"action": "stop", "filter": bulk, "cursor": "x"}, 400)
    c.post(url, {"action": "stop", "filter": {"status": "NOPE"}}, 400)
    total, _ = steps(action="stop", filter=odd, dry_run=True)
    n = total["matched"]
    check(n > 2400 and total["done"] == 0, total)
    same("untouched", good, c.get(f"{API}/groups/bulk")["queued"])
    total, calls = steps(action="stop", filter=odd)
    same("stopped", {"matched": n, "done": n, "failed": 0}, total)
    check(calls > 5, "in steps")
    same("left", good - n, c.get(f"{API}/groups/bulk")["queued"])
    c.post(url, {"action": "stop", "filter": dict(odd, status="STOPPED")}, 400)
    few = dict(bulk, id="b11", status="STOPPED")
    total, _ = steps(action="requeue", filter=few)
    check(total["done"] > 0 and total["failed"] == 0, total)
    total, _ = steps(action="disable", filter=dict(bulk, id="b22"))
    check(total["done"] > 0, total)
    check(c.get(f"{API}/groups/bulk")["disabled"] == total["done"])
    for action in ("enable", "run-now"):
        total, _ = steps(action=action, filter=dict(bulk, id="b22"))
        check(total["done"] > 0 and total["failed"] == 0, action, total)
    total, _ = steps(action="priority", filter=dict(bulk, id="b22"),
                     priority=9)
    same("priority", 9, c.get(f"{API}/tasks/b22?group_name=bulk")["priority"])
    left = c.get(f"{API}/groups/bulk")["queued"]
    c.refused("POST", f"{API}/groups/bulk/purge", {"status": "RUNNING"},
              "status")
    c.refused("POST", f"{API}/groups/bulk/purge", {"status": "QUEUED,FAILED"},
              "status")
    same("counted", left, sum_steps("bulk", dry_run=True)["matched"])
    same("purged", left, sum_steps("bulk")["done"])
    sum_steps("bulk", status="STOPPED")
    g = c.get(f"{API}/groups/bulk")
    same("nothing is left", (0, 0), (g["queued"], g["retained"]))


def sum_steps(group, **body):
    total, cursor, calls = {"matched": 0, "done": 0, "failed": 0}, None, 0
    while True:
        a = c.post(f"{API}/groups/{group}/purge", dict(body, cursor=cursor))
        for name in total:
            total[name] += a[name]
        cursor, calls = a["cursor"], calls + 1
        check(calls < 200, "purge does not end")
        if cursor is None:
            return total


def groups():
    c.post(f"{API}/groups/side/pause")
    same("paused", True, c.get(f"{API}/groups/side")["paused"])
    queue(function="echo", id="s", args=["x"], group_name="side")
    check("paused" in c.get(f"{API}/tasks/s/why")["reason"])
    same("it waits", "QUEUED",
         c.get(f"{API}/tasks/s/wait?timeout=0")["status"])
    c.post(f"{API}/groups/side/resume", "{}")
    same("it runs", "COMPLETED", ended("s", "side")["status"])
    a = c.post(f"{API}/groups/spread/parts", {"parts": 3})
    same("parts", 3, a["parts"])
    queue(function="echo", id="in-parts", group_name="spread")
    same("parts", 3, c.get(f"{API}/groups/spread")["parts"])
    c.post(f"{API}/groups/spread/parts", {"parts": 4}, 409)
    for bad in (0, 257, "3", None):
        c.refused("POST", f"{API}/groups/spread/parts", {"parts": bad},
                  "parts")
    c.post(f"{API}/groups/{quoted(EVIL.replace('/', ''))}/pause", {}, 400)
    names = [g["group_name"] for g in c.get(f"{API}/groups")["groups"]]
    check({"main", "side", "spread"} <= set(names), names)
    o = c.get(f"{API}/overview")
    same("the sum", sum(g["queued"] for g in o["groups"]),
         o["totals"]["queued"])
    for span in ("", "?span=hour", "?span=day", "?span=month"):
        h = c.get(f"{API}/groups/main/history{span}")
        check(h["step_s"] > 0, h.body)
    c.refused("GET", f"{API}/groups/main/history?span=year", None, "span")
    f = {x["function"]: x for x in
         c.get(f"{API}/groups/main/functions")["functions"]}
    check(f["fail"]["failed"] == 1 and f["echo"]["completed"] >= 3, f)


def events():
    first = c.get(f"{API}/events?limit=5")
    same("a page", 5, len(first["events"]))
    cursor, seen = None, []
    for _ in range(100):
        after = f"&after={quoted(cursor)}" if cursor else ""
        a = c.get(f"{API}/events?group_name=main&limit=100{after}")
        if not a["events"]:
            break
        seen += a["events"]
        cursor = a["cursor"]
    check(len(seen) > 20, "events", len(seen))
    same("each once", len(seen), len({e["cursor"] for e in seen}))
    one = [e["verb"] for e in c.get(f"{API}/events?group_name=main&id=one")
           ["events"]]
    same("of one task", ("queue_task", "report"), (one[0], one[-1]))
    for bad in ("after=rubbish", f"after={quoted(EVIL)}",
                f"group_name={quoted(EVIL)}"):
        c.get(f"{API}/events?{bad}", 400)
    t = c.get(f"{API}/tasks/f/timeline")
    same("complete", True, t["complete"])
    same("begins", "queue_task", t["events"][0]["verb"])
    check("broken" in t["events"][-1]["text"], t.body)
    c.post(f"{API}/groups/side/events", {"keep": 100})
    same("on", 100, c.get(f"{API}/groups/side")["events"])
    c.post(f"{API}/groups/side/events", {"keep": 0})
    same("off", 0, c.get(f"{API}/groups/side")["events"])
    queue(function="echo", id="quiet", args=["x"], group_name="side")
    ended("quiet", "side")
    t = c.get(f"{API}/tasks/quiet/timeline")
    same("of its runs", (False, ["start", "report"]),
         (t["complete"], [e["verb"] for e in t["events"]]))
    for bad in (-1, 1000001, "x", None):
        c.refused("POST", f"{API}/groups/side/events", {"keep": bad}, "keep")


def stream():
    """Events as they come, and from where the last one left off."""
    def follow(last, wanted):
        link = http.client.HTTPConnection(c.host, c.port, timeout=15)
        link.request("GET", f"{API}/events/stream?group_name=main",
                     headers={"Last-Event-ID": last})
        r = link.getresponse()
        same("status", 200, r.status)
        same("type", "text/event-stream", r.headers["Content-Type"]
             .split(";")[0])
        id = f"live{wanted}"
        queue(function="echo", id=id, args=[EVIL])
        seen, entry = [], {}
        while True:
            line = r.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line and name:
                entry[name] = value
            elif not line and "data" in entry:
                data = json.loads(entry["data"])
                c.judge({"$ref": "#/components/schemas/Event"}, data, line)
                same("its name", entry["event"], data["verb"])
                seen.append((entry["id"], data))
                if data["id"] == id and data["verb"] == "report":
                    link.close()
                    return seen
                entry = {}
    end = c.get(f"{API}/events?group_name=main&after=$")
    same("nothing behind the end", [], end["events"])
    first = follow("main/" + end["cursor"], 3)
    begin = next(x for x, e in first if e["verb"] == "queue_task")
    check(begin.startswith("main/"), begin)
    second = follow(begin, 4)
    ids = [x for x, _ in first]
    missed = ids[ids.index(begin) + 1:]
    same("what was missed", missed,
         [x for x, _ in second][:len(missed)])
    c.seen.setdefault(("GET", f"{API}/events/stream"), set()).add(200)


def cron():
    a = c.get(f"{API}/cron/next?expression={quoted('0 12 * * 1')}"
              "&timezone=Europe/Rome&from=2026-03-20T00:00:00Z&count=3")
    same("times", ["2026-03-23T11:00:00.000Z", "2026-03-30T10:00:00.000Z",
                   "2026-04-06T10:00:00.000Z"], a["times"])
    same("local", "2026-03-30T12:00:00+02:00", a["local_times"][1])
    c.refused("GET", f"{API}/cron/next", None, "expression")
    for bad in ("expression=x", "expression=61+*+*+*+*",
                "expression=%40daily&timezone=Mars%2FPhobos",
                "expression=%40daily&from=soon"):
        c.get(f"{API}/cron/next?{bad}", 400)


def service():
    c.get("/healthz")
    c.get("/readyz")
    m = c.get("/metrics")
    check(b"stint_up 1" in m.body, m.body)
    a = c.get(f"{API}/autoscale?group_name=main&target_s=10&min=2")
    check(a["recommended"] >= 2, a.body)
    c.get(f"{API}/autoscale")
    c.get(f"{API}/autoscale?target_s=0", 400)
    c.post("/login", {"user": "x", "password": "y"}, 409)
    d = c.get(f"{API}/doctor")
    check(len(d["findings"]) > 5, d.body)
    f = c.get(f"{API}/fsck")
    same("faults", [], f["faults"])
    check(f["checked"] > 5, f.body)
    same("quarantine", [], c.get(f"{API}/quarantine")["entries"])


def workers():
    rows = c.get(f"{API}/workers")["workers"]
    same("names", {"one", "two"}, {w["shown"] for w in rows})
    check("echo" in rows[0]["functions"].split(","))
    for verb in ("disable", "resume", "terminate", "kill"):
        url = f"{API}/workers/{verb}"
        c.refused("POST", url, {}, "worker")
        c.refused("POST", url, {"limit": 0}, "limit")
        c.refused("POST", url, {"worker": 1}, "worker")
        c.refused("POST", url, {"all": "yes"}, "all")
        c.post(url, {"worker": "nobody"}, 404)
        c.post(url, {"worker": EVIL}, 404)

    def is_now(name, status):
        return any(w["shown"] == name and w["status"] == status
                   for w in c.get(f"{API}/workers")["workers"])
    told = c.post(f"{API}/workers/disable", {"worker": "one"})["workers"]
    check(len(told) == 1 and told[0].startswith("one."), told)
    until("disabled", lambda: is_now("one", "DISABLED"))
    same("all", 2, len(c.post(f"{API}/workers/resume", {"all": True})
                       ["workers"]))
    until("resumed", lambda: is_now("one", "ACTIVE"))
    c.post(f"{API}/workers/terminate", {"worker": "one"})
    c.post(f"{API}/workers/kill", {"group_name": "main", "worker": "two"})


def covered():
    """Every operation was seen done, and refused if it can be."""
    for template, methods in c.doc["paths"].items():
        if not template.startswith(API):
            continue
        for method in methods:
            seen = c.seen.get((method.upper(), template), set())
            check(any(s < 300 for s in seen), method, template,
                  "was never done", seen)
    return len(c.seen), sum(len(s) for s in c.seen.values())


def timed(test, *args):
    begin = time.monotonic()
    test(*args)
    print(f"ok {test.__name__} ({time.monotonic() - begin:.2f} s)")


def main():
    begin = time.monotonic()
    for test in (about, one_task, the_same_again, bad_tasks, sizes_and_types,
                 wrong_methods, names_not_known, numbers_out_of_bounds,
                 no_such_task, waiting, errors_and_results, changes, graphs):
        timed(test)
    good = bulk()
    for test in (pages, actions):
        timed(test, good)
    for test in (groups, events, stream, cron, service, workers):
        timed(test)
    print("ok all: %d operations, %d kinds of answers" % covered(),
          f"in {time.monotonic() - begin:.1f} s")


main()
