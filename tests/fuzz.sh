#!/bin/sh
# A million random calls of every function (c-tests/fuzz.c) under AddressSanitizer and LeakSanitizer. With a nightly Rust
# the library is instrumented, too; without one, what it does to the heap is still seen.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
out=target/asan
if command -v rustup >/dev/null && rustup run nightly rustc --version >/dev/null 2>&1; then
    RUSTFLAGS="-Zsanitizer=address" rustup run nightly cargo build --locked --target "$host" --target-dir "$out"
else
    echo "no nightly Rust: the library is not instrumented" >&2
    cargo build --locked --target "$host" --target-dir "$out"
fi
cc -std=c99 -D_POSIX_C_SOURCE=200809L -pthread -g -O1 -fsanitize=address -Iinclude -Ic-tests c-tests/fuzz.c \
    -o "$out/fuzz" "$out/$host/debug/liboffgil.a" -ldl -lm -lrt -lutil -lgcc_s
OFFGIL_FUZZ_CALLS=${OFFGIL_FUZZ_CALLS:-1000000} timeout 300 "$out/fuzz"
echo "no report"
