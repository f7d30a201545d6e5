#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deploy/users.acl: it is what lua/ needs and no more; on a Redis with these
# users each may call exactly its functions and commands, on Stint's keys only;
# who may not load the library is told who has to; passwords are replaced
# without a gap.
. "$(dirname "$0")/lib.sh"
deploy=$here/../../deploy

# ---- The file and the rules --------------------------------------------------

exits "users.acl is what lua/ needs" 0 "$deploy/acl"
mkdir "$tmp/tree"
cp -r "$deploy/../lua" "$tmp/tree/lua"
mkdir "$tmp/tree/deploy"
cp "$deploy/acl" "$deploy/users.acl" "$tmp/tree/deploy"
# altered FILE SED: the same tree with a change
altered() {
    rm -rf "$tmp/altered"
    cp -r "$tmp/tree" "$tmp/altered"
    sed -i "$2" "$tmp/altered/$1"
    cmp -s "$tmp/tree/$1" "$tmp/altered/$1" && fail "nothing altered in $1"
}
altered lua/stats.lua "s/'HMGET'/'ZLEXCOUNT'/"
exits "a command nobody has heard of" 1 "$tmp/altered/deploy/acl"
contains "is named" "does ZLEXCOUNT read or write" "$errout"
altered lua/stats.lua "\$i redis.call('SSCAN', base .. ':task', '0')"
exits "a command that a role lacks" 1 "$tmp/altered/deploy/acl"
contains "is named, with the role" "stint-monitor lacks +sscan" "$out"
altered lua/prelude.lua "s/put(w, 'ZREM', w.base .. ':stops:'/put(w, 'ZPOPMIN', w.base .. ':stops:'/"
exits "one in the prelude, by a writer" 1 "$tmp/altered/deploy/acl"
contains "is named, too" "ZPOPMIN" "$errout"
altered lua/stats.lua "\$i redis.call(string.upper('hscan'), base)"
exits "one that cannot be read" 1 "$tmp/altered/deploy/acl"
altered lua/stats.lua "\$i local call = redis.call"
exits "nor under another name" 1 "$tmp/altered/deploy/acl"
altered deploy/users.acl "/stint-monitor/s/+info/+info +slowlog|get/"
exits "a right that nothing needs" 1 "$tmp/altered/deploy/acl"
contains "is named as such" "stint-monitor has what nothing needs: +slowlog|get" \
    "$out"

# ---- A Redis with these users ------------------------------------------------

socket=$tmp/s
server() { # ACLFILE
    redis-server --port 0 --unixsocket "$socket" --dir "$tmp" --save '' \
        --aclfile "$1" >"$tmp/redis.out" 2>&1 &
    redis=$!
    pids+=("$redis")
    until_true 5 "Redis runs" test -S "$socket"
}
as() { # USER COMMAND...
    local user=$1
    shift
    redis-cli -s "$socket" --user "$user" --pass "$(password_of "$user")" \
        --no-auth-warning "$@" 2>&1
}
password_of() {
    awk -v u="$1" '$1 == u { p = $2 } END { print p }' "$tmp/users/passwords"
}
url_of() {
    echo "unix://$1:$(password_of "$1")@$socket"
}
roles="stint-deploy stint-client stint-durable stint-worker stint-broker
    stint-monitor stint-admin"

server "$deploy/users.acl"
contains "without passwords nobody gets in" WRONGPASS \
    "$(redis-cli -s "$socket" --user stint-admin --pass '' PING 2>&1)"
kill_hard "$redis"
rm -f "$socket"
exits "deploy/users" 0 "$deploy/users" "$tmp/users"
equal "its files are for the owner only" "600 600 700" "$(cd "$tmp" &&
    echo "$(stat -c %a users/users.acl users/passwords users | paste -sd' ')")"
cp "$tmp/users/users.acl" "$tmp/first.acl"
"$deploy/users" "$tmp/users" || fail "deploy/users again"
exits "again: the same passwords" 0 cmp "$tmp/first.acl" "$tmp/users/users.acl"
server "$tmp/users/users.acl"
contains "the default user is off" NOAUTH \
    "$(redis-cli -s "$socket" PING 2>&1)"

# ---- The library -------------------------------------------------------------

exits "no library: the client says so" 3 "$STINT" stats \
    --url "$(url_of stint-client)"
contains "and what to run" "run \`stint library load\`" "$errout"
contains "and as whom" "(stint-deploy)" "$errout"
exits "a client may not look" 3 "$STINT" library status \
    --url "$(url_of stint-client)"
