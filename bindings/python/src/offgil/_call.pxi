"""A native call as a task of its own: what it is called with, in one block of memory.

    call_t { function, errno, values... }  -> pool_submit(run_call, block) -> the result is the task's own

On x86-64 (System V) and AArch64 (AAPCS64) an argument goes into the next free register of its class, whatever stands between:
so a call is all its integers and pointers, then all its floating-point numbers, and one C call fits every signature
whose arguments fit into the registers. What doesn't fit is left to `pool_call`, and so is all on other machines.
"""

from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from offgil.capi cimport (
    FUTURE_QUEUED,
    FUTURE_RUNNING,
    future_call_result,
    future_get_state,
    future_release,
    future_t,
    future_wait,
    offgil_status,
)

cdef extern from "Python.h":
    bint PyLong_Check(object value)
    bint PyFloat_Check(object value)
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef extern from *:
    """
    #include <errno.h>
    #include <stdatomic.h>
    #include <string.h>

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
        if (call->result_bytes < 8) {
            result &= ((uint64_t)1 << 8 * call->result_bytes) - 1;
        }
        return (void *)result;
    }
    """
    void *make_call "offgil_run_call"(void *block) noexcept nogil


cdef void *run_call(void *block) noexcept nogil:
    """The body of a call's task."""
    return make_call(block)


cdef call_t *new_call(void *function, int integers, int floats, char result) noexcept:
    """A block whose values are to be filled in; PyMem_Free gives it back. NULL: out of memory."""
    call = <call_t *>PyMem_Malloc(sizeof(call_t) + (integers + floats) * sizeof(uint64_t))
    if call != NULL:
        call.function = function
        call.saved_errno = 0
        call.integers = <uint8_t>integers
        call.floats = <uint8_t>floats
        call.returns_float = is_float(result)
        call.result_bytes = size_of(result)
    return call


cdef uint8_t size_of(char letter) noexcept:
    if letter == b"v":
        return 0
    if letter == b"b" or letter == b"B" or letter == b"?" or letter == b"c":
        return 1
    if letter == b"h" or letter == b"H":
        return 2
    return 4 if letter == b"i" or letter == b"I" or letter == b"f" else 8


cdef bint is_float(char letter) noexcept:
    """Whether values of this type go through the floating-point registers."""
    return letter == b"d" or letter == b"f"


cdef call_t *call_of(void *address, char result, const char *letters, const uint64_t *cells, Py_ssize_t count) noexcept:
    """The block of a call; NULL if the arguments don't fit into the registers, or out of memory."""
    cdef int floats = 0
    cdef int integers
    cdef Py_ssize_t index
    for index in range(count):
        floats += is_float(letters[index])
    if floats > MOST_FLOATS or count - floats > MOST_INTEGERS:
        return NULL
    integers = <int>count - floats
    cdef call_t *call = new_call(address, integers, floats, result)
    if call == NULL:
        return NULL
    floats, integers = integers, 0
    for index in range(count):
        if is_float(letters[index]):
            call.values[floats] = cells[index]
            floats += 1
        else:
            call.values[integers] = widened(letters[index], cells[index])
            integers += 1
    return call


cdef uint64_t widened(char letter, uint64_t cell) noexcept:
    """An integer as wide as a register: what is in the cell past its own type counts for nothing."""
    if letter == b"i":
        return <uint64_t><int64_t><int32_t>cell
    if letter == b"I":
        return <uint32_t>cell
    if letter == b"b" or letter == b"c":
        return <uint64_t><int64_t><int8_t>cell
    if letter == b"B" or letter == b"?":
        return <uint8_t>cell
    if letter == b"h":
        return <uint64_t><int64_t><int16_t>cell
    if letter == b"H":
        return <uint16_t>cell
    return cell


cdef bint is_integer(char letter) noexcept:
    return letter != b"P" and letter != b"z" and letter != b"?" and letter != b"c"


cdef bint put_number(char letter, object value, uint64_t *cell) except -1:
    """Writes what the function gets; False if it is no plain number that every kind of conversion passes as it is."""
    return put_float(letter, value, cell) if is_float(letter) else put_integer(letter, value, cell)


cdef bint put_float(char letter, object value, uint64_t *cell) except -1:
    cdef int overflow = 0
    cdef double number
    if PyFloat_Check(value):
        number = PyFloat_AS_DOUBLE(value)
    elif PyLong_Check(value):
        number = <double>PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return False
    else:
        return False
    if letter == b"d":
        (<double *>cell)[0] = number
    else:
        (<float *>cell)[0] = <float>number
    return True


