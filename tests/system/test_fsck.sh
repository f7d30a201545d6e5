#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stint fsck --repair: mends what was broken by hand, names what it cannot mend,
# and may be repeated while a fleet is at work, which does not notice.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<END
{"concurrency": 8,
 "tasks": {"noop": {"module": "$NOOP_MODULE"},
           "sleep_ms": {"module": "$NOOP_MODULE"},
           "note": {"exec": ["sh", "-c", "echo \$STINT_TASK_ID >>$tmp/ran"]}}}
END
"$STINT" queue-task noop --id a >/dev/null || fail "queueing"
"$STINT" queue-task noop --id b --priority 3 >/dev/null
"$STINT" queue-task noop --id kid --depends-on a,b >/dev/null
"$STINT" queue-task noop --id far --group-name away --depends-on a >/dev/null
R() {
    redis-cli -s "$STINT_HOME/redis/redis.sock" "$@"
}
fsck_clean

# ---- Each kind of damage, through the program
R ZREM '{stint}:groups' away >/dev/null
R ZREM '{stint:main}:queued:3' b >/dev/null
R DEL '{stint:main}:parents:kid' >/dev/null
R DEL '{stint:away}:parents:far' >/dev/null
R LPUSH '{stint:main}:run:ghost' 'FAILED 1 w 1 1 {}' >/dev/null
R SADD '{stint:main}:running:nobody' a >/dev/null
R SET '{stint:main}:strange' 1 >/dev/null
exits "plain fsck finds faults" 1 "$STINT" fsck
contains "a group that the fleet does not know" "away: has keys" "$out"
contains "a key of nobody's" ":strange: is nobody's" "$out"
exits "what is not to be decided is left" 1 "$STINT" fsck --repair
contains "it was named" "strange: is nobody's: left" "$out"
R DEL '{stint:main}:strange' >/dev/null
# The group came back to the fleet's list at the end of the first.
exits "then all is mended" 0 "$STINT" fsck --repair
fsck_clean
exits "--json" 0 "$STINT" fsck --repair --json
contains "--json counts" '"left":0' "$(tr -d ' \n' <<<"$out")"
exits "the quarantine" 0 "$STINT" fsck --quarantine
contains "runs of no task were set aside" "main: {stint:main}:run:ghost: " \
    "$out"
R HSET '{stint:main}:state' b garbage >/dev/null
exits "a record that cannot be read" 0 "$STINT" fsck --repair
contains "is set aside" "b: its state record cannot be read: set aside" "$out"
equal "its task is FAILED" FAILED "$(field status b)"
contains "and says why" "record lost" "$("$STINT" task-status b --output)"
exits "--quarantine --json" 0 "$STINT" fsck --quarantine --json
contains "keeps what was there" '"was":"garbage"' "$(tr -d ' ' <<<"$out")"
exits "two things" 2 "$STINT" fsck --repair --quarantine
has_failed() {
    has_status FAILED kid
}
until_true 10 "what depends on it is told" has_failed

# ---- Under load: repairs in a loop, nothing is taken from a live worker
seq 300 | sed 's/.*/{"function":"note","id":"n&","retry_failed":0}/' \
    >"$tmp/tasks"
seq 40 | sed 's/.*/{"function":"sleep_ms","id":"s&","args":[400],"priority":2}/' \
    >>"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"
worker w1
worker w2
n=0
busy() {
    [ "$("$STINT" list --status QUEUED --limit 0 --json |
        grep -cE '"(n|s)[0-9]+"')" -gt 0 ]
}
while busy && [ "$SECONDS" -lt 60 ]; do
    "$STINT" fsck --repair >"$tmp/repair.out" 2>&1 ||
        fail "a repair under load: $(cat "$tmp/repair.out")"
    grep -q " 0 faults" "$tmp/repair.out" ||
        fail "faults under load: $(cat "$tmp/repair.out")"
    n=$((n + 1))
done
[ "$n" -gt 2 ] || fail "only $n repairs"
exits "all end" 0 "$STINT" wait --timeout 60 s1 s40 n1 n300
equal "none ran twice" 300 "$(sort "$tmp/ran" | uniq -c | grep -c ' 1 n')"
equal "all ran" 300 "$(wc -l <"$tmp/ran" | tr -d ' ')"
fsck_clean
passed