contains "who may" "needs a user who may (stint-deploy)" "$errout"
exits "nor load" 3 "$STINT" library load --url "$(url_of stint-client)"
exits "no library" 1 "$STINT" library status --url "$(url_of stint-deploy)"
contains "it says" "no library" "$out"

cat >"$tmp/worker.json" <<END
{"concurrency": 2, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"}}}
END
worker early --url "$(url_of stint-worker)"
early=$worker_pid
tells_worker() {
    grep -q "stint library load" "$tmp/early.log"
}
until_true 5 "a worker waits, and says for what" tells_worker
sleep 2
equal "once, without making connections all the time" 1 \
    "$(grep -c "stint library load" "$tmp/early.log")"
exits "loading" 0 "$STINT" library load --url "$(url_of stint-deploy)"
contains "it says so" "just loaded" "$out"
exits "status" 0 "$STINT" library status --json --url "$(url_of stint-deploy)"
contains "it is ours" '"state":"same"' "$out"
STINT_URL=$(url_of stint-client)
export STINT_URL
exits "a client queues" 0 "$STINT" queue-task sleep_ms --args '[1]' --id one
exits "the worker goes on by itself" 0 "$STINT" wait one --timeout 20

# library TEXT: as of another version
library() {
    as operator FUNCTION LIST LIBRARYNAME stint WITHCODE >"$tmp/listed"
    sed -n '/^#!lua/,$p' "$tmp/listed" |
        sed "s/^local LIBRARY = '[^']*'/local LIBRARY = '$1'/" >"$tmp/library"
    as operator -x FUNCTION LOAD REPLACE <"$tmp/library" >/dev/null ||
        fail "loading version $1"
}
library "0 $(printf '%040d' 7)"
exits "an older library" 3 "$STINT" stats
contains "which one" "has version 0" "$errout"
exits "status says it" 1 "$STINT" library status --url "$(url_of stint-deploy)"
contains "in words" "older than this program's" "$out"
library "1 $(printf '%040d' 7)"
exits "another build of the same version will do" 0 "$STINT" stats
library "99 $(printf '%040d' 7)"
exits "and so will a newer one" 0 "$STINT" stats
exits "which is left alone" 0 "$STINT" library load \
    --url "$(url_of stint-deploy)"
contains "it says" "newer than this program's" "$out"
as operator FUNCTION DELETE stint >/dev/null
exits "loaded again" 0 "$STINT" library load --url "$(url_of stint-deploy)"

# ---- Who may call which function ---------------------------------------------

# By hand, not from what is tested.
cat >"$tmp/may" <<'END'
stint-deploy fleet_list
stint-client queue_task fire deliver messages stop_task requeue_task enable_task
stint-client disable_task delete_task task_status list stats why family
stint-client set_priority run_now search
stint-client fleet_heartbeat fleet_list set_parts measures history
stint-client events event_functions
stint-worker assign start progress report release heartbeat expire fire settle
stint-worker recover rewind prune wake messages deliver fleet_heartbeat
stint-worker fleet_list sample
stint-worker task_status stats set_parts
stint-broker expire fire settle recover rewind prune wake messages deliver
stint-broker fleet_heartbeat fleet_list fleet_reader events event_functions
stint-broker task_status set_parts sample queue_task stop_task requeue_task
stint-broker enable_task disable_task delete_task list stats why family
stint-broker set_priority run_now search measures history fleet_command
stint-broker pause_group resume_group keep_events
stint-monitor stats fleet_list measures history
stint-admin queue_task fire deliver messages stop_task requeue_task enable_task
stint-admin disable_task delete_task task_status list stats why family
stint-admin fleet_heartbeat fleet_list fleet_command set_parts fsck prune
stint-admin fsck_keys repair repair_keys repair_parents quarantine wake
stint-admin measures history
stint-admin events event_functions keep_events fleet_reader
stint-admin set_priority run_now search pause_group resume_group
END
sed -n 's/^stint-client/stint-durable/p' "$tmp/may" >>"$tmp/may"
functions=$(as operator FUNCTION LIST | sed -n 's/^stint_//p' | sort)
equal "functions" "$(ls "$here"/../../lua/*.lua | grep -vc '/prelude')" \
    "$(echo "$functions" | grep -c .)"
for role in $roles; do
    for f in $functions; do
        base='{stint:main}'
        [ "${f#fleet_}" = "$f" ] || base='{stint}'
        arg=0
        [ "${f%_keys}" = "$f" ] || arg=:x # what is behind the base of a key
        answer=$(as "$role" FCALL "stint_$f" 1 "$base" 1 0 "$arg" </dev/null)
        got=yes
        case $answer in
        *NOPERM* | *"can't run this command"* | *"can't access"*) got=no ;;
        esac
        wanted=no
        grep -q "^$role .*\b$f\b" "$tmp/may" && wanted=yes
        [ "$got" = "$wanted" ] ||
            fail "$role $f: wanted $wanted, got $got: $answer"
        n=$((${n:-0} + 1))
    done
    answer=$(as "$role" FCALL stint_fleet_list 1 other 1 0 0)
    case $answer in
    *NOPERM*) ;;
    *) fail "$role calls a function on a key that is not Stint's: $answer" ;;
    esac
