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
 * Handles: pool_t, future_t, group_t, completion_queue_t and signature_t are opaque. A handle is a number that only looks
 * like a pointer: each call checks it, and NULL is answered with OFFGIL_EINVAL, a released, invented or foreign one, and
 * one of another kind, with OFFGIL_EHANDLE. Whoever is given a handle releases it, once.
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
 * Fork: in the child every pool works on; tasks, groups and completion queues of the parent answer OFFGIL_EFORKED wherever
 * OFFGIL_EHANDLE is named. A child forked inside a task or callback ends its thread when that returns. Not after vfork, clone.
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
 * The wait could never end: a task waits for itself, for one that waits for it, or for a pool to be done that it keeps
 * busy, itself or over others that wait. offgil_last_message names the circle.
 */
#define OFFGIL_EDEADLK -9

/**
 * The task, group or completion queue is one of the parent's: this process is the child of a fork that came after it was
 * made. Any function that can answer OFFGIL_EHANDLE for one can answer this.
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
 * Started when there is no other task of the pool's to start, or a worker has started 60 others while it waited, so that
 * it gets its turn.
 */
#define TASK_LOW -1

/**
 * In its turn.
 */
#define TASK_NORMAL 0

/**
 * Started before all tasks of the pool's that are not high, also before a worker's own children; but after 60 of them in
 * a row a worker gives another one its turn.
 */
#define TASK_HIGH 1

/**
 * Tasks that have ended, in that order, for a thread or an event loop that takes whichever is next. An opaque handle:
 * never dereferenced, and checked at each call.
 *
 * Made by completion_queue_create, due to one completion_queue_release. Owns a share in each future that was added,
 * until it is taken out. All functions on it may be called from any thread at any time, also at the same time.
 */
typedef struct offgil_completion_queue_t completion_queue_t;

/**
 * A task's result to come. An opaque handle: never dereferenced, and checked at each call.
 *
 * Owns nothing but its share in the task's cell. Made by pool_submit, pool_submit_with, pool_submit_many and pool_call, due
 * to one future_release; each future_retain makes one more due. All functions on it may be called from any thread at any
 * time, also at the same time. After the last release it is dead, and each function answers OFFGIL_EHANDLE. A surplus
 * release can't be told from one that is due while others still hold the handle.
 */
typedef struct offgil_future_t future_t;

/**
 * Tasks that are waited for and canceled together. An opaque handle: never dereferenced, and checked at each call.
 *
 * Groups form a tree: a task counts in its group and in all groups above. Made by group_create, due to one
 * group_release; its tasks run all the same, and a group below it keeps it. All functions on it may be called from any
 * thread at any time, also at the same time.
 */
typedef struct offgil_group_t group_t;

/**
 * A pool of threads. An opaque handle: never dereferenced, and checked at each call.
 *
 * Owns its threads and its queues. Made by pool_create, pool_create_with and pool_default; ends with pool_destroy or
 * pool_release. All functions on it may be called from any thread at any time, also at the same time.
 *
 * Its threads have the signal mask of the thread that made it. In the child of a fork it goes on with the same handle
 * and options, with threads of its own, and without its parent's tasks.
 */
typedef struct offgil_pool_t pool_t;

/**
 * The types of a function, ready to be called by. An opaque handle: never dereferenced, and checked at each call.
 *
 * Made by signature_create, which makes one signature_release due. It belongs to no pool, and serves any number of functions
 * and calls at the same time, from any thread.
 */
typedef struct offgil_signature_t signature_t;

/**
 * A function that each thread of a pool calls with pool_options_t.context. It is in no task; a wait for its own
 * pool to be done answers OFFGIL_EDEADLK.
 */
typedef void (*thread_hook_fn)(void *context);

/**
 * A function that has a thread started which calls pool_run_worker; gets pool_options_t.context. Not 0: it can't. Must
 * return, and not wait for that thread.
 */
typedef int32_t (*start_worker_fn)(void *context);

/**
 * A function that is told of a failure nobody has looked at: pool_options_t.context, the task's name (NULL: none),
 * OFFGIL_EFAILED or OFFGIL_EPANIC, and code and message as future_error has them; the texts live during the call. Called
 * with no lock held; must return.
 */
typedef void (*lost_error_fn)(void *context,
                              const char *name,
                              offgil_status status,
                              int32_t code,
                              const char *message);

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
   * How many threads may be started on top while tasks are blocked in waits. Default 256; at most 4096, and more is taken
   * as that. Past it, a wait for ever inside a task may answer OFFGIL_ETHREAD.
   */
  uint32_t max_spare_threads;
  /**
   * Stack of each thread in bytes, at least 65,536 and below 2^47 (128 TiB). 0 (the default): the system's default.
   * What the system hasn't got room for is OFFGIL_ETHREAD when a thread is needed.
   */
  size_t stack_size;
  /**
   * Name of the threads, to which "-0", "-1" ... is added (the system may cut it); copied. NULL (the default): "offgil".
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
   * Called by each of the pool's threads when it starts, before any task: also by those of the blocking lane, and by lent
   * ones when they come. May be NULL. Must return.
   */
  thread_hook_fn on_thread_start;
  /**
   * Called by each of the same threads when it ends, or goes. May be NULL. Must return.
   */
  thread_hook_fn on_thread_stop;
  /**
   * What the hooks get.
   */
  void *context;
  /**
   * How many threads the blocking lane may have (task_options_t.blocking). Default 512; 0: none, and such tasks are
   * refused with OFFGIL_ETHREAD. At most 32,767. While some of them are blocked in waits of this library there may be
   * as many more, up to max_spare_threads.
   */
  uint32_t max_blocking_threads;
  /**
   * How long a thread of the blocking lane, or a spare one, stays with nothing to do, in nanoseconds. Default one
   * second; negative: as long as the pool.
   */
  int64_t keep_alive_ns;
  /**
   * Called in the submit of a task with task_options_t.lent_only, on the submitting thread, when no lent thread is free
   * for it and fewer than `threads` are lent (and not blocked in a wait; one more if a lent thread submits, as its task
   * may wait for the new one): has a thread started that calls pool_run_worker, and returns 0 (anything else if it
   * can't: where no thread is lent or on its way, the submit is refused with OFFGIL_ETHREAD then). Such a thread may come
   * late, and get OFFGIL_ECLOSED or OFFGIL_EHANDLE. NULL (the default): lent threads come by themselves; tasks wait
   * for them, and a shutdown that drains waits for those tasks.
   */
  start_worker_fn start_worker;
  /**
   * Called when a task has failed and nobody can learn of it any more: it was spawned, or its future was released and
   * neither a wait, future_error, future_on_done nor a completion queue has shown the failure. (A group's tasks are its
   * own matter: group_wait tells.) On the thread that noticed; not after pool_destroy. NULL (the default): such failures
   * are dropped.
   */
  lost_error_fn on_lost_error;
  /**
   * 1: each of the pool's `threads` regular threads is bound to one CPU, round robin over those that the thread which
   * makes the pool may use (its affinity mask; as a rule the whole process's). Threads that stand in for blocked ones
   * (max_spare_threads) are not, until one of the others has ended and they take its turn. 0 (the default): the system
   * moves them as it likes. Only Linux has such a call; elsewhere, and where it is refused, this has no effect.
   */
  uint8_t pin;
} pool_options_t;

