#!/bin/sh
# Installs the peers that come from Debian. Asks for nothing and changes nothing when they are there. Where it can't
# install, it says which are missing, as the report will; with CI=true that is an error.
set -eu

# Is this header there, for this compiler with these flags?
has() {
    header=$1
    shift
    command -v "$1" >/dev/null && "$@" -fsyntax-only -include "$header" /dev/null 2>/dev/null
}

missing() {
    command -v pkg-config >/dev/null || echo pkg-config
    command -v "${CXX:-c++}" >/dev/null || echo g++
    for pair in tbb=libtbb-dev libuv=libuv1-dev glib-2.0=libglib2.0-dev apr-1=libapr1-dev apr-util-1=libaprutil1-dev; do
        pkg-config --exists "${pair%%=*}" 2>/dev/null || echo "${pair#*=}"
    done
    has asio/thread_pool.hpp "${CXX:-c++}" -x c++ || echo libasio-dev
    has pthreadpool.h "${CC:-cc}" -x c || echo libpthreadpool-dev
    has omp.h gcc -fopenmp -x c || echo gcc
    has omp.h clang -fopenmp=libomp -x c || echo clang libomp-dev
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

echo "not installed: $packages(apt-get install them as root for the rows of these peers)" >&2
[ "${CI:-}" != true ]
