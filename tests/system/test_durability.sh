#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --durability: refused where Redis is not set up for it, with the setting that
# is missing; reached where it is, also with a replica; and told when it is not.
. "$(dirname "$0")/lib.sh"

primary=$tmp/primary.sock
replica=$tmp/replica.sock
start_redis() { # NAME SOCKET [options]
    local name=$1 socket=$2
    shift 2
    mkdir -p "$tmp/$name"
    redis-server --port 0 --unixsocket "$socket" --dir "$tmp/$name" \
        --save '' "$@" >"$tmp/$name.log" 2>&1 &
    redis_of=$!
    pids+=("$redis_of")
    until_true 10 "$name answers" answers "$socket"
}
answers() {
    redis-cli -s "$1" PING >/dev/null 2>&1
}
start_redis primary "$primary" --appendonly yes
export STINT_URL=unix://$primary
set_to() {
    redis-cli -s "$primary" CONFIG SET "$1" "$2" >/dev/null
}

exits "level 1" 0 "$STINT" queue-task f --durability 1 --json --id a
contains "it says so" '"durability":"1"' "$out"
exits "level 2 with everysec" 2 "$STINT" queue-task f --durability 2 --json
contains "the setting is named" 'appendfsync is everysec' "$out"
contains "as an error of the field" '"durability":' "$out"
set_to appendfsync always
exits "level 2 with always" 0 "$STINT" queue-task f --durability 2 --id b
exits "level 3 without replicas" 2 "$STINT" queue-task f --durability 3
contains "min-replicas" "min-replicas-to-write" "$errout"
exits "a replica that is not there" 3 \
    "$STINT" queue-task f --durability replicas=1 --id c
contains "how many have it" "0 of 1 replicas" "$errout"
exits "it is queued all the same" 0 "$STINT" task-status c
exits "nonsense" 2 "$STINT" queue-task f --durability replicas=none
contains "what it may be" "replicas=N" "$errout"

# A replica over a local port of its own.
port=$((20000 + RANDOM % 12000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
done
kill "$redis_of"
wait "$redis_of" 2>/dev/null
redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$primary" \
    --dir "$tmp/primary" --save '' --appendonly yes --appendfsync always \
    --min-replicas-to-write 1 --repl-diskless-sync-delay 0 \
    >>"$tmp/primary.log" 2>&1 &
pids+=($!)
until_true 10 "the primary answers" answers "$primary"
start_redis replica "$replica" --replicaof 127.0.0.1 "$port"
is_synced() {
    redis-cli -s "$primary" INFO replication | grep -q 'state=online'
}
until_true 20 "the replica is in step" is_synced
exits "level 3" 0 "$STINT" queue-task f --durability 3 --id d --json
contains "it says so, too" '"durability":"3"' "$out"
equal "the replica has it" 'f {}' \
    "$(redis-cli -s "$replica" HGET '{stint:main}:task' d)"
printf '{"function":"f","id":"e%s","durability":"replicas=1"}\n' 1 2 3 \
    >"$tmp/tasks"
exits "a file" 0 "$STINT" queue-task --file "$tmp/tasks"
passed
