# cython: language_level=3
"""The integral of the cosine in Cython: tasks, submits and waits run without the GIL.

The `cimport` of offgil brings its C functions along, so there is no compiler or linker flag: `cythonize -i`
is all that it takes.
"""
from libc.math cimport acos, cos
from libc.stdlib cimport calloc, free
from offgil cimport (
    OFFGIL_FOREVER, OFFGIL_OK, future_release, future_t, future_wait, offgil_last_status, offgil_status,
    offgil_status_message, pool_create, pool_destroy, pool_submit, pool_t,
)


ctypedef struct Strip:
    size_t begin
    size_t end
    double width
    double sum


cdef void *integrate_strip(void *argument) noexcept nogil:
    """The task: the sum of the cosine over its midpoints. Returns its strip."""
    cdef Strip *strip = <Strip *>argument
    cdef double total = 0.0
    cdef size_t i
    for i in range(strip.begin, strip.end):
        total += cos((<double>i + 0.5) * strip.width)
    strip.sum = total
    return strip


def integrate(size_t begin, size_t end, double width) -> float:
    """The same function for a caller that brings its own threads, such as a ThreadPoolExecutor."""
    cdef Strip strip = Strip(begin, end, width, 0.0)
    with nogil:
        integrate_strip(&strip)
    return strip.sum * width


cdef class Integral:
    """The integral by `points` midpoints in `jobs` tasks, on a pool of its own (`workers` 0: one per CPU)."""
    cdef pool_t *pool
    cdef Strip *strips
    cdef future_t **futures
    cdef size_t jobs

    def __cinit__(self, size_t points, size_t jobs, unsigned int workers):
        cdef size_t i
        if not 0 < jobs <= points:
            raise ValueError("there must be at least one job, and a point for each")
        self.jobs = jobs
        self.strips = <Strip *>calloc(jobs, sizeof(Strip))
        self.futures = <future_t **>calloc(jobs, sizeof(future_t *))
        if self.strips == NULL or self.futures == NULL:
            raise MemoryError()
        for i in range(jobs):
            self.strips[i] = Strip(points * i // jobs, points * (i + 1) // jobs, acos(0.0) / points, 0.0)
        self.pool = pool_create(workers)
        if self.pool == NULL:
            raise RuntimeError(offgil_status_message(offgil_last_status()).decode())

    def __dealloc__(self):
        if self.pool != NULL:
            with nogil:
                pool_destroy(self.pool)
        free(self.futures)
        free(self.strips)

    def serial(self) -> float:
        """The same strips in a plain loop, for comparison."""
        cdef double total = 0.0
        cdef size_t i
        with nogil:
            for i in range(self.jobs):
                total += (<Strip *>integrate_strip(&self.strips[i])).sum
        return total * self.strips[0].width

    def parallel(self) -> float:
        """One task a strip. Other Python threads have the GIL from the first submit to the last wait."""
        cdef double total = 0.0
        cdef offgil_status status
        with nogil:
            status = self.sum_strips(&total)
        if status != OFFGIL_OK:
            raise RuntimeError(offgil_status_message(status).decode())
        return total * self.strips[0].width

    cdef offgil_status sum_strips(self, double *total) noexcept nogil:
        cdef offgil_status worst = OFFGIL_OK
        cdef offgil_status status
        cdef void *result
        cdef size_t i
        for i in range(self.jobs):
            self.futures[i] = pool_submit(self.pool, integrate_strip, &self.strips[i])
            if self.futures[i] == NULL:
                worst = offgil_last_status()
        # After a failure, too, every future is waited for: no strip may go while a task writes to it.
        for i in range(self.jobs):
            if self.futures[i] == NULL:
                continue
            status = future_wait(self.futures[i], OFFGIL_FOREVER, &result)
            future_release(self.futures[i])
            if status != OFFGIL_OK:
                worst = status
            else:
                total[0] += (<Strip *>result).sum
        return worst
