# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What clients send to Redis, call by call; sourced after lib.sh. Commands that
# scripts call are not counted.
: "${tmp:?lib.sh goes first}"

ask_redis() {
    redis-cli -s "$STINT_HOME/redis/redis.sock" "$@"
}

# blocked N: so many connections wait (each idle worker has two that do)
blocked() {
    [ "$(ask_redis info clients | tr -d '\r' |
        sed -n 's/^blocked_clients://p')" = "$1" ]
}

# idle_workers N CONCURRENCY: silent ones, whose heartbeats are 10 minutes apart
idle_workers() {
    local i
    cat >"$tmp/worker.json" <<END
{"concurrency": $2, "tasks": {"noop": {"module": "$NOOP_MODULE"}}}
END
    "$STINT" stats >/dev/null || fail "no embedded Redis"
    for ((i = 1; i <= $1; i++)); do
        worker "w$i" --heartbeat 600
    done
    until_true 30 "$1 idle workers wait" blocked $((2 * $1))
    sleep 1 # the heartbeats and looks of their start
}

calls_begin() {
    : >"$tmp/monitor"
    redis-cli -s "$STINT_HOME/redis/redis.sock" monitor >"$tmp/monitor" &
    monitor_pid=$!
    pids+=("$monitor_pid")
    until_true 5 "calls are counted" grep -q '^OK' "$tmp/monitor"
}

monitor_has() {
    ask_redis echo "$1" >/dev/null
    grep -q "\"$1\"" "$tmp/monitor"
}

# One line a call to $tmp/calls: the script and its first own argument (the
# worker, where a worker calls), or the command and its key.
calls_end() {
    until_true 5 "and none is missing" monitor_has end-of-calls
    kill "$monitor_pid"
    wait "$monitor_pid" 2>/dev/null
    forget "$monitor_pid"
    sed -n '/"end-of-calls"/q; s/^[0-9.]* \[[0-9]* [^l][^]]*\] //p' \
        "$tmp/monitor" | tr -d '"' | awk '
        $1 ~ /^(FCALL|FCALL_RO)$/ { sub(/^stint_/, "", $2); print $2, $7; next }
        { print $1, $2 }' >"$tmp/calls"
}

# calls NAME: how many
calls() {
    awk -v name="$1" '$1 == name { n++ } END { print n + 0 }' "$tmp/calls"
}

# callers: how many workers called a script
callers() {
    grep -E '^(assign|report|heartbeat|start|release|fleet_heartbeat) w' \
        "$tmp/calls" | cut -d ' ' -f 2 | sort -u | grep -c .
}
