# SPDX-License-Identifier: MIT
"""The client against a real Redis, and against the stint program: what one
queues the other shows alike."""
import datetime
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import redis
import stint
from stint._text import part_name, part_of_id

PROGRAM = os.environ.get("STINT", "stint")


class Server:
    """A redis-server of its own, on a unix socket."""

    def __init__(self, *options):
        self.dir = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.dir.name, "s")
        self.options = options
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket,
             "--save", "", "--dir", self.dir.name, *self.options],
            stdout=subprocess.DEVNULL)
        self.redis = redis.Redis(unix_socket_path=self.socket)
        for _ in range(500):
            try:
                self.redis.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("redis-server does not start")

    @property
    def url(self):
        return "unix://" + self.socket

    def stop(self):
        self.redis.close()
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.dir.cleanup()

    def stint(self, *args, status=0):
        """The program's stdout."""
        got = subprocess.run([PROGRAM, *args, "--url", self.url],
                             capture_output=True, text=True, timeout=30)
        assert got.returncode == status, (args, got)
        return got.stdout


class WithServer(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.server.redis.flushall()
        self.client = stint.Client(self.server.url)
        self.addCleanup(self.client.close)

    def shown(self, id, *flags):
        """By the program, with result, output, error and runs."""
        return json.loads(self.server.stint(
            "task-status", id, "--json", "--output", "--runs", *flags))

    def status(self, id, **how):
        return self.client.task_status(id, output=True, runs=True, **how)

    def assert_alike(self, id):
        mine, theirs = self.status(id), self.shown(id)
        if mine["reason"].startswith("due in"):  # counts down
            mine["reason"] = theirs["reason"] = ""
        self.assertEqual(mine, theirs)
        self.assertEqual(list(mine), list(theirs))
        return mine


OPTIONS = {
    "id": "all", "args": [1, 0.1, "ü\x1f", None], "vars": {"z": {"a": []}},
    "task_name": "A name", "start_time": "+1h", "stop_time": "+2h",
    "timeout": 5.5, "repeats": 2, "period": 7.25, "prevent_drift": True,
    "retry_failed": 3, "retry_delay": 4, "retry_backoff": 1.5,
    "retry_max_delay": 9, "immediate": True, "priority": -10,
    "result_ttl": 11, "discard_results": True, "max_crashes": 4,
    "sync_output": 0.5,
}


class Queueing(WithServer):
    def record(self, id, group="main"):
        """As it is kept, without its times."""
        key = "{stint:%s}" % group
        state = self.server.redis.hget(key + ":state", id)
        task = self.server.redis.hget(key + ":task", id)
        words = state.decode().split(" ") if state else []
        return task, words[:4] + [w for w in words[7:]
                                  if not w.startswith(("begin=", "expire="))]

    def test_the_program_keeps_the_same(self):
        for options in (OPTIONS, {"id": "all"}, {"id": "all", "disabled": True},
                        {"id": "all", "cronline": "0 9 * * mon-fri",
                         "timezone": "Europe/Rome"},
                        {"id": "all", "broadcast": True,
                         "start_time": "+1h"}):
            with self.subTest(options):
                self.server.redis.flushall()
                c = stint.Client(self.server.url)
                self.assertEqual(c.queue_task("f", **options), "all")
                mine = self.record("all"), c.task_status("all")
                c.close()
                self.server.redis.flushall()
                with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
                    json.dump(dict(options, function="f"), f)
                    f.flush()
                    self.server.stint("queue-task", "--file", f.name)
                theirs = self.record("all"), self.shown("all")
                self.assertEqual(mine[0], theirs[0])
                if "cronline" in options:
                    self.assertEqual(mine[1]["next_run_time"],
                                     theirs[1]["next_run_time"])

    def test_both_show_the_same(self):
        self.client.queue_task("f", **OPTIONS)
        self.assert_alike("all")
        self.client.queue_task("f", [1], {"a": 2}, id="plain")
        got = self.assert_alike("plain")
        self.assertEqual(got["status"], "QUEUED")
        self.assertEqual(got["reason"], "waiting for a worker")
        self.assertEqual((got["args"], got["vars"]), ([1], {"a": 2}))
        self.client.queue_task("f", id="off", disabled=True,
                               group_name="other")
        self.assertEqual(self.assert_alike("off")["reason"], "disabled")
        self.server.stint("queue-task", "g", "--id", "theirs", "--args",
                          '["ü", 1e3]', "--repeats", "0", "--stop-time", "+1h")
        self.assertEqual(self.assert_alike("theirs")["args"], ["ü", 1000.0])
        for status in (None, "QUEUED"):
            args = ("--status", status) if status else ()
            mine = list(self.client.list(status=status))
            theirs = [json.loads(line) for line in self.server.stint(
                "list", "--json", *args).splitlines()]
            self.assertEqual(len(mine), 4)
            self.assertEqual([t["id"] for t in mine],
                             [t["id"] for t in theirs])
        self.assertEqual(
            [t["id"] for t in self.client.list(group="other")], ["off"])
        self.assertEqual(len(list(self.client.list(limit=2))), 2)

    def test_ids_are_made(self):
        id = self.client.queue_task("f")
        self.assertEqual(len(id), 26)
        self.assertEqual(self.client.task_status(id)["id"], id)

    def test_datetimes(self):
        at = datetime.datetime(2050, 1, 2, 3, 4, 5, 678000,
                               datetime.timezone(datetime.timedelta(hours=1)))
        self.client.queue_task("f", id="a", start_time=at)
        self.assertEqual(self.client.task_status("a")["start_time"],
                         "2050-01-02T02:04:05.678Z")
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_task("f", start_time=at.replace(tzinfo=None))
        self.assertEqual(list(caught.exception.errors), ["start_time"])

    def test_refusals(self):
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_task("a b", {}, timeout=0, wat=1)
        self.assertEqual(set(caught.exception.errors),
                         {"function", "args", "timeout", "wat"})
        self.assertEqual(self.server.redis.exists("{stint:main}:task"), 0)
        self.client.queue_task("f", id="a")
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_task("f", id="a")
        self.assertEqual(caught.exception.errors,
                         {"id": "is there already in this group"})
        self.assertEqual(caught.exception.code, "EXISTS")
        self.client.queue_task("f", id="a", group_name="other")

    def test_many(self):
        heard = []
        n = 2600
        ids = self.client.queue_tasks(
            ({"function": "f", "args": [i], "group_name": "g%d" % (i % 3)}
             for i in range(n)), lambda done, of: heard.append((done, of)))
        self.assertEqual(len(set(ids)), n)
        self.assertEqual(heard[-1], (n, n))
        self.assertGreaterEqual(len(heard), n / 250)
        self.assertEqual(self.client.task_status(ids[2000])["args"], [2000])
        total = sum(json.loads(line)["queued"] for line in
                    self.server.stint("stats", "--json").splitlines())
        self.assertEqual(total, n)

    def test_large_ones_go_in_small_batches(self):
        sizes = []

        class Spy:
            def execute_command(spy, *args):
                if args[1] == "stint_queue_task":
                    sizes.append(sum(len(str(a)) if not isinstance(a, bytes)
                                     else len(a) for a in args))
                return self.server.redis.execute_command(*args)

        text = "x" * 100000
        stint.Client(Spy()).queue_tasks(
            {"function": "f", "args": [text]} for _ in range(12))
        self.assertEqual(len(sizes), 3)
        self.assertLess(max(sizes), 512 * 1024 + 4096)

    def test_a_refused_one_of_many(self):
        self.client.queue_task("f", id="t300")
        tasks = [{"function": "f", "id": "t%d" % i} for i in range(400)]
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_tasks(tasks)
        self.assertEqual(caught.exception.index, 300)
        self.assertEqual(caught.exception.done, 250)
        tasks[7]["timeout"] = -1
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_tasks(tasks)
        self.assertEqual(caught.exception.index, 7)

    def test_dependencies(self):
        self.client.queue_task("f", id="old", group_name="far")
        ids = self.client.queue_tasks([
            {"function": "f", "id": "c", "depends_on": ["b", "old"]},
            {"function": "f", "id": "b", "depends_on": ["far/a"]},
            {"function": "f", "id": "a", "group_name": "far"}])
        self.assertEqual(ids, ["c", "b", "a"])
        self.assertEqual(self.assert_alike("c")["reason"], "waits for 2 tasks")
        self.assertEqual(self.server.redis.smembers("{stint:main}:parents:c"),
                         {b"main/b", b"far/old"})
        self.assertEqual(self.server.redis.zrange("{stint:far}:children:old",
                                                  0, -1), [b"main/c"])
        for tasks, text in (
                ([{"function": "f", "depends_on": ["no"]}],
                 "there is no task no"),
                ([{"function": "f", "depends_on": ["far/no"]}],
                 "there is no task far/no"),
                ([{"function": "f", "id": "x", "depends_on": ["y"]},
                  {"function": "f", "id": "y", "depends_on": ["x"]}],
                 "a cycle: x -> y -> x")):
            with self.assertRaises(stint.Refused) as caught:
                self.client.queue_tasks(tasks)
            self.assertEqual(caught.exception.errors, {"depends_on": text})
        self.server.stint("queue-task", "f", "--id", "d", "--depends-on", "c")
        self.assertEqual(self.assert_alike("d")["reason"], "waits for 1 task")

    def test_a_long_chain(self):
        n = 600
        self.client.queue_tasks(
            [{"function": "f", "id": "t%d" % i, "depends_on":
              ["t%d" % (i + 1)] if i < n - 1 else []} for i in range(n)])
        self.assertEqual(self.client.task_status("t0")["reason"],
                         "waits for 1 task")
        self.assertEqual(self.server.redis.zcard("{stint:main}:waiting"),
                         n - 1)

    def test_groups_in_parts(self):
        self.server.stint("group", "far", "--parts", "8")
        self.client.queue_task("f", id="first", group_name="far")
        self.client.delete_task("first")
        for name in ("wide", "far"):  # not as the client knows them
            self.server.stint("group", name, "--parts", "4")
        self.assertEqual(self.client._link.parts_of("far"), 8)
        tasks = [{"function": "f", "id": "t%d" % i, "group_name": g}
                 for i in range(50) for g in ("wide", "far")]
        self.assertEqual(len(self.client.queue_tasks(tasks)), 100)
        self.assertEqual(self.client._link.parts_of("wide"), 4)
        for g in ("wide", "far"):
            for part in range(4):  # each where it belongs
                base = "{stint:%s}" % part_name(g, part)
                for id in self.server.redis.hkeys(base + ":task"):
                    self.assertEqual(part_of_id(id.decode(), 4), part)
            self.assertEqual(len(self.server.stint(
                "list", "--json", "--group", g, "--limit",
                "100").splitlines()), 50)
            self.assertEqual(
                self.client.task_status("t7", group=g)["group_name"], g)
        other = stint.Client(self.server.url)
        self.assertEqual(other.task_status("t9", group="wide")["id"], "t9")
        self.assertEqual(len(list(other.list(group="wide"))), 50)
        self.server.stint("queue-task", "f", "--id", "theirs", "--group-name",
                          "wide")
        self.assertEqual(other.task_status("theirs")["group_name"], "wide")
        self.client.queue_tasks([
            {"function": "f", "id": "child%d" % i, "group_name": "wide",
             "depends_on": ["t%d" % i, "far/t%d" % i]} for i in range(20)])
        self.assertEqual(self.shown("child3")["reason"], "waits for 2 tasks")
        self.server.stint("fsck")
        other.close()

    def test_the_library_is_loaded_where_it_is_missing(self):
        self.server.redis.execute_command("FUNCTION", "FLUSH")
        self.client.queue_task("f", id="a")
        self.server.redis.execute_command("FUNCTION", "FLUSH")
        self.client.queue_task("f", id="b")
        self.assertEqual(self.shown("b")["status"], "QUEUED")
        with open(os.environ["STINT_LIBRARY"]) as f:
            old = f.read().replace("LIBRARY = '1 ", "LIBRARY = '0 ")
        self.server.redis.execute_command("FUNCTION", "LOAD", "REPLACE", old)
        stint.Client(self.server.url).queue_task("f", id="c")
        name = self.server.redis.execute_command(
            "FCALL", "stint_fleet_list", 1, "{stint}", "1", "0", "0")[2]
        self.assertTrue(name.startswith(b"1 "))
        self.server.redis.execute_command(  # another build of our version
            "FUNCTION", "LOAD", "REPLACE", old.replace(
                "LIBRARY = '0 ", "LIBRARY = '1 0"))
        stint.Client(self.server.url).queue_task("f", id="other")
        name = self.server.redis.execute_command(
            "FCALL", "stint_fleet_list", 1, "{stint}", "1", "0", "0")[2]
        self.assertTrue(name.startswith(b"1 0"))
        newer = old.replace("LIBRARY = '0 ", "LIBRARY = '2 ")
        self.server.redis.execute_command("FUNCTION", "LOAD", "REPLACE", newer)
        stint.Client(self.server.url).queue_task("f", id="d")
        name = self.server.redis.execute_command(
            "FCALL", "stint_fleet_list", 1, "{stint}", "1", "0", "0")[2]
        self.assertTrue(name.startswith(b"2 "))
        major = newer.replace("local PROTOCOL = '1'", "local PROTOCOL = '2'")
        self.server.redis.execute_command("FUNCTION", "LOAD", "REPLACE", major)
        with self.assertRaisesRegex(stint.Error, "protocol 2"):
            stint.Client(self.server.url).queue_task("f", id="e")
        name = self.server.redis.execute_command(  # it is left as it is
            "FCALL", "stint_fleet_list", 1, "{stint}", "2", "0", "0")[2]
        self.assertTrue(name.startswith(b"2 "))
        self.server.redis.execute_command("FUNCTION", "FLUSH")

    def test_without_the_library(self):
        path = os.environ.pop("STINT_LIBRARY")
        self.addCleanup(os.environ.update, STINT_LIBRARY=path)
        if stint.Client(self.server.url)._link.caller.library.read():
            self.skipTest("this package is an installed one")
        self.server.redis.execute_command("FUNCTION", "FLUSH")
        with self.assertRaisesRegex(stint.Error, "STINT_LIBRARY"):
            stint.Client(self.server.url).queue_task("f")
        self.server.stint("stats")  # loads it
        stint.Client(self.server.url).queue_task("f")
        self.server.redis.execute_command("FUNCTION", "FLUSH")
        with self.assertRaisesRegex(stint.Error, "is not Stint's library"):
            stint.Client(self.server.url, library=__file__).queue_task("f")

    def test_clients_of_all_kinds(self):
        for target in (redis.Redis(unix_socket_path=self.server.socket),
                       redis.Redis(unix_socket_path=self.server.socket,
                                   decode_responses=True)):
            c = stint.Client(target, namespace="other.space")
            id = c.queue_task("f", ["ü"], start_time="+1h", durability=1)
            self.assertEqual(c.task_status(id)["args"], ["ü"])
            with self.assertRaises(stint.NotFound):
                self.client.task_status(id)
            target.close()
        os.environ["STINT_URL"] = self.server.url
        self.addCleanup(os.environ.pop, "STINT_URL")
        with stint.Client() as c:
            c.queue_task("f")
        for wrong, kind in ((5, TypeError), ("http://x", stint.Error),
                            ("redis+cluster://x", stint.Error)):
            with self.assertRaises(kind):
                stint.Client(wrong)

    def test_without_redis_py(self):
        got = subprocess.run(
            [sys.executable, "-c",
             "import sys; sys.modules['redis'] = None\n"
             "import stint; stint.Client('redis://localhost')"],
            capture_output=True, text=True)
        self.assertIn("needs redis-py", got.stderr)

    def test_threads_share_a_client(self):
        def many():
            for _ in range(50):
                self.client.queue_task("f")

        threads = [threading.Thread(target=many) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.server.redis.hlen("{stint:main}:task"), 200)


class LosesReplies:
    """A Redis client that loses every so many-th reply of one function."""

    def __init__(self, redis, verb, every=2, own=True):
        self.redis, self.verb, self.every = redis, "stint_" + verb, every
        self.n, self.heads = 0, []

    def execute_command(self, *args):
        reply = self.redis.execute_command(*args)
        if args[1] == self.verb:
            self.n += 1
            self.heads.append(args[6])
            if self.n % self.every == 1:
                raise redis.ConnectionError("lost")
        return reply


class Faults(WithServer):
    def client_on(self, target):
        c = stint.Client(target)
        c._link.is_own = True  # does not repeat by itself
        return c

    def test_a_lost_reply_of_queue_task(self):
        target = LosesReplies(self.server.redis, "queue_task")
        c = self.client_on(target)
        self.assertEqual(c.queue_task("f", id="a"), "a")
        self.assertEqual(target.heads, ["0", "1"])
        with self.assertRaises(stint.Refused):
            self.client.queue_task("f", id="a")
        c.queue_tasks({"function": "f", "id": "b%d" % i} for i in range(600))
        self.assertEqual(self.server.redis.hlen("{stint:main}:task"), 601)

    def test_another_task_with_that_id_is_no_success(self):
        self.client.queue_task("f", ["other"], id="a")
        c = self.client_on(LosesReplies(self.server.redis, "queue_task"))
        with self.assertRaises(stint.Refused):
            c.queue_task("f", ["mine"], id="a")

    def test_a_client_that_repeats_by_itself(self):
        """Its second try of the same call must not be refused, where the id is
        ours."""
        class Repeats:
            def execute_command(_, *args):
                if args[1] == "stint_queue_task":
                    self.server.redis.execute_command(*args)
                return self.server.redis.execute_command(*args)

        c = stint.Client(Repeats())
        self.assertEqual(len(c.queue_task("f")), 26)

    def test_lost_replies_of_changes(self):
        for verb, args in (("stop_task", ()), ("requeue_task", ()),
                           ("disable_task", ()), ("enable_task", ()),
                           ("delete_task", ())):
            self.server.redis.flushall()
            with stint.Client(self.server.url) as c:
                c.queue_task("f", id="a")
                if verb == "requeue_task":
                    c.stop_task("a")
            c = self.client_on(LosesReplies(self.server.redis, verb))
            getattr(c, verb)("a", *args)

    def test_redis_comes_back(self):
        server = Server("--appendonly", "yes")
        self.addCleanup(server.close)
        with stint.Client(server.url) as c:
            c.queue_task("f", id="a")
            server.stop()
            started = threading.Timer(0.5, server.start)
            started.start()
            self.assertEqual(c.queue_task("f", id="b"), "b")
            started.join()
            self.assertEqual(c.task_status("b")["status"], "QUEUED")

    def test_redis_stays_away(self):
        began = time.monotonic()
        with stint.Client("unix:///nowhere/at/all", timeout=0.3) as c:
            with self.assertRaises(stint.Unreachable):
                c.queue_task("f")
        self.assertLess(time.monotonic() - began, 5)

    def test_errors_of_redis(self):
        self.server.redis.set("{stint:main}:task", "not a hash")
        with self.assertRaises(stint.Error) as caught:
            self.client.queue_task("f")
        self.assertIn("WRONGTYPE", str(caught.exception))


class Changing(WithServer):
    def test_each_verb(self):
        c = self.client
        c.queue_task("f", id="a")
        c.disable_task("a")
        self.assertEqual(self.assert_alike("a")["reason"], "disabled")
        c.enable_task("a")
        self.assertEqual(c.stop_task("a"), "STOPPED")
        self.assertEqual(self.assert_alike("a")["status"], "STOPPED")
        with self.assertRaises(stint.StateError):
            c.stop_task("a")
        c.requeue_task("a", reset=True)
        self.assertEqual(self.assert_alike("a")["status"], "QUEUED")
        self.assertEqual(c.wait([], timeout=0), {})
        with self.assertRaises(stint.WaitTimeout) as caught:
            c.wait("a", timeout=0.05)
        self.assertEqual(caught.exception.left, ["a"])
        c.delete_task("a", group="main")
        for fails in (lambda: c.task_status("a"), lambda: c.stop_task("a"),
                      lambda: c.wait(["a"]), lambda: c.delete_task("a"),
                      lambda: c.task_status("a", group="no such: one"),
                      lambda: c.task_status("a", group="nowhere")):
            with self.assertRaises(stint.NotFound):
                fails()


CONFIG = {
    "groups": ["main", "far"], "concurrency": 4,
    "tasks": {
        "say": {"exec": ["echo", "{args.0}"]},
        "fail": {"exec": ["sh", "-c", "echo broken >&2; exit 3"]},
        "sum": {"exec": ["sh", "-c", 'echo "[42]" >&"$STINT_RESULT_FD"']},
        "nap": {"exec": ["sleep", "60"]},
    },
}


CHILD = """
import json, os, socket, struct, time
s = socket.socket(fileno=int(os.environ["STINT_CHILD_FD"]))
f = s.makefile("rwb")
def send(**frame):
    data = json.dumps(frame).encode()
    f.write(struct.pack(">I", len(data)) + data)
    f.flush()
send(type="hello", protocol=1)
frame = json.loads(f.read(struct.unpack(">I", f.read(4))[0]))
send(type="progress", run=frame["run"], percent=12.5, text="begun")
time.sleep(60)
"""


class Running(WithServer):
    """With a worker: statuses of tasks that have run."""

    def worker(self):
        path = os.path.join(self.server.dir.name, "worker.json")
        with open(path, "w") as f:
            json.dump(CONFIG, f)
        p = subprocess.Popen([PROGRAM, "worker", "--config", path, "--name",
                              "w1", "--heartbeat", "1", "--url",
                              self.server.url], stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)

    def test_what_came_of_them(self):
        self.worker()
        c = self.client
        ids = c.queue_tasks([
            {"function": "say", "id": "said", "args": ["hello ü"]},
            {"function": "fail", "id": "failed", "retry_failed": 1,
             "retry_delay": 0},
            {"function": "sum", "id": "summed", "repeats": 2, "period": 0},
            {"function": "nap", "id": "late", "timeout": 0.3},
            {"function": "say", "id": "child", "args": [1],
             "depends_on": ["summed"], "group_name": "far"},
            {"function": "say", "id": "orphan", "depends_on": ["failed"]},
            {"function": "say", "id": "cast", "args": ["x"],
             "broadcast": True},
            {"function": "nap", "id": "stopped"}])
        time.sleep(0.5)
        self.assertIn(c.stop_task("stopped"), ("STOPPING", "STOPPED"))
        ended = c.wait(ids, 30)
        self.assertEqual(ended, {
            "said": "COMPLETED", "failed": "FAILED", "summed": "COMPLETED",
            "late": "TIMEOUT", "child": "COMPLETED", "orphan": "FAILED",
            "cast": "COMPLETED", "stopped": "STOPPED"})
        for id in ids:
            with self.subTest(id):
                self.assert_alike(id)
        self.assertEqual(self.status("said")["output"], "hello ü\n")
        self.assertEqual(self.status("summed")["result"], [42])
        self.assertEqual(len(self.status("failed")["runs"]), 2)
        self.assertEqual(self.status("failed")["runs"][0]["evidence"]
                         ["exit_status"], 3)
        self.assertEqual(self.status("orphan")["reason"],
                         "it depends on main/failed, which ended FAILED")
        self.assertEqual([t["id"] for t in c.list(status="TIMEOUT")], ["late"])

    def test_what_runs(self):
        self.worker()
        c = self.client
        c.queue_task("nap", id="n")
        c.queue_task("nap", id="m", broadcast=True)
        for _ in range(200):
            if {c.task_status(id)["status"] for id in "nm"} == {"RUNNING"} \
                    and len(self.status("m")["runs"]) == 1 and \
                    self.status("m")["runs"][0]["start_time"]:
                break
            time.sleep(0.05)
        self.assertEqual(self.assert_alike("n")["runs"][0]["status"],
                         "RUNNING")
        self.assertEqual(self.assert_alike("m")["reason"],
                         "broadcast: 0 of 1 workers have ended")

    def test_progress(self):
        """Said by a child: a script of a few lines, as PROTOCOL.md has it."""
        script = os.path.join(self.server.dir.name, "child.py")
        with open(script, "w") as f:
            f.write(CHILD)
        path = os.path.join(self.server.dir.name, "worker.json")
        with open(path, "w") as f:
            json.dump({"tasks": {"f": {"child": [sys.executable, script],
                                       "processes": 1}}}, f)
        p = subprocess.Popen([PROGRAM, "worker", "--config", path, "--url",
                              self.server.url], stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.client.queue_task("f", id="f")
        for _ in range(200):
            if "progress" in self.client.task_status("f"):
                break
            time.sleep(0.05)
        self.assertEqual(self.assert_alike("f")["progress"],
                         {"percent": 12.5, "text": "begun"})


class Durability(WithServer):
    def assert_refused(self, durability, text):
        with self.assertRaises(stint.Refused) as caught:
            self.client.queue_task("f", durability=durability)
        self.assertEqual(list(caught.exception.errors), ["durability"])
        self.assertIn(text, caught.exception.errors["durability"])

    def test_levels(self):
        set_ = self.server.redis.config_set
        self.assert_refused(2, "appendonly no")
        set_("appendonly", "yes")
        self.assert_refused(2, "appendfsync is everysec")
        set_("appendfsync", "always")
        self.client.queue_task("f", durability=2)
        self.assert_refused(3, "min-replicas-to-write is 0")
        with stint.Client(self.server.url, timeout=0.5) as c:
            with self.assertRaises(stint.Unreachable) as caught:
                c.queue_task("f", id="r", durability="replicas=1")
        self.assertEqual(str(caught.exception), "queued, but only 0 of 1 "
                                                "replicas have confirmed it")
        self.assertEqual(self.client.task_status("r")["status"], "QUEUED")

    def test_with_a_replica(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        main = Server("--port", str(port), "--bind", "127.0.0.1",
                      "--repl-diskless-sync-delay", "0")
        self.addCleanup(main.close)
        replica = Server("--replicaof", "127.0.0.1", str(port))
        self.addCleanup(replica.close)
        with stint.Client(main.url) as c:
            for _ in range(200):
                if main.redis.info("replication")["connected_slaves"] == 1:
                    break
                time.sleep(0.05)
            c.queue_task("f", id="r", durability="replicas=1")
        self.assertTrue(replica.redis.hexists("{stint:main}:task", "r"))


if __name__ == "__main__":
    unittest.main()
