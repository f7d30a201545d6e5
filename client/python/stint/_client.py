# SPDX-License-Identifier: MIT
"""Queueing, looking at and changing tasks, straight through Redis."""
from __future__ import annotations

import secrets
import time
from typing import (Any, Callable, Dict, Iterable, Iterator, List, Mapping,
                    Optional, Sequence, Tuple, Union)

from . import _status
from ._durability import durability_check, durability_wait
from ._errors import Error, NotFound, Refused, WaitTimeout
from ._family import Family
from ._flight import BATCH_TASKS_MAX, Flight, Progress
from ._link import Link
from ._script import Failed
from ._task import _GROUP, Task
from ._text import part_name

DELIVER_MAX = 1000  # rounds; the reaper does the rest


class Client:
    """A connection to Stint's tasks in Redis. `redis`: a URL (redis://,
    rediss://, unix://), a client of redis-py or anything else with its
    execute_command; None: $STINT_URL. `timeout`: seconds for a call, with its
    repetitions. May be used by several threads if the Redis client may."""

    def __init__(self, redis: Any = None, *, namespace: str = "stint",
                 timeout: float = 10, library: Optional[str] = None) -> None:
        self._link = Link(redis, namespace, timeout, library)

    def close(self) -> None:
        """Closes the connection, if it was made here."""
        if self._link.is_own:
            self._link.redis.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- Queueing -----------------------------------------------------------

    def queue_task(self, function: str, args: Sequence[Any] = (),
                   vars: Optional[Mapping[str, Any]] = None,
                   **options: Any) -> str:
        """Queues one task, and returns its id. The options are those of `stint
        queue-task` (start_time, timeout, retry_failed…); None is as good as
        not given. Raises Refused with all that is wrong at once."""
        wanted: Dict[str, Any] = {"function": function, "args": args,
                                  "vars": {} if vars is None else vars}
        wanted.update((k, v) for k, v in options.items() if v is not None)
        return self.queue_tasks([wanted])[0]

    def queue_tasks(self, tasks: Iterable[Mapping[str, Any]],
                    progress: Optional[Progress] = None) -> List[str]:
        """Queues any number, each a dict of function, args, vars and options;
        returns their ids in the same order. Parents that are among them may
        come in any order. All are checked before the first is queued; what
        Redis then refuses (an id that is there, Refused.index) ends it, with
        those before it queued. progress(done, of) is called now and then."""
        given: List[Task] = []
        for i, options in enumerate(tasks):
            try:
                given.append(Task(options))
            except Refused as why:
                why.index = i
                raise
        self._queue(given, progress)
        return [t.id for t in given]

    def _queue(self, given: List[Task], progress: Optional[Progress]) -> None:
        level = max((t.durability[0] for t in given), default=1)
        replicas = max((t.durability[1] for t in given), default=0)
        durability_check(self._link, level, replicas)
        ordered = Family(self._link, given).order()
        now_ms = 0
        for t in ordered:
            if t.cronline is not None:
                now_ms = now_ms or int(self._link.fleet(False)[0]) // 1000
                t.cron_start(now_ms)
        flight = Flight(self._link, given, progress)
        try:
            flight.run(ordered)
        except Refused as why:
            why.done = flight.done
            raise
        finally:
            self._nudge(flight.queued)
        if given:
            durability_wait(self._link, replicas, ordered[0].group)

    def _nudge(self, queued: List[Task]) -> None:
        """Broadcasts are fired, and other groups told of children, at once;
        what goes wrong here a reaper does a little later."""
        fired, told = set(), set()
        for t in queued:
            base = self._link.route(t.group, t.id)
            try:
                if t.broadcast and base not in fired:
                    fired.add(base)
                    self._link.call("fire", base, "10")
                if t.depends and base not in told and self._link.is_far(t):
                    told.add(base)
                    self._deliver(base, True)
            except Error:
                pass

    def _deliver(self, base: str, answers: bool) -> None:
        """Carries the messages of a part to where they belong."""
        receipt: List[str] = []
        for _ in range(DELIVER_MAX):
            reply = self._link.call("messages", base, "100", *receipt)
            receipt = []
            for text in reply[1:]:
                words = text.split(" ")
                if len(words) == 5:
                    kind, group, id, of, word = words
                    self._link.call("deliver", group, kind, id, of, word)
                    if answers and kind == "link":  # it has ended, perhaps
                        self._deliver(group, False)
                receipt.append(text)
            if not receipt:
                return

    # ---- Looking ------------------------------------------------------------

    def _locate(self, group: Optional[str], id: str) -> str:
        """The part that has, or would have, the task."""
        if group is not None:
            if not _GROUP.fullmatch(group):
                raise NotFound("there is no task %.128s" % id)
            return self._link.route(group, id)
        for name in self._link.group_names():
            base = self._link.route(name, id)
            reply = self._link.call("task_status", base, "1", id)
            if reply[2] not in ("", "-"):
                return base
        raise NotFound("there is no task %.128s" % id)

    def _looking(self, group: Optional[str], look: Callable[[], Any]) -> Any:
        """What is not found may be where the parts are not as was thought."""
        try:
            return look()
        except NotFound:
            if not self._link.look_again(group):
                raise
            return look()

    def _cast_runs(self, base: str, id: str, reply: List[Any]) -> List[Any]:
        """What goes on of a broadcast: its parts are tasks of their own."""
        st = _status.State(reply[1])
        n = st.rule("parts") if st.rule("cast") else 0
        if st.status != "RUNNING" or n > _status.CAST_MAX:
            return []
        ids = ["%s@%d" % (id, i) for i in range(1, n + 1)]
        runs = []
        for first in range(0, n, BATCH_TASKS_MAX):
            some = ids[first:first + BATCH_TASKS_MAX]
            got = self._link.call("task_status", base, "2", *some)
            for i, part in enumerate(some):
                runs.append(_status.run_from_part(part, got[1 + 5 * i],
                                                  got[4 + 5 * i]))
        return [run for run in runs if run is not None]

    def task_status(self, id: str, *, group: Optional[str] = None,
                    output: bool = False, runs: bool = False) -> Dict[str, Any]:
        """What `stint task-status --json` prints, as a dict. Without `group`
        the id is looked up in all of them. `output`: with result, output and
        error of the last run; `runs`: with all that are kept, newest first.
        Raises NotFound."""

        def look() -> Dict[str, Any]:
            base = self._locate(group, id)
            reply = self._link.call("task_status", base, "3", id)
            if reply[2] in ("", "-"):
                raise NotFound("there is no task %.128s" % id)
            parts = self._cast_runs(base, id, reply) if runs else []
            return _status.status_full(id, base, reply, parts, output, runs)

        got: Dict[str, Any] = self._looking(group, look)
        return got

    def list(self, *, status: Optional[str] = None,
             group: Optional[str] = None, function: Optional[str] = None,
             limit: Optional[int] = 100) -> Iterator[Dict[str, Any]]:
        """Tasks, as task_status has them. limit None: all."""
        left = limit
        for name in sorted(self._link.groups_wanted(group)):
            for part in range(self._link.parts_of(name)):
                for one in self._list_part(part_name(name, part), status or "",
                                           function or ""):
                    if left is not None and left <= 0:
                        return
                    yield one
                    left = left - 1 if left is not None else None

    def _list_part(self, base: str, status: str,
                   function: str) -> Iterator[Dict[str, Any]]:
        cursor = ""
        while True:
            reply = self._link.call("list", base, status, function, "200",
                                    cursor)
            now_ms, cursor = int(reply[0]) // 1000, reply[1]
            for i in range(2, len(reply) - 3, 4):
                id, state, task, due = reply[i:i + 4]
                if len(task) > 1:
                    yield _status.status_dict(
                        id, base, _status.State(state, due), task, now_ms)
            if not cursor:
                return

    # ---- Waiting ------------------------------------------------------------

    def wait(self, ids: Union[str, Iterable[str]],
             timeout: Optional[float] = None, *, group: Optional[str] = None
             ) -> Dict[str, str]:
        """Waits until all have ended, and returns their end states. Raises
        NotFound, and WaitTimeout with the ids that are left."""
        wanted = [ids] if isinstance(ids, str) else list(ids)
        until = None if timeout is None else time.monotonic() + timeout
        ended: Dict[str, str] = {}
        where: Dict[str, str] = {}
        for name in self._link.groups_wanted(group):
            lost = [id for id in wanted if id not in where]
            self._wait_ask(name, lost, where, ended)
        for id in wanted:
            if id not in where:
                raise NotFound("there is no task %.128s" % id)
        pause = 0.005
        while len(ended) < len(where):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                still = [id for id in wanted if id not in ended]
                raise WaitTimeout("%d of %d have not ended"
                                  % (len(still), len(wanted)), still)
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * 1.5, 0.25)
            for name in set(where.values()):
                self._wait_ask(name, [id for id in where if where[id] == name
                                      and id not in ended], where, ended)
        return {id: ended[id] for id in wanted}

    def _wait_ask(self, group: str, ids: List[str], where: Dict[str, str],
                  ended: Dict[str, str]) -> None:
        by_part: Dict[str, List[str]] = {}
        for id in ids:
            by_part.setdefault(self._link.route(group, id), []).append(id)
        for base, of_part in by_part.items():
            for first in range(0, len(of_part), BATCH_TASKS_MAX):
                some = of_part[first:first + BATCH_TASKS_MAX]
                reply = self._link.call("task_status", base, "1", *some)
                for i, id in enumerate(some):
                    state, task = reply[1 + 5 * i:3 + 5 * i]
                    if not task and id not in where:
                        continue
                    where[id] = group
                    st = _status.State(state)
                    if not task:
                        ended[id] = "GONE"
                    elif st.has_ended():
                        ended[id] = st.status

    # ---- Changing -----------------------------------------------------------

    def _change(self, verb: str, group: Optional[str], id: str,
                done: Tuple[str, ...], *more: str) -> str:
        """The script's word. done: the states in which a call that had to be
        repeated finds the task when the first one worked."""

        def change() -> str:
            base = self._locate(group, id)
            try:
                return str(self._link.caller.call(verb, base, id, *more)[1])
            except Failed as why:
                again = self._link.caller.tries > 1
                if again and why.code == "STATE" and \
                        why.text.rpartition(" ")[2] in done:
                    return "AGAIN"
                if again and why.code == "NOTFOUND" and "GONE" in done:
                    return "AGAIN"
                if why.code == "NOTFOUND":
                    raise NotFound("there is no task %.128s" % id) from None
                raise why.as_error() from why.__cause__

        word: str = self._looking(group, change)
        return word

    def stop_task(self, id: str, *, group: Optional[str] = None) -> str:
        """Stops it: "STOPPED", or "STOPPING" if it runs and its worker is to
        kill it. Raises NotFound and, if it has ended, StateError; so do the
        others."""
        word = self._change("stop_task", group, id, ("STOPPED",))
        return "STOPPING" if word == "STOPPING" else "STOPPED"

    def requeue_task(self, id: str, *, reset: bool = False,
                     group: Optional[str] = None) -> None:
        """Brings an ended task back: QUEUED, due now. `reset`: its runs are
        counted anew."""
        self._change("requeue_task", group, id,
                     ("QUEUED", "ASSIGNED", "RUNNING"), "1" if reset else "0",
                     str(secrets.randbits(48)))

    def disable_task(self, id: str, *, group: Optional[str] = None) -> None:
        """It does not run until it is enabled."""
        self._change("disable_task", group, id, ())

    def enable_task(self, id: str, *, group: Optional[str] = None) -> None:
        self._change("enable_task", group, id, ())

    def delete_task(self, id: str, *, group: Optional[str] = None) -> None:
        """Removes one that is QUEUED or has ended, with its runs."""
        self._change("delete_task", group, id, ("GONE",))
