# SPDX-License-Identifier: MIT
"""Queueing, looking at and changing tasks, straight through Redis."""
from __future__ import annotations

import time
from typing import (Any, Callable, Dict, Iterable, Iterator, List, Mapping,
                    Optional, Sequence, Tuple, Union)

from . import _status
from ._errors import Error, NotFound, Refused, WaitTimeout, error
from ._family import Family
from ._script import Caller, Failed, Library, connect
from ._task import _GROUP, Task
from ._text import part_name, part_of_id

BATCH_TASKS_MAX = 250
BATCH_BYTES_MAX = 512 * 1024
PARTS_MAX = 256
NEWS_MAX = 8        # new numbers of parts heard before it is given up
DELIVER_MAX = 1000  # rounds; the reaper does the rest
FRESH_S = 1.0       # a number of parts heard before is asked for again

Progress = Callable[[int, int], None]


class _Group:
    """What is known of a group: see client/lib/parts.h."""

    def __init__(self) -> None:
        self.parts = 1
        self.is_sure = False
        self.is_registered = False
        self.heard = float("-inf")


class _Batch:
    def __init__(self, again: bool) -> None:
        self.tasks: List[Task] = []
        self.size = 0
        self.again = again

    def has_room(self, t: Task) -> bool:
        return (len(self.tasks) < BATCH_TASKS_MAX
                and self.size + t.size() <= BATCH_BYTES_MAX)

    def add(self, t: Task) -> None:
        self.tasks.append(t)
        self.size += t.size()


