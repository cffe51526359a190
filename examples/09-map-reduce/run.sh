#!/usr/bin/env bash
# examples/09-map-reduce/run.sh: logs that lie on three nodes are counted where they lie.
. "$(dirname "$0")/../node.sh"
plugin=(--plugin "$PDR_BUILD/lib/survey.so")
start_cluster 3 "${plugin[@]}"

# A day of a web server's log, each hour of it an actor: status, page, time taken.
awk -v to="$work/hour-" 'BEGIN {
    split("/ /cart /search /login /item", page, " ")
    for (hour = 0; hour < 24; hour++) {
        x = 1
        for (line = 0; line < 3000; line++) {
            x = (x * 1103 + hour * 7 + 12345) % 65521
            print (x % 97 == 0 ? 500 : x % 31 == 0 ? 404 : 200), page[x % 5 + 1], x % 400 "ms" > (to hour)
        }
        close(to hour)
    }
}'
for hour in {0..23}; do perdure call "log/day-$hour" append "$(<"$work/hour-$hour")"$'\n' >/dev/null; done
nodes=0
for n in 1 2 3; do [[ -z $(perdure ps log/ --node "${members[n]}") ]] || nodes=$((nodes + 1)); done
echo "24 logs lie on $nodes nodes"

# The usual way, for comparison: all data goes to the code.
fetched() { # COLUMN
    cut -d ' ' -f "$1" "$work"/hour-* | LC_ALL=C sort | uniq -c | awk '{printf "%s\"%s\":%d", (NR > 1 ? "," : ""), $2, $1}'
}

# How many requests ended how? The survey asks 24 actors; each reads its lines, and tells a few numbers.
logs=$(printf ',"log/day-%s"' {0..23})
perdure call survey/status ask 0 "[${logs#,}]"
perdure watch survey/status --after 0 --count 1
totals=$(perdure call survey/status totals)
echo "$totals"
[[ $totals == "{$(fetched 1)}" ]] && echo "sort | uniq -c says the same"
perdure call survey/status cost

# Which pages? A node is killed meanwhile. The question waits for it, or is asked again; nothing is counted twice.
perdure call survey/pages ask 1 "[${logs#,}]"
end_member 3 KILL
echo "killed a node"
start_member 3 "${plugin[@]}"
perdure watch survey/pages --after 0 --count 1
totals=$(perdure call survey/pages totals)
echo "$totals"
[[ $totals == "{$(fetched 2)}" ]] && echo "sort | uniq -c says the same"

end_cluster