/**
 * The body of a task: called once, with the argument that it was submitted with, on some thread. What it returns is
 * the task's result. It must return: left by a C++ exception, longjmp or pthread_exit it ends the process with a message
 * that names it. A Rust panic is caught and becomes OFFGIL_EPANIC.
 */
typedef void *(*task_fn)(void *arg);

/**
 * A function that is told how a task ended: its context, the status that future_wait gives, and what the task
 * returned (NULL unless that is OFFGIL_OK). It is in no task, though a task may be waiting below it on its stack: task_fail
 * and task_block_begin are OFFGIL_EINVAL.
 */
typedef void (*done_fn)(void *context, offgil_status status, void *result);

/**
 * A function that gets something back: an argument after the task, or a result that nobody took. Must return.
 * As done_fn it is in no task.
 */
typedef void (*drop_fn)(void *pointer);

/**
 * How a task is to be run. Fill it with task_options_init, then change what you want to; fields may be added at the end
 * in later versions, which `size` makes safe in both directions.
 *
 * Plain data of the caller's: read by the submit, and not needed afterwards.
 */
typedef struct offgil_task_options_t {
  /**
   * Size of this struct in bytes, as the caller was compiled. Set by task_options_init.
   */
  size_t size;
  /**
   * What the task is called in messages and traces; copied. NULL (the default): nothing.
   */
  const char *name;
  /**
   * TASK_LOW, TASK_NORMAL (the default) or TASK_HIGH. Holds in the whole pool, whoever submits. Without meaning for
   * tasks that are `blocking` or `lent_only`, which have queues of their own.
   */
  int32_t priority;
  /**
   * 1: the task will sleep in system calls: it runs on one of the pool's blocking threads
   * (pool_options_t.max_blocking_threads), at once if one can be had, and never takes a place of the pool's. 0: default.
   */
  uint8_t blocking;
  /**
   * 1: only threads that are lent by pool_run_worker run the task; it waits until one is lent and free, if need be for
   * ever (so does a shutdown that drains: POOL_CANCEL, or lend one), and a wait for it is never answered with
   * OFFGIL_ETHREAD. 0: default.
   */
  uint8_t lent_only;
  /**
   * Not to be started before so many nanoseconds have passed since the submit. Default 0. A shutdown cancels it before.
   */
  int64_t delay_ns;
  /**
   * Canceled if it has not been started after so many nanoseconds since the submit. Negative (the default): never.
   */
  int64_t deadline_ns;
  /**
   * Tasks that are to end first, of any pool; `after_count` futures, which stay the caller's and may be released once the
   * submit has returned. If one of them fails or is canceled, this one never runs and ends with that one's status. NULL:
   * default.
   */
  future_t *const *after;
  /**
   * How many they are. Default 0.
   */
  size_t after_count;
  /**
   * The group that the task is in, of the same pool. The handle stays the caller's. NULL (the default): none.
   */
  group_t *group;
  /**
   * The completion queue that the task comes into when it ends, with `tag`. The handle stays the caller's. NULL (the
   * default): none.
   */
  completion_queue_t *queue;
  /**
   * What it comes into `queue` with.
   */
  uint64_t tag;
  /**
   * Called with the argument, exactly once, when the task has run or is certain never to: before its end can be seen,
   * by the thread that ends it. Not called if the submit fails: then the argument is the caller's. NULL: default.
   */
  drop_fn drop_arg;
  /**
   * Called with the result, whatever it is, if the task ended with OFFGIL_OK and nobody took it (no future_wait with a
   * `result`, no future_on_done, no completion queue), when the last handle goes. NULL: default.
   */
  drop_fn drop_result;
} task_options_t;

/**
 * The body of pool_for: works on the indices from `begin` up to, not including, `end`. It must return (see task_fn).
 */
typedef void (*range_fn)(void *context, size_t begin, size_t end);

/**
 * The body of pool_reduce: takes the indices from `begin` up to, not including, `end` into the accumulator, which holds
 * the identity at first. It must return (see task_fn).
 */
typedef void (*reduce_fn)(void *context, size_t begin, size_t end, void *accumulator);

/**
 * What pool_reduce makes one accumulator of two with: takes `from`, which comes of the indices after those of `into`, into
 * `into`. It must return (see task_fn).
 */
typedef void (*combine_fn)(void *context, void *into, const void *from);

/**
 * A task that has ended.
 */
typedef struct offgil_completion_t {
  /**
   * What it was added with.
   */
  uint64_t tag;
  /**
   * As future_wait gives it: OFFGIL_OK, OFFGIL_EFAILED, OFFGIL_EPANIC, OFFGIL_ECANCELED. OFFGIL_EHANDLE: the future was
   * released more often than was due, so its end is lost.
   */
  offgil_status status;
  /**
   * What the task returned; NULL unless the status is OFFGIL_OK.
   */
  void *result;
} completion_t;

/**
 * What a pool is doing and has done, as pool_stats fills it in; plain data of the caller's. Fields may be added at the end
 * in later versions, which `size` makes safe in both directions.
 *
 * The counters are exact for what has happened before the call, so also when the pool is idle: then tasks_submitted is
 * tasks_completed + tasks_failed + tasks_canceled. What happens at the same time is in some of them and not in others.
 * What a call such as pool_for hands to the pool's threads counts as tasks, too, and its caller's own part doesn't.
 *
 * Times are measured of the pool's first hundred tasks or so, and of one in 256 after that. Bucket i of a histogram counts
 * the times from 2^i to 2^(i+1) - 1 nanoseconds, bucket 0 also 0; the sum of the times divided by their count is the mean.
 */