class Client:
    """A connection to Stint's tasks in Redis. `redis`: a URL (redis://,
    rediss://, unix://), a client of redis-py or anything else with its
    execute_command; None: $STINT_URL. `timeout`: seconds for a call, with its
    repetitions. May be used by several threads if the Redis client may."""

    def __init__(self, redis: Any = None, *, namespace: str = "stint",
                 timeout: float = 10, library: Optional[str] = None) -> None:
        if not _GROUP.fullmatch(namespace):
            raise Error("the namespace must be 1 to 128 of A-Za-z0-9_.-",
                        "INVALID")
        self._redis, self._is_own = connect(redis, timeout)
        self._caller = Caller(self._redis, namespace, timeout, Library(library))
        self._groups: Dict[str, _Group] = {}

    def close(self) -> None:
        """Closes the connection, if it was made here."""
        if self._is_own:
            self._redis.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- Calls and groups -----------------------------------------------------

    def _call(self, verb: str, group: Optional[str], *args: Any) -> List[Any]:
        try:
            return self._caller.call(verb, group, *args)
        except Failed as why:
            raise why.as_error() from why.__cause__

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group())

    def _parts_of(self, group: str) -> int:
        known = self._groups.get(group)
        return known.parts if known else 1

    def _learn(self, group: str, n: int, sure: bool) -> bool:
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
        reply = self._call("set_parts", group, "see", "-")
        return self._learn(group, int(reply[2]), True)

    def route(self, group: str, id: str) -> str:
        """The part in which a task of that id lives."""
        return part_name(group, part_of_id(id, self._parts_of(group)))

    def _register(self, group: str) -> None:
        """Sees that the fleet knows the group."""
        known = self._group(group)
        if known.is_registered:
            return
        text = group if known.parts == 1 else "%s %d" % (group, known.parts)
        self._call("fleet_heartbeat", None, "", "{}", "0", text)
        known.is_registered = True

    def _fleet(self, workers: bool) -> List[Any]:
        reply = self._call("fleet_list", None, *(() if workers else ("0",)))
        for text in reply[4:4 + int(reply[3])]:
            name, _, n = text.partition(" ")
            self._learn(name, int(n or 1), False)
        return reply

    def group_names(self) -> List[str]:
        """All groups there are."""
        reply = self._fleet(False)
        return [t.partition(" ")[0] for t in reply[4:4 + int(reply[3])]]

    def _groups_wanted(self, group: Optional[str]) -> List[str]:
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
            if self._call("task_status", base, "1", id)[2]:
                return True
            fresh = time.monotonic() - self._group(group).heard < FRESH_S
            if fresh or not self.refresh(group):
                break
        return False

    # ---- Queueing ---------------------------------------------------------------

    def queue_task(self, function: str, args: Sequence[Any] = (),
                   vars: Optional[Mapping[str, Any]] = None,
                   **options: Any) -> str:
        """Queues one task, and returns its id. The options are those of `stint
        queue-task` (start_time, timeout, retry_failed…); None is as good as not
        given. Raises Refused with all that is wrong at once."""
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
        self._durability_check(level, replicas)
        ordered = Family(self, given).order()
        now_ms = 0
        for t in ordered:
            if t.cronline is not None:
                now_ms = now_ms or int(self._fleet(False)[0]) // 1000
                t.cron_start(now_ms)
        flight = _Flight(self, given, progress)
        try:
            flight.run(ordered)
        except Refused as why:
            why.done = flight.done
            raise
        finally:
            self._nudge(flight.queued)
        if given:
            self._durability_wait(replicas, ordered[0].group)

    def is_far(self, t: Task) -> bool:
        """Has it parents elsewhere?"""
        own = self.route(t.group, t.id)
        return any(self.route(*ref.split("/")) != own for ref in t.depends)

    def _nudge(self, queued: List[Task]) -> None:
        """Broadcasts are fired, and other groups told of children, at once;
        what goes wrong here a reaper does a little later."""
        fired, told = set(), set()
        for t in queued:
            base = self.route(t.group, t.id)
            try:
                if t.broadcast and base not in fired:
                    fired.add(base)
                    self._call("fire", base, "10")
                if t.depends and base not in told and self.is_far(t):
                    told.add(base)
                    self._deliver(base, True)
            except Error:
                pass

    def _deliver(self, base: str, answers: bool) -> None:
        """Carries the messages of a part to where they belong."""
        receipt: List[str] = []
        for _ in range(DELIVER_MAX):
            reply = self._call("messages", base, "100", *receipt)
            receipt = []
            for text in reply[1:]:
                words = text.split(" ")
                if len(words) == 5:
                    kind, group, id, of, word = words
                    self._call("deliver", group, kind, id, of, word)
                    if answers and kind == "link":  # it has ended, perhaps
                        self._deliver(group, False)
                receipt.append(text)
            if not receipt:
                return

    # ---- Promises about disks and replicas: client/lib/durability.c -------------

    def _setting(self, name: str) -> str:
        try:
            reply = self._caller.command("CONFIG", "GET", name)
        except Failed as why:
            if why.may_retry():
                raise why.as_error() from why.__cause__
            reply = {}
        if not isinstance(reply, dict):
            reply = dict(zip(reply[::2], reply[1::2]))
        for key, value in reply.items():
            if key in (name, name.encode()):
                return value.decode() if isinstance(value, bytes) else str(value)
        raise Refused({"durability": "Redis does not let us see its setting %s "
                                     "(CONFIG GET)" % name})

    def _durability_check(self, level: int, replicas: int) -> None:
        if replicas and not hasattr(self._redis, "pipeline"):
            raise Refused({"durability": "replicas can be waited for only with "
                                         "a Redis client that has pipelines"})
        if level < 2:
            return
        value = self._setting("appendonly")
        if value != "yes":
            raise Refused({"durability": "Redis has no append-only file "
                                         "(appendonly %s)" % value})
        value = self._setting("appendfsync")
        if value != "always":
            raise Refused({"durability": "Redis does not sync each write "
                           "(appendfsync is %s, not always)" % value})
        if level == 3 and int(self._setting("min-replicas-to-write")) < 1:
            raise Refused({"durability": "Redis takes writes without replicas "
                                         "(min-replicas-to-write is 0)"})

    def _durability_wait(self, replicas: int, group: str) -> None:
        """WAIT speaks of the writes of its own connection, so one goes before
        it: replicas that have that have all before."""
        if not replicas:
            return
        ms = int(min(self._caller.timeout_s, 5) * 800)
        try:
            both = self._redis.pipeline(transaction=False)
            both.execute_command("SET", self._caller.key(group) + ":written",
                                 "1", "PX", "1000")
            both.execute_command("WAIT", replicas, ms)
            n = both.execute()[1]
        except Exception as why:
            raise error("UNKNOWN", "queued, but whether replicas have it is not "
                                   "known: %s" % why) from why
        if n < replicas:
            raise error("UNKNOWN", "queued, but only %d of %d replicas have "
                                   "confirmed it" % (n, replicas))

    # ---- Looking ------------------------------------------------------------------

    def _locate(self, group: Optional[str], id: str) -> str:
        """The part that has, or would have, the task."""
        if group is not None:
            if not _GROUP.fullmatch(group):
                raise NotFound("there is no task %.128s" % id)
            return self.route(group, id)
        for name in self.group_names():
            base = self.route(name, id)
            if self._call("task_status", base, "1", id)[2] not in ("", "-"):
                return base
        raise NotFound("there is no task %.128s" % id)

    def _looking(self, group: Optional[str], look: Callable[[], Any]) -> Any:
        """What is not found may be where the parts are not as was thought."""
        try:
            return look()
        except NotFound:
            known = [group] if group is not None else [
                name for name, g in self._groups.items() if g.parts > 1]
            if not any([self.refresh(name) for name in known
                        if _GROUP.fullmatch(name)]):
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
            got = self._call("task_status", base, "2", *some)
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
            reply = self._call("task_status", base, "3", id)
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
        for name in self._groups_wanted(group):
            for part in range(self._parts_of(name)):
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
            reply = self._call("list", base, status, function, "200", cursor)
            now_ms, cursor = int(reply[0]) // 1000, reply[1]
            for i in range(2, len(reply) - 3, 4):
                id, state, task, due = reply[i:i + 4]
                if len(task) > 1:
                    yield _status.status_dict(
                        id, base, _status.State(state, due), task, now_ms)
            if not cursor:
                return

    # ---- Waiting --------------------------------------------------------------------

    def wait(self, ids: Union[str, Iterable[str]],
             timeout: Optional[float] = None, *, group: Optional[str] = None
             ) -> Dict[str, str]:
        """Waits until all have ended, and returns their end states. Raises
        NotFound, and WaitTimeout with the ids that are left."""
        wanted = [ids] if isinstance(ids, str) else list(ids)
        until = None if timeout is None else time.monotonic() + timeout
        ended: Dict[str, str] = {}
        where: Dict[str, str] = {}
        for name in self._groups_wanted(group):
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
            by_part.setdefault(self.route(group, id), []).append(id)
        for base, of_part in by_part.items():
            for first in range(0, len(of_part), BATCH_TASKS_MAX):
                some = of_part[first:first + BATCH_TASKS_MAX]
                reply = self._call("task_status", base, "1", *some)
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

    # ---- Changing -------------------------------------------------------------------

    def _change(self, verb: str, group: Optional[str], id: str,
                done: Tuple[str, ...], *more: str) -> str:
        """The script's word. done: the states in which a call that had to be
        repeated finds the task when the first one worked."""

        def change() -> str:
            base = self._locate(group, id)
            try:
                return str(self._caller.call(verb, base, id, *more)[1])
            except Failed as why:
                again = self._caller.tries > 1
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
                     ("QUEUED", "ASSIGNED", "RUNNING"), "1" if reset else "0")

    def disable_task(self, id: str, *, group: Optional[str] = None) -> None:
        """It does not run until it is enabled."""
        self._change("disable_task", group, id, ())

    def enable_task(self, id: str, *, group: Optional[str] = None) -> None:
        self._change("enable_task", group, id, ())

    def delete_task(self, id: str, *, group: Optional[str] = None) -> None:
        """Removes one that is QUEUED or has ended, with its runs."""
        self._change("delete_task", group, id, ("GONE",))


