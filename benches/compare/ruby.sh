#!/usr/bin/env bash
# A Ruby with YJIT and Sidekiq 8.1 or newer, for the comparison.
#
#     benches/compare/ruby.sh setup         makes it ready and prints nothing; exit code 3 with a reason where it cannot
#     benches/compare/ruby.sh run ARGS...   becomes `ruby ARGS...`, in the current folder
#
# The Ruby in PATH serves when it has both. Else: Debian's ruby3.3 is built without YJIT, so its library is built anew
# from Debian's source, patches and flags, with one word changed (--enable-yjit), and takes the packaged one's place
# in a folder of its own outside the repository: 3 minutes on two cores, 2 GB while it builds, 250 MB afterwards. That
# takes root, apt and a Debian mirror. Without RUBY_YJIT_ENABLE=1 it is a Ruby without YJIT, as Debian's is.
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
FOLDER="${HOME:-/root}/.cache/fastkiq-ruby-yjit"
CHECK='require "sidekiq"; exit RubyVM::YJIT.enabled? && Gem::Version.new(Sidekiq::VERSION) >= Gem::Version.new("8.1")'
PACKAGES="autoconf bison bzip2 gcc libc6-dev libcrypt-dev libffi-dev libgmp-dev libssl-dev libyaml-dev make patch"
PACKAGES="$PACKAGES pkgconf rustc xz-utils zlib1g-dev"
ELSE="a Ruby in PATH that was built with YJIT and has the gem sidekiq would do as well"

cannot() {
    echo "no Ruby with YJIT here: $*" >&2
    exit 3
}

serves() { "$@" ruby --yjit -e "$CHECK" </dev/null >/dev/null 2>&1; }

# Runs inside the folder that builds. The flags are those that Debian's own Ruby says it was built with.
build() {
    cat <<'SCRIPT'
set -eu
export DEBIAN_FRONTEND=noninteractive
sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/source.list
# A mirror may be one day's snapshot, past the date it was valid until; its signature is checked all the same.
apt="apt-get -qq -o Acquire::Check-Valid-Until=no -o Acquire::Retries=2 -o APT::Sandbox::User=root"
timeout 120 $apt update
timeout 300 $apt install -y --no-install-recommends $1
mkdir /build
cd /build
# Each of the two archives is checked by apt against the signed list.
timeout 120 $apt source --tar-only ruby3.3
timeout 120 $apt source --diff-only ruby3.3
tar xf ruby3.3_*.orig.tar.xz
cd ruby*/
tar xf ../ruby3.3_*.debian.tar.xz
sed 's/#.*//' debian/patches/series | while read -r name _; do
    [ -z "$name" ] || patch -p1 -s < "debian/patches/$name"
done
autoconf -o configure
ruby -rshellwords -e '
  flags = Shellwords.split(RbConfig::CONFIG["configure_args"])
  flags = flags.map { |flag| flag.sub("BUILDDIR", Dir.pwd).sub("--disable-yjit", "--enable-yjit") }
  exec("./configure", *flags, "--disable-install-doc")'
timeout 1800 nice make -j"$(nproc)" program
cp -L libruby-3.3.so.3.3 /build/libruby.so
strip -S -x /build/libruby.so
SCRIPT
}

setup() {
    if serves env || { [ "$(id -u)" = 0 ] && serves chroot "$FOLDER"; }; then return; fi
    [ "$(uname -s)" = Linux ] || cannot "Debian's can be built on Linux only; $ELSE"
    [ "$(id -u)" = 0 ] || cannot "debootstrap and chroot want root; $ELSE"
    unshare --mount true 2>/dev/null || cannot "mount namespaces are refused; $ELSE"

    local words base proxy='' work log library
    words="$("$HERE/../../tests/sidekiq/setup.sh" 2>&1 | tail -n 1)" || cannot "${words#*setup.sh: }"
    base="${words#chroot }"
    base="${base% ruby}"
    [ -d "$base/usr" ] || cannot "the Ruby in PATH has Sidekiq but no YJIT"
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi

    work="$(mktemp -d "$FOLDER.XXXXXX")"
    log="$work.log"
    # shellcheck disable=SC2064 # the names of now
    trap "rm -rf --one-file-system '$work' '$log'" EXIT
    cp -a "$base" "$work/build"
    cp -L /etc/resolv.conf "$work/build/etc/resolv.conf"
    if ! build | chroot "$work/build" sh -s "$PACKAGES" >"$log" 2>&1; then
        tail -n 8 "$log" >&2
        cannot "the build failed: $(tail -n 1 "$log")"
    fi
    cp -a "$base" "$work/ruby"
    library="$(chroot "$work/ruby" sh -c 'readlink -f /usr/lib/*/libruby-3.3.so.3.3')"
    install -m 644 "$work/build/build/libruby.so" "$work/ruby$library"
    serves chroot "$work/ruby" || cannot "the Ruby that was built does not run with YJIT and Sidekiq"
    if ! serves chroot "$FOLDER"; then # somebody else may have been faster
        rm -rf --one-file-system "$FOLDER"
        mv -T "$work/ruby" "$FOLDER"
    fi
}

# Every step is an exec: the process that was started is the Ruby. It sees /proc (Sidekiq's heartbeat reads its memory
# there), this folder and the one of the record at their own paths; the mounts are its own and go with it.
run() {
    export LC_ALL=C.UTF-8 # without a locale Ruby takes all text for ASCII
    [ -d "$FOLDER/usr" ] || exec ruby "$@"
    # shellcheck disable=SC2016 # expanded by the inner shell
    exec unshare --mount --propagation private sh -ec '
        root="$1" here="$2" record="$3"
        shift 3
        mount --rbind /proc "$root/proc"
        for folder in "$record" "$here"; do
            mkdir -p "$root$folder"
            mount --bind "$folder" "$root$folder"
        done
        exec chroot "$root" sh -c "cd \"\$0\" && exec ruby \"\$@\"" "$PWD" "$@"
    ' sh "$FOLDER" "$HERE" "$(dirname "${COMPARE_RECORD:-$HERE/.}")" "$@"
}

case "${1:-}" in
setup) setup ;;
run) shift && run "$@" ;;
*) echo "usage: $0 setup | run ARGS..." >&2 && exit 2 ;;
esac