typedef struct offgil_pool_stats_t {
  /**
   * How many bytes of this struct the library has filled in; what is beyond is 0.
   */
  size_t size;
  /**
   * How many task bodies run at a time (pool_thread_count).
   */
  uint32_t threads;
  /**
   * Threads of the pool's own that are alive, without those of the blocking lane. They start when there is work.
   */
  uint32_t threads_alive;
  /**
   * How many of them are more than `threads`, because tasks are or were blocked.
   */
  uint32_t threads_spare;
  /**
   * Threads that are lent by pool_run_worker.
   */
  uint32_t threads_lent;
  /**
   * Places on which a thread runs bodies, or is about to take the next task.
   */
  uint32_t threads_running;
  /**
   * Bodies that are blocked in waits of this library, or between task_block_begin and task_block_end.
   */
  uint32_t threads_blocked;
  /**
   * Threads, own and lent, that sleep because there is nothing to do.
   */
  uint32_t threads_parked;
  /**
   * Threads of the blocking lane that are alive.
   */
  uint32_t threads_blocking;
  /**
   * How many of them have nothing to do.
   */
  uint32_t threads_blocking_idle;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Tasks that the pool has accepted; those that were refused don't count.
   */
  uint64_t tasks_submitted;
  /**
   * Tasks whose bodies have returned.
   */
  uint64_t tasks_completed;
  /**
   * Tasks that called task_fail, or panicked.
   */
  uint64_t tasks_failed;
  /**
   * Tasks that will never run: by future_cancel, their group, a deadline, a failure before them, or the end of the pool.
   */
  uint64_t tasks_canceled;
  /**
   * Entries in the queues now; a few may be of tasks that were canceled.
   */
  uint64_t tasks_queued;
  /**
   * Tasks now that wait for their delay to pass or for other tasks to end.
   */
  uint64_t tasks_held;
  /**
   * How many times a thread took a task that was queued on another's place.
   */
  uint64_t tasks_stolen;
  /**
   * The longest that the queue was seen to be. Approximate: not every submit looks.
   */
  uint64_t queue_high_water;
  /**
   * Of how many tasks time_queued was measured; what was held (delay, dependencies) is not among them.
   */
  uint64_t time_queued_count;
  /**
   * The sum of these times, in nanoseconds.
   */
  uint64_t time_queued_sum_ns;
  /**
   * From the submit to the begin of the body.
   */
  uint64_t time_queued[64];
  /**
   * Of how many tasks time_run was measured.
   */
  uint64_t time_run_count;
  /**
   * The sum of these times, in nanoseconds.
   */
  uint64_t time_run_sum_ns;
  /**
   * From the begin of the body to its return, with what it waited for.
   */
  uint64_t time_run[64];
} pool_stats_t;

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
 * Delayed tasks that are not due yet are canceled, with POOL_CANCEL all that have not begun. What these were to tell when
 * they end (drop_arg, future_on_done, their completion queues, tasks `after` them) is told on the calling thread: a lock
 * that one of these functions takes must not be held.
 *
 * @param mode       POOL_DRAIN or POOL_CANCEL
 * @param timeout_ns how long to wait; 0: close and look; negative: for ever
 * @return OFFGIL_OK: all is done, the threads end; OFFGIL_ETIMEDOUT: something still runs; OFFGIL_EINVAL: NULL, no such
 *         mode, or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: for ever, from inside a task of this pool, or of
 *         one that a task of this pool waits for (as pool_wait_idle); OFFGIL_ETHREAD (as pool_wait_idle)
 *
 * From inside a task of this pool OFFGIL_EDEADLK means that nothing was changed. In the other cases the pool may be
 * closed then: with POOL_CANCEL it is.
 *
 * Any thread. Blocks; a task of another pool gives its place up meanwhile.
 */
offgil_status pool_shutdown(pool_t *pool,
                            int32_t mode,
                            int64_t timeout_ns);

/**
 * Drains the pool (as pool_shutdown with POOL_DRAIN, for ever), joins its threads and frees it.
 *
 * The handle is dead afterwards; futures of its tasks stay valid until they are released. Delayed tasks that are not due yet
 * are canceled, and what they were to tell is told on the calling thread, as by pool_shutdown.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: from inside a task of this
 *         pool (nothing was changed then; pool_release is what a task can call), or of one that a task of this pool
 *         waits for (as pool_wait_idle); OFFGIL_ETHREAD (as pool_wait_idle). The handle stays valid on failure, but the
 *         pool may be closed
 *
 * Any thread but the pool's own. Blocks.
 */
offgil_status pool_destroy(pool_t *pool);

/**
 * Closes the pool and lets go of it: what is queued is still run, then its threads end by themselves. Delayed tasks that are
 * not due yet are canceled, and what they were to tell is told on the calling thread, as by pool_shutdown.
 *
 * The handle is dead afterwards, except inside tasks of the pool, which may submit more while it drains. Another thread's
 * pool_wait_idle, pool_shutdown or pool_destroy that is under way answers OFFGIL_EHANDLE.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE
 *
 * Any thread, also the pool's own; never blocks (but for what is told).
 */
offgil_status pool_release(pool_t *pool);

/**
 * Waits until no task of the pool is queued or running, at most for `timeout_ns`.
 *
 * Others may submit in the meantime: then it waits for that, too.
 *
 * @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
 *         OFFGIL_EDEADLK: for ever, from inside a task of this pool, or of one that a task of this pool waits for, directly
 *         or over other tasks and pools (offgil_last_message names the circle); OFFGIL_ETHREAD: for ever, inside a task, and no thread can be had to
 *         run what the tasks of this pool wait for
 *
 * Any thread. Blocks; a task of another pool gives its place up meanwhile.
 */
offgil_status pool_wait_idle(pool_t *pool,
                             int64_t timeout_ns);

/**
 * Changes how many task bodies the pool runs at a time: more, or fewer.
 *
 * It takes effect at once for tasks that start from now on. Bodies that run are not interrupted: after a step down more
 * than `threads` may run until enough of them have ended or wait, and none is started before. They keep their
 * pool_worker_index, which may be `threads` or more, until they end or wait. A pool that has become one of one thread runs
 * one task at a time from then on, and in order what is submitted from then on. Threads that are too many end once
 * they have nothing to do, new ones are started when there is work for them. max_spare_threads comes on top as before.
 *
 * @param threads 1 to 4096; 0 stands for one per usable CPU, or OFFGIL_NUM_THREADS, as in pool_create
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL, more than 4096 threads, or a bad OFFGIL_NUM_THREADS; OFFGIL_EHANDLE;
 *         OFFGIL_ECLOSED: the pool is shut down
 *
 * Any thread, also inside tasks, at any time, also at the same time as other calls (of several resizes one is the last);
 * also on the default pool. Never blocks.
 */
