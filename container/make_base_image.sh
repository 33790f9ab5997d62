#!/usr/bin/env bash
# Make a Debian image without any registry, as small as Debian's slim one.
#
# Usage:     container/make_base_image.sh [TAG]        (default byoi-base:SUITE)
# Settings:  SUITE          trixie (default, Debian 13) or bookworm (12)
#            DEBIAN_MIRROR  the archive to install from, default Debian's own
# Needs:     root, debootstrap (Debian or Ubuntu: apt-get install debootstrap), docker
#
# The tag is never one of Debian's: this image is made here, not by Debian.
set -Eeuo pipefail

suite=${SUITE:-trixie}
tag=${1:-byoi-base:$suite}
mirror=${DEBIAN_MIRROR:-}
work=

fail() {
  printf 'make_base_image: %s\n' "$1" >&2
  exit 1
}
clean_up() {
  if [ -n "$work" ]; then rm -rf --one-file-system "$work"; fi
}
trap clean_up EXIT

remedy="pull debian:$suite-slim where a registry can be reached, or name another image: make image BASE_IMAGE=..."
[ "$(uname -s)" = Linux ] || fail "debootstrap needs Linux, this is $(uname -s); $remedy"
command -v debootstrap >/dev/null || fail "debootstrap is not installed (Debian, Ubuntu: apt-get install debootstrap), or $remedy"
[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root, this is user $(id -un): sudo container/make_base_image.sh, or $remedy"
# Both packages are older than the suite on a host that has missed its updates.
scripts=${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}/scripts
[ -e "$scripts/$suite" ] || fail "this debootstrap does not know SUITE=$suite: $scripts/$suite is missing (apt-get update && apt-get install debootstrap), or $remedy"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] && has_key=$(compgen -G "${keyring%keyring.gpg}$suite-*") || has_key=
[ -n "$has_key" ] ||
  fail "Debian's key for $suite is not in ${keyring%/*} (apt-get update && apt-get install debian-archive-keyring), or $remedy"

work=$(mktemp -d)
root=$work/root
mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/apt/apt.conf.d"
# As in Debian's slim image: documentation is not unpacked, its licences are.
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'RULES'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/groff/*
RULES
cat >"$root/etc/apt/apt.conf.d/slim" <<'RULES'
Acquire::Languages "none";
Acquire::GzipIndexes "true";
RULES

echo "debootstrap $suite from ${mirror:-the default archive} (half a minute) ..." >&2
debootstrap --variant=minbase --keyring="$keyring" \
  "$suite" "$root" ${mirror:+"$mirror"} >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "debootstrap failed, see above; or $remedy"; }
# debootstrap has written the archive it used; the security archive lies beside it.
mirror=$(awk '$1 == "deb" { print $2; exit }' "$root/etc/apt/sources.list")
security=${mirror%/debian*}/debian-security
cat >"$root/etc/apt/sources.list" <<SOURCES
deb $mirror $suite main
deb $mirror $suite-updates main
deb $security $suite-security main
SOURCES
# debootstrap knows the point release only; security updates come through apt.
{ chroot "$root" apt-get update && DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -y dist-upgrade; } \
  >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "the updates of $mirror could not be installed, see above"; }

# debootstrap unpacks without dpkg's rules, so what they leave out is removed here.
find "$root/usr/share/doc" -mindepth 2 ! -name copyright ! -type d -delete
rm -rf "$root"/usr/share/{man,info,locale,lintian,groff}/* "$root"/var/lib/apt/lists/* \
  "$root"/var/cache/{apt,debconf}/* "$root"/var/cache/ldconfig/aux-cache "$root"/var/log/* "$root"/etc/resolv.conf "$root"/etc/hostname
tar --create --numeric-owner --one-file-system --directory "$root" . |
  docker import --change 'CMD ["bash"]' --message "debootstrap $suite" - "$tag" >&2
