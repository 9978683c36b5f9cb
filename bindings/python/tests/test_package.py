"""The package: its version, its files, its command, and that what is generated is fresh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import BINDINGS, HERE, needs_cffi, run

import offgil

PROJECT = HERE.parent
REPOSITORY = PROJECT.parent.parent


def test_the_version_is_the_library_s_and_the_crate_s() -> None:
    found = re.search(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)
    assert found is not None
    assert offgil.__version__ == found[1] == offgil.lib.offgil_version_string().decode()


def test_generated_files_are_fresh() -> None:
    run([sys.executable, str(PROJECT / "tools" / "generate.py"), "--check"])


def test_the_check_names_what_is_stale(tmp_path: Path) -> None:
    generate = [sys.executable, str(PROJECT / "tools" / "generate.py"), "--output", str(tmp_path)]
    assert run(generate).stdout.split(":")[0] == "written"
    run([*generate, "--check"])
    (tmp_path / "capi.pxd").write_text("# edited by hand\n")
    done = subprocess.run([*generate, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "stale: capi.pxd\n")


LATER = """
#include <stddef.h>
#include <stdint.h>
#define STATS_BUCKETS 64
#define STATS_ALL (1 << 3 | 2)
#define STATS_MOST 0xFFFFFFFFFFFFFFFFu
typedef struct signature_t signature_t;
typedef void (*combine_fn)(void *context, void *into, const void *from);
typedef struct stats_t { uint32_t threads; uint64_t run_ns[STATS_BUCKETS]; } stats_t;
uint32_t stats_count(const stats_t *stats, size_t from, combine_fn combine);
void stats_call(signature_t *signature, void (*fn)(void), const void *const *args);
"""


def test_a_new_function_struct_and_constant_is_picked_up(tmp_path: Path) -> None:
    header = tmp_path / "later.h"
    header.write_text(LATER)
    generate = [sys.executable, str(PROJECT / "tools" / "generate.py")]
    run([*generate, "--header", str(header), "--output", str(tmp_path)])
    run([sys.executable, "-m", "Cython.Compiler.Main", "-3", "capi.pyx"], cwd=tmp_path)

    declared: dict[str, object] = {}
    exec((tmp_path / "ctypes.py").read_text(), declared)
    assert (declared["STATS_BUCKETS"], declared["STATS_ALL"]) == (64, 10)
    assert declared["STATS_MOST"] == 2**64 - 1
    assert [name for name, _, _ in declared["_FUNCTIONS"]] == ["stats_count", "stats_call"]

    if "cffi" in BINDINGS:
        check_in_cffi(tmp_path)


def check_in_cffi(tmp_path: Path) -> None:
    import cffi

    builder = cffi.FFI()
    builder.cdef((tmp_path / "_cdef.h").read_text())
    assert builder.sizeof("stats_t") == 520
    assert [field for field, _ in builder.typeof("stats_t").fields] == ["threads", "run_ns"]


def test_a_header_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    header = tmp_path / "odd.h"
    header.write_text("int printf(const char *format, ...);\n")
    generate = [sys.executable, str(PROJECT / "tools" / "generate.py"), "--output", str(tmp_path)]
    done = subprocess.run([*generate, "--header", str(header)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "printf: a variable number of arguments" in done.stderr


def test_the_header_of_the_package_is_the_repository_s() -> None:
    packaged = Path(offgil.get_include()) / "offgil.h"
    assert packaged.read_bytes() == (REPOSITORY / "include" / "offgil.h").read_bytes()


OWN_POOL_CREATE = """
#include <stdint.h>
void *pool_create(uint32_t threads) { (void)threads; return 0; }
"""

THROUGH_CYTHON = """
import ctypes
from offgil import capi
pointer_of, name = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_GetName
name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
capsule = capi.__pyx_capi__["pool_create"]
create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(pointer_of(capsule, name(capsule)))
print(ctypes.CDLL(None).pool_create(1), create(1) is not None)
"""


def test_cython_calls_the_library_beside_another_pool_create(tmp_path: Path, compiler: str) -> None:
    source, preloaded = tmp_path / "own.c", tmp_path / "own.so"
    source.write_text(OWN_POOL_CREATE)
    run([compiler, "-shared", "-fPIC", str(source), "-o", str(preloaded)])
    environment = os.environ | {"LD_PRELOAD": str(preloaded)}
    assert run([sys.executable, "-c", THROUGH_CYTHON], env=environment).stdout == "0 True\n"


def test_a_build_without_cargo_says_what_to_install(tmp_path: Path) -> None:
    shutil.copytree(
        PROJECT, tmp_path / "python", ignore=shutil.ignore_patterns("build", "tests", "*.egg-info")
    )
    (tmp_path / "python" / "crate").mkdir()
    shutil.copy(REPOSITORY / "Cargo.toml", tmp_path / "python" / "crate")
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext"],
        cwd=tmp_path / "python",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: offgil is written in Rust, and cargo, Rust's build tool, was not found" in done.stderr
    assert "Traceback" not in done.stderr


PROGRAM = """
#include <offgil.h>
#include <stdio.h>

