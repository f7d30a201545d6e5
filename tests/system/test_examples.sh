#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is installed can be used: the program, and docs/examples by pkg-config
# and find_package.
. "$(dirname "$0")/lib.sh"

build=$(dirname "$STINT")
prefix=$tmp/prefix
cmake --install "$build" --prefix "$prefix" >"$tmp/install.log" 2>&1 ||
    fail "cmake --install"
ok "installs"
"$prefix/bin/stint" --version >"$tmp/version" 2>&1 ||
    fail "the installed program does not run"
ok "the installed program runs"
cp -r "$here/../../docs/examples" "$tmp/examples"
cd "$tmp/examples" || fail "the examples"
flags=(-Wall -Wextra -Werror)
# A program that links a sanitized library needs the sanitizer first.
case "$(grep '^STINT_SANITIZE:' "$build/CMakeCache.txt")" in
*=?*) flags+=(-fsanitize="$(grep '^STINT_SANITIZE:' "$build/CMakeCache.txt" |
    cut -d= -f2)") ;;
esac
export PKG_CONFIG_PATH LD_LIBRARY_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name stint.pc)")
LD_LIBRARY_PATH=$(pkg-config --variable=libdir stint)

# make_c NAME ARGUMENTS...: with cc, by pkg-config
make_c() {
    local name=$1
    shift
    # shellcheck disable=SC2046
    cc "${flags[@]}" -o "$name" "$@" \
        $(pkg-config --cflags --libs stint libevent jansson) \
        2>"$tmp/cc.log" || fail "cc $name"
    ok "$name compiles"
}

# works WHAT WANTED COMMAND...: it prints exactly that
works() {
    local what=$1 wanted=$2
    shift 2
    timeout 30 "$@" >"$tmp/out" 2>"$tmp/program.log" || fail "$what"
    equal "$what" "$wanted" "$(cat "$tmp/out")"
}

# tasks NAME COMMAND...: a worker, in the background
tasks() {
    local name=$1
    shift
    "$@" >"$tmp/$name.log" 2>&1 </dev/null &
    worker_pid=$!
    pids+=("$worker_pid")
}

stop() {
    kill "$worker_pid"
    ended "$worker_pid" 20
    equal "$1 ends when it is told to" 0 "$ended_status"
}

printf 'one two\nthree two\n' >"$tmp/text"
make_c client client.c
make_c client_async client_async.c
make_c worker worker.c count.c
make_c libcount.so -shared -fPIC module.c count.c

tasks embedding ./worker
works "a worker inside of a program" "COMPLETED 4" ./client "$tmp/text"
works "an event loop" "$tmp/text: COMPLETED 4" ./client_async "$tmp/text"
exits "what is not there fails" 1 ./client "$tmp/nothing"
contains "and says why" "FAILED No such file" "$out"
contains "the loop has other work" "own work" "$(
    until grep -s "own work" "$tmp/embedding.log"; do sleep 0.1; done)"
stop "the program"

tasks module "$prefix/bin/stint" worker --config module.json
works "a module" "COMPLETED 4" ./client "$tmp/text"
stop "the module's worker"

# The client of the other languages want a URL.
STINT_URL=$("$STINT" embedded status --json | json_field url)
export STINT_URL
if /usr/bin/python3 -c 'import redis' 2>/dev/null; then
    cd "$tmp/examples/python" || fail "python"
    export PYTHONPATH=$prefix/share/stint/python
    tasks python env PATH="/usr/bin:$PATH" "$prefix/bin/stint" worker \
        --config worker.json
    works "Python" "COMPLETED [['two', 2], ['one', 1]]" \
        /usr/bin/python3 queue_one.py "$tmp/text"
    stop "Python's worker"
else
    echo "# no python3-redis: its example is skipped"
fi
if command -v node >/dev/null && [ -d /usr/share/nodejs/redis ]; then
    cd "$tmp/examples/node" || fail "node"
    mkdir node_modules
    ln -s "$prefix/share/stint/node" node_modules/stint
    export NODE_PATH=/usr/share/nodejs # where Debian has it
    tasks node "$prefix/bin/stint" worker --config worker.json
    works "Node.js" 'COMPLETED "three"' node queue_one.mjs "$tmp/text"
    stop "Node.js's worker"
else
    echo "# no node-redis: its example is skipped"
fi
unset STINT_URL

cd "$tmp/examples/pkg-config-project" || fail "pkg-config"
CFLAGS="${flags[*]}" make >"$tmp/make.log" 2>&1 || fail "make"
timeout 30 ./queue hello >"$tmp/id" || fail "the program made by pkg-config"
contains "pkg-config: it queues" hello "$("$STINT" task-status "$(cat "$tmp/id")")"
cd "$tmp/examples/cmake-project" || fail "cmake"
{ cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_FLAGS="${flags[*]}" && cmake --build build; } \
    >"$tmp/cmake.log" 2>&1 || fail "find_package(stint)"
timeout 30 build/queue hello >"$tmp/id" || fail "the program made by CMake"
contains "find_package: so does this" hello \
    "$("$STINT" task-status "$(cat "$tmp/id")")"
passed
