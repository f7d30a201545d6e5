#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Settings of Redis that lose tasks are named, loading is waited for, and a
# replica that confirmed takes the place of a lost primary without a loss. The
# numbers are rows of the catalogue of faults.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/redis_lib.sh"

write_worker
# ---- 23, 39
redis-server --port 0 --unixsocket "$tmp/r/s" --dir "$tmp/r" --save '' \
    --maxmemory-policy allkeys-random >"$tmp/redis.log" 2>&1 &
redis=$!
pids+=("$redis")
redis_wait
worker warned --drain
ended "$worker_pid" 20
contains "39: an eviction policy is named" \
    "maxmemory-policy=allkeys-random" "$(cat "$tmp/warned.log")"
contains "23: no append-only file, too" appendonly=no \
    "$(cat "$tmp/warned.log")"
redis_kill
redis_up --maxmemory-policy noeviction
redis_wait
worker quiet --drain
ended "$worker_pid" 20
grep -q warn "$tmp/quiet.log" && fail "it warns of nothing"
ok "39, 23: and nothing is, if all is well"

# ---- 31: loading takes its time: children go on, and nothing is given up
queue 200 p noop ',"start_time":"+1h"'
queue 20 s sleep ',"args":["6"],"priority":3'
worker w1
w1=$worker_pid
running() {
    [ "$("$STINT" stats --json | json_field running)" -ge 16 ]
}
until_true 20 "31: they run" running
# Redis looks up from its file once in 1,024 commands.
seq 4000 | sed 's/.*/SET filler &/' | R >/dev/null
sleep 1.2
redis_kill
redis_up --key-load-delay 1000 --loading-process-events-interval-bytes 1024
loads() {
    R PING 2>&1 | grep -q LOADING
}
until_true 10 "31: it is loading" loads
exits "31: a client waits" 0 "$STINT" queue-task note --id l1
until_true 40 "31: all end" completed 21
equal "31: and each ran once" 20 \
    "$("$STINT" list --status COMPLETED --function sleep --limit 0 --json |
        grep -c .)"
grep -q "LOST" <("$STINT" task-status s1 --runs) && fail "31: a run was lost"
kill -0 "$w1" || fail "31: the worker has ended"
kill_hard "$w1"
fsck_clean
redis_kill

# ---- 33, 34: level 3: what was confirmed is on the replica that is promoted
rm -rf "$tmp/r/appendonlydir"
mkdir "$tmp/r2"
port=$((20000 + RANDOM % 20000))
redis_up --appendfsync always --port "$port" --bind 127.0.0.1 \
    --min-replicas-to-write 1 --min-replicas-max-lag 2
redis_wait
redis-server --port 0 --unixsocket "$tmp/r2/s" --dir "$tmp/r2" --save '' \
    --appendonly yes --appendfsync always --replicaof 127.0.0.1 "$port" \
    >"$tmp/replica.log" 2>&1 &
pids+=("$!")
in_step() {
    R INFO replication | grep -q "state=online"
}
until_true 20 "the replica is in step" in_step
acked=0
for i in $(seq 60); do
    if [ "$i" -eq 40 ]; then # the primary is cut off from its replica
        R CONFIG SET min-replicas-to-write 0 >/dev/null
        redis-cli -s "$tmp/r2/s" REPLICAOF NO ONE >/dev/null
    fi
    timeout 3 "$STINT" queue-task note --id "q$i" --durability 3 \
        >/dev/null 2>&1 && acked=$i
    [ "$i" -lt 43 ] || break
done
[ "$acked" -ge 39 ] || fail "33: only $acked confirmed"
[ "$acked" -le 40 ] || fail "33: $acked was confirmed by nobody"
ok "33: $acked were confirmed"
redis_kill
export STINT_URL=unix://$tmp/r2/s
R() {
    redis-cli -s "$tmp/r2/s" "$@"
}
worker w2
until_true 30 "33: all that was confirmed runs" completed "$acked"
for i in $(seq "$acked"); do
    grep -qx "q$i" "$tmp/ran" || fail "33: q$i was confirmed, and is lost"
done
ok "33: none is lost"
fsck_clean
passed