int main(void) {
  puts(offgil_version_string());
  return pool_destroy(pool_create(1)) == OFFGIL_OK ? 0 : 1;
}
"""


def test_a_c_program_links_with_the_package_s_library(tmp_path: Path, compiler: str) -> None:
    (tmp_path / "program.c").write_text(PROGRAM)
    folder = offgil.get_library_dir()
    flags = [f"-I{offgil.get_include()}", f"-L{folder}", f"-Wl,-rpath,{folder}"]
    run([compiler, "program.c", "-o", "program", *flags, "-loffgil"], cwd=tmp_path)
    assert run([str(tmp_path / "program")]).stdout.strip() == offgil.__version__


@needs_cffi
def test_a_library_that_was_loaded_before_is_the_one_in_use(tmp_path: Path) -> None:
    other = tmp_path / "liboffgil.so"
    shutil.copy(offgil.get_library(), other)
    code = (
        f"import ctypes; early = ctypes.CDLL({str(other)!r})\n"
        "import offgil; from offgil.cffi import ffi, lib\n"
        "early.pool_default.restype = ctypes.c_void_p\n"
        "pools = [early.pool_default(), offgil.lib.pool_default().value, lib.pool_default()]\n"
        "print(pools[0] == pools[1] == int(ffi.cast('size_t', pools[2])), offgil.get_library())"
    )
    assert run([sys.executable, "-c", code]).stdout.split() == ["True", str(other.resolve())]


def test_info_names_version_library_and_cpus() -> None:
    lines = run([sys.executable, "-m", "offgil", "info"]).stdout.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts["offgil"] == offgil.__version__
    assert facts["library"] == offgil.get_library()
    assert facts["CPUs"].startswith(f"{offgil.lib.offgil_cpu_count()} usable of ")


def test_an_unknown_command_is_refused_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "offgil", "fly"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_import_alone_starts_no_thread_and_leaves_ctypes_and_cffi_alone() -> None:
    code = "import os, sys, offgil; from offgil import ThreadPoolExecutor, native\n"
    code += "print(len(os.listdir('/proc/self/task')), *{'_ctypes', '_cffi_backend'} & sys.modules.keys())"
    assert run([sys.executable, "-c", code]).stdout.split() == ["1"]


def test_a_first_pool_and_its_native_tasks_import_nothing_more() -> None:
    # A module takes as long as half of the first pool.
    code = "import ctypes, sys, offgil; labs, before = ctypes.CDLL(None).labs, set(sys.modules)\n"
    code += "with offgil.ThreadPoolExecutor(2) as pool: print(pool.submit(labs, -3).result())\n"
    code += "print(*sys.modules.keys() - before)"
    assert run([sys.executable, "-c", code]).stdout.split() == ["3"]


CTYPES_LATER = """
import sys, offgil
pool = offgil.ThreadPoolExecutor(2)
before = pool.submit(abs, -1).result(), sum(pool.map(abs, [-1, -2])), "_ctypes" in sys.modules
import ctypes
labs = ctypes.CDLL(None).labs
after = pool.submit(labs, -3), pool.submit(labs, [])
print(*before, after[0].native, after[0].result(), type(after[1].exception()) is ctypes.ArgumentError)
"""


def test_a_ctypes_function_is_native_also_where_ctypes_came_after_python_tasks() -> None:
    assert run([sys.executable, "-c", CTYPES_LATER]).stdout.split() == [
        "1",
        "3",
        "False",
        "True",
        "3",
        "True",
    ]


@pytest.mark.parametrize("module", ["offgil.capi", "offgil._core", "offgil._map"])
def test_a_compiled_module_says_where_it_comes_from(module: str) -> None:
    found = import_module(module)
    assert found.__spec__ is not None
    assert (found.__spec__.name, found.__spec__.origin) == (module, found.__file__)
    assert found.__package__ == "offgil"
    assert getattr(offgil, module.partition(".")[2]) is found


@pytest.mark.parametrize(
    "name",
    ["lib", "ctypes", *BINDINGS.keys() & {"cffi"}, "capi", "get_include", "get_library", "pool", "wait"],
)
def test_all_public_names_are_there(name: str) -> None:
    assert getattr(offgil, name) is not None
    assert name in offgil.__all__


def test_dir_names_what_is_imported_only_when_it_is_asked_for() -> None:
    code = "import sys, offgil; print({*offgil.__all__, '__version__', 'joblib'} <= set(dir(offgil)))"
    assert run([sys.executable, "-c", f"{code}; print('_ctypes' in sys.modules)"]).stdout == "True\nFalse\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'offgil' has no attribute 'nonsense'"):
        _ = offgil.nonsense
