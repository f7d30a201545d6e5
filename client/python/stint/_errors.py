# SPDX-License-Identifier: MIT
"""What can go wrong while tasks are queued and looked at."""
from __future__ import annotations

from typing import Dict, List, Optional


class Error(Exception):
    """Anything Redis or the rules in it refused. `code` is its word: those of
    STINT_CODES in client/include/stint/base.h."""

    def __init__(self, text: str, code: str = "ERR") -> None:
        super().__init__(text)
        self.code = code


class Refused(Error, ValueError):
    """A task that is not right; nothing of it was written. `errors` has a
    sentence for each wrong option. Of queue_tasks: `index` is the task's place
    in the list, `done` how many others are queued."""

    def __init__(
        self, errors: Dict[str, str], code: str = "INVALID", index: int = 0
    ) -> None:
        super().__init__(
            "; ".join("%s: %s" % item for item in errors.items()), code
        )
        self.errors = errors
        self.index = index
        self.done = 0


class NotFound(Error, LookupError):
    """There is no such task."""

    def __init__(self, text: str) -> None:
        super().__init__(text, "NOTFOUND")


class StateError(Error):
    """Not possible in the state the task is in; the text names it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, "STATE")


class Unreachable(Error, ConnectionError):
    """Redis did not answer in time. What was asked may have happened, and may
    be asked again: with the same id a task is not queued twice."""


class WaitTimeout(Error, TimeoutError):
    """Tasks have not ended in time; `left` are their ids."""

    def __init__(self, text: str, left: Optional[List[str]] = None) -> None:
        super().__init__(text, "TIMEOUT")
        self.left = left or []


#: By the word of the code, where there is a class of its own.
BY_CODE = {"NOTFOUND": NotFound, "STATE": StateError}


def error(code: str, text: str) -> Error:
    if code in BY_CODE:
        return BY_CODE[code](text)
    if code in ("UNREACHABLE", "UNKNOWN", "LOADING", "READONLY", "BUSY"):
        return Unreachable(text, code)
    return Error(text, code)
