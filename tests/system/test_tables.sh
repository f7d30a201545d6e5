#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tables: aligned by the columns of a terminal, colours on a terminal only, and
# nothing in them that steers it.
. "$(dirname "$0")/lib.sh"

printf '{"tasks": {"x": {"exec": ["true"]}, "no": {"exec": ["false"]}}}' \
    >"$tmp/worker.json"
for n in 1 2 3; do
    "$STINT" queue-task x --id "good-$n" >/dev/null || fail queue-task
done
"$STINT" queue-task no --id bad --task-name 'ein Name mit Ümläuten' \
    >/dev/null || fail queue-task
"$STINT" queue-task x --id wide --task-name '日本語' --group-name other \
    --start-time +1h >/dev/null || fail queue-task
"$STINT" queue-task x --id "$(printf 'long%.0s' {1..12})" \
    --task-name "$(printf 'evil\342\200\256x')" \
    --start-time +1h >/dev/null || fail queue-task
worker w1
until_true 10 "they have run" \
    eval '"$STINT" wait bad good-1 good-2 good-3 >/dev/null 2>&1; has_status FAILED bad'

# on_terminal COMMAND: its output on a terminal, to $out
on_terminal() {
    timeout 20 env TERM="${TERM_IS-xterm}" script -qec "$1" /dev/null \
        </dev/null >"$tmp/out" 2>&1
    out=$(tr -d '\r' <"$tmp/out")
}
esc=$(printf '\033')
plain() {
    sed "s/$esc\[[0-9;]*m//g"
}

# ---- Colours ---------------------------------------------------------------
for command in stats groups list 'graph bad' 'group main'; do
    exits "$command, not on a terminal" 0 "$STINT" $command
    equal "$command: no escape code" 0 "$(grep -c "$esc" "$tmp/out")"
    as_file=$out
    on_terminal "$STINT $command"
    contains "$command: colours on a terminal" "$esc[" "$out"
    equal "$command: and else the same" "$as_file" "$(plain <<<"$out")"
done
on_terminal "$STINT list"
contains "FAILED is red" "$esc[31mFAILED$esc[0m" "$out"
contains "COMPLETED is green" "$esc[32mCOMPLETED$esc[0m" "$out"
on_terminal "$STINT workers"
contains "ACTIVE is green" "$esc[32mACTIVE$esc[0m" "$out"
on_terminal "NO_COLOR=1 $STINT list"
equal "NO_COLOR" 0 "$(grep -c "$esc" <<<"$out")"
on_terminal "NO_COLOR= $STINT list"
contains "an empty one does not count" "$esc[31m" "$out"
on_terminal "$STINT list --color never"
equal "--color never" 0 "$(grep -c "$esc" <<<"$out")"
on_terminal "NO_COLOR=1 $STINT list --color always"
contains "--color always" "$esc[31m" "$out"
TERM_IS=dumb on_terminal "$STINT list"
equal "TERM=dumb" 0 "$(grep -c "$esc" <<<"$out")"
exits "--color always in a file" 0 "$STINT" list --color=always
contains "has colours" "$esc[31mFAILED$esc[0m" "$out"
exits "--color auto" 0 "$STINT" stats --color auto
equal "has none" 0 "$(grep -c "$esc" "$tmp/out")"
exits "--color mauve" 2 "$STINT" list --color mauve
exits "--json" 0 "$STINT" list --json --color always
equal "has no colours either" 0 "$(grep -c "$esc" "$tmp/out")"

# ---- Columns ---------------------------------------------------------------
exits "list" 0 "$STINT" list
equal "no blanks at the ends of lines" 0 "$(grep -c ' $' "$tmp/out")"
contains "what turns the direction of text is escaped" 'evil\u202ex' "$out"
# The same in every locale, and aligned where there are wide characters.
for locale in C C.UTF-8 tr_TR.UTF-8; do
    LC_ALL=$locale "$STINT" list >"$tmp/other"
    cmp -s "$tmp/out" "$tmp/other" || fail "another list in $locale"
done
ok "the same in every locale"
equal "all times begin in one column" 1 \
    "$(sed 's/  20[0-9-]*T.*//' "$tmp/out" | awk '{print length}' |
        sort -u | grep -c .)"
exits "groups" 0 "$STINT" groups
contains "its heads" "GROUP" "$out"
equal "numbers end where their heads end" \
    "$(awk 'NR == 1 {print index($0, "COMPLETED") + 8}' "$tmp/out")" \
    "$(awk '/^main/ {match($0, /[0-9] +1 +1$/); print RSTART}' "$tmp/out")"
equal "groups as JSON" main "$("$STINT" groups --json | grep '"main"' |
    json_field group)"
exits "no group is named" 2 "$STINT" groups main
passed
