/* Random calls with NULL, stale, live and invented handles from several threads: any answer will do, but
 * there must be one. */
#include "check.h"

enum { THREADS = 4, CALLS = 75000, HANDLES = 32 };

/* Handles of both kinds that were live once, and may still be. */
static struct {
    pthread_mutex_t lock;
    uintptr_t handles[HANDLES];
    count_t ran;
} bag = {PTHREAD_MUTEX_INITIALIZER, {0}, COUNT_ZERO};

static uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void keep(uint64_t random, const void *handle) {
    if (handle == NULL)
        return;
    pthread_mutex_lock(&bag.lock);
    bag.handles[random % HANDLES] = (uintptr_t)handle;
    pthread_mutex_unlock(&bag.lock);
}

static void *some_handle(uint64_t *state) {
    uint64_t random = next_random(state);
    uintptr_t handle;
    pthread_mutex_lock(&bag.lock);
    handle = bag.handles[random / 16 % HANDLES];
    pthread_mutex_unlock(&bag.lock);
    switch (random % 16) {
    case 0:
        return NULL;
    case 1:
        return (void *)(uintptr_t)next_random(state);
    case 2:
        return (void *)(handle ^ (uintptr_t)1 << (random / 1024 % 64));
    case 3:
        return (void *)(handle + random / 1024 % 7);
    case 4:
        return (void *)(uintptr_t)(random / 1024 % 5000);
    default:
        return (void *)handle;
    }
}

static void *work(void *fail) {
    count_add(&bag.ran, 1);
    if (fail != NULL)
        task_fail((int32_t)unpack(fail), fail == pack(1) ? NULL : "random");
    return fail;
}

static void range(void *context, size_t begin, size_t end) {
    (void)context;
    count_add(&bag.ran, (int64_t)(end - begin));
}

static task_fn some_fn(uint64_t random) {
    return random % 32 ? work : NULL;
}

static int64_t some_time(uint64_t random) {
    const int64_t times[] = {0, 1, MILLISECOND / 10, 0};
    return times[random % 4];
}

static void make_a_pool(uint64_t *state) {
    union {
        pool_options_t options;
        unsigned char bytes[4200];
    } room;
    pool_options_t *options = &room.options;
    uint64_t random = next_random(state);
    memset(&room, 0, sizeof room);
    pool_options_init(options, random % sizeof room);
    options->size = random % 4 ? sizeof *options : random / 4 % sizeof room;
    options->threads = random / 8 % 5 ? (uint32_t)(random / 64 % 3) : (uint32_t)next_random(state);
    options->max_spare_threads = (uint32_t)(random / 16 % 9);
    options->queue_limit = random / 32 % 4;
    options->full_timeout_ns = some_time(random / 128); /* never for ever: a queue may stay full */
    options->when_full = (int32_t)(random / 512 % 4);
    options->order = (int32_t)(random / 2048 % 3);
    options->waiters_help = (uint8_t)(random / 8192 % 3);
    options->stack_size = random / 65536 % 4 * 50000;
    keep(next_random(state), pool_create_with(random % 64 ? options : NULL));
}

static void call_pool_function(uint64_t *state) {
    void *args[4] = {NULL, NULL, NULL, NULL}, *results[4];
    future_t *futures[4] = {NULL, NULL, NULL, NULL};
    pool_t *pool = some_handle(state);
    uint64_t random = next_random(state);
    task_fn fn = some_fn(random / 32);
    switch (random % 24) {
    case 0:
        pool_destroy(pool);
        break;
    case 1:
        pool_release(pool);
        break;
    case 2:
        pool_shutdown(pool, (int32_t)(random / 1024 % 4) - 1, some_time(random / 4096));
        break;
    case 3:
        pool_wait_idle(pool, some_time(random / 1024));
        break;
    case 4:
        pool_thread_count(pool);
        break;
    case 5:
        pool_worker_index(pool);
        break;
    case 6:
        pool_for(pool, random / 1024 % 3, random / 4096 % 50, random / 65536 % 9, fn ? range : NULL, NULL);
        break;
    case 7:
        pool_map(pool, fn, random & 1024 ? args : NULL, random & 2048 ? results : NULL, random / 4096 % 5);
        break;
    case 8:
        pool_invoke(pool, fn, args, some_fn(random / 1024), NULL);
        break;
    case 9:
        make_a_pool(state);
        break;
    case 10:
        pool_submit_many(pool, fn, random & 1024 ? args : NULL, random / 4096 % 5, futures);
        keep(random, futures[0]);
        keep(random + 1, futures[1]);
        break;
    case 11:
        pool_spawn(pool, fn, pack((intptr_t)(random / 1024 % 3)));
        break;
    default:
        keep(next_random(state), pool_submit(pool, fn, pack((intptr_t)(random / 1024 % 3))));
    }
}

static void call_future_function(uint64_t *state) {
    future_t *future = some_handle(state), *futures[3];
    uint64_t random = next_random(state);
    char message[16];
    void *result;
    int32_t code;
    size_t index;
    switch (random % 10) {
    case 0:
        future_wait(future, some_time(random / 16), random & 1024 ? &result : NULL);
        break;
    case 1:
        future_get_state(future);
        break;
    case 2:
        future_cancel(future);
        break;
    case 3:
        keep(next_random(state), future_retain(future));
        break;
    case 4:
        future_error(future, &code, random & 1024 ? message : NULL, random / 2048 % (sizeof message + 1));
        break;
    case 5:
        future_release(future);
        break;
    case 6:
        task_fail(1, NULL);
        break;
    case 7:
        offgil_status_name((offgil_status)random);
        break;
    default:
        futures[0] = future;
        futures[1] = some_handle(state);
        futures[2] = some_handle(state);
        if (random & 1024) {
            future_wait_all(random & 2048 ? futures : NULL, random / 4096 % 4, some_time(random / 16));
        } else {
            future_wait_any(random & 2048 ? futures : NULL, random / 4096 % 4, some_time(random / 16),
                            &index);
        }
    }
}

static void *call_at_random(void *seed) {
    uint64_t state = 0x9e3779b97f4a7c15u * (uint64_t)(unpack(seed) + 1);
    int i;
    for (i = 0; i < CALLS; i++) {
        if (next_random(&state) % 2) {
            call_pool_function(&state);
        } else {
            call_future_function(&state);
        }
        CHECK(offgil_last_message() != NULL);
        CHECK(strlen(offgil_status_message(offgil_last_status())) > 0);
    }
    return NULL;
}

static void *echo(void *arg) {
    return arg;
}

static void three_hundred_thousand_random_calls_crash_nothing(void) {
    pthread_t threads[THREADS];
    pool_t *pool;
    intptr_t i;
    for (i = 0; i < HANDLES; i++)
        keep((uint64_t)i, i % 2 ? (void *)pool_create(2) : (void *)pool_default());
    for (i = 0; i < THREADS; i++)
        threads[i] = check_thread(call_at_random, pack(i));
    for (i = 0; i < THREADS; i++)
        check_join(threads[i]);
    CHECK(count_get(&bag.ran) > 1000); /* not all of it was refused */
    pool = pool_create(2);
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
    CHECK_OK(pool_destroy(pool));
    CHECK_SAME(check_take(check_submit(pool_default(), echo, pool)), pool);
}

CHECK_MAIN(TEST(three_hundred_thousand_random_calls_crash_nothing))
