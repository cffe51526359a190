#!/bin/sh
# Builds the type and the client against an installed Perdure: nothing of its source is needed. Where it is installed
# somewhere else, PKG_CONFIG_PATH says so.
set -eu
cd "$(dirname "$0")"
${CC:-cc} -O2 -Wall -shared -fPIC -o bucket.so bucket.c $(pkg-config --cflags --libs perdure-actor)
${CC:-cc} -O2 -Wall -o hammer hammer.c $(pkg-config --cflags --libs perdure-client-static)
