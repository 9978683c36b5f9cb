#!/bin/sh
# What `make install` and `make uninstall` do: lay the libraries, the headers, offgil.pc and the CMake package into
# $DESTDIR$PREFIX, or take them away. `cargo cinstall` lays the same tree (Cargo.toml, package.metadata.capi).
# `develop` lays all but the libraries, and offgil.pc so that it finds them wherever the tree is moved: the Python wheel's.
set -eu
cd "$(dirname "$0")/.."
: "${PREFIX:?}" "${DESTDIR?}" "${LIBDIR:?}" "${INCLUDEDIR:?}"
for directory in "$PREFIX" "$LIBDIR" "$INCLUDEDIR"; do
    case $directory in
    /*) ;;
    *)
        echo "$0: '$directory' is relative; PREFIX, LIBDIR and INCLUDEDIR have to begin with a slash" >&2
        exit 2
        ;;
    esac
done
BUILT=target/release
CMAKEDIR=$PREFIX/share/cmake/offgil

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
major=${version%%.*}

# A directory as the text that follows ${prefix}/, or as it is where it lies outside.
below_prefix() {
    case $1 in
    "$PREFIX") printf '%s' "$2" ;;
    "$PREFIX"/*) printf '%s/%s' "$2" "${1#"$PREFIX"/}" ;;
    *) printf '%s' "$1" ;;
    esac
}

# $1: what stands for the prefix, $2: what programs are linked with besides.
pkg_config_file() {
    cat <<END
prefix=$1
exec_prefix=\${prefix}
libdir=$(below_prefix "$LIBDIR" '${exec_prefix}')
includedir=$(below_prefix "$INCLUDEDIR" '${prefix}')

Name: offgil
Description: $(sed -n 's/^description = "\(.*\)"$/\1/p' Cargo.toml)
Version: $version
Libs: -L\${libdir} $2-loffgil
Libs.private: -lutil -lrt -lpthread -lm -ldl
Cflags: -I\${includedir}
END
}

cmake_package() {
    sed -e "s|^set(_offgil_libdirs .*|set(_offgil_libdirs \"$(below_prefix "$LIBDIR" '${_offgil_prefix}')\")|" \
        -e "s|^set(_offgil_includedir .*|set(_offgil_includedir \"$(below_prefix "$INCLUDEDIR" '${_offgil_prefix}')\")|" \
        packaging/offgil-config.cmake
}

# The functions that are also there with the prefix give way to a program's own of that name.
static_library() {
    grep -v '^offgil_' tests/exported_symbols.txt >"$1.names"
    "${OBJCOPY:-objcopy}" --weaken-symbols="$1.names" "$BUILT/liboffgil.a" "$1"
    rm "$1.names"
    chmod 644 "$1"
}

# Headers, offgil.pc and CMake package; the arguments are those of pkg_config_file.
do_develop() {
    lib=$DESTDIR$LIBDIR include=$DESTDIR$INCLUDEDIR cmake=$DESTDIR$CMAKEDIR
    install -d "$lib/pkgconfig" "$include" "$cmake"
    install -m 644 include/offgil.h* "$include"
    pkg_config_file "$@" >"$lib/pkgconfig/offgil.pc"
    cmake_package >"$cmake/offgil-config.cmake"
    install -m 644 packaging/offgil-config-version.cmake "$cmake"
    chmod 644 "$lib/pkgconfig/offgil.pc" "$cmake/offgil-config.cmake"
}

do_install() {
    do_develop "$PREFIX" ''
    install -m 755 "$BUILT/liboffgil.so" "$lib/liboffgil.so.$version"
    ln -sf "liboffgil.so.$version" "$lib/liboffgil.so.$major"
    ln -sf "liboffgil.so.$version" "$lib/liboffgil.so"
    static_library "$lib/liboffgil.a"
}

do_uninstall() {
    rm -f "$DESTDIR$LIBDIR/liboffgil.so" "$DESTDIR$LIBDIR/liboffgil.so.$major" "$DESTDIR$LIBDIR/liboffgil.so.$version" \
        "$DESTDIR$LIBDIR/liboffgil.a" "$DESTDIR$LIBDIR/pkgconfig/offgil.pc" "$DESTDIR$INCLUDEDIR/offgil.h" \
        "$DESTDIR$INCLUDEDIR/offgil.hpp" "$DESTDIR$CMAKEDIR/offgil-config.cmake" "$DESTDIR$CMAKEDIR/offgil-config-version.cmake"
    if [ -d "$DESTDIR$CMAKEDIR" ]; then
        rmdir "$DESTDIR$CMAKEDIR"
    fi
}

case ${1:-} in
install) do_install ;;
# Nobody has told the loader where the tree is: a program that is linked with the library notes it down.
develop) do_develop "\${pcfiledir}/$(realpath -m --relative-to="$LIBDIR/pkgconfig" "$PREFIX")" "-Wl,-rpath,\${libdir} " ;;
uninstall) do_uninstall ;;
*)
    echo "usage: $0 install|develop|uninstall" >&2
    exit 2
    ;;
esac
