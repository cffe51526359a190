#!/usr/bin/env bash
# tests/docs/check_samples.sh: the samples of the pages do what these say.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../examples/node.sh"

expect() { # WANTED COMMAND...
    local got
    got=$("${@:2}")
    if [[ $got != "$1" ]]; then
        echo "${*:2}: printed $got, and docs/start.md says $1"
        exit 1
    fi
    echo "${*:2}: $got"
}

start_node --plugin "$PDR_BUILD/lib/tally.so"
expect 1 perdure call counter/visits add
expect 42 perdure call counter/visits add 41
kill -s KILL "$(cat "$work/data/LOCK")"
while kill -0 "$node_pid" 2>/dev/null; do sleep 0.01; done
start_node --plugin "$PDR_BUILD/lib/tally.so"
expect 42 perdure call counter/visits get
expect null perdure call kv/settings put colour '{"r": 255}'
expect '[["colour",{"r":255}]]' perdure call kv/settings scan
expect 1 perdure call tally/cats add
expect 43 /usr/bin/python3 "$here/../../docs/samples/call.py"
expect 44 "$PDR_BUILD/samples/visit"
end_node TERM
