/* A call that must not fail: if it does, the cell ends with a message instead of a number. */
#ifndef OFFGIL_BENCH_CHECK_H
#define OFFGIL_BENCH_CHECK_H

#include <stdio.h>
#include <stdlib.h>

static inline void check(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "adapter: failed: %s\n", what);
        exit(1);
    }
}

#endif
