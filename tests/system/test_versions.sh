#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Versions of Stint beside each other. A newer minor library serves us, and we
# leave it alone; an older one is replaced while old workers run; a newer major
# version, in its functions or in its data, refuses us clearly and is left as it
# is; fields of records that we do not know stay.
# shellcheck disable=SC2317 # functions are called by until_true
. "$(dirname "$0")/lib.sh"

export STINT_URL=unix://$tmp/redis.sock
library=$(dirname "$STINT")/lua/library.lua
redis-server --port 0 --unixsocket "$tmp/redis.sock" --save "" --dir "$tmp" \
    >>"$tmp/redis.log" 2>&1 </dev/null &
pids+=("$!")
r() {
    redis-cli -s "$tmp/redis.sock" "$@" 2>&1
}
is_there() {
    [ "$(r ping)" = PONG ]
}
until_true 10 "Redis is there" is_there
# load SED: our library, changed
load() {
    sed "$1" "$library" >"$tmp/library.lua"
    cmp -s "$library" "$tmp/library.lua" && fail "nothing changed by $1"
    r -x FUNCTION LOAD REPLACE <"$tmp/library.lua" >/dev/null
}
loaded() { # the number of the library
    r FCALL stint_fleet_list 1 '{stint}' 1 0 0 | sed -n '3s/ .*//p'
}
cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {"noop": {"module": "$NOOP_MODULE"}}}
END
queue() { # PREFIX N
    seq "$2" | sed "s/.*/{\"function\":\"noop\",\"id\":\"$1-&\"}/" |
        "$STINT" queue-task --file - >/dev/null || fail "queueing $1"
}
all_completed() { # N
    [ "$(count_status COMPLETED)" -eq "$1" ]
}

# ---- A newer minor version serves us ----------------------------------------

# It has a field that we do not know, and answers with more.
newer="s/^local LIBRARY = '1 /local LIBRARY = '7 /
s/^local FIELDS = {'begin',/local FIELDS = {'begin', 'zzz',/"
load "$newer"
queue newer 200
worker old
exits "one that is there is waited for" 0 "$STINT" wait newer-1 newer-200 \
    --timeout 20
equal "the newer library stays" 7 "$(loaded)"
until_true 20 "all of it runs" all_completed 200

# ---- An older one is replaced, while workers run ----------------------------

load "s/^local LIBRARY = '1 /local LIBRARY = '0 /"
equal "an older library is there" 0 "$(loaded)"
queue older 200 # connects, and so replaces it
equal "a newer client has replaced it" 1 "$(loaded)"
until_true 20 "and the worker goes on" all_completed 400
for i in 1 2 3 4 5; do # clients of both versions, one after the other
    load "$newer"
    queue "mix-$i" 20
    load "s/^local LIBRARY = '1 /local LIBRARY = '0 /"
    queue "mix:$i" 20
done
until_true 20 "clients of both versions are served" all_completed 600
fsck_clean

# ---- Fields that we do not know ----------------------------------------------

"$STINT" queue-task noop --id kept --disabled --retry-failed 2 >/dev/null ||
    fail "queueing kept"
r HSET '{stint:main}:state' kept \
    "$(r HGET '{stint:main}:state' kept) zzz=42 yyy=a/b" >/dev/null
"$STINT" enable-task kept >/dev/null || fail "enabling"
exits "a record with more fields runs" 0 "$STINT" wait kept --timeout 20
contains "and keeps them" " zzz=42 yyy=a/b" "$(r HGET '{stint:main}:state' kept)"
fsck_clean

# ---- A newer major version: its functions ------------------------------------

queue before 1 # something that runs before
until_true 20 "what was there has run" all_completed 602
digest() {
    r EVAL 'return redis.call("HLEN", "{stint:main}:task") ..
        redis.call("HGET", "{stint:main}:ended", "COMPLETED")' 0
}
load "s/^local PROTOCOL = '1'/local PROTOCOL = '2'/
s/^local LIBRARY = '1 /local LIBRARY = '9 /"
text=$(r FUNCTION LIST WITHCODE | cksum)
before=$(digest)
for command in "queue-task noop" "stats" "list" "task-status kept" "fsck" \
    "workers" "stop-task kept"; do
    # shellcheck disable=SC2086 # words
    exits "$command is refused" 3 "$STINT" $command
    contains "and says why" "newer Stint" "$errout"
done
exits "so is a worker" 3 "$STINT" worker --config "$tmp/worker.json"
contains "and says why" "newer Stint" "$errout"
sleep 1 # the running worker beats
equal "nobody has touched its functions" "$text" \
    "$(r FUNCTION LIST WITHCODE | cksum)"
equal "nor its data" "$before" "$(digest)"
gone "$worker_pid" && fail "the running worker ended"
contains "the running worker says why" "protocol 2" "$(cat "$tmp/old.log")"
load "$newer"
queue after 20
until_true 20 "and goes on when the new version is taken back" \
    all_completed 622

# ---- Its data ----------------------------------------------------------------

equal "our data have a version" 1 "$(r GET '{stint}:format')"
kill -TERM "$worker_pid"
ended "$worker_pid" 20
r SET '{stint}:format' 2 >/dev/null
r FUNCTION FLUSH >/dev/null # the data were copied, the functions were not
for command in "queue-task noop" stats "task-status kept"; do
    # shellcheck disable=SC2086 # words
    exits "$command is refused for the data" 3 "$STINT" $command
    contains "and says why" "format 2" "$errout"
done
exits "so is a worker" 3 "$STINT" worker --config "$tmp/worker.json"
exits "another namespace is not concerned" 0 "$STINT" queue-task noop \
    --namespace other
r SET '{stint}:format' 1 >/dev/null
fsck_clean
passed
