# SPDX-License-Identifier: MIT
"""A persistent child of a worker (worker/PROTOCOL.md).

The main thread runs tasks, one after the other. A second thread reads the
socket: it answers pings, hands runs over, and brings cancellations. To cancel
is to send the main thread a signal whose handler raises Cancelled, so that
time.sleep and the like end; SIGURG, because nobody uses it and whoever has no
handler ignores it. The handler raises only while the task's own code is at
work: never in the middle of a frame, nor after the end of the run.
"""
from __future__ import annotations

import asyncio
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import traceback
from types import FrameType, TracebackType
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from . import _json, _run
from ._frames import BrokenFrame, Frames, frame
from ._run import Cancelled, Handler, NoRetry, Retry, Run

RESULT_BYTES_MAX = 256 * 1024
ERROR_BYTES_MAX = 1000
TEXT_BYTES_MAX = 256 * 1024  # of output: far more than is kept
NAG_S = 0.1    # a signal just before a system call would be missed
GRACE_S = 5.0  # for a run whose worker is gone

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _say(text: str) -> None:
    try:
        os.write(2, ("stint: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass


def _die(text: str) -> NoReturn:
    """From any thread, at once: there is nobody to talk to any more."""
    _flush()
    _say(text)
    os._exit(1)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # the task has closed it


def _clean(text: str, most: int, end: bool = False) -> str:
    """What a frame can hold: Unicode without NUL, so many bytes of it."""
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    data = data[-most:] if end else data[:most]
    return data.decode("utf-8", "ignore")


# ---- How a run ended --------------------------------------------------------


def _own_traceback(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """The frames of the task's code: those behind our call of it, but for
    what is of ours there, too."""
    frames: List[TracebackType] = []
    while tb is not None:
        code = tb.tb_frame.f_code
        if code in (Child._call.__code__, Child._call_async.__code__):
            frames.clear()
        elif not os.path.abspath(code.co_filename).startswith(_HERE):
            frames.append(tb)
        tb = tb.tb_next
    for one in reversed(frames):
        tb = TracebackType(tb, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return tb


def _error_of(e: BaseException) -> str:
    name = type(e).__name__
    try:
        text = str(e)
    except Exception:
        text = "(its text cannot be made)"
    if isinstance(e, (Retry, NoRetry)):
        return text
    return "%s: %s" % (name, text) if text else name


def _failed(e: BaseException) -> Dict[str, Any]:
    out: Dict[str, Any] = {"type": "failed",
                           "error": _clean(_error_of(e), ERROR_BYTES_MAX)}
    tb = _own_traceback(e.__traceback__)
    if isinstance(e, Retry):
        out["retry"] = e.after or "now"
    elif isinstance(e, NoRetry):
        out["retry"] = "never"
    cause = e.__cause__ or (None if e.__suppress_context__ else e.__context__)
    meant = isinstance(e, (Retry, NoRetry))  # where it is raised tells nothing
    if cause is not None or (tb is not None and not meant):
        try:
            lines = traceback.format_exception(type(e), e, tb)
        except Exception:  # a text that cannot be made
            lines = traceback.format_tb(tb)
        out["traceback"] = _clean("".join(lines), TEXT_BYTES_MAX, end=True)
    return out


def _exited(e: SystemExit) -> Dict[str, Any]:
    """sys.exit ends the run as it would end a program."""
    if e.code is None or (isinstance(e.code, int) and e.code == 0):
        return {"type": "done"}
    if isinstance(e.code, int):
        return {"type": "failed", "error": "exit status %d" % e.code}
    return {"type": "failed", "error": _clean(str(e.code), ERROR_BYTES_MAX)}


def _done(value: Any) -> Dict[str, Any]:
    if value is None:
        return {"type": "done"}
    try:
        text = _json.dumps(value)
    except _json.Unfit as why:
        return {"type": "failed", "error": "TypeError: the result %s" % why}
    size = len(text.encode("utf-8"))
    if size > RESULT_BYTES_MAX:
        return {"type": "failed", "error": "ValueError: the result has %d "
                "bytes of JSON, more than %d" % (size, RESULT_BYTES_MAX)}
    return {"type": "done", "result": value}


class Child:
    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._sock = socket.socket(fileno=fd)
        self._sock.setblocking(True)
        self._pid = os.getpid()
        self._id = self._identity()
        self._lock = threading.Lock()  # frames go out one by one
        self._runs: "queue.SimpleQueue[Optional[Run]]" = queue.SimpleQueue()
        self._run: Optional[Run] = None  # taken, and not answered yet
        self._frames = Frames()
        self._quits = False  # somebody at a terminal wants it to end
        # Of the main thread, and so of the signal's handler, too:
        self._open = False     # the task's code is at work and may be raised in
        self._sending = 0      # it is within one of our frames
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._task: "Optional[asyncio.Task[Any]]" = None

    # ---- Frames out ---------------------------------------------------------

    def _identity(self) -> Tuple[int, int]:
        s = os.fstat(self._sock.fileno())
        return s.st_dev, s.st_ino

    def _send(self, data: bytes) -> None:
        """With the lock held. A task may have closed our descriptor, and what
        has its number now is not ours to write to."""
        try:
            if self._identity() != self._id:
                raise OSError("the task has closed it")
            self._sock.sendall(data)
        except OSError as why:
            _die("the connection to the worker is lost: %s" % why)

    def _send_frame(self, o: Dict[str, Any]) -> None:
        """Numbers and keys as we keep them; JSON always fits."""
        data = frame(_json.dumps(o, _json.DEPTH_MAX + 1))
        self._sending += 1 if self._in_main() else 0
        try:
            with self._lock:
                self._send(data)
        finally:
            self._sent()

    def _send_of_run(self, run: Run, o: Dict[str, Any]) -> None:
        """While the run goes on; afterwards nothing."""
        if os.getpid() != self._pid:
            raise RuntimeError("a forked process is not part of the run")
        if "text" in o:
            o["text"] = _clean(o["text"], TEXT_BYTES_MAX)
        data = frame(_json.dumps(dict(o, run=run.run_id)))
        self._sending += 1 if self._in_main() else 0
        try:
            with self._lock:
                if self._run is run:
                    self._send(data)
        finally:
            self._sent()

    def _sent(self) -> None:
        if not self._in_main():
            return
        self._sending -= 1
        self._raise_if_due()

    def _in_main(self) -> bool:
        return threading.current_thread() is threading.main_thread()

    # ---- Cancelling ---------------------------------------------------------

    def _on_signal(self, number: int, at: Optional[FrameType]) -> None:
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        """In the main thread."""
        run = self._run
        if (self._open and self._sending == 0 and run is not None
                and run.cancel_reason is not None):
            self._open = False  # once
            raise Cancelled(run.cancel_reason)

    def _cancel(self, run: Run, reason: str) -> None:
        """In the reader."""
        with self._lock:
            first, run.cancel_reason = run.cancel_reason is None, reason
            loop, task = self._loop, self._task
        if first and loop is not None and task is not None:
            self._cancel_async(loop, task)

    def _cancel_async(self, loop: asyncio.AbstractEventLoop,
                      task: "asyncio.Task[Any]") -> None:
        try:
            loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            pass  # the loop has ended

    def _is_nagging(self) -> bool:
        run = self._run
        if run is None or run.cancel_reason is None or not self._open:
            return False
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)
        return True

    # ---- Frames in ----------------------------------------------------------

    def _read(self) -> None:
        """The reader's life."""
        try:
            while self._read_some():
                pass
        except BrokenFrame as why:
            _die("the worker sent what is no frame: it %s" % why)
        except (KeyError, TypeError) as why:
            _die("the worker sent a frame that lacks something: %r" % why)
        except OSError as why:
            _die("the connection to the worker is lost: %s" % why)

    def _read_some(self) -> bool:
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        while not poll.poll(NAG_S * 1000 if self._is_nagging() else None):
            pass
        if self._identity() != self._id:
            raise OSError("the task has closed it")
        data = self._sock.recv(65536)
        if not data:
            self._on_end()
            return False
        for one in self._frames.feed(data):
            if not self._on_frame(one):
                return False
        return True

    def _on_frame(self, o: Dict[str, Any]) -> bool:
        kind = o["type"]
        if kind == "ping":
            self._send_frame({"type": "pong", "n": o["n"]})
        elif kind == "run":
            if self._run is not None:
                _die("the worker sent a run while there was one")
            self._run = Run(o, self._send_of_run)
            self._runs.put(self._run)
        elif kind == "cancel":
            run = self._run
            if run is not None and run.run_id == o["run"]:
                self._cancel(run, str(o.get("reason", "stopped")))
        elif kind == "exit":
            self._runs.put(None)
        return True

    def _on_end(self) -> None:
        """The worker is gone, and nobody will hear of the run."""
        if self._frames.rest:
            _die("the worker is gone in the middle of a frame")
        run = self._run
        self._runs.put(None)
        if run is None:
            return
        self._cancel(run, "shutdown")
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and self._run is run:
            self._is_nagging()
            time.sleep(NAG_S)
        if self._run is run:
            os._exit(0)

    # ---- Running ------------------------------------------------------------

    async def _call_async(self, run: Run, handler: Handler) -> Any:
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.current_task()
            late = run.cancel_reason is not None
        if late and self._task is not None and not handler.polls:
            self._task.cancel()
        if handler.polls:
            with self._lock:
                self._task = None
        try:
            return await handler.fn(*run.args, **run.vars)
        except asyncio.CancelledError as e:
            if run.cancel_reason is None:
                raise
            raise Cancelled(run.cancel_reason).with_traceback(
                e.__traceback__) from None
        finally:
            with self._lock:
                self._loop = self._task = None

    def _call(self, run: Run, handler: Handler) -> Any:
        if handler.is_async:
            try:
                return asyncio.run(self._call_async(run, handler))
            except asyncio.CancelledError:
                if run.cancel_reason is None:
                    raise
                raise Cancelled(run.cancel_reason) from None  # before it began
        try:
            self._open = not handler.polls
            self._raise_if_due()
            return handler.fn(*run.args, **run.vars)
        finally:
            self._open = False

    def _outcome(self, run: Run) -> Dict[str, Any]:
        handler = _run.handlers.get(run.function)
        if handler is None:
            return {"type": "failed", "error":
                    "there is no function %s here" % run.function}
        try:
            return _done(self._call(run, handler))
        except SystemExit as e:
            if os.getpid() != self._pid:
                _flush()
                os._exit(e.code if isinstance(e.code, int) else bool(e.code))
            return _exited(e)
        except KeyboardInterrupt as e:
            self._quits = True
            return _failed(e)
        except BaseException as e:
            return _failed(e)

    def _answer(self, run: Run, o: Dict[str, Any]) -> None:
        _flush()
        data = frame(_json.dumps(dict(o, run=run.run_id), _json.DEPTH_MAX + 1))
        with self._lock:
            self._run = None
            self._send(data)

    def _do(self, run: Run) -> None:
        _run.set_current(run)
        out = self._outcome(run)
        if os.getpid() != self._pid:  # a fork that came back from the task
            _flush()
            os._exit(0 if out["type"] == "done" else 1)
        _run.set_current(None)
        self._answer(run, out)
        if self._quits:
            raise KeyboardInterrupt

    def serve(self) -> None:
        """Until the worker says exit, or is gone."""
        if not self._in_main():
            raise RuntimeError("stint.run() is for the main thread")
        signal.signal(signal.SIGURG, self._on_signal)
        version = "python %d.%d.%d" % sys.version_info[:3]
        self._send_frame({"type": "hello", "protocol": 1, "name": version,
                          "functions": list(_run.handlers)})
        threading.Thread(target=self._read, name="stint", daemon=True).start()
        while True:
            run = self._runs.get()
            if run is None:
                break
            self._do(run)
        # Threads that tasks have left behind do not keep it for ever.
        threading.Thread(target=_end_late, daemon=True).start()

    def forget(self) -> None:
        """In a process that a task has forked: the worker is not its own."""
        self._sock.close()


def _end_late() -> None:
    time.sleep(GRACE_S)
    os._exit(0)


def run() -> None:
    """Serves the worker that started this process with all functions that are
    @task, until it says to end."""
    fd = os.environ.pop("STINT_CHILD_FD", None)
    if fd is None:
        print("stint: this is started by a Stint worker. It has: %s"
              % (", ".join(_run.handlers) or "no tasks"), file=sys.stderr)
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    try:
        child = Child(int(fd))
    except (OSError, ValueError) as why:
        print("stint: STINT_CHILD_FD=%s: %s" % (fd, why), file=sys.stderr)
        sys.exit(2)
    os.register_at_fork(after_in_child=child.forget)
    try:
        child.serve()
    except KeyboardInterrupt:
        sys.exit(130)