class _Flight:
    """Tasks on their way: in batches, each into the part of its group where
    they live. A batch whose answer got lost is sent again and says so; one that
    went by a wrong number of parts wrote nothing and is dealt out anew."""

    def __init__(self, client: Client, given: List[Task],
                 progress: Optional[Progress]) -> None:
        self.client = client
        self.given = given
        self.progress = progress
        self.queued: List[Task] = []
        self.open: Dict[Tuple[str, str], _Batch] = {}

    @property
    def done(self) -> int:
        return len(self.queued)

    def run(self, tasks: List[Task]) -> None:
        generation = 0
        for t in tasks:
            if t.generation > generation and self.client.is_far(t):
                self._flush()  # its parents are elsewhere, and go first
                generation = t.generation
            self._add(t)
        self._flush()

    def _add(self, t: Task) -> None:
        c = self.client
        c._register(t.group)
        key = (t.group, c.route(t.group, t.id))
        batch = self.open.get(key)
        # A client that was handed in may repeat calls by itself, without
        # telling; so ours says so from the start, where no other task can
        # have the id.
        again = t.made and not c._is_own
        if batch is not None and (batch.again != again
                                  or not batch.has_room(t)):
            self._send(t.group, self.open.pop(key))
            batch = None
            key = (t.group, c.route(t.group, t.id))
        if batch is None:
            batch = self.open.setdefault(key, _Batch(again))
        batch.add(t)

    def _flush(self) -> None:
        while self.open:
            key = next(iter(self.open))
            self._send(key[0], self.open.pop(key))

    def _send(self, group: str, batch: _Batch) -> None:
        until = self.client._caller.until()
        waiting, news, tries = [batch], 0, 0
        while waiting:
            one = waiting[0]
            try:
                reply = self._send_once(group, one)
            except Failed as why:
                if why.code == "PARTS":
                    news += 1
                    self._reroute(group, why)
                    waiting[:1] = self._deal(group, one)
                    if news < NEWS_MAX and why.text != "PARTS 0":
                        continue
                elif not why.may_retry():
                    raise why.as_error() from why.__cause__
                elif why.code != "NOSCRIPT":
                    one.again = True
                tries += 1
                if not self.client._caller.pause(tries, until):
                    raise why.as_error() from why.__cause__
                continue
            self._judge(one, reply)
            waiting.pop(0)

    def _deal(self, group: str, batch: _Batch) -> List[_Batch]:
        by_part: Dict[str, _Batch] = {}
        self.client._register(group)
        for t in batch.tasks:
            base = self.client.route(group, t.id)
            by_part.setdefault(base, _Batch(batch.again)).add(t)
        return list(by_part.values())

    def _reroute(self, group: str, why: Failed) -> None:
        n = int(why.text.partition(" ")[2] or 0)
        if n:
            self.client._learn(group, n, True)
        else:  # it is being changed
            self.client.refresh(group)

    def _send_once(self, group: str, batch: _Batch) -> List[Any]:
        c = self.client
        parts = c._parts_of(group)
        head = "1" if batch.again else "0"
        args: List[Any] = [head if parts == 1 else "%s %d" % (head, parts)]
        for t in batch.tasks:
            rules = [t.rules] if t.rules else []
            for ref in t.depends:
                of, _, id = ref.partition("/")
                rules.append("after=%s/%s" % (c.route(of, id), id))
            args += [t.id, t.function, t.start, t.stop, " ".join(rules), t.text]
        base = c.route(group, batch.tasks[0].id)
        return c._caller.once("queue_task", base, *args)

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
