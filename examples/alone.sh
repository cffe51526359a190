#!/usr/bin/env bash
# examples/alone.sh NAME CMAKE: builds an example outside the tree, as who copied its folder would, with our headers alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-alone.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -r "$here/$1" "$work/copy"
"$2" -G Ninja -S "$work/copy" -B "$work/build" -D PERDURE_INCLUDE="$here/../include"
"$2" --build "$work/build"
test -n "$(ls "$work/build/lib"/*.so)"