offgil_status pool_resize(pool_t *pool,
                          uint32_t threads);

/**
 * How many task bodies the pool runs at a time, by its options or the last pool_resize.
 *
 * @return the number; 0 on failure (offgil_last_status): OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE
 *
 * Any thread; never blocks.
 */
uint32_t pool_thread_count(pool_t *pool);

/**
 * The number of the place on which the calling thread runs a task of this pool: 0 to pool_thread_count - 1, and never
 * the same for two bodies that run at the same time, so it can index scratch arrays. -1 where there is no place: outside the
 * pool's tasks, in those that are `blocking`, and between task_block_begin and task_block_end; and for a handle that is NULL
 * or not live (offgil_last_status: OFFGIL_EINVAL, OFFGIL_EHANDLE).
 *
 * A wait inside a task gives the place up: ask again after it. A task that ran before a pool_resize keeps its number, and
 * one that starts after it gets one below the new count. Any thread; never blocks.
 */
int32_t pool_worker_index(pool_t *pool);

/**
 * Makes the calling thread a worker of the pool until the pool is over: it runs tasks like the pool's own threads, within
 * the same bound on concurrency, and it alone (with others that are lent) runs those that were submitted with
 * task_options_t.lent_only. The pool's hooks are called on it when it comes and when it goes.
 *
 * For threads that must be of a certain kind: known to an interpreter, with a context of a GUI's or a GPU's.
 *
 * @return OFFGIL_OK: the pool was shut down and all is done; OFFGIL_ECLOSED: it was over already; OFFGIL_EINVAL: NULL;
 *         OFFGIL_EHANDLE; OFFGIL_EDEADLK: called inside a task or a hook
 *
 * Any thread but one that is in a task. Blocks until the pool is shut down; pool_destroy waits until this has returned
 * everywhere.
 */
offgil_status pool_run_worker(pool_t *pool);

/**
 * Submits one task: `fn(arg)` runs once, on one of the pool's places.
 *
 * From outside the pool it takes its turn (pool_options_t.order); from inside one of its tasks it is that task's
 * child, started before what came from outside, newest first. If the queue is bounded and full, the options say what
 * happens (POOL_FULL_BLOCK blocks; with POOL_FULL_RUN, and from inside the pool, the task runs before this returns).
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
 * Inside a task: 1 if it was asked to stop (future_cancel, group_cancel, or pool_shutdown with POOL_CANCEL), else 0. A
 * long task looks now and then, and returns early. In a part of pool_for, pool_map, pool_reduce or pool_invoke it is the
 * task around it that is meant.
 *
 * 0 outside a task. Any thread; never blocks; can't fail.
 */
uint8_t task_is_canceled(void);

/**
 * Inside a task: marks it as failed. It goes on until it returns; its status is then OFFGIL_EFAILED, and what it
 * returns is dropped. Called again, the last call counts. In a part of pool_for, pool_map, pool_reduce or pool_invoke it
 * is that part that fails.
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
 * Inside a task: it is about to block in something that isn't this library's (a read, a lock, a sleep). Its place is
 * another task's until task_block_end; pool_worker_index says -1 meanwhile. Calls nest. A task that returns without
 * task_block_end ends it with that.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task
 *
 * Any thread; never blocks. In a task of the blocking lane there is no place to give up: nothing happens.
 */
offgil_status task_block_begin(void);

/**
 * Inside a task: it has blocked, and takes a place back; it comes before tasks that have not begun.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task, or without task_block_begin
 *
 * Any thread. Blocks until a place is free.
 */
offgil_status task_block_end(void);

/**
 * Waits until the task has ended, at most for `timeout_ns`. May be called any number of times, by any number of
 * threads, until the handle is released.
 *
 * A wait for ever may run the task itself on the calling thread, if it is still queued, fewer bodies run than the
 * pool has threads, and a quarter of the stack is left; inside a task this is what keeps nested waits from
 * deadlocking. It runs no other task, never one that is `blocking`, one that is `lent_only` on lent threads only, and
 * outside the pool none where pool_options_t.waiters_help rules it out. A task that blocks here gives its place up, and
 * has one again when this returns.
 *
 * @param timeout_ns how long; 0: look, don't wait; negative: for ever
 * @param result     where what the task returned goes; written on OFFGIL_OK only; may be NULL
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC (future_error and offgil_last_message tell more); OFFGIL_ECANCELED;
 *         OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
 *         OFFGIL_EDEADLK: for ever, and the task waits for the calling one (offgil_last_message names the circle);
 *         OFFGIL_ETHREAD: for ever, inside a task, and no thread can be had to run what is awaited
 *
 * Any thread. Blocks.
 */
offgil_status future_wait(future_t *future,
                          int64_t timeout_ns,
                          void **result);

/**
 * Waits until all the tasks have ended, at most for `timeout_ns` altogether.
 *
 * As future_wait for each, in order; nothing is released. A task that waits for ever, in a pool of several threads, runs
 * the last ones first, as many as are still queued and were submitted by tasks of the pool. A thread outside that may run
 * tasks begins with those that are next in the pool's queue. A wait for ever that could never end because of one of them is
 * found out before any is waited for that can't be run here; those after the first that is no live handle don't count, as
 * the wait ends there. The array stays as it is until this returns.
 *
 * @param futures `count` futures; the same may be in it twice
 * @param count   how many; 0 is done at once
 * @return OFFGIL_OK: each ended with a result; else the status of the lowest-numbered task that didn't (OFFGIL_EFAILED,
 *         OFFGIL_EPANIC, OFFGIL_ECANCELED), after all have ended; or, without waiting for the rest: OFFGIL_ETIMEDOUT;
 *         OFFGIL_EINVAL: NULL array or NULL in it, or an impossible count; OFFGIL_EHANDLE; OFFGIL_EDEADLK; OFFGIL_ETHREAD (as
 *         future_wait)
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
 * @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: count 0 or an impossible one, NULL array or NULL in it;
 *         OFFGIL_EHANDLE: one is no live handle, or was released during the wait; OFFGIL_EDEADLK: for ever, and each waits
 *         for the calling task; OFFGIL_ETHREAD (as future_wait)
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
 * What the task was to tell when it ends (drop_arg, future_on_done, its completion queue, tasks `after` it) is told on the
 * calling thread then.
 *
 * @return OFFGIL_OK: it will never run, and its status is that of a canceled task; OFFGIL_EBUSY: it runs, and
 *         task_is_canceled now says 1 inside it; OFFGIL_EDONE: it has ended (or was canceled before); OFFGIL_EINVAL:
 *         NULL; OFFGIL_EHANDLE
 *
 * Any thread; never blocks. The handle is still due to be released.
 */