done
ok "$n pairs of a user and a function"

# ---- Who may say which command -----------------------------------------------

# All commands of the server, with each of some keys, against deploy/acl --list.
keys=("{stint:main}:task" "{stint:main}:ended" "{stint:main}:wake"
    "{stint:main}:wake:f" "{stint}:groups" "{stint2:main}:task" "x{stint:main}:t")
as operator COMMAND LIST FILTERBY PATTERN '*' | tr a-z A-Z | sort -u \
    >"$tmp/commands"
[ "$(grep -c . "$tmp/commands")" -gt 300 ] || fail "not all commands"
{
    while read -r command; do
        echo "COMMAND INFO ${command}"
    done <"$tmp/commands"
} | as operator --json |
    sed -nE 's/^\[\["([^"]+)",(-?[0-9]+),.*/\1 \2/p' >"$tmp/arity"
equal "arities" "$(grep -c . "$tmp/commands")" "$(grep -c . "$tmp/arity")"
"$deploy/acl" --list >"$tmp/listed"
awk -v listed="$tmp/listed" -v asked="$tmp/asked" \
    -v expected="$tmp/expected" -v roles="$(echo "$roles" | paste -sd' ')" \
    -v keys="$(printf '%s ' "${keys[@]}")" '
    # A pattern of ours: a * at its end or before a }, nothing else of a glob.
    function matches(key, pattern) {
        gsub(/[{}]/, "[&]", pattern)
        gsub(/\*/, ".*", pattern)
        return key ~ "^" pattern "$"
    }
    FILENAME == listed {
        if ($2 == "command") {
            p = $4
            sub(/^(%R)?~/, "", p)
            n[$1 $3]++
            pattern[$1 $3, n[$1 $3]] = p
        }
        next
    }
    {
        command = toupper($1)
        if (command ~ /^(FCALL|FCALL_RO|ACL\|DRYRUN)$/)
            next
        words = ($2 < 0 ? -$2 : $2) - 1
        sub(/\|/, " ", $1)
        words -= $1 ~ / /
        r = split(roles, role, " ")
        k = split(keys, key, " ")
        for (i = 1; i <= r; i++)
            for (j = 1; j <= k; j++) {
                # What comes before one is known is for all.
                may = command ~ /^(AUTH|HELLO|QUIT|RESET)$/
                for (m = 1; m <= n[role[i] command]; m++) {
                    p = pattern[role[i] command, m]
                    if (p == "-" || matches(key[j], p))
                        may = 1
                }
                line = "ACL DRYRUN " role[i] " " $1
                for (w = 1; w <= words; w++)
                    line = line " " (w > 1 && command ~ /SET$|ZADD/ ? w - 1 : \
                                     key[j])
                print line >asked
                print may, role[i], command, key[j] >expected
            }
    }' "$tmp/listed" "$tmp/arity"
as operator <"$tmp/asked" | grep . >"$tmp/answers"
equal "an answer each" "$(grep -c . "$tmp/asked")" "$(grep -c . "$tmp/answers")"
paste -d' ' <(sed -E 's/^OK$/1/; t; s/.*/0/' "$tmp/answers") "$tmp/expected" |
    awk '$1 != $2 { print "wanted " $2 ", got " $1 ": " $3, $4, $5 }' \
        >"$tmp/wrong"
equal "all as listed" "" "$(head -n 20 "$tmp/wrong")"
ok "$(grep -c . "$tmp/expected") triples of user, command and key, allowed: \
$(grep -c "^1" "$tmp/expected")"

