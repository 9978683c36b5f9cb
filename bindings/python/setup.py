"""Builds liboffgil with cargo; puts it, what C programs need of it, and the Cython modules into the package.

The crate is the repository that this folder stands in; a source distribution has a copy of it in `crate/`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
CRATE = next((path for path in (HERE / "crate", HERE.parent.parent) if (path / "Cargo.toml").is_file()), None)
# cffi has no build for the free-threaded 3.13: there the package is without `offgil.cffi`.
CFFI = [] if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14) else ["cffi>=1.17,<3"]
# Compiled into the file of capi, and found there by `offgil/__init__.py`; and into files of their own.
IN_CAPI = "_core"
APART = ("_array", "_map", "_aio")


class BuildError(SystemExit):
    """Ends the build with a reason in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"\nerror: {reason}\n")


def crate() -> Path:
    """The folder of the Rust crate."""
    if CRATE is None:
        raise BuildError("the Rust source of offgil is missing: install from the repository or a full sdist")
    return CRATE


def version() -> str:
    """The crate's version, which is the package's too."""
    manifest = (crate() / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    if found is None:
        raise BuildError("Cargo.toml names no version")
    return found[1]


def find_cargo() -> str:
    """The cargo to call: from $CARGO, the PATH or rustup's usual place."""
    places = (os.environ.get("CARGO"), "cargo", str(Path.home() / ".cargo" / "bin" / "cargo"))
    for place in filter(None, places):
        if found := shutil.which(place):
            return found
    raise BuildError(
        "offgil is written in Rust, and cargo, Rust's build tool, was not found on the PATH.\n"
        "Install Rust 1.85 or newer (with rustup, or from your distribution) and try again."
    )


def build_library() -> Path:
    """Builds the shared library and says where it is."""
    # As the Makefile does: without a library for Rust beside them, cargo optimizes both as a whole.
    command = [find_cargo(), "rustc", "--release", "--lib", "--crate-type=cdylib,staticlib"]
    command += ["--message-format=json-render-diagnostics"]
    done = subprocess.run(
        command, cwd=crate(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"cargo could not build liboffgil, see above (exit status {done.returncode})")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "offgil":
            for name in map(Path, message["filenames"]):
                if name.suffix == ".so":
                    return name
    raise BuildError("cargo built offgil, but no shared library came out")


def soname(library: Path) -> str:
    """The DT_SONAME of a shared library: the name by which what is linked with it looks for it."""
    data = library.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise BuildError(f"{library} is not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    # of each section: type, offset, length, and the section that holds its strings
    sections = [struct.unpack_from("<4xI16xQQI", data, table + size * index) for index in range(count)]
    for kind, offset, length, link in sections:
        if kind != 6:  # SHT_DYNAMIC
            continue
        for tag, value in struct.iter_unpack("<qQ", data[offset : offset + length]):
            if tag == 14:  # DT_SONAME
                start = sections[link][1] + value
                return data[start : data.index(b"\0", start)].decode("ascii")
    raise BuildError(f"{library} has no soname")


class BuildWithCargo(build_ext):
    """Puts the shared library into the package before the Cython module is linked with it."""

    def run(self) -> None:
        """Builds everything."""
        package = HERE / "src" / "offgil" if self.inplace else Path(self.build_lib) / "offgil"
        package.mkdir(parents=True, exist_ok=True)
        if not self.inplace:
            self.remove_what_is_made_no_more(package)
        library = build_library()
        name = soname(library)
        for old in package.glob("liboffgil.so*"):
            old.unlink()
        shutil.copy2(library, package / name)
        # For `-loffgil`: a linker script, as a wheel holds no symbolic link.
        (package / "liboffgil.so").write_text(f"INPUT({name})\n", encoding="ascii")
        lay_for_c(package)
        write_cffi_module(package / "_cffi_abi.py")
        # The other files call it through capi.
        for extension in (extension for extension in self.extensions if extension.name == "offgil.capi"):
            extension.extra_objects = [str(package / name)]
            extension.depends = [str(package / name)]  # linked anew when it changes
        super().run()

    def remove_what_is_made_no_more(self, package: Path) -> None:
        """Removes modules that an earlier build left, by names of that time: they would be installed."""
        made = {path.name for path in (HERE / "src" / "offgil").iterdir()}
        made |= {Path(self.get_ext_filename(extension.name)).name for extension in self.extensions}
        for old in package.iterdir():
            if old.is_file() and old.name not in made:
                old.unlink()


def lay_for_c(package: Path) -> None:
    """Puts the headers, offgil.pc and the CMake package into the package, as `make install` lays them."""
    script = crate() / "packaging" / "install.sh"
    prefix = str(package.resolve())
    tree = {"PREFIX": prefix, "LIBDIR": prefix, "INCLUDEDIR": f"{prefix}/include", "DESTDIR": ""}
    environment = os.environ | tree
    if subprocess.run(["/bin/sh", str(script), "develop"], env=environment, check=False).returncode != 0:
        raise BuildError("the headers could not be put into the package; see above")


def write_cffi_module(path: Path) -> None:
    """The out-of-line ABI module: parsed now, so that importing it is quick."""
    if not CFFI:
        return
    import cffi

    builder: Any = cffi.FFI()
    builder.cdef((HERE / "src" / "offgil" / "_cdef.h").read_text(encoding="utf-8"))
    builder.set_source("offgil._cffi_abi", None)
    builder.emit_python_code(str(path))


class SdistWithCrate(sdist):
    """Takes the crate along, as cargo would publish it."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Puts the crate's sources into `crate/` of the source distribution."""
        super().make_release_tree(base_dir, files)
        target = Path(base_dir).resolve() / "crate-target"
        command = [find_cargo(), "package", "--no-verify", "--allow-dirty", f"--target-dir={target}"]
        if subprocess.run(command, cwd=crate(), check=False).returncode != 0:
            raise BuildError("cargo could not package the crate; its message is above")
        (packed,) = (target / "package").glob("*.crate")
        with tarfile.open(packed) as archive:
            archive.extractall(base_dir, filter="data")
        (Path(base_dir) / packed.stem).rename(Path(base_dir) / "crate")
        shutil.rmtree(target)


def compiled_modules() -> list[Extension]:
    """What is made of the Cython sources."""
    # Its texts are some kilobytes; unpacking them takes longer than reading as many more.
    plain = [("CYTHON_COMPRESS_STRINGS", "0")]
    each = [
        # No debugger's tables: they take a third of the time to compile, and are stripped from a wheel.
        Extension(
            f"offgil.{name}", [f"src/offgil/{name}.pyx"], define_macros=plain, extra_compile_args=["-g0"]
        )
        for name in ("capi", IN_CAPI, *APART)
    ]
    capi, core, *apart = cythonize(each, build_dir="build/cython", include_path=["src"])
    capi.sources += core.sources
    capi.runtime_library_dirs = ["$ORIGIN"]
    return [capi, *apart]


if sys.platform != "linux" or sys.maxsize < 2**32:
    raise BuildError("offgil's Python package builds on 64-bit Linux only, so far")

setup(
    version=version(),
    install_requires=CFFI,
    setup_requires=CFFI,
    ext_modules=compiled_modules(),
    cmdclass={"build_ext": BuildWithCargo, "sdist": SdistWithCrate},
)