offgil_status future_cancel(future_t *future);

/**
 * Has `done(context, status, result)` called when the task has ended: exactly once, by the thread that ends it (which
 * may be one that cancels it or closes its pool, or the library's timer), with no lock held; at once, by the caller, if it
 * has ended. It is called after those who wait have been told, also if the future has been released meanwhile. With it the
 * result counts as taken (task_options_t.drop_result).
 *
 * @param done    not NULL. It may call everything; what it blocks, it blocks for the thread's other work. A wait for ever for its
 *                pool to be idle or over gets OFFGIL_EDEADLK where the pool is not before `done` has returned: on the pool's
 *                threads, and where a task is canceled that was not to be run yet (`delay_ns`, `after`), or by POOL_CANCEL
 * @param context what it gets; stays the caller's
 * @return OFFGIL_OK: it has been or will be called; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; it is not called with these two
 *
 * Any thread; never blocks (but for what `done` does).
 */
offgil_status future_on_done(future_t *future,
                             done_fn done,
                             void *context);

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
 * @return the same handle; NULL on failure (offgil_last_status): OFFGIL_EINVAL (NULL, or 65,535 releases are due already,
 *         those of completion queues counted in), OFFGIL_EHANDLE
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
 * Fills a struct of options with the defaults: `task_options_init(&options, sizeof options)`.
 *
 * @param options where to; NULL is ignored
 * @param size    size of the caller's struct in bytes; what this library doesn't know of it is set to 0. A size that
 *                no version of the struct has (too small to hold `priority`, or over 4096) leaves it as it is.
 *
 * Any thread; never blocks; can't fail.
 */
void task_options_init(task_options_t *options,
                       size_t size);

/**
 * Submits one task, as pool_submit, the way the options say.
 *
 * @param options NULL: the defaults
 * @param fn      the body; not NULL
 * @param arg     what it gets; stays the caller's, unless `drop_arg` is set and this succeeds
 * @return the future, due to one future_release; NULL on failure (offgil_last_status): as pool_submit, and OFFGIL_EINVAL:
 *         an option is out of range (offgil_last_message says which); OFFGIL_EHANDLE: one of `after`, `group` or `queue`
 *         is no live handle; OFFGIL_ECANCELED: the group was canceled; OFFGIL_ECLOSED: also for a delay in a pool that is
 *         shut down; OFFGIL_ETHREAD: also where a blocking thread, or one that keeps the time, can't be started, and for a
 *         `lent_only` one where no thread is lent and pool_options_t.start_worker can't have one started
 *
 * Any thread. Blocks only where the queue is bounded and full (with POOL_FULL_RUN also for tasks that the submitter may
 * not run at once: delayed ones, ones that come after others, `blocking` and `lent_only` ones).
 */
future_t *pool_submit_with(pool_t *pool,
                           const task_options_t *options,
                           task_fn fn,
                           void *arg);

/**
 * Submits one task that nobody will ask for, the way the options say: as pool_submit_with, without a future.
 *
 * @param options NULL: the defaults
 * @return OFFGIL_OK; else as pool_submit_with
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
offgil_status pool_spawn_with(pool_t *pool, const task_options_t *options, task_fn fn, void *arg);

/**
 * Makes a group of the pool's.
 *
 * @param parent the group right above, of the same pool; NULL: none. Below a canceled group it is canceled, too.
 * @return a handle, due to one group_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL (NULL pool, or the
 *         parent is another pool's), OFFGIL_EHANDLE, OFFGIL_ENOMEM
 *
 * Any thread; never blocks.
 */
group_t *group_create(pool_t *pool,
                      group_t *parent);

/**
 * Submits `fn(arg)` into the group, as pool_spawn does into its pool: no future. With options: task_options_t.group.
 *
 * @param fn  the body; not NULL. What it returns is dropped; that it failed is known to the group.
 * @param arg what it gets; stays the caller's
 * @return OFFGIL_OK; OFFGIL_ECANCELED: the group was canceled; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: the group, or its pool,
 *         is gone; OFFGIL_ECLOSED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as pool_submit)
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
offgil_status group_spawn(group_t *group,
                          task_fn fn,
                          void *arg);

/**
 * Waits until all tasks of the group and of those below it have ended, at most for `timeout_ns`. Others may spawn in the
 * meantime: then it waits for those, too. May be called again.
 *
 * A wait for ever runs tasks of the group itself that have not begun, where it may (see future_wait), and no others.
 *
 * @param timeout_ns how long; 0: look, don't wait; negative: for ever
 * @return OFFGIL_OK: all ended with a result; else the status of the lowest-numbered task that ever failed, in the order
 *         of the spawns (OFFGIL_EFAILED, OFFGIL_EPANIC, OFFGIL_ECANCELED; offgil_last_message has its words), after all
 *         have ended; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
 *         OFFGIL_EDEADLK: for ever, inside a task of this very group, or of one that waits for this task; OFFGIL_ETHREAD
 *         (as future_wait)
 *
 * Any thread. Blocks; a task gives its place up meanwhile.
 */
offgil_status group_wait(group_t *group,
                         int64_t timeout_ns);

/**
 * Cancels the group and those below it: what has not begun never will, what runs is asked to stop (task_is_canceled),
 * and nothing more can be spawned into it. Doing it again does nothing. What the canceled tasks were to tell when they end
 * is told on the calling thread.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE
 *
 * Any thread, also inside the group's tasks; never blocks.
 */
offgil_status group_cancel(group_t *group);

/**
 * Gives the handle back. Its tasks still run; who waits for it gets OFFGIL_EHANDLE.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
 *
 * Any thread; never blocks.
 */
