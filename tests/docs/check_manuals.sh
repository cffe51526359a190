#!/usr/bin/env bash
# tests/docs/check_manuals.sh BUILD: the manuals that BUILD has written are fine roff, and tell all that `--help` tells:
# every command, every flag, every exit status. Checked by what this machine has: mandoc, and the man of Debian.
set -euo pipefail
build=$1
faults=0
fault() {
    printf '%s\n' "$*"
    faults=1
}

for page in perdure perdure-bench; do
    file=$build/share/$page.1
    if command -v mandoc >/dev/null; then
        mandoc -Tlint -Wwarning "$file" || fault "$file: mandoc has warnings"
    fi
    warnings=
    if command -v groff >/dev/null; then # as `man` runs it
        warnings=$(groff -mandoc -ww -z -Tutf8 "$file" 2>&1)
    fi
    [[ -z $warnings ]] || fault "$file: $warnings"
done
if ! command -v mandoc >/dev/null && ! command -v groff >/dev/null; then
    echo "neither mandoc nor groff is here: the manuals are not checked as roff"
fi

# As it reads, but for what begins a line: roff's names are gone.
declare -A manual
for page in perdure perdure-bench; do
    manual[$page]=$(sed 's/\\-/-/g; s/Fl Fl /--/g; s/\\f[BR]//g' "$build/share/$page.1")
done
has() { # PAGE LINE: one that begins so
    [[ $'\n'${manual[$1]} == *$'\n'"$2"[[:space:]]* ]] || fault "$1.1 does not have: $2"
}
for command in $("$build/bin/perdure" --help | sed -n 's/^  perdure \([a-z-]*\) .*/\1/p'); do
    has perdure ".Ss perdure $command"
    section=${manual[perdure]#*$'\n'".Ss perdure $command"$'\n'}
    section=${section%%$'\n'.S[sh]*}
    for flag in $("$build/bin/perdure" "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'); do
        [[ $section$'\n' == *$'\n'".It $flag"[[:space:]]* ]] || fault "perdure.1: $command has no $flag"
    done
done
for status in $("$build/bin/perdure" --help | sed -n '/^Exit status/,/^$/s/^  \([0-9]\) .*/\1/p'); do
    has perdure ".It $status"
done
for flag in $("$build/bin/perdure-bench" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'); do
    has perdure-bench ".It $flag"
done
exit $faults
