# SPDX-License-Identifier: MIT
"""Cron expressions, with the meaning and the messages of client/core/cron.h:
which see. Local times are seconds since the epoch of what the clocks show."""
from __future__ import annotations

import calendar
from datetime import date, timedelta, timezone, tzinfo
from typing import List, Optional, Set, Tuple

from ._text import EPOCH

_OFFSET_S_MAX = 26 * 3600
_LAST = 0  # what L is in a set of days

# name, least, most, most that may be written, names, what is wanted
_KINDS = (
    ("minute", 0, 59, 59, "", "a number from 0 to 59"),
    ("hour", 0, 23, 23, "", "a number from 0 to 23"),
    ("day of month", 1, 31, 31, "", "a number from 1 to 31, or L,"),
    ("month", 1, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
     "a number from 1 to 12 or a name (jan, feb, ...)"),
    ("day of week", 0, 6, 7, "sunmontuewedthufrisat",
     "a number from 0 to 7 or a name (sun, mon, ...)"),
)
_MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class CronError(ValueError):
    """The text names the field and what is wrong with it."""


def _cut(text: str, n: int) -> str:
    return text.encode()[:n].decode("utf-8", "ignore")


class _Field:
    """One of the five, while it is read."""

    def __init__(self, kind: int, text: str) -> None:
        (self.name, self.low, self.high, self.number_max, self.names,
         self.wanted) = _KINDS[kind]
        self.kind = kind
        self.part = text
        self.set: Set[int] = set()

    def fail(self, reason: str) -> CronError:
        return CronError(
            '%s "%s": %s' % (self.name, _cut(self.part, 40), reason)
        )

    def value(self, text: str) -> int:
        at = self.names.find(text.lower()) if len(text) == 3 else -1
        if at >= 0 and at % 3 == 0:
            return self.low + at // 3
        n = _number(text)
        if n is None or not self.low <= n <= self.number_max:
            raise self.fail("%s is wanted" % self.wanted)
        return n

    def range(self, text: str) -> Tuple[int, int]:
        first, dash, last = text.partition("-")
        low = high = self.value(first)
        if dash:
            high = self.value(last)
        if high == 0 and low > 0 and self.kind == 4:
            high = 7  # the Sunday at the end of the week
        if low > high:
            raise self.fail("the range ends before it begins; a list of two "
                            "ranges can say it")
        return low, high

    def read_part(self) -> None:
        text, slash, step_text = self.part.partition("/")
        low, high, step = self.low, self.high, 1
        if self.kind == 2 and self.part[0] in "Ll":
            if len(self.part) > 1:
                raise self.fail("L stands alone or in a list")
            self.set.add(_LAST)
            return
        if text != "*":
            low, high = self.range(text)
        if slash:
            size = self.high - self.low + 1
            n = _number(step_text)
            if n is None or not 1 <= n <= size:
                raise self.fail("after / a step from 1 to %d is wanted" % size)
            step = n
            if "-" not in text:
                high = max(high, self.high)
        for i in range(low, high + 1, step):
            self.set.add(self.low if i > self.high else i)  # 7 is a Sunday

    def read(self) -> Set[int]:
        text = self.part
        for self.part in text.split(","):
            if not self.part:
                self.part = text
                raise self.fail("an element of the list is empty")
            self.read_part()
        return self.set


def _number(text: str) -> Optional[int]:
    if not text.isascii() or not text.isdigit():
        return None
    n = int(text.lstrip("0")[:4] or "0")
    return n if n <= 999 else None


def _expand(text: str, words: List[str]) -> List[str]:
    if not words or words[0][0] != "@":
        return words
    if len(words) > 1:
        raise CronError('"%s": nothing may follow a name with @'
                        % _cut(text, 40))
    if words[0].lower() in _MACROS:
        return _MACROS[words[0].lower()].split(" ")
    if words[0].lower() == "@reboot":
        raise CronError("@reboot is no time: let the host queue a task without "
                        "a cronline when it starts")
    raise CronError('"%s": @hourly, @daily, @midnight, @weekly, @monthly, '
                    "@yearly or @annually is wanted" % _cut(words[0], 40))


def _month_length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