offgil_status group_release(group_t *group);

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
 * Accumulates the range in parts, and combines these in their order: `*accumulator` becomes
 * part 0 + part 1 + part 2 + ..., where + is `combine`.
 *
 * Which parts there are, and in which tree they are combined, depends on begin, end and grain alone. So the result is the
 * same, to the last bit, on every run and for every number of threads, also where + rounds, as for floating-point
 * numbers. It need not be commutative; if it is associative too, every grain gives the same result.
 *
 * Each part begins with an accumulator of its own: a copy, byte by byte, of what `*accumulator` holds at the call, which is
 * the identity (0 for a sum, 1 for a product). The library allocates them, at most about one a thread and
 * level of the tree, aligned as by malloc or better, and frees them without a call: what an accumulator points to is for
 * `combine` to free, which sees each `from` once and may change what that points to. All parts are run to their end, but for
 * those that find no memory; parts that failed, and what they would be a part of, are not combined.
 *
 * @param grain            indices in a part (the last may be shorter); 0: automatic, by the length of the range
 * @param body             not NULL; a part may call task_fail
 * @param combine          not NULL; may call task_fail
 * @param context          what both get; shared by all parts
 * @param accumulator      the identity, then the result: written on OFFGIL_OK only, not touched if the range is empty; only
 *                         the library uses it meanwhile; may be NULL if accumulator_size is 0
 * @param accumulator_size bytes of an accumulator; 0: `body` and `combine` get pointers that they must not follow
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the lowest part that failed, or its combination, ended
 *         (offgil_last_message has its words); OFFGIL_EINVAL: NULL, end before begin, or an impossible size;
 *         OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED: the pool was canceled before all was done; OFFGIL_EFULL,
 *         OFFGIL_ETIMEDOUT: a bounded queue is full, and the calling thread may not work itself; OFFGIL_ENOMEM;
 *         OFFGIL_ETHREAD (as future_wait)
 *
 * Any thread, also inside tasks; the calling thread works too, where it may. Blocks.
 *
 * A fixed tree makes sums reproducible: parallel_deterministic_reduce of oneTBB; Demmel and Nguyen, IEEE Transactions on
 * Computers 64 (2015).
 */
offgil_status pool_reduce(pool_t *pool,
                          size_t begin,
                          size_t end,
                          size_t grain,
                          reduce_fn body,
                          combine_fn combine,
                          void *context,
                          void *accumulator,
                          size_t accumulator_size);

/**
 * Sets `results[i] = fn(args[i])` for each i below count; returns when all are done.
 *
 * As pool_for with one element a call: a call that fails (task_fail) leaves NULL in its place, the others go on.
 *
 * @param fn      not NULL
 * @param args    `count` arguments; not NULL unless count is 0
 * @param results where the results go, `count` of them, may be `args` itself; NULL: dropped
 * @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the call with the lowest index that failed ended; OFFGIL_EINVAL:
 *         NULL, or an impossible count; else as pool_for
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
 * @param left      not NULL; may call task_fail, and `right` is run all the same
 * @param left_arg  what it gets; stays the caller's
 * @param right     not NULL; may call task_fail
 * @param right_arg what it gets; stays the caller's
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

/**
 * Makes an empty queue.
 *
 * @return a handle, due to one completion_queue_release; NULL on failure (offgil_last_status): OFFGIL_ENOMEM
 *
 * Any thread; never blocks.
 */
completion_queue_t *completion_queue_create(void);

/**
 * Has the task come into the queue when it ends; at once if it has ended. The future is retained until it is taken out,
 * so the caller may release its own at any time. The same may be added to several queues, or several times.
 *
 * @param future stays the caller's, who may add it before or after it has ended
 * @param tag    the caller's own number for it
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or 65,535 releases of the future are due already (see future_retain);
 *         OFFGIL_EHANDLE
 *
 * Any thread; never blocks.
 */
offgil_status completion_queue_add(completion_queue_t *queue,
                                   future_t *future,
                                   uint64_t tag);

/**
 * Waits until there is a task that has ended, at most for `timeout_ns`, and takes out all there are, the one that ended
 * first at first, up to `capacity`.
 *
 * @param timeout_ns  how long; 0: look, don't wait; negative: for ever
 * @param completions where they go, the first `*count` of them on OFFGIL_OK only; not NULL. The results in them are the
 *                    caller's from then on, and nothing in them is due to be released
 * @param capacity    how many there is room for, at least 1
 * @param count       where their number goes; written on OFFGIL_OK and, as 0, on OFFGIL_ETIMEDOUT; may be NULL
 * @return OFFGIL_OK: at least one; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL, or capacity 0; OFFGIL_EHANDLE: no live queue, or
 *         released during the wait; OFFGIL_ETHREAD: for ever, inside a task: tasks are to come into the queue, and no
 *         thread can be had to run any of them (max_spare_threads; offgil_last_message says which limit). Nothing is taken
 *         out then, and what is to come still will
 *
 * Any thread. Blocks; a task gives its place up meanwhile. A wait for ever is not looked at for circles. Inside a task it
 * also goes on, for others may add what ends it, while nothing is to come into the queue that has been added; that is
 * no reason for OFFGIL_ETHREAD, whatever else is queued.
 */
offgil_status completion_queue_next(completion_queue_t *queue,
                                    int64_t timeout_ns,
                                    completion_t *completions,
                                    size_t capacity,
                                    size_t *count);

/**
 * A descriptor that is readable while a task that has ended is in the queue: for poll, epoll, libuv, asyncio.
 *
 * Poll it (level-triggered) and call completion_queue_next with a timeout of 0; never read or close it. It is the
 * queue's, close-on-exec, always the same, and may be readable for nothing. 10,000 tasks that end between two looks
 * of the loop are one wake-up.
 *
 * @return the descriptor; -1 on failure (offgil_last_status): OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE, OFFGIL_ENOMEM (the
 *         system has no descriptor to give)
 *
 * Any thread; never blocks.
 */
int32_t completion_queue_fd(completion_queue_t *queue);

/**
 * Gives the queue up: what is in it or still to come is released, and its descriptor is closed once no task can come any
 * more. Who waits for it gets OFFGIL_EHANDLE.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
 *
 * Any thread; never blocks.
 */
offgil_status completion_queue_release(completion_queue_t *queue);

