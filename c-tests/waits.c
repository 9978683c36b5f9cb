/* What all kinds of waits have in common: times, signals, and the release of what is waited for. */
#include <signal.h>

#include "check.h"

/* Four tasks at a gate, and whatever they can be waited for by. */
static struct {
    pool_t *pool;
    gate_t gate;
    future_t *future, *call;
    group_t *group;
    completion_queue_t *queue;
    completion_t completion;
    size_t index, count;
    void *result, *call_result;
    int32_t saved_errno;
} world = {NULL, GATE_CLOSED, NULL, NULL, NULL, NULL, {0, 0, NULL}, 0, 0, NULL, NULL, 0};

static void make_world(void) {
    const void *gate = &world.gate;
    const void *args[] = {&gate};
    signature_t *signature = signature_create("ptr(ptr)");
    task_options_t options;
    world.pool = pool_create(4);
    world.group = group_create(world.pool, NULL);
    world.queue = completion_queue_create();
    world.future = check_submit(world.pool, gate_task, &world.gate);
    world.call = pool_call(world.pool, NULL, signature, (void (*)(void))gate_task, args);
    CHECK(world.call != NULL);
    CHECK_OK(signature_release(signature));
    CHECK_OK(group_spawn(world.group, gate_task, &world.gate));
    task_options_init(&options, sizeof options);
    options.queue = world.queue;
    options.tag = 5;
    CHECK_OK(pool_spawn_with(world.pool, &options, gate_task, &world.gate));
    count_wait(&world.gate.started, 4);
    world.index = world.count = 77;
    world.result = world.call_result = &world;
    world.saved_errno = 77;
}

static void end_world(void) {
    CHECK_OK(future_release(world.future));
    CHECK_OK(future_release(world.call));
    CHECK_OK(group_release(world.group));
    CHECK_OK(completion_queue_release(world.queue));
    CHECK_OK(pool_destroy(world.pool));
}

static offgil_status wait_one(int64_t timeout_ns) {
    return future_wait(world.future, timeout_ns, &world.result);
}

static offgil_status wait_all(int64_t timeout_ns) {
    future_t *futures[2];
    futures[0] = world.future;
    futures[1] = world.call;
    return future_wait_all(futures, 2, timeout_ns);
}

static offgil_status wait_any(int64_t timeout_ns) {
    return future_wait_any(&world.future, 1, timeout_ns, &world.index);
}

static offgil_status wait_call(int64_t timeout_ns) {
    return future_call_result(world.call, timeout_ns, &world.call_result, &world.saved_errno);
}

static offgil_status wait_group(int64_t timeout_ns) {
    return group_wait(world.group, timeout_ns);
}

static offgil_status wait_queue(int64_t timeout_ns) {
    return completion_queue_next(world.queue, timeout_ns, &world.completion, 1, &world.count);
}

static offgil_status wait_idle(int64_t timeout_ns) {
    return pool_wait_idle(world.pool, timeout_ns);
}

static offgil_status wait_shutdown(int64_t timeout_ns) {
    return pool_shutdown(world.pool, POOL_DRAIN, timeout_ns);
}

typedef offgil_status (*wait_fn)(int64_t timeout_ns);

static const wait_fn waits[] = {wait_one,   wait_all,   wait_any,  wait_call,
                                wait_group, wait_queue, wait_idle, wait_shutdown};

static void check_nothing_written(void) {
    CHECK(world.index == 77 && world.saved_errno == 77 && world.completion.tag == 0);
    CHECK(world.result == &world && world.call_result == &world);
    CHECK(world.count == 77 || world.count == 0); /* the header: 0 at the end of the time */
}

static void zero_looks_and_a_time_that_is_over_writes_no_result_in_each_kind_of_wait(void) {
    size_t i;
    make_world();
    for (i = 0; i < LENGTH(waits); i++) {
        CHECK_STATUS(waits[i](0), OFFGIL_ETIMEDOUT);
        CHECK_STATUS(waits[i](1), OFFGIL_ETIMEDOUT);
        CHECK_STATUS(waits[i](MILLISECOND), OFFGIL_ETIMEDOUT);
        check_nothing_written();
    }
    CHECK_EQ(world.count, 0);
    gate_open(&world.gate);
    CHECK_OK(pool_wait_idle(world.pool, OFFGIL_FOREVER));
    for (i = 0; i < LENGTH(waits); i++)
        CHECK_OK(waits[i](0)); /* a look sees what has ended */
    CHECK(world.index == 0 && world.count == 1 && world.completion.tag == 5 && world.saved_errno == 0);
    CHECK(world.result == &world.gate && world.call_result == &world.gate);
    end_world();
}

/* A thread that waits, and how it went. */
typedef struct {
    wait_fn wait;
    int64_t timeout_ns;
    pthread_t thread;
    count_t waiting, ended;
    offgil_status status;
} waiter_t;

static void *wait_in_thread(void *arg) {
    waiter_t *waiter = arg;
    waiter->thread = pthread_self();
    count_add(&waiter->waiting, 1);
    waiter->status = waiter->wait(waiter->timeout_ns);
    count_add(&waiter->ended, 1);
    return NULL;
}

