# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For tests of Redis's own troubles: a redis-server of the test's own, whose
# settings and faults the test chooses. Sourced behind lib.sh.
mkdir -p "$tmp/r"
export STINT_URL=unix://$tmp/r/s

R() {
    redis-cli -s "$tmp/r/s" "$@"
}
redis_answers() {
    [ "$(R PING 2>/dev/null)" = PONG ]
}
# redis_up [arguments of redis-server]: on the data there is
redis_up() {
    redis-server --port 0 --unixsocket "$tmp/r/s" --dir "${dir:-$tmp/r}" \
        --save '' --appendonly yes "$@" >>"$tmp/redis.log" 2>&1 &
    redis=$!
    pids+=("$redis")
}
redis_wait() {
    until_true 20 "Redis answers" redis_answers
}
redis_kill() {
    kill_hard "$redis"
}
# ended N: that many tasks are in the end state COMPLETED, now or before
completed() {
    [ "$("$STINT" stats --json 2>/dev/null | json_field completed)" -ge "$1" ]
} 2>/dev/null
# The note task appends its id to a file: what ran how often.
write_worker() {
    cat >"$tmp/worker.json" <<END
{"concurrency": 16,
 "tasks": {"noop": {"module": "$NOOP_MODULE"},
           "sleep_ms": {"module": "$NOOP_MODULE"},
           "sleep": {"exec": ["sleep", "{args.0}"]},
           "note": {"exec": ["sh", "-c",
                    "echo \$STINT_TASK_ID >>$tmp/ran; sleep 0.1"]}}}
END
}
# none_twice N PREFIX: N tasks of that prefix ran, each once
none_twice() {
    equal "each of $1 ran" "$1" "$(grep "^$2" "$tmp/ran" | sort -u | grep -c .)"
    equal "none ran twice" "$1" "$(grep -c "^$2" "$tmp/ran")"
}
# queue N PREFIX FUNCTION [JSON behind]
queue() {
    seq "$1" | sed "s/.*/{\"function\":\"$3\",\"id\":\"$2&\"${4:-}}/" \
        >"$tmp/tasks"
    "$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" 2>"$tmp/queue.log" ||
        fail "queueing: $(cat "$tmp/queue.log")"
}