cdef bint put_integer(char letter, object value, uint64_t *cell) except -1:
    cdef int overflow = 0
    cdef int64_t number
    if not PyLong_Check(value) or not is_integer(letter):
        return False
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    cell[0] = <uint64_t>number
    return not overflow and (number == <int64_t>widened(letter, cell[0]) and (letter != b"L" or number >= 0))


cdef offgil_status wait_for(
    future_t *handle, call_t *call, int64_t slice_ns, uint64_t *result, int32_t *saved_errno
) noexcept nogil:
    """Waits so long for the task of a call. Another thread may take the outcome meanwhile: the block isn't touched."""
    if call == NULL:
        return future_call_result(handle, slice_ns, result, saved_errno)
    return future_wait(handle, slice_ns, <void **>result)


cdef extern from *:
    """
    /* The calls whose futures are gone before their ends: a stack (Treiber, 1986) that is only ever taken as a whole. */
    static _Atomic(offgil_call_t *) offgil_abandoned;
    static _Atomic size_t offgil_abandoned_count;
    static _Atomic size_t offgil_abandoned_limit = 256;

    static void offgil_push_abandoned(offgil_call_t *call) {
        call->next = atomic_load(&offgil_abandoned);
        while (!atomic_compare_exchange_weak(&offgil_abandoned, &call->next, call)) {
        }
    }

    /* Another one; true if it is time to look which of them have ended. */
    static int offgil_abandon(offgil_call_t *call) {
        offgil_push_abandoned(call);
        return atomic_fetch_add(&offgil_abandoned_count, 1) + 1 >= atomic_load(&offgil_abandoned_limit);
    }

    static offgil_call_t *offgil_take_abandoned(void) {
        atomic_store(&offgil_abandoned_count, 0);
        return atomic_exchange(&offgil_abandoned, NULL);
    }

    static void offgil_keep_abandoned(offgil_call_t *call) {
        offgil_push_abandoned(call);
        atomic_fetch_add(&offgil_abandoned_count, 1);
    }

    static void offgil_abandoned_next(void) {
        size_t twice = 2 * atomic_load(&offgil_abandoned_count);
        atomic_store(&offgil_abandoned_limit, twice < 256 ? 256 : twice);
    }
    """
    bint abandon "offgil_abandon"(call_t *call) noexcept nogil
    call_t *take_abandoned "offgil_take_abandoned"() noexcept nogil
    void keep_abandoned "offgil_keep_abandoned"(call_t *call) noexcept nogil
    void set_next_look "offgil_abandoned_next"() noexcept nogil


cdef bint has_ended(future_t *handle) noexcept nogil:
    state = future_get_state(handle)
    return state != FUTURE_QUEUED and state != FUTURE_RUNNING


cdef void drop_call(future_t *handle, call_t *call) noexcept:
    """Gives the library's future back, and frees the call as soon as its task has ended."""
    if call == NULL or has_ended(handle):
        future_release(handle)
        PyMem_Free(call)
        return
    call.future = handle
    if not abandon(call):
        return
    call = take_abandoned()
    while call != NULL:
        next_call = call.next
        if has_ended(<future_t *>call.future):
            future_release(<future_t *>call.future)
            PyMem_Free(call)
        else:
            keep_abandoned(call)
        call = next_call
    set_next_look()


cdef object to_python(char letter, void *result):
    """What ctypes makes of a result of this type."""
    if letter == b"v":
        return None
    if letter == b"i":
        return (<int *>result)[0]
    if letter == b"d":
        return (<double *>result)[0]
    if letter == b"f":
        return (<float *>result)[0]
    if letter == b"P":
        return <size_t>(<void **>result)[0] or None
    if letter == b"z":
        return None if (<char **>result)[0] == NULL else <bytes>(<char **>result)[0]
    if letter == b"?":
        return (<unsigned char *>result)[0] != 0
    if letter == b"c":
        return (<char *>result)[:1]
    return to_int(letter, result)


cdef object to_int(char letter, void *result):
    if letter == b"b":
        return (<signed char *>result)[0]
    if letter == b"B":
        return (<unsigned char *>result)[0]
    if letter == b"h":
        return (<short *>result)[0]
    if letter == b"H":
        return (<unsigned short *>result)[0]
    if letter == b"I":
        return (<unsigned int *>result)[0]
    if letter == b"l":
        return (<long *>result)[0]
    return (<unsigned long *>result)[0]
