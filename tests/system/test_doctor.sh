#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stint doctor: each thing that breaks a promise is a fault that names the cure;
# with the cure it is gone. What may not be seen is said to be unknown.
. "$(dirname "$0")/lib.sh"

socket=$tmp/doctor.sock
mkdir -p "$tmp/redis"
redis-server --port 0 --unixsocket "$socket" --dir "$tmp/redis" --save '' \
    --bind 127.0.0.1 --hash-max-listpack-entries 32 \
    >"$tmp/redis.log" 2>&1 &
pids+=($!)
redis=$!
export STINT_URL=unix://$socket
cli() {
    redis-cli -s "$socket" "$@"
}
answers() {
    cli PING >/dev/null 2>&1
}
until_true 10 "Redis answers" answers
set_to() {
    [ "$(cli CONFIG SET "$@")" = OK ] || fail "CONFIG SET $*"
}
# finds WHAT STATUS LINE [options]: the finding of that name begins so
finds() {
    local what=$1 status=$2 line=$3
    shift 3
    exits "$what" "$status" "$STINT" doctor "$@"
    grep -qE "^$line" <<<"$out" || fail "$what: no line '$line' in: $out"
}

finds "no append-only file" 1 'fault +persistence +no append-only file'
contains "the cure" 'CONFIG SET appendonly yes' "$out"
set_to appendonly yes
finds "level 1" 0 'ok +persistence .*everysec: level 1'
finds "level 2 is asked for" 1 'fault +persistence .*everysec' --durability 2
set_to appendfsync always
finds "level 2" 0 'ok +persistence .*always: level 2' --durability 2
finds "level 3 is asked for" 1 'fault +replicas .*not level 3' --durability 3
set_to min-replicas-to-write 1
finds "no replica" 1 'fault +replicas +0 of 1 replicas'
set_to min-replicas-to-write 0
set_to maxmemory-policy volatile-lru
finds "eviction" 1 'fault +eviction +maxmemory-policy is volatile-lru'
set_to maxmemory-policy noeviction
set_to maxmemory 100k
finds "too little memory" 1 'fault +memory .*above maxmemory'
set_to maxmemory 0
set_to timeout 5
finds "idle connections are closed" 0 'warning +settings +timeout is 5'
set_to timeout 0
finds "settings" 0 'ok +settings'
set_to bind '* -::*'
port=$((20000 + RANDOM % 12000))
set_to port "$port"
finds "an open door" 1 'fault +access +everybody'
cli ACL SETUSER default '>secret' >/dev/null
exits "a password" 0 "$STINT" doctor --url "unix://:secret@$socket"
contains "is a closed door" "user default needs a password" "$out"
cli -a secret --no-auth-warning ACL SETUSER default nopass >/dev/null
set_to port 0

finds "nobody works" 0 'warning +workers +no worker takes tasks'
"$STINT" queue-task nap --group-name lonely >/dev/null
finds "a group without workers" 0 'warning +groups +group lonely has 1 tasks due'
echo '{"tasks": {"other": {"exec": ["true"]}}}' >"$tmp/worker.json"
worker w1 --group lonely
sees_worker() {
    "$STINT" doctor | grep -qE '^ok +workers +1 workers take tasks'
}
until_true 10 "the worker is seen" sees_worker
unknown_seen() {
    "$STINT" doctor | grep -qE 'group lonely has 1 tasks of functions'
}
until_true 10 "a function nobody knows" unknown_seen

cli ACL SETUSER u on '>x' '~*' '&*' +@all -config -info -acl >/dev/null
exits "one who may not look" 0 "$STINT" doctor --url "unix://u:x@$socket"
contains "hears what he may not see" 'unknown  persistence' "$out"
exits "JSON" 0 "$STINT" doctor --json
[ "$(json_field durability <<<"$out")" = 2 ] || fail "durability in $out"
[ "$(json_field faults <<<"$out")" = 0 ] || fail "faults in $out"
exits "nonsense" 2 "$STINT" doctor --durability 4
exits "a word too many" 2 "$STINT" doctor now

ended_by() {
    kill "$1"
    wait "$1" 2>/dev/null
    forget "$1"
}
ended_by "$worker_pid"
ended_by "$redis"
exits "Redis is away" 3 "$STINT" doctor
passed
