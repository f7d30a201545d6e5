# SPDX-License-Identifier: MIT
"""What a task may say, and what becomes of it on its way to Redis. One table
names every option, its reader and the sentence for whoever gets it wrong;
nothing stops at the first fault. The rules and the sentences are those of
client/core/task_fields.c, the bytes those of client/core/task.c."""
from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from . import _cron, _json, _text
from ._errors import Refused

ID_LEN = NAME_LEN = 128
DEPENDS_MAX = 1000
TAGS_MAX = 16
PAYLOAD_BYTES_MAX = 1024 * 1024 - NAME_LEN - 16
_TEN_YEARS_S = 315576000.0
_LONG_S = 1e10
_COUNT_MAX = 1e15

_FUNCTION = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_GROUP = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_TAG = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_REF = re.compile(r"(?:%s/)?%s" % (_GROUP.pattern, _ID.pattern))
_DURABILITY = re.compile(r"[123]|replicas=([1-9][0-9]?|100)")


class Wrong(Exception):
    """A value is not what it must be. With a text: better than the table's."""


class Fields:
    """The options, read. Times in ms, a time as (ms, relative)."""

    def __init__(self) -> None:
        self.function = ""
        self.id: Optional[str] = None
        self.task_name: Optional[str] = None
        self.group_name = "main"
        self.args: str = "[]"  # as JSON
        self.vars: str = "{}"
        self.timeout: Tuple[int, str] = (60000, "60")  # as written, too
        self.start_time: Tuple[int, bool] = (0, True)
        self.stop_time: Optional[Tuple[int, bool]] = None
        self.period = 60000
        self.retry_delay = -1
        self.retry_max_delay = 3600000
        self.result_ttl = 86400000
        self.sync_output = 0
        self.repeats: Optional[int] = None
        self.retry_failed = self.priority = 0
        self.max_crashes = 3
        self.retry_backoff = 100000
        self.depends_on: List[str] = []
        self.tags: List[str] = []
        self.on_dependency: Optional[str] = None
        self.cronline: Optional[str] = None
        self.timezone: Optional[str] = None
        self.durability: Tuple[int, int] = (1, 0)  # level, replicas
        self.prevent_drift = self.immediate = self.disabled = False
        self.discard_results = self.broadcast = False


# ---- Readers: the value, or Wrong -------------------------------------------


def _matching(pattern: "re.Pattern[str]") -> Callable[[Any], str]:
    def read(v: Any) -> str:
        if not isinstance(v, str) or not pattern.fullmatch(v):
            raise Wrong
        return v

    return read


def _label(v: Any) -> str:
    try:
        size = len(v.encode("utf-8")) if isinstance(v, str) else 0
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= NAME_LEN or any(c < " " or c == "\x7f" for c in v):
        raise Wrong
    return str(v)


def _tree(kinds: Tuple[type, ...]) -> Callable[[Any], str]:
    def read(v: Any) -> str:
        if not isinstance(v, kinds):
            raise Wrong
        try:
            return _json.dumps(v)
        except _json.Unfit as why:
            raise Wrong(str(why)) from None

    return read


def _number(v: Any, least: float, most: float) -> float:
    if isinstance(v, bool) or not isinstance(v, (int, float)):
        raise Wrong
    try:
        x = float(v)
    except OverflowError:
        raise Wrong from None
    if not least <= x <= most:
        raise Wrong
    return x


def _seconds(most: float = _LONG_S) -> Callable[[Any], int]:
    return lambda v: int(_number(v, 0, most) * 1000 + 0.5)


def _timeout(v: Any) -> Tuple[int, str]:
    ms = _seconds(_TEN_YEARS_S)(v)
    if not v > 0:
        raise Wrong
    return ms, _json.dumps(v)


def _count(least: float, most: float = _COUNT_MAX) -> Callable[[Any], int]:
    def read(v: Any) -> int:
        x = _number(v, least, most)
        if x != int(x):
            raise Wrong
        return int(x)

    return read


def _backoff(v: Any) -> int:
    return int(_number(v, 1, 100) * 100000 + 0.5)


def _flag(v: Any) -> bool:
    if not isinstance(v, bool):
        raise Wrong
    return v


def _time(v: Any) -> Tuple[int, bool]:
    if isinstance(v, datetime):
        if v.utcoffset() is None:  # nobody knows when that is
            raise Wrong
        ms = (v - _text.EPOCH) // timedelta(milliseconds=1)
        if not 0 <= ms <= _text.TIME_MS_MAX:
            raise Wrong
        return ms, False
    if not isinstance(v, str):
        x = _number(v, 0, 253402300800)
        if x == 253402300800:
            raise Wrong
        return int(x * 1000 + 0.5), False
    found = _text.time_read(v)
    if found is None:
        raise Wrong
    return found


def _refs(v: Any) -> List[str]:
    if not isinstance(v, (list, tuple)) or len(v) > DEPENDS_MAX:
        raise Wrong
    for ref in v:
        _matching(_REF)(ref)
    return list(v)


