#!/usr/bin/env bash
# Sets up the real Sidekiq and prints, as the only line on stdout, the command that runs Ruby with it: the value of
# FASTKIQ_RUBY. Exit code 3, with the reason on stderr, where that cannot be done.
#
# A Ruby that has Sidekiq 8.1 or newer and Active Job serves as it is. Else Debian forky's packages, its Redis 8 with
# them, go into a folder of their own outside the repository (half a minute, 310 MB), which takes root, apt and a Debian
# mirror: the one that apt is set up with. A folder that lacks something, since it is of before it was wanted, is made anew.
set -euo pipefail

SUITE=forky
FOLDER="${FASTKIQ_RUBY_FOLDER:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fastkiq-ruby}"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
CHECK='require "sidekiq"; require "sidekiq/web"; require "rack/mock"; require "active_job"; exit Gem::Version.new(Sidekiq::VERSION) >= Gem::Version.new("8.1")'
export DEBIAN_FRONTEND=noninteractive

cannot() {
    echo "tests/sidekiq/setup.sh: no real Sidekiq here: $*" >&2
    exit 3
}

serves() { "$@" ruby -e "$CHECK" </dev/null >/dev/null 2>&1; }
is_whole() { serves chroot "$1" && [ -e "$1/usr/bin/redis-server" ]; }

# Labels come from downloaded lists: they are unknown until apt has been updated once.
mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 ~ /^https?:/ && !found { print $2; found = 1 }'
}

if serves; then
    echo ruby
    exit
fi

[ "$(uname -s)" = Linux ] || cannot "only Linux can run Debian's package; 'gem install sidekiq rack activejob' would do as well"
[ "$(id -u)" = 0 ] || cannot "debootstrap and chroot want root; 'gem install sidekiq rack activejob' would do as well"
if is_whole "$FOLDER"; then
    echo "chroot $FOLDER ruby"
    exit
fi

command -v apt-get >/dev/null || cannot "there is no apt to install debootstrap with"
case "$FOLDER" in *[[:space:]]*) cannot "$FOLDER has a space in it (FASTKIQ_RUBY_FOLDER names another)" ;; esac
if ! command -v debootstrap >/dev/null || [ ! -e $KEYRING ] || ! command -v gpgv >/dev/null || [ -z "$(mirror)" ]; then
    timeout 120 apt-get update -qq >&2 || cannot "apt-get update failed"
    timeout 120 apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring gpgv >/dev/null ||
        cannot "debootstrap cannot be installed"
fi
url="$(mirror)"
[ -n "$url" ] || cannot "apt is not set up with a Debian mirror"
proxy=
eval "$(apt-config shell proxy Acquire::http::Proxy)"
if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi

# The scripts of all Debian suites of these years are one; debootstrap need not know this one's name yet.
script=/usr/share/debootstrap/scripts/$SUITE
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid

mkdir -p "$(dirname "$FOLDER")"
fresh="$(mktemp -d "$FOLDER.XXXXXX")"
log="$fresh.log"
# Never into what an interrupted debootstrap may have left mounted.
trap 'rm -rf --one-file-system "$fresh" "$log"' EXIT
chmod 755 "$fresh"
if ! timeout 300 debootstrap --force-check-gpg --keyring=$KEYRING --variant=minbase \
    --include=ruby,ruby-sidekiq,ruby-activejob,redis-server "$SUITE" "$fresh" "$url" "$script" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    cannot "debootstrap failed"
fi
rm -rf "$fresh"/var/cache/apt/archives/*.deb
is_whole "$fresh" || cannot "the package that was installed does not run"
if ! is_whole "$FOLDER"; then # somebody else may have been faster
    rm -rf --one-file-system "$FOLDER"
    mv -T "$fresh" "$FOLDER"
fi
echo "chroot $FOLDER ruby"
