# SPDX-License-Identifier: MIT
"""What a client knows of Redis: the calls, and where the tasks of a group
live. It begins with one part a group and is corrected by Redis: queue_task
refuses another number, and who does not find a task asks."""
from __future__ import annotations

import time
from typing import Any, Dict, List, Optional

from ._errors import Error
from ._script import Caller, Failed, Library, connect
from ._task import _GROUP, Task
from ._text import part_name, part_of_id

PARTS_MAX = 256
FRESH_S = 1.0  # a number of parts heard before is asked for again


class _Group:
    """What is known of a group: see client/lib/parts.h."""

    def __init__(self) -> None:
        self.parts = 1
        self.is_sure = False
        self.is_registered = False
        self.heard = float("-inf")


class Link:
    def __init__(self, redis: Any, namespace: str, timeout_s: float,
                 library: Optional[str]) -> None:
        if not _GROUP.fullmatch(namespace):
            raise Error("the namespace must be 1 to 128 of A-Za-z0-9_.-",
                        "INVALID")
        #: A client handed in may repeat calls by itself; our own does not.
        self.redis, self.is_own = connect(redis, timeout_s)
        self.caller = Caller(self.redis, namespace, timeout_s,
                             Library(library))
        self._groups: Dict[str, _Group] = {}

    def call(self, verb: str, group: Optional[str], *args: Any) -> List[Any]:
        try:
            return self.caller.call(verb, group, *args)
        except Failed as why:
            raise why.as_error() from why.__cause__

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group())

    def parts_of(self, group: str) -> int:
        known = self._groups.get(group)
        return known.parts if known else 1

    def learn(self, group: str, n: int, sure: bool) -> bool:
        """Is it news? What is sure goes before what is not."""
        if not 1 <= n <= PARTS_MAX:
            return False
        known = self._group(group)
        news = known.parts != n and (sure or not known.is_sure)
        known.is_sure |= sure
        if sure:
            known.heard = time.monotonic()
        if news:
            known.parts, known.is_registered = n, False
        return news

    def refresh(self, group: str) -> bool:
        """Asks Redis for the group's parts. Is there news?"""
        reply = self.call("set_parts", group, "see", "-")
        return self.learn(group, int(reply[2]), True)

    def look_again(self, group: Optional[str]) -> bool:
        """A task was looked for in `group`, or in all, and not found. Is there
        news, and so is it worth another look?"""
        names = [group] if group is not None else [
            name for name, known in self._groups.items() if known.parts > 1]
        return any([self.refresh(name) for name in names
                    if _GROUP.fullmatch(name)])

    def route(self, group: str, id: str) -> str:
        """The part in which a task of that id lives."""
        return part_name(group, part_of_id(id, self.parts_of(group)))

    def register(self, group: str) -> None:
        """Sees that the fleet knows the group."""
        known = self._group(group)
        if known.is_registered:
            return
        text = group if known.parts == 1 else "%s %d" % (group, known.parts)
        self.call("fleet_heartbeat", None, "", "{}", "0", text)
        known.is_registered = True

    def fleet(self, workers: bool) -> List[Any]:
        reply = self.call("fleet_list", None, *(() if workers else ("0",)))
        for text in reply[4:4 + int(reply[3])]:
            name, _, n = text.partition(" ")
            self.learn(name, int(n or 1), False)
        return reply

    def group_names(self) -> List[str]:
        """All groups there are."""
        reply = self.fleet(False)
        return [t.partition(" ")[0] for t in reply[4:4 + int(reply[3])]]

    def groups_wanted(self, group: Optional[str]) -> List[str]:
        if group is None:
            return self.group_names()
        if not _GROUP.fullmatch(group):
            raise Error("%.100s is not a name of a group" % group, "INVALID")
        self.refresh(group)
        return [group]

    def has_id(self, group: str, id: str) -> bool:
        """Is the id there, live or retained?"""
        for _ in range(2):
            base = self.route(group, id)
            if self.call("task_status", base, "1", id)[2]:
                return True
            fresh = time.monotonic() - self._group(group).heard < FRESH_S
            if fresh or not self.refresh(group):
                break
        return False

    def is_far(self, t: Task) -> bool:
        """Has it parents elsewhere?"""
        own = self.route(t.group, t.id)
        return any(self.route(*ref.split("/")) != own for ref in t.depends)
