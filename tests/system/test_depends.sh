#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tasks that depend on others: in one file with names that come later, over two
# groups, with the results of parents; refusals; what happens when a parent
# fails.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "echo": {"exec": ["echo", "{args}"]},
  "fail": {"exec": ["false"]},
  "number": {"exec": ["sh", "-c", "echo \"$0\" >&3", "{args.0}"]},
  "sum": {"exec": ["sh", "-c", "echo $(($0 + $1)) >&3",
    "{parents.left.result}", "{parents.side/right.result}"]},
  "stdin": {"exec": ["cat"]}}}
END

completed() {
    "$STINT" wait "$@" --timeout 15 >/dev/null 2>>"$tmp/wait.log"
}

# before A B: the run of A had ended when that of B began
before() {
    local end start
    end=$("$STINT" task-status "$1" --runs --json | grep -o '"runs":.*' |
        json_field stop_time)
    start=$(field last_run_time "$2")
    [[ -n $end && ! $end > $start ]] || fail "$1 ended $end, $2 began $start"
    ok "$1 before $2"
}

# A file: children before their parents, two groups, nothing runs yet.
sed 's/DEPENDS/"depends_on":["main\/top"]/' >"$tmp/tasks" <<'END'
{"function":"sum","id":"total","depends_on":["left","side/right"]}
{"function":"echo","id":"last","args":["done"],"depends_on":["total","top"]}
{"function":"number","id":"left","args":[20],"depends_on":["top"]}
{"function":"number","id":"right","group_name":"side","args":[22],DEPENDS}
{"function":"echo","id":"top","disabled":true}
END
exits "a file of a graph" 0 "$STINT" queue-task --file "$tmp/tasks"
equal "ids in the order of the input" "total last left right top" \
    "$(tr '\n' ' ' <"$tmp/out" | sed 's/ $//')"
equal "a child waits" "waits for 2 tasks" "$(field reason total)"
equal "four wait" "3 1" "$("$STINT" stats --json | json_field waiting) $(
    "$STINT" stats --group side --json | json_field waiting)"

# The graph, parents first.
exits "graph" 0 "$STINT" graph left
equal "a header and five tasks" 6 "$(grep -c . "$tmp/out")"
contains "parents with their groups" "<- main/left, side/right" \
    "$(sed 's/side\/right, main\/left/main\/left, side\/right/' "$tmp/out")"
row() { grep -n " main/$1 \| side/$1 " "$tmp/out" | cut -d: -f1; }
for pair in "top left" "top right" "left total" "right total" "total last"; do
    read -r a b <<<"$pair"
    [ "$(row "$a")" -lt "$(row "$b")" ] || fail "$b stands before $a"
done
ok "parents stand before their children"
exits "the same from the other end" 0 "$STINT" graph right --group-name side
equal "five tasks" 6 "$(grep -c . "$tmp/out")"
exits "graph as JSON" 0 "$STINT" graph top --json
contains "a parent" '"id":"right","group_name":"side","function":"number",'`
    `'"task_name":"number","status":"QUEUED","parents":["main/top"]' "$out"
exits "graph for Graphviz" 0 "$STINT" graph top --dot
contains "an edge" '"main/top" -> "side/right";' "$out"
equal "six edges" 6 "$(grep -c -e '->' "$tmp/out")"
if command -v dot >/dev/null; then
    dot -Tsvg <"$tmp/out" >/dev/null || fail "dot refuses it"
    ok "Graphviz reads it"
fi
exits "too large a graph" 1 "$STINT" graph top --limit 4
contains "the limit is named" "--limit" "$errout"
exits "no such task" 1 "$STINT" graph nobody

# It runs in order, and the results arrive.
worker one --group main,side --concurrency 4
sleep 0.5
equal "nothing runs before its parents" QUEUED "$(field status left)"
exits "let it go" 0 "$STINT" enable-task top
completed total last left right top || fail "they are not all COMPLETED"
ok "all are COMPLETED"
before top left
before top right
before left total
before right total
before total last
equal "the results of the parents" 42 "$(field result total --output)"
exits "the graph in the end" 0 "$STINT" graph top
equal "all five COMPLETED" 5 "$(grep -c '^COMPLETED' "$tmp/out")"
exits "a parent that has ended already" 0 "$STINT" queue-task stdin \
    --id late --depends-on total,side/right
completed late || fail "late is not COMPLETED"
contains "its stdin has the parents" 'side/right' \
    "$("$STINT" task-status late --output --json | grep -o '"output":.*')"
exits "an id of another group alone" 0 "$STINT" queue-task echo --id other \
    --depends-on right
completed other || fail "other is not COMPLETED"
exits "its graph" 0 "$STINT" graph other
contains "knows whom it meant" "<- side/right" "$out"

# Parents that fail.
exits "a parent that fails" 0 "$STINT" queue-task fail --id bad
exits "a child of it" 0 "$STINT" queue-task echo --id child --depends-on bad
exits "one that runs however" 0 "$STINT" queue-task echo --id anyway \
    --depends-on bad --on-dependency run
completed anyway || fail "anyway is not COMPLETED"
ok "on_dependency run"
completed child && fail "child is COMPLETED"
equal "the child fails" FAILED "$(field status child)"
contains "and says of whom" "main/bad" "$(field reason child)"

# Refusals.
exits "an unknown parent" 2 "$STINT" queue-task echo --id x --json \
    --depends-on nobody
contains "the field" '"id":null,"errors":{"depends_on":' "$out"
exits "in another group" 2 "$STINT" queue-task echo --depends-on side/nobody
contains "the field" "depends_on: " "$errout"
exits "no id" 2 "$STINT" queue-task echo --depends-on 'a b' --json
contains "the field" '"errors":{"depends_on":' "$out"
exits "no such word" 2 "$STINT" queue-task echo --depends-on top \
    --on-dependency sleep --json
contains "the field" '"errors":{"on_dependency":' "$out"
printf '%s\n' '{"function":"echo","id":"c1","depends_on":["c3"]}' \
    '{"function":"echo","id":"c2","depends_on":["c1"]}' \
    '{"function":"echo","id":"c3","depends_on":["c2"]}' >"$tmp/cycle"
exits "a cycle" 2 "$STINT" queue-task --file "$tmp/cycle"
contains "it is named" "depends_on: " "$errout"
exits "nothing of it was queued" 1 "$STINT" task-status c1
printf '%s\n' '{"function":"echo","id":"d1"}' '' \
    '{"function":"echo","id":"d2","depends_on":["nobody"]}' >"$tmp/bad"
exits "an unknown one in a file" 2 "$STINT" queue-task --file "$tmp/bad"
contains "line and field" "bad:3: depends_on: " "$errout"
fsck_clean
passed
