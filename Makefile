# offgil: each target does its own set-up. `make help` lists them.

PYTHON ?= python3
BUILD := build
VENV := $(BUILD)/venv
VENV_PYTHON := $(VENV)/bin/python
# What the demo takes, and the package that it runs on: some 50 MB, where the tests' tools are over 1 GB.
DEMO_VENV := $(BUILD)/demo-venv
DEMO_NEEDS := cffi Cython setuptools tqdm
PINS := bindings/python/requirements-dev.txt
PIP := bin/python -m pip --disable-pip-version-check install --quiet
# Without the library for Rust beside them, cargo optimizes both as a whole (the profile's `lto`).
CARGO_LIBRARIES := cargo rustc --release --locked --lib --crate-type cdylib,staticlib
LIBRARY := target/release/liboffgil.so
SOURCES := $(shell find src codegen -name '*.rs') Cargo.toml Cargo.lock build.rs cbindgen.toml
BINDINGS := $(shell find bindings/python -type f -not -path '*/build/*' -not -name '*.pyc' -not -path '*egg-info*')
C_FILES := $(shell find c-tests examples benches bindings tests include/offgil.hpp -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' | grep -v -e '/build/' -e '_cdef.h')

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
INSTALLER = PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' INCLUDEDIR='$(INCLUDEDIR)' packaging/install.sh

.PHONY: help build install uninstall header demo test test-rust test-loom test-fuzz test-python test-benches test-pythons test-free-threaded test-install test-instructions instructions where test-cargo-c test-abi abi lint format bench bench-growth bench-promises micro clean tools wheel test-wheel

help:          ## lists the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

build: $(LIBRARY)  ## builds the shared and the static library into target/release

$(LIBRARY): $(SOURCES)
	@$(NEEDS_RUST)
	$(CARGO_LIBRARIES)
	@touch $@

install: $(LIBRARY)  ## lays libraries, header, offgil.pc and CMake package into PREFIX (DESTDIR, LIBDIR, INCLUDEDIR)
	$(INSTALLER) install

uninstall:     ## takes them away again
	$(INSTALLER) uninstall

header:        ## writes include/offgil.h and the Python bindings that are made from it
	OFFGIL_UPDATE_HEADER=1 cargo build --locked
	@$(MAKE) --no-print-directory $(VENV)/tools
	$(VENV_PYTHON) bindings/python/tools/generate.py

define NEEDS_RUST
command -v cargo >/dev/null || { echo "no cargo on the PATH: install Rust with rustup or, if it is there (sudo has a PATH of its own), call make build as yourself first" >&2; exit 1; }
endef

tools:
	@$(NEEDS_RUST)
	@command -v cc >/dev/null || { echo "offgil needs a C compiler named cc (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	  { echo "offgil needs Python 3.10 or newer as $(PYTHON) (or: make PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" || \
	  { echo "Python's headers are missing (Debian: apt-get install python3-dev)" >&2; exit 1; }

$(VENV)/tools: $(PINS) | tools
	@echo "making $(VENV) and installing what the tests need"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(PIP) -r $(PINS)
	@touch $@

# (A constraint may not have extras.)
$(DEMO_VENV)/tools: $(PINS) | tools
	@echo "making $(DEMO_VENV) and installing what the demo needs"
	$(PYTHON) -m venv $(DEMO_VENV)
	sed 's/\[.*\]//' $(PINS) >$(DEMO_VENV)/pins
	$(DEMO_VENV)/$(PIP) -c $(DEMO_VENV)/pins $(DEMO_NEEDS)
	@touch $@

$(VENV)/offgil $(DEMO_VENV)/offgil: %/offgil: %/tools $(LIBRARY) $(BINDINGS) include/offgil.h include/offgil.hpp
	@echo "building the Python package"
	$*/$(PIP) --no-build-isolation --no-deps --force-reinstall ./bindings/python
	@touch $@

wheel: $(LIBRARY) | tools  ## builds a manylinux wheel for PYTHON, with library, headers and all, into build/wheel
	bindings/python/tools/wheel.sh '$(PYTHON)' $(BUILD)/wheel

demo: $(DEMO_VENV)/offgil  ## integrates and digests from C, ctypes, cffi and Cython on one pool, and compares
	$(DEMO_VENV)/bin/python examples/python/demo.py $(DEMO)

test: lint test-rust test-loom test-fuzz test-instructions $(VENV)/offgil  ## runs the checks: formats, lints, Rust, model checks, random calls, instruction counts, C, Python on every CPython here, wheel, README, install, ABI
	@echo "what is left runs two at a time; each prints when it is over"
	@+$(MAKE) --no-print-directory -j 2 --output-sync=target JOBS=1 test-python test-pythons test-benches test-wheel test-install test-abi

test-rust: | tools  ## Rust and C tests
	cargo test --locked

test-loom: | tools  ## walks the interleavings of each primitive (loom)
	RUSTFLAGS="--cfg loom" cargo test --locked --lib --profile loom --target-dir target/loom

test-fuzz: | tools  ## a million random calls of every function under AddressSanitizer
	tests/fuzz.sh

test-instructions: $(LIBRARY)  ## fails when a call takes 3 % more or fewer instructions than before
	$(PYTHON) benches/instructions.py

instructions: $(LIBRARY)  ## counts them and makes these the ones to keep: writes benches/instructions.json
	$(PYTHON) benches/instructions.py --write

where: $(VENV)/offgil  ## says in which files the instructions are: writes the tables of docs/performance.md
	$(PYTHON) benches/where.py
	$(VENV_PYTHON) benches/where_python.py

test-python: $(VENV)/offgil  ## mypy, pyright, the Python bindings, the examples and the README's code
	cd bindings/python && $(CURDIR)/$(VENV_PYTHON) -m mypy
	cd bindings/python && $(CURDIR)/$(VENV_PYTHON) -m pyright --pythonpath $(CURDIR)/$(VENV_PYTHON)
	$(VENV_PYTHON) bindings/python/tools/run_tests.py -q bindings/python/tests examples/tests

test-benches: $(VENV)/offgil  ## that the benchmarks run, and count what they do
	$(VENV_PYTHON) -m pytest -q tests/bench

test-wheel: $(VENV)/tools $(LIBRARY)  ## builds a wheel, and installs and uses it where there is no compiler
	$(VENV_PYTHON) -m pytest -q -rs tests/wheel

test-pythons: $(VENV)/offgil  ## the Python suite on every other CPython from 3.10 on that pyenv and the PATH offer
	JOBS=$(JOBS) SKIP=$$($(VENV_PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])') bindings/python/tools/test-on.sh $(BUILD)/pythons

test-free-threaded: $(LIBRARY)  ## the Python suite without the GIL, on a CPython that is built from Debian's source package
	bindings/python/tools/free-threaded.sh $(BUILD)/free-threaded
	bindings/python/tools/test-on.sh $(BUILD)/pythons $(CURDIR)/$(BUILD)/free-threaded/python/bin/python3

test-install: $(VENV)/tools $(LIBRARY)  ## builds against an installed tree with pkg-config, CMake and Meson
	$(VENV_PYTHON) -m pytest -q -rs tests/install --ignore tests/install/test_cargo_c.py

test-cargo-c: $(VENV)/tools $(LIBRARY)  ## compares what `cargo cinstall` lays with it (takes cargo-c: minutes to install)
	$(VENV_PYTHON) -m pytest -q -rs tests/install/test_cargo_c.py

test-abi: $(VENV)/tools $(LIBRARY)  ## fails when a program that was compiled before would break
	$(VENV_PYTHON) -m pytest -q -rs tests/abi

abi: $(VENV)/tools $(LIBRARY)  ## makes the ABI as it is the one to keep: writes abi/
	$(VENV_PYTHON) tests/abi/abi.py

lint: $(VENV)/tools  ## rustfmt, clippy, ruff, clang-format
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	$(VENV_PYTHON) -m ruff check bindings/python examples benches tests
	$(VENV_PYTHON) -m ruff format --check bindings/python examples benches tests
	$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)

format: $(VENV)/tools  ## formats everything
	cargo fmt
	$(VENV_PYTHON) -m ruff format bindings/python examples benches tests
	$(VENV)/bin/clang-format -i $(C_FILES)

bench: $(LIBRARY)  ## measures against others, from C and from Python, writes docs/benchmarks.md (BENCH=name: one row)
	$(PYTHON) benches/run.py $(if $(BENCH),--bench $(BENCH)) $(ARGS)

bench-growth: $(LIBRARY)  ## measures how the cost of a task grows, writes docs/growth.md with its chart
	$(PYTHON) benches/growth.py $(ARGS)

bench-promises: $(LIBRARY)  ## measures what offgil promises of itself, writes docs/promises.md
	$(PYTHON) benches/promises.py $(ARGS)

micro: | tools  ## micro-benchmarks inside Rust
	cargo bench --locked --bench micro

clean:         ## removes everything that was built
	rm -rf $(BUILD) target
