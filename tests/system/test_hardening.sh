#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is built is hardened, names no path of its build, and needs no more
# libraries than it says. `--table` prints what each file has.
. "$(dirname "$0")/lib.sh"

build=$(dirname "$STINT")
files=("$STINT" "$build/libstint.so")
[ ! -e "$build/libstint-memory.so" ] || files+=("$build/libstint-memory.so")

has() { # FILE WHAT; a pipe into grep -q would end in SIGPIPE
    local file=$1 symbols dynamic
    symbols=$(nm -D "$file")
    dynamic=$(readelf -dW "$file")
    case "$2" in
    PIE) grep -q 'Type: *DYN' <<<"$(readelf -hW "$file")" ;;
    RELRO) grep -q GNU_RELRO <<<"$(readelf -lW "$file")" ;;
    NOW) grep -qE 'BIND_NOW|Flags:.*NOW' <<<"$dynamic" ;;
    NX) grep -qE 'GNU_STACK.* RW +0x' <<<"$(readelf -lW "$file")" ;;
    CANARY) grep -q __stack_chk_fail <<<"$symbols" ;;
    FORTIFY) grep -qE '_chk(@|$)' <<<"$symbols" ;;
    NO-TEXTREL) ! grep -q TEXTREL <<<"$dynamic" ;;
    NO-RPATH) ! grep -E 'RPATH|RUNPATH' <<<"$dynamic" | grep -qF "[/" ;;
    esac
}
wanted=(PIE RELRO NOW NX CANARY FORTIFY NO-TEXTREL NO-RPATH)
if [ "${1:-}" = --table ]; then
    printf '%-20s' ''
    printf ' %-10s' "${wanted[@]}"
    printf '\n'
    for file in "${files[@]}"; do
        printf '%-20s' "$(basename "$file")"
        for what in "${wanted[@]}"; do
            has "$file" "$what" && word=yes || word=no
            printf ' %-10s' "$word"
        done
        printf '\n'
    done
    exit 0
fi
case "$(nm -D "$build/libstint.so")" in
*__asan_* | *__tsan_* | *__ubsan_*)
    ok "a sanitizer's build is not hardened"
    passed
    exit 0
    ;;
esac
for file in "${files[@]}"; do
    for what in "${wanted[@]}"; do
        has "$file" "$what" || fail "$(basename "$file") lacks $what"
    done
    ok "$(basename "$file") is hardened"
    top=$(cd "$(dirname "$0")/../.." && pwd)
    ! grep -qF "$top" "$file" || fail "$(basename "$file") names $top"
    ok "$(basename "$file") names no path of its build"
done

# Only what the documentation names.
allowed='^(libstint|libhiredis|libhiredis_ssl|libssl|libcrypto|libevent(-2\.1|_core-2\.1|_core|_openssl-2\.1|_openssl)?|libjansson|liblua5\.1|libncursesw|libtinfo|libcrypt|libm|libc|libdl|libpthread|ld-linux[a-z0-9-]*)\.so'
for file in "${files[@]}"; do
    while read -r library; do
        grep -qE "$allowed" <<<"$library" ||
            fail "$(basename "$file") needs $library"
    done < <(readelf -dW "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done
ok "no other libraries"
passed
