#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# /metrics as Prometheus and OpenMetrics read it, /readyz and the advice on how
# many workers there should be, of a broker beside a worker. How long tasks
# waited and ran is the same to all who ask.
. "$(dirname "$0")/lib.sh"
export STINT_URL=unix://$tmp/s

redis-server --port 0 --unixsocket "$tmp/s" --dir "$tmp" --save '' \
    >"$tmp/redis.out" 2>&1 &
redis=$!
pids+=("$redis")
until_true 5 "Redis runs" test -S "$tmp/s"
cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"},
 "a/b.c:d": {"exec": ["false"]}}}
END
worker one
"$STINT" broker --listen 127.0.0.1:0 >"$tmp/broker.out" 2>"$tmp/broker.log" \
    </dev/null &
broker=$!
pids+=("$broker")
until_true 5 "the broker listens" grep -q http "$tmp/broker.out"
url=$(grep -o 'http://[^ ]*' "$tmp/broker.out" | head -n 1)

# get PATH [ACCEPT]: the body to $tmp/body; prints status and type.
get() {
    python3 - "$url$1" "${2:-*/*}" "$tmp/body" <<'END'
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2]})
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as e:
    answer = e
with open(sys.argv[3], "wb") as f:
    f.write(answer.read())
print(answer.status, answer.headers["Content-Type"])
END
}
metric() { # LINE WITHOUT ITS VALUE
    awk -v m="$1 " 'index($0, m) == 1 { print substr($0, length(m) + 1) }' \
        "$tmp/body"
}

for i in 1 2 3; do
    exits "a task" 0 "$STINT" queue-task sleep_ms --args '[30]' --id "s$i"
done
exits "one that fails, twice" 0 "$STINT" queue-task a/b.c:d --id f \
    --retry-failed 1 --period 0
exits "one for later" 0 "$STINT" queue-task sleep_ms --start-time +1h
exits "they have run" 0 "$STINT" wait s1 s2 s3 --timeout 20
"$STINT" wait f --timeout 20 >"$tmp/out" 2>&1

# ---- Prometheus ----------------------------------------------------------------

equal "the text format" "200 text/plain; version=0.0.4; charset=utf-8" \
    "$(get /metrics text/plain)"
equal "completed" 3 \
    "$(metric 'stint_tasks_ended_total{group="main",status="COMPLETED"}')"
equal "failed" 1 \
    "$(metric 'stint_tasks_ended_total{group="main",status="FAILED"}')"
equal "its runs" 2 "$(metric \
    'stint_runs_ended_total{group="main",function="a/b.c:d",status="FAILED"}')"
equal "its queue times" 2 \
    "$(metric 'stint_queue_time_seconds_count{group="main",function="a/b.c:d"}')"
equal "none took less than 20 ms" 0 "$(metric \
    'stint_run_time_seconds_bucket{group="main",function="sleep_ms",le="0.02"}')"
equal "all less than a minute" 3 "$(metric \
    'stint_run_time_seconds_bucket{group="main",function="sleep_ms",le="60.0"}')"
equal "of the group" 5 "$(metric 'stint_group_run_time_seconds_count{group="main"}')"
equal "queued" 1 "$(metric 'stint_tasks_queued{group="main"}')"
equal "scheduled" 1 "$(metric 'stint_tasks_scheduled{group="main"}')"
equal "nothing due" 0.0 "$(metric 'stint_oldest_due_seconds{group="main"}')"
equal "workers" 1 "$(metric 'stint_workers{status="ACTIVE"}')"
contains "one of them" 'stint_worker_concurrency{worker="one.' \
    "$(grep '^stint_worker_concurrency{' "$tmp/body")"
equal "up" 1 "$(metric stint_up)"
if command -v promtool >/dev/null; then
    promtool check metrics <"$tmp/body" >"$tmp/lint" 2>&1 ||
        fail "promtool: $(cat "$tmp/lint")"
    equal "promtool has nothing to say" "" "$(cat "$tmp/lint")"
else
    ok "promtool (Debian: prometheus) is not here: SKIPPED"
fi

# ---- OpenMetrics ----------------------------------------------------------------

equal "OpenMetrics when asked" \
    "200 application/openmetrics-text; version=1.0.0; charset=utf-8" \
    "$(get /metrics 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5')"
ok "$("$here/openmetrics.py" <"$tmp/body" 2>&1 || fail "OpenMetrics")"
sed '$d' "$tmp/body" | "$here/openmetrics.py" >"$tmp/out" 2>&1 &&
    fail "half of it is not refused"
# Every metric is in the table for people.
awk '$2 == "TYPE" { print $3, $4 }' "$tmp/body" | while read -r name type; do
    [ "$type" != counter ] || name=${name}_total
    [ "$type" != info ] || name=${name}_info
    grep -q "^| \`$name\` " "$here/../../docs/metrics.md" ||
        fail "docs/metrics.md does not know $name"
done || exit 1
ok "all are in docs/metrics.md"

# ---- Ready, and how many workers ------------------------------------------------

equal "ready" "200 application/json" "$(get /readyz)"
contains "it says so" '"ready"' "$(cat "$tmp/body")"
get '/api/v1/autoscale?group_name=main&min=2' >"$tmp/out"
contains "advice" '"recommended":2' "$(tr -d ' ' <"$tmp/body")"
equal "a wrong number" 400 "$(get '/api/v1/autoscale?min=x' | cut -d' ' -f1)"

# ---- The same on the command line -----------------------------------------------

exits "stats --functions" 0 "$STINT" stats --functions
contains "a function" "a/b.c:d" "$out"
exits "as JSON" 0 "$STINT" stats --functions --json
contains "runs" '"function":"a/b.c:d","started":2,"completed":0,"failed":2' \
    "$out"

# ---- Without Redis ---------------------------------------------------------------

kill_hard "$redis"
equal "not ready" 503 "$(get /readyz | cut -d' ' -f1)"
contains "and why" "Redis" "$(cat "$tmp/body")"
equal "but alive" 200 "$(get /healthz | cut -d' ' -f1)"
passed
