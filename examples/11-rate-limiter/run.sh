#!/usr/bin/env bash
# examples/11-rate-limiter/run.sh: installs Perdure into a folder, copies this example out of the tree, builds it against
# what is installed, and runs it there.
. "$(dirname "$0")/../node.sh"
cmake --install "$PDR_BUILD" --prefix "$work/perdure" >/dev/null
cp -r "$(dirname "$0")" "$work/mine"
cd "$work/mine"

PKG_CONFIG_PATH=$(dirname "$(find "$work/perdure" -name perdure-actor.pc)") ./build.sh
PDR_BUILD=$work/perdure # where node.sh finds bin/perdure
start_node --plugin ./bucket.so

# Three an hour.
perdure call bucket/letters limit 3 3600000
for _ in 1 2 3; do perdure call bucket/letters take; done
wait_ms=$(perdure call bucket/letters take)
((wait_ms > 1100000 && wait_ms <= 1200000)) && echo "the next one in 20 minutes"
perdure call bucket/letters left

# A crash fills no buckets.
end_node KILL
echo "killed"
start_node --plugin ./bucket.so
perdure call bucket/letters left

# A hundred a second, and somebody who wants thousands. A bucket that is full at first gives as many more.
perdure call bucket/api limit 100 1000
read -r got _ asked _ ms < <(./hammer bucket/api 1000)
((asked > got)) && echo "more was asked for than there was"
((got > 100)) && echo "tokens came back"
((got <= 100 + ms / 10 + 1)) && echo "and never too many"

perdure call bucket/nobody take 2>&1 || echo "exit status $?"
end_node TERM
