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

# In eight processes: the sanitizer takes a thread for another one that ended, and what it has for leaked, once the
# system hands out the number of the one again, and a million calls start 20,000 threads.
calls=${OFFGIL_FUZZ_CALLS:-1000000}
for seed in 0 1 2 3 4 5 6 7; do
    OFFGIL_FUZZ_SEED=$seed OFFGIL_FUZZ_CALLS=$((calls / 8)) timeout 120 "$out/fuzz" || {
        echo "seed $seed: exit code $? (124: it hung for 120 s)" >&2
        exit 1
    }
done
echo "no report"
