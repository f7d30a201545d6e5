#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The manual pages: every command and option in stint(1) and nothing that is
# not there, every function in libstint(3), every key of a configuration in
# stint-worker.json(5); and their examples work.
. "$(dirname "$0")/lib.sh"

docs=$here/../../docs
flags=()
case "$(grep '^STINT_SANITIZE:' "$(dirname "$STINT")/CMakeCache.txt")" in
*=?*) flags=(-fsanitize="$(grep '^STINT_SANITIZE:' \
    "$(dirname "$STINT")/CMakeCache.txt" | cut -d= -f2)") ;;
esac

for page in stint.1 libstint.3 stint-worker.json.5; do
    if command -v mandoc >/dev/null 2>&1; then
        mandoc -T lint -W warning "$docs/$page" >"$tmp/lint" ||
            fail "mandoc: $(cat "$tmp/lint")"
        ok "$page: mandoc has no warnings"
    fi
    if command -v groff >/dev/null 2>&1; then
        groff -mdoc -ww -Tutf8 "$docs/$page" 2>"$tmp/lint" >/dev/null
        equal "$page: nor has groff" "" "$(cat "$tmp/lint")"
    fi
done

# ---- stint(1) --------------------------------------------------------------

# page_options COMMAND: those of the subsections that name it, and the common
# ones, which stand before all subsections.
page_options() {
    awk -v command="$1" '
        /^\.S[hs] / {
            wanted = $2 == "DESCRIPTION"
            if ($1 == ".Ss")
                for (i = 2; i <= NF && $i != "Ar"; i++)
                    wanted = wanted || $i == command || $i == command ","
        }
        wanted && /^\.It Fl / {
            for (i = 3; i <= NF; i++)
                if ($i ~ /^-[a-z]/) print "-" $i
        }' "$docs/stint.1" | sort -u
}
help_options() {
    "$STINT" "$1" --help |
        sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p' | sort
}

"$STINT" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' >"$tmp/commands"
[ "$(grep -c . "$tmp/commands")" -ge 24 ] || fail "too few commands in --help"
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$docs/stint.1" \
    >"$tmp/synopsis"
: >"$tmp/groups"
while read -r command; do
    grep -qE "^\.Cm (.* )?$command( |\$)" "$tmp/synopsis" ||
        fail "stint.1: no $command in the synopsis"
    # Commands that share a subsection share its list of options.
    heading=$(grep -E "^\.Ss (.* )?$command(,| |\$)" "$docs/stint.1") ||
        fail "stint.1: no subsection for $command"
    echo "$heading" >>"$tmp/groups"
    help_options "$command" >"$tmp/help"
    page_options "$command" >"$tmp/page"
    missing=$(comm -23 "$tmp/help" "$tmp/page" | xargs)
    [ -z "$missing" ] || fail "stint.1: $command lacks $missing"
    sed "s/^/$heading: /" "$tmp/help" >>"$tmp/helps"
    sed "s/^/$heading: /" "$tmp/page" >>"$tmp/pages"
done <"$tmp/commands"
ok "stint.1 has all commands and options"
equal "and no other options" "" \
    "$(comm -13 <(sort -u "$tmp/helps") <(sort -u "$tmp/pages"))"
equal "nor other commands" "" \
    "$(grep '^\.Ss' "$docs/stint.1" | grep -vxFf "$tmp/groups")"

# ---- libstint(3) -----------------------------------------------------------

sed -n 's/^\.It Fn //p' "$docs/libstint.3" | LC_ALL=C sort >"$tmp/functions"
equal "libstint.3 has what is exported, once" "" \
    "$(diff "$here/../../client/stint.sym" "$tmp/functions")"

# example PAGE: what stands between .Bd and .Ed below EXAMPLES
example() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$docs/$1" |
        sed '1,/^\.Bd/d; /^\.Ed/,$d; s/\\e/\\/g'
}
example libstint.3 >"$tmp/example.c"
cc "${flags[@]}" -std=c99 -Wall -Wextra -Wshadow -Werror \
    -I "$here/../../client/include" \
    -o "$tmp/example" "$tmp/example.c" -L "$(dirname "$STINT")" -lstint \
    -Wl,-rpath,"$(dirname "$STINT")" 2>"$tmp/cc.log" ||
    fail "the example of libstint.3 does not compile"
exits "its example runs" 0 "$tmp/example"
equal "and does what it says" 'COMPLETED: ["hello"]' "$out"

# ---- stint-worker.json(5) --------------------------------------------------

# Where keys may stand, by the section that lists them. @ is the key; null is
# no value that any of them takes, so no worker starts.
declare -A places=(
    [DESCRIPTION]='{"@": null}'
    [TASKS]='{"tasks": {"f": {"exec": ["true"], "@": null}}}'
    [RLIMITS]='{"tasks": {"f": {"exec": ["true"], "rlimits": {"@": null}}}}'
    [CGROUPS]='{"tasks": {"f": {"exec": ["true"], "cgroup": {"@": null}}}}'
)
# is_known PLACE KEY: the worker does not call it unknown
is_known() {
    echo "${places[$1]//@/$2}" >"$tmp/key.json"
    timeout 10 "$STINT" worker --config "$tmp/key.json" >"$tmp/answer" 2>&1 \
        </dev/null
    [ $? -eq 2 ] || fail "stint worker with a wrong $2: $(cat "$tmp/answer")"
    ! grep -qF "unknown key \"$2\"" "$tmp/answer"
}
# Whatever stands in quotes in the worker's source may be a key.
cat "$here"/../../worker/*.c "$here"/../../worker/run/*.c | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u \
    >"$tmp/words"
for place in "${!places[@]}"; do
    sed -n "/^\.Sh $place/,/^\.S[hs]/!d; s/^\.It Ic //p" \
        "$docs/stint-worker.json.5" | sort >"$tmp/keys"
    [ -s "$tmp/keys" ] || fail "stint-worker.json.5: no keys below $place"
    ! is_known "$place" no_such_key || fail "no_such_key is known"
    while read -r key; do
        is_known "$place" "$key" || fail "stint-worker.json.5: no key $key"
    done <"$tmp/keys"
    while read -r key; do
        ! is_known "$place" "$key" || grep -qx "$key" "$tmp/keys" ||
            fail "stint-worker.json.5: $key is missing below $place"
    done <"$tmp/words"
    ok "stint-worker.json.5 has all keys below $place: $(xargs <"$tmp/keys")"
done

example stint-worker.json.5 >"$tmp/worker.json"
"$STINT" queue-task sha256 --args '["/dev/null"]' >"$tmp/id" ||
    fail "queue-task"
worker w1 --drain
ended "$worker_pid" 20
equal "a worker takes its example" 0 "$ended_status"
contains "and runs a program of it" \
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 \
    "$("$STINT" task-status --output "$(cat "$tmp/id")")"
passed
