#!/usr/bin/env bash
# examples/05-work-queue/run.sh: work that is done although a worker dies, and a lock whose late holder is found out.
. "$(dirname "$0")/../node.sh"
start_node

# Jobs, in order. A worker takes two for a second, and dies with them.
perdure call queue/jobs push_many '["resize cat.png", "resize dog.png"]'
perdure call queue/jobs take 1000
perdure call queue/jobs take 1000

end_node KILL
echo "killed"
start_node

# Nobody has acknowledged them: they come back, and who watches is told. Another worker does them.
until [[ $(perdure call queue/jobs size) == *'"ready":2'* ]]; do sleep 0.05; done
perdure watch queue/jobs --after 0 --count 2
perdure call queue/jobs take
perdure call queue/jobs ack 1
perdure call queue/jobs take
perdure call queue/jobs ack 2
perdure call queue/jobs take

# One worker at a time may write the index. The first is slow: its lease ends, and the next has a larger token.
perdure call lock/index acquire worker-1 1000
perdure call lock/index acquire worker-2 60000 60000
until [[ $(perdure call lock/index check 1) == false && $(perdure call lock/index check 2) == true ]]; do sleep 0.05; done
perdure call lock/index acquire worker-2
perdure call lock/index release 1 2>&1 || echo "exit status $?"
perdure call lock/index release 2

end_node TERM
