#!/bin/sh
# Runs tests/django and Django's own cases with Django 6, on the wheel of this tree, in an environment in FOLDER:
#     tests/django/django6.sh FOLDER [pytest's arguments]
# DJANGO_PYTHON names the interpreter; else the first one that is found of 3.12 and newer. Without one, nothing is run.
set -eu
cd "$(dirname "$0")/../.."
folder=$1
shift

python=
for each in ${DJANGO_PYTHON:-python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python}; do
    if "$each" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        python=$each
        break
    fi
done
if [ -z "$python" ]; then
    echo "make: LEFT OUT: Django 6 needs Python 3.12 or newer, and none was found (DJANGO_PYTHON names one)" >&2
    exit 0
fi

venv=$folder/venv6
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip -r tests/django/django6.txt
# cargo would compile PyO3 anew for each interpreter that takes turns in one folder.
rm -rf "$folder/wheel6"
PYO3_PYTHON="$PWD/$venv/bin/python" CARGO_TARGET_DIR="$PWD/$folder/cargo6" \
    .venv/bin/maturin build --release --locked --quiet --interpreter "$venv/bin/python" --out "$folder/wheel6"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$folder"/wheel6/*.whl
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(ls "$folder"/wheel6/*.whl)[web]"
"$venv/bin/python" tests/django/conformance.py "$folder"
"$venv/bin/python" -m pytest tests/django -n 2 "$@" || { code=$?; [ $code = 5 ] && [ $# -gt 0 ] || exit $code; }
