#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A server without functions: the same rules by EVALSHA, also after SCRIPT FLUSH.
. "$(dirname "$0")/lib.sh"

mkdir "$tmp/redis"
redis-server --port 0 --unixsocket "$tmp/redis.sock" --dir "$tmp/redis" \
    --save '' --rename-command FCALL '' --rename-command FCALL_RO '' \
    --rename-command FUNCTION '' >"$tmp/redis.log" 2>&1 &
pids+=($!)
answers() {
    redis-cli -s "$tmp/redis.sock" PING >/dev/null 2>&1
}
until_true 10 "Redis answers" answers
export STINT_URL=unix://$tmp/redis.sock
cat >"$tmp/worker.json" <<END
{"concurrency": 4,
 "tasks": {"noop": {"module": "$NOOP_MODULE"},
           "sleep_ms": {"module": "$NOOP_MODULE"}}}
END
seq 500 | sed 's/.*/{"function":"noop","id":"n&"}/' >"$tmp/tasks"
echo '{"function":"noop","id":"last","depends_on":["n1","n500"]}' >>"$tmp/tasks"
echo '{"function":"noop","id":"all","broadcast":true}' >>"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"
worker w1
exits "all are COMPLETED" 0 "$STINT" wait last all n250 n499 --timeout 30
redis-cli -s "$tmp/redis.sock" SCRIPT FLUSH >/dev/null
"$STINT" queue-task sleep_ms --id long --args '[30000]' >/dev/null
runs() {
    has_status RUNNING long
}
until_true 10 "it goes on after SCRIPT FLUSH" runs
redis-cli -s "$tmp/redis.sock" SCRIPT FLUSH >/dev/null
exits "stopped" 0 "$STINT" stop-task long
stopped() {
    has_status STOPPED long
}
until_true 10 "it is STOPPED" stopped
fsck_clean
passed
