#!/usr/bin/env bash
# examples/01-hello/run.sh: actors, called by name.
. "$(dirname "$0")/../node.sh"
start_node

# Any name may be called: nobody creates actors.
perdure call echo/anyone ping hello
perdure call counter/visits add
perdure call counter/visits add 41

# Another name is another actor.
perdure call counter/other get

# A map, with values of any kind.
perdure call kv/settings put colour '{"r": 255, "g": 128, "b": 0}'
perdure call kv/settings get colour
perdure call kv/settings scan

# What goes wrong is said in JSON, on standard error, with an exit status to match.
perdure call counter/visits subtract 1 2>&1 || echo "exit status $?"

end_node TERM
