# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Runs what a page of docs/ shows: files that a comment names are written, lines
# after "$ " are run in one shell, and their output is compared; "…" stands for
# anything. Sourced behind lib.sh.
doc_start() { # PAGE
    doc=$(cd "$here/../../docs" && pwd)/$1
    cd "$tmp" || fail "no directory"
    mkdir -p bin
    ln -s "$STINT" bin/stint
    PATH="$tmp/bin:$PATH"
    commands=0
}

compare() { # command, expected, got: line by line
    local -a want got
    mapfile -t want <<<"$2"
    mapfile -t got <<<"$3"
    [ -z "$2" ] && want=()
    [ -z "$3" ] && got=()
    local i bad=0
    [ "${#want[@]}" -eq "${#got[@]}" ] || bad=1
    for i in "${!want[@]}"; do
        local pattern=${want[$i]//\\/\\\\}
        pattern=${pattern//\*/\\*}
        pattern=${pattern//\[/\\[}
        pattern=${pattern//\?/\\?}
        pattern=${pattern//…/*}
        # shellcheck disable=SC2053 # the right side is a pattern
        [[ "${got[$i]:-}" == $pattern ]] || bad=1
    done
    commands=$((commands + 1))
    [ $bad -eq 0 ] && return
    printf 'in %s:\n$ %s\n--- expected\n%s\n--- got\n%s\n' "$doc" "$1" "$2" "$3"
    fail "an example does not do what it shows"
}

run() { # command, expected; the pid of what goes on behind is $doc_worker
    [ -n "$1" ] || return 0
    if [[ "$1" == *'&' ]]; then
        eval "$1"
        doc_worker=$!
        pids+=("$doc_worker")
        sleep 0.5
        return
    fi
    eval "$1" >out 2>&1 </dev/null
    compare "$1" "$2" "$(cat out)"
}

doc_run() {
    local file='' block='' command='' expected='' line
    while IFS= read -r line; do
        case "$block:$line" in
        ':<!-- file: '*) file=${line#<!-- file: } file=${file% -->} ;;
        ':```json') [ -n "$file" ] && block=file && : >"$file" ;;
        ':```console') block=console ;;
        'file:```') block='' file='' ;;
        'console:```')
            run "$command" "$expected"
            block='' command='' expected=''
            ;;
        file:*) printf '%s\n' "$line" >>"$file" ;;
        'console:$ '*)
            run "$command" "$expected"
            command=${line#'$ '} expected=''
            ;;
        console:*) expected+=${expected:+$'\n'}$line ;;
        esac
    done <"$doc"
    ok "$commands examples of docs/${doc##*/}"
}