static const waiter_t no_waiter = {NULL, 0, 0, COUNT_ZERO, COUNT_ZERO, OFFGIL_OK};

static void every_negative_time_is_for_ever_in_each_kind_of_wait(void) {
    static const int64_t times[] = {OFFGIL_FOREVER, -2, -SECOND, INT64_MIN};
    static waiter_t waiters[LENGTH(waits) * LENGTH(times)];
    pthread_t threads[LENGTH(waiters)];
    size_t i;
    make_world();
    for (i = 0; i < LENGTH(waiters); i++) {
        waiters[i] = no_waiter;
        waiters[i].wait = waits[i / LENGTH(times)];
        waiters[i].timeout_ns = times[i % LENGTH(times)];
        threads[i] = check_thread(wait_in_thread, &waiters[i]);
        count_wait(&waiters[i].waiting, 1);
        if (waiters[i].wait == wait_queue && i % LENGTH(times) > 0)
            CHECK_OK(completion_queue_add(world.queue, world.future, 5)); /* one for each of them */
    }
    sleep_ns(SOON);
    for (i = 0; i < LENGTH(waiters); i++)
        CHECK_EQ(count_get(&waiters[i].ended), 0);
    gate_open(&world.gate);
    for (i = 0; i < LENGTH(waiters); i++) {
        check_join(threads[i]);
        CHECK_OK(waiters[i].status);
    }
    end_world();
}

static volatile sig_atomic_t handled;

static void handle(int signal) {
    (void)signal;
    handled++;
}

static void handle_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Sends the waiter signals, and sees that it goes on waiting. */
static void disturb(waiter_t *waiter) {
    int i;
    count_wait(&waiter->waiting, 1);
    for (i = 0; i < 3; i++) {
        const int seen = handled;
        sleep_ns(2 * MILLISECOND); /* it waits by now, as a rule */
        CHECK_EQ(pthread_kill(waiter->thread, SIGUSR1), 0);
        while (handled == seen)
            sleep_ns(MILLISECOND / 10);
    }
    sleep_ns(2 * MILLISECOND);
    CHECK_EQ(count_get(&waiter->ended), 0);
}

static void goes_on(wait_fn wait, int64_t timeout_ns, pool_t *inside) {
    waiter_t waiter = no_waiter;
    pthread_t thread;
    waiter.wait = wait;
    waiter.timeout_ns = timeout_ns;
    world.gate = (gate_t)GATE_CLOSED;
    make_world();
    if (inside != NULL)
        CHECK_OK(pool_spawn(inside, wait_in_thread, &waiter));
    else
        thread = check_thread(wait_in_thread, &waiter);
    disturb(&waiter);
    gate_open(&world.gate);
    count_wait(&waiter.ended, 1);
    CHECK_OK(waiter.status);
    if (inside == NULL)
        check_join(thread);
    else
        CHECK_OK(pool_wait_idle(inside, OFFGIL_FOREVER));
    end_world();
}

static void each_kind_of_wait_goes_on_after_a_signal(void) {
    size_t i;
    handle_signals();
    for (i = 0; i < LENGTH(waits); i++) {
        goes_on(waits[i], OFFGIL_FOREVER, NULL);
        goes_on(waits[i], LONG_ENOUGH, NULL);
    }
}

static void each_kind_of_wait_inside_a_task_goes_on_after_a_signal(void) {
    pool_t *inside = pool_create(1);
    size_t i;
    handle_signals();
    for (i = 0; i < LENGTH(waits); i++) {
        goes_on(waits[i], OFFGIL_FOREVER, inside);
        goes_on(waits[i], LONG_ENOUGH, inside);
    }
    CHECK_OK(pool_destroy(inside));
}

/* Gives back what this kind of wait is for. */
static void release_what_is_waited_for(wait_fn wait) {
    if (wait == wait_one || wait == wait_all || wait == wait_any)
        CHECK_OK(future_release(world.future));
    else if (wait == wait_call)
        CHECK_OK(future_release(world.call));
    else if (wait == wait_group)
        CHECK_OK(group_release(world.group));
    else if (wait == wait_queue)
        CHECK_OK(completion_queue_release(world.queue));
    else
        CHECK_OK(pool_release(world.pool));
}

static void a_release_by_another_thread_ends_each_kind_of_wait_and_writes_nothing(void) {
    const int64_t times[] = {OFFGIL_FOREVER, LONG_ENOUGH};
    size_t i, way;
    for (i = 0; i < LENGTH(waits); i++)
        for (way = 0; way < 2 * LENGTH(times); way++) {
            waiter_t waiter = no_waiter;
            pthread_t thread;
            pool_t *inside = pool_create(1);
            waiter.wait = waits[i];
            waiter.timeout_ns = times[way / 2];
            world.gate = (gate_t)GATE_CLOSED;
            make_world();
            if (way % 2)
                CHECK_OK(pool_spawn(inside, wait_in_thread, &waiter));
            else
                thread = check_thread(wait_in_thread, &waiter);
            count_wait(&waiter.waiting, 1);
            sleep_ns(2 * MILLISECOND); /* it waits by now, as a rule */
            release_what_is_waited_for(waits[i]);
            count_wait(&waiter.ended, 1); /* while the gate is closed */
            CHECK_STATUS(waiter.status, OFFGIL_EHANDLE);
            check_nothing_written();
            CHECK_EQ(world.count, 77);
            gate_open(&world.gate);
            if (way % 2 == 0)
                check_join(thread);
            CHECK_OK(pool_destroy(inside));
        }
}

