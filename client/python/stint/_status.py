# SPDX-License-Identifier: MIT
"""A task's status and its runs, out of the terse records in Redis
(docs/keys.md): what `stint task-status --json` prints. As
client/lib/status.c, which see."""
from __future__ import annotations

import json
import math
from typing import Any, Dict, List, Optional

from ._task import _FUNCTION
from ._text import time_write

ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "STOPPED", "EXPIRED")
_EVIDENCE = ("exit_status", "signal", "max_rss_kb", "stderr", "worker_end")
CAST_MAX = 1000


class State:
    """A state record, decoded; "" is that of a task nobody has touched."""

    def __init__(self, text: str, due: str = "") -> None:
        self.status, self.fence, self.token = "QUEUED", "0", "-"
        self.worker = "-"
        self.next_ms = self.start_ms = self.stop_ms = 0
        self.rules: Dict[str, int] = {}
        if not text:
            self.next_ms = int(float(due or 0))
            return
        try:
            (self.status, self.fence, self.token, self.worker, after, start,
             stop, *rules) = text.split(" ")
            self.next_ms, self.start_ms, self.stop_ms = map(
                int, (after, start, stop))
            for rule in rules:
                key, _, value = rule.partition("=")
                self.rules[key] = math.floor(float(value)) if key != "of" else 0
        except ValueError:
            self.status = "BROKEN"

    def rule(self, key: str) -> int:
        return self.rules.get(key, 0)

    def has_ended(self) -> bool:
        return self.status in ENDED

    def is_run(self) -> bool:
        """Does the record itself tell of a run? That of a broadcast does
        not."""
        if self.rule("cast"):
            return False
        if self.status == "RUNNING":
            return True
        return (self.has_ended() and self.status != "EXPIRED"
                and self.start_ms != 0 and self.token != "-")


def _worker(name: str) -> str:
    return "" if name == "-" else name


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _outcome(payload: str) -> Dict[str, Any]:
    """What came of a run: only what is there."""
    o = _loads(payload) if payload else None
    if not isinstance(o, dict):
        return {}
    got = {key: o[key] for key in ("output", "error")
           if isinstance(o.get(key), str)}
    if "result" in o:
        got["result"] = o["result"]
    evidence = {key: o[key] for key in _EVIDENCE if key in o}
    if evidence:
        got["evidence"] = evidence
    return got


class Run:
    def __init__(self, id: str, fence: str, status: str, worker: str,
                 start_ms: int, stop_ms: int, outcome: Dict[str, Any]) -> None:
        self.id, self.fence, self.status = id, fence, status
        self.worker = _worker(worker)
        self.start_ms, self.stop_ms, self.outcome = start_ms, stop_ms, outcome

    def as_dict(self) -> Dict[str, Any]:
        o = self.outcome
        return {
            "run_id": "%s@%s" % (self.id, self.fence), "status": self.status,
            "worker": self.worker, "start_time": _time(self.start_ms),
            "stop_time": _time(self.stop_ms), "result": o.get("result"),
            "output": o.get("output"), "error": o.get("error"),
            "evidence": o.get("evidence"),
        }


def _run_from_line(id: str, line: str) -> Run:
    """STATUS fence worker start stop payload"""
    words = line.split(" ", 5) + [""] * 6
    start, stop = (int(w) if w.isdigit() else 0 for w in words[3:5])
    return Run(id, words[1], words[0], words[2], start, stop,
               _outcome(words[5]))


def run_from_part(id: str, state_text: str, payload: str) -> Optional[Run]:
    """A part of a broadcast that goes on; one that has ended is gone and a
    line of the history."""
    if not state_text:
        return None
    st = State(state_text)
    if st.status == "BROKEN":
        return None
    return Run(id, st.fence, st.status, st.worker, st.start_ms, 0,
               _outcome(payload) if st.rule("live") else {})


def _time(ms: int) -> Optional[str]:
    return time_write(ms) if ms else None


def task_load(text: str) -> Dict[str, Any]:
    """"FUNCTION {the rest as JSON}", or {}: what is left of a pruned one."""
    function, blank, rest = text.partition(" ")
    o = _loads(rest) if blank and _FUNCTION.fullmatch(function) else None
    return dict({"function": function}, **o) if isinstance(o, dict) else {}


