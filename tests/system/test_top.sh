#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stint top, driven through tmux as over ssh: what it shows, what its keys do to
# a real fleet, small and large terminals, Redis away and back.
. "$(dirname "$0")/lib.sh"
. "$here/redis_lib.sh"

# ---- Without a terminal ------------------------------------------------------
redis_up
redis_wait
exits "not a terminal" 2 "$STINT" top
contains "--once is named" --once "$errout"
exits "--interval 0" 2 "$STINT" top --once --interval 0
exits "--json" 2 "$STINT" top --once --json
exits "a word" 2 "$STINT" top main

cat >"$tmp/worker.json" <<END
{"concurrency": 4, "groups": ["main", "images"],
 "tasks": {"slow": {"exec": ["sleep", "600"], "timeout": 900},
           "ok": {"exec": ["true"]},
           "no": {"exec": ["sh", "-c", "echo oh dear >&2; exit 3"]}}}
END
for n in 1 2; do
    "$STINT" queue-task slow --id "slow-$n" >/dev/null || fail queue-task
done
"$STINT" queue-task no --id bad --group-name images >/dev/null ||
    fail queue-task
worker w1
until_true 10 "they run" eval 'has_status RUNNING slow-2 && has_status FAILED bad'
exits "--once" 0 "$STINT" top --once --interval 0.2
equal "no escape codes" 0 "$(grep -c "$(printf '\033')" "$tmp/out")"
equal "nor anything but ASCII" 0 "$(LC_ALL=C grep -c '[^ -~]' "$tmp/out")"
for word in 'queued 0 ' 'running 2 ' 'workers 1 ' slow-1 slow-2 w1. images; do
    contains "it has $word" "$word" "$out"
done
equal "80 columns at most" 0 "$(grep -c '.\{81\}' "$tmp/out")"
COLUMNS=40 "$STINT" top --once --interval 0.1 >"$tmp/out" || fail "40 columns"
equal "or 40" 0 "$(grep -c '.\{41\}' "$tmp/out")"

case $(ldd "$STINT") in
*ncursesw*) ;;
*)
    echo "built without ncurses: the screen is not tested"
    passed
    ;;
esac
command -v tmux >/dev/null 2>&1 || {
    echo "no tmux here: the screen is not tested"
    passed
}

# ---- A terminal --------------------------------------------------------------
T() {
    timeout 10 tmux -S "$tmp/tmux" "$@"
}
# top_on COLUMNS ROWS [ENV=...]: in a new terminal, a shell around it
top_on() {
    local cols=$1 rows=$2
    shift 2
    T -f /dev/null new-session -d -x "$cols" -y "$rows" -s top env \
        LC_ALL=C.UTF-8 "$@" sh >/dev/null || fail "tmux"
    pids+=("$(T display-message -p -t top '#{pid}')")
    T send-keys -t top "PS1='shell> '; clear" Enter
    until_true 5 "a shell on $cols x $rows" shows 'shell>'
    T send-keys -t top "'$STINT' top --interval 0.2 2>'$tmp/top.log'; echo status \$?" Enter
}
top_off() {
    T kill-session -t top >/dev/null 2>&1
    case $(cat "$tmp/top.log") in
    *ERROR*) fail "a sanitizer found something" ;;
    esac
    sleep 0.1
}
screen() {
    T capture-pane -p -t top
}
shows() {
    local now
    now=$(screen)
    grep -q -- "$1" <<<"$now"
}
shows_not() {
    ! shows "$1"
}
worker_is() {
    contains_word "$1" "$("$STINT" workers)"
}
contains_word() {
    case $2 in *"$1"*) return 0 ;; esac
    return 1
}
key() {
    T send-keys -t top "$@" || fail "no key $*"
}

top_on 80 24
until_true 5 "the groups are shown" shows '^main '
until_true 5 "and the tasks that run" shows '^slow-1 .* slow '
until_true 5 "groups are selected first" shows '\[Groups 2\]'
until_true 5 "rates come" shows 'done/s  *0 '
"$STINT" queue-task ok --id quick >/dev/null || fail queue-task
until_true 5 "a rate is shown when a task is done" shows '▇\|█'
ok "80 x 24: $(screen | grep -c .) lines"

# Stop a task: n does not, y does.
key Tab Tab
until_true 5 "the tasks are selected" shows '\[Running 2\]'
key s
until_true 5 "it asks" shows 'stop the task slow-.? y/n'
key n
until_true 5 "n: the question goes" shows_not 'y/n'
equal "and nothing is done" 2 "$(count_status RUNNING)"
key / slow-2 Enter
until_true 5 "a filter" shows_not '^slow-1'
key s y
until_true 5 "y: it is told" shows 'slow-2 is told to stop'
until_true 5 "and stops" has_status STOPPED slow-2
equal "the other one runs on" RUNNING "$(field status slow-1)"
key Escape
until_true 5 "without the filter" shows '^slow-1'
key d
until_true 5 "a key of another pane says so" shows 'go to Workers'

# Disable a worker and resume it.
key BTab
until_true 5 "the workers are selected" shows '\[Workers 1\]'
key d y
until_true 5 "the worker is disabled" worker_is DISABLED
until_true 5 "which is shown" shows '^w1.*DISABLED'
key d
until_true 5 "it asks for the contrary" shows 'take tasks again'
key y
until_true 5 "and it is resumed" worker_is ACTIVE

# Help, sizes.
key '?'
until_true 5 "help" shows 'requeue the failed task'
key '?'
T resize-window -t top -x 120 -y 40
until_true 5 "larger: one more column" shows 'SAYS'
T resize-window -t top -x 40 -y 10
until_true 5 "40 x 10: its workers" shows '^w1.* ACTIVE'
equal "the selected pane only" 0 "$(screen | grep -c '^GROUP')"
T resize-window -t top -x 39 -y 10
until_true 5 "39 x 10: it says so" shows 'too small: 39x10'
T resize-window -t top -x 80 -y 24
until_true 5 "and back" shows '^GROUP'

# Redis goes and comes; keys work meanwhile.
redis_kill
until_true 10 "Redis is away" shows 'Redis away since ..:..:..Z'
until_true 5 "what was known is still shown" shows '^w1'
key '?'
until_true 2 "keys work" shows 'requeue the failed task'
key '?'
redis_up
redis_wait
until_true 10 "Redis is back" shows_not 'Redis away'

# Leaving.
key q
until_true 5 "q: the shell is there, as before" shows 'status 0'
until_true 5 "the screen is what it was" shows 'shell>'
equal "nothing of the screen is left" 0 "$(screen | grep -c '^GROUP')"
key "stty -a | grep -o '[-]*echo '" Enter
until_true 5 "the terminal echoes again" shows '^echo'
top_off

# ---- Other terminals ---------------------------------------------------------
top_on 80 24 LC_ALL=C TERM=screen
until_true 5 "ASCII: a screen" shows '^main '
equal "without other characters" 0 "$(screen | LC_ALL=C grep -c '[^ -~]')"
key q
until_true 5 "ends" shows 'status 0'
top_off
for term in xterm linux vt100; do
    top_on 80 24 TERM=$term
    until_true 5 "TERM=$term" shows '^main '
    key q
    until_true 5 "ends" shows 'status 0'
    top_off
done
for term in dumb nosuchterm; do
    top_on 80 24 TERM=$term
    until_true 5 "TERM=$term: exit 2" shows 'status 2'
    contains "--once is named" 'top --once' "$(cat "$tmp/top.log")"
    top_off
done
passed
