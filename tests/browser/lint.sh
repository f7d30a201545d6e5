#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the dashboard's sources may not hold: ways to make HTML of text, to run
# text, to break the content security policy, or to ask another host.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../broker/web" || exit 1

bad=0
never() {
    local what=$1 found
    shift
    found=$(grep -nE "$@" ./*.js ./*.html ./*.css ./*.svg) || return 0
    printf 'FAILED: %s:\n%s\n' "$what" "$found" >&2
    bad=1
}
never 'text as HTML' \
    'innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc *='
never 'text as a program' \
    'eval *\(|new Function|setTimeout\( *["'\''`]|setInterval\( *["'\''`]|import\('
never 'a style attribute' '\.setAttribute\( *["'\'']style|cssText|[" ]style="'
never 'a handler in HTML' '<[a-z][^>]* on[a-z]+='
never 'another host' '(https?:)?//[a-z0-9-]+\.[a-z.]*(com|org|net|io|dev)'
never 'a script or style within the page' '<script>|<style'
for file in ./*; do
    case "$file" in
    *.html | *.css | *.js | *.svg) ;;
    *)
        echo "FAILED: $file is of a type that is not embedded" >&2
        bad=1
        ;;
    esac
    grep -q 'SPDX-License-Identifier: MIT' "$file" || {
        echo "FAILED: $file has no licence line" >&2
        bad=1
    }
    [ "$(wc -l <"$file")" -le 450 ] || {
        echo "FAILED: $file is long" >&2
        bad=1
    }
done
[ "$bad" = 0 ] && echo "passed: the dashboard's sources"
exit "$bad"
