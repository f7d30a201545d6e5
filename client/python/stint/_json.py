# SPDX-License-Identifier: MIT
"""JSON as Stint keeps it: compact, UTF-8, integers of 64 bits, reals with 17
digits. The C library writes the same bytes (tests/vectors)."""
from __future__ import annotations

import json
import math
import re
from typing import Any, Dict, List, Tuple

DEPTH_MAX = 64  # as in client/core/limits.h
_I64_MAX = 2**63 - 1

_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_SHORT = {
    '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n",
    "\r": "\\r", "\t": "\\t",
}


class Unfit(ValueError):
    """No JSON, or more than Stint keeps; the text goes behind the name of
    whatever was to be written: "holds a set"."""


def string(s: str) -> str:
    if "\0" in s:
        raise Unfit("holds text with a NUL")
    if not s.isascii():
        try:
            s.encode("utf-8")
        except UnicodeEncodeError:
            raise Unfit("holds text that is not Unicode") from None
    return '"%s"' % _ESCAPED.sub(
        lambda m: _SHORT.get(m[0]) or "\\u%04X" % ord(m[0]), s
    )


def real(x: float) -> str:
    """An exponent has no plus and no leading zeros; without one there is a
    point, so that a real stays one."""
    if not math.isfinite(x):
        raise Unfit("holds a number that is not finite")
    text = "%.17g" % x
    mantissa, e, exponent = text.partition("e")
    if e:
        return "%se%d" % (mantissa, int(exponent))
    return text if "." in text else text + ".0"


def _write(v: Any, out: List[str], room: int) -> None:
    if v is None:
        out.append("null")
    elif isinstance(v, bool):
        out.append("true" if v else "false")
    elif isinstance(v, str):
        out.append(string(v))
    elif isinstance(v, int):
        if not -_I64_MAX - 1 <= v <= _I64_MAX:
            raise Unfit("holds an integer of more than 64 bits")
        out.append(int.__repr__(v))
    elif isinstance(v, float):
        out.append(real(v))
    elif isinstance(v, (list, tuple, dict)):
        if room == 0:
            raise Unfit("must not be nested deeper than %d" % DEPTH_MAX)
        _write_tree(v, out, room - 1)
    else:
        raise Unfit("holds a %s, which JSON cannot" % type(v).__name__)


def _write_tree(v: Any, out: List[str], room: int) -> None:
    if not isinstance(v, dict):
        out.append("[")
        for i, child in enumerate(v):
            if i:
                out.append(",")
            _write(child, out, room)
        out.append("]")
        return
    out.append("{")
    for i, (key, child) in enumerate(v.items()):
        if not isinstance(key, str):
            raise Unfit("holds a key that is no text: %.40r" % (key,))
        out.append((",%s:" if i else "%s:") % string(key))
        _write(child, out, room)
    out.append("}")


def dumps(v: Any, depth: int = DEPTH_MAX) -> str:
    """The text; depth: of arrays and objects within each other. Raises
    Unfit."""
    out: List[str] = []
    _write(v, out, depth)
    return "".join(out)


def _pairs(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    o = dict(pairs)
    if len(o) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return o


def _constant(name: str) -> Any:
    raise ValueError("%s is no number" % name)


def _strict_int(text: str) -> int:
    n = int(text) if len(text) <= 20 else _I64_MAX + 1
    if not -_I64_MAX - 1 <= n <= _I64_MAX:
        raise ValueError("an integer of more than 64 bits")
    return n


def _strict_real(text: str) -> float:
    x = float(text)
    if math.isinf(x):
        raise ValueError("a real that is too large")
    return x


def loads_strict(text: str) -> Any:
    """For what people write: whatever is doubtful is a ValueError."""
    try:
        v = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant,
            parse_int=_strict_int, parse_float=_strict_real,
        )
        dumps(v, 900)  # NUL and halves of surrogate pairs
    except RecursionError:
        raise ValueError("too many levels") from None
    return v
