#!/usr/bin/env bash
# tests/install/check.sh BUILD CC: installs into a directory of its own, moves it, and builds and runs against what is there:
# a client with each library, a plugin, the commands; manuals, completion and the service are where they are looked for.
set -euo pipefail
build=$1 cc=$2 source=$(cd "$(dirname "$0")/../.." && pwd)
export PDR_BUILD=$build
. "$source/examples/node.sh"

cmake --install "$build" --prefix "$work/there" >/dev/null
mv "$work/there" "$work/here" # nothing may remember where it was
export PKG_CONFIG_PATH=$(dirname "$(find "$work/here" -name perdure-client.pc)")
library=$(pkg-config --variable=libdir perdure-client)
load=$source/examples/02-counter/load.c
$cc -o "$work/load" "$load" $(pkg-config --cflags --libs perdure-client)
$cc -o "$work/load-static" "$load" $(pkg-config --cflags --libs perdure-client-static)
$cc -shared -fPIC -o "$work/tally.so" "$source/docs/samples/tally.c" $(pkg-config --cflags --libs perdure-actor)
! ldd "$work/load-static" | grep perdure || exit 1

missing=0
for file in share/man/man1/perdure.1 share/man/man1/perdure-bench.1 share/bash-completion/completions/perdure \
    share/bash-completion/completions/perdure-bench lib/systemd/system/perdure.service share/perdure/perdure.default \
    share/doc/perdure/LICENSE; do
    if [[ ! -s $work/here/$file ]]; then
        echo "there is no $file"
        missing=1
    fi
done
((missing == 0))
grep -qx "ExecStart=$work/there/bin/perdure start .*" "$work/here/lib/systemd/system/perdure.service"

# What is ours and not pdr_* would clash with what programs call theirs.
for shown in "$(nm -D --defined-only "$library/libperdure-client.so")" "$(nm -g --defined-only "$library/libperdure-client.a")"; do
    foreign=$(awk '$2 ~ /[A-Z]/ && $3 !~ /^pdr_/ {print $3}' <<<"$shown")
    if [[ -n $foreign ]]; then
        echo "the client library shows names that are not pdr_*: $foreign"
        exit 1
    fi
done

PDR_BUILD=$work/here
start_node --plugin "$work/tally.so"
[[ $(perdure call tally/cats add) == 1 ]]
export LD_LIBRARY_PATH=$library
for program in load load-static; do
    "$work/$program" "counter/$program" 8 >"$work/$program.out" 2>/dev/null &
    eval "${program//-/_}_pid=$!"
done
sleep 0.3
end_node KILL
wait "$load_pid" "$load_static_pid"
for program in load load-static; do
    read -r _ acknowledged _ sent <"$work/$program.out"
    ((acknowledged > 0 && sent >= acknowledged))
    echo "the installed client ($program) made $sent calls, and heard of $acknowledged"
done