def _tags(v: Any) -> List[str]:
    if not isinstance(v, (list, tuple)) or len(v) > TAGS_MAX:
        raise Wrong
    for tag in v:
        _matching(_TAG)(tag)
    return list(v)


def _cronline(v: Any) -> str:
    if not isinstance(v, str):
        raise Wrong
    try:
        _cron.Cron(v)
    except _cron.CronError as why:
        raise Wrong(str(why).encode()[:110].decode("utf-8", "ignore")) \
            from None
    return v


def _zone(v: Any) -> str:
    if not isinstance(v, str):
        raise Wrong
    try:
        _cron.zone_open(v)
    except _cron.NoDatabase as why:
        raise Wrong("time zone %s: %s" % (v, why)) from None
    except _cron.ZoneError:
        raise Wrong from None
    return v


def _dependency(v: Any) -> str:
    if v != "fail" and v != "run":
        raise Wrong
    return str(v)


def _durability(v: Any) -> Tuple[int, int]:
    if isinstance(v, int) and not isinstance(v, bool):
        v = str(v) if 1 <= v <= 3 else ""
    m = _DURABILITY.fullmatch(v) if isinstance(v, str) else None
    if m is None:
        raise Wrong
    if m[1]:
        return 1, int(m[1])
    return int(v), int(v == "3")


_SECONDS_TEXT = "must be a number of seconds >= 0"
_FLAG_TEXT = "must be true or false"
_TIME_TEXT = ("must be a time: now, +45s, -2h, RFC 3339 with a zone, or "
              "seconds since the epoch")
_CRASHES_TEXT = "must be a whole number >= 1 (-1: without end)"

_FIELDS: Dict[str, Tuple[Callable[[Any], Any], str]] = {
    "function": (_matching(_FUNCTION), "must be 1 to 128 of A-Za-z0-9_.:/-"),
    "args": (_tree((list, tuple)), "must be a JSON array"),
    "vars": (_tree((dict,)), "must be a JSON object"),
    "id": (_matching(_ID), "must be 1 to 128 of A-Za-z0-9_.:-"),
    "task_name": (_label, "must be 1 to 128 bytes of text without control "
                          "characters"),
    "group_name": (_matching(_GROUP), "must be 1 to 128 of A-Za-z0-9_.-"),
    "start_time": (_time, _TIME_TEXT),
    "stop_time": (_time, _TIME_TEXT),
    "timeout": (_timeout, "must be a number of seconds > 0, at most ten "
                          "years"),
    "repeats": (_count(0), "must be a whole number >= 0 (0: without end)"),
    "period": (_seconds(), _SECONDS_TEXT),
    "prevent_drift": (_flag, _FLAG_TEXT),
    "retry_failed": (_count(-1), "must be a whole number >= -1 (-1: without "
                                 "end)"),
    "retry_delay": (_seconds(), _SECONDS_TEXT),
    "retry_backoff": (_backoff, "must be a number from 1 to 100"),
    "retry_max_delay": (_seconds(), _SECONDS_TEXT),
    "immediate": (_flag, _FLAG_TEXT),
    "priority": (_count(-100, 100), "must be a whole number from -100 to "
                                    "100"),
    "disabled": (_flag, _FLAG_TEXT),
    "result_ttl": (_seconds(), _SECONDS_TEXT),
    "discard_results": (_flag, _FLAG_TEXT),
    "cronline": (_cronline, "must be five fields: minute hour day month "
                            "weekday"),
    "timezone": (_zone, "must be the name of a time zone, such as "
                        "Europe/Rome"),
    "max_crashes": (_count(-1), _CRASHES_TEXT),
    "depends_on": (_refs, "must be an array of up to 1000 ids, ID or "
                          "GROUP/ID"),
    "on_dependency": (_dependency, "must be fail or run"),
    "broadcast": (_flag, _FLAG_TEXT),
    "sync_output": (_seconds(_TEN_YEARS_S), _SECONDS_TEXT),
    "durability": (_durability, "must be 1, 2, 3 or replicas=N with N from 1 "
                                "to 100"),
    "tags": (_tags, "must be an array of up to 16 words, each 1 to 64 of "
                    "A-Za-z0-9_.:/-"),
}


def _fields_compare(f: Fields, options: Mapping[str, Any],
                    errors: Dict[str, str]) -> None:
    """What is right by itself, but not together."""
    if f.timezone is not None and "cronline" not in options:
        errors["timezone"] = "has no meaning without a cronline"
    if f.on_dependency is not None and "depends_on" not in options:
        errors["on_dependency"] = "has no meaning without depends_on"
    if f.max_crashes == 0:
        errors["max_crashes"] = _CRASHES_TEXT
    if f.broadcast and f.id is not None and len(f.id) > 120:
        errors["id"] = "must be up to 120 characters with broadcast"


def fields_read(options: Mapping[str, Any], errors: Dict[str, str]) -> Fields:
    f = Fields()
    if "function" not in options:
        errors["function"] = "is required"
    for name, value in options.items():
        if name not in _FIELDS:
            errors[str(name)] = "unknown option"
            continue
        read, text = _FIELDS[name]
        try:
            setattr(f, name, read(value))
        except Wrong as why:
            errors[name] = str(why) or text
    _fields_compare(f, options, errors)
    return f


# ---- The task ---------------------------------------------------------------


def _rules(f: Fields) -> str:
    """What differs from the defaults; lua/prelude.lua knows the keys."""
    repeats = f.repeats
    if repeats is None:
        repeats = 1 if f.cronline is None else 0
    whole, rest = divmod(f.retry_backoff, 100000)
    backoff = ("%d.%05d" % (whole, rest)).rstrip("0").rstrip(".")
    level = str(f.priority)
    if f.immediate:
        twice = 2 * f.priority + 1
        level = "%s%d.5" % ("-" if twice < 0 else "", abs(twice) // 2)
    rules = (
        ("repeats", repeats, 1), ("period", f.period, 60000),
        ("drift", int(f.prevent_drift), 0), ("retry", f.retry_failed, 0),
        ("delay", f.retry_delay, -1), ("backoff", backoff, "1"),
        ("cap", f.retry_max_delay, 3600000), ("level", level, "0"),
        ("disabled", int(f.disabled), 0), ("ttl", f.result_ttl, 86400000),
        ("discard", int(f.discard_results), 0),
        ("crashes", f.max_crashes, 3), ("cron", int(f.cronline is not None), 0),
        ("anyway", int(f.on_dependency == "run"), 0),
        ("cast", int(f.broadcast), 0),
    )
    return " ".join("%s=%s" % (k, v) for k, v, usual in rules if v != usual)


def _text_of(f: Fields) -> str:
    rest = []
    if f.args != "[]":
        rest.append('"args":' + f.args)
    if f.vars != "{}":
        rest.append('"vars":' + f.vars)
    if f.task_name is not None and f.task_name != f.function:
        rest.append('"task_name":' + _json.string(f.task_name))
    if f.timeout[0] != 60000:
        rest.append('"timeout":' + f.timeout[1])
    if f.depends_on:
        rest.append('"depends_on":' + _json.dumps(f.depends_on))
    if f.cronline is not None:
        rest.append('"cronline":' + _json.string(f.cronline))
    if f.timezone is not None:
        rest.append('"timezone":' + _json.string(f.timezone))
    if f.tags:
        rest.append('"tags":' + _json.dumps(f.tags))
    if f.sync_output > 0:
        rest.append('"sync_output":' + _json.real(f.sync_output / 1000))
    return "%s {%s}" % (f.function, ",".join(rest))


def _time_text(time: Tuple[int, bool]) -> str:
    return ("%+d" if time[1] else "%d") % time[0]


class Task:
    """A checked task, as the function queue_task takes it. Raises Refused with
    every wrong option."""

    __slots__ = ("id", "made", "group", "function", "start", "stop", "rules",
                 "text", "depends", "generation", "durability", "broadcast",
                 "cronline", "timezone")

    def __init__(self, options: Mapping[str, Any]) -> None:
        errors: Dict[str, str] = {}
        f = fields_read(options, errors)
        if errors:
            raise Refused(errors)
        self.made = f.id is None  # the id is nobody else's
        self.id = _text.id_make() if f.id is None else f.id
        self.group = f.group_name
        self.function = f.function
        self.start = _time_text(f.start_time)
        self.stop = "" if f.stop_time is None else _time_text(f.stop_time)
        self.rules = _rules(f)
        self.text = _text_of(f).encode("utf-8")
        self.depends = f.depends_on
        self.generation = 0  # above those of its parents in the same list
        self.durability = f.durability
        self.broadcast = f.broadcast
        self.cronline = f.cronline
        self.timezone = f.timezone
        if len(self.text) - len(f.function) - 1 > PAYLOAD_BYTES_MAX:
            raise Refused({"args": "too big: with vars more than %d bytes"
                                   % PAYLOAD_BYTES_MAX})

    def size(self) -> int:
        return len(self.text) + 1024 + sum(len(ref) + 1 for ref in self.depends)

    def cron_start(self, now_ms: int) -> None:
        """Puts the cronline's first match at or after start_time into the
        place of that, which stays as the rule `begin`."""
        if self.cronline is None or "begin=" in self.rules:
            return
        start = int(self.start)
        if self.start[0] in "+-":
            start += now_ms
        zone = _cron.zone_open(self.timezone or "UTC")
        first = _cron.Cron(self.cronline).next_ms(zone, start - 1)
        if first is None:
            raise Refused({"cronline": "it never matches"})
        self.rules += "%sbegin=%d" % (" " if self.rules else "", start)
        self.start = str(first)


def task_from_json(text: str) -> Task:
    """From one object whose keys are the options' names."""
    try:
        options = _json.loads_strict(text)
    except ValueError as why:
        raise Refused({"task": "is not JSON: %s" % why}) from None
    if not isinstance(options, dict):
        raise Refused({"task": "must be a JSON object"})
    return Task(options)
