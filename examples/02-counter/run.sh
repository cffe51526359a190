#!/usr/bin/env bash
# examples/02-counter/run.sh: kills a node in mid-load, and counts.
. "$(dirname "$0")/../node.sh"
start_node

"$PDR_BUILD/bin/counter-load" counter/visits 64 >"$work/load" 2>/dev/null &
load=$!
sleep 1
end_node KILL
wait "$load"
read -r _ acknowledged _ sent <"$work/load"

start_node # on the same directory
value=$(perdure call counter/visits get)
next=$("$PDR_BUILD/bin/counter-visit" counter/visits)
end_node TERM

((acknowledged > 0)) && echo "some increments were acknowledged before SIGKILL"
((value >= acknowledged)) && echo "none of those is missing"
((value <= sent)) && echo "and none happened twice"
((next == value + 1)) && echo "the count goes on"
