#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A worker of several groups takes from them in proportion to how often it names
# each, starves none, touches no other, and takes only functions it can run.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<END
{"concurrency": 1,
 "tasks": {"nap": {"exec": ["sleep", "0.01"]}}}
END
n=120
for group in main images; do
    seq $n | sed "s/.*/{\"function\":\"nap\",\"group_name\":\"$group\"}/"
done >"$tmp/tasks"
echo '{"function":"nap","id":"far","group_name":"other"}' >>"$tmp/tasks"
echo '{"function":"unheard-of","id":"odd","priority":9}' >>"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"

completed() { # of a group
    "$STINT" stats --group "$1" --json | json_field completed
}
enough() {
    main=$(completed main)
    images=$(completed images)
    [ $((main + images)) -ge 60 ]
}
worker w1 --group main --group main --group images
until_true 20 "some are done" enough
# Two to one; the two counts are not taken at the same instant.
if [ "$main" -lt $((images * 3 / 2)) ] || [ "$main" -gt $((images * 3)) ]; then
    fail "main $main, images $images"
fi
ok "main $main, images $images"
all_ended() {
    [ "$(completed main)" -eq $n ] && [ "$(completed images)" -eq $n ]
}
until_true 30 "none is starved" all_ended
equal "a group it does not name" QUEUED "$(field status far)"
equal "a function it does not know" QUEUED "$(field status odd)"
kill -TERM "$worker_pid"
ended_pid=$worker_pid
wait "$ended_pid"
forget "$ended_pid"
# Nothing to do, twice in a row: it ends by itself.
exits "--max-empty-runs" 0 "$STINT" worker --config "$tmp/worker.json" \
    --group images --heartbeat 0.2 --max-empty-runs 2
fsck_clean
passed
