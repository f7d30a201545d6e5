# SPDX-License-Identifier: MIT
"""Persistent children, driven over a socket as a worker does it."""
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

from stint._frames import BrokenFrame, Frames
from test_vectors import load

TASKS = '''
import asyncio, os, signal, subprocess, sys, threading, time
import stint
from stint import task, current_run

@task
def add(a, b=0, *, times=1):
    return (a + b) * times

@task(name="named.task")
def other():
    return current_run().function

@task
def nothing():
    pass

@task
def echo(value):
    return value

@task
def fails(text):
    raise ValueError(text)

def deeper():
    raise KeyError("k")

@task
def chained():
    try:
        deeper()
    except KeyError as e:
        raise RuntimeError("outer") from e

@task
def odd_error():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError
    raise Odd

@task
def retry(after=0, text=""):
    raise stint.Retry(text, after=after)

@task
def no_retry():
    raise stint.NoRetry("broken for good")

@task
def leave(code):
    sys.exit(code)

@task
def die():
    os._exit(7)

@task
def deep():
    return deep()

@task
def unfit():
    return {1, 2}

@task
def large(n):
    return "x" * n

@task
def prints():
    print("no end of line", end="")
    print("to stderr", file=sys.stderr)

@task
def sees():
    run = current_run()
    run.progress(50, "half")
    run.progress()
    run.log("a line\\0")
    return [run.id, run.run_id, run.fence, run.attempt, run.deadline,
            run.group_name, run.parents, run.task["extra"],
            29 < run.time_left() <= 30, run.is_cancelled()]

@task
def sleeps():
    time.sleep(60)

@task
def stubborn():
    try:
        time.sleep(60)
    except Exception:
        return "no"
    finally:
        print("cleaned up")

@task
def gives_in():
    try:
        threading.Event().wait(60)
    except stint.Cancelled as e:
        return e.reason

@task
def child_process():
    subprocess.run(["sleep", "60"])

@task
def chatty():
    while True:
        current_run().progress(1, "x" * 1000)

@task(cancel="poll")
def polls():
    run = current_run()
    while not run.is_cancelled():
        time.sleep(0.01)
    return run.cancel_reason

@task
async def async_add(a, b):
    await asyncio.sleep(0)
    return a + b

@task
async def async_sleeps():
    await asyncio.sleep(60)

@task
async def async_fails():
    await asyncio.sleep(0)
    raise ValueError("async")

@task
def late():
    run = current_run()
    def after():
        time.sleep(0.2)
        run.progress(100)
    threading.Thread(target=after).start()

@task
def closes():
    os.closerange(3, 256)

@task
def forks():
    if os.fork() == 0:
        return "of the child"
    os.wait()
    return "of the parent"

@task
def fork_exits():
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])

@task
def fork_progress():
    pid = os.fork()
    if pid == 0:
        try:
            current_run().progress(1)
        except RuntimeError:
            os._exit(9)
        os._exit(0)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])

@task
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

@task
def environment():
    return ["STINT_CHILD_FD" in os.environ,
            subprocess.run(["sh", "-c", "ls /proc/self/fd | wc -l"],
                           capture_output=True, text=True).stdout.strip()]

@task
def leaves_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
'''


