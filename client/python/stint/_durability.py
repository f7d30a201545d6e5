# SPDX-License-Identifier: MIT
"""Promises about disks and replicas: as client/lib/durability.c, which see. A
promise that Redis's settings cannot keep is refused."""
from __future__ import annotations

from ._errors import Refused, error
from ._link import Link
from ._script import Failed


def _setting(link: Link, name: str) -> str:
    try:
        reply = link.caller.command("CONFIG", "GET", name)
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


def durability_check(link: Link, level: int, replicas: int) -> None:
    if replicas and not hasattr(link.redis, "pipeline"):
        raise Refused({"durability": "replicas can be waited for only with "
                                     "a Redis client that has pipelines"})
    if level < 2:
        return
    value = _setting(link, "appendonly")
    if value != "yes":
        raise Refused({"durability": "Redis has no append-only file "
                                     "(appendonly %s)" % value})
    value = _setting(link, "appendfsync")
    if value != "always":
        raise Refused({"durability": "Redis does not sync each write "
                       "(appendfsync is %s, not always)" % value})
    if level == 3 and int(_setting(link, "min-replicas-to-write")) < 1:
        raise Refused({"durability": "Redis takes writes without replicas "
                                     "(min-replicas-to-write is 0)"})


def durability_wait(link: Link, replicas: int, group: str) -> None:
    """WAIT speaks of the writes of its own connection, so one goes before
    it: replicas that have that have all before."""
    if not replicas:
        return
    ms = int(min(link.caller.timeout_s, 5) * 800)
    try:
        both = link.redis.pipeline(transaction=False)
        both.execute_command("SET", link.caller.key(group) + ":written",
                             "1", "PX", "1000")
        both.execute_command("WAIT", replicas, ms)
        n = both.execute()[1]
    except Exception as why:
        raise error("UNKNOWN", "queued, but whether replicas have it is not "
                               "known: %s" % why) from why
    if n < replicas:
        raise error("UNKNOWN", "queued, but only %d of %d replicas have "
                               "confirmed it" % (n, replicas))
