# SPDX-License-Identifier: MIT
"""Tasks on their way to Redis."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from ._errors import Refused
from ._link import Link
from ._script import Failed
from ._task import Task
from ._text import part_name, part_of_id

BATCH_TASKS_MAX = 250
BATCH_BYTES_MAX = 512 * 1024
NEWS_MAX = 8  # new numbers of parts heard before we take a rest

_Key = Tuple[str, int, int]  # group, its parts, which
Progress = Callable[[int, int], None]


class _Batch:
    """Tasks for one call: those that live in one part, of so many. Another
    number may be heard before it goes out; Redis refuses it then."""

    def __init__(self, group: str, parts: int, part: int, again: bool) -> None:
        self.group, self.parts = group, parts
        self.base = part_name(group, part)
        self.again = again
        self.tasks: List[Task] = []
        self.size = 0

    def has_room(self, t: Task) -> bool:
        return (len(self.tasks) < BATCH_TASKS_MAX
                and self.size + t.size() <= BATCH_BYTES_MAX)

    def add(self, t: Task) -> None:
        self.tasks.append(t)
        self.size += t.size()


class Flight:
    """Tasks on their way: in batches, each into the part of its group where
    they live. A batch whose answer got lost is sent again and says so; one that
    went by a wrong number of parts wrote nothing and is dealt out anew."""

    def __init__(self, link: Link, given: List[Task],
                 progress: Optional[Progress]) -> None:
        self.link = link
        self.given = given
        self.progress = progress
        self.queued: List[Task] = []
        self.open: Dict[_Key, _Batch] = {}

    @property
    def done(self) -> int:
        return len(self.queued)

    def run(self, tasks: List[Task]) -> None:
        generation = 0
        for t in tasks:
            if t.generation > generation and self.link.is_far(t):
                self._flush()  # its parents are elsewhere, and go first
                generation = t.generation
            self._add(t)
        self._flush()

    def _add(self, t: Task) -> None:
        self.link.register(t.group)
        key = self._key(t)
        batch = self.open.get(key)
        # A client that was handed in may repeat calls by itself, without
        # telling; so ours says so from the start, where no other task can
        # have the id.
        again = t.made and not self.link.is_own
        while batch is not None and (batch.again != again
                                     or not batch.has_room(t)):
            self._send(self.open.pop(key))
            key = self._key(t)  # it may be another one now
            batch = self.open.get(key)
        if batch is None:
            batch = self.open[key] = _Batch(*key, again)
        batch.add(t)

    def _key(self, t: Task) -> _Key:
        parts = self.link.parts_of(t.group)
        return t.group, parts, part_of_id(t.id, parts)

    def _flush(self) -> None:
        while self.open:
            self._send(self.open.pop(next(iter(self.open))))

    def _send(self, batch: _Batch) -> None:
        until = self.link.caller.until()
        waiting, news, tries = [batch], 0, 0
        while waiting:
            one = waiting[0]
            try:
                reply = self._send_once(one)
            except Failed as why:
                if why.code == "PARTS":
                    news += 1
                    self._reroute(one.group, why)
                    waiting[:1] = self._deal(one)
                    if news < NEWS_MAX and why.text != "PARTS 0":
                        continue
                elif not why.may_retry():
                    raise why.as_error() from why.__cause__
                elif why.code != "NOSCRIPT":
                    one.again = True
                tries += 1
                if not self.link.caller.pause(tries, until):
                    raise why.as_error() from why.__cause__
                continue
            self._judge(one, reply)
            waiting.pop(0)

    def _deal(self, batch: _Batch) -> List[_Batch]:
        """Anew, by the number that is known now."""
        by_key: Dict[_Key, _Batch] = {}
        self.link.register(batch.group)
        for t in batch.tasks:
            key = self._key(t)
            by_key.setdefault(key, _Batch(*key, batch.again)).add(t)
        return list(by_key.values())

    def _reroute(self, group: str, why: Failed) -> None:
        n = int(why.text.partition(" ")[2] or 0)
        if n:
            self.link.learn(group, n, True)
        else:  # it is being changed
            self.link.refresh(group)

    def _send_once(self, batch: _Batch) -> List[Any]:
        link = self.link
        head = "1" if batch.again else "0"
        if batch.parts > 1:
            head = "%s %d" % (head, batch.parts)
        args: List[Any] = [head]
        for t in batch.tasks:
            rules = [t.rules] if t.rules else []
            for ref in t.depends:
                of, _, id = ref.partition("/")
                rules.append("after=%s/%s" % (link.route(of, id), id))
            args += [t.id, t.function, t.start, t.stop, " ".join(rules), t.text]
        return link.caller.once("queue_task", batch.base, *args)

    def _judge(self, batch: _Batch, reply: List[Any]) -> None:
        if len(reply) >= 5:
            errors = {reply[i + 2]: reply[i + 3]
                      for i in range(1, len(reply) - 3, 4)
                      if reply[i] == reply[1]}
            bad = batch.tasks[int(reply[1])]
            raise Refused(errors, reply[2], self.given.index(bad))
        self.queued += batch.tasks
        if self.progress is not None:
            self.progress(self.done, len(self.given))
