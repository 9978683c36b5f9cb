#!/bin/sh
# Installs the peers that come from Debian: oneTBB, libuv and GLib. Asks for nothing and changes nothing when they
# are there. Where it can't install, it says which rows will be missing; with CI=true that is an error.
set -eu

missing() {
    command -v pkg-config >/dev/null || echo pkg-config
    command -v "${CXX:-c++}" >/dev/null || echo g++
    for pair in tbb=libtbb-dev libuv=libuv1-dev glib-2.0=libglib2.0-dev; do
        pkg-config --exists "${pair%%=*}" 2>/dev/null || echo "${pair#*=}"
    done
}

packages=$(missing | tr '\n' ' ')
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $packages" >&2
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    packages=$(missing | tr '\n' ' ')
    [ -n "$packages" ] || exit 0
fi

echo "not installed: $packages(apt-get install them as root for the rows of oneTBB, libuv and GLib)" >&2
[ "${CI:-}" != true ]
