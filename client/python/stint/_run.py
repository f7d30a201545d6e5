# SPDX-License-Identifier: MIT
"""What a task's code sees: the decorator, the run it is in, and the
exceptions it may raise."""
from __future__ import annotations

import inspect
import math
import time
from typing import Any, Callable, Dict, List, Optional, TypeVar, Union, overload

from ._task import _FUNCTION

F = TypeVar("F", bound=Callable[..., Any])


class Cancelled(BaseException):
    """Raised in the middle of a task that is to end: `reason` is timeout,
    stopped or shutdown. No Exception, so that `except Exception` lets it
    pass. Clean up and let it go on: a few seconds later the process is
    killed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Exception):
    """Fails the run and moves the next try: `after` so many seconds, or at
    once. There is one only if the task has tries left (retry_failed)."""

    def __init__(self, text: str = "", *, after: float = 0) -> None:
        if not (after >= 0 and math.isfinite(after)):
            raise ValueError("after must be a number of seconds >= 0")
        super().__init__(text or "asked for another try")
        self.after = after


class NoRetry(Exception):
    """Fails the run and forgoes the tries that are left."""

    def __init__(self, text: str = "another try would not help") -> None:
        super().__init__(text)


class Handler:
    def __init__(self, fn: Callable[..., Any], cancel: str) -> None:
        self.fn = fn
        self.is_async = inspect.iscoroutinefunction(fn)
        self.polls = cancel == "poll"


#: By the name of the function, as it is queued.
handlers: Dict[str, Handler] = {}


@overload
def task(fn: F) -> F: ...
@overload
def task(*, name: Optional[str] = None,
         cancel: str = "raise") -> Callable[[F], F]: ...
def task(fn: Optional[F] = None, *, name: Optional[str] = None,
         cancel: str = "raise") -> Union[F, Callable[[F], F]]:
    """Makes a function one that workers run, under its own name or another.
    It stays as it is and may be called as ever. `cancel`: "raise" raises
    Cancelled in it, "poll" leaves it to ask `current_run().is_cancelled()`. An
    `async def` is cancelled as asyncio does."""
    if cancel not in ("raise", "poll"):
        raise ValueError('cancel must be "raise" or "poll"')

    def keep(fn: F) -> F:
        known_as = name if name is not None else fn.__name__
        if not _FUNCTION.fullmatch(known_as):
            raise ValueError("%r is not a name of a function: 1 to 128 of "
                             "A-Za-z0-9_.:/-" % known_as)
        if known_as in handlers:
            raise ValueError("there are two tasks named %s" % known_as)
        handlers[known_as] = Handler(fn, cancel)
        return fn

    return keep if fn is None else keep(fn)


class Run:
    """One execution of a task."""

    def __init__(self, frame: Dict[str, Any],
                 send: Callable[["Run", Dict[str, Any]], None]) -> None:
        #: The task as programs get it on stdin.
        self.task: Dict[str, Any] = frame["task"]
        self.run_id: str = frame["run"]
        self.args: List[Any] = self.task["args"]
        self.vars: Dict[str, Any] = self.task["vars"]
        self.id: str = self.task["id"]
        self.function: str = self.task["function"]
        self.group_name: str = self.task.get("group_name", "main")
        #: Grows with every run of the task: a store that keeps the highest it
        #: has seen can refuse a run that was given up.
        self.fence: int = self.task.get("fence", 0)
        #: 1, and one more for each failure before.
        self.attempt: int = self.task.get("attempt", 1)
        #: What the tasks it depends on came to, by id.
        self.parents: Dict[str, Any] = self.task.get("parents") or {}
        #: When it times out: seconds since the epoch, by Redis's clock.
        self.deadline: Optional[float] = None
        if isinstance(frame.get("deadline"), (int, float)):
            self.deadline = frame["deadline"] / 1000
        #: timeout, stopped or shutdown once it is to end.
        self.cancel_reason: Optional[str] = None
        self._until: Optional[float] = None
        if isinstance(frame.get("timeout"), (int, float)):
            self._until = time.monotonic() + frame["timeout"]
        self._send = send

    def is_cancelled(self) -> bool:
        return self.cancel_reason is not None

    def time_left(self) -> Optional[float]:
        """Seconds until it times out, by this host's clock."""
        if self._until is None:
            return None
        return max(0.0, self._until - time.monotonic())

    def progress(self, percent: Optional[float] = None,
                 text: Optional[str] = None) -> None:
        """Shown while the task runs. From any thread; nothing once the run is
        over."""
        frame: Dict[str, Any] = {"type": "progress"}
        if percent is not None:
            frame["percent"] = percent
        if text is not None:
            frame["text"] = str(text)
        self._send(self, frame)

    def log(self, text: str) -> None:
        """A line of the run's output. A text with `!clear!` drops all before
        it."""
        self._send(self, {"type": "output", "text": "%s\n" % text})


_current: Optional[Run] = None


def current_run() -> Run:
    """The run that this process is in, in all of its threads. Outside of one:
    RuntimeError."""
    if _current is None:
        raise RuntimeError("no task is running here")
    return _current


def set_current(run: Optional[Run]) -> None:
    global _current
    _current = run
