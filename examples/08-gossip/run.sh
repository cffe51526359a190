#!/usr/bin/env bash
# examples/08-gossip/run.sh: 10,000 actors find their average. On standard error, how they get there, and how fast.
. "$(dirname "$0")/../node.sh"
start_node --plugin "$PDR_BUILD/lib/gossip.so"

"$PDR_BUILD/bin/gossip-look" 10000

end_node KILL