/* What else blocks, in a pool of one whose queue has room for one task. */
static pool_t *full;

static void *echo(void *arg) {
    return arg;
}

static void part(void *context, size_t begin, size_t end) {
    (void)context, (void)begin, (void)end;
}

static void reduce_part(void *context, size_t begin, size_t end, void *accumulator) {
    (void)context, (void)accumulator;
    part(context, begin, end);
}

static void combine(void *context, void *into, const void *from) {
    (void)context, (void)into, (void)from;
}

static offgil_status submit_into_full_queue(int64_t unused) {
    (void)unused;
    return pool_spawn(full, echo, NULL);
}

static offgil_status range_of_others(int64_t unused) {
    (void)unused;
    return pool_for(full, 0, 9, 1, part, NULL);
}

static offgil_status map_of_others(int64_t unused) {
    void *args[2] = {NULL, NULL};
    (void)unused;
    return pool_map(full, echo, args, args, 2);
}

static offgil_status reduction_of_others(int64_t unused) {
    (void)unused;
    return pool_reduce(full, 0, 9, 1, reduce_part, combine, NULL, NULL, 0);
}

static offgil_status invoke_of_others(int64_t unused) {
    (void)unused;
    return pool_invoke(full, echo, NULL, echo, NULL);
}

static offgil_status lend(int64_t unused) {
    (void)unused;
    return pool_run_worker(full);
}

static offgil_status destroy(int64_t unused) {
    (void)unused;
    return pool_destroy(full);
}

static void all_else_that_blocks_goes_on_after_a_signal(void) {
    const wait_fn others[] = {submit_into_full_queue,
                              range_of_others,
                              map_of_others,
                              reduction_of_others,
                              invoke_of_others,
                              lend,
                              destroy};
    size_t i;
    handle_signals();
    for (i = 0; i < LENGTH(others); i++) {
        waiter_t waiter = no_waiter;
        gate_t gate = GATE_CLOSED;
        pool_options_t options;
        pthread_t thread;
        pool_options_init(&options, sizeof options);
        options.threads = 1;
        options.queue_limit = 1;
        full = pool_create_with(&options);
        gate_occupy(&gate, full, 1);
        CHECK_OK(pool_spawn(full, echo, NULL));
        waiter.wait = others[i];
        thread = check_thread(wait_in_thread, &waiter);
        disturb(&waiter);
        gate_open(&gate);
        if (others[i] != destroy)
            CHECK_OK(pool_shutdown(full, POOL_DRAIN, OFFGIL_FOREVER));
        check_join(thread);
        if (others[i] == lend || others[i] == destroy)
            CHECK_OK(waiter.status);
        else /* the shutdown may have come first */
            CHECK(waiter.status == OFFGIL_OK || waiter.status == OFFGIL_ECLOSED);
        if (others[i] != destroy)
            CHECK_OK(pool_destroy(full));
    }
}

static void *block_end(void *arg) {
    waiter_t *waiter = arg;
    gate_t *gate = &world.gate;
    CHECK_OK(task_block_begin());
    CHECK_OK(pool_spawn(full, gate_task, gate));
    count_wait(&gate->started, 1); /* it has the place */
    waiter->thread = pthread_self();
    count_add(&waiter->waiting, 1);
    CHECK_OK(task_block_end());
    count_add(&waiter->ended, 1);
    return NULL;
}

static void the_end_of_blocking_goes_on_waiting_for_a_place_after_a_signal(void) {
    waiter_t waiter = no_waiter;
    handle_signals();
    full = pool_create(1);
    CHECK_OK(pool_spawn(full, block_end, &waiter));
    disturb(&waiter);
    gate_open(&world.gate);
    CHECK_OK(pool_destroy(full));
    CHECK_EQ(count_get(&waiter.ended), 1);
}

CHECK_MAIN(TEST(zero_looks_and_a_time_that_is_over_writes_no_result_in_each_kind_of_wait),
           TEST(every_negative_time_is_for_ever_in_each_kind_of_wait),
           TEST(each_kind_of_wait_goes_on_after_a_signal),
           TEST(each_kind_of_wait_inside_a_task_goes_on_after_a_signal),
           TEST(a_release_by_another_thread_ends_each_kind_of_wait_and_writes_nothing),
           TEST(all_else_that_blocks_goes_on_after_a_signal),
           TEST(the_end_of_blocking_goes_on_waiting_for_a_place_after_a_signal))
