#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A broker as the user stint-broker of deploy/users.acl: what the dashboard and
# programs ask for is served, events are told, the duties of time are done; what
# Redis refuses (fsck) is refused as that and not as if Redis was away.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
deploy=$here/../../deploy
cd "$tmp" || exit 1

"$deploy/users" users || fail "deploy/users"
redis-server --port 0 --unixsocket "$tmp/s" --dir "$tmp" --save '' \
    --aclfile "$tmp/users/users.acl" >redis.out 2>&1 </dev/null &
pids+=("$!")
until_true 5 "Redis runs" test -S s
url_of() { # USER
    echo "unix://$1:$(awk -v u="$1" '$1 == u { print $2 }' users/passwords)@$tmp/s"
}
exits "the library" 0 "$STINT" library load --url "$(url_of stint-deploy)"

cat >worker.json <<END
{"concurrency": 2, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"}}}
END
worker w --url "$(url_of stint-worker)"
w=$worker_pid
broker b --url "$(url_of stint-broker)" --log json --log-level debug

# asks STATUS METHOD PATH [BODY]: the answer to $answer
asks() {
    local got
    got=$(curl -s -o answer -w '%{http_code}' --max-time 20 -X "$2" "$url$3" \
        ${4:+-H 'Content-Type: application/json' -d "$4"})
    answer=$(cat answer)
    [ "$got" = "$1" ] || fail "$2 $3: wanted $1, got $got: $answer
$(tail -n 3 b.log)"
    ok "$2 $3: $1"
}
api=/api/v1

asks 201 POST $api/tasks '{"function":"sleep_ms","args":[1],"id":"one"}'
asks 200 GET "$api/tasks/one/wait?timeout=10"
contains "the worker ran it" '"COMPLETED"' "$answer"
asks 201 POST $api/tasks \
    '{"function":"nobody","id":"two","tags":["t"],"start_time":"+1h"}'
asks 200 GET $api/tasks/two
asks 200 GET $api/tasks/two/why
asks 200 GET $api/tasks/two/graph
asks 200 GET $api/tasks/two/timeline
asks 200 GET "$api/tasks?status=QUEUED&tag=t"
contains "it is found" '"two"' "$answer"
asks 200 POST $api/tasks/two/priority '{"priority":3}'
asks 200 POST $api/tasks/two/disable '{}'
asks 200 POST $api/tasks/two/enable '{}'
asks 200 POST $api/tasks/two/run-now '{}'
asks 200 POST $api/tasks/two/stop '{}'
asks 200 POST $api/tasks/two/requeue '{}'
asks 200 POST $api/tasks/actions '{"action":"stop","filter":{"status":"QUEUED"}}'
asks 200 DELETE $api/tasks/two
asks 200 GET $api/overview
asks 200 GET $api/groups
asks 200 GET $api/groups/main
asks 200 GET "$api/groups/main/history?span=hour"
asks 200 GET $api/groups/main/functions
asks 200 POST $api/groups/main/pause '{}'
asks 200 POST $api/groups/main/resume '{}'
asks 200 POST $api/groups/main/events '{"keep":100}'
asks 200 GET $api/events
asks 200 GET $api/workers
asks 200 POST $api/workers/disable '{"all":true}'
asks 200 POST $api/workers/resume '{"all":true}'
asks 200 GET $api/autoscale
asks 200 GET /metrics
contains "with numbers" 'stint_tasks_ended' "$answer"
asks 200 GET /readyz
asks 200 GET $api/doctor
asks 403 GET $api/fsck
contains "Redis refuses that" "urn:stint:redis-refused" "$answer"
contains "in its words" "NOPERM" "$answer"
asks 403 GET $api/quarantine
asks 400 POST $api/tasks '{"function":"f","durability":2}'

# The duties: nobody else does them once the worker has gone.
kill_hard "$w"
asks 201 POST $api/tasks \
    '{"function":"f","id":"late","start_time":"+0.2s","stop_time":"+0.5s"}'
is_expired() {
    curl -s --max-time 5 "$url$api/tasks/late" | grep -q '"EXPIRED"'
}
until_true 20 "the broker does the duties" is_expired
kill -TERM "$broker_pid"
ended "$broker_pid" 8
equal "it ends" 0 "$ended_status"

# ---- Its log -----------------------------------------------------------------

python3 - b.log <<'END' >log.out 2>&1 || fail "the log: $(cat log.out)"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")
         if "WARNING: ASan" not in line]
for line in lines:
    assert list(line)[:3] == ["time", "level", "event"], line
asked = [l for l in lines if l["event"] == "request"]
assert all(l["level"] == "debug" and isinstance(l["status"], int) and
           isinstance(l["ms"], int) for l in asked), asked
assert {"method", "path", "user"} <= set(asked[0]), asked[0]
assert any(l["path"] == "/api/v1/tasks" and l["method"] == "GET" for l in asked)
assert any(l["path"] == "/api/v1/fsck" and l["status"] == 403 for l in asked)
assert not any("?" in l["path"] for l in asked), "a query"
assert not any(l["level"] in ("error", "warn") for l in lines), lines
assert [l["event"] for l in lines if l["event"] in ("listen", "stop")] == \
    ["listen", "stop"]
END
ok "a line a request, in JSON, without queries"
grep -q 'sleep_ms' b.log && fail "a body is in the log"
ok "no body is in the log"
passed
