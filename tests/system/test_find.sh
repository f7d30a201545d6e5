#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Finding tasks and changing what is found; pausing and emptying a group.
. "$(dirname "$0")/lib.sh"

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*: $(cat "$tmp/queue.log")"
}

# finds WHAT IDS OPTIONS...
finds() {
    local what=$1 ids=$2
    shift 2
    equal "$what" "$ids" "$("$STINT" list "$@" | cut -d ' ' -f 1 | xargs)"
}

# ---- Finding -------------------------------------------------------------------

queue hello --id a --tag x --tag y/z --task-name 'Büro' --args '["Grüße \"du\"", 7]'
queue bye --id b --start-time +1h --tag X --vars '{"Größe": "\u001b[31m"}'
queue bye --id c --cronline '0 3 1 1 *' --group-name other
exits "a wrong tag" 2 "$STINT" queue-task hello --tag 'a b'
contains "what it may be" "tags: must be an array of up to 16 words" "$errout"
exits "a tag in JSON" 2 "$STINT" queue-task hello --tag "$(printf 'a%.0s' {1..65})" --json
contains "by its name" '"errors":{"tags":' "$(tr -d ' \n' <"$tmp/out")"
finds "all" "a b c"
finds "by a tag" "a" --tag x
finds "by another" "a" --tag y/z
finds "by its label, any case" "a" --task-name BüRO
finds "by a text" "a" --text 'gRüße "DU"'
finds "by a number" "a" --text 7
finds "by a name in vars" "b" --text größe
finds "by a control byte" "b" --text $'\e[31m'
finds "by id" "c" --id c
finds "by time" "b c" --from +30m
finds "what is scheduled" "c" --scheduled
finds "of several states" "a b c" --status queued,failed
finds "none" "" --text nosuch
exits "a tag is shown" 0 "$STINT" task-status a --json
contains "as JSON" '"tags":["x","y/z"]' "$(tr -d ' \n' <"$tmp/out")"
for wrong in "--status FOO" "--tag a,b" "--from soon" "--cursor x" \
    "--group a/b" "--page --limit 0" "--id a/b"; do
    # shellcheck disable=SC2086
    exits "list $wrong" 2 "$STINT" list $wrong
done
exits "a page" 0 "$STINT" list --limit 2 --page
contains "says where the next one begins" "--cursor " "$errout"
cursor=${errout##*--cursor }
finds "which is this" "c" --cursor "$cursor"
exits "as JSON" 0 "$STINT" list --limit 2 --page --json
contains "in the last line" '{"cursor":"' "$(tail -n 1 "$tmp/out")"
exits "the last page" 0 "$STINT" list --page --json
equal "says so" '{"cursor":null}' "$(tail -n 1 "$tmp/out" | tr -d ' ')"

# ---- Changing one -----------------------------------------------------------------

exits "set-priority" 0 "$STINT" set-priority a b 9
equal "both" "a CHANGED b CHANGED" "$(xargs <"$tmp/out")"
equal "it is that" 9 "$("$STINT" task-status b --json | json_field priority)"
exits "a negative one" 0 "$STINT" set-priority a -- -3
for wrong in "a" "a 101" "a x" "a 1.5" ""; do
    # shellcheck disable=SC2086
    exits "set-priority $wrong" 2 "$STINT" set-priority $wrong
done
exits "nobody" 1 "$STINT" set-priority nosuch 1
exits "run-now" 0 "$STINT" run-now b c
finds "both are due" "b a c" --until now
queue hello --id held --disabled
exits "not what is disabled" 1 "$STINT" run-now held
contains "which is said" "it is disabled" "$errout"

# ---- Changing all that fit ----------------------------------------------------------

for i in 1 2 3 4 5; do queue many --id "m$i" --tag m --start-time +1h; done
exits "without a filter" 2 "$STINT" stop-task --matching --yes
exits "with ids, too" 2 "$STINT" stop-task a --matching --tag m --yes
exits "a filter without --matching" 2 "$STINT" stop-task a --tag m
exits "nobody to ask" 2 "$STINT" stop-task --matching --tag m
contains "what to say" "--yes" "$errout"
exits "only count" 0 "$STINT" stop-task --matching --tag m --dry-run
contains "how many" "5 tasks would be stopped" "$out"
exits "stop" 0 "$STINT" stop-task --matching --tag m --yes
contains "how many" "5 tasks stopped" "$out"
exits "requeue" 0 "$STINT" requeue-task --matching --tag m --status STOPPED \
    --yes --json
contains "sums" '{"matched":5,"done":5,"failed":0,"scanned":' \
    "$(tr -d ' \n' <"$tmp/out")"
exits "a state that makes no sense" 2 "$STINT" requeue-task --matching \
    --status RUNNING --yes
exits "priority" 0 "$STINT" set-priority 4 --matching --tag m --yes
exits "disable" 0 "$STINT" disable-task --matching --tag m --group main --yes
equal "all" 6 "$("$STINT" stats --json --group main | json_field disabled)"
exits "enable" 0 "$STINT" enable-task --matching --tag m --yes
exits "delete" 0 "$STINT" delete-task --matching --id m --yes
finds "they are gone" "" --tag m
if command -v script >/dev/null; then
    asked() { # ANSWER
        script -qec "$STINT delete-task --matching --id held" /dev/null \
            <<<"$1" >"$tmp/asked" 2>&1
    }
    asked n && fail "no is no"
    contains "asks" "1 task will be deleted. Go on?" "$(cat "$tmp/asked")"
    finds "and does nothing" "held" --id held
    asked y || fail "yes is yes"
    finds "it is gone" "" --id held
fi

# ---- Groups ----------------------------------------------------------------------------

cat >"$tmp/worker.json" <<END
{"concurrency": 2, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"}}}
END
exits "pause" 0 "$STINT" group main --pause
contains "it says so" ", paused" "$out"
contains "so does stats" "main (paused)" "$("$STINT" stats)"
equal "as JSON" true "$("$STINT" stats --json --group main | json_field paused)"
worker paused
for i in 1 2 3; do queue sleep_ms --args '[1]' --id "p$i" --priority 50; done
contains "why" "The group is paused" "$("$STINT" why p1)"
calls() {
    redis-cli -s "$("$STINT" embedded status --json | json_field url |
        sed 's|^unix://||')" INFO commandstats |
        sed -n 's/^cmdstat_fcall:calls=\([0-9]*\).*/\1/p'
}
sleep 1
before=$(calls)
sleep 2
[ $(($(calls) - before)) -lt 40 ] ||
    fail "a paused group keeps workers busy: $(($(calls) - before)) calls"
ok "nobody is woken for nothing"
finds "nothing has run" "p1 p2 p3" --id p --status QUEUED
exits "resume" 0 "$STINT" group main --resume
exits "they run at once" 0 "$STINT" wait p1 p2 p3 --timeout 5
exits "one thing at a time" 2 "$STINT" group main --pause --resume
exits "--yes alone" 2 "$STINT" group main --yes
exits "nobody to ask" 2 "$STINT" group main --purge
exits "count" 0 "$STINT" group main --purge --status COMPLETED --dry-run
contains "how many" "3 tasks would be deleted" "$out"
exits "purge" 0 "$STINT" group main --purge --status COMPLETED,FAILED --yes
exits "what is queued" 0 "$STINT" group main --purge --yes
finds "of this group only" "c"
exits "not what runs" 2 "$STINT" group main --purge --status RUNNING --yes
fsck_clean
passed
