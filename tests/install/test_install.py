"""The installed tree, and programs that find it through pkg-config, CMake and Meson."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PROJECT, REPOSITORY, files_of, make, run
from tools import find_tool

VERSION = re.findall(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)[0]
MAJOR = VERSION.split(".")[0]
SAYS = f"42 offgil {VERSION}\n"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def is_linked_with_the_library(program: Path) -> bool:
    """Whether the program asks the loader for liboffgil."""
    return f"[liboffgil.so.{MAJOR}]" in run("readelf", "--dynamic", program, LC_ALL="C")


def pkg_config(prefix: Path, *arguments: str) -> list[str]:
    """What pkg-config answers for the tree."""
    directory = prefix / "lib" / "pkgconfig"
    return run(find_tool("pkg-config"), *arguments, "offgil", PKG_CONFIG_PATH=directory).split()


def compile_and_run(source: str, program: Path, flags: list[str], libraries: Path) -> str:
    """Compiles a program, runs it with the library of the tree, and returns what it says."""
    run("cc", *STRICT, PROJECT / source, "-o", program, *flags)
    return run(program, LD_LIBRARY_PATH=libraries)


def test_the_tree_is_what_distributions_expect(prefix: Path) -> None:
    headers = sorted(path.name for path in (REPOSITORY / "include").iterdir())
    assert "offgil.h" in headers
    assert files_of(prefix) == {
        **{f"include/{name}": "" for name in headers},
        "lib/liboffgil.a": "",
        "lib/liboffgil.so": f"liboffgil.so.{VERSION}",
        f"lib/liboffgil.so.{MAJOR}": f"liboffgil.so.{VERSION}",
        f"lib/liboffgil.so.{VERSION}": "",
        "lib/pkgconfig/offgil.pc": "",
        "share/cmake/offgil/offgil-config-version.cmake": "",
        "share/cmake/offgil/offgil-config.cmake": "",
    }
    assert f"soname: [liboffgil.so.{MAJOR}]" in run(
        "readelf", "--dynamic", prefix / "lib/liboffgil.so", LC_ALL="C"
    )


def test_every_file_that_names_the_version_names_this_one(prefix: Path) -> None:
    assert pkg_config(prefix, "--modversion") == [VERSION]
    assert (
        f'set(PACKAGE_VERSION "{VERSION}")'
        in (REPOSITORY / "packaging/offgil-config-version.cmake").read_text()
    )


def test_pkg_config_finds_the_shared_library(prefix: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    flags = pkg_config(prefix, "--cflags", "--libs")
    assert compile_and_run("main.c", program, flags, prefix / "lib") == SAYS
    assert is_linked_with_the_library(program)


def test_pkg_config_finds_what_the_static_library_needs(prefix: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    flags = pkg_config(prefix, "--static", "--cflags", "--libs")
    static = ["-Wl,-Bstatic" if flag == "-loffgil" else flag for flag in flags]
    static.insert(static.index("-Wl,-Bstatic") + 1, "-loffgil")
    static.insert(static.index("-loffgil") + 1, "-Wl,-Bdynamic")
    assert compile_and_run("main.c", program, static, Path("/nowhere")) == SAYS
    assert not is_linked_with_the_library(program)


def test_pkg_config_suffices_for_a_program_without_shared_libraries(prefix: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    flags = pkg_config(prefix, "--static", "--cflags", "--libs")
    assert compile_and_run("main.c", program, ["-static", *flags], Path("/nowhere")) == SAYS


def test_a_program_may_have_a_pool_create_of_its_own_with_either_library(
    prefix: Path, tmp_path: Path
) -> None:
    flags = pkg_config(prefix, "--static", "--cflags", "--libs")
    assert compile_and_run("own_names.c", tmp_path / "shared", flags, prefix / "lib") == SAYS
    assert compile_and_run("own_names.c", tmp_path / "static", ["-static", *flags], Path("/nowhere")) == SAYS


def test_a_tree_that_was_moved_is_found(prefix: Path, tmp_path: Path) -> None:
    make("install", PREFIX="/opt/offgil", DESTDIR=tmp_path / "stage")
    moved = tmp_path / "moved"
    (tmp_path / "stage/opt/offgil").rename(moved)
    assert files_of(moved) == files_of(prefix)
    assert pkg_config(moved, "--variable=prefix") == ["/opt/offgil"]
    flags = pkg_config(moved, "--define-prefix", "--cflags", "--libs")
    assert compile_and_run("main.c", tmp_path / "program", flags, moved / "lib") == SAYS
    check_with_cmake(moved, tmp_path)


def test_libraries_and_headers_may_lie_elsewhere(tmp_path: Path) -> None:
    libraries, headers = tmp_path / "else/libs", tmp_path / "prefix/include/offgil-0"
    make("install", PREFIX=tmp_path / "prefix", LIBDIR=libraries, INCLUDEDIR=headers)
    assert (headers / "offgil.h").is_file()
    assert (libraries / "liboffgil.a").is_file()
    variables = {"PKG_CONFIG_PATH": libraries / "pkgconfig"}
    flags = run(find_tool("pkg-config"), "--cflags", "--libs", "offgil", **variables).split()
    assert compile_and_run("main.c", tmp_path / "program", flags, libraries) == SAYS
    check_with_cmake(tmp_path / "prefix", tmp_path)


@pytest.mark.parametrize("variable", ["PREFIX", "LIBDIR", "INCLUDEDIR"])
def test_a_relative_directory_is_refused_in_words_and_nothing_is_laid(tmp_path: Path, variable: str) -> None:
    places = {"PREFIX": "/p", "LIBDIR": "/p/lib", "INCLUDEDIR": "/p/include", "DESTDIR": f"{tmp_path}/"}
    command = [str(REPOSITORY / "packaging/install.sh"), "install"]
    environment = os.environ | places | {variable: "some/where"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "'some/where' is relative" in done.stderr
    assert files_of(tmp_path) == {}


def test_install_after_a_build_needs_no_cargo(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    cargo = tmp_path / "bin/cargo"
    cargo.write_text("#!/bin/sh\necho 'cargo was called' >&2\nexit 1\n")
    cargo.chmod(0o755)
    search = f"{cargo.parent}:{os.environ['PATH']}"
    run("make", "install", f"PREFIX={tmp_path / 'prefix'}", cwd=REPOSITORY, PATH=search)
    assert (tmp_path / "prefix/lib/liboffgil.so").is_symlink()


def test_uninstall_leaves_nothing_behind(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    make("install", DESTDIR=stage)
    assert (stage / "usr/local/lib/liboffgil.so").is_file()
    make("uninstall", DESTDIR=stage)
    assert files_of(stage) == {}
    make("uninstall", DESTDIR=stage)


def check_with_cmake(prefix: Path, tmp_path: Path) -> None:
    """Builds the project with CMake, and runs the program of each target."""
    cmake, ninja, build = find_tool("cmake"), find_tool("ninja"), tmp_path / "cmake"
    run(
        cmake,
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={ninja}",
        f"-DCMAKE_PREFIX_PATH={prefix}",
        "-S",
        PROJECT,
        "-B",
        build,
    )
    run(cmake, "--build", build)
    for kind, is_shared in {"shared": True, "static": False, "offgil": True}.items():
        assert run(build / kind) == SAYS  # CMake writes the path of the library into what it builds
        assert is_linked_with_the_library(build / kind) == is_shared


def test_cmake_finds_both_libraries(prefix: Path, tmp_path: Path) -> None:
    check_with_cmake(prefix, tmp_path)


def configure(prefix: Path, wanted: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """What CMake says to a project that asks for `find_package(offgil <wanted>)`."""
    (directory / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.19)\nproject(user C)\nfind_package(offgil {wanted} REQUIRED)\n"
    )
    command = [find_tool("cmake"), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja')}"]
    command += [f"-DCMAKE_PREFIX_PATH={prefix}", "-S", str(directory), "-B", str(directory / "build")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


FOUND = ["", VERSION, f"{VERSION} EXACT", "0.0.9", "0.0...1", "COMPONENTS shared static"]


@pytest.mark.parametrize("wanted", FOUND)
def test_cmake_takes_versions_with_the_same_first_number(prefix: Path, tmp_path: Path, wanted: str) -> None:
    done = configure(prefix, wanted, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wanted", ["0.9", "1.0", "0.0...<0.1", "COMPONENTS other"])
def test_cmake_takes_no_other_version_or_component(prefix: Path, tmp_path: Path, wanted: str) -> None:
    done = configure(prefix, wanted, tmp_path)
    assert done.returncode != 0
    assert str(prefix / "share/cmake/offgil/offgil-config.cmake") in done.stderr


def test_cmake_says_so_when_no_library_is_there(prefix: Path, tmp_path: Path) -> None:
    shutil.copytree(prefix / "share", tmp_path / "share")
    done = configure(tmp_path, "", tmp_path)
    assert done.returncode != 0
    assert "no liboffgil is installed" in " ".join(done.stderr.split())


def test_meson_finds_both_libraries(prefix: Path, tmp_path: Path) -> None:
    meson, build, libraries = find_tool("meson"), tmp_path / "meson", prefix / "lib"
    ninja = Path(find_tool("ninja"))
    find_tool("pkg-config")
    variables = {"PKG_CONFIG_PATH": libraries / "pkgconfig", "NINJA": ninja}
    run(meson, "setup", build, PROJECT, **variables)
    run(ninja, "-C", build)
    for kind in ("shared", "static"):
        assert run(build / kind, LD_LIBRARY_PATH=libraries) == SAYS
        assert is_linked_with_the_library(build / kind) == (kind == "shared")
