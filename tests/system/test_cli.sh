#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The command line: exit statuses, errors all at once, files of tasks.
. "$(dirname "$0")/lib.sh"

exits "no command" 2 "$STINT"
exits "--help" 0 "$STINT" --help
contains "help lists the commands" queue-task "$out"
exits "--version" 0 "$STINT" --version
contains "the version" 0.1.0 "$out"
exits "queue-task --help" 0 "$STINT" queue-task --help
contains "help of a command" --start-time "$out"
for command in why graph requeue-task enable-task disable-task delete-task \
    disable resume terminate kill; do
    exits "$command --help" 0 "$STINT" "$command" --help
    contains "its usage" "usage: stint $command " "$out"
done
exits "unknown command" 2 "$STINT" frobnicate
contains "it is named" frobnicate "$errout"
equal "nothing on stdout" "" "$out"
exits "unknown option" 2 "$STINT" queue-task hello --colour red
contains "it is named" colour "$errout"
exits "unknown option of list" 2 "$STINT" list --frobnicate
exits "option without its value" 2 "$STINT" queue-task hello --args
exits "no function" 2 "$STINT" queue-task

# Queueing and looking.
exits "queue a task" 0 "$STINT" queue-task hello --args '["a b", 1]' \
    --vars '{"k": null}'
id=$out
[ -n "$id" ] || fail "no id printed"
equal "one line is printed" 1 "$(grep -c . "$tmp/out")"
exits "queue with --json" 0 "$STINT" queue-task hello --id mine --json
equal "the answer" '{"id":"mine","errors":{}}' "$(tr -d ' \n' <"$tmp/out")"
exits "the id again" 2 "$STINT" queue-task hello --id mine --json
contains "error on id" '"id":null,"errors":{"id":' "$(tr -d ' \n' <"$tmp/out")"
equal "status" QUEUED "$(field status "$id")"
exits "status as JSON" 0 "$STINT" task-status "$id" --json
contains "args as they were" '"args":["ab",1]' "$(tr -d ' \n' <"$tmp/out")"
contains "vars as they were" '"vars":{"k":null}' "$(tr -d ' \n' <"$tmp/out")"
for key in id function task_name group_name status args vars start_time \
    stop_time next_run_time last_run_time times_run times_failed worker reason
do
    contains "task-status has $key" "\"$key\":" "$out"
done
exits "status for people" 0 "$STINT" task-status "$id"
contains "names the function" hello "$out"

# All errors at once; nothing is written.
exits "many errors" 2 "$STINT" queue-task hello --id 'no good' --period -1 \
    --timeout 0 --repeats -2 --args '{' --priority 1000 --json
for key in id period timeout repeats args priority; do
    contains "error on $key" "\"$key\":" "$out"
done
contains "no id" '"id":null' "$(tr -d ' \n' <"$tmp/out")"
exits "and of the later options" 2 "$STINT" queue-task hello --json \
    --cronline 'every day' --max-crashes -2 --sync-output -1 \
    --depends-on 'a b' --on-dependency sleep --timezone Nowhere/Atall
for key in cronline max_crashes sync_output depends_on on_dependency; do
    contains "error on $key" "\"$key\":" "$out"
done
exits "a broadcast" 0 "$STINT" queue-task hello \
    --broadcast --disabled --id cast --max-crashes -1 --sync-output 0.5
exits "a task with a cronline" 0 "$STINT" queue-task hello --id nightly \
    --cronline '15 3 * * *' --timezone UTC
contains "is due then" "T03:15:00.000Z" "$(field next_run_time nightly)"
exits "away with them" 0 "$STINT" delete-task cast nightly
exits "and without --json" 2 "$STINT" queue-task hello --period -1 --timeout 0
contains "period on stderr" period "$errout"
contains "timeout on stderr" timeout "$errout"
equal "nothing on stdout" "" "$out"
equal "nothing was written" 2 "$(count_status QUEUED)"

# Files of tasks.
printf '%s\n' '{"function":"hello","id":"a1"}' \
    '{"function":"hello","id":"a2","args":["\u00e9"]}' >"$tmp/good"
exits "--file" 0 "$STINT" queue-task --file "$tmp/good"
equal "ids in order" "a1 a2" "$(tr '\n' ' ' <"$tmp/out" | sed 's/ $//')"
printf '{"function":"hello","id":"a3"}\n' >"$tmp/in"
"$STINT" queue-task --file - <"$tmp/in" >"$tmp/out" 2>"$tmp/errout"
status=$?
equal "--file -" "a3 0" "$(cat "$tmp/out") $status"
printf '%s\n' '{"function":"hello","id":"b1"}' '{"function":"hello",' \
    '{"function":"hello","id":"b3"}' >"$tmp/bad"
exits "a bad line" 2 "$STINT" queue-task --file "$tmp/bad"
contains "its number is named" 2 "$errout"
printf '%s\n' '{"function":"hello","colour":"red"}' >"$tmp/unknown"
exits "an unknown key" 2 "$STINT" queue-task --file "$tmp/unknown"
contains "it is named" colour "$errout"
exits "a file that is not there" 2 "$STINT" queue-task --file "$tmp/none"

# What is not there.
exits "unknown id" 1 "$STINT" task-status nobody
contains "it is named" nobody "$errout"
exits "wait for an unknown id" 1 "$STINT" wait nobody --timeout 5
exits "stop an unknown id" 1 "$STINT" stop-task nobody
exits "wait that times out" 1 "$STINT" wait a1 --timeout 0.2
exits "list" 0 "$STINT" list --function hello --limit 2
equal "the limit holds" 2 "$(grep -c hello "$tmp/out")"
exits "--group-name is as good as --group" 0 "$STINT" list --group-name main
exits "and the other way round" 0 "$STINT" task-status a1 --group main
exits "list an unknown status" 2 "$STINT" list --status SLEEPING

# Stopping.
exits "stop a queued task" 0 "$STINT" stop-task a1
equal "it is STOPPED" STOPPED "$(field status a1)"
exits "wait for a stopped task" 1 "$STINT" wait a1 --timeout 5
exits "stop it again" 1 "$STINT" stop-task a1

# The worker's configuration.
printf '{"tasks": {"x": {"exec": ["true"]}}, "colour": 1}' >"$tmp/c.json"
exits "unknown key of the configuration" 2 "$STINT" worker \
    --config "$tmp/c.json" --drain
contains "it is named" colour "$errout"
exits "no such number of runs" 2 "$STINT" worker --max-empty-runs -1
printf '{"tasks": {"x": {"exec": ["true"]}}}' >"$tmp/c.json"
exits "--max-empty-runs ends an idle worker" 0 "$STINT" worker \
    --config "$tmp/c.json" --heartbeat 0.1 --max-empty-runs 2
exits "no such configuration" 2 "$STINT" worker --config "$tmp/none" --drain

# Redis.
exits "stats" 0 "$STINT" stats --json
exits "workers" 0 "$STINT" workers
exits "no Redis there" 3 "$STINT" list --url "unix://$tmp/no.sock"
exits "nor there" 3 "$STINT" queue-task hello --url redis://127.0.0.1:1
exits "no such scheme" 2 "$STINT" list --url http://127.0.0.1
exits "embedded status" 0 "$STINT" embedded status
exits "embedded stop" 0 "$STINT" embedded stop
exits "stop it again" 0 "$STINT" embedded stop
equal "the tasks are there after a stop" STOPPED "$(field status a1)"
fsck_clean
STINT_URL=memory: exits "a task in memory would be lost" 2 \
    "$STINT" queue-task f
contains "and that is said" "one program" "$errout"
passed
