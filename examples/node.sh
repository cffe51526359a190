# examples/node.sh: sourced by the scripts: a node on a temporary directory, and the commands.
set -euo pipefail

PDR_BUILD=${PDR_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release}
work=$(mktemp -d "${PDR_TEST_DIR:-${TMPDIR:-/tmp}}/perdure-example.XXXXXX")
node_pid=

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

clean() {
    if [[ -n $node_pid ]]; then
        kill -s KILL "$node_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT
