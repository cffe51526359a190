#!/bin/sh
# cmake/check_format.sh: the C of the tree is as .clang-format wants it (clang-format-14), and no line of it is longer
# than 120 columns, which clang-format allows to comments and literals.
#
#   cmake/check_format.sh            prints one line a fault, and exits with 1 if there are any
#   cmake/check_format.sh --fix      rewrites what clang-format can
#   cmake/check_format.sh [--fix] FILE...   only these
#
# What is better set by hand, such as the columns of a table, stands between /* clang-format off */ and
# /* clang-format on */.
set -eu
cd "$(dirname "$0")/.."

if ! command -v clang-format-14 >/dev/null; then
    echo "cmake/check_format.sh: there is no clang-format-14 (other versions format otherwise): \`tools/packages test\`" \
        "installs it"
    exit 1
fi
fix=
if [ "${1-}" = --fix ]; then
    fix=1
    shift
fi
if [ $# -eq 0 ]; then
    for folder in include core consensus actors net tools examples docs tests; do
        if [ -d "$folder" ]; then
            set -- "$@" "$folder"
        fi
    done
fi

files() { find "$@" -type f -name '*.[ch]' -print0; }

if [ -n "$fix" ]; then
    files "$@" | xargs -0 -r clang-format-14 -i
fi

# One line a place; clang-format would show the code of each.
faults=$({
    files "$@" | xargs -0 -r clang-format-14 --dry-run 2>&1 |
        sed -n 's/: warning: code should be clang-formatted.*/: not as .clang-format wants it/p'
    # In columns, not bytes: a byte that goes on with a character of UTF-8 takes none.
    files "$@" | LC_ALL=C xargs -0 -r awk '{
        text = $0
        gsub(/[\200-\277]/, "", text)
        if (length(text) > 120) {
            print FILENAME ":" FNR ": " length(text) " columns, more than 120"
        }
    }'
} | LC_ALL=C sort -u -t: -k1,1 -k2,2n)
if [ -n "$faults" ]; then
    printf '%s\n' "$faults" | head -n 100
    echo "$(printf '%s\n' "$faults" | wc -l) places; cmake/check_format.sh --fix rewrites what it can"
    exit 1
fi
echo "$(files "$@" | tr -cd '\0' | wc -c) files are formatted"
