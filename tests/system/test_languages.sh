#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One worker runs programs, C functions on threads and in processes, and
# children in C, Python and JavaScript, all at once. A child that is killed
# costs its own run and nothing of the other languages.
. "$(dirname "$0")/lib.sh"

root=$here/../..
helper=${CHILD_HELPER:-$(dirname "$NOOP_MODULE")/child_helper}
functions=(program thread process c)
cat >"$tmp/tasks.py" <<'END_OF_FILE'
import os, time
from stint import task

@task
def python(n):
    return n

@task
def python_stays():
    print(os.getpid(), flush=True)
    time.sleep(100)
END_OF_FILE
cat >"$tmp/tasks.mjs" <<END_OF_FILE
import {serve, task} from '$root/client/node/index.js';
task('node', (run, n) => n);
task('node_stays', async () => {
    console.log(process.pid);
    await new Promise((resolve) => setTimeout(resolve, 100000));
});
serve();
END_OF_FILE
python='"child": ["/usr/bin/python3", "-m", "stint", "tasks"], "processes": 2,
  "cwd": "'$tmp'", "setenv": {"PYTHONPATH": "'$root/client/python'",
  "PYTHONDONTWRITEBYTECODE": "1"}'
node='"child": ["node", "'$tmp'/tasks.mjs"], "processes": 2'
tasks=
if [ -x /usr/bin/python3 ]; then
    functions+=(python)
    tasks+=", \"python\": {$python}, \"python_stays\": {$python}"
fi
if command -v node >/dev/null; then
    functions+=(node)
    tasks+=", \"node\": {$node}, \"node_stays\": {$node}"
fi
cat >"$tmp/worker.json" <<END_OF_FILE
{"concurrency": 12, "tasks": {
 "program": {"exec": ["true", "{args.0}"]},
 "noop": {"module": "$NOOP_MODULE"},
 "pid": {"module": "$NOOP_MODULE", "isolation": "process", "processes": 2},
 "echo": {"child": ["$helper", "good", "$tmp/starts"], "processes": 2}$tasks}}
END_OF_FILE
# What they are called there.
declare -A name=([thread]=noop [process]=pid [c]=echo)

for i in $(seq 30); do
    for f in "${functions[@]}"; do
        args="[$i]"
        [ "$f" = process ] && args="[]"
        echo "{\"function\": \"${name[$f]:-$f}\", \"args\": $args}"
    done
done >"$tmp/tasks.jsonl"
worker all
"$STINT" queue-task --file "$tmp/tasks.jsonl" >"$tmp/ids" || fail "queueing"
exits "${functions[*]}: all at once" 0 \
    "$STINT" wait --timeout 30 $(cat "$tmp/ids")

# pid_of TASK: what a run that stays has printed
pid_of() {
    "$STINT" task-status "$1" --output --json | json_field output |
        grep -o '^[0-9]*'
}
has_pid() {
    [ -n "$(pid_of "$1")" ]
}
stay=()
for f in python node; do
    case " ${functions[*]} " in
    *" $f "*) ;;
    *) continue ;;
    esac
    stay+=("$f")
    "$STINT" queue-task "${f}_stays" --id "$f" --sync-output 0.1 >/dev/null ||
        fail "queueing"
    until_true 20 "$f runs" has_pid "$f"
done
for f in "${stay[@]}"; do
    kill -KILL "$(pid_of "$f")" || fail "no process of $f"
    "$STINT" wait "$f" --timeout 20 >/dev/null 2>&1
    equal "$f is killed: that run FAILED" FAILED "$(field status "$f")"
    contains "$f: with how" "signal 9" "$(field reason "$f")"
done
"$STINT" queue-task --file "$tmp/tasks.jsonl" >"$tmp/ids" || fail "queueing"
exits "all go on" 0 "$STINT" wait --timeout 30 $(cat "$tmp/ids")
kill "$worker_pid"
ended "$worker_pid" 20
equal "the worker ends" 0 "$ended_status"
mark_is_gone "$tmp/tasks.mjs" || fail "a child in JavaScript is left"
mark_is_gone "$tmp/starts" || fail "a child in C is left"
ok "no child is left"
passed
