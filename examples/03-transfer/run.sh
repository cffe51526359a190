#!/usr/bin/env bash
# examples/03-transfer/run.sh: a node with a type of our own, and money that moves between two of its actors.
. "$(dirname "$0")/../node.sh"
start_node --plugin "$PDR_BUILD/lib/account.so"

perdure call account/anna deposit 100
perdure call account/anna transfer account/bert 30
perdure call account/anna balance
perdure call account/bert balance

# A turn that fails has written nothing.
perdure call account/anna transfer account/bert 71 2>&1 || echo "exit status $?"
perdure call account/anna balance

# There is no such type, so the money comes back.
perdure call account/anna transfer nosuch/one 50
perdure call account/anna balance

end_node TERM
