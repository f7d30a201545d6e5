# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the system tests share; they source it first. Each test has a STINT_HOME
# of its own and so an embedded Redis of its own. Whatever it starts is noted by
# pid and ended by pid.
set -uo pipefail

: "${STINT:?STINT is the path of the program}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NOOP_MODULE=${NOOP_MODULE:-$(dirname "$STINT")/tests/noop.so}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/stint-test.XXXXXX")
export STINT_HOME=$tmp/home
unset STINT_URL
mkdir "$STINT_HOME"
pids=()     # processes of ours still to be ended
checks=0

cluster_options=() # of deploy/cluster
# In a Redis that is not the embedded one: where users may not load it, somebody
# has to.
load_library() {
    :
}
if [ "${STINT_TEST_ACL:-0}" = 1 ]; then
    . "$here/users.sh"
fi

cleanup() {
    local status=$? pid log
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    pid=$(redis_pid)
    timeout 10 "$STINT" embedded stop >/dev/null 2>&1
    [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
    if [ "$status" -ne 0 ]; then
        for log in "$tmp"/*.log; do
            [ -s "$log" ] && { echo "--- ${log##*/}"; tail -n 40 "$log"; }
        done >&2
    fi
    rm -rf "$tmp"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

ok() {
    checks=$((checks + 1))
    echo "ok $checks - $*"
}

# equal WHAT WANTED GOT
equal() {
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
    ok "$1"
}

# contains WHAT PART TEXT
contains() {
    case "$3" in
    *"$2"*) ok "$1" ;;
    *) fail "$1: no '$2' in '$3'" ;;
    esac
}

# exits WHAT STATUS COMMAND...: stdout to $out, stderr to $errout
exits() {
    local what=$1 wanted=$2 got
    shift 2
    timeout 30 "$@" >"$tmp/out" 2>"$tmp/errout" </dev/null
    got=$?
    out=$(cat "$tmp/out")
    errout=$(cat "$tmp/errout")
    [ "$got" -eq "$wanted" ] ||
        fail "$what: wanted exit $wanted, got $got; $out $errout"
    ok "$what"
}

# until_true SECONDS WHAT COMMAND...: tries it until it succeeds
until_true() {
    local end=$((SECONDS + $1 + 1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: took too long"
        sleep 0.05
    done
    ok "$what"
}

# The pid of the embedded Redis, empty if there is none.
redis_pid() {
    timeout 10 "$STINT" embedded status --json 2>/dev/null |
        grep -o '"pid": *[1-9][0-9]*' | grep -o '[0-9]*$'
}

# worker NAME [arguments]: in the background; its pid to $worker_pid.
# Every test writes $tmp/worker.json first.
worker() {
    local name=$1
    shift
    "$STINT" worker --config "$tmp/worker.json" --name "$name" \
        --heartbeat 0.5 "$@" >>"$tmp/$name.log" 2>&1 </dev/null &
    worker_pid=$!
    pids+=("$worker_pid")
}

# Forget a pid that was ended and waited for.
forget() {
    local kept=() pid
    for pid in "${pids[@]}"; do
        [ "$pid" = "$1" ] || kept+=("$pid")
    done
    pids=("${kept[@]+"${kept[@]}"}")
}

# kill_hard PID: kill -9 and reap
kill_hard() {
    kill -KILL "$1" || fail "no process $1"
    wait "$1" 2>/dev/null
    forget "$1"
}

# ended PID SECONDS: waits for our child; its exit status to $ended_status
ended() {
    local end=$((SECONDS + $2 + 1))
    while kill -0 "$1" 2>/dev/null; do
        case "$(ps_state "$1")" in
        Z | '') break ;;
        esac
        [ "$SECONDS" -lt "$end" ] || fail "process $1 did not end in $2 s"
        sleep 0.05
    done
    wait "$1"
    ended_status=$?
    forget "$1"
}

# The state letter of a process, empty if there is none.
ps_state() {
    sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null
}

# gone PID: true if it is no more, or only waits to be reaped
gone() {
    case "$(ps_state "$1")" in
    Z | X | '') return 0 ;;
    esac
    return 1
}

# field NAME ID [options]: a field of a task, strings without their quotes
field() {
    local name=$1
    shift
    "$STINT" task-status --json "$@" | json_field "$name"
}

# json_field NAME: the first field of that name in compact or spaced JSON;
# only for values without quotes in them
json_field() {
    tr -d '\n' | grep -oE "\"$1\": *(\"[^\"]*\"|[^,}\" ]+)" | head -n 1 |
        sed -E 's/^"[^"]*": *"?//; s/"$//'
}

# has_status STATUS ID
has_status() {
    [ "$(field status "$2")" = "$1" ]
}

# count_status STATUS: how many tasks have it
count_status() {
    "$STINT" list --status "$1" --limit 0 --json | grep -c .
}

fsck_clean() {
    "$STINT" fsck >"$tmp/fsck.log" 2>&1 ||
        fail "fsck: $(head -n 20 "$tmp/fsck.log")"
    ok "fsck is clean"
}

# mark_is_gone MARK: no live process has MARK as an argument
mark_is_gone() {
    local dir arg
    for dir in /proc/[0-9]*; do
        while IFS= read -r -d '' arg; do
            if [ "$arg" = "$1" ] && ! gone "${dir#/proc/}"; then
                return 1
            fi
        done 2>/dev/null <"$dir/cmdline"
    done
    return 0
}

mark_is_there() {
    ! mark_is_gone "$1"
}

passed() {
    echo "passed: $checks checks"
    exit 0
}
