#!/bin/sh
# setup.sh FOLDER: builds the program there. Exit code 3 and one line of reason where this contender cannot run.
set -eu
command -v go >/dev/null || { echo "no Go here" >&2; exit 3; }
cd "$(dirname "$0")"
GOFLAGS="-mod=readonly -buildvcs=false" CGO_ENABLED=0 go build -o "$1/app" . >"$1/build.log" 2>&1 || { tail -n 1 "$1/build.log" >&2; exit 3; }
