#!/usr/bin/env bash
# examples/09-map-reduce/run.sh: logs that lie on three nodes are counted where they lie.
. "$(dirname "$0")/../node.sh"
plugin=(--plugin "$PDR_BUILD/lib/survey.so")
start_cluster 3 "${plugin[@]}"

# A day of a web server's log, each hour of it an actor: status, page, time taken.
hour() { # N
    awk -v hour="$1" 'BEGIN {
        split("/ /cart /search /login /item", page, " ")
        for (x = 1; lines++ < 3000;) {
            x = (x * 1103 + hour * 7 + 12345) % 65521
            print (x % 97 == 0 ? 500 : x % 31 == 0 ? 404 : 200), page[x % 5 + 1], x % 400 "ms"
        }
    }'
}
for h in {0..23}; do hour "$h" >"$work/hour-$h"; done
for h in {0..23}; do perdure call "log/day-$h" append "$(cat "$work/hour-$h")"$'\n' >/dev/null; done
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
perdure call survey/status totals
[[ $(perdure call survey/status totals) == "{$(fetched 1)}" ]] && echo "sort | uniq -c says the same"
perdure call survey/status cost

# Which pages? A node is killed meanwhile. The question waits for it, or is asked again; nothing is counted twice.
perdure call survey/pages ask 1 "[${logs#,}]"
end_member 3 KILL
echo "killed a node"
start_member 3 "${plugin[@]}"
perdure watch survey/pages --after 0 --count 1
perdure call survey/pages totals
[[ $(perdure call survey/pages totals) == "{$(fetched 2)}" ]] && echo "sort | uniq -c says the same"

end_cluster
