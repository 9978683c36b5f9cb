/* Random programs: pools with random options whose tasks and visitors do at random all there is to do, and
 * that end at a random moment. A failure names its round; for others compile with
 * -DMIXED_SEED=3 -DMIXED_ROUNDS=9000. */
#include "mixed.h"

/* A body goes on: has it a place of its own, and is it not one too many? */
static void enter(caller_t *me) {
    if (me->home < 0)
        return;
    me->place = pool_worker_index(world.homes[me->home].pool);
    DEMAND(me->place >= 0 && me->place < (int)world.options.threads, OFFGIL_OK);
    DEMAND(add(&world.homes[me->home].owned[me->place], 1) == 1, OFFGIL_OK);
    DEMAND(add(&world.homes[me->home].running, 1) <= (int)world.options.threads, OFFGIL_OK);
}

/* A body ends, or is about to call what may block. */
static void leave(caller_t *me) {
    if (me->home < 0)
        return;
    add(&world.homes[me->home].running, -1);
    add(&world.homes[me->home].owned[me->place], -1);
}

/* How the pool may refuse work of this caller. */
static unsigned refusals(const caller_t *me) {
    const pool_options_t *options = &world.options;
    unsigned set = add(&world.canceling, 0) ? BIT(OFFGIL_ECLOSED) : 0;
    if (me->home >= 0)
        return set;
    set |= add(&world.closing, 0) ? BIT(OFFGIL_ECLOSED) : 0;
    set |= add(&world.dying, 0) ? BIT(OFFGIL_EHANDLE) : 0;
    if (options->queue_limit > 0 && options->when_full == POOL_FULL_FAIL)
        set |= BIT(OFFGIL_EFULL);
    if (options->queue_limit > 0 && options->full_timeout_ns >= 0)
        set |= BIT(OFFGIL_ETIMEDOUT);
    return set;
}

/* How a wait for one or for all may end. */
static unsigned ends(const caller_t *me, int64_t timeout_ns) {
    unsigned set = BIT(OFFGIL_EFAILED) | BIT(OFFGIL_ECANCELED);
    if (timeout_ns >= 0)
        set |= BIT(OFFGIL_ETIMEDOUT);
    if (timeout_ns < 0 && me->home >= 0 && world.options.max_spare_threads <= 8)
        set |= BIT(OFFGIL_ETHREAD);
    return set;
}

static int64_t some_time(uint64_t *random) {
    int kind = world.for_ever ? 3 : some(random, 4);
    return kind == 0 ? 0 : kind == 1 ? some(random, 50000) : OFFGIL_FOREVER;
}

static task_t *new_task(caller_t *me, int home, fate_t fate) {
    int number = add(&world.count, 1) - 1;
    task_t *task = number < TASKS ? &world.tasks[number] : NULL;
    if (task == NULL)
        return NULL;
    task->random = next_random(&me->random);
    task->home = home;
    task->depth = me->depth + 1;
    task->fate = fate;
    return task;
}

static void act(caller_t *me);

static void play_body(caller_t *me, int acts) {
    add(&world.began, 1);
    enter(me);
    while (acts-- > 0 && me->depth < DEEPEST)
        act(me);
    leave(me);
    add(&world.ended, 1);
}

static void *run(void *arg) {
    task_t *task = arg;
    caller_t me = {0, 0, 0, 0};
    me.random = task->random;
    me.home = task->home;
    me.depth = task->depth;
    add(&task->began, 1);
    play_body(&me, some(&me.random, 2) ? 1 + some(&me.random, 3) : 0);
    add(&task->ended, 1);
    return task;
}

static future_t *submit(caller_t *me, task_t **task) {
    future_t *future;
    offgil_status status;
    int home = some(&me->random, world.pools);
    if ((*task = new_task(me, home, REFUSED)) == NULL)
        return NULL;
    leave(me);
    future = pool_submit(world.homes[home].pool, run, *task);
    status = future ? OFFGIL_OK : offgil_last_status();
    enter(me);
    EXPECT(status, refusals(me));
    if (future != NULL)
        (*task)->fate = ACCEPTED;
    return future;
}

static void let_go(caller_t *me, task_t *task, future_t *future) {
    offgil_status status = OFFGIL_EDONE;
    if (some(&me->random, 3) == 0)
        status = future_cancel(future);
    EXPECT(status, BIT(OFFGIL_EBUSY) | BIT(OFFGIL_EDONE));
    task->canceled = status == OFFGIL_OK;
    if (some(&me->random, 2)) {
        task->kept = future;
    } else {
        CHECK_OK(future_release(future));
    }
}

