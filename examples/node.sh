# examples/node.sh: sourced by the scripts: a node, or a cluster of them, on a temporary directory, and the commands.
set -euo pipefail

PDR_BUILD=${PDR_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release}
work=$(mktemp -d "${PDR_TEST_DIR:-${TMPDIR:-/tmp}}/perdure-example.XXXXXX")
node_pid=
member_pids=() members=() # of a cluster: by number, from 1; where each listens

perdure() { "$PDR_BUILD/bin/perdure" "$@"; }

start_node() { # FLAG...: returns when it can be called; PERDURE_NODE then says where
    local ready
    exec 3< <(exec "$PDR_BUILD/bin/perdure" start --data "$work/data" --listen 127.0.0.1:0 "$@" 2>>"$work/log")
    node_pid=$!
    if ! read -r -t 30 ready <&3; then
        printf 'the node did not start:\n' >&2
        cat "$work/log" >&2
        exit 1
    fi
    ready=${ready#* listens on }
    export PERDURE_NODE=${ready%%, *}
}

end_node() { # SIGNAL
    kill -s "$1" "$node_pid"
    while kill -0 "$node_pid" 2>/dev/null; do sleep 0.01; done
    node_pid=
    exec 3<&-
}

start_cluster() { # COUNT FLAG...: returns when all its nodes can be called; PERDURE_NODE then names them all
    local n
    start_member 1 --expect "$@"
    for ((n = 2; n <= $1; n++)); do start_member "$n" "${@:2}"; done
    PERDURE_NODE=$(IFS=, && echo "${members[*]}")
    export PERDURE_NODE
}

start_member() { # N FLAG...: starts it, or starts it again, with its data and its address
    local n=$1 ready out
    shift
    if ((n > 1)); then
        set -- --join "${members[1]}" --secret "$work/data-1/secret" "$@"
    fi
    exec {out}< <(exec "$PDR_BUILD/bin/perdure" start --name "n$n" --data "$work/data-$n" \
        --listen "${members[n]:-127.0.0.1:0}" "$@" 2>>"$work/log-$n")
    member_pids[n]=$!
    if ! read -r -t 30 ready <&"$out"; then
        printf 'node %s did not start:\n' "$n" >&2
        cat "$work/log-$n" >&2
        exit 1
    fi
    ready=${ready#* listens on }
    members[n]=${ready%%, *}
}

end_member() { # N SIGNAL
    kill -s "$2" "${member_pids[$1]}"
    while kill -0 "${member_pids[$1]}" 2>/dev/null; do sleep 0.01; done
    unset "member_pids[$1]"
}

end_cluster() { # at once: a node that stops in good order would first hand on what it leads
    local n
    for n in "${!member_pids[@]}"; do end_member "$n" KILL; done
}

clean() {
    local pid
    for pid in $node_pid "${member_pids[@]}"; do
        kill -s KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean EXIT