class Driver:
    """The worker's side."""

    def __init__(self, modules=("tasks",), files={"tasks.py": TASKS},
                 program=None):
        self.dir = tempfile.TemporaryDirectory()
        for name, text in files.items():
            with open(os.path.join(self.dir.name, name), "w") as f:
                f.write(text)
        self.sock, other = socket.socketpair()
        env = dict(os.environ, STINT_CHILD_FD=str(other.fileno()))
        argv = program or [sys.executable, "-m", "stint", *modules]
        self.process = subprocess.Popen(
            argv, cwd=self.dir.name, env=env, pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        other.close()
        self.frames, self.waiting = Frames(), []
        self.sock.settimeout(10)

    def close(self):
        self.sock.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.dir.cleanup()

    def send(self, **o):
        data = json.dumps(o).encode()
        self.sock.sendall(struct.pack(">I", len(data)) + data)

    def get(self):
        """The next frame; None: the end."""
        while not self.waiting:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.waiting += self.frames.feed(data)
        return self.waiting.pop(0)

    def run(self, function, *args, run="t@9", **vars):
        self.send(type="run", run=run, timeout=30, deadline=1795464170123,
                  task={"function": function, "args": args, "vars": vars,
                        "id": "t", "group_name": "main", "fence": 9,
                        "attempt": 2, "run_id": run, "extra": [1],
                        "parents": {"p": {"status": "COMPLETED"}}})

    def ask(self, function, *args, **vars):
        self.run(function, *args, **vars)
        return self.get()

    def end(self, timeout=10):
        """(exit status, stdout, stderr) of one that ends by itself."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out.decode(), err.decode()


class FramesCase(unittest.TestCase):
    def test_vectors_whole_and_in_pieces(self):
        for v in load("frames.json"):
            for step in (1, 3, 1 << 30):
                with self.subTest(v["name"], step=step):
                    data, got, kind = bytes.fromhex(v["hex"]), [], None
                    frames = Frames()
                    try:
                        for i in range(0, len(data), step):
                            got += frames.feed(data[i:i + step])
                    except BrokenFrame as why:
                        got += why.before
                        kind = why.kind
                    self.assertEqual(got, v["frames"])
                    self.assertEqual(kind, v.get("error"))
                    if kind is None:
                        self.assertEqual(frames.rest.hex(), v.get("rest", ""))


class ChildCase(unittest.TestCase):
    def setUp(self):
        self.d = self.start()

    def start(self, **how):
        d = Driver(**how)
        self.addCleanup(d.close)
        hello = d.get()
        self.assertEqual(hello["type"], "hello")
        self.assertEqual(hello["protocol"], 1)
        self.hello = hello
        return d

    def assert_done(self, got, **more):
        self.assertEqual(got, dict({"type": "done", "run": "t@9"}, **more))

    def assert_failed(self, got, error, **more):
        got.pop("traceback", None)
        self.assertEqual(
            got, dict({"type": "failed", "run": "t@9", "error": error}, **more))

    def assert_alive(self):
        self.assert_done(self.d.ask("add", 20, b=1, times=2), result=42)


class Running(ChildCase):
    def test_hello_names_the_functions(self):
        self.assertIn("add", self.hello["functions"])
        self.assertIn("named.task", self.hello["functions"])
        self.assertNotIn("other", self.hello["functions"])
        self.assertTrue(self.hello["name"].startswith("python 3."))

    def test_results(self):
        self.assert_done(self.d.ask("add", 1, 2), result=3)
        self.assert_done(self.d.ask("add", 1, b=2, times=3), result=9)
        self.assert_done(self.d.ask("named.task"), result="named.task")
        self.assert_done(self.d.ask("nothing"))
        self.assert_done(self.d.ask("async_add", 1, 2), result=3)
        for value in (0, False, "", [], {}, 0.1, {"a": [None, "ü\x1f"]}):
            self.assert_done(self.d.ask("echo", value), result=value)

    def test_what_json_cannot_hold_fails(self):
        self.assert_failed(self.d.ask("unfit"), "TypeError: the result holds a "
                           "set, which JSON cannot")
        self.assert_done(self.d.ask("large", 262142), result="x" * 262142)
        self.assert_failed(self.d.ask("large", 262143), "ValueError: the "
                           "result has 262145 bytes of JSON, more than 262144")
        self.assert_alive()

    def test_errors(self):
        got = self.d.ask("fails", "it is broken")
        self.assertRegex(got["traceback"], r'(?s)\ATraceback \(most recent call'
                         r' last\):\n  File ".*tasks.py", line \d+, in fails\n'
                         r"[^\n]*\n(?:[ ^]*\n)?ValueError: it is broken\n\Z")
        self.assert_failed(got, "ValueError: it is broken")
        got = self.d.ask("chained")
        self.assertIn("KeyError: 'k'", got["traceback"])
        self.assertIn("in deeper", got["traceback"])
        self.assertNotIn("_child.py", got["traceback"])
        self.assert_failed(got, "RuntimeError: outer")
        got = self.d.ask("async_fails")
        self.assertNotIn("asyncio", got["traceback"].replace(
            "await asyncio.sleep", ""))
        self.assertNotIn("_child.py", got["traceback"])
        self.assert_failed(got, "ValueError: async")
        self.assert_failed(self.d.ask("odd_error"),
                           "Odd: (its text cannot be made)")
        got = self.d.ask("fails", "ü" * 600 + "\0")
        self.assertLessEqual(len(got["error"].encode()), 1000)
        self.assertTrue(self.d.ask("deep")["error"].startswith(
            "RecursionError: maximum recursion depth exceeded"))
        self.assert_alive()

    def test_wrong_arguments(self):
        got = self.d.ask("add")
        self.assertNotIn("traceback", got)
        self.assert_failed(got, "TypeError: add() missing 1 required "
                           "positional argument: 'a'")
        self.assert_failed(self.d.ask("wat"),
                           "there is no function wat here")

    def test_retry_advice(self):
        self.assert_failed(self.d.ask("retry"), "asked for another try",
                           retry="now")
        self.assert_failed(self.d.ask("retry", after=2.5, text="later"),
                           "later", retry=2.5)
        self.assert_failed(self.d.ask("retry", after=-1), "ValueError: after "
                           "must be a number of seconds >= 0")
        self.assert_failed(self.d.ask("no_retry"), "broken for good",
                           retry="never")

    def test_exits(self):
        self.assert_done(self.d.ask("leave", 0))
        self.assert_failed(self.d.ask("leave", 3), "exit status 3")
        self.assert_failed(self.d.ask("leave", "why"), "why")
        self.assert_alive()

    def test_output_is_there_before_done(self):
        self.d.ask("prints")
        self.assertEqual(os.read(self.d.process.stdout.fileno(), 100),
                         b"no end of line")
        self.assertEqual(os.read(self.d.process.stderr.fileno(), 100),
                         b"to stderr\n")

    def test_a_run_sees_itself(self):
        self.d.run("sees")
        self.assertEqual(self.d.get(), {"type": "progress", "run": "t@9",
                                        "percent": 50, "text": "half"})
        self.assertEqual(self.d.get(), {"type": "progress", "run": "t@9"})
        self.assertEqual(self.d.get(), {"type": "output", "run": "t@9",
                                        "text": "a line\ufffd\n"})
        self.assert_done(self.d.get(), result=[
            "t", "t@9", 9, 2, 1795464170.123, "main",
            {"p": {"status": "COMPLETED"}}, [1], True, False])

    def test_no_progress_after_the_end(self):
        self.assert_done(self.d.ask("late"))
        time.sleep(0.4)
        self.d.send(type="ping", n=1)
        self.assertEqual(self.d.get(), {"type": "pong", "n": 1})

    def test_pings_and_what_is_not_known(self):
        for n in range(3):
            self.d.send(type="ping", n=n, more=[])
            self.d.send(type="wat")
            self.assertEqual(self.d.get(), {"type": "pong", "n": n})
        self.assert_alive()

    def test_what_a_task_starts_has_nothing_of_ours(self):
        self.assert_done(self.d.ask("environment"), result=[False, "4"])

    def test_frames_in_pieces(self):
        data = json.dumps({"type": "ping", "n": "ü"}).encode()
        for byte in struct.pack(">I", len(data)) + data:
            self.d.sock.sendall(bytes([byte]))
        self.assertEqual(self.d.get(), {"type": "pong", "n": "ü"})


class Cancelling(ChildCase):
    def cancel(self, function, reason="timeout", wait=0.3):
        self.d.run(function)
        time.sleep(wait)
        began = time.monotonic()
        self.d.send(type="cancel", run="t@9", reason=reason)
        got = self.d.get()
        while got["type"] == "progress":
            got = self.d.get()
        self.assertLess(time.monotonic() - began, 3)
        return got

    def test_a_sleep_ends(self):
        got = self.cancel("sleeps")
        self.assertIn("in sleeps", got["traceback"])
        self.assertNotIn("_child.py", got["traceback"])
        self.assert_failed(got, "Cancelled: timeout")
        self.assert_alive()

    def test_except_exception_lets_it_pass_and_finally_runs(self):
        self.assert_failed(self.cancel("stubborn", "stopped"),
                           "Cancelled: stopped")
        self.assertEqual(os.read(self.d.process.stdout.fileno(), 100),
                         b"cleaned up\n")

    def test_a_task_may_say_how_it_ends(self):
        self.assert_done(self.cancel("gives_in", "shutdown"),
                         result="shutdown")

    def test_a_wait_for_a_process_ends(self):
        self.assert_failed(self.cancel("child_process"), "Cancelled: timeout")
        self.assert_alive()

    def test_no_frame_is_cut(self):
        for _ in range(5):
            self.assert_failed(self.cancel("chatty", wait=0.05),
                               "Cancelled: timeout")
        self.assert_alive()

    def test_who_polls_is_left_alone(self):
        self.assert_done(self.cancel("polls"), result="timeout")

    def test_async_tasks(self):
        got = self.cancel("async_sleeps")
        self.assertIn("in async_sleeps", got["traceback"])
        self.assert_failed(got, "Cancelled: timeout")
        self.assert_alive()

    def test_at_once(self):
        """Before the function is called, or after it has returned."""
        for function in ("sleeps", "async_sleeps"):
            self.assert_failed(self.cancel(function, wait=0),
                               "Cancelled: timeout")
        for _ in range(200):
            self.d.run("nothing")
            self.d.send(type="cancel", run="t@9", reason="stopped")
            self.assertIn(self.d.get()["type"], ("done", "failed"))
        self.assert_alive()

    def test_of_another_run(self):
        self.d.run("polls")
        self.d.send(type="cancel", run="t@8", reason="timeout")
        self.d.sock.settimeout(0.5)
        with self.assertRaises(socket.timeout):
            self.d.get()


class Ending(ChildCase):
    def assert_ends(self, status, err="", timeout=10):
        got = self.d.end(timeout)
        self.assertEqual(got[0], status, got)
        self.assertIn(err, got[2])

    def test_exit(self):
        self.d.send(type="exit")
        self.assert_ends(0)

    def test_exit_waits_for_the_run(self):
        self.d.run("add", 1, 2)
        self.d.send(type="exit")
        self.assert_done(self.d.get(), result=3)
        self.assert_ends(0)

    def test_exit_in_spite_of_threads(self):
        self.d.ask("leaves_thread")
        self.d.send(type="exit")
        self.assert_ends(0)

    def test_the_end_of_the_socket(self):
        self.d.sock.shutdown(socket.SHUT_WR)
        self.assert_ends(0)

    def test_the_end_of_the_socket_in_a_run(self):
        self.d.run("sleeps")
        time.sleep(0.3)
        self.d.sock.shutdown(socket.SHUT_WR)
        self.assert_ends(0)

    def test_a_crash(self):
        self.assertIsNone(self.d.ask("die"))
        self.assert_ends(7)

    def test_an_interrupt_ends_it_after_its_run(self):
        self.assert_failed(self.d.ask("interrupted"), "KeyboardInterrupt")
        self.assert_ends(130)

    def test_an_interrupt_without_a_run(self):
        self.d.process.send_signal(signal.SIGINT)
        self.assert_ends(130)

    def test_broken_frames(self):
        for data, err in ((b"GET / HTTP/1.0\r\n\r\n", "bytes"),
                          (struct.pack(">I", 0), "has 0 bytes"),
                          (struct.pack(">I", 4194305), "has 4194305 bytes"),
                          (b"\0\0\0\2[]", "is no JSON object"),
                          (b"\0\0\0\2{}", "has no type"),
                          (b"\0\0\0\3abc", "is no JSON"),
                          (b'\0\0\0\x0e{"type":"run"}', "lacks something")):
            with self.subTest(data):
                self.d = self.start()
                self.d.sock.sendall(data)
                self.assert_ends(1, err)

    def test_half_a_frame(self):
        self.d.sock.sendall(b"\0\0\1\0{")
        self.d.sock.shutdown(socket.SHUT_WR)
        self.assert_ends(1, "in the middle of a frame")

    def test_two_runs_at_once(self):
        self.d.run("sleeps")
        self.d.run("sleeps", run="u@1")
        self.assert_ends(1, "while there was one")

    def test_a_task_that_closes_all(self):
        self.d.run("closes")
        self.assert_ends(1, "connection to the worker is lost")

    def test_forks(self):
        self.assert_done(self.d.ask("forks"), result="of the parent")
        self.assert_done(self.d.ask("fork_exits"), result=5)
        self.assert_done(self.d.ask("fork_progress"), result=9)
        self.assert_alive()


class Starting(unittest.TestCase):
    def start(self, **how):
        d = Driver(**how)
        self.addCleanup(d.close)
        return d

    def test_a_module_that_cannot_be_imported(self):
        d = self.start(files={"tasks.py": "import nowhere_at_all\n"})
        self.assertIsNone(d.get())
        status, _, err = d.end()
        self.assertEqual(status, 1)
        self.assertRegex(err, r'(?s)\ATraceback \(most recent call last\):\n'
                         r'  File "[^"]*tasks.py", line 1, in <module>\n'
                         r"    import nowhere_at_all\nModuleNotFoundError: No "
                         r"module named 'nowhere_at_all'\n\Z")

    def test_two_tasks_of_one_name(self):
        d = self.start(files={"tasks.py": textwrap.dedent('''
            from stint import task
            for _ in range(2):
                @task
                def f(): pass
            ''')})
        self.assertIsNone(d.get())
        self.assertIn("two tasks named f", d.end()[2])

    def test_a_program_of_its_own(self):
        d = self.start(program=[sys.executable, "prog.py"], files={
            "prog.py": "import stint\n@stint.task\ndef f(): return 1\n"
                       "stint.run()\n"})
        self.assertEqual(d.get()["functions"], ["f"])
        self.assertEqual(d.ask("f")["result"], 1)

    def test_without_a_worker(self):
        with tempfile.TemporaryDirectory() as at:
            with open(os.path.join(at, "tasks.py"), "w") as f:
                f.write("import stint\n@stint.task\ndef f(): pass\n")
            env = {k: v for k, v in os.environ.items()
                   if k != "STINT_CHILD_FD"}
            for argv, said in ((["tasks"], "It has: f"), ([], "usage"),
                               (["tasks.py"], "name of a module")):
                got = subprocess.run([sys.executable, "-m", "stint", *argv],
                                     cwd=at, env=env, capture_output=True,
                                     text=True)
                self.assertEqual(got.returncode, 2)
                self.assertIn(said, got.stderr)


if __name__ == "__main__":
    unittest.main()