/**
 * Reads the types of a function: its result, and in brackets its arguments, as in "f64(f64,i32,ptr)".
 *
 * The types are i8, i16, i32, i64, u8, u16, u32, u64 (integers of so many bits), f32 (float), f64 (double), ptr (a pointer
 * of any kind) and, for a function without a result, void. "i32()" and "i32(void)" are the same. Spaces may stand between
 * words and signs. At most 127 arguments. Structs that are passed by value, long double and functions of variable arguments
 * ("...", such as printf) can't be called: wrap them in a function of fixed arguments.
 *
 * @param text the signature; read at once, stays the caller's
 * @return the handle, due to one signature_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL: NULL, or no
 *         signature (offgil_last_message says what is wrong, and at which character), OFFGIL_ENOMEM
 *
 * Any thread; never blocks.
 */
signature_t *signature_create(const char *text);

/**
 * Gives the handle back. Calls that are queued or running keep what they need of it.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
 *
 * Any thread; never blocks.
 */
offgil_status signature_release(signature_t *signature);

/**
 * Calls `fn` with these arguments as a task: any C function that is of the signature.
 *
 * For callers that have a function's address and the types of its arguments, but no C of their own. What is called runs as
 * each task does (it may call task_fail, task_is_canceled and the like). `errno` is 0 before the call; what it is afterwards
 * is saved with the result, so a saved 0 means that the function left it alone. The calling thread's own `errno` is not
 * changed by a call that runs on it.
 *
 * The future is one as any other, but its result is for future_call_result: future_wait gives NULL. If fn is not of the
 * signature, or is of variable arguments, anything may happen, as in C.
 *
 * @param options   as for pool_submit_with, without drop_arg and drop_result, for there is no `arg`; NULL: the defaults
 * @param signature not NULL; may be released once this returns
 * @param fn        the function, cast to void (*)(void); not NULL; it must return (see task_fn)
 * @param args      a pointer to the value of each argument, in their order, of exactly the argument's type; none of them NULL.
 *                  Pointers and values are copied and can be reused once this returns (what a ptr points to stays the
 *                  caller's). May be NULL if the signature has no arguments.
 * @return the future, due to one future_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL: NULL, or options as
 *         above; OFFGIL_EHANDLE: of pool, signature or options; else as pool_submit_with. Nothing has run then.
 *
 * Any thread. Blocks only where the queue is bounded and full.
 */
future_t *pool_call(pool_t *pool,
                    const task_options_t *options,
                    signature_t *signature,
                    void (*fn)(void),
                    const void *const *args);

/**
 * Waits as future_wait does, and gives what the function of a pool_call returned.
 *
 * @param timeout_ns  how long; 0: look, don't wait; negative: for ever
 * @param result      where the result goes: exactly as many bytes as its type has, none for void; may be NULL
 * @param saved_errno where `errno` as it was after the call goes; may be NULL
 * @return OFFGIL_OK: both are written (on no other outcome); OFFGIL_EINVAL: NULL, or a future of another function
 *         than pool_call; else as future_wait
 *
 * Any thread, any number of times, as long as the future is not released. Blocks.
 */
offgil_status future_call_result(future_t *future,
                                 int64_t timeout_ns,
                                 void *result,
                                 int32_t *saved_errno);

/**
 * Tells what the pool is doing and has done (see pool_stats_t).
 *
 * @param stats where to; the caller's
 * @param size  sizeof(pool_stats_t) as the caller was compiled: no more is written, and what this library doesn't know of
 *              it is set to 0
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or a size that no version of the struct has (`stats` is left as it is);
 *         OFFGIL_EHANDLE
 *
 * Any thread, as often as you like: it costs the pool's threads nothing. Never blocks.
 */
offgil_status pool_stats(pool_t *pool,
                         pool_stats_t *stats,
                         size_t size);

/**
 * Writes what the pool does from now on into a file, in Chrome's trace event format (JSON), for ui.perfetto.dev and
 * chrome://tracing: one slice for each task that runs (named by its name or its function), slices for waits and for threads
 * that are parked, instants for steals, and the length of the queue.
 *
 * An empty file is made, or one that exists is emptied, unless another pool of this process is traced into it: then both
 * are. The file is complete after pool_trace_stop, after pool_destroy and when the process exits; it can be read at any time
 * before, but the latest events may not be in it. What is not written yet is at most some 32 KiB a thread.
 *
 * The environment variable OFFGIL_TRACE=file does the same for every pool from its creation on (in the child of a fork:
 * file.PID; a set-uid process ignores it). If that file can't be opened, a line on stderr says why, once, and the program
 * goes on without a trace. A task takes about a microsecond longer while it is traced.
 *
 * @param path  the file; copied
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL, an empty path, or a file that can't be opened (offgil_last_message says why);
 *         OFFGIL_EHANDLE; OFFGIL_EBUSY: the pool is traced already; OFFGIL_ECLOSED: the pool is shut down
 *
 * Any thread; never blocks, but for the file system.
 */
offgil_status pool_trace_start(pool_t *pool,
                               const char *path);

/**
 * Ends the trace of the pool; what was traced is in the file then.
 *
 * @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or not all could be written (the trace has ended nevertheless, the file is valid,
 *         and offgil_last_message says why); OFFGIL_EHANDLE; OFFGIL_EDONE: the pool is not traced
 *
 * Any thread; never blocks, but for the file system.
 */
