#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every kind of bench in small: its figures are there and its counts are right,
# nothing is left in Redis. How fast anything is, is not for a test.
. "$(dirname "$0")/lib.sh"

n=600

# bench KIND [options]: prints one JSON object, to $out
bench() {
    exits "bench $*" 0 "$STINT" bench "$@" --json --fsck
    equal "one line" 1 "$(grep -c '^{.*}$' <<<"$out")"
}

value() {
    json_field "$1" <<<"$out"
}

# has KEY...: all are there, as numbers
has() {
    local key
    for key in "$@"; do
        [[ $(value "$key") =~ ^[0-9]+(\.[0-9]+)?$ ]] ||
            fail "$key is '$(value "$key")' in $out"
    done
    ok "it has $*"
}

# is KEY VALUE...
is() {
    while [ $# -gt 0 ]; do
        equal "$1" "$2" "$(value "$1")"
        shift 2
    done
}

holds() { # WHAT AWK-CONDITION
    awk "BEGIN { exit !(${2//$'\n'/ }) }" || fail "$1: not $2 in $out"
    ok "$1"
}

redis() {
    redis-cli -s "$STINT_HOME/redis/redis.sock" "$@"
}

clean() {
    equal "nothing is left in Redis" "" "$(redis keys '*' | grep -v '}:format$')"
}

"$STINT" stats >/dev/null || fail "no embedded Redis"
common=(tasks payload_bytes groups workers concurrency seconds tasks_per_s
    redis_cpu_us_per_task script_calls_per_task commands_per_task)
times=(n p50_ms p90_ms p99_ms p99_9_ms max_ms)

# ---- queue and drain ---------------------------------------------------------

bench queue --tasks $n
has "${common[@]}" bytes_per_task make_seconds make_tasks_per_s
is bench queue tasks $n groups 1 workers 1 payload_bytes 100
# 250 a call, and one that makes the group known.
is script_calls_per_task "$(awk "BEGIN { printf \"%.6f\", (3 + 1) / $n }")"
holds "the memory of a task is more than what it has" \
    "$(value bytes_per_task) > 100"
clean

bench drain --tasks $n --groups 3 --workers 2 --payload 10
has "${common[@]}" worker_cpu_us_per_task whole_seconds
is bench drain tasks $n groups 3 workers 2 payload_bytes 10
holds "script calls" "$(value script_calls_per_task) < 1"
clean

# ---- Times -------------------------------------------------------------------

bench latency --rate 300 --seconds 0.5 --workers 2
has "${common[@]}" "${times[@]}" late_sends
is bench latency tasks 150 n 150 warm_up_tasks 300 runs 450
holds "quantiles grow" "$(value p50_ms) <= $(value p90_ms) &&
    $(value p90_ms) <= $(value p99_ms) && $(value p99_ms) <=
    $(value p99_9_ms) && $(value p99_9_ms) <= $(value max_ms)"
clean

bench schedule --tasks 200 --seconds 0.5
has "${common[@]}" "${times[@]}" uncertainty_ms
is bench schedule tasks 200 n 200 early 0
clean

# Of 20 one fails first and one runs twice; 12 are plain.
bench mixed --rate 200 --seconds 0.5 --groups 2 --workers 2
has "${common[@]}" "${times[@]}" late_sends
is bench mixed tasks 100 n 60 warm_up_tasks 200 runs 310
clean

exits "a table" 0 "$STINT" bench latency --rate 200 --seconds 0.2
contains "with a histogram" "100.00 %  #" "$out"
contains "and units" " ms" "$out"
equal "in 80 columns" 0 "$(grep -cE '.{81}' <<<"$out")"

# ---- The raw scripts beside --------------------------------------------------

bench drain --tasks $n --ceiling --rounds 2 --namespace b.1
has ceiling_tasks_per_s ratio rounds
is rounds 2
bench queue --tasks $n --ceiling --rounds 1
has ceiling_tasks_per_s ratio
clean

# By TCP, with a password and a database of its own.
port=0
for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 20000))
    redis-server --bind 127.0.0.1 --port $port --requirepass 'p@ss/w' \
        --save '' --dir "$tmp" >"$tmp/tcp.log" 2>&1 &
    pids+=("$!")
    for _ in $(seq 50); do
        answer=$(REDISCLI_AUTH='p@ss/w' redis-cli -p $port ping 2>/dev/null)
        [ "$answer" = PONG ] || ! kill -0 "${pids[-1]}" 2>/dev/null && break
        sleep 0.05
    done
    [ "$answer" = PONG ] && break
    [ "$try" -lt 5 ] || fail "no Redis on a port"
done
bench drain --tasks $n --ceiling --rounds 1 \
    --url "redis://:p%40ss%2Fw@127.0.0.1:$port/3"
has ratio
equal "nothing is left there" "" \
    "$(REDISCLI_AUTH='p@ss/w' redis-cli -p $port -n 3 keys '*' | grep -v '}:format$')"

exits "of a cluster" 2 \
    "$STINT" bench drain --ceiling --url redis+cluster://127.0.0.1:1
export STINT_LIBEXEC=$tmp/nowhere
exits "no program for the raw scripts" 1 \
    "$STINT" bench drain --tasks 10 --ceiling
contains "the message names it" "$tmp/nowhere/stint-bench-ceiling" "$errout"
unset STINT_LIBEXEC
clean

# ---- Keeping, and refusing ---------------------------------------------------

bench drain --tasks 10 --keep
equal "ended tasks are kept" 10 "$(count_status COMPLETED)"
bench queue --tasks 10 --keep
equal "queued tasks are kept" 10 "$(count_status QUEUED)"
exits "a group with live tasks" 1 "$STINT" bench latency --seconds 0.1
contains "says so" "not empty: 10 tasks" "$errout"
equal "and leaves them" 10 "$(count_status QUEUED)"
exits "cleaning" 0 "$STINT" bench clean
equal "removes them and the kept ones" "removed 20 tasks" "$out"
clean
exits "cleaning what is clean" 0 "$STINT" bench clean --json
is removed 0
"$STINT" queue-task f --group-name bench.7 >/dev/null || fail "queue-task"
exits "a group of a larger bench" 1 "$STINT" bench drain --tasks 10
exits "cleaning runs nobody else's tasks" 1 "$STINT" bench clean
equal "they stay" 1 "$(count_status QUEUED)"
redis flushall >/dev/null
"$STINT" queue-task f --group-name bench-other >/dev/null || fail "queue-task"
bench drain --tasks 10
equal "groups of others stay" 1 "$(count_status QUEUED)"

# ---- Wrong usage -------------------------------------------------------------

for wrong in "" "nosuch" "drain queue" "drain --tasks 0" "drain --payload 3" \
    "clean --tasks 5" "latency --payload 31" "drain --groups 33" \
    "drain --workers 0" "drain --concurrency 0" "drain --prefetch -1" "drain --rate 5" \
    "queue --seconds 1" "latency --tasks 5" "latency --rate 0" \
    "latency --rate 1e9" "latency --seconds 0" "schedule --rate 5" \
    "mixed --ceiling" "latency --rounds 2" "drain --rounds 0" \
    "drain --ceiling --keep" "drain --nosuch"; do
    # shellcheck disable=SC2086
    exits "bench $wrong" 2 "$STINT" bench $wrong
done
passed
