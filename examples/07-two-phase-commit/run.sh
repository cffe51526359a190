#!/usr/bin/env bash
# examples/07-two-phase-commit/run.sh: transfers on three nodes, one of which is killed in mid-load; then the money is
# counted.
. "$(dirname "$0")/../node.sh"
plugin=(--plugin "$PDR_BUILD/lib/two_phase.so")
start_cluster 3 "${plugin[@]}"

# One that can be, and one that the receiver refuses: no purse holds more than 2000.
perdure call purse/anna fill 1000
perdure call purse/bert fill 1900
perdure call transfer/small begin purse/anna purse/bert 100 bank/demo
perdure watch bank/demo --after 0 --count 1 >/dev/null
perdure call transfer/small outcome
perdure call transfer/large begin purse/anna purse/bert 100 bank/demo
perdure watch bank/demo --after 1 --count 1 >/dev/null
perdure call transfer/large outcome
for purse in purse/anna purse/bert; do
    until [[ $(perdure call "$purse" content) == *,0,0] ]]; do sleep 0.01; done # the decision is on its way there
    perdure call "$purse" content
done

# Twelve purses with 1000 each, 16 transfers at a time, and a node that dies.
for i in {0..11}; do perdure call "purse/$i" fill 1000 >/dev/null; done
mkfifo "$work/said"
"$PDR_BUILD/bin/two-phase-load" 400 12 16 >"$work/said" &
load=$!
exec 4<"$work/said"
read -r line <&4 && echo "$line"
end_member 2 KILL
echo "killed a node"
kill -0 "$load" && echo "in mid-load"
start_member 2 "${plugin[@]}"
read -r line <&4 && echo "$line"
wait "$load"

# Every transfer has ended one way, and none is forgotten. What was decided arrives: then the books are even.
IFS='[,]' read -r _ committed aborted _ < <(perdure call bank/main counts)
((committed + aborted == 400 && committed > 0 && aborted > 0)) && echo "each was committed or aborted, once"
content() { for i in {0..11}; do perdure call "purse/$i" content; done; }
until [[ $(content | grep -c ',0,0]$') == 12 ]]; do sleep 0.05; done
echo "nothing is on hold"
echo "in all purses: $(content | tr -d '[' | awk -F, '{sum += $1} END {print sum}')"
[[ -z $(perdure ps --dead) ]] && echo "no message was given up"

end_cluster
