/* Random calls of every function, with NULL, stale, live and invented handles and those of another kind, from
 * several threads and from inside tasks: any answer will do, but there must be one. At the end all that was
 * made is given back. OFFGIL_FUZZ_CALLS says how many calls, OFFGIL_FUZZ_SEED which; tests/exports.rs checks
 * that the table has every function, tests/fuzz.sh runs it under a sanitizer. */
#include "fuzz.h"

static int64_t some_time(random_t *state) {
    const int64_t times[] = {0, 1, MILLISECOND / 20, 0, 1000, 0};
    return times[below(state, LENGTH(times))];
}

static void call_inside(random_t *state);

/* Bodies. Each draws its numbers from where it is. */
static void *work(void *arg) {
    random_t state = ((uintptr_t)&state ^ (uint64_t)now_ns()) | 1;
    count_add(&bag.ran, 1);
    if (below(&state, 8) == 0)
        call_inside(&state);
    if (below(&state, 16) == 0)
        task_fail((int32_t)below(&state, 9), below(&state, 2) ? NULL : "random");
    return arg;
}

static void *work_on_memory(void *arg) {
    work(NULL);
    return pack(*(unsigned char *)arg); /* readable until drop_arg */
}

static task_fn some_fn(random_t *state) {
    return below(state, 32) ? work : NULL;
}

static void range(void *context, size_t begin, size_t end) {
    (void)context;
    count_add(&bag.ran, (int64_t)(end - begin));
    if (end % 5 == 0)
        task_block_begin();
}

static void drop_memory(void *arg) {
    free(arg); /* twice, or too early: the sanitizer sees it */
    count_add(&bag.dropped, 1);
}

static void drop_result(void *result) {
    CHECK(unpack(result) < 256);
}

static void done(void *context, offgil_status status, void *result) {
    random_t state = ((uintptr_t)context ^ (uint64_t)now_ns()) | 1;
    CHECK(result == NULL || status == OFFGIL_OK);
    if (below(&state, 8) == 0)
        call_inside(&state);
}

static void hook(void *context) {
    (void)context;
}

static void lost(void *context, const char *name, offgil_status status, int32_t code, const char *message) {
    (void)context;
    (void)name;
    (void)code;
    CHECK(status == OFFGIL_EFAILED && message != NULL);
}

static pthread_t lent_threads[1 << 12];
static size_t lent_count;

static void *lend(void *pool) {
    pool_run_worker(pool);
    count_add(&bag.lent, -1);
    return NULL;
}

static void call_pool_run_worker(random_t *state) {
    void *pool = some(state);
    if (pool == (void *)pool_default())
        return; /* it would keep the thread for ever */
    pthread_mutex_lock(&bag.lock);
    if (count_get(&bag.lent) < LENT && lent_count < LENGTH(lent_threads)) {
        count_add(&bag.lent, 1);
        lent_threads[lent_count++] = check_thread(lend, pool);
    }
    pthread_mutex_unlock(&bag.lock);
}

static int32_t start_worker(void *context) {
    (void)context;
    return 1; /* there are none to give */
}

static void fill_task_options(random_t *state, task_options_t *options, future_t **after) {
    uint64_t random = next_random(state);
    task_options_init(options, sizeof *options);
    options->name = random & 64 ? "name" : NULL;
    options->priority = (int32_t)below(state, 7) / 2 - 1;
    options->blocking = below(state, 4) == 0;
    options->lent_only = below(state, 16) == 0;
    options->delay_ns = below(state, 4) ? 0 : (int64_t)below(state, 200000);
    options->deadline_ns = below(state, 4) ? OFFGIL_FOREVER : (int64_t)below(state, 200000);
    after[0] = some(state);
    after[1] = some(state);
    options->after = below(state, 3) ? NULL : after;
    options->after_count = options->after == NULL ? below(state, 20) == 0 : below(state, 3);
    options->group = below(state, 3) ? NULL : some(state);
    options->queue = below(state, 3) ? NULL : some(state);
    options->tag = random;
    options->drop_result = below(state, 2) ? drop_result : NULL;
}

