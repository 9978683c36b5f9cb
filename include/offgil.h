/**
 * offgil: a thread pool for C, C++, Cython nogil, ctypes and cffi. Version 0.1.
 *
 *     pool_t *pool = pool_create(0);                        one thread per usable CPU
 *     future_t *future = pool_submit(pool, work, &job);     void *work(void *job) runs on one of them
 *     void *result;
 *     future_wait(future, OFFGIL_FOREVER, &result);
 *     future_release(future);
 *     pool_destroy(pool);
 *
 * Handles: pool_t and future_t are opaque. A handle is a number that only looks like a pointer: each call checks it,
 * and a NULL handle is answered with OFFGIL_EINVAL, a released, invented or foreign one with OFFGIL_EHANDLE.
 *
 * Failures: a function that makes something returns NULL, and offgil_last_status says why; every other one returns an
 * offgil_status. offgil_last_message has a sentence on this thread's last failure. Out-parameters come last, may be
 * NULL, and are written on the outcomes that the function names.
 *
 * Times are nanoseconds in an int64_t: negative is for ever (OFFGIL_FOREVER), 0 is a look. Waits go on after a signal.
 *
 * Threads: every function may be called from any thread, also inside tasks, but never from a signal handler. At most
 * `threads` task bodies of a pool run at a time, whoever runs them; a body that is blocked in a wait of this library
 * doesn't count, and counts again before the wait returns.
 *
 * Names: each is also there with a prefix (offgil_pool_create, offgil_pool_t, OFFGIL_POOL_DRAIN), for programs that have
 * a pool_create of their own. With OFFGIL_NO_SHORT_NAMES defined before the first include, only names that begin with
 * offgil_ and OFFGIL_ are declared.
 *
 * Generated from the Rust source by cbindgen; do not edit.
 */

#ifndef OFFGIL_H
#define OFFGIL_H

#include <stddef.h>
#include <stdint.h>

/**
 * A timeout that is never over (any negative number is). 0 means: look, don't wait. All times are nanoseconds.
 */
#define OFFGIL_FOREVER -1

/**
 * What a call came to: OFFGIL_OK (0), or a negative number that says what was wrong.
 */
typedef int32_t offgil_status;

/**
 * Success.
 */
#define OFFGIL_OK 0

/**
 * A bad argument: NULL where none is allowed, a number out of range, an unknown option.
 */
#define OFFGIL_EINVAL -1

/**
 * No such live handle: released, released twice, invented, of another kind, or of another copy of the library.
 */
#define OFFGIL_EHANDLE -2

/**
 * The time was over first.
 */
#define OFFGIL_ETIMEDOUT -3

/**
 * The task was canceled and will never run.
 */
#define OFFGIL_ECANCELED -4

/**
 * The task called task_fail; future_error has its code and message.
 */
#define OFFGIL_EFAILED -5

/**
 * A Rust task panicked; future_error has its message.
 */
#define OFFGIL_EPANIC -6

/**
 * The pool's bounded queue is full (POOL_FULL_FAIL).
 */
#define OFFGIL_EFULL -7

/**
 * The pool is shut down and takes no more tasks.
 */
#define OFFGIL_ECLOSED -8

/**
 * The wait could never end: a task waits for itself, for one that waits for it, or for its own pool to be done.
 */
#define OFFGIL_EDEADLK -9

/**
 * The handle belongs to the parent of a fork.
 */
#define OFFGIL_EFORKED -10

/**
 * Out of memory, or of handles.
 */
#define OFFGIL_ENOMEM -11

/**
 * A thread is needed and none can be started (a limit of the system's, or max_spare_threads).
 */
#define OFFGIL_ETHREAD -12

/**
 * The task is running already; it was asked to stop.
 */
#define OFFGIL_EBUSY -13

/**
 * The task has ended already.
 */
#define OFFGIL_EDONE -14

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status as it stands in this header, such as "OFFGIL_EHANDLE"; "unknown" for any other number.
 *
 * The text is static. Any thread; never blocks; can't fail.
 */
const char *offgil_status_name(offgil_status status);

/**
 * What a status means, in a few words of English.
 *
 * The text is static. Any thread; never blocks; can't fail.
 */
const char *offgil_status_message(offgil_status status);

