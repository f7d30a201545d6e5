#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the configuration of a task limits holds for its runs, and the error
# says what could not be done. A daemon that took off its environment dies with
# its run, and with a killed worker. A run that writes without end is cut short
# and does not make the worker grow.
. "$(dirname "$0")/lib.sh"

# Lengths of sleep that nobody else uses mark our processes.
base=$((300000 + $$ % 100000))
mkdir "$tmp/dir"
export SECRET=hidden LC_PAPER=seen
cat >"$tmp/see" <<'END'
pwd; umask; ulimit -n; nice; ulimit -c
env | sed 's/=.*//' | grep -v -e '^STINT_' -e '^_$' -e PWD | sort | tr '\n' ' '
echo "$GREETING"
grep NoNewPrivs /proc/self/status
END
cat >"$tmp/daemons" <<'END'
setsid sh -c 'env -i sleep "$0" & env -i setsid sleep "$0" &' "$1"
sleep "$2"
END
cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {
 "see": {"exec": ["sh", "$tmp/see"],
   "cwd": "$tmp/dir", "umask": "0027", "nice": 3,
   "rlimits": {"files": 100, "core": 0},
   "env": ["PATH", "LC_P*"], "setenv": {"GREETING": "hello"}},
 "gain": {"exec": ["grep", "NoNewPrivs", "/proc/self/status"],
   "no_new_privs": false},
 "memory": {"exec": ["dd", "if=/dev/zero", "of=/dev/null", "bs=256M",
   "count=1"], "rlimits": {"memory": "128M"}, "setenv": {"LC_ALL": "C"}},
 "cpu": {"exec": ["sh", "-c", "while :; do :; done"], "rlimits": {"cpu": 1}},
 "nowhere": {"exec": ["true"], "cwd": "/nope"},
 "daemons": {"exec": ["sh", "$tmp/daemons", "{args.0}", "{args.1}"]},
 "flood": {"exec": ["yes", "a line that comes again and again"]},
 "boxed": {"exec": ["sh", "-c",
   "sh \"\$0\" \"\$1\" 0; sed -n s/^0:://p /proc/self/cgroup",
   "$tmp/daemons", "{args.0}"], "cgroup": {"required": false}}}}
END

