# cython: language_level=3
"""A native call as a task of its own: what it is called with, in one block of memory.

    call_t { function, errno, values... }  -> pool_submit(run_call, block) -> the result is the task's own

On x86-64 (System V) and AArch64 (AAPCS64) an argument goes into the next free register of its class, whatever stands between:
so a call is all its integers and pointers, then all its floating-point numbers, and one C call fits every signature
whose arguments fit into the registers. What doesn't fit is left to `pool_call`, and so is all on other machines.
"""

from libc.stdint cimport int32_t, uint64_t, uint8_t

from offgil.capi cimport future_t

cdef extern from *:
    """
    #ifndef OFFGIL_CALL
    #define OFFGIL_CALL
    #include <errno.h>
    #include <stdatomic.h>
    #include <stdint.h>
    #include <string.h>

    #if defined(__x86_64__) || defined(__aarch64__) && defined(__linux__)
    enum { OFFGIL_MOST_INTEGERS = 6, OFFGIL_MOST_FLOATS = 8 };
    #else
    enum { OFFGIL_MOST_INTEGERS = -1, OFFGIL_MOST_FLOATS = -1 };
    #endif

    typedef struct offgil_call_t {
        void *function;
        int32_t saved_errno;      /* 0 before the call */
        uint8_t integers;         /* of the values: as wide as a register */
        uint8_t floats;           /* those after them: in the first bytes */
        uint8_t returns_float;
        /* Of those whose futures are gone: */
        struct offgil_call_t *next;
        void *future;
        uint64_t values[];
    } offgil_call_t;

    /* Given back by PyMem_Free. */
    static inline offgil_call_t *offgil_new_call(void *function, int integers, int floats, int returns_float) {
        offgil_call_t *call = PyMem_Malloc(sizeof(offgil_call_t) + (size_t)(integers + floats) * sizeof(uint64_t));
        if (call != NULL) {
            call->function = function;
            call->saved_errno = 0;
            call->integers = (uint8_t)integers;
            call->floats = (uint8_t)floats;
            call->returns_float = (uint8_t)returns_float;
        }
        return call;
    }

    /* Of variable arguments, so that a callee of that kind finds (on x86-64) that there are vector registers to save. */
    typedef uint64_t (*offgil_word_fn)(uint64_t, ...);
    typedef double (*offgil_float_fn)(uint64_t, ...);
    #define OFFGIL_INTEGERS i[0], i[1], i[2], i[3], i[4], i[5]
    #define OFFGIL_FLOATS d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]

    /* The task's body. */
    static void *offgil_run_call(void *block) {
        offgil_call_t *call = (offgil_call_t *)block;
        uint64_t i[6] = {0};
        double d[8] = {0}, real;
        uint64_t result;
        for (int index = 0; index < call->integers; ++index) {
            i[index] = call->values[index];
        }
        memcpy(d, call->values + call->integers, call->floats * sizeof *d);
        int own = errno;
        errno = 0;
        if (call->returns_float) {
            real = ((offgil_float_fn)call->function)(OFFGIL_INTEGERS, OFFGIL_FLOATS);
            memcpy(&result, &real, sizeof result);
        } else if (call->floats != 0) {
            result = ((offgil_word_fn)call->function)(OFFGIL_INTEGERS, OFFGIL_FLOATS);
        } else {
            result = ((offgil_word_fn)call->function)(OFFGIL_INTEGERS);
        }
        if (errno != 0) {
            call->saved_errno = errno;
        }
        errno = own;
        return (void *)result;
    }
    #endif
    """
    ctypedef struct call_t "offgil_call_t":
        void *function
        int32_t saved_errno
        call_t *next
        void *future
        uint64_t *values

    enum:
        MOST_INTEGERS "OFFGIL_MOST_INTEGERS"
        MOST_FLOATS "OFFGIL_MOST_FLOATS"

    call_t *new_call "offgil_new_call"(void *function, int integers, int floats, int returns_float) noexcept
    void *run_call "offgil_run_call"(void *block) noexcept nogil