/* With memory that the task owns, if it goes in. */
static void submit_with(random_t *state, int spawn) {
    task_options_t options;
    future_t *after[2], *future = NULL;
    unsigned char *memory = malloc(1);
    int accepted;
    CHECK(memory != NULL);
    *memory = (unsigned char)below(state, 256);
    fill_task_options(state, &options, after);
    options.drop_arg = drop_memory;
    if (spawn) {
        accepted = pool_spawn_with(some(state), &options, work_on_memory, memory) == OFFGIL_OK;
    } else {
        future = pool_submit_with(some(state), &options, work_on_memory, memory);
        accepted = future != NULL;
    }
    if (accepted)
        count_add(&bag.accepted, 1);
    else
        free(memory);
    keep(state, future);
}

static void call_pool_submit_with(random_t *state) {
    if (below(state, 16) == 0)
        keep(state, pool_submit_with(some(state), NULL, some_fn(state), NULL));
    else
        submit_with(state, 0);
}

static void call_pool_spawn_with(random_t *state) {
    submit_with(state, 1);
}

static void call_pool_create_with(random_t *state) {
    union {
        pool_options_t options;
        unsigned char bytes[4200];
    } room;
    pool_options_t *options = &room.options;
    memset(&room, 0, sizeof room);
    pool_options_init(options, below(state, 3) ? sizeof *options : below(state, sizeof room));
    options->size = below(state, 4) ? sizeof *options : below(state, sizeof room);
    options->threads = below(state, 8) ? (uint32_t)below(state, 3) : (uint32_t)next_random(state);
    options->max_spare_threads = (uint32_t)below(state, 9);
    options->max_blocking_threads = (uint32_t)below(state, 5);
    options->keep_alive_ns = some_time(state);
    /* A queue may stay full: nobody may wait for room for ever, as where the size ends before the timeout. */
    options->queue_limit = options->size < offsetof(pool_options_t, order) ? 0 : below(state, 4);
    options->full_timeout_ns = some_time(state); /* never for ever */
    options->when_full = (int32_t)below(state, 7) / 2;
    options->order = (int32_t)below(state, 5) / 2;
    options->waiters_help = (uint8_t)(below(state, 5) / 2);
    options->stack_size = below(state, 4) * 100000;
    if (options->size >= sizeof *options) { /* a size that ends within a pointer cuts it */
        options->on_thread_start = below(state, 4) ? NULL : hook;
        options->on_thread_stop = options->on_thread_start;
        options->start_worker = below(state, 2) ? NULL : start_worker;
        options->on_lost_error = below(state, 2) ? NULL : lost;
    }
    keep(state, pool_create_with(below(state, 64) ? options : NULL));
}

static void call_pool_destroy(random_t *state) {
    void *pool = some(state);
    /* A lent_only task that nobody comes for would keep a drain for ever. */
    pool_shutdown(pool, POOL_CANCEL, 0);
    pool_destroy(pool);
}

static void call_pool_release(random_t *state) {
    void *pool = some(state);
    pool_shutdown(pool, POOL_CANCEL, 0); /* as above */
    pool_release(pool);
}

static void call_pool_map(random_t *state) {
    void *args[4] = {NULL, NULL, NULL, NULL}, *results[4];
    pool_map(some(state), some_fn(state), below(state, 8) ? args : NULL, below(state, 2) ? results : NULL,
             below(state, 5));
}

static void call_pool_submit_many(random_t *state) {
    void *args[4] = {NULL, NULL, NULL, NULL};
    future_t *futures[4] = {NULL, NULL, NULL, NULL};
    pool_submit_many(some(state), some_fn(state), below(state, 2) ? args : NULL, below(state, 5), futures);
    keep(state, futures[0]);
    keep(state, futures[1]);
    keep(state, futures[2]);
    keep(state, futures[3]);
}

static void call_future_wait(random_t *state) {
    void *result;
    future_wait(some(state), some_time(state), below(state, 2) ? &result : NULL);
}

static void call_future_wait_all(random_t *state) {
    future_t *futures[3];
    futures[0] = some(state);
    futures[1] = some(state);
    futures[2] = some(state);
    future_wait_all(below(state, 8) ? futures : NULL, below(state, 4), some_time(state));
}

static void call_future_wait_any(random_t *state) {
    future_t *futures[3];
    size_t index;
    futures[0] = some(state);
    futures[1] = some(state);
    futures[2] = some(state);
    future_wait_any(below(state, 8) ? futures : NULL, below(state, 4), some_time(state), &index);
}

static void call_future_error(random_t *state) {
    char message[16];
    int32_t code;
    future_error(some(state), &code, below(state, 2) ? message : NULL, below(state, sizeof message + 1));
}