/**
 * The status of the calling thread's last call that failed; OFFGIL_OK if none has. Calls that succeed leave it.
 *
 * This is how to learn why a function that returns a handle returned NULL. Any thread; never blocks; can't fail.
 */
offgil_status offgil_last_status(void);

/**
 * What was wrong in the calling thread's last call that failed, and where that is known, what to do; "" if none
 * has failed.
 *
 * The text is the library's and lives until the thread's next failure or its end. Any thread; never blocks; can't
 * fail.
 */
const char *offgil_last_message(void);

/**
 * The library's version: major * 1,000,000 + minor * 1,000 + patch.
 *
 * Any thread; never blocks; can't fail.
 */
uint32_t offgil_version(void);

/**
 * The library's version as text, such as "0.1.0".
 *
 * The text is static. Any thread; never blocks; can't fail.
 */
const char *offgil_version_string(void);

/**
 * How many CPUs this process may use, at least 1: the affinity mask and the cgroup's quota are counted in.
 *
 * Any thread; never blocks, but reads a few files of the system's on Linux; can't fail.
 */
uint32_t offgil_cpu_count(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifndef OFFGIL_NO_SHORT_NAMES

/**
 * A submit from outside waits for room (at most full_timeout_ns, then OFFGIL_ETIMEDOUT).
 */
#define POOL_FULL_BLOCK 0

/**
 * A submit from outside fails with OFFGIL_EFULL.
 */
#define POOL_FULL_FAIL 1

/**
 * A submit from outside runs the task itself, once one of the pool's places is free (at most full_timeout_ns).
 * Where outside threads may not run the pool's tasks (see waiters_help) and inside tasks of other pools, as
 * POOL_FULL_BLOCK.
 */
#define POOL_FULL_RUN 2

/**
 * Tasks from outside are started in the order in which they came.
 */
#define POOL_FIFO 0

/**
 * The newest task from outside is started first.
 */
#define POOL_LIFO 1

/**
 * What is queued is run.
 */
#define POOL_DRAIN 0

/**
 * What is queued is canceled, and what runs is asked to stop (task_is_canceled).
 */
#define POOL_CANCEL 1

/**
 * Not started yet.
 */
#define FUTURE_QUEUED 0

/**
 * Running.
 */
#define FUTURE_RUNNING 1

/**
 * Ended: with a result, by task_fail, or by a panic.
 */
#define FUTURE_DONE 2

/**
 * Canceled before it ran: it never will.
 */
#define FUTURE_CANCELED 3

/**
 * NULL or no live handle.
 */
#define FUTURE_INVALID -1

/**
 * A task's result to come. An opaque handle: never dereferenced, and checked at each call.
 *
 * Owns nothing but its share in the task's cell. Made by pool_submit and pool_submit_many; each future_retain makes
 * one more future_release due. All functions on it may be called from any thread at any time, also at the same time.
 * After the last release it is dead, and each function answers OFFGIL_EHANDLE. A surplus release can't be told from
 * one that is due while others still hold the handle.
 */
typedef struct offgil_future_t future_t;

/**
 * A pool of threads. An opaque handle: never dereferenced, and checked at each call.
 *
 * Owns its threads and its queues. Made by pool_create, pool_create_with and pool_default; ends with pool_destroy or
 * pool_release. All functions on it may be called from any thread at any time, also at the same time.
 */
typedef struct offgil_pool_t pool_t;

/**
 * A function that each thread of a pool calls with pool_options_t.context.
 */
typedef void (*thread_hook_fn)(void *context);

/**
 * How a pool is to be. Fill it with pool_options_init, then change what you want to; fields may be added at the
 * end in later versions, which `size` makes safe in both directions.
 *
 * Plain data of the caller's: copied by pool_create_with, and not needed afterwards (but for `context`, which the
 * hooks get as long as the pool has threads).
 */
typedef struct offgil_pool_options_t {
  /**
   * Size of this struct in bytes, as the caller was compiled. Set by pool_options_init.
   */
  size_t size;
  /**
   * How many task bodies run at a time, at most 4096. 0 (the default): one per usable CPU, or what the
   * environment variable OFFGIL_NUM_THREADS says.
   */
  uint32_t threads;
  /**
   * How many threads may be started on top while tasks are blocked in waits. Default 256.
   */
  uint32_t max_spare_threads;
  /**
   * Stack of each thread in bytes, at least 65,536. 0 (the default): the system's default.
   */
  size_t stack_size;
  /**
   * Name of the threads, to which "-0", "-1" ... is added (the system may cut it). NULL (the default): "offgil".
   */
  const char *thread_name;
  /**
   * How many tasks may be queued. 0 (the default): no limit. It holds for threads outside the pool; the pool's
   * own tasks are never blocked or refused, past the limit they run the new task themselves.
   */
  size_t queue_limit;
  /**
   * How long POOL_FULL_BLOCK and POOL_FULL_RUN wait, in nanoseconds; negative (the default): for ever.
   */
  int64_t full_timeout_ns;
  /**
   * What a submit does when the queue is full: POOL_FULL_BLOCK (the default), POOL_FULL_FAIL or POOL_FULL_RUN.
   */
  int32_t when_full;
  /**
   * In which order tasks from outside are started: POOL_FIFO (the default) or POOL_LIFO. Strict with one thread.
   * A task's own children come before either, newest first.
   */
  int32_t order;
  /**
   * 1 (the default): a thread outside the pool that waits for ever for a task that is still queued may run it
   * itself, if fewer than `threads` bodies run. 0: only the pool's threads run its tasks. A pool of one thread,
   * and one with hooks, never lets outside threads run its tasks.
   */
  uint8_t waiters_help;
  /**
   * Called by each of the pool's threads when it starts, before any task. May be NULL. Must return.
   */
  thread_hook_fn on_thread_start;
  /**
   * Called by each of the pool's threads when it ends. May be NULL. Must return.
   */
  thread_hook_fn on_thread_stop;
  /**
   * What the hooks get.
   */
  void *context;
} pool_options_t;

/**
 * The body of a task: called once, with the argument that it was submitted with, on some thread. What it returns is
 * the task's result. It must return: left by a C++ exception or by pthread_exit it ends the process with a message,
 * and a longjmp out of it is undefined. A Rust panic is caught and becomes OFFGIL_EPANIC.
 */
typedef void *(*task_fn)(void *arg);

/**
 * The body of pool_for: works on the indices from `begin` up to, not including, `end`. It must return (see task_fn).
 */
typedef void (*range_fn)(void *context, size_t begin, size_t end);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Fills a struct of options with the defaults: `pool_options_init(&options, sizeof options)`.
 *
 * @param options where to; NULL is ignored
 * @param size    size of the caller's struct in bytes; what this library doesn't know of it is set to 0. A size that
 *                no version of the struct has (too small to hold `threads`, or over 4096) leaves it as it is.
 *
 * Any thread; never blocks; can't fail.
 */
void pool_options_init(pool_options_t *options,
                       size_t size);

/**
 * Makes a pool that runs at most `threads` task bodies at a time, at most 4096.
 *
 * 0 stands for one per usable CPU (offgil_cpu_count), or for what the environment variable OFFGIL_NUM_THREADS says
 * (which a set-uid process ignores). A pool of one runs one task at a time, in order. Threads are started when there
 * is work for them, so this is cheap.
 *
 * @return a handle, due to one pool_destroy or pool_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL (more
 *         than 4096 threads, or a bad OFFGIL_NUM_THREADS), OFFGIL_ENOMEM (65,536 pools alive)
 *
 * Any thread; never blocks.
 */
pool_t *pool_create(uint32_t threads);

/**
 * Makes a pool as the options say (see pool_options_t); they are copied.
 *
 * @return a handle, due to one pool_destroy or pool_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL
 *         (options NULL, not made by pool_options_init, or one out of range: offgil_last_message says which),
 *         OFFGIL_ENOMEM
 *
 * Any thread; never blocks.
 */
pool_t *pool_create_with(const pool_options_t *options);

/**
 * The process's own pool, one thread per usable CPU (or OFFGIL_NUM_THREADS), made on first use.
 *
 * It is never destroyed: pool_shutdown, pool_destroy and pool_release on it answer OFFGIL_EINVAL.
 *
 * @return its handle, always the same; NULL on failure (offgil_last_status): OFFGIL_EINVAL (a bad
 *         OFFGIL_NUM_THREADS), OFFGIL_ENOMEM
 *
 * Any thread; never blocks.
 */
pool_t *pool_default(void);

/**
 * Closes the pool, and waits until all that it has accepted is done, at most for `timeout_ns`. The handle stays valid.
 *
 * From now on threads outside get OFFGIL_ECLOSED, also those that are blocked on a full queue; tasks that still run may
 * submit more while the pool drains (POOL_DRAIN), but not with POOL_CANCEL. May be called again, to wait longer or to
 * turn a drain into a cancel.
 *
 * @param mode       POOL_DRAIN or POOL_CANCEL
 * @param timeout_ns how long to wait; 0: close and look; negative: for ever
 * @return OFFGIL_OK: all is done, the threads end; OFFGIL_ETIMEDOUT: something still runs; OFFGIL_EINVAL: NULL, no such
 *         mode, or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: for ever, from inside a task of this pool
 *
 * Any thread. Blocks; a task of another pool gives its place up meanwhile.
 */
offgil_status pool_shutdown(pool_t *pool,
                            int32_t mode,
                            int64_t timeout_ns);

/**
 * Drains the pool (as pool_shutdown with POOL_DRAIN, for ever), joins its threads and frees it.
 *
 * The handle is dead afterwards; futures of its tasks stay valid until they are released.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: from inside a task of this
 *         pool (nothing was changed then; pool_release is what a task can call)
 *
 * Any thread but the pool's own. Blocks.
 */
offgil_status pool_destroy(pool_t *pool);

/**
 * Closes the pool and lets go of it: what is queued is still run, then its threads end by themselves.
 *
 * The handle is dead afterwards, except inside tasks of the pool, which may submit more while it drains.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE
 *
 * Any thread, also the pool's own; never blocks.
 */
offgil_status pool_release(pool_t *pool);

/**
 * Waits until no task of the pool is queued or running, at most for `timeout_ns`.
 *
 * Others may submit in the meantime: then it waits for that, too. Two tasks that wait for each other's pool to be idle
 * are not found out: they wait for ever.
 *
 * @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_EDEADLK: for ever, from inside a task of
 *         this pool
 *
 * Any thread. Blocks; a task of another pool gives its place up meanwhile.
 */
offgil_status pool_wait_idle(pool_t *pool,
                             int64_t timeout_ns);

/**
 * How many task bodies the pool runs at a time; 0 on failure (offgil_last_status): OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE.
 *
 * Any thread; never blocks.
 */
uint32_t pool_thread_count(pool_t *pool);

/**
 * The number of the place on which the calling thread runs a task of this pool: 0 to pool_thread_count - 1, and never
 * the same for two bodies that run at the same time, so it can index scratch arrays. -1 outside the pool's tasks, and
 * for a handle that is NULL or not live (offgil_last_status: OFFGIL_EINVAL, OFFGIL_EHANDLE).
 *
 * A wait inside a task gives the place up: ask again after it. Any thread; never blocks.
 */
int32_t pool_worker_index(pool_t *pool);

/**
 * Submits one task: `fn(arg)` runs once, on one of the pool's places.
 *
 * From outside the pool it takes its turn (pool_options_t.order); from inside one of its tasks it is that task's
 * child, started before what came from outside, newest first. If the queue is bounded and full, the options say what
 * happens (POOL_FULL_BLOCK blocks).
 *
 * @param fn  the body; not NULL
 * @param arg what it gets; stays the caller's
 * @return the future, due to one future_release, which may outlive the pool; NULL on failure (offgil_last_status):
 *         OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE, OFFGIL_ECLOSED, OFFGIL_EFULL, OFFGIL_ETIMEDOUT (full_timeout_ns),
 *         OFFGIL_ENOMEM, OFFGIL_ETHREAD (the pool has no thread and none can be started). The task has not run then.
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
future_t *pool_submit(pool_t *pool,
                      task_fn fn,
                      void *arg);

/**
 * Submits `count` tasks, `fn(args[i])` each, as one operation: cheaper than one by one.
 *
 * On failure what had gone in is canceled where it has not begun (what has begun runs to its end), and no future is
 * written.
 *
 * @param fn      the body; not NULL
 * @param args    `count` arguments; NULL: each gets NULL
 * @param count   how many; 0 is fine
 * @param futures where the futures go, `count` of them, each due to one future_release; NULL: nobody will ask
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL pool or function, or an impossible count; OFFGIL_EHANDLE; OFFGIL_ECLOSED;
 *         OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as pool_submit)
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
offgil_status pool_submit_many(pool_t *pool,
                               task_fn fn,
                               void *const *args,
                               size_t count,
                               future_t **futures);

/**
 * Submits one task that nobody will ask for: no future, so nothing to release.
 *
 * @param fn  the body; not NULL. What it returns is dropped.
 * @param arg what it gets; stays the caller's
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM;
 *         OFFGIL_ETHREAD (as pool_submit)
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
offgil_status pool_spawn(pool_t *pool,
                         task_fn fn,
                         void *arg);

/**
 * Inside a task: 1 if it was asked to stop (future_cancel, or pool_shutdown with POOL_CANCEL), else 0. A long task
 * looks now and then, and returns early. In a part of pool_for or pool_map it is the task around it that is meant.
 *
 * 0 outside a task. Any thread; never blocks; can't fail.
 */
uint8_t task_is_canceled(void);

/**
 * Inside a task: marks it as failed. It goes on until it returns; its status is then OFFGIL_EFAILED, and what it
 * returns is dropped. Called again, the last call counts. In a part of pool_for, pool_map or pool_invoke it is that
 * part that fails.
 *
 * @param code    a number for future_error
 * @param message a text for future_error, copied; NULL: none. Bytes that are no UTF-8 are replaced.
 * @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task
 *
 * Any thread; never blocks.
 */
offgil_status task_fail(int32_t code,
                        const char *message);

/**
 * Waits until the task has ended, at most for `timeout_ns`. May be called any number of times, by any number of
 * threads, until the handle is released.
 *
 * A wait for ever may run the task itself on the calling thread, if it is still queued, fewer bodies run than the
 * pool has threads, and a quarter of the stack is left; inside a task this is what keeps nested waits from
 * deadlocking. It runs no other task. A task that blocks here gives its place up, and has one again when this returns.
 *
 * @param timeout_ns how long; 0: look, don't wait; negative: for ever
 * @param result     where what the task returned goes; written on OFFGIL_OK only; may be NULL
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC (future_error and offgil_last_message tell more); OFFGIL_ECANCELED;
 *         OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
 *         OFFGIL_EDEADLK: for ever, and the task waits for the calling one; OFFGIL_ETHREAD: for ever, inside a task, and
 *         no thread can be had to run what is awaited
 *
 * Any thread. Blocks.
 */
offgil_status future_wait(future_t *future,
                          int64_t timeout_ns,
                          void **result);

/**
 * Waits until all the tasks have ended, at most for `timeout_ns` altogether.
 *
 * As future_wait for each, in order (so a circle over a later one is found when its turn comes); nothing is released.
 * The array stays as it is until this returns.
 *
 * @param futures `count` futures; the same may be in it twice
 * @param count   how many; 0 is done at once
 * @return OFFGIL_OK: each ended with a result; else the status of the lowest-numbered task that didn't (OFFGIL_EFAILED,
 *         OFFGIL_EPANIC, OFFGIL_ECANCELED), after all have ended; or, without waiting for the rest: OFFGIL_ETIMEDOUT;
 *         OFFGIL_EINVAL: NULL array or NULL in it; OFFGIL_EHANDLE; OFFGIL_EDEADLK; OFFGIL_ETHREAD (as future_wait)
 *
 * Any thread. Blocks.
 */
offgil_status future_wait_all(future_t *const *futures,
                              size_t count,
                              int64_t timeout_ns);

/**
 * Waits until one of the tasks has ended, however it did, at most for `timeout_ns`. Runs no task itself.
 *
 * @param futures `count` futures
 * @param count   how many, at least 1
 * @param index   where the index of one that has ended goes (the lowest, if several had before the call); written on
 *                OFFGIL_OK only; may be NULL
 * @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: count 0, NULL array or NULL in it; OFFGIL_EHANDLE: one is no live
 *         handle, or was released during the wait; OFFGIL_EDEADLK: for ever, and each waits for the calling task;
 *         OFFGIL_ETHREAD (as future_wait)
 *
 * Any thread. Blocks.
 */
offgil_status future_wait_any(future_t *const *futures,
                              size_t count,
                              int64_t timeout_ns,
                              size_t *index);

/**
 * Where the task is: FUTURE_QUEUED, FUTURE_RUNNING, FUTURE_DONE, FUTURE_CANCELED; FUTURE_INVALID for NULL and for what
 * is no live handle (offgil_last_status: OFFGIL_EINVAL, OFFGIL_EHANDLE).
 *
 * Any thread; never blocks.
 */
int32_t future_get_state(future_t *future);

/**
 * Cancels the task if it has not begun; asks it to stop if it runs.
 *
 * @return OFFGIL_OK: it will never run, and waits for it answer OFFGIL_ECANCELED; OFFGIL_EBUSY: it runs, and
 *         task_is_canceled now says 1 inside it; OFFGIL_EDONE: it has ended (or was canceled before); OFFGIL_EINVAL:
 *         NULL; OFFGIL_EHANDLE
 *
 * Any thread; never blocks. The handle is still due to be released.
 */
offgil_status future_cancel(future_t *future);

/**
 * Why the task failed: what it told task_fail, or the message of a panic (code 0).
 *
 * @param code    where the code goes; may be NULL
 * @param message where the text goes, cut to `length` bytes with its closing NUL; may be NULL
 * @param length  size of `message` in bytes
 * @return OFFGIL_EFAILED or OFFGIL_EPANIC: it failed so, and the parameters were written; OFFGIL_OK: it ended with a
 *         result; OFFGIL_ECANCELED: it was canceled; OFFGIL_ETIMEDOUT: it has not ended (nothing is written in these
 *         three); OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE
 *
 * Any thread; never blocks.
 */
offgil_status future_error(future_t *future,
                           int32_t *code,
                           char *message,
                           size_t length);

/**
 * One more future_release is due.
 *
 * @return the same handle; NULL on failure (offgil_last_status): OFFGIL_EINVAL (NULL, or retained 65,535 times),
 *         OFFGIL_EHANDLE
 *
 * Any thread; never blocks.
 */
future_t *future_retain(future_t *future);

/**
 * Gives the handle back; after the last one it is dead. The task still runs if it has not. A wait of another thread's
 * on a handle that dies returns OFFGIL_EHANDLE.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
 *
 * Any thread; never blocks.
 */
offgil_status future_release(future_t *future);

/**
 * Calls `body(context, b, e)` for parts of the range that together are begin up to, not including, end; returns when
 * all have ended.
 *
 * The calling thread works too, where it may (see pool_options_t.waiters_help); parts are handed out as threads ask
 * for them, larger ones first. A part may call task_fail; all parts are run to their end all the same.
 *
 * @param grain   least number of indices in a part (the last may be shorter); 0: automatic
 * @param body    not NULL
 * @param context what it gets; shared by all parts
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the lowest part that failed ended (offgil_last_message has its
 *         words); OFFGIL_EINVAL: NULL, or end before begin; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED: the pool was
 *         canceled before all was done; OFFGIL_EFULL, OFFGIL_ETIMEDOUT: a bounded queue is full, and the calling thread may
 *         not work itself; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as future_wait)
 *
 * Any thread, also inside tasks. Blocks.
 *
 * Guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on Computers 36 (1987).
 */
offgil_status pool_for(pool_t *pool,
                       size_t begin,
                       size_t end,
                       size_t grain,
                       range_fn body,
                       void *context);

/**
 * Sets `results[i] = fn(args[i])` for each i below count; returns when all are done.
 *
 * As pool_for with one element a call: a call that fails (task_fail) leaves NULL in its place, the others go on.
 *
 * @param fn      not NULL
 * @param args    `count` arguments; not NULL unless count is 0
 * @param results where the results go, `count` of them, may be `args` itself; NULL: dropped
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the call with the lowest index that failed ended; else as pool_for
 *
 * Any thread, also inside tasks. Blocks.
 */
offgil_status pool_map(pool_t *pool,
                       task_fn fn,
                       void *const *args,
                       void **results,
                       size_t count);

/**
 * Calls `left(left_arg)` and `right(right_arg)`, perhaps at the same time; returns when both have ended. What they
 * return is dropped. The left one runs on the calling thread where it may; no memory is allocated.
 *
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the left, or if that one went well the right one ended;
 *         OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT;
 *         OFFGIL_ENOMEM; OFFGIL_ETHREAD (as future_wait)
 *
 * Any thread, also inside tasks. Blocks.
 *
 * Fork and join as in Cilk: Frigo, Leiserson and Randall, PLDI 1998.
 */
offgil_status pool_invoke(pool_t *pool,
                          task_fn left,
                          void *left_arg,
                          task_fn right,
                          void *right_arg);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OFFGIL_NO_SHORT_NAMES */

/*
 * The same once more, with the prefix: what each is, its short twin above says.
 */

#define OFFGIL_POOL_FULL_BLOCK 0
#define OFFGIL_POOL_FULL_FAIL 1
#define OFFGIL_POOL_FULL_RUN 2
#define OFFGIL_POOL_FIFO 0
#define OFFGIL_POOL_LIFO 1
#define OFFGIL_POOL_DRAIN 0
#define OFFGIL_POOL_CANCEL 1
#define OFFGIL_FUTURE_QUEUED 0
#define OFFGIL_FUTURE_RUNNING 1
#define OFFGIL_FUTURE_DONE 2
#define OFFGIL_FUTURE_CANCELED 3
#define OFFGIL_FUTURE_INVALID -1
typedef struct offgil_future_t offgil_future_t;
typedef struct offgil_pool_t offgil_pool_t;
typedef void (*offgil_thread_hook_fn)(void *context);
typedef struct offgil_pool_options_t offgil_pool_options_t;
#ifdef OFFGIL_NO_SHORT_NAMES
struct offgil_pool_options_t {
  size_t size;
  uint32_t threads;
  uint32_t max_spare_threads;
  size_t stack_size;
  const char *thread_name;
  size_t queue_limit;
  int64_t full_timeout_ns;
  int32_t when_full;
  int32_t order;
  uint8_t waiters_help;
  offgil_thread_hook_fn on_thread_start;
  offgil_thread_hook_fn on_thread_stop;
  void *context;
};
#endif
typedef void *(*offgil_task_fn)(void *arg);
typedef void (*offgil_range_fn)(void *context, size_t begin, size_t end);
#ifdef __cplusplus
extern "C" {
#endif // __cplusplus
void offgil_pool_options_init(offgil_pool_options_t *options, size_t size);
offgil_pool_t *offgil_pool_create(uint32_t threads);
offgil_pool_t *offgil_pool_create_with(const offgil_pool_options_t *options);
offgil_pool_t *offgil_pool_default(void);
offgil_status offgil_pool_shutdown(offgil_pool_t *pool, int32_t mode, int64_t timeout_ns);
offgil_status offgil_pool_destroy(offgil_pool_t *pool);
offgil_status offgil_pool_release(offgil_pool_t *pool);
offgil_status offgil_pool_wait_idle(offgil_pool_t *pool, int64_t timeout_ns);
uint32_t offgil_pool_thread_count(offgil_pool_t *pool);
int32_t offgil_pool_worker_index(offgil_pool_t *pool);
offgil_future_t *offgil_pool_submit(offgil_pool_t *pool, offgil_task_fn fn, void *arg);
offgil_status offgil_pool_submit_many(offgil_pool_t *pool,
                                      offgil_task_fn fn,
                                      void *const *args,
                                      size_t count,
                                      offgil_future_t **futures);
offgil_status offgil_pool_spawn(offgil_pool_t *pool, offgil_task_fn fn, void *arg);
uint8_t offgil_task_is_canceled(void);
offgil_status offgil_task_fail(int32_t code, const char *message);
offgil_status offgil_future_wait(offgil_future_t *future, int64_t timeout_ns, void **result);
offgil_status offgil_future_wait_all(offgil_future_t *const *futures, size_t count, int64_t timeout_ns);
offgil_status offgil_future_wait_any(offgil_future_t *const *futures,
                                     size_t count,
                                     int64_t timeout_ns,
                                     size_t *index);
int32_t offgil_future_get_state(offgil_future_t *future);
offgil_status offgil_future_cancel(offgil_future_t *future);
offgil_status offgil_future_error(offgil_future_t *future, int32_t *code, char *message, size_t length);
offgil_future_t *offgil_future_retain(offgil_future_t *future);
offgil_status offgil_future_release(offgil_future_t *future);
offgil_status offgil_pool_for(offgil_pool_t *pool,
                              size_t begin,
                              size_t end,
                              size_t grain,
                              offgil_range_fn body,
                              void *context);
offgil_status offgil_pool_map(offgil_pool_t *pool,
                              offgil_task_fn fn,
                              void *const *args,
                              void **results,
                              size_t count);
offgil_status offgil_pool_invoke(offgil_pool_t *pool,
                                 offgil_task_fn left,
                                 void *left_arg,
                                 offgil_task_fn right,
                                 void *right_arg);
#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OFFGIL_H */
