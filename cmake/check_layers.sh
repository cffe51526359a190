#!/bin/sh
# cmake/check_layers.sh: holds every include of the tree to cmake/layers.txt. Also: an include of ours names its whole
# path, and a source includes its own header first, so that every header is known to stand alone.
# Run from anywhere; prints one line a fault, and exits with 1 if there are any. Another tree: check_layers.sh DIRECTORY.
set -eu
cd "${1:-"$(dirname "$0")/.."}"

folders=
for folder in include core consensus actors net tools examples docs tests; do
    if [ -d "$folder" ]; then
        folders="$folders $folder"
    fi
done
# shellcheck disable=SC2086 # a list
find $folders -type f -name '*.[ch]' | LC_ALL=C sort | LC_ALL=C awk '
function fault(text) { print text; faults++ }

function glob(pattern, text) {
    gsub(/[.+()\[\]]/, "\\\\&", pattern)
    gsub(/\*/, ".*", pattern)
    return text ~ ("^" pattern "$")
}

# "layer PLACE: PLACES..."
function read_layer(line,    name, n, words, i) {
    sub(/^layer +/, "", line)
    name = line
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "", line)
    places[++place_count] = name
    n = split(line, words, " ")
    for (i = 1; i <= n; i++) {
        grants[name] = grants[name] " " words[i]
    }
}

# "header NAMES...: FILES..."
function read_header(line) {
    sub(/^header +/, "", line)
    header_files[++header_count] = line
    header_names[header_count] = line
    sub(/:.*/, "", header_names[header_count])
    sub(/^[^:]*: */, "", header_files[header_count])
}

# The longest place that has `path`; "" if none.
function place_of(path,    i, best) {
    best = ""
    for (i = 1; i <= place_count; i++) {
        if ((path == places[i] || index(path, places[i] "/") == 1) && length(places[i]) > length(best)) {
            best = places[i]
        }
    }
    return best
}

# Whether `from` may include `to` (a place, or a header): itself, what is granted, and what that is granted.
function reaches(from, to, path,    seen, queue, head, tail, here, n, words, i) {
    queue[tail = 1] = from
    seen[from] = 1
    for (head = 1; head <= tail; head++) {
        here = queue[head]
        if (here == to || here == path || here == "*") {
            return 1
        }
        n = split(grants[here], words, " ")
        for (i = 1; i <= n; i++) {
            if (!(words[i] in seen)) {
                seen[words[i]] = 1
                queue[++tail] = words[i]
            }
        }
    }
    return 0
}

# 1: a line grants `name` to `file`; 0: lines name it, none grants it; -1: no line names it.
function granted(name, file,    i, k, n, words, known) {
    known = -1
    for (i = 1; i <= header_count; i++) {
        n = split(header_names[i], words, " ")
        for (k = 1; k <= n && !glob(words[k], name); k++) {
        }
        if (k > n) {
            continue
        }
        known = 0
        n = split(header_files[i], words, " ")
        for (k = 1; k <= n; k++) {
            if (glob(words[k], file)) {
                return 1
            }
        }
    }
    return known
}

function check_ours(at, file, path,    from, to) {
    to = place_of(path)
    from = place_of(file)
    if (to == "") {
        fault(at ": " path " is in no layer of cmake/layers.txt; include it by its whole path, or add its folder there")
    } else if (!(path in exists) && !((path ".in") in exists_in)) {
        fault(at ": there is no " path)
    } else if (!reaches(from, to, path)) {
        fault(at ": " from " may not include " path ": it does not rest on " to " (cmake/layers.txt)")
    } else if (granted(path, file) == 0) {
        fault(at ": " path " is not for " file " (cmake/layers.txt, header)")
    }
}

function check_others(at, file, name,    known) {
    known = granted(name, file)
    if (known < 0) {
        fault(at ": <" name "> is not in cmake/layers.txt: add a line that says who may include it")
    } else if (known == 0) {
        fault(at ": <" name "> is not for " file " (cmake/layers.txt, header)")
    }
}

function check_file(file,    line, number, at, name, own, first) {
    own = file
    sub(/\.c$/, ".h", own)
    own = file ~ /\.c$/ && own in exists ? own : ""
    first = 1
    while ((getline line <file) > 0) {
        number++
        if (line !~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) {
            continue
        }
        at = file ":" number
        name = line
        sub(/^[^<"]*[<"]/, "", name)
        sub(/[>"].*/, "", name)
        if (first && own != "" && name != own) {
            fault(at ": " file " includes its own header first: #include \"" own "\"")
        }
        first = 0
        if (line ~ /include[ \t]*</ && name !~ /^perdure\//) {
            check_others(at, file, name)
        } else {
            check_ours(at, file, name ~ /^perdure\// ? "include/" name : name)
        }
    }
    close(file)
}

FILENAME == "cmake/layers.txt" {
    if ($0 ~ /^layer /) {
        read_layer($0)
    } else if ($0 ~ /^header /) {
        read_header($0)
    } else if ($0 !~ /^(#.*)?$/) {
        fault("cmake/layers.txt:" FNR ": neither a layer, a header nor a comment: " $0)
    }
    next
}
{
    files[++file_count] = $0
    exists[$0] = 1
}
END {
    exists_in["include/perdure/version.h.in"] = 1 # made by CMake
    for (i = 1; i <= file_count; i++) {
        if (place_of(files[i]) == "") {
            fault(files[i] ": in no layer of cmake/layers.txt")
        } else {
            check_file(files[i])
        }
    }
    if (faults) {
        print faults " includes against the layers"
        exit 1
    }
    print file_count " files keep to the layers"
}
' cmake/layers.txt -