static void call_completion_queue_next(random_t *state) {
    completion_t completions[8];
    size_t count = 0, i;
    void *queue = some(state);
    if (completion_queue_next(queue, some_time(state), completions, below(state, 9), &count) == OFFGIL_OK)
        for (i = 0; i < count; i++)
            CHECK(completions[i].status <= 0);
}

static void call_pool_options_init(random_t *state) {
    pool_options_t options;
    pool_options_init(below(state, 2) ? &options : NULL, below(state, sizeof options + 1));
}

static void call_task_options_init(random_t *state) {
    task_options_t options;
    task_options_init(below(state, 2) ? &options : NULL, below(state, sizeof options + 1));
}

#define SIMPLE(name, ...)                                                                                    \
    static void call_##name(random_t *state) {                                                               \
        (void)state;                                                                                         \
        __VA_ARGS__;                                                                                         \
    }

SIMPLE(completion_queue_add, completion_queue_add(some(state), some(state), next_random(state)))
SIMPLE(completion_queue_create, keep(state, completion_queue_create()))
SIMPLE(completion_queue_fd, completion_queue_fd(some(state)))
SIMPLE(completion_queue_release, completion_queue_release(some(state)))
SIMPLE(future_cancel, future_cancel(some(state)))
SIMPLE(future_get_state, future_get_state(some(state)))
SIMPLE(future_on_done, future_on_done(some(state), below(state, 32) ? done : NULL, NULL))
SIMPLE(future_release, future_release(some(state)))
SIMPLE(future_retain, keep(state, future_retain(some(state))))
SIMPLE(group_cancel, group_cancel(some(state)))
SIMPLE(group_create, keep(state, group_create(some(state), below(state, 2) ? some(state) : NULL)))
SIMPLE(group_release, group_release(some(state)))
SIMPLE(group_spawn, group_spawn(some(state), some_fn(state), NULL))
SIMPLE(group_wait, group_wait(some(state), some_time(state)))
SIMPLE(offgil_cpu_count, CHECK(offgil_cpu_count() > 0))
SIMPLE(offgil_last_message, CHECK(offgil_last_message() != NULL))
SIMPLE(offgil_last_status, CHECK(strlen(offgil_status_message(offgil_last_status())) > 0))
SIMPLE(offgil_status_message, CHECK(offgil_status_message((offgil_status)next_random(state)) != NULL))
SIMPLE(offgil_status_name, CHECK(offgil_status_name(-(offgil_status)below(state, 20)) != NULL))
SIMPLE(offgil_version, CHECK(offgil_version() > 0))
SIMPLE(offgil_version_string, CHECK(strlen(offgil_version_string()) > 0))
SIMPLE(pool_create, keep(state, pool_create((uint32_t)below(state, 5))))
SIMPLE(pool_default, CHECK(pool_default() != NULL))
SIMPLE(pool_for, pool_for(some(state), below(state, 3), below(state, 50), below(state, 9),
                          below(state, 32) ? range : NULL, NULL))
SIMPLE(pool_invoke, pool_invoke(some(state), some_fn(state), NULL, some_fn(state), NULL))
SIMPLE(pool_shutdown, pool_shutdown(some(state), (int32_t)below(state, 4) - 1, some_time(state)))
SIMPLE(pool_spawn, pool_spawn(some(state), some_fn(state), NULL))
SIMPLE(pool_submit, keep(state, pool_submit(some(state), some_fn(state), NULL)))
SIMPLE(pool_thread_count, pool_thread_count(some(state)))
SIMPLE(pool_wait_idle, pool_wait_idle(some(state), some_time(state)))
SIMPLE(pool_worker_index, pool_worker_index(some(state)))
SIMPLE(task_block_begin, task_block_begin())
SIMPLE(task_block_end, task_block_end())
SIMPLE(task_fail, task_fail(1, NULL))
SIMPLE(task_is_canceled, task_is_canceled())

static void part(void *context, size_t begin, size_t end, void *accumulator) {
    (void)context;
    *(size_t *)accumulator += end - begin;
}

static void add(void *context, void *into, const void *from) {
    (void)context;
    *(size_t *)into += *(const size_t *)from;
}

