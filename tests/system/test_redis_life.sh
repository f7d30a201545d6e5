#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What happens to a Redis that goes on living: functions flushed, scripts killed,
# read-only, no replicas, out of memory, busy, rewritten, flushed. Each stops
# nothing for good, and doubles nothing. The numbers are rows of the catalogue
# of faults.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/redis_lib.sh"

write_worker
redis_up --busy-reply-threshold 100
redis_wait
worker w1
worker w2
R CONFIG SET maxmemory-policy noeviction >/dev/null

# ---- 30: the functions are gone, every 100 ms, under load
queue 400 f note
n=0
until completed 400; do
    R FUNCTION FLUSH >/dev/null
    R SCRIPT FLUSH >/dev/null
    n=$((n + 1))
    [ "$n" -lt 400 ] || fail "not done with FUNCTION FLUSH: $("$STINT" stats)"
    sleep 0.1
done
none_twice 400 f
ok "30: functions flushed $n times"

# ---- 41: whoever kills scripts, kills none half-way
queue 400 k note
n=0
until completed 800; do
    R FUNCTION KILL >/dev/null
    R SCRIPT KILL >/dev/null
    n=$((n + 1))
    [ "$n" -lt 2000 ] || fail "not done with FUNCTION KILL"
    sleep 0.02
done
none_twice 400 k
fsck_clean

# ---- 36: no replicas, and 32: it has become a replica itself
R CONFIG SET min-replicas-to-write 1 >/dev/null
queue_refused() {
    ! timeout 15 "$STINT" queue-task noop --id never >/dev/null 2>"$tmp/refused"
}
queue_refused || fail "queued without a replica"
contains "36: it says why" "NOREPLICAS" "$(cat "$tmp/refused")"
R CONFIG SET min-replicas-to-write 0 >/dev/null
exits "36: and goes on" 0 "$STINT" queue-task noop --id after36
exits "36: runs" 0 "$STINT" wait after36 --timeout 15
queue 60 r sleep_ms ',"args":[300]'
R REPLICAOF 127.0.0.1 1 >/dev/null
sleep 1
R REPLICAOF NO ONE >/dev/null
until_true 30 "32: and goes on" completed 861

# ---- 40: BUSY: somebody's endless script, longer than the threshold
queue 60 b note
R EVAL 'local t = redis.call("TIME")[1] while redis.call("TIME")[1] - t < 3 do end' 0 \
    >/dev/null 2>&1 &
sleep 0.5
R PING 2>&1 | grep -q BUSY || fail "not busy"
exits "40: a client waits for it" 0 "$STINT" queue-task note --id b61
until_true 30 "40: and goes on" completed 922
none_twice 61 b

# ---- 47: rewritten every 200 ms
queue 300 w note
n=0
until completed 1222; do
    R BGREWRITEAOF >/dev/null
    n=$((n + 1))
    [ "$n" -lt 300 ] || fail "not done with BGREWRITEAOF"
    sleep 0.2
done
none_twice 300 w
ok "47: rewritten $n times"

# ---- 37: out of memory: the queue refuses, and what is there drains
queue 300 m note
R CONFIG SET maxmemory 1000000 >/dev/null
[ "$(R INFO memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p')" -gt 1000000 ] ||
    fail "37: there is memory"
queue_refused || fail "37: queued without memory"
contains "37: it says why" "OOM" "$(cat "$tmp/refused")"
until_true 40 "37: what is there drains" completed 1522
R CONFIG SET maxmemory 0 >/dev/null
none_twice 300 m
fsck_clean

# ---- 46: after a drain as many keys as before
keys=$(R DBSIZE)
queue 500 l noop ',"result_ttl":1,"retry_failed":1'
queue 50 lp noop ',"priority":7,"result_ttl":1'
queue 20 lg noop ',"group_name":"short","result_ttl":1'
until_true 30 "46: a drain" completed 2072
until_keys() {
    [ "$(R DBSIZE)" -le $((keys + ${1:-0})) ]
}
# The group "short" nobody serves: its queue, its tasks and its marker.
until_true 20 "46: as many keys as before" until_keys 5
equal "46: no keys of tasks are left" 0 \
    "$(R KEYS '*' | grep -cE ':(run|parents|children):l')"

# ---- 49: everything is gone, under load
queue 10 long sleep ',"args":["33.25"]'
runs() {
    [ "$(R SCARD "{stint:main}:running:$(R ZRANGE '{stint:main}:workers' 0 0)")" -gt 0 ]
}
until_true 10 "they run" runs
R FLUSHALL >/dev/null
until_true 10 "49: children of what is gone are ended" mark_is_gone 33.25
queue 50 z note
until_true 20 "49: and the fleet goes on" completed 50
none_twice 50 z
grep -q "not ours any more" "$tmp/w1.log" "$tmp/w2.log" ||
    fail "49: nobody said so"
ok "49: the workers said so"
fsck_clean
passed
