# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of the broker share, behind lib.sh.

# broker NAME [options]: in the background, on a free port; its pid to
# $broker_pid, its address to $url.
broker() {
    local name=$1
    shift
    "$STINT" broker --listen 127.0.0.1:0 "$@" >"$tmp/$name.out" \
        2>>"$tmp/$name.log" </dev/null &
    broker_pid=$!
    pids+=("$broker_pid")
    until_true 10 "broker $name listens" test -s "$tmp/$name.out"
    url=$(head -n 1 "$tmp/$name.out")
}

# logs NAME TEXT
logs() {
    grep -qF "$2" "$tmp/$1.log"
}