static void call_pool_reduce(random_t *state) {
    size_t sum = 0, count = below(state, 50);
    if (pool_reduce(some(state), 0, count, below(state, 9), below(state, 32) ? part : NULL,
                    below(state, 32) ? add : NULL, NULL, &sum, sizeof sum) == OFFGIL_OK)
        CHECK_EQ((int64_t)sum, (int64_t)count);
}

static void call_signature_create(random_t *state) {
    static const char *const texts[] = {"i32(i32)", "f64(f64,ptr)", "void()", "i32(i32,...)", "i33()", "",
                                        NULL};
    keep(state, signature_create(texts[below(state, LENGTH(texts))]));
}

static int32_t triple(int32_t number) {
    return 3 * number;
}

static void call_pool_call(random_t *state) {
    /* A live signature must be the function's: only this one, and handles that are no signatures. */
    static signature_t *signature;
    int32_t number = (int32_t)below(state, 1000);
    const void *args[] = {&number};
    pthread_mutex_lock(&bag.lock);
    if (signature == NULL)
        signature = signature_create("i32(i32)");
    pthread_mutex_unlock(&bag.lock);
    keep(state,
         pool_call(some(state), NULL, below(state, 8) ? signature : NULL, (void (*)(void))triple, args));
}

static void call_future_call_result(random_t *state) {
    int32_t result = 0, code = 0;
    if (future_call_result(some(state), some_time(state), &result, &code) == OFFGIL_OK)
        CHECK(result % 3 == 0 && code == 0);
}

static void call_pool_stats(random_t *state) {
    pool_stats_t stats;
    if (pool_stats(some(state), &stats, below(state, 16) ? sizeof stats : below(state, 64)) == OFFGIL_OK)
        CHECK(stats.size > 0);
}

SIMPLE(pool_resize, pool_resize(some(state), (uint32_t)below(state, 6)))
SIMPLE(pool_trace_start, pool_trace_start(some(state), below(state, 4) ? "/dev/null" : NULL))
SIMPLE(pool_trace_stop, pool_trace_stop(some(state)))
SIMPLE(signature_release, signature_release(some(state)))

/* Every exported function, and how often it is called in comparison. */
#define FUNCTIONS(X)                                                                                         \
    X(completion_queue_add, 3)                                                                               \
    X(completion_queue_create, 1)                                                                            \
    X(completion_queue_fd, 1)                                                                                \
    X(completion_queue_next, 2)                                                                              \
    X(completion_queue_release, 1)                                                                           \
    X(future_cancel, 3)                                                                                      \
    X(future_error, 1)                                                                                       \
    X(future_get_state, 1)                                                                                   \
    X(future_on_done, 3)                                                                                     \
    X(future_release, 4)                                                                                     \
    X(future_retain, 1)                                                                                      \
    X(future_wait, 3)                                                                                        \
    X(future_wait_all, 1)                                                                                    \
    X(future_wait_any, 1)                                                                                    \
    X(group_cancel, 1)                                                                                       \
    X(group_create, 2)                                                                                       \
    X(group_release, 2)                                                                                      \
    X(group_spawn, 3)                                                                                        \
    X(group_wait, 2)                                                                                         \
    X(offgil_cpu_count, 1)                                                                                   \
    X(offgil_last_message, 1)                                                                                \
    X(offgil_last_status, 1)                                                                                 \
    X(offgil_status_message, 1)                                                                              \
    X(offgil_status_name, 1)                                                                                 \
    X(offgil_version, 1)                                                                                     \
    X(offgil_version_string, 1)                                                                              \
    X(pool_create, 1)                                                                                        \
    X(pool_create_with, 1)                                                                                   \
    X(pool_default, 1)                                                                                       \
    X(pool_destroy, 1)                                                                                       \
    X(pool_for, 1)                                                                                           \
    X(pool_invoke, 1)                                                                                        \
    X(pool_map, 1)                                                                                           \
    X(pool_options_init, 1)                                                                                  \
    X(pool_release, 1)                                                                                       \
    X(pool_run_worker, 1)                                                                                    \
    X(pool_shutdown, 1)                                                                                      \
    X(pool_spawn, 2)                                                                                         \
    X(pool_spawn_with, 8)                                                                                    \
    X(pool_submit, 6)                                                                                        \
    X(pool_submit_many, 1)                                                                                   \
    X(pool_submit_with, 12)                                                                                  \
    X(pool_thread_count, 1)                                                                                  \
    X(pool_wait_idle, 1)                                                                                     \
    X(pool_worker_index, 1)                                                                                  \
    X(future_call_result, 1)                                                                                 \
    X(pool_call, 2)                                                                                          \
    X(pool_reduce, 1)                                                                                        \
    X(pool_resize, 1)                                                                                        \
    X(pool_stats, 1)                                                                                         \
    X(pool_trace_start, 1)                                                                                   \
    X(pool_trace_stop, 1)                                                                                    \
    X(signature_create, 1)                                                                                   \
    X(signature_release, 1)                                                                                  \
    X(task_block_begin, 1)                                                                                   \
    X(task_block_end, 1)                                                                                     \
    X(task_fail, 1)                                                                                          \
    X(task_is_canceled, 1)                                                                                   \
    X(task_options_init, 1)

