"""`cargo cinstall` lays the tree that `make install` lays."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import REPOSITORY, files_of, run
from test_install import MAJOR, SAYS, check_with_cmake, compile_and_run, pkg_config
from tools import find_tool


@pytest.fixture(scope="module")
def laid_by_cargo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that `cargo cinstall --prefix=...` lays."""
    path = tmp_path_factory.mktemp("cargo-c") / "prefix"
    find_tool("cargo-cinstall")
    # On Debian cargo-c's own choice of a libdir would be lib/<architecture>.
    places = [f"--prefix={path}", f"--libdir={path}/lib", "--target-dir=target/cargo-c"]
    run("cargo", "cinstall", "--locked", *places, cwd=REPOSITORY)
    return path


def test_the_trees_are_the_same(prefix: Path, laid_by_cargo: Path) -> None:
    assert files_of(laid_by_cargo) == files_of(prefix)
    for name in ("include/offgil.h", "share/cmake/offgil/offgil-config-version.cmake"):
        assert (laid_by_cargo / name).read_text() == (prefix / name).read_text()
    dynamic = run("readelf", "--dynamic", laid_by_cargo / "lib/liboffgil.so", LC_ALL="C")
    assert f"soname: [liboffgil.so.{MAJOR}]" in dynamic
    assert "NODELETE" in dynamic


def test_they_export_the_same(prefix: Path, laid_by_cargo: Path) -> None:
    tables = [
        run("nm", "--dynamic", "--defined-only", "--format=posix", tree / "lib/liboffgil.so").splitlines()
        for tree in (prefix, laid_by_cargo)
    ]
    ours, theirs = ({line.split()[0] for line in table} for table in tables)
    assert ours == theirs


def test_pkg_config_and_cmake_find_it(laid_by_cargo: Path, tmp_path: Path) -> None:
    flags = pkg_config(laid_by_cargo, "--cflags", "--libs")
    assert compile_and_run("main.c", tmp_path / "program", flags, laid_by_cargo / "lib") == SAYS
    check_with_cmake(laid_by_cargo, tmp_path)
