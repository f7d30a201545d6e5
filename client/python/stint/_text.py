# SPDX-License-Identifier: MIT
"""Small things that are written: times, ids, names of parts."""
from __future__ import annotations

import binascii
import calendar
import re
import secrets
import time
from datetime import datetime, timedelta, timezone
from typing import Optional, Tuple

TIME_MS_MAX = 253402300799999  # 9999-12-31T23:59:59.999Z
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_UNITS_MS = {
    "": 1000, "s": 1000, "ms": 1, "m": 60000, "h": 3600000, "d": 86400000,
    "w": 604800000,
}
_DECIMAL = r"([0-9]+)(?:\.([0-9]+))?"
_RELATIVE = re.compile(r"([+-])%s(|s|ms|m|h|d|w)" % _DECIMAL)
_EPOCH = re.compile(_DECIMAL)
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def _scale(whole: str, fraction: Optional[str], unit_ms: int) -> Optional[int]:
    if len(whole.lstrip("0")) > 15:
        return None
    nano = int((fraction or "0")[:9].ljust(9, "0"))
    ms = int(whole) * unit_ms + nano * unit_ms // 1000000000
    return ms if ms <= TIME_MS_MAX else None


def _rfc3339_read(m: "re.Match[str]") -> Optional[int]:
    year, month, day, hour, minute, second = map(int, m.groups()[:6])
    if not (
        year >= 1 and 1 <= month <= 12
        and 1 <= day <= calendar.monthrange(year, month)[1]
        and hour <= 23 and minute <= 59
        and (second <= 59 or (second == 60 and minute == 59))
    ):
        return None
    offset_s = 0
    if m[8]:
        if int(m[9]) > 23 or int(m[10]) > 59:
            return None
        offset_s = (int(m[9]) * 60 + int(m[10])) * (-60 if m[8] == "-" else 60)
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    ms = (seconds - offset_s) * 1000 + int((m[7] or "0")[:3].ljust(3, "0"))
    return ms if 0 <= ms <= TIME_MS_MAX else None


def time_read(text: str) -> Optional[Tuple[int, bool]]:
    """(ms, relative to Redis's clock), or None: that is no time."""
    ms: Optional[int] = None
    if text == "now":
        return 0, True
    m = _RELATIVE.fullmatch(text)
    if m:
        ms = _scale(m[2], m[3], _UNITS_MS[m[4]])
        return None if ms is None else (-ms if m[1] == "-" else ms, True)
    m = _EPOCH.fullmatch(text)
    if m:
        ms = _scale(m[1], m[2], 1000)
    else:
        m = _RFC3339.fullmatch(text)
        if m:
            ms = _rfc3339_read(m)
    return None if ms is None else (ms, False)


def time_write(ms: int) -> str:
    """2026-11-23T20:02:50.123Z"""
    at = EPOCH + timedelta(milliseconds=ms)
    return "%s.%03dZ" % (at.strftime("%Y-%m-%dT%H:%M:%S"), ms % 1000)


_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def id_make() -> str:
    """A time-sortable UUIDv7, written as 26 characters of base 32."""
    n = (
        time.time_ns() // 1000000 << 80 | 0x7 << 76
        | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    )
    return "".join(_DIGITS[n >> shift & 31] for shift in range(125, -1, -5))


def part_slot(id: str) -> int:
    """The parts of a broadcast, ID@1 and so on, live where it lives."""
    return binascii.crc_hqx(id.partition("@")[0].encode(), 0) % 16384


def part_of_id(id: str, n: int) -> int:
    """In which of n parts a task lives."""
    return part_slot(id) % n if n > 1 else 0


def part_name(group: str, part: int) -> str:
    return group if part == 0 else "%s~%d" % (group[:124], part)
