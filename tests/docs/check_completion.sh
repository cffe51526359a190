#!/usr/bin/env bash
# tests/docs/check_completion.sh: in a bash of its own, completion offers every command and flag that `--help` has, and
# types, addresses and methods of a live node; without a node it is quiet. PDR_BUILD says what to test.
. "$(dirname "$0")/../../examples/node.sh"
set +e

cat >"$work/complete.sh" <<'SCRIPT'
# LINE: what is offered at its end, sorted, on one line
. "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_CWORD=0
_perdure_complete "$3"
printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' '
SCRIPT
faults=0
offers() { bash --norc --noprofile "$work/complete.sh" "$PDR_BUILD/share/perdure.bash" "$1" "$PDR_BUILD/bin/perdure" 2>&1; }
check() { # LINE WANTED
    local got
    got=$(offers "$1")
    if [[ $got != "$2" ]]; then
        printf '"%s" offers "%s", not "%s"\n' "$1" "$got" "$2"
        faults=1
    fi
}
words() { sort | paste -sd ' '; }

names=$(perdure --help | sed -n 's/^  perdure \([a-z-]*\) .*/\1/p')
check 'perdure ' "$(printf '%s\n' $names --help --version | words)"
check 'perdure sta' 'start status'
check 'perdure help ca' 'call cancel'
for command in $names; do
    flags=$(perdure "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p')
    check "perdure $command --" "$(printf '%s\n' $flags --help | words)"
done
check 'perdure start --log-level ' 'debug error info warn'
check 'perdure start --log-level=in' 'info'
mkdir -p "$work/directory/a" "$work/directory/b"
touch "$work/directory/c"
check "perdure start --data $work/directory/" "$work/directory/a $work/directory/b"
check "perdure start --plugin $work/directory/" "$work/directory/a $work/directory/b $work/directory/c"
check 'perdure status ' ''
check 'perdure nosuch ' ''

export PERDURE_NODE=127.0.0.1:1 # nobody is there
check 'perdure call ' ''
check 'perdure call counter/x ' ''

set -e
start_node
perdure call counter/visits add >/dev/null
perdure call counter/vault add >/dev/null
perdure call 'counter/va ult' add >/dev/null # bash would have to quote it
set +e
check 'perdure call cou' 'counter/'
check 'perdure call counter/v' 'counter/vault counter/visits'
check 'perdure call counter/visits ' 'add get reset'
check 'perdure call --deadline 1s counter/visits g' 'get'
check 'perdure call counter/visits --deadline=1s add ' ''
check 'perdure ps counter/vi' 'counter/visits'
check 'perdure inspect counter/vi' 'counter/visits'
node=$PERDURE_NODE
export PERDURE_NODE=127.0.0.1:1
check "perdure --node $node call cou" '' # flags stand behind the command
check "perdure call --node $node cou" 'counter/'
check "perdure call --node=$node cou" 'counter/'
exit $faults