run() { # function id [options]
    local function=$1 id=$2
    shift 2
    "$STINT" queue-task "$function" --id "$id" "$@" >/dev/null \
        2>>"$tmp/queue.log" || fail "queueing $id"
}
text() { # output|error id
    printf '%b' "$(field "$1" "$2" --output)"
}
wait_for() { # ids, whatever comes of them
    "$STINT" wait "$@" --timeout 30 >/dev/null 2>"$tmp/wait.log"
    [ $? -le 1 ] || fail "waiting for $*"
}
is_gone_now() { # what mark
    mark_is_gone "$2" || fail "$1"
    ok "$1"
}
resident_kb() {
    sed -n 's/VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

run see s
run gain g
run memory m
run cpu c
run nowhere n
worker one
one=$worker_pid
wait_for s g m c n
equal "a run sees its directory, umask, limits and variables" "$tmp/dir
0027
100
$(($(nice) + 3))
0
GREETING LC_PAPER PATH hello
NoNewPrivs:	1" "$(text output s)"
contains "set-user-ID programs work if wanted" "NoNewPrivs:	0" \
    "$(text output g)"
equal "too much memory fails" FAILED "$(field status m)"
contains "and it was told so" "memory exhausted" "$(text output m)"
contains "too much CPU time is SIGXCPU" "SIGXCPU" "$(text error c)"
equal "a step that fails is named" \
    "cannot run true: cwd /nope: No such file or directory" "$(text error n)"

# ---- Daemons -----------------------------------------------------------------

run daemons long --args "[\"$base.2\", \"900\"]"
until_true 10 "daemons run" mark_is_there "$base.2"
run daemons short --args "[\"$base.1\", \"1\"]"
until_true 10 "those of another run, too" mark_is_there "$base.1"
wait_for short
equal "that run completed" COMPLETED "$(field status short)"
is_gone_now "its daemons are gone, though without environment" "$base.1"
mark_is_there "$base.2" || fail "the daemons of a run that goes on ended"
ok "those of a run that goes on are not"
"$STINT" stop-task long >/dev/null 2>&1 || fail "stop-task"
wait_for long
is_gone_now "they are, once it is stopped" "$base.2"

run daemons lost --args "[\"$base.3\", \"900\"]"
until_true 10 "daemons run again" mark_is_there "$base.3"
kill_hard "$one"
until_true 8 "a killed worker leaves none" mark_is_gone "$base.3"
"$STINT" delete-task lost >/dev/null 2>&1

# ---- Output without end ------------------------------------------------------

# AddressSanitizer would keep what is freed.
ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1 worker two
two=$worker_pid
run gain warm
wait_for warm
before=$(resident_kb "$two")
run flood f --timeout 2
wait_for f
grown=$(($(resident_kb "$two") - before))
equal "a flood ends by its timeout" TIMEOUT "$(field status f)"
out=$(text output f)
[ "${#out}" -le 65536 ] || fail "output: ${#out} bytes"
contains "of what it wrote both ends are kept" "bytes cut ...]" "$out"
[ "$grown" -lt 8192 ] || fail "the worker grew by $grown KB"
ok "the worker did not grow with it"

# ---- Cgroups -----------------------------------------------------------------

run boxed b --args "[\"$base.4\"]"
wait_for b
equal "in a cgroup or, where there is none, without" COMPLETED \
    "$(field status b)"
is_gone_now "its daemons are gone" "$base.4"
case $(text output b) in
*/stint-run-"$two"-*) ok "it had a cgroup of its own" ;;
*) echo "no cgroup v2 may be written here: not tested" ;;
esac
find /sys/fs/cgroup -maxdepth 4 -name "stint-run-$two-*" 2>/dev/null |
    grep -q . && fail "a cgroup is left"

# ---- Another user ------------------------------------------------------------

if [ "$(id -u)" -eq 0 ]; then
    cat >"$tmp/worker.json" <<'END'
{"groups": ["users"], "tasks": {"who": {"user": "nobody", "cwd": "/", "exec":
  ["sh", "-c", "setsid sh -c 'env -i sleep \"$0\" &' \"$0\"; id -un; sleep $1",
   "{args.0}", "{args.1}"]}}}
END
    run who u --group-name users --args "[\"$base.5\", \"0.3\"]"
    worker three
    three=$worker_pid
    wait_for u
    equal "a run may be another user's" nobody "$(text output u)"
    is_gone_now "whose daemons end, too" "$base.5"
    run who v --group-name users --args "[\"$base.6\", \"900\"]"
    until_true 10 "another one's run" mark_is_there "$base.6"
    kill_hard "$three"
    until_true 8 "a killed worker leaves none" mark_is_gone "$base.6"
else
    echo "not root: no other user is tried"
fi

# ---- Refused when the worker starts ------------------------------------------

refused() { # keys
    echo "{\"tasks\": {\"t\": {\"exec\": [\"true\"], $1}}}" >"$tmp/bad.json"
    exits "refused: $1" 2 "$STINT" worker --config "$tmp/bad.json" --drain
    contains "the error names the task" "tasks: t: " "$errout"
}
refused '"cwd": "x"'
refused '"umask": 22'
refused '"rlimits": {"disk": 1}'
refused '"user": "nobody-of-that-name"'
refused '"cgroup": {"memory": "x"}'
if ! grep -qsw memory /sys/fs/cgroup/cgroup.controllers; then
    refused '"cgroup": {"memory": "64M"}'
    contains "and what to do" "Delegate=yes" "$errout"
fi
passed