typedef struct {
    void (*call)(random_t *state);
    unsigned weight;
} function_t;

#define ROW(name, weight) {call_##name, weight},
static const function_t functions[] = {FUNCTIONS(ROW)};

static const function_t *some_function(random_t *state) {
    unsigned ticket, sum = 0;
    size_t i;
    for (i = 0; i < LENGTH(functions); i++)
        sum += functions[i].weight;
    ticket = (unsigned)below(state, sum);
    for (i = 0; ticket >= functions[i].weight; i++)
        ticket -= functions[i].weight;
    return &functions[i];
}

/* Two tasks that destroy each other's pool wait for ever: not inside. */
static void call_inside(random_t *state) {
    const function_t *function = some_function(state);
    if (function->call != call_pool_destroy)
        function->call(state);
}

static long number_from(const char *variable, long otherwise) {
    const char *value = getenv(variable);
    return value == NULL ? otherwise : atol(value);
}

static void *call_at_random(void *seed) {
    random_t state = 0x9e3779b97f4a7c15u * (uint64_t)unpack(seed);
    long i, calls = number_from("OFFGIL_FUZZ_CALLS", 120000) / THREADS;
    for (i = 0; i < calls; i++)
        some_function(&state)->call(&state);
    return NULL;
}

static void *echo(void *arg) {
    return arg;
}

/* A thread that only just starts looks like a leak to the sanitizer when the process ends. */
static void wait_until_all_are_parked(pool_t *pool) {
    pool_stats_t stats;
    do {
        sleep_ns(MILLISECOND);
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    } while (stats.threads_parked < stats.threads_alive);
}

static void release_all(void) {
    size_t i;
    for (i = 0; i < bag.count; i++) {
        void *handle = (void *)bag.made[i];
        while (future_release(handle) == OFFGIL_OK)
            continue;
        group_release(handle);
        completion_queue_release(handle);
        signature_release(handle);
        if (pool_shutdown(handle, POOL_CANCEL, OFFGIL_FOREVER) == OFFGIL_OK)
            CHECK_OK(pool_destroy(handle));
    }
    for (i = 0; i < lent_count; i++)
        check_join(lent_threads[i]);
}

static void random_calls_of_every_function_crash_nothing_and_lose_nothing(void) {
    pthread_t threads[THREADS];
    random_t state = 1;
    pool_t *pool;
    intptr_t i;
    for (i = 0; i < HANDLES / 4; i++)
        keep(&state, pool_create(2));
    for (i = 0; i < THREADS; i++)
        threads[i] = check_thread(call_at_random, pack(number_from("OFFGIL_FUZZ_SEED", 0) * THREADS + i + 1));
    for (i = 0; i < THREADS; i++)
        check_join(threads[i]);
    CHECK(count_get(&bag.ran) > 1000); /* not all of it was refused */
    CHECK(bag.count < MOST_MADE);
    release_all();
    CHECK_OK(pool_wait_idle(pool_default(), LONG_ENOUGH));
    CHECK(count_get(&bag.accepted) > 1000);
    while (count_get(&bag.dropped) < count_get(&bag.accepted))
        sleep_ns(MILLISECOND); /* pools that were released end by themselves */
    CHECK_EQ(count_get(&bag.dropped), count_get(&bag.accepted));
    pool = pool_create(2);
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
    CHECK_OK(pool_destroy(pool));
    CHECK_SAME(check_take(check_submit(pool_default(), echo, pool)), pool);
    wait_until_all_are_parked(pool_default());
}

CHECK_MAIN(TEST(random_calls_of_every_function_crash_nothing_and_lose_nothing))
