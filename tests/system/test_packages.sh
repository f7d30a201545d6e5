#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Debian packages that CPack makes of this build: whole, with the right
# fields, and once unpacked they run. tests/packages/run installs them, too.
. "$(dirname "$0")/lib.sh"

build=$(dirname "$STINT")
case "$(grep '^STINT_SANITIZE:' "$build/CMakeCache.txt")" in
*=?*)
    echo "not tried: this is no build for packages"
    exit 0
    ;;
esac
for program in dpkg-deb dpkg-shlibdeps file; do
    command -v "$program" >/dev/null 2>&1 || {
        echo "not tried: no $program here"
        exit 0
    }
done

cpack --config "$build/CPackConfig.cmake" -B "$tmp/packages" \
    >"$tmp/cpack.log" 2>&1 || fail "cpack"
version=$("$STINT" --version | sed 's/^stint //')
soversion=$(readelf -dW "$build/libstint.so" |
    sed -n 's/.*SONAME.*libstint\.so\.\([0-9.]*\).*/\1/p')
library=libstint$soversion
arch=$(dpkg --print-architecture)
names="libstint-dev $library stint stint-node stint-python"
equal "the packages" \
    "$(printf "%s_$version-1_$arch.deb\n" $names | LC_ALL=C sort)" \
    "$(cd "$tmp/packages" && ls ./*.deb | sed 's|^\./||' | LC_ALL=C sort)"

# deb NAME: its file
deb() {
    echo "$tmp/packages/$1_$version-1_$arch.deb"
}
# has_field NAME FIELD PART
has_field() {
    contains "$1: $2" "$3" "$(dpkg-deb -f "$(deb "$1")" "$2")"
}

# ---- Fields ----------------------------------------------------------------

for name in $names; do
    for field in Maintainer Section Architecture Installed-Size Description
    do
        [ -n "$(dpkg-deb -f "$(deb "$name")" "$field")" ] ||
            fail "$name has no $field"
    done
    equal "$name: no trace of CMake" "" \
        "$(dpkg-deb -f "$(deb "$name")" Description | grep -i 'built using')"
done
has_field "$library" Provides libstint0
has_field "$library" Section libs
for part in libc6 libevent libhiredis libjansson; do
    has_field "$library" Depends "$part"
done
has_field libstint-dev Depends "$library (= $version-1)"
has_field libstint-dev Section libdevel
has_field stint Depends "$library (= $version-1)"
has_field stint Depends libjansson
has_field stint Recommends redis-server
equal "shlibs: the SONAME" \
    "libstint $soversion $library (>= $version)" \
    "$(dpkg-deb -I "$(deb "$library")" shlibs)"
equal "a trigger" "activate-noawait ldconfig" \
    "$(dpkg-deb -I "$(deb "$library")" triggers)"

# ---- Files -----------------------------------------------------------------

# What an installation has is in one package, and only licences and logs of
# changes are added. Manual pages are compressed, and zsh has another folder.
cmake --install "$build" --prefix "$tmp/prefix" >"$tmp/install.log" 2>&1 ||
    fail "cmake --install"
(cd "$tmp/prefix" && find . ! -type d) |
    sed 's|^\./\(share/man/.*\)|./\1.gz|
         s|zsh/site-functions|zsh/vendor-completions|' | sort >"$tmp/installed"
mkdir "$tmp/root"
for name in $names; do
    dpkg-deb -x "$(deb "$name")" "$tmp/$name" || fail "dpkg-deb -x $name"
    (cd "$tmp/$name/usr" && find . ! -type d) | sort >"$tmp/files.$name"
    for file in copyright changelog.gz changelog.Debian.gz; do
        grep -qx "./share/doc/$name/$file" "$tmp/files.$name" ||
            fail "$name: no $file"
    done
    cp -a "$tmp/$name/." "$tmp/root"
done
cat "$tmp"/files.* | grep -vE '/(copyright|changelog(\.Debian)?\.gz)$' |
    sort >"$tmp/packed"
equal "all that is installed is in one package" "" \
    "$(diff "$tmp/installed" "$tmp/packed")"

# is_in NAME PATTERN...: each is the end of a path in the package
is_in() {
    local name=$1 pattern
    shift
    for pattern in "$@"; do
        grep -qE "/$pattern\$" "$tmp/files.$name" ||
            fail "$name: no $pattern"
    done
    ok "$name has $*"
}
is_in "$library" "libstint\.so\.$soversion" "libstint\.so\.$version"
is_in libstint-dev 'libstint\.so' include/stint/stint.h pkgconfig/stint.pc \
    cmake/stint/stint-config.cmake man3/libstint.3.gz
is_in stint bin/stint libexec/stint/stint-bench-ceiling man1/stint.1.gz \
    man5/stint-worker.json.5.gz bash-completion/completions/stint \
    zsh/vendor-completions/_stint fish/vendor_completions.d/stint.fish
equal "all belongs to root" "" "$(for name in $names; do
    dpkg-deb -c "$(deb "$name")" | grep -v ' root/root '
done)"
equal "others may read it, and write nothing" "" \
    "$(find "$tmp/root" ! -type l \( ! -perm -444 -o -perm /022 \))"

usr=$tmp/root/usr
so=$(find "$usr/lib" -name "libstint.so.$version")
for binary in "$usr/bin/stint" "$so"; do
    sections=$(readelf -SW "$binary")
    contains "${binary##*/}: it is linked" .dynsym "$sections"
    case "$sections" in
    *.symtab* | *.debug_*) fail "${binary##*/} is not stripped" ;;
    esac
    equal "${binary##*/}: no search path" "" \
        "$(readelf -dW "$binary" | grep -E 'RPATH|RUNPATH')"
done

# ---- It runs ---------------------------------------------------------------

export LD_LIBRARY_PATH=${so%/*}
STINT=$usr/bin/stint
equal "the unpacked program" "stint $version" "$("$STINT" --version)"
echo '{"tasks": {"sum": {"exec": ["sha256sum", "{args.0}"]}}}' \
    >"$tmp/worker.json"
id=$("$STINT" queue-task sum --args '["/dev/null"]') || fail "queue-task"
worker w1 --drain
ended "$worker_pid" 20
equal "its worker" 0 "$ended_status"
exits "the task is COMPLETED" 0 "$STINT" wait "$id" --timeout 10
contains "with its output" e3b0c44298fc1c14 \
    "$("$STINT" task-status --output "$id")"
. "$usr/share/bash-completion/completions/stint"
equal "its completion" "complete -F _stint stint" "$(complete -p stint)"
passed