offgil_status pool_trace_stop(pool_t *pool);

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
#define OFFGIL_TASK_LOW -1
#define OFFGIL_TASK_NORMAL 0
#define OFFGIL_TASK_HIGH 1
typedef struct offgil_completion_queue_t offgil_completion_queue_t;
typedef struct offgil_future_t offgil_future_t;
typedef struct offgil_group_t offgil_group_t;
typedef struct offgil_pool_t offgil_pool_t;
typedef struct offgil_signature_t offgil_signature_t;
typedef void (*offgil_thread_hook_fn)(void *context);
typedef int32_t (*offgil_start_worker_fn)(void *context);
typedef void (*offgil_lost_error_fn)(void *context,
                                     const char *name,
                                     offgil_status status,
                                     int32_t code,
                                     const char *message);
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
  uint32_t max_blocking_threads;
  int64_t keep_alive_ns;
  offgil_start_worker_fn start_worker;
  offgil_lost_error_fn on_lost_error;
  uint8_t pin;
};
#endif
typedef void *(*offgil_task_fn)(void *arg);
typedef void (*offgil_done_fn)(void *context, offgil_status status, void *result);
typedef void (*offgil_drop_fn)(void *pointer);
typedef struct offgil_task_options_t offgil_task_options_t;
#ifdef OFFGIL_NO_SHORT_NAMES
struct offgil_task_options_t {
  size_t size;
  const char *name;
  int32_t priority;
  uint8_t blocking;
  uint8_t lent_only;
  int64_t delay_ns;
  int64_t deadline_ns;
  offgil_future_t *const *after;
  size_t after_count;
  offgil_group_t *group;
  offgil_completion_queue_t *queue;
  uint64_t tag;
  offgil_drop_fn drop_arg;
  offgil_drop_fn drop_result;
};
#endif
typedef void (*offgil_range_fn)(void *context, size_t begin, size_t end);
typedef void (*offgil_reduce_fn)(void *context, size_t begin, size_t end, void *accumulator);
typedef void (*offgil_combine_fn)(void *context, void *into, const void *from);
typedef struct offgil_completion_t offgil_completion_t;
#ifdef OFFGIL_NO_SHORT_NAMES
struct offgil_completion_t {
  uint64_t tag;
  offgil_status status;
  void *result;
};
#endif
typedef struct offgil_pool_stats_t offgil_pool_stats_t;
#ifdef OFFGIL_NO_SHORT_NAMES
struct offgil_pool_stats_t {
  size_t size;
  uint32_t threads;
  uint32_t threads_alive;
  uint32_t threads_spare;
  uint32_t threads_lent;
  uint32_t threads_running;
  uint32_t threads_blocked;
  uint32_t threads_parked;
  uint32_t threads_blocking;
  uint32_t threads_blocking_idle;
  uint32_t reserved;
  uint64_t tasks_submitted;
  uint64_t tasks_completed;
  uint64_t tasks_failed;
  uint64_t tasks_canceled;
  uint64_t tasks_queued;
  uint64_t tasks_held;
  uint64_t tasks_stolen;
  uint64_t queue_high_water;
  uint64_t time_queued_count;
  uint64_t time_queued_sum_ns;
  uint64_t time_queued[64];
  uint64_t time_run_count;
  uint64_t time_run_sum_ns;
  uint64_t time_run[64];
};
#endif
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
offgil_status offgil_pool_resize(offgil_pool_t *pool, uint32_t threads);
uint32_t offgil_pool_thread_count(offgil_pool_t *pool);
int32_t offgil_pool_worker_index(offgil_pool_t *pool);
offgil_status offgil_pool_run_worker(offgil_pool_t *pool);
offgil_future_t *offgil_pool_submit(offgil_pool_t *pool, offgil_task_fn fn, void *arg);
offgil_status offgil_pool_submit_many(offgil_pool_t *pool,
                                      offgil_task_fn fn,
                                      void *const *args,
                                      size_t count,
                                      offgil_future_t **futures);
offgil_status offgil_pool_spawn(offgil_pool_t *pool, offgil_task_fn fn, void *arg);
uint8_t offgil_task_is_canceled(void);
offgil_status offgil_task_fail(int32_t code, const char *message);
offgil_status offgil_task_block_begin(void);
offgil_status offgil_task_block_end(void);
offgil_status offgil_future_wait(offgil_future_t *future, int64_t timeout_ns, void **result);
offgil_status offgil_future_wait_all(offgil_future_t *const *futures, size_t count, int64_t timeout_ns);
offgil_status offgil_future_wait_any(offgil_future_t *const *futures,
                                     size_t count,
                                     int64_t timeout_ns,
                                     size_t *index);
int32_t offgil_future_get_state(offgil_future_t *future);
offgil_status offgil_future_cancel(offgil_future_t *future);
offgil_status offgil_future_on_done(offgil_future_t *future, offgil_done_fn done, void *context);
offgil_status offgil_future_error(offgil_future_t *future, int32_t *code, char *message, size_t length);
offgil_future_t *offgil_future_retain(offgil_future_t *future);
offgil_status offgil_future_release(offgil_future_t *future);
void offgil_task_options_init(offgil_task_options_t *options, size_t size);
offgil_future_t *offgil_pool_submit_with(offgil_pool_t *pool,
                                         const offgil_task_options_t *options,
                                         offgil_task_fn fn,
                                         void *arg);
offgil_status offgil_pool_spawn_with(offgil_pool_t *pool,
                                     const offgil_task_options_t *options,
                                     offgil_task_fn fn,
                                     void *arg);
offgil_group_t *offgil_group_create(offgil_pool_t *pool, offgil_group_t *parent);
offgil_status offgil_group_spawn(offgil_group_t *group, offgil_task_fn fn, void *arg);
offgil_status offgil_group_wait(offgil_group_t *group, int64_t timeout_ns);
offgil_status offgil_group_cancel(offgil_group_t *group);
offgil_status offgil_group_release(offgil_group_t *group);
offgil_status offgil_pool_for(offgil_pool_t *pool,
                              size_t begin,
                              size_t end,
                              size_t grain,
                              offgil_range_fn body,
                              void *context);
offgil_status offgil_pool_reduce(offgil_pool_t *pool,
                                 size_t begin,
                                 size_t end,
                                 size_t grain,
                                 offgil_reduce_fn body,
                                 offgil_combine_fn combine,
                                 void *context,
                                 void *accumulator,
                                 size_t accumulator_size);
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
offgil_completion_queue_t *offgil_completion_queue_create(void);
offgil_status offgil_completion_queue_add(offgil_completion_queue_t *queue,
                                          offgil_future_t *future,
                                          uint64_t tag);
offgil_status offgil_completion_queue_next(offgil_completion_queue_t *queue,
                                           int64_t timeout_ns,
                                           offgil_completion_t *completions,
                                           size_t capacity,
                                           size_t *count);
int32_t offgil_completion_queue_fd(offgil_completion_queue_t *queue);
offgil_status offgil_completion_queue_release(offgil_completion_queue_t *queue);
offgil_signature_t *offgil_signature_create(const char *text);
offgil_status offgil_signature_release(offgil_signature_t *signature);
offgil_future_t *offgil_pool_call(offgil_pool_t *pool,
                                  const offgil_task_options_t *options,
                                  offgil_signature_t *signature,
                                  void (*fn)(void),
                                  const void *const *args);
offgil_status offgil_future_call_result(offgil_future_t *future,
                                        int64_t timeout_ns,
                                        void *result,
                                        int32_t *saved_errno);
offgil_status offgil_pool_stats(offgil_pool_t *pool, offgil_pool_stats_t *stats, size_t size);
offgil_status offgil_pool_trace_start(offgil_pool_t *pool, const char *path);
offgil_status offgil_pool_trace_stop(offgil_pool_t *pool);
#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OFFGIL_H */
