#!/usr/bin/env bash
# tests/install/check.sh BUILD CC: installs into a directory of its own, moves it, and builds and runs against what is there:
# a client, a plugin, the commands.
set -euo pipefail
build=$1 cc=$2 source=$(cd "$(dirname "$0")/../.." && pwd)
export PDR_BUILD=$build
. "$source/examples/node.sh"

cmake --install "$build" --prefix "$work/there" >/dev/null
mv "$work/there" "$work/here" # nothing may remember where it was
export PKG_CONFIG_PATH=$(dirname "$(find "$work/here" -name perdure-client.pc)")
library=$(pkg-config --variable=libdir perdure-client)
$cc -o "$work/load" "$source/examples/02-counter/load.c" $(pkg-config --cflags --libs perdure-client)
$cc -shared -fPIC -I "$work/here/include" -o "$work/tally.so" "$source/docs/samples/tally.c"

foreign=$(nm -D --defined-only "$library/libperdure-client.so" | awk '$2 ~ /[A-Z]/ && $3 !~ /^pdr_/ {print $3}')
if [[ -n $foreign ]]; then
    echo "libperdure-client.so shows names that are not pdr_*: $foreign"
    exit 1
fi

PDR_BUILD=$work/here
start_node --plugin "$work/tally.so"
[[ $(perdure call tally/cats add) == 1 ]]
LD_LIBRARY_PATH=$library "$work/load" counter/visits 8 >"$work/out" 2>/dev/null &
load=$!
sleep 0.3
end_node KILL
wait "$load"
read -r _ acknowledged _ sent <"$work/out"
((acknowledged > 0 && sent >= acknowledged))
echo "the installed client made $sent calls, and heard of $acknowledged"