static void wait_for_one(caller_t *me, task_t *task, future_t *future) {
    int64_t timeout_ns = some_time(&me->random);
    void *result = NULL;
    offgil_status status;
    leave(me);
    status = future_wait(future, timeout_ns, &result);
    enter(me);
    EXPECT(status, ends(me, timeout_ns));
    DEMAND(status != OFFGIL_OK || result == task, status);
    DEMAND((status != OFFGIL_OK && status != OFFGIL_EFAILED) || add(&task->ended, 0) == 1, status);
    DEMAND(status != OFFGIL_ECANCELED || add(&task->began, 0) == 0, status);
}

static int submit_many(caller_t *me, task_t **tasks, future_t **futures) {
    void *args[HANDFUL];
    int i, count = 0, home = some(&me->random, world.pools), wanted = 1 + some(&me->random, HANDFUL);
    offgil_status status;
    while (count < wanted && (tasks[count] = new_task(me, home, PERHAPS)) != NULL) {
        args[count] = tasks[count];
        count++;
    }
    leave(me);
    status = pool_submit_many(world.homes[home].pool, run, args, (size_t)count, futures);
    enter(me);
    EXPECT(status, refusals(me));
    for (i = 0; i < count && status == OFFGIL_OK; i++)
        tasks[i]->fate = ACCEPTED;
    return status == OFFGIL_OK ? count : 0;
}

static int submit_one_by_one(caller_t *me, task_t **tasks, future_t **futures) {
    int i, count = 0, wanted = 1 + some(&me->random, HANDFUL);
    for (i = 0; i < wanted; i++) {
        futures[count] = submit(me, &tasks[count]);
        count += futures[count] != NULL;
    }
    return count;
}

static void wait_for_some(caller_t *me, int any, int many) {
    task_t *tasks[HANDFUL];
    future_t *futures[HANDFUL];
    int64_t timeout_ns = some_time(&me->random);
    int i, count = many && world.way != RELEASE ? submit_many(me, tasks, futures)
                                                : submit_one_by_one(me, tasks, futures);
    offgil_status status;
    size_t index = 0;
    if (count == 0)
        return;
    leave(me);
    status = any ? future_wait_any(futures, (size_t)count, timeout_ns, &index)
                 : future_wait_all(futures, (size_t)count, timeout_ns);
    enter(me);
    EXPECT(status, ends(me, timeout_ns));
    for (i = 0; i < count; i++) {
        if (status == OFFGIL_OK && (!any || i == (int)index))
            DEMAND(future_get_state(futures[i]) >= FUTURE_DONE, status);
        let_go(me, tasks[i], futures[i]);
    }
}

/* Tasks that nobody holds. */
static void spawn_or_invoke(caller_t *me, int spawn) {
    int home = some(&me->random, world.pools);
    task_t *left = new_task(me, home, PERHAPS), *right = new_task(me, home, PERHAPS);
    pool_t *pool = world.homes[home].pool;
    offgil_status status;
    if (left == NULL || right == NULL)
        return;
    leave(me);
    status = spawn ? pool_spawn(pool, run, left) : pool_invoke(pool, run, left, run, right);
    enter(me);
    EXPECT(status, refusals(me) | (spawn ? 0 : ends(me, OFFGIL_FOREVER)));
    if (spawn) {
        left->fate = status == OFFGIL_OK ? ACCEPTED : REFUSED;
    } else {
        DEMAND(add(&left->began, 0) == add(&left->ended, 0), status);
        DEMAND(add(&right->began, 0) == add(&right->ended, 0), status);
        DEMAND(status != OFFGIL_OK || (left->ended == 1 && right->ended == 1), status);
    }
}

typedef struct {
    uint64_t random;
    int home, depth, covered;
} range_t;

static void part(void *context, size_t begin, size_t end) {
    range_t *range = context;
    caller_t me = {0, 0, 0, 0};
    me.random = range->random + begin;
    me.home = range->home;
    me.depth = range->depth;
    play_body(&me, some(&me.random, 4) == 0);
    add(&range->covered, (int)(end - begin));
}

