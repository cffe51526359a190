#!/bin/sh
# cmake/test_lints.sh: check_layers.sh and check_seams.sh pass a small tree that keeps the rules, and find what is
# planted into it.
set -eu
cmake=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# A tree with a file in each kind of place, all as it should be.
fresh() {
    rm -rf "$tree"
    mkdir -p "$tree/cmake" "$tree/include/perdure" "$tree/core/base" "$tree/core/env" "$tree/core/journal" \
        "$tree/core/shard" "$tree/net/wire" "$tree/net/client" "$tree/actors/builtin" "$tree/tests"
    cp "$cmake/layers.txt" "$tree/cmake/"
    put include/perdure/bytes.h '#include <stddef.h>'
    put core/base/mem.h '#include <perdure/bytes.h>'
    put core/base/mem.c '#include "core/base/mem.h"' '#include <unistd.h>'
    put core/env/loop_uv.h '#include <uv.h>'
    put core/env/loop_uv.c '#include "core/env/loop_uv.h"' 'int now(void) { return clock_gettime(); }'
    put core/journal/journal.h '#include "core/base/mem.h"'
    put core/shard/turn.h '#include "core/journal/journal.h"'
    put core/shard/turn.c '#include "core/shard/turn.h"' '#include <stdio.h>' \
        '/* time() in a comment */ const char *s = "sleep() in a literal \" rand()";' \
        'void f(struct ops *ops) { ops->open(1); ops->time (2); int time = 3; time++; }'
    put net/wire/frame.h '#include "core/base/mem.h"'
    put net/client/client.h '#include "net/wire/frame.h"'
    put actors/builtin/echo.c '#include <perdure/bytes.h>' '#include <string.h>'
    put tests/test_all.c '#include "core/shard/turn.h"' '#include <rocksdb/c.h>' '#include <pthread.h>'
}

put() { # FILE LINE...
    file=$1
    shift
    printf '%s\n' "$@" >"$tree/$file"
}

# CHECK WANTED: the lint's status and its words. WANTED empty: it must pass.
expect() {
    if output=$("$cmake/$1" "$tree" 2>&1); then
        status=passed
    else
        status=failed
    fi
    if [ -z "$2" ] && [ $status = passed ]; then
        return
    fi
    if [ -n "$2" ] && [ $status = failed ] && printf '%s\n' "$output" | grep -qF -e "$2"; then
        return
    fi
    printf '%s: it %s, with:\n%s\nwanted: %s\n\n' "$1" "$status" "$output" "${2:-no fault}"
    failed=1
}

planted() { # CHECK WANTED FILE LINE...
    fresh
    check=$1 wanted=$2
    shift 2
    put "$@"
    expect "$check" "$wanted"
}

fresh
expect check_layers.sh ''
expect check_seams.sh ''

layers() { planted check_layers.sh "$@"; }
layers 'core/base may not include core/env/loop_uv.h' core/base/mem.h '#include "core/env/loop_uv.h"'
layers 'core/journal may not include core/shard/turn.h' core/journal/journal.h '#include "core/shard/turn.h"'
layers 'net/client may not include core/shard/turn.h' net/client/client.h '#include "core/shard/turn.h"'
layers 'actors/builtin may not include core/base/mem.h' actors/builtin/echo.c '#include "core/base/mem.h"'
layers 'include/perdure may not include core/base/mem.h' include/perdure/bytes.h '#  include "core/base/mem.h"'
layers 'turn.c:2: core/env/loop_uv.h is not for core/shard/turn.c' core/shard/turn.c '#include "core/shard/turn.h"' \
    '#include "core/env/loop_uv.h"'
layers '<uv.h> is not for core/shard/turn.h' core/shard/turn.h '#include <uv.h>'
layers '<rocksdb/c.h> is not for core/journal/journal.h' core/journal/journal.h '#include <rocksdb/c.h>'
layers '<pthread.h> is not for actors/builtin/echo.c' actors/builtin/echo.c '#include <pthread.h>'
layers '<stdio.h> is not for include/perdure/bytes.h' include/perdure/bytes.h '#include <stdio.h>'
layers '<boost.h> is not in cmake/layers.txt' core/shard/turn.h '#include <boost.h>'
layers 'includes its own header first' core/shard/turn.c '#include <stdio.h>' '#include "core/shard/turn.h"'
layers 'mem.h is in no layer' core/base/mem.c '#include "core/base/mem.h"' '#include "mem.h"'
layers 'there is no core/base/gone.h' core/shard/turn.h '#include "core/base/gone.h"'
layers 'neither a layer, a header nor a comment' cmake/layers.txt 'core: core/base'

seams() { planted check_seams.sh "$@"; }
seams 'turn.c:1: clock_gettime: ' core/shard/turn.c 'int f(void) { return clock_gettime(0, 0); }'
seams 'turn.c:2: time: ' core/shard/turn.c '/* ' '*/ long f(void) { return time (NULL); }'
seams 'turn.c:1: rand: ' core/shard/turn.c 'int f(void) { return rand(); }'
seams 'frame.c:1: pthread_mutex_lock: ' net/wire/frame.c 'void f(void) { pthread_mutex_lock(0); }'
seams 'frame.c:1: send: ' net/wire/frame.c 'void f(void) { send(1, 0, 0, 0); }'
seams 'echo.c:1: usleep: ' actors/builtin/echo.c 'void f(void) { usleep(1); }'
seams 'journal.c:1: fdatasync: ' core/journal/journal.c 'void f(void) { fdatasync(1); }'
seams 'journal.c:1: clock_gettime: ' core/journal/journal.c 'struct clock c = {.now = clock_gettime};'

if [ $failed -ne 0 ]; then
    exit 1
fi
echo "the lints find what they are there to find"