class Cron:
    """A parsed expression. Raises CronError."""

    def __init__(self, text: str) -> None:
        if len(text.encode()) > 500:
            raise CronError("longer than 500 bytes")
        words = [w for w in text.replace("\t", " ").split(" ") if w]
        words = _expand(text, words)
        if len(words) < 5:
            raise CronError(
                "%d of five fields: the %s is missing (minute, hour, day of "
                "month, month, day of week)" % (len(words),
                                                _KINDS[len(words)][0]))
        if len(words) > 5:
            raise CronError(
                'more than five fields: "%s" is left over. There are none for '
                "seconds, years or users: leave them out" % _cut(words[5], 40))
        (self.minutes, self.hours, self.days, self.months, self.weekdays) = (
            _Field(i, word).read() for i, word in enumerate(words))
        self.either = words[2][0] != "*" and words[4][0] != "*"
        possible = {_LAST}
        for month in self.months:
            possible.update(range(1, _month_length(2000, month) + 1))
        if not self.either and not self.days & possible:
            raise CronError(
                'day of month "%s": no month of this expression has such a '
                "day, it would never run" % _cut(words[2], 40))

    def _day_fits(self, d: date) -> bool:
        by_day = d.day in self.days or (
            _LAST in self.days and d.day == _month_length(d.year, d.month))
        by_week = (d.weekday() + 1) % 7 in self.weekdays
        return (by_day or by_week) if self.either else (by_day and by_week)

    def _day_find(self, d: date) -> Optional[date]:
        """The first day from this one on that matches. Month by month: at
        most 40 years are looked at before there is one."""
        year, month, first = d.year, d.month, d.day
        while year <= 9999:
            if month in self.months:
                for day in range(first, _month_length(year, month) + 1):
                    if self._day_fits(date(year, month, day)):
                        return date(year, month, day)
            year, month, first = year + month // 12, month % 12 + 1, 1
        return None

    def _minute_find(self, minute: int) -> Optional[int]:
        for hour in sorted(h for h in self.hours if h >= minute // 60):
            least = minute % 60 if hour == minute // 60 else 0
            fitting = [m for m in self.minutes if m >= least]
            if fitting:
                return hour * 60 + min(fitting)
        return None

    def _local_find(self, from_s: int) -> Optional[int]:
        number = from_s // 86400
        minute: Optional[int] = (from_s - number * 86400 + 59) // 60
        today = EPOCH.date() + timedelta(days=number)
        d = self._day_find(today)
        if d is None:
            return None
        minute = self._minute_find(minute or 0 if d == today else 0)
        if minute is None:  # too late on the day we came from
            if d == date.max:
                return None
            d = self._day_find(d + timedelta(days=1))
            minute = self._minute_find(0)
        if d is None or minute is None:
            return None
        return (d - EPOCH.date()).days * 86400 + minute * 60

    def next_ms(self, zone: tzinfo, after_ms: int) -> Optional[int]:
        """The first run strictly after that instant; None: none before the
        year 10000."""
        try:
            latest_s = _latest_local_s(zone, after_ms // 1000)
            local_s = self._local_find(latest_s + 1)
            if local_s is None:
                return None
            return _first_s(zone, local_s) * 1000
        except OverflowError:
            return None


# ---- Time zones -------------------------------------------------------------


class ZoneError(ValueError):
    """There is no such zone."""


class NoDatabase(ZoneError):
    """There are no zones at all here."""


def zone_open(name: str) -> tzinfo:
    """Raises ZoneError. What counts leap seconds is none: the epoch does
    not."""
    import zoneinfo

    fits = 1 <= len(name) <= 64 and name[0] != "/" and name.isascii() and all(
        c.isalnum() or c in "_+-/" for c in name)
    if name in ("UTC", "Etc/UTC"):
        return timezone.utc
    if not fits or name.startswith("right/"):
        raise ZoneError(name)
    try:
        return zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:
        if not zoneinfo.available_timezones():
            raise NoDatabase("this host has no database of time zones "
                             "(package tzdata)") from None
        raise ZoneError(name) from None
    except (ValueError, OSError):  # a path, a directory
        raise ZoneError(name) from None


def _offset_s(zone: tzinfo, at_s: int) -> int:
    offset = (EPOCH + timedelta(seconds=at_s)).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _spans(zone: tzinfo, from_s: int, until_s: int) -> List[List[int]]:
    """[first instant, first after it, offset], in order. Found by looking at
    every hour: nowhere do clocks change twice in one."""
    spans = [[from_s, until_s, _offset_s(zone, from_s)]]
    for at_s in range(from_s + 3600, until_s + 3600, 3600):
        offset_s = _offset_s(zone, at_s)
        if offset_s == spans[-1][2]:
            continue
        low, high = at_s - 3600, at_s  # it changes behind low, up to high
        while high - low > 1:
            middle = (low + high) // 2
            if _offset_s(zone, middle) == spans[-1][2]:
                low = middle
            else:
                high = middle
        spans[-1][1] = high
        spans.append([high, until_s, offset_s])
    return spans


def _latest_local_s(zone: tzinfo, at_s: int) -> int:
    """The latest local time that the clocks have shown up to then."""
    spans = _spans(zone, at_s - 2 * _OFFSET_S_MAX, at_s)
    latest = [end - 1 + offset for _, end, offset in spans[:-1]]
    return max(latest + [at_s + _offset_s(zone, at_s)])


def _first_s(zone: tzinfo, local_s: int) -> int:
    """The first instant at which the clocks show that time or a later one."""
    at_s = local_s - _OFFSET_S_MAX
    for _, end, offset in _spans(zone, at_s, local_s + _OFFSET_S_MAX + 1):
        at_s = max(at_s, local_s - offset)
        if at_s < end:
            return at_s
        at_s = end
    raise OverflowError
