# SPDX-License-Identifier: MIT
"""How a call reaches the rules in Redis: one function library, by FCALL. It is
loaded where it is missing or older than ours. Every call may be repeated, so
one whose reply did not come is, until the time is up."""
from __future__ import annotations

import hashlib
import os
import re
import time
from typing import Any, Dict, List, Optional, Tuple

from ._errors import Error, error

PROTOCOL = "1"
LIBRARY = 1  # SCRIPT_LIBRARY of client/core/script.h

_OWN = ("INVALID", "EXISTS", "NOTFOUND", "STATE", "STALE", "LEASE", "PROTOCOL",
        "TOOBIG")
_OTHERS = ("LOADING", "READONLY", "OOM", "MISCONF", "BUSY", "NOAUTH",
           "NOSCRIPT", "PARTS")
_MAY_RETRY = ("UNKNOWN", "NOSCRIPT", "LOADING", "BUSY", "READONLY")
_LIBRARY_NAME = re.compile(r"local LIBRARY = '(\d+) ([0-9a-f]{40})'")


class Failed(Exception):
    """A call that brought no answer; code as in STINT_CODES."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def may_retry(self) -> bool:
        return self.code in _MAY_RETRY

    def as_error(self) -> Error:
        return error(self.code, self.text)


def _classify(e: Exception) -> Failed:
    """By the names of the classes: of which module they are does not matter.
    Raises what is none of Redis's."""
    names = {c.__name__ for c in type(e).__mro__}
    text = str(e)
    word, _, rest = text.partition(" ")
    for name, code in (("BusyLoadingError", "LOADING"),
                       ("ReadOnlyError", "READONLY"),
                       ("MasterDownError", "READONLY"),
                       ("NoScriptError", "NOSCRIPT"),
                       ("OutOfMemoryError", "OOM"),
                       ("AuthenticationError", "NOAUTH"),
                       ("AuthorizationError", "NOAUTH"),
                       ("NoPermissionError", "NOAUTH")):
        if name in names:
            return Failed(code, text)
    if "MovedError" in names or "AskError" in names or word in ("MOVED", "ASK"):
        return Failed("INVALID", "this Redis is a node of a cluster: hand in a "
                                 "redis.cluster.RedisCluster")
    if "ResponseError" in names:
        if text.startswith(("Function not found", "ERR Function not found")):
            return Failed("NOSCRIPT", text)
        if text.lower().startswith(("unknown command", "err unknown command")):
            return Failed("PROTOCOL", "this server has no functions: Redis 7 "
                                  "or Valkey 7.2 is needed")
        if word in _OWN:
            return Failed(word, rest)
        return Failed(word if word in _OTHERS else "ERR", text)
    if names & {"ConnectionError", "TimeoutError", "OSError"}:
        return Failed("UNKNOWN", text or type(e).__name__)
    raise e


def text_of(reply: Any) -> Any:
    """Strings, and lists of them, whatever the client decodes."""
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, (list, tuple)):
        return [text_of(one) for one in reply]
    return reply


class Library:
    """The text of the functions. path None: $STINT_LIBRARY, or what was
    installed with this package; that there is none shows when it is needed."""

    def __init__(self, path: Optional[str]) -> None:
        own = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "library.lua")
        self.path = path or os.environ.get("STINT_LIBRARY") or own
        self.asked = self.path != own
        self.text: Optional[str] = None

    def read(self) -> bool:
        if self.text is not None:
            return True
        try:
            with open(self.path, encoding="utf-8", newline="") as f:
                text = f.read()
        except OSError:
            if self.asked:
                raise
            return False
        m = _LIBRARY_NAME.search(text)
        if not m or hashlib.sha1(
                text.replace(m[2], "@LIBRARY_SHA1@").encode()
        ).hexdigest() != m[2]:
            raise Error("%s is not Stint's library of functions" % self.path)
        self.text = text
        return True



