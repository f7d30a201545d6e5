#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What bash, zsh and fish complete is what --help shows, and no more. bash runs
# our function as it would on a Tab; zsh is typed to through a terminal of its
# own; fish says itself what it would offer.
. "$(dirname "$0")/lib.sh"

export PATH="$tmp/bin:$PATH"
mkdir "$tmp/bin"
ln -s "$STINT" "$tmp/bin/stint"

# commands, options COMMAND: a line each, as --help has them
commands() {
    stint --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}
options() {
    stint "$1" --help | sed -n 's/^  \(-h, \)\{0,1\}\(--[a-z][a-z-]*\).*/\2/p'
}
commands >"$tmp/commands"
[ "$(grep -c . "$tmp/commands")" -ge 24 ] || fail "too few commands in --help"
while read -r command; do
    options "$command" | sort >"$tmp/options.$command"
    for option in --help --json --namespace --url; do
        grep -qx -e "$option" "$tmp/options.$command" ||
            fail "$command --help has no $option"
    done
done <"$tmp/commands"
statuses='ASSIGNED COMPLETED EXPIRED FAILED QUEUED RUNNING STOPPED TIMEOUT'
kinds='clean drain latency mixed queue schedule'

# Whoever asks a shell defines offers WORD...: a line for each candidate after
# the words; the last is the one that is being typed.
check_shell() {
    local shell=$1 command
    equal "$shell: commands" "$( (cat "$tmp/commands"; echo help) | sort)" \
        "$(offers stint '' | grep -v '^-')"
    equal "$shell: of help" "$(sort "$tmp/commands" | xargs)" \
        "$(offers stint help '' | grep -vx help | xargs)"
    while read -r command; do
        offers stint "$command" -- >"$tmp/offered"
        cmp -s "$tmp/options.$command" "$tmp/offered" ||
            fail "$shell: options of $command, those of --help are <:
$(diff "$tmp/options.$command" "$tmp/offered")"
    done <"$tmp/commands"
    ok "$shell: the options of all commands"
    equal "$shell: begun" "--start-time --stop-time" \
        "$(offers stint queue-task --st | xargs)"
    equal "$shell: states" "$statuses" \
        "$(offers stint list --status '' | xargs)"
    equal "$shell: a state begun" RUNNING \
        "$(offers stint list --json --status RU)"
    equal "$shell: levels" "debug error info warn" \
        "$(offers stint worker --log-level '' | xargs)"
    equal "$shell: fail or run" "fail run" \
        "$(offers stint queue-task f --on-dependency '' | xargs)"
    equal "$shell: files" worker.json \
        "$(cd "$tmp/files" && offers stint worker --config wo)"
    equal "$shell: what takes any text" "" \
        "$(offers stint list --function '' | xargs)"
    equal "$shell: kinds of bench" "$kinds" "$(offers stint bench '' | xargs)"
    equal "$shell: of embedded" "status stop" \
        "$(offers stint embedded s | xargs)"
    equal "$shell: of cron" next "$(offers stint cron n)"
    equal "$shell: of completion" "bash fish zsh" \
        "$(offers stint completion '' | xargs)"
}
mkdir "$tmp/files"
: >"$tmp/files/worker.json"
: >"$tmp/files/other.json"

# ---- The command itself ----------------------------------------------------

exits "completion alone" 2 "$STINT" completion
exits "an unknown shell" 2 "$STINT" completion ksh
contains "it says which there are" "bash, zsh, fish" "$errout"
for shell in bash zsh fish; do
    exits "completion $shell" 0 "$STINT" completion "$shell"
    equal "nothing on stderr" "" "$errout"
    cp "$tmp/out" "$tmp/stint.$shell"
done
# The words are those the commands take.
for word in $statuses; do
    exits "list --status $word" 0 "$STINT" list --status "$word"
done

# ---- bash ------------------------------------------------------------------

bash -n "$tmp/stint.bash" || fail "bash cannot read its script"
. "$tmp/stint.bash"
equal "bash: it is set" "complete -F _stint stint" "$(complete -p stint)"
offers() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _stint stint "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    [ "${#COMPREPLY[@]}" -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}" | sort
}
check_shell bash
# bash makes three words of --status=RU.
equal "bash: after =" RUNNING "$(offers stint list --status = RU)"
equal "bash: right after =" "$statuses" \
    "$(offers stint list --status = | xargs)"

# ---- zsh -------------------------------------------------------------------

# A zsh -f in a pseudo-terminal is typed the words and a Tab; what its
# completion system then adds is written down instead of shown.
cat >"$tmp/ask.zsh" <<'ZSH'
zmodload zsh/zpty
zpty asked zsh -f -i
zpty -w asked "PS1= PS2= RPS1= fpath=(${(q)1} \$fpath)"
zpty -w asked "autoload -Uz compinit; compinit -u -d ${(q)1}/dump"
zpty -w asked "source ${(q)1}/written.zsh; cd ${(q)PWD}; print READ''Y"
zpty -r asked line '*READY*'
zpty -w -n asked "${(j: :)@[2,-1]}"$'\t'
zpty -r asked line '*<END>*'
zpty -d asked
for word in ${(f)line}; do
    word=${word%$'\r'}
    [[ $word == *'<'*'>' && $word != *'<END>' ]] &&
        print -r -- ${${word##*<}%>}
done
exit 0
ZSH
mkdir "$tmp/zsh"
cp "$tmp/stint.zsh" "$tmp/zsh/_stint"
cat >"$tmp/zsh/written.zsh" <<'ZSH'
zstyle ':completion:*' list-grouped false
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a found
    builtin compadd -A found "$@"
    local word
    for word in $found; do print -r -- "<$word>"; done
    (( $#found ))
}
ended() { print -r -- '<END>'; compstate[insert]= compstate[list]=; }
comppostfuncs=(ended)
bindkey '^I' complete-word
ZSH
if command -v zsh >/dev/null 2>&1; then
    zsh -n "$tmp/stint.zsh" || fail "zsh cannot read its script"
    offers() {
        timeout 20 zsh -f "$tmp/ask.zsh" "$tmp/zsh" "$@" | sort -u
    }
    check_shell zsh
else
    echo "no zsh here: not tried"
fi

# ---- fish ------------------------------------------------------------------

if command -v fish >/dev/null 2>&1; then
    export HOME=$tmp XDG_CONFIG_HOME=$tmp/fish XDG_DATA_HOME=$tmp/fish
    fish --no-execute "$tmp/stint.fish" || fail "fish cannot read its script"
    # shellcheck disable=SC2016
    offers() {
        fish --no-config -c 'source $argv[1]; complete -C "$argv[2..]"' \
            "$tmp/stint.fish" "$@" | cut -f 1 | sort -u
    }
    check_shell fish
else
    echo "no fish here: not tried"
fi
passed
