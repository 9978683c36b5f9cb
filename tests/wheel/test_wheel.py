"""The wheel: what is in it, and that it works where there is nothing but Python."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

from conftest import REPOSITORY, VERSION, Environment, run
from tools import find_tool

MAJOR = VERSION.split(".")[0]


def test_the_wheel_is_for_every_linux_with_this_glibc(wheel: Path) -> None:
    found = re.search(r"-(manylinux_2_\d+_\w+)\.whl$", wheel.name)
    assert found is not None
    said = run(sys.executable, "-m", "auditwheel", "show", wheel)
    assert f'is consistent with the following platform tag: "{found[1]}"' in " ".join(said.split())


def test_the_wheel_holds_the_library_what_c_needs_and_the_license(wheel: Path) -> None:
    files = set(zipfile.ZipFile(wheel).namelist())
    libraries = {name for name in files if ".so" in name and ".cpython-" not in name}
    assert libraries == {"offgil/liboffgil.so", f"offgil/liboffgil.so.{MAJOR}"}
    assert files >= {
        "offgil/__init__.pxd",
        "offgil/capi.pxd",
        "offgil/include/offgil.h",
        "offgil/include/offgil.hpp",
        "offgil/pkgconfig/offgil.pc",
        "offgil/py.typed",
        "offgil/share/cmake/offgil/offgil-config-version.cmake",
        "offgil/share/cmake/offgil/offgil-config.cmake",
        f"offgil-{VERSION}.dist-info/licenses/LICENSE",
    }


def test_the_wheel_names_no_folder_of_the_machine_that_built_it(wheel: Path, tmp_path: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    archive.extractall(tmp_path)
    modules = [path for path in tmp_path.rglob("*.so*") if path.read_bytes()[:4] == b"\x7fELF"]
    assert len(modules) > 3
    for path in modules:
        found = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", run(find_tool("readelf"), "--dynamic", path))
        assert found == (["$ORIGIN"] if path.name.startswith("capi.") else []), path
    for name in archive.namelist():
        assert str(REPOSITORY).encode() not in archive.read(name), name


USE = """
import ctypes, pathlib, shutil, sys, time
import offgil
from offgil.cffi import ffi, lib

assert shutil.which("cc") is shutil.which("gcc") is shutil.which("cargo") is None
assert pathlib.Path(offgil.get_library()).is_relative_to(sys.prefix)
libc = ctypes.CDLL(None)

with offgil.ThreadPoolExecutor(2) as pool:
    native, python = pool.submit(libc.labs, -42), pool.submit(pow, 2, 5)
    print(native.result(), native.native, python.result(), python.native, list(pool.map(abs, [-1, 2])))
    future = offgil.lib.pool_submit(pool.handle, libc.labs, -7)
    result = ctypes.c_void_p()
    print(offgil.lib.future_wait(future, -1, ctypes.byref(result)), result.value)
    print(lib.future_wait(ffi.cast("future_t *", future.value), -1, ffi.NULL))
    offgil.lib.future_release(future)
"""


def test_it_works_where_there_is_no_compiler(bare: Environment) -> None:
    assert bare("python", "-c", USE).splitlines() == ["42 True 32 False [1, 2]", "0 7", "0"]


def test_its_commands_work_there(bare: Environment) -> None:
    assert f"offgil              {VERSION}\n" in bare("python", "-m", "offgil", "info")
    assert bare("offgil-config", "--version") == f"{VERSION}\n"
    assert "--cflags" in bare("offgil-config", "--help")


def test_wrong_usage_of_offgil_config_is_refused(bare: Environment) -> None:
    assert "say what to print: --version" in bare("offgil-config", status=2)
    assert "unrecognized arguments: --static" in bare("offgil-config", "--static", status=2)
    assert "unrecognized arguments: lib" in bare("offgil-config", "--libs", "lib", status=2)
