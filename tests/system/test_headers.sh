#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The public headers: each alone, as C and as C++, without a warning; and a
# program in C++ that queues a task.
. "$(dirname "$0")/lib.sh"

include=$here/../../client/include
build=$(dirname "$STINT")
strict="-Wall -Wextra -Wpedantic -Werror"
compilers=()
for cxx in g++ clang++; do
    command -v "$cxx" >/dev/null && compilers+=("$cxx")
done
[ "${#compilers[@]}" -gt 0 ] || fail "there is no C++ compiler"

for header in "$include"/stint/*.h; do
    name=stint/${header##*/}
    printf '#include <%s>\nint main(void) { return 0; }\n' "$name" \
        >"$tmp/alone.c"
    cp "$tmp/alone.c" "$tmp/alone.cc"
    # shellcheck disable=SC2086
    cc -std=c11 $strict -Wshadow -Wstrict-prototypes -I"$include" \
        -fsyntax-only "$tmp/alone.c" 2>"$tmp/c.log" || fail "$name in C"
    for cxx in "${compilers[@]}"; do
        # shellcheck disable=SC2086
        "$cxx" -std=c++11 $strict -I"$include" -fsyntax-only "$tmp/alone.cc" \
            2>"$tmp/cxx.log" || fail "$name with $cxx"
    done
    ok "$name stands alone, in C and C++"
done

cat >"$tmp/user.cc" <<'C'
#include <stint/stint.h>

#include <iostream>
#include <string>

static int handler(stint_run *run, void *)
{
    stint_run_set_retry(run, STINT_RETRY_NEVER);
    return stint_run_set_result(run, "1");
}

static int fail(const stint_err &err)
{
    std::cerr << err.text << "\n";
    return 1;
}

int main()
{
    stint_options options = STINT_OPTIONS_INIT;
    stint_task_options task = STINT_TASK_OPTIONS_INIT;
    stint_list_options list = STINT_LIST_OPTIONS_INIT;
    stint_command_options command = STINT_COMMAND_OPTIONS_INIT;
    /* Like struct stat: there is a function of that name. */
    struct stint_server_usage usage = STINT_SERVER_USAGE_INIT;
    stint_cron_options cron = STINT_CRON_OPTIONS_INIT;
    stint_worker_options worker = STINT_WORKER_OPTIONS_INIT;
    stint_function_options function = STINT_FUNCTION_OPTIONS_INIT;
    static const stint_function functions[] = {{"hello", handler, nullptr}};
    const stint_module module = {STINT_MODULE_ABI, 1, functions};
    stint_errors errors = stint_errors();
    stint_err err = stint_err();
    std::size_t seen = 0, sizes = command.size + function.size + usage.size;
    char id[STINT_ID_LEN + 1];

    stint *s = stint_open(&options, &err);
    if (!s)
        return fail(err);
    task.function = module.functions[0].name;
    if (stint_queue_task(s, &task, id, &errors, &err))
        return fail(err);
    auto count = [](const stint_status *, void *arg) {
        ++*static_cast<std::size_t *>(arg);
        return 0;
    };
    if (stint_list(s, &list, count, &seen, &err) || seen != 1)
        return fail(err);

    worker.drain = 1;
    stint_worker *w = stint_worker_new(&worker, &err);
    if (!w || stint_worker_register(w, "hello", handler, nullptr, &function,
                                    &err) || stint_worker_run(w, &err))
        return fail(err);
    stint_worker_free(w);

    stint_cron_time next;
    cron.expression = "@daily";
    cron.from = "2026-01-01T00:00:00Z";
    if (stint_cron_next(&cron, &next, 1, &err) || sizes == 0)
        return fail(err);
    stint_close(s);
    std::cout << std::string(id) << " " << next.ms << "\n";
    return 0;
}
C
# A sanitized library wants a program of its own compiler with the sanitizer.
cached() {
    grep "^$1:" "$build/CMakeCache.txt" | cut -d= -f2
}
sanitize=$(cached STINT_SANITIZE)
flags=()
[ -z "$sanitize" ] || flags=("-fsanitize=$sanitize")
library=gcc
"$(cached CMAKE_C_COMPILER)" --version | grep -q clang && library=clang
for cxx in "${compilers[@]}"; do
    if [ -n "$sanitize" ] && [ "${cxx%++}" != "${library/gcc/g}" ]; then
        continue
    fi
    # shellcheck disable=SC2086
    "$cxx" -std=c++11 $strict "${flags[@]}" -I"$include" -o "$tmp/user" \
        "$tmp/user.cc" -L"$build" -lstint -Wl,-rpath,"$build" \
        2>"$tmp/cxx.log" || fail "the program with $cxx"
    out=$("$tmp/user" 2>"$tmp/user.log") || fail "the program of $cxx"
    # 2026-01-02T00:00:00Z
    equal "it tells of the next day ($cxx)" 1767312000000 "${out#* }"
    contains "it queued a task and ran it ($cxx)" COMPLETED \
        "$("$STINT" task-status "${out% *}")"
    "$STINT" delete-task "${out% *}" >"$tmp/delete.log" 2>&1 ||
        fail "delete-task"
done
passed
