#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The worker's log: a line an event, as text or JSON; nothing of what tasks are
# given or say is in it.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "echo": {"exec": ["echo", "{args.0}"]},
  "bad": {"exec": ["sh", "-c", "echo canary-err >&2; exit 3"]}}}
END

queue() {
    "$STINT" queue-task "$@" >/dev/null || fail "queueing $*"
}

for i in $(seq 30); do
    queue bad --id "bad$i"
done
queue echo --id good --args '["canary-arg"]'
exits "a form that there is not" 2 "$STINT" worker --config "$tmp/worker.json" \
    --log xml
exits "a level that there is not" 2 "$STINT" worker \
    --config "$tmp/worker.json" --log-level loud

worker text --drain
ended "$worker_pid" 20
line='^time=20[0-9-]*T[0-9:.]*Z level=(error|warn|info|debug) event=[a-z_]+( [a-z_-]+=("([^"\\]|\\.)*"|[^ "]+))*$'
equal "each line is key=value" 0 "$(grep -cvE "$line" "$tmp/text.log")"
contains "who it is" "event=worker status=ACTIVE worker=text." \
    "$(cat "$tmp/text.log")"
grep -qE 'level=info event=report id=bad1 function=bad group=main status=FAILED run_s=[0-9.]+ attempt=1 exit_status=3$' \
    "$tmp/text.log" || fail "no report of bad1"
ok "a run that failed is told"
grep -q 'id=good' "$tmp/text.log" && fail "one that did not is, too"
reports=$(grep -c 'event=report' "$tmp/text.log")
lost=$(sed -n 's/.*event=suppressed of=report lines=//p' "$tmp/text.log" |
    awk '{n += $1} END {print n + 0}')
equal "none goes untold: $reports lines, $lost suppressed" 30 \
    $((reports + lost))
contains "and how it ended" "event=drain runs=31 failed=30 unknown=0" \
    "$(cat "$tmp/text.log")"

queue bad --id bad31 --group-name json
queue echo --id 4711 --args '["canary-arg"]' --group-name json
worker json --group json --drain --log json --log-level debug
ended "$worker_pid" 20
python3 - "$tmp/json.log" <<'END' || fail "JSON: $(cat "$tmp/json.log")"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
events = {}
for o in lines:
    assert list(o)[:3] == ["time", "level", "event"], o
    events.setdefault(o["event"], []).append(o)
start = {o["id"]: o for o in events["start"]}
report = {o["id"]: o for o in events["report"]}
assert start["4711"]["function"] == "echo", start
assert isinstance(start["4711"]["fence"], int), start
good, bad = report["4711"], report["bad31"]
assert (good["level"], good["status"]) == ("debug", "COMPLETED"), good
assert isinstance(good["run_s"], float), good
assert (bad["level"], bad["status"]) == ("info", "FAILED"), bad
assert bad["exit_status"] == 3 and "canary-err" in bad["error"], bad
END
ok "each line is JSON, with every run"
grep -q canary-arg "$tmp"/*.log && fail "an argument is in a log"
grep -q canary-err "$tmp/text.log" && fail "what a task wrote is in a log"
ok "nothing of what tasks are given is in it"
passed