class Caller:
    def __init__(self, redis: Any, namespace: str, timeout_s: float,
                 library: Library) -> None:
        self.redis = redis
        self.namespace = namespace
        self.timeout_s = timeout_s
        self.library = library
        self.tries = 0  # how often the last call was made
        self._is_loaded = False

    def key(self, group: Optional[str]) -> str:
        """The base of a group; None: of the fleet."""
        if group is None:
            return "{%s}" % self.namespace
        return "{%s:%s}" % (self.namespace, group)

    def command(self, *args: Any) -> Any:
        """Raises Failed."""
        try:
            return self.redis.execute_command(*args)
        except Exception as e:
            raise _classify(e) from e

    def _fcall(self, verb: str, group: Optional[str], args: Any) -> List[Any]:
        reply = text_of(self.command("FCALL", "stint_" + verb, 1,
                                     self.key(group), PROTOCOL, "0", *args))
        if not isinstance(reply, list) or not reply:
            raise Failed("PROTOCOL", "a reply that makes no sense")
        return reply

    def load(self, group: Optional[str]) -> None:
        """Sees that Redis has our functions, or newer ones. Those of another
        build of our version stay: workers may need them as they are."""
        try:
            name = self._fcall("fleet_list", group, "0")[2]
            if int(name.partition(" ")[0]) >= LIBRARY:
                return
        except Failed as why:
            if why.code not in ("NOSCRIPT", "ERR"):
                raise  # PROTOCOL: a newer major version is at work there
        if not self.library.read():
            raise Error(
                "Redis lacks Stint's functions, and this package does not have "
                "them: it was not installed by Stint's build. Run any stint "
                "command against that Redis, or give the build's "
                "lua/library.lua as STINT_LIBRARY", "NOSCRIPT")
        self.command("FUNCTION LOAD", "REPLACE", self.library.text)

    def once(self, verb: str, group: Optional[str], *args: Any) -> List[Any]:
        """One try. Raises Failed; after NOSCRIPT the next one may do."""
        if not self._is_loaded:
            self.load(None)
            self._is_loaded = True
        try:
            return self._fcall(verb, group, args)
        except Failed as why:
            if why.code == "NOSCRIPT":
                self.load(group)
            raise

    def until(self) -> float:
        return time.monotonic() + self.timeout_s

    def pause(self, tries: int, until: float) -> bool:
        """Sleeps before try number tries + 1; False: the time is up."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(0.05 * 2 ** (tries - 1) if tries < 6 else 1.0, left))
        return True

    def call(self, verb: str, group: Optional[str], *args: Any) -> List[Any]:
        """Until there is an answer. Raises Failed."""
        until, self.tries = self.until(), 0
        while True:
            self.tries += 1
            try:
                return self.once(verb, group, *args)
            except Failed as why:
                if not why.may_retry() or not self.pause(self.tries, until):
                    raise


def connect(target: Any, timeout_s: float) -> Tuple[Any, bool]:
    """(a Redis client, it was made here)."""
    if target is None:
        target = os.environ.get("STINT_URL")
        if not target:
            raise Error("no Redis is named: give a URL or a client, or set "
                        "STINT_URL (`stint embedded status` tells that of the "
                        "embedded one)", "INVALID")
    if not isinstance(target, str):
        if not hasattr(target, "execute_command"):
            raise TypeError("a URL or a client of redis-py is wanted, not %r"
                            % type(target).__name__)
        return target, False
    if not target.startswith(("redis://", "rediss://", "unix://")):
        raise Error("%s: redis://, rediss:// or unix:// is wanted; for "
                    "sentinels and clusters hand in a client of redis-py"
                    % target.partition("://")[0], "INVALID")
    try:
        import redis
    except ImportError:
        raise Error("queueing needs redis-py: install python3-redis, or `pip "
                    "install redis`", "SYSTEM") from None
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: Dict[str, Any] = {"socket_timeout": min(timeout_s, 5.0)}
    if not target.startswith("unix:"):
        options["socket_connect_timeout"] = options["socket_timeout"]
    return redis.Redis.from_url(
        target, retry=Retry(NoBackoff(), 0), **options), True  # that is ours