static void go_through_a_range(caller_t *me) {
    range_t range = {0, 0, 0, 0};
    int length = some(&me->random, 20);
    offgil_status status;
    range.random = next_random(&me->random) | 1u << 31;
    range.home = some(&me->random, world.pools);
    range.depth = me->depth + 1;
    leave(me);
    status =
        pool_for(world.homes[range.home].pool, 0, (size_t)length, (size_t)some(&me->random, 3), part, &range);
    enter(me);
    EXPECT(status, refusals(me) | ends(me, OFFGIL_FOREVER));
    DEMAND(add(&range.covered, 0) == length || status != OFFGIL_OK, status);
}

static void look_whether_idle(caller_t *me) {
    offgil_status status;
    leave(me);
    status = pool_wait_idle(world.homes[0].pool, some(&me->random, 50000));
    enter(me);
    EXPECT(status, BIT(OFFGIL_ETIMEDOUT) | refusals(me));
    DEMAND(me->home != 0 || status == OFFGIL_ETIMEDOUT, status);
}

/* Never to more than there were at first: the checks hold at any moment. */
static void resize(caller_t *me) {
    pool_t *pool = world.homes[some(&me->random, world.pools)].pool;
    uint32_t threads = 1 + (uint32_t)some(&me->random, (int)world.options.threads);
    offgil_status status = pool_resize(pool, threads);
    EXPECT(status, refusals(me) | (add(&world.closing, 0) ? BIT(OFFGIL_ECLOSED) : 0));
    DEMAND(me->home < 0 || pool_worker_index(world.homes[me->home].pool) == me->place, status);
}

static void act(caller_t *me) {
    int64_t until = now_ns() + some(&me->random, 30000);
    task_t *task;
    future_t *future;
    switch (some(&me->random, 13)) {
    case 0:
    case 1:
        spawn_or_invoke(me, some(&me->random, 2));
        break;
    case 2:
    case 3:
    case 4:
        wait_for_some(me, some(&me->random, 2), some(&me->random, 3) == 0);
        break;
    case 5:
        go_through_a_range(me);
        break;
    case 6:
        look_whether_idle(me);
        break;
    case 7:
        CHECK_STATUS(task_fail(1, "at random"), me->home >= 0 ? OFFGIL_OK : OFFGIL_EINVAL);
        break;
    case 8:
        resize(me);
        break;
    case 9:
        while (now_ns() < until)
            (void)task_is_canceled();
        break;
    default:
        if ((future = submit(me, &task)) == NULL)
            break;
        if (some(&me->random, 4) != 0)
            wait_for_one(me, task, future);
        let_go(me, task, future);
    }
}

static void *visit(void *visitor) {
    caller_t me = *(caller_t *)visitor;
    int acts = 20 + some(&me.random, 60);
    while (acts-- > 0)
        act(&me);
    return NULL;
}

static count_t threads_alive = COUNT_ZERO;

static void start(void *one) {
    count_add(&threads_alive, *(int *)one);
}

static void stop(void *one) {
    count_add(&threads_alive, -*(int *)one);
}

static void choose_options(uint64_t *random) {
    static const uint32_t spares[] = {0, 1, 2, 8, 256};
    static int one = 1;
    pool_options_t *options = &world.options;
    pool_options_init(options, sizeof *options);
    options->threads = 1 + (uint32_t)some(random, MOST_THREADS);
    options->max_spare_threads = world.for_ever ? 4000 : spares[some(random, LENGTH(spares))];
    options->queue_limit = !world.for_ever && some(random, 3) == 0 ? 1 + (size_t)some(random, 6) : 0;
    options->when_full = some(random, 3);
    options->full_timeout_ns = some(random, 2) ? OFFGIL_FOREVER : some(random, 50000);
    options->order = some(random, 2);
    options->waiters_help = some(random, 4) != 0;
    options->stack_size = some(random, 3) == 0 ? 65536 : 0;
    options->on_thread_start = some(random, 4) == 0 ? start : NULL;
    options->on_thread_stop = options->on_thread_start ? stop : NULL;
    options->context = &one;
}

static void make_the_pools(int round, uint64_t *random) {
    const pool_options_t *options = &world.options;
    int i;
    choose_options(random);
    snprintf(
        world.title, sizeof world.title,
        "round %d of seed %d: threads %d, spares %d, queue %d, when full %d, order %d, help %d, hooks %d",
        round, MIXED_SEED, (int)options->threads, (int)options->max_spare_threads, (int)options->queue_limit,
        options->when_full, options->order, options->waiters_help, options->on_thread_start != NULL);
    for (i = 0; i < world.pools; i++) {
        world.homes[i].pool = pool_create_with(options);
        DEMAND(world.homes[i].pool != NULL, offgil_last_status());
    }
}

