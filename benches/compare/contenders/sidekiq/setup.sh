#!/bin/sh
# Exit code 3 and one line of reason where this contender cannot run.
exec "$(dirname "$0")/../../ruby.sh" setup
