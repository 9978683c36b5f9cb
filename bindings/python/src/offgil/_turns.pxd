# cython: language_level=3
"""Turns: Python and native tasks share the places of a pool, and a long burst of one kind must not keep the other out.

A native task that has ended gives its place to a Python worker that waits for one: the library sees to that. A Python worker
holds its place over many tasks; so between two of them, when its turn is over and native tasks are queued, it gives the
place up for a turn of theirs.
"""

from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport usleep

from offgil.capi cimport pool_stats, pool_stats_t, pool_t, task_block_begin, task_block_end

cdef enum:
    TURN_NS = 5_000_000
    LOOK_US = 100  # between two looks whether any are left


cdef inline int64_t now_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef inline bint has_queued(pool_t *pool) noexcept nogil:
    cdef pool_stats_t stats
    stats.tasks_queued = 0
    pool_stats(pool, &stats, sizeof(stats))
    return stats.tasks_queued != 0


cdef inline void give_turn(pool_t *pool) noexcept nogil:
    """Gives the worker's place to native tasks until none is queued, for a turn at most."""
    cdef int64_t end = now_ns() + TURN_NS
    task_block_begin()
    while has_queued(pool) and now_ns() < end:
        usleep(LOOK_US)
    task_block_end()
