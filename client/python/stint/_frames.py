# SPDX-License-Identifier: MIT
"""Frames: four bytes of length and one JSON object (worker/PROTOCOL.md)."""
from __future__ import annotations

import json
import struct
from typing import Any, Dict, List

FRAME_BYTES_MAX = 4 * 1024 * 1024


class BrokenFrame(Exception):
    """What came is no frame. kind: length, json or type."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def frame(text: str) -> bytes:
    """Around a JSON object."""
    data = text.encode("utf-8")
    return struct.pack(">I", len(data)) + data


def _decode(data: bytes) -> Dict[str, Any]:
    try:
        o = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as why:
        raise BrokenFrame("json", "is no JSON: %s" % why) from None
    if not isinstance(o, dict):
        raise BrokenFrame("json", "is no JSON object")
    if not isinstance(o.get("type"), str):
        raise BrokenFrame("type", "has no type")
    return o


class Frames:
    """Takes bytes as they come, gives frames."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, data: bytes) -> List[Dict[str, Any]]:
        """Those that are complete now. What is behind a broken one is never
        looked at; `before` of the error has those in front of it."""
        found: List[Dict[str, Any]] = []
        self.rest += data
        try:
            while len(self.rest) >= 4:
                (size,) = struct.unpack_from(">I", self.rest)
                if not 1 <= size <= FRAME_BYTES_MAX:
                    raise BrokenFrame("length", "has %d bytes" % size)
                if len(self.rest) < 4 + size:
                    break
                found.append(_decode(bytes(self.rest[4:4 + size])))
                del self.rest[:4 + size]
        except BrokenFrame as why:
            why.before = found  # type: ignore[attr-defined]
            raise
        return found
