#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A primary, two replicas and three sentinels; a worker and a client under
# load. The primary changes by SENTINEL FAILOVER, then by kill -9. Nothing that
# was acknowledged by replicas is lost, nothing is stuck, and it all goes on by
# itself. Rows 32, 33 and 34 of the catalogue.
# SENTINEL_ROUNDS: how often both happen (1).
. "$(dirname "$0")/lib.sh"
rounds=${SENTINEL_ROUNDS:-1}

base=$((20000 + RANDOM % 10000))
port_is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
for i in 0 1 2 3 4 5; do
    if port_is_taken $((base + i)); then base=$((base + 100)); fi
done
redis_pids=()

start_redis() { # NUMBER [options]
    local n=$1
    shift
    mkdir -p "$tmp/redis$n"
    redis-server --port $((base + n)) --bind 127.0.0.1 --dir "$tmp/redis$n" \
        --save '' --appendonly yes --appendfsync always \
        --min-replicas-to-write 2 --repl-diskless-sync-delay 0 \
        --requirepass rosebud --masterauth rosebud "$@" \
        >>"$tmp/redis$n.log" 2>&1 &
    redis_pids[n]=$!
    pids+=("$!")
}
# cli PORT COMMAND...
cli() {
    local port=$1
    shift
    REDISCLI_AUTH=rosebud timeout 5 redis-cli -h 127.0.0.1 -p "$port" "$@" 2>/dev/null
}
sentinel() {
    timeout 5 redis-cli -h 127.0.0.1 -p "$1" --user asker --pass guess --no-auth-warning \
        "${@:2}" 2>/dev/null
}
answers() {
    [ "$(cli "$1" PING)" = PONG ]
}
has_replicas() { # NUMBER
    cli $((base + primary)) INFO replication | grep -c 'state=online' |
        grep -qx "$1"
}

start_redis 0
start_redis 1 --replicaof 127.0.0.1 "$base"
start_redis 2 --replicaof 127.0.0.1 "$base"
primary=0
until_true 10 "two replicas follow" has_replicas 2
for i in 3 4 5; do
    cat >"$tmp/sentinel$i.conf" <<CONF
port $((base + i))
bind 127.0.0.1
dir $tmp
requirepass unused
user asker on >guess +@all
user default off
sentinel sentinel-user asker
sentinel sentinel-pass guess
sentinel monitor orders 127.0.0.1 $base 2
sentinel auth-pass orders rosebud
sentinel down-after-milliseconds orders 1000
sentinel failover-timeout orders 3000
CONF
    redis-server "$tmp/sentinel$i.conf" --sentinel \
        >"$tmp/sentinel$i.log" 2>&1 &
    pids+=("$!")
done
sentinels_agree() {
    sentinel $((base + 3)) SENTINEL CKQUORUM orders | grep -q 'OK 3 usable' &&
        [ "$(sentinel $((base + 3)) SENTINEL REPLICAS orders |
            grep -c '^127.0.0.1:')" -eq 2 ]
}
until_true 20 "three sentinels agree" sentinels_agree

# The first of them is not there: the next one is asked.
STINT_URL="redis+sentinel://:rosebud@127.0.0.1:1,127.0.0.1:$((base + 3)),127.0.0.1:$((base + 4)),127.0.0.1:$((base + 5))/orders?sentinel_user=asker&sentinel_password=guess"
export STINT_URL
exits "a name that sentinels do not know" 3 \
    "$STINT" stats --url "${STINT_URL/orders/others}"
exits "a sentinel's password" 3 "$STINT" stats --url "${STINT_URL/guess/wrong}"
contains "is refused by name" "refused" "$errout"
case "$errout" in *wrong@* | *rosebud*) fail "a secret: $errout" ;; esac

echo '{"tasks": {"f": {"exec": ["true"]}}, "concurrency": 2}' \
    >"$tmp/worker.json"
worker w

# One call a task; what was acknowledged is noted.
echo replicas=2 >"$tmp/wanted"
load() {
    local n=0
    while [ ! -e "$tmp/stop" ]; do
        n=$((n + 1))
        if "$STINT" queue-task f --id "t$n" \
            --durability "$(cat "$tmp/wanted")" >/dev/null 2>>"$tmp/client.log"; then
            echo "t$n" >>"$tmp/acknowledged"
        fi
        sleep 0.02
    done
}
load &
load_pid=$!
pids+=("$load_pid")
: >"$tmp/acknowledged"
acknowledged() {
    grep -c . "$tmp/acknowledged" || :
}
has_more() { # THAN
    [ "$(acknowledged)" -gt "$1" ]
}
completes() { # an id that is queued now
    local id
    id=$("$STINT" queue-task f 2>/dev/null) &&
        "$STINT" wait "$id" --timeout 5 >/dev/null 2>&1
}
needs_replicas() { # NUMBER
    local i
    for i in 0 1 2; do
        equal "redis$i asks for $1" OK \
            "$(cli $((base + i)) CONFIG SET min-replicas-to-write "$1")"
    done
}
is_at() {
    local at
    at=$(sentinel $((base + 4)) SENTINEL GET-MASTER-ADDR-BY-NAME orders |
        tail -n 1)
    [ "$at" != $((base + primary)) ] &&
        [ "$(cli "$at" ROLE | head -n 1)" = master ] &&
        next=$((at - base))
}
until_true 20 "tasks are acknowledged" has_more 10

for round in $(seq "$rounds"); do
    until_true 60 "round $round: sentinels are well" sentinels_agree
    before=$(acknowledged)
    equal "failover is begun" OK \
        "$(sentinel $((base + 3)) SENTINEL FAILOVER orders)"
    until_true 20 "another is the primary" is_at
    primary=$next
    until_true 60 "clients go on" has_more $((before + 10))
    until_true 20 "the worker goes on" completes
    until_true 60 "two replicas follow" has_replicas 2
    until_true 60 "sentinels have seen it" sentinels_agree

    echo 3 >"$tmp/wanted"
    needs_replicas 1
    before=$(acknowledged)
    kill_hard "${redis_pids[primary]}"
    dead=$primary
    killed_ms=$(date +%s%3N)
    until_true 30 "another is the primary after kill -9" is_at
    primary=$next
    until_true 30 "clients go on" has_more $((before + 10))
    until_true 20 "the worker goes on" completes
    ok "all go on within $(($(date +%s%3N) - killed_ms)) ms of the kill"
    start_redis "$dead"
    [ "$round" -lt "$rounds" ] || break
    until_true 60 "the old primary follows" has_replicas 2
    needs_replicas 2
    echo replicas=2 >"$tmp/wanted"
done

touch "$tmp/stop"
wait "$load_pid"
forget "$load_pid"
is_all_done() {
    "$STINT" list --status COMPLETED --limit 0 --json | json_ids | sort |
        comm -13 - "$tmp/sorted" >"$tmp/missing.log"
    [ ! -s "$tmp/missing.log" ]
}
json_ids() {
    grep -oE '"id": *"[^"]*"' | sed -E 's/.*"([^"]*)"$/\1/'
}
sort "$tmp/acknowledged" >"$tmp/sorted"
until_true 20 "all $(acknowledged) acknowledged tasks are COMPLETED" is_all_done
equal "nothing is stuck" "0 0" \
    "$(count_status ASSIGNED) $(count_status RUNNING)"
fsck_clean
passed
