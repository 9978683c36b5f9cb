/* What both programs need and what has little to do with offgil: errors, options, the clock. */
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "offgil.h"

/* Every status is looked at: 0 is fine, everything else ends the program with words. */
static inline void check(offgil_status status, const char *what) {
    if (status != OFFGIL_OK) {
        fprintf(stderr, "%s: %s (%s)\n", what, offgil_status_message(status), offgil_status_name(status));
        exit(EXIT_FAILURE);
    }
}

/* A call that makes something answers NULL when it can't; offgil_last_message() says why. */
static inline void *made(void *handle, const char *what) {
    if (!handle) {
        fprintf(stderr, "%s: %s\n", what, offgil_last_message());
        exit(EXIT_FAILURE);
    }
    return handle;
}

static inline void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static inline size_t number(const char *text, size_t least, size_t most) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < 0 || (size_t)value < least || (size_t)value > most) {
        fprintf(stderr, "%s: not a whole number from %zu to %zu\n", text, least, most);
        exit(EXIT_FAILURE);
    }
    return (size_t)value;
}

/* How to use the program: asked for, it ends well. */
static inline void end_with(const char *usage, int asked) {
    fputs(usage, asked ? stdout : stderr);
    exit(asked ? EXIT_SUCCESS : EXIT_FAILURE);
}

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

#endif
