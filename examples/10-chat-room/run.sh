#!/usr/bin/env bash
# examples/10-chat-room/run.sh: two people in a room. One vanishes, then the node does; the one who is left finds out about
# the first, and goes on after the second.
. "$(dirname "$0")/../node.sh"
plugin=(--plugin "$PDR_BUILD/lib/room.so")
start_node "${plugin[@]}"
node_at=$PERDURE_NODE

mkfifo "$work/ada" "$work/bob"
exec {ada_hears}< <(exec "$PDR_BUILD/bin/chat" room/kitchen ada <"$work/ada")
exec {ada_says}>"$work/ada"

# Shows the next of these lines that somebody hears.
hear() { # FROM LINE
    local line
    while read -r -t 30 line <&"$1"; do
        if [[ $line == "$2" ]]; then
            echo "$line"
            return
        fi
    done
    echo "never heard: $2"
}

hear "$ada_hears" "* ada is here"
exec {bob_hears}< <(exec "$PDR_BUILD/bin/chat" room/kitchen bob <"$work/bob")
bob=$!
exec {bob_says}>"$work/bob"
hear "$ada_hears" "* bob is here"
perdure call room/kitchen who

echo "who left the gas on?" >&"$ada_says"
hear "$bob_hears" "ada: who left the gas on?"
echo "which gas?" >&"$bob_says"
hear "$ada_hears" "bob: which gas?"

# Nobody says good-bye for bob.
kill -s KILL "$bob"
hear "$ada_hears" "* bob is gone"

# The node forgets who was there, and nothing that was said. Ada's client finds it again, and says that she is here.
end_node KILL
echo "killed"
start_node "${plugin[@]}" --listen "$node_at"
hear "$ada_hears" "* ada is here"
echo "that one" >&"$ada_says"
hear "$ada_hears" "ada: that one"

# Who comes late reads what was said, and who came and went while the room was in memory.
perdure watch room/kitchen --after 0 --count 4

echo "/leave" >&"$ada_says"
while read -r -t 30 _ <&"$ada_hears"; do :; done # to the end
perdure call room/kitchen who

end_node TERM
