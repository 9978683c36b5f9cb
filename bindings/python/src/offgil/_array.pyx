# cython: language_level=3, freethreading_compatible=True
"""`map_array`: a native function of one number over all items of a buffer, as one operation of the pool.

A task runs `pool_for`, whose body calls the function by its exact C type; the caller waits for the task in slices, so that
Ctrl-C stops it: then the task is asked to stop, and each part looks now and then. So it is where the pool is canceled, and the
caller gets a CancelledError. If the queue is full and `when_full` is "run", the caller works through the items itself.
"""

from concurrent.futures import CancelledError

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t

from offgil._core cimport Call, Work, current_work, native_call, opened
from offgil._turns cimport now_ns
from offgil.capi cimport (
    OFFGIL_ECANCELED,
    OFFGIL_ECLOSED,
    OFFGIL_EFULL,
    OFFGIL_ETIMEDOUT,
    OFFGIL_OK,
    future_cancel,
    future_release,
    future_t,
    future_wait,
    offgil_last_status,
    offgil_status,
    offgil_status_message,
    pool_for,
    pool_submit,
    pool_t,
    task_is_canceled,
)

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    typedef struct {
        const char *data;
        int dimensions;
        const Py_ssize_t *shape;
        const Py_ssize_t *strides;
    } offgil_items_t;

    typedef struct {
        volatile int stop; /* no more items: the caller was interrupted, or the pool is canceled */
        void *fn;
        offgil_items_t in;
        offgil_items_t out;
        uint8_t (*canceled)(void);
        int has_data;
        void *data;
        uint8_t counts;
        size_t done; /* if it counts */
    } offgil_map_t;

    typedef void (*offgil_body_t)(void *context, size_t begin, size_t end);

    static inline void offgil_count(offgil_map_t *map, size_t items) {
        if (map->counts) {
            __atomic_fetch_add(&map->done, items, __ATOMIC_RELAXED);
        }
    }

    static inline size_t offgil_counted(const offgil_map_t *map) {
        return __atomic_load_n(&map->done, __ATOMIC_RELAXED);
    }

    /* Instead of task_is_canceled, where the task on this thread is not the map's. */
    static uint8_t offgil_never_canceled(void) {
        return 0;
    }

    static inline char *offgil_item(const offgil_items_t *items, size_t index) {
        ptrdiff_t offset = 0;
        if (items->dimensions == 1) {
            return (char *)items->data + (ptrdiff_t)index * items->strides[0];
        }
        for (int axis = items->dimensions - 1; axis >= 0; --axis) {
            offset += (ptrdiff_t)(index % (size_t)items->shape[axis]) * items->strides[axis];
            index /= (size_t)items->shape[axis];
        }
        return (char *)items->data + offset;
    }

    #define OFFGIL_BODY(a, A, r, R)                                                          \\
        static void offgil_map_##a##_##r(void *context, size_t begin, size_t end) {          \\
            offgil_map_t *map = (offgil_map_t *)context;                                     \\
            R (*fn)(A) = (R(*)(A))map->fn;                                                   \\
            R (*with_data)(A, void *) = (R(*)(A, void *))map->fn;                            \\
            size_t counted = begin;                                                          \\
            for (size_t index = begin; index < end; ++index) {                               \\
                if (map->stop) {                                                             \\
                    return;                                                                  \\
                }                                                                            \\
                if ((index & 1023) == 0) {                                                   \\
                    if (map->canceled()) {                                                   \\
                        map->stop = 1;                                                       \\
                        return;                                                              \\
                    }                                                                        \\
                    offgil_count(map, index - counted);                                      \\
                    counted = index;                                                         \\
                }                                                                            \\
                A argument;                                                                  \\
                memcpy(&argument, offgil_item(&map->in, index), sizeof argument);            \\
                R result = map->has_data ? with_data(argument, map->data) : fn(argument);    \\
                memcpy(offgil_item(&map->out, index), &result, sizeof result);               \\
            }                                                                                \\
            offgil_count(map, end - counted);                                                \\
        }
    #define OFFGIL_BODIES(a, A)                                                              \\
        OFFGIL_BODY(a, A, b, signed char) OFFGIL_BODY(a, A, B, unsigned char)                \\
        OFFGIL_BODY(a, A, h, short) OFFGIL_BODY(a, A, H, unsigned short)                     \\
        OFFGIL_BODY(a, A, i, int) OFFGIL_BODY(a, A, I, unsigned)                             \\
        OFFGIL_BODY(a, A, l, long) OFFGIL_BODY(a, A, L, unsigned long)                       \\
        OFFGIL_BODY(a, A, f, float) OFFGIL_BODY(a, A, d, double)
    #define OFFGIL_ROW(a)                                                                    \\
        { offgil_map_##a##_b, offgil_map_##a##_B, offgil_map_##a##_h, offgil_map_##a##_H,    \\
          offgil_map_##a##_i, offgil_map_##a##_I, offgil_map_##a##_l, offgil_map_##a##_L,    \\
          offgil_map_##a##_f, offgil_map_##a##_d }
    OFFGIL_BODIES(b, signed char)
    OFFGIL_BODIES(B, unsigned char)
    OFFGIL_BODIES(h, short)
    OFFGIL_BODIES(H, unsigned short)
    OFFGIL_BODIES(i, int)
    OFFGIL_BODIES(I, unsigned)
    OFFGIL_BODIES(l, long)
    OFFGIL_BODIES(L, unsigned long)
    OFFGIL_BODIES(f, float)
    OFFGIL_BODIES(d, double)
    /* By argument and result, in the order of LETTERS. */
    static const offgil_body_t offgil_bodies[10][10] = {
        OFFGIL_ROW(b), OFFGIL_ROW(B), OFFGIL_ROW(h), OFFGIL_ROW(H), OFFGIL_ROW(i),
        OFFGIL_ROW(I), OFFGIL_ROW(l), OFFGIL_ROW(L), OFFGIL_ROW(f), OFFGIL_ROW(d)};
    """
    ctypedef struct items_t "offgil_items_t":
        const char *data
        int dimensions
        const Py_ssize_t *shape
        const Py_ssize_t *strides
    ctypedef struct map_t "offgil_map_t":
        int stop
        void *fn
        # "in" is a word of Python's
        items_t source "in"
        items_t out
        uint8_t (*canceled)() noexcept nogil
        bint has_data
        void *data
        uint8_t counts
        size_t done
    size_t counted "offgil_counted"(const map_t *map) noexcept
    uint8_t never_canceled "offgil_never_canceled"() noexcept nogil
    ctypedef void (*body_t "offgil_body_t")(void *, size_t, size_t) noexcept nogil
    body_t bodies "offgil_bodies"[10][10]

cdef extern from "Python.h":
    Py_buffer *PyMemoryView_GET_BUFFER(object view)
    object PyMemoryView_FromBuffer(Py_buffer *buffer)

cdef str LETTERS = "bBhHiIlLfd"
cdef enum:
    STEP_NS = 10_000_000

ctypedef struct job_t:
    pool_t *pool
    body_t body
    map_t map
    size_t count
    offgil_status status


cdef void *run_map(void *arg) noexcept nogil:
    job = <job_t *>arg
    job.status = pool_for(job.pool, 0, job.count, 0, job.body, &job.map)
    return NULL


cdef dict SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "f": 4, "d": 8}
# What a memoryview that was made of no object refers to: they stay.
cdef dict FORMATS = {letter: letter.encode("ascii") for letter in LETTERS}
cdef char nothing = 0


cdef str letter_of(object view):
    """The letter of the buffer's items; no letter of LETTERS for what is no number of this machine's."""
    letter = view.format.lstrip("@=<")
    return {"q": "l", "Q": "L", "n": "l", "N": "L"}.get(letter, letter)


cdef int check_items(object view, str letter, str takes) except -1:
    """Raises TypeError unless the function takes, or returns, items as the buffer has them."""
    if letter_of(view) != letter:
        raise TypeError(f"the function {takes} items of format {letter!r}, not {view.format!r}")
    if view.itemsize != SIZES[letter]:  # "<l" has 4 bytes
        raise TypeError(
            f"the function {takes} items of {SIZES[letter]} bytes, and those of format {view.format!r} have {view.itemsize}: "
            f"copy them to an array of format {letter!r}"
        )
    return 0


cdef int set_items(items_t *items, object view) except -1:
    buffer = PyMemoryView_GET_BUFFER(view)
    items.data = <const char *>buffer.buf
    items.dimensions = buffer.ndim
    items.shape = buffer.shape
    items.strides = buffer.strides
    return 0


cdef object empty_like(object array, object view, str letter):
    """A new buffer of this shape: a NumPy array for one, else a memoryview."""
    if type(array).__module__ == "numpy":
        import numpy

        return numpy.empty(array.shape, letter)
    made = memoryview(bytearray(view.nbytes // view.itemsize * SIZES[letter]))
    if view.ndim == 1:
        return made.cast(letter)
    return made.cast(letter, view.shape) if view.nbytes else without_items(view, letter)


cdef object without_items(object view, str letter):
    """A memoryview of this shape, which has a 0 in it: `cast` makes none."""
    cdef Py_buffer buffer = PyMemoryView_GET_BUFFER(view)[0]
    buffer.buf = &nothing
    buffer.len = 0
    buffer.itemsize = SIZES[letter]
    buffer.readonly = False
    buffer.format = PyBytes_AS_STRING(FORMATS[letter])
    buffer.strides = NULL
    buffer.suboffsets = NULL
    buffer.internal = NULL
    return PyMemoryView_FromBuffer(&buffer)


def map_array(Work work, function, array, out, open_bar):
    """`out[i] = function(array[i])` for all items, off the GIL; returns `out`, a new buffer if that is None.

    `open_bar(total)`, if it isn't None, makes a bar that is told how many items are done.
    """
    cdef Call call
    cdef job_t job
    opened(work)
    call = native_call(function)
    if call is None or call.letters is None:
        raise TypeError(
            "map_array takes a native function whose types are known: set argtypes and restype (ctypes), "
            "or give offgil.native a signature"
        )
    letters = call.letters.decode("ascii")
    result = chr(call.result)
    # A pointer, or Cython's own number, which goes the same way to the function.
    job.map.has_data = call.fixed is not None and len(call.fixed) == 1
    job.map.data = <void *><size_t>(call.fixed[0] or 0) if job.map.has_data else NULL
    if job.map.has_data:
        letters = letters[:-1]
    if len(letters) != 1 or letters not in LETTERS or result not in LETTERS:
        raise TypeError("map_array takes a native function of one number that returns a number")
    view = memoryview(array)
    check_items(view, letters, "takes")
    if view.ndim == 0 or view.suboffsets:
        raise TypeError("an array of at least one dimension, in one piece, is expected")
    if out is None:
        out = empty_like(array, view, result)
    target = memoryview(out)
    check_items(target, result, "returns")
    if target.shape != view.shape:
        raise ValueError(f"out is of shape {target.shape}, not {view.shape}")
    if target.readonly:
        raise TypeError("out is read-only")
    job.pool = work.pool
    job.body = bodies[LETTERS.index(letters)][LETTERS.index(result)]
    job.count = view.nbytes // view.itemsize
    job.status = OFFGIL_OK
    job.map.stop = 0
    job.map.fn = call.address
    job.map.canceled = task_is_canceled
    set_items(&job.map.source, view)
    set_items(&job.map.out, target)
    job.map.counts = open_bar is not None
    job.map.done = 0
    work.check()
    bar = None if open_bar is None else open_bar(job.count)
    try:
        run_job(work, &job, bar)
    finally:
        if bar is not None:
            bar.close()
    return out


cdef int run_job(Work work, job_t *job, object bar) except -1:
    cdef future_t *future = NULL
    cdef Work inside = <Work>current_work() if current_work() != NULL else None
    if inside is not None:
        inside.block()
    try:
        future = submit_job(work, job)
        if future != NULL:
            await_job(job, future, bar)
    finally:
        if inside is not None:
            inside.unblock()
    if future == NULL:
        run_here(job, bar)
    return 0


cdef future_t *submit_job(Work work, job_t *job) except? NULL:
    """Submits the job; NULL if the queue is full and the caller is to run it."""
    cdef future_t *future = NULL
    cdef offgil_status status
    while future == NULL:
        with nogil:
            future = pool_submit(job.pool, run_map, job)
        if future == NULL:
            status = offgil_last_status()
            PyErr_CheckSignals()
            if status == OFFGIL_EFULL and work.when_full == "run":
                return NULL
            if status != OFFGIL_ETIMEDOUT:
                work.refuse(status)
    return future


cdef int await_job(job_t *job, future_t *future, object bar) except -1:
    """Returns when the job has ended; the future is released. CancelledError if the pool was canceled before all was done."""
    cdef size_t shown = 0
    cdef size_t done
    cdef offgil_status status = OFFGIL_ETIMEDOUT
    try:
        while status == OFFGIL_ETIMEDOUT:
            with nogil:
                status = future_wait(future, 100_000_000, NULL)
            PyErr_CheckSignals()
            if bar is not None:
                done = counted(&job.map)
                bar.update(done - shown)
                shown = done
    except BaseException:
        job.map.stop = 1
        future_cancel(future)
        raise
    finally:
        # The buffers and the job are the caller's: nothing may work on them when this is left.
        with nogil:
            while status == OFFGIL_ETIMEDOUT:
                status = future_wait(future, 100_000_000, NULL)
            future_release(future)
    if status == OFFGIL_OK:
        status = job.status
    if job.map.stop or status == OFFGIL_ECANCELED or status == OFFGIL_ECLOSED:
        raise CancelledError("the pool was canceled before all items were done")
    if status != OFFGIL_OK:
        raise RuntimeError((<bytes>offgil_status_message(status)).decode("ascii"))
    return 0


cdef int run_here(job_t *job, object bar) except -1:
    """Runs the job on this thread, in steps of some milliseconds, between which signals are looked at."""
    cdef size_t begin = 0
    cdef size_t step = 1
    cdef size_t items
    cdef int64_t since
    job.map.canceled = never_canceled
    while begin < job.count:
        items = min(step, job.count - begin)
        with nogil:
            since = now_ns()
            job.body(&job.map, begin, begin + items)
            step = items * 2 if now_ns() - since < STEP_NS else (items + 1) // 2
        begin += items
        PyErr_CheckSignals()
        if bar is not None:
            bar.update(items)
    return 0
