#!/usr/bin/env bash
# Builds a free-threaded CPython from Debian's source package into the folder given, unless it is there.
# apt's own lists and sources stay as they are: all that it needs for this is beside the build.
set -euo pipefail

folder=${1:?"usage: free-threaded.sh FOLDER"}
release=trixie
package=python3.13
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -e "$folder/built" ]; then
    exit 0
fi
for tool in apt-get gpgv cc make; do
    command -v "$tool" >/dev/null || { echo "a free-threaded CPython is built from a Debian package: $tool is missing" >&2; exit 1; }
done
for header in ffi.h zlib.h openssl/ssl.h; do
    echo "#include <$header>" | cc -E - >/dev/null 2>&1 ||
        { echo "<$header> is missing (Debian: apt-get install libffi-dev zlib1g-dev libssl-dev)" >&2; exit 1; }
done

state=$folder/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts"
echo "deb-src [signed-by=$keyring] $mirror $release main" >"$state/sources.list"
apt=(apt-get -q -o "Dir::Etc::SourceList=$state/sources.list" -o "Dir::Etc::SourceParts=$state/parts"
    -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root)
"${apt[@]}" update
rm -rf "$folder/source" "$folder"/"$package"_* "$folder"/"$package"-*
cd "$folder"
"${apt[@]}" source --download-only "$package"
mkdir source
tar -xf "$package"_*.orig.tar.?z -C source --strip-components 1

# No optimization by profile, and the standard library is copied, as compiling all of it to bytecode thrice takes as long
# as the interpreter: this is for tests.
cd source
./configure --quiet --disable-gil --prefix="$folder/python"
make --silent -j"$(nproc)"
make --silent altbininstall inclinstall sharedinstall >/dev/null
version=$(./python -c 'import sysconfig; print(sysconfig.get_config_var("LDVERSION"))')
cp -r Lib/. "$(cat pybuilddir.txt)"/_sysconfigdata*.py "$folder/python/lib/python$version"
ln -sf "python$version" "$folder/python/bin/python3"
"$folder/python/bin/python3" -c 'import _ctypes, ensurepip, ssl, sys, test, zlib; assert not sys._is_gil_enabled(), "it has a GIL"'
cd "$folder"
rm -rf source apt "$package"_*
touch "$folder/built"
