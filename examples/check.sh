#!/usr/bin/env bash
# examples/check.sh NAME: runs an example and compares what it prints.
set -euo pipefail
cd "$(dirname "$0")/$1"
diff -u expected.txt <(./run.sh) || {
    echo "examples/$1 did not print what expected.txt says (or failed): see above"
    exit 1
}