/* Says how many bodies had begun when all was done; -1: the pool ends by itself. */
static int end_the_pool(uint64_t *random) {
    int64_t timeout_ns = some_time(random);
    int way = world.way, began;
    offgil_status status;
    add(&world.closing, 1);
    if (way < RELEASE) {
        add(&world.canceling, way);
        status = pool_shutdown(world.homes[0].pool, way ? POOL_CANCEL : POOL_DRAIN, timeout_ns);
        EXPECT(status, timeout_ns >= 0 ? BIT(OFFGIL_ETIMEDOUT) : 0);
    }
    add(&world.dying, 1);
    status = way == RELEASE ? pool_release(world.homes[0].pool) : pool_destroy(world.homes[0].pool);
    EXPECT(status, 0);
    began = add(&world.began, 0);
    DEMAND(way == RELEASE || add(&world.ended, 0) == began, status);
    return way == RELEASE ? -1 : began;
}

/* What was accepted has run, or somebody canceled it. */
static int is_over(void) {
    int i, over;
    pthread_mutex_lock(&world.lock);
    over = world.began == world.ended;
    for (i = 0; over && i < world.count && i < TASKS; i++) {
        const task_t *task = &world.tasks[i];
        if (task->began > 0) {
            over = task->ended;
        } else if (task->fate == ACCEPTED) {
            over = task->canceled || world.canceling;
        }
    }
    pthread_mutex_unlock(&world.lock);
    return over;
}

static void check_tasks(void) {
    offgil_status status;
    int i;
    for (i = 0; i < world.count && i < TASKS; i++) {
        const task_t *task = &world.tasks[i];
        DEMAND(task->began + task->canceled <= 1, OFFGIL_OK);
        DEMAND(task->began == 0 || task->fate != REFUSED, OFFGIL_OK);
        if (task->kept == NULL)
            continue;
        status = future_wait(task->kept, OFFGIL_FOREVER, NULL);
        EXPECT(status, task->began ? BIT(OFFGIL_EFAILED) : BIT(OFFGIL_ECANCELED));
        DEMAND(task->began || status == OFFGIL_ECANCELED, status);
        CHECK_OK(future_release(task->kept));
    }
    memset(world.tasks, 0, sizeof world.tasks);
    world.closing = world.canceling = world.dying = world.began = world.ended = world.count = 0;
}

static void play_a_round(int round) {
    uint64_t random = 0x9e3779b97f4a7c15u * (uint64_t)(MIXED_SEED + 1000003 * (int64_t)round);
    caller_t visitors[VISITORS];
    pthread_t threads[VISITORS];
    int i, began, gone = 0, count = 1 + some(&random, VISITORS);
    make_the_pools(round, &random);
    world.way = some(&random, 4);
    for (i = 0; i < count; i++) {
        memset(&visitors[i], 0, sizeof visitors[i]);
        visitors[i].random = next_random(&random);
        visitors[i].home = -1;
        threads[i] = check_thread(visit, &visitors[i]);
    }
    if (!world.for_ever && some(&random, 3)) {
        sleep_ns(some(&random, 3 * (int)MILLISECOND));
    } else {
        while (gone < count)
            check_join(threads[gone++]);
    }
    while (world.pools > 1 && !is_over()) /* they use each other until the last task has ended */
        sleep_ns(MILLISECOND / 20);
    for (i = 1; i < world.pools; i++)
        CHECK_OK(pool_destroy(world.homes[i].pool));
    began = end_the_pool(&random);
    while (gone < count)
        check_join(threads[gone++]);
    while (began < 0 && !is_over())
        sleep_ns(MILLISECOND / 20);
    DEMAND(is_over() && (began < 0 || began == world.began), OFFGIL_OK);
    check_tasks();
}

static void play(int rounds, int pools, int for_ever) {
    int round;
    world.pools = pools;
    world.for_ever = for_ever;
    for (round = 0; round < rounds; round++)
        play_a_round(round);
    while (count_get(&threads_alive) > 0) /* those of pools that were released */
        sleep_ns(MILLISECOND);
}

static void pools_of_all_kinds_that_end_at_any_moment_lose_no_task(void) {
    play(MIXED_ROUNDS, 1, 0);
}

static void waits_for_ever_across_three_pools_end(void) {
    play(MIXED_ROUNDS / 4, 3, 1);
}

CHECK_MAIN(TEST(pools_of_all_kinds_that_end_at_any_moment_lose_no_task),
           TEST(waits_for_ever_across_three_pools_end))
