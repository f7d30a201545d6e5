# SPDX-License-Identifier: MIT
"""Parents: every name becomes GROUP/ID, and the tasks get an order in which
each parent is there before its children. As client/lib/parents.c."""
from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from ._errors import Refused
from ._link import Link
from ._task import Task


class Family:
    def __init__(self, link: Link, tasks: Sequence[Task]) -> None:
        self.link = link
        self.tasks = tasks
        self.by_ref: Dict[Tuple[str, str], int] = {}
        self.by_id: Dict[str, int] = {}
        self.edges: List[List[int]] = []
        for i, t in enumerate(tasks):  # the first of equal ones
            self.by_ref.setdefault((t.group, t.id), i)
            self.by_id.setdefault(t.id, i)

    def _missing(self, ref: str, i: int) -> Refused:
        return Refused({"depends_on": "there is no task %s" % ref}, "NOTFOUND",
                       i)

    def _look(self, own: str, id: str, i: int) -> str:
        """The group of an id that stands alone and is not of the list."""
        if self.link.has_id(own, id):
            return own
        for group in self.link.group_names():
            if self.link.has_id(group, id):
                return group
        raise self._missing(id, i)

    def _complete(self, i: int, ref: str) -> str:
        t = self.tasks[i]
        group, slash, id = ref.rpartition("/")
        at: Optional[int] = None
        if slash:
            at = self.by_ref.get((group, id))
        else:
            at = self.by_ref.get((t.group, id), self.by_id.get(id))
            group = (self.tasks[at].group if at is not None
                     else self._look(t.group, id, i))
        if at is not None:
            self.edges[i].append(at)
        elif slash and self.link.route(t.group, t.id) != self.link.route(
                group, id) and not self.link.has_id(group, id):
            raise self._missing(ref, i)
        return "%s/%s" % (group, id)

    def _tell_cycle(self, way: List[int], to: int) -> Refused:
        names = [self.tasks[at].id for at in way[way.index(to):] + [to]]
        return Refused({"depends_on": "a cycle: %s" % " -> ".join(names)},
                       index=way[-1])

    def _sort(self) -> None:
        """Sets the generations: a walk in depth, without recursion."""
        open_, done = set(), set()
        for start in range(len(self.tasks)):
            way, edge = [start], [0]
            if start in done:
                continue
            open_.add(start)
            while way:
                at = way[-1]
                if edge[-1] == len(self.edges[at]):
                    self.tasks[at].generation = max(
                        (self.tasks[to].generation + 1
                         for to in self.edges[at]), default=0)
                    open_.discard(at)
                    done.add(at)
                    way.pop()
                    edge.pop()
                    continue
                to = self.edges[at][edge[-1]]
                edge[-1] += 1
                if to in open_:
                    raise self._tell_cycle(way, to)
                if to not in done:
                    open_.add(to)
                    way.append(to)
                    edge.append(0)

    def order(self) -> List[Task]:
        """Parents before children, otherwise as given. Raises Refused."""
        if not any(t.depends for t in self.tasks):
            return list(self.tasks)
        for group in {t.group for t in self.tasks if t.depends}:
            self.link.refresh(group)  # who is near depends on the parts
        for i, t in enumerate(self.tasks):
            self.edges.append([])
            t.depends = [self._complete(i, ref) for ref in t.depends]
        self._sort()
        return sorted(self.tasks, key=lambda t: t.generation)
