#!/usr/bin/env bash
# An optimised Python 3.13, for the peers that need one and for a fastkiq beside them. Prints, as the only line on
# stdout, the path of its interpreter; exit code 3 with one line of reason on stderr where there is none.
#
#     benches/compare/python313.sh           the interpreter
#     benches/compare/python313.sh wheel     also builds fastkiq's wheel for it, and prints the path of that
#
# A python3.13 in PATH serves when it was built with optimisations (many of pyenv's were not: 1.1 to 1.9 times slower).
# Else Debian trixie's goes into a folder of its own outside the repository (half a minute, 250 MB), from which it runs
# under any Linux of its machine type and makes virtual environments. That takes root, apt and a Debian mirror.
# FASTKIQ_BENCH_PYTHON_3_13 names another interpreter, and is not asked how it was built.
set -euo pipefail

SUITE=trixie
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
FOLDER="${FASTKIQ_PYTHON313_FOLDER:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fastkiq-python313}"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# Debian's and Ubuntu's are optimised by their own rules and do not say so; their scheme of paths tells them.
CHECK='import ensurepip, ssl, sqlite3, ctypes, sys, sysconfig
ensurepip.version()
optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
sys.exit(sys.version_info[:2] != (3, 13) or not (optimised or "deb_system" in sysconfig.get_scheme_names()))'
export DEBIAN_FRONTEND=noninteractive

cannot() {
    echo "no optimised Python 3.13 here: $*" >&2
    exit 3
}

serves() { [ -n "$1" ] && "$1" -I -c "$CHECK" </dev/null >/dev/null 2>&1; }

# Labels come from downloaded lists: they are unknown until apt has been updated once.
mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 ~ /^https?:/ && !found { print $2; found = 1 }'
}

ready_to_bootstrap() {
    [ "$(uname -s)" = Linux ] || cannot "only Linux can run Debian's; FASTKIQ_BENCH_PYTHON_3_13 names another"
    [ "$(id -u)" = 0 ] || cannot "debootstrap and chroot want root; FASTKIQ_BENCH_PYTHON_3_13 names another"
    command -v apt-get >/dev/null || cannot "there is no apt to install debootstrap with"
    case "$FOLDER" in *[[:space:]]*) cannot "$FOLDER has a space in it (FASTKIQ_PYTHON313_FOLDER names another)" ;; esac
    if ! command -v debootstrap >/dev/null || [ ! -e $KEYRING ] || ! command -v gpgv >/dev/null || [ -z "$(mirror)" ]; then
        timeout 120 apt-get update -qq >&2 || cannot "apt-get update failed"
        timeout 120 apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring gpgv >/dev/null ||
            cannot "debootstrap cannot be installed"
    fi
    [ -n "$(mirror)" ] || cannot "apt is not set up with a Debian mirror"
}

# What is called python3.13 outside the folder: the folder's own loader starts the folder's own interpreter with the
# libraries beside it. Python finds its virtual environment by the name that it was called by.
make_usable_outside() {
    local bin="$1/usr/bin" libraries
    libraries="$FOLDER$(chroot "$1" sh -c 'dirname "$(readlink -f /usr/lib/*/libc.so.6)"')"
    mv "$bin/python3.13" "$bin/python3.13.inside"
    cat >"$bin/python3.13" <<SCRIPT
#!/bin/sh
exec $libraries/ld-linux-*.so.* --library-path $libraries --argv0 "\$0" $FOLDER/usr/bin/python3.13.inside "\$@"
SCRIPT
    chmod 755 "$bin/python3.13"
    # Where its pip for virtual environments is.
    sed -i "s|/usr/share/python-wheels|$FOLDER/usr/share/python-wheels|" "$1"/usr/lib/python3.13/_sysconfigdata_*.py
}

bootstrap() {
    local url proxy='' script fresh log
    url="$(mirror)"
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi
    # The scripts of all Debian suites of these years are one; debootstrap need not know this one's name yet.
    script=/usr/share/debootstrap/scripts/$SUITE
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid

    mkdir -p "$(dirname "$FOLDER")"
    fresh="$(mktemp -d "$FOLDER.XXXXXX")"
    log="$fresh.log"
    # Never into what an interrupted debootstrap may have left mounted.
    # shellcheck disable=SC2064 # the names of now
    trap "rm -rf --one-file-system '$fresh' '$log'" EXIT
    chmod 755 "$fresh"
    if ! timeout 300 debootstrap --force-check-gpg --keyring=$KEYRING --variant=minbase --include=python3.13,python3.13-venv \
        "$SUITE" "$fresh" "$url" "$script" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        cannot "debootstrap failed"
    fi
    rm -rf "$fresh"/var/cache/apt/archives/*.deb
    make_usable_outside "$fresh"
    if ! serves "$FOLDER/usr/bin/python3.13"; then # somebody else may have been faster
        rm -rf --one-file-system "$FOLDER"
        mv -T "$fresh" "$FOLDER"
    fi
    serves "$FOLDER/usr/bin/python3.13" || cannot "what was installed does not run"
}

interpreter() {
    local path
    if [ -n "${FASTKIQ_BENCH_PYTHON_3_13:-}" ]; then
        echo "$FASTKIQ_BENCH_PYTHON_3_13"
        return
    fi
    path="$(command -v python3.13 || true)"
    if serves "$path"; then
        echo "$path"
        return
    fi
    if ! serves "$FOLDER/usr/bin/python3.13"; then
        ready_to_bootstrap
        bootstrap
    fi
    echo "$FOLDER/usr/bin/python3.13"
}

# In a folder of its own: dist/ is what `make wheel` makes, for one Python.
wheel() {
    local python root target maturin
    python="$(interpreter)"
    root="$(cd "$HERE/../.." && pwd)"
    target="$root/target/python313"
    maturin="$root/.venv/bin/maturin"
    [ -x "$maturin" ] || maturin="$(command -v maturin)" || cannot "no maturin to build the wheel with: make dev"
    # Of one time, so that what has not changed is byte for byte the same and is not installed again.
    (cd "$root" && SOURCE_DATE_EPOCH=946684800 CARGO_TARGET_DIR="$target" "$maturin" build --release --locked --quiet \
        --interpreter "$python" --out "$target/wheels") >&2 || cannot "the wheel cannot be built"
    find "$target/wheels" -name 'fastkiq-*-cp313-cp313-*.whl' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-
}

case "${1:-}" in
'') interpreter ;;
wheel) wheel ;;
*) echo "usage: $0 [wheel]" >&2 && exit 2 ;;
esac
