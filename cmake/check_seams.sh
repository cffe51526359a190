#!/bin/sh
# cmake/check_seams.sh: what the simulator runs as it is asks for time, chance, threads, files and the network through
# the seams (docs/internals/README.md), never the system: else one seed would not be one run.
# Run from anywhere; prints one line a fault, and exits with 1 if there are any. Another tree: check_seams.sh DIRECTORY.
set -eu
cd "${1:-"$(dirname "$0")/.."}"

folders=
for folder in core consensus actors net; do
    if [ -d "$folder" ]; then
        folders="$folders $folder"
    fi
done

# What fills a seam is what the simulator replaces; it does ask the system:
#   *_uv.[ch] and *_os.c    loops, jobs, transports, clocks
#   disk_linux.c, store_*   the log's disk; the store, which has a lock against the work pool's threads
#   log.c, mem.c, check.c   what a process writes to its standard error, and how it ends
# shellcheck disable=SC2086 # a list
find $folders -type f -name '*.[ch]' ! -name '*_uv.[ch]' ! -name '*_os.c' ! -path core/journal/disk_linux.c \
    ! -path 'core/store/store_*.c' ! -path core/base/log.c ! -path core/base/mem.c ! -path core/base/check.c |
    LC_ALL=C sort | LC_ALL=C awk '
# `names` are not to be used; with "()" behind them they are words that may mean something else, and only a call counts.
# A final "*" stands for any ending.
function forbid(instead, names,    n, words, i, word) {
    n = split(names, words, " ")
    for (i = 1; i <= n; i++) {
        word = words[i]
        if (sub(/\(\)$/, "", word)) {
            calls[word] = instead
        } else if (sub(/\*$/, "", word)) {
            prefixes[word] = instead
        } else {
            mentions[word] = instead
        }
    }
}

BEGIN {
    forbid("the time comes from core/env/clock.h",
           "clock_gettime gettimeofday timespec_get localtime* gmtime* time() clock() times()")
    forbid("who waits sets a timer (core/base/timerwheel.h)",
           "sleep() usleep nanosleep clock_nanosleep pause() alarm() setitimer timer_create timerfd_* poll() ppoll " \
           "select() pselect epoll_* sigwait* sigtimedwait")
    forbid("chance comes from core/base/rng.h",
           "rand() srand() random() srandom rand_r drand48 erand48 lrand48 nrand48 mrand48 getrandom getentropy " \
           "arc4random*")
    forbid("threads are the business of core/env (loop.h, work.h, inbox.h)",
           "pthread_* thrd_* mtx_* cnd_* sem_wait sem_post sem_init fork() vfork clone() futex")
    forbid("bytes travel by net/transport/transport.h",
           "socket() socketpair connect() bind() listen() accept() accept4 send() sendto sendmsg recv() recvfrom " \
           "recvmsg shutdown() getaddrinfo setsockopt getsockopt")
    forbid("the log is on core/journal/disk.h, the state in core/store/store.h",
           "open() openat creat() fopen fdopen read() write() pread pwrite readv writev fsync() fdatasync " \
           "fallocate posix_fallocate ftruncate rename() renameat unlink() unlinkat mkdir() mkdirat opendir")
    forbid("settings come from who made you, by options", "getenv secure_getenv setenv")

    # FILE NAME, and why.
    allowed["core/journal/journal_open.c getrandom"] = "the id of a new log, where nobody gave one; a simulation does"
    allowed["net/client/client.c getenv"] = "$PERDURE_NODE, where nobody named a node; a simulation does"
}

function fault(text) { print text; faults++ }

# The line without comments and literals, with `in_comment` carried on to the next.
function code_of(line,    out, c, pair, quote, i) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        pair = substr(line, i, 2)
        if (in_comment) {
            if (pair == "*/") {
                in_comment = 0
                i++
            }
        } else if (quote != "") {
            if (c == "\\") {
                i++
            } else if (c == quote) {
                quote = ""
            }
        } else if (pair == "/*") {
            in_comment = 1
            i++
        } else if (pair == "//") {
            break
        } else if (c == "\"" || c == "\047") {
            quote = c
            out = out "0"
        } else {
            out = out c
        }
    }
    return out
}

function instead_of(name, called,    i) {
    if (name in mentions) {
        return mentions[name]
    }
    if (called && name in calls) {
        return calls[name]
    }
    for (i = 3; i < length(name) + 1; i++) {
        if (substr(name, 1, i) in prefixes) {
            return prefixes[substr(name, 1, i)]
        }
    }
    return ""
}

function check_line(file, number, code,    name, before, instead) {
    while (match(code, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(code, RSTART, RLENGTH)
        before = substr(code, 1, RSTART - 1)
        code = substr(code, RSTART + RLENGTH)
        if (before ~ /(\.|->)[ \t]*$/) {
            continue # a member: of a table of functions, most likely
        }
        instead = instead_of(name, code ~ /^[ \t]*\(/)
        if (instead != "" && !((file " " name) in allowed)) {
            fault(file ":" number ": " name ": " instead)
        }
    }
}

{
    in_comment = 0
    number = 0
    files++
    while ((getline line <$0) > 0) {
        number++
        if (line !~ /^[ \t]*#[ \t]*include/) {
            check_line($0, number, code_of(line))
        }
    }
    close($0)
}

END {
    if (faults) {
        print faults " ways around the seams"
        exit 1
    }
    print files " files go through the seams"
}
'
