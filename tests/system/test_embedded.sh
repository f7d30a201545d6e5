#!/bin/sh
# SPDX-License-Identifier: MIT
# The embedded Redis: eight starters at once make one server, it outlives them,
# keeps its data over stop and start and over a kill -9.
# Usage: test_embedded.sh HELPER   (built from embedded_helper.c)
set -eu
helper=$1
STINT_HOME=$(mktemp -d)
export STINT_HOME
trap '"$helper" stop || true; rm -rf "$STINT_HOME"' EXIT
sock=$STINT_HOME/redis/redis.sock
fail() { echo "FAIL: $*" >&2; exit 1; }

for i in 1 2 3 4 5 6 7 8; do "$helper" start >"$STINT_HOME/$i" & done
wait
for i in 1 2 3 4 5 6 7 8; do
    [ "$(cat "$STINT_HOME/$i")" = "unix://$sock" ] || fail "url of $i"
done
[ "$(grep -c 'Server initialized' "$STINT_HOME/redis/redis.log")" = 1 ] ||
    fail "more than one server started"
[ "$(redis-cli -s "$sock" set k v1)" = OK ] || fail "does not outlive"
"$helper" stop
[ "$("$helper" status)" = 0 ] || fail "runs after stop"
"$helper" stop
"$helper" start >/dev/null
[ "$(redis-cli -s "$sock" get k)" = v1 ] || fail "data lost by stop"
kill -9 "$("$helper" status)"
"$helper" start >/dev/null
[ "$(redis-cli -s "$sock" get k)" = v1 ] || fail "data lost by kill"
[ "$(stat -c %a "$STINT_HOME/redis")" = 700 ] || fail "mode of the directory"
echo ok