def _queued_reason(st: State, function: str, now_ms: int) -> str:
    if st.rule("disabled"):
        return "disabled"
    waits = st.rule("wait")
    if waits > 0:
        return "waits for %d task%s" % (waits, "" if waits == 1 else "s")
    if st.rule("parked"):
        return "no worker here knows %s" % function
    if st.next_ms > now_ms:
        tenths = (st.next_ms - now_ms + 50) // 100
        return "due in %d.%d s" % (tenths // 10, tenths % 10)
    return "waiting for a worker"


def _reason(st: State, function: str, error: Optional[str],
            now_ms: int) -> str:
    if st.status == "QUEUED":
        return _queued_reason(st, function, now_ms)
    if st.status == "RUNNING":
        if st.rule("stopping"):
            return "being stopped"
        if st.rule("cast"):
            parts = st.rule("parts")
            return ("broadcast: %d of %d workers have ended"
                    % (parts - st.rule("open"), parts))
    if st.status == "EXPIRED":
        return ("its next run would be after stop_time" if st.start_ms
                else "stop_time passed before it could start")
    if st.status == "STOPPED":
        return "stopped by a client"
    if st.status in ("FAILED", "TIMEOUT") and error is not None:
        return error
    return ""


def status_dict(id: str, group: str, st: State, task_text: str, now_ms: int,
                error: Optional[str] = None) -> Dict[str, Any]:
    task = task_load(task_text)
    function = task.get("function", "")
    after_ms = st.next_ms
    if st.has_ended() and not st.rule("begin"):
        after_ms = st.start_ms + 60000 if st.start_ms else 0
    status = {
        "id": id, "function": function,
        "task_name": task.get("task_name", function),
        "group_name": group.partition("~")[0], "status": st.status,
        "args": task.get("args", []), "vars": task.get("vars", {}),
        "start_time": _time(st.rule("begin") or st.next_ms),
        "stop_time": _time(st.rule("expire")),
        "next_run_time": _time(after_ms), "last_run_time": _time(st.start_ms),
        "times_run": st.rule("run"), "times_failed": st.rule("failed"),
        "worker": _worker(st.worker),
        "reason": _reason(st, function, error, now_ms),
        "tags": task.get("tags", []), "priority": st.rule("level"),
    }
    if st.rule("disabled"):
        status["disabled"] = True
    for key in ("cronline", "timezone"):
        if isinstance(task.get(key), str):
            status[key] = task[key]
    return status


def _runs(id: str, st: State, lines: List[str], parts: List[Run]) -> List[Run]:
    """All there are, newest first."""
    runs = list(parts)
    own = len(runs)
    if st.is_run():
        runs.append(Run(id, st.fence, st.status, st.worker, st.start_ms,
                        0 if st.status == "RUNNING" else st.stop_ms, {}))
    for i, line in enumerate(lines):
        run = _run_from_line(id, line)
        if i == 0 and own < len(runs) and run.fence == st.fence:
            runs[own] = run  # the history knows better how it ended
        else:
            runs.append(run)
    return runs


def status_full(id: str, group: str, reply: List[Any], parts: List[Run],
                output: bool, with_runs: bool) -> Dict[str, Any]:
    """Out of the reply for one task, of depth 3."""
    state_text, task_text, due, payload, lines = reply[1:6]
    st = State(state_text, due)
    runs = _runs(id, st, lines, parts)
    last = dict(runs[0].outcome) if runs else {}
    if st.rule("cast") and st.status == "RUNNING":
        last = {}  # every part has its own
    if payload and (st.has_ended() or st.rule("live")):
        last = _outcome(payload)
        if st.is_run() and not {"result", "output", "error"} & set(
                runs[0].outcome):
            runs[0].outcome = last
    got = status_dict(id, group, st, task_text, int(reply[0]) // 1000,
                      last.get("error"))
    if st.status == "RUNNING" and st.rule("live") and not st.rule("cast"):
        o = _loads(payload) if payload else None
        if isinstance(o, dict) and "progress" in o:
            got["progress"] = o["progress"]  # how far it is, it says
    if output:
        got.update((k, last.get(k)) for k in ("result", "output", "error"))
    if with_runs:
        got["runs"] = [run.as_dict() for run in runs]
    return got
