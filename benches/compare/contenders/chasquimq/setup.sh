#!/bin/sh
# Exit code 3 and one line of reason where this contender cannot run.
set -eu
version="$(redis-server --version | sed 's/.* v=\([0-9]*\)\.\([0-9]*\).*/\1 \2/')"
# shellcheck disable=SC2086 # two words
set -- $version
if [ "$1" -lt 8 ] || { [ "$1" -eq 8 ] && [ "$2" -lt 6 ]; }; then
    echo "needs Redis 8.6 for its idempotent XADD, here is $1.$2: \"ERR Invalid stream ID specified as stream command argument\"" >&2
    exit 3
fi