# The same for the worst of them, without DRYRUN.
set -f
while read -r command; do
    for role in $roles; do
        case "$role $command" in # fsck walks and sets aside, doctor looks
        "stint-admin SCAN "* | "stint-admin ACL LIST" | \
            "stint-admin RENAME "*) continue ;;
        esac
        # shellcheck disable=SC2086
        answer=$(as "$role" $command </dev/null)
        case $answer in
        *NOPERM*) ;;
        *) fail "$role may say $command: $answer" ;;
        esac
    done
done <<'END'
EVAL return 0
EVALSHA x 0
SCRIPT LOAD x
SCRIPT FLUSH
FUNCTION FLUSH
FUNCTION DELETE stint
CONFIG SET appendonly no
CONFIG REWRITE
KEYS *
SCAN 0
FLUSHALL
FLUSHDB
SHUTDOWN NOSAVE
MONITOR
ACL LIST
CLIENT LIST
CLIENT KILL ID 1
REPLICAOF NO ONE
MIGRATE h 1 k 0 1
RESTORE k 0 x
DUMP {stint:main}:task
SELECT 1
MULTI
GET other
SET other x
RENAME {stint:main}:task {stint:main}:x
EXPIRE {stint:main}:task 1
SORT {stint:main}:queued
PUBLISH c m
END
set +f
ok "the worst are refused on real connections"
for role in $roles; do
    case $role in
    stint-durable | stint-admin) continue ;;
    esac
    contains "$role may not see Redis's settings" NOPERM \
        "$(as "$role" CONFIG GET requirepass)"
done
contains "a monitor does not see tasks" NOPERM \
    "$(as stint-monitor HMGET '{stint:main}:task' one)"
contains "nor scans them" NOPERM \
    "$(as stint-monitor HSCAN '{stint:main}:task' 0)"

# ---- What few users may --------------------------------------------------------

exits "a client is not told Redis's settings" 2 "$STINT" queue-task sleep_ms \
    --durability 2
contains "and says so" "does not let us see its setting" "$errout"
exits "stint-durable is" 2 "$STINT" queue-task sleep_ms --durability 2 \
    --url "$(url_of stint-durable)"
contains "which are not good enough here" "no append-only file" "$errout"
exits "a task in the group of benches" 0 "$STINT" queue-task sleep_ms --id left \
    --group-name bench
exits "stopped" 0 "$STINT" stop-task left
"$STINT" bench clean >"$tmp/out" 2>&1 && fail "a client forgets a group"
contains "a client may not remove it" NOPERM "$(cat "$tmp/out")"
exits "an admin may" 0 "$STINT" bench clean --url "$(url_of stint-admin)"
contains "and does" "removed 1 task" "$out"
exits "an admin checks" 0 "$STINT" fsck --url "$(url_of stint-admin)"
exits "and pauses workers" 0 "$STINT" disable --all --url "$(url_of stint-admin)"
exits "or lets them go on" 0 "$STINT" resume --all --url "$(url_of stint-admin)"
exits "which a client cannot" 3 "$STINT" disable --all

# ---- New passwords -----------------------------------------------------------

old=$(url_of stint-client)
"$deploy/users" --rotate stint-client "$tmp/users" || fail "--rotate"
equal "ACL LOAD" OK "$(as operator ACL LOAD)"
new=$(url_of stint-client)
[ "$old" != "$new" ] || fail "no new password"
exits "the new password" 0 "$STINT" stats --url "$new"
exits "and the old one" 0 "$STINT" stats --url "$old"
"$deploy/users" --rotate stint-worker "$tmp/users" || fail "--rotate"
"$deploy/users" --retire stint-client "$tmp/users" || fail "--retire"
equal "ACL LOAD again" OK "$(as operator ACL LOAD)"
exits "now only the new one" 0 "$STINT" stats --url "$new"
exits "not the old one" 3 "$STINT" stats --url "$old"
export STINT_URL=$new
exits "the worker of before works on" 0 "$STINT" queue-task sleep_ms \
    --args '[1]' --id two
exits "with its old password" 0 "$STINT" wait two --timeout 20
kill -TERM "$early"
ended "$early" 20
equal "it leaves" 0 "$ended_status"

# ---- Another namespace -------------------------------------------------------

exits "users of another namespace" 0 "$deploy/users" --namespace other \
    --select "$tmp/users"
equal "loaded" OK "$(as operator ACL LOAD)"
exits "it works there" 0 "$STINT" stats --namespace other \
    --url "$(url_of stint-client)?db=1"
exits "and nowhere else" 3 "$STINT" stats --url "$(url_of stint-client)"
contains "who says why" "may not call Stint's functions" "$errout"
passed
