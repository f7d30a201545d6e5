#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is installed can be used: the program, find_package(stint), stint.pc.
. "$(dirname "$0")/lib.sh"

prefix=$tmp/prefix
cmake --install "$(dirname "$STINT")" --prefix "$prefix" >"$tmp/install.log" \
    2>&1 || fail "cmake --install"
ok "installs"
"$prefix/bin/stint" --version >"$tmp/version" 2>&1 ||
    fail "the installed program does not run"
ok "the installed program runs"

cat >"$tmp/user.c" <<'C'
#include <stint/stint.h>
#include <stdio.h>
int main(void)
{
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    o.function = "hello";
    char id[STINT_ID_LEN + 1];
    stint *s = stint_open(NULL, &err);
    if (s == NULL || stint_queue_task(s, &o, id, &errors, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    puts(id);
    stint_close(s);
    return 0;
}
C
flags=()
# A program that links a sanitized library needs the sanitizer first.
case "$(grep '^STINT_SANITIZE:' "$(dirname "$STINT")/CMakeCache.txt")" in
*=?*) flags=(-fsanitize="$(grep '^STINT_SANITIZE:' \
    "$(dirname "$STINT")/CMakeCache.txt" | cut -d= -f2)") ;;
esac
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name stint.pc)")
# shellcheck disable=SC2046
cc "${flags[@]}" -Wall -Werror -o "$tmp/by_pc" "$tmp/user.c" \
    $(pkg-config --cflags --libs stint) \
    -Wl,-rpath,"$(pkg-config --variable=libdir stint)" 2>"$tmp/pc.log" ||
    fail "pkg-config"
"$tmp/by_pc" >"$tmp/id" || fail "the program made by pkg-config"
contains "it queued a task" hello "$("$STINT" task-status "$(cat "$tmp/id")")"

mkdir "$tmp/project"
cp "$tmp/user.c" "$tmp/project"
cat >"$tmp/project/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.18)
project(user C)
find_package(stint 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE stint::stint)
C
{ cmake -S "$tmp/project" -B "$tmp/project/build" \
    -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="${flags[*]:-}" &&
    cmake --build "$tmp/project/build"; } >"$tmp/cmake.log" 2>&1 ||
    fail "find_package(stint)"
"$tmp/project/build/user" >"$tmp/id" || fail "the program made by CMake"
contains "so did that of find_package" hello \
    "$("$STINT" task-status "$(cat "$tmp/id")")"
passed
