#!/bin/sh
# setup.sh FOLDER: installs the locked packages there. Exit code 3 and one line of reason where this contender cannot run.
set -eu
command -v node >/dev/null && command -v npm >/dev/null || { echo "no node and npm here" >&2; exit 3; }
cp "$(dirname "$0")"/package*.json "$1/"
cd "$1"
# Not `npm ci`: it insists on the optional packages of all platforms, which not every mirror has.
npm install --no-audit --no-fund --ignore-scripts --loglevel=error >install.log 2>&1 || { grep -m1 "error" install.log >&2; exit 3; }
