#!/usr/bin/env bash
# examples/06-ring-election/run.sh: who has the greatest number, found by peers that each know one other.
. "$(dirname "$0")/../node.sh"
start_node --plugin "$PDR_BUILD/lib/ring.so"

# Numbers that grow along the ring: all but one stop at the first peer, so n peers send 2n - 1 messages: the fewest.
perdure call ring/growing elect '[1, 2, 3, 4, 5, 6, 7, 8]'
perdure watch ring/growing --after 0 --count 1

# Numbers that shrink: each goes as far as it can, n(n + 1) / 2 messages: the most.
perdure call ring/shrinking elect '[8, 7, 6, 5, 4, 3, 2, 1]'
perdure watch ring/shrinking --after 0 --count 1

# A hundred, at their worst; the node is killed while their messages are under way, and started again. The election
# goes on where it was: the same leader, and not one message more or less than the 5050 there have to be.
perdure call ring/large elect "[$(seq -s, 100 -1 1)]"
end_node KILL
echo "killed"
start_node --plugin "$PDR_BUILD/lib/ring.so"
perdure watch ring/large --after 0 --count 1

# Everybody knows.
for k in 0 50 99; do perdure call "peer/large-$k" leader; done

end_node TERM
