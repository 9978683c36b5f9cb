/* Threads outside a pool that run its parts and tasks on one of its places. */
#include "check.h"

static pool_t *pool;
static pthread_t visitor;
static count_t begun = COUNT_ZERO, flag = COUNT_ZERO;

static void *raise_flag(void *arg) {
    count_add(&flag, 1);
    return arg;
}

/* Once the helper's part is under way, submits what it waits for: there must be a place for it. */
static void *submit_the_flag(void *arg) {
    count_wait(&begun, 2);
    sleep_ns(SOON); /* the visitor's part has ended meanwhile, as a rule */
    CHECK_OK(pool_spawn(pool, raise_flag, NULL));
    return arg;
}

static void part(void *context, size_t begin, size_t end) {
    (void)context, (void)begin, (void)end;
    count_add(&begun, 1);
    count_wait(&begun, 2);
    if (!pthread_equal(pthread_self(), visitor))
        count_wait(&flag, 1);
}

static void a_visitor_gives_its_place_up_while_it_waits_for_a_helper_of_its_range(void) {
    pthread_t submitter;
    pool = pool_create(2);
    visitor = pthread_self();
    submitter = check_thread(submit_the_flag, NULL);
    CHECK_OK(pool_for(pool, 0, 2, 1, part, NULL));
    check_join(submitter);
    CHECK_OK(pool_destroy(pool));
}

static void *half(void *arg) {
    part(NULL, 0, 1);
    return arg;
}

static void a_visitor_gives_its_place_up_while_it_waits_for_the_other_half(void) {
    pthread_t submitter;
    pool = pool_create(2);
    visitor = pthread_self();
    submitter = check_thread(submit_the_flag, NULL);
    CHECK_OK(pool_invoke(pool, half, NULL, half, NULL));
    check_join(submitter);
    CHECK_OK(pool_destroy(pool));
}

static count_t over = COUNT_ZERO, submitting = COUNT_ZERO;

static void *nothing(void *arg) {
    return arg;
}

static void *something(void *arg) {
    sleep_ns(MILLISECOND); /* so that there are always more submitters than places */
    return arg;
}

static void *keep_submitting(void *arg) {
    count_add(&submitting, 1);
    while (count_get(&over) == 0)
        CHECK_OK(pool_spawn(pool, something, NULL));
    return arg;
}

/* Submitters that run their own tasks could hand the places to each other for ever. */
static void submitters_that_run_their_own_tasks_do_not_keep_what_is_queued_from_running(void) {
    pthread_t submitters[6];
    future_t *queued[4];
    gate_t gate = GATE_CLOSED;
    pool_options_t options;
    size_t i;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.queue_limit = LENGTH(queued);
    options.when_full = POOL_FULL_RUN;
    pool = pool_create_with(&options);
    gate_occupy(&gate, pool, 2);
    for (i = 0; i < LENGTH(queued); i++)
        queued[i] = check_submit(pool, nothing, NULL);
    for (i = 0; i < LENGTH(submitters); i++)
        submitters[i] = check_thread(keep_submitting, NULL);
    count_wait(&submitting, LENGTH(submitters));
    sleep_ns(SOON); /* by now they wait for a place, as a rule */
    gate_open(&gate);
    for (i = 0; i < LENGTH(queued); i++) {
        CHECK_OK(future_wait(queued[i], LONG_ENOUGH, NULL)); /* a timed wait runs nothing itself */
        CHECK_OK(future_release(queued[i]));
    }
    count_add(&over, 1);
    for (i = 0; i < LENGTH(submitters); i++)
        check_join(submitters[i]);
    CHECK_OK(pool_destroy(pool));
}

/* A thread outside waits for many tasks and runs them on the place that it has. One of them asks for somebody
 * who needs that place; from then on each takes its time, until he has come. */
enum { AWAITED = 1200, ASKING = 50, LATE = ASKING + (AWAITED - ASKING) / 2 };

static count_t ran = COUNT_ZERO, came = COUNT_ZERO, at_the_gate = COUNT_ZERO;
static gate_t busy_worker = GATE_CLOSED, blocked_worker = GATE_CLOSED;
static void (*ask)(void);
static int64_t ran_before;

static void *come(void *arg) {
    ran_before = count_get(&ran);
    count_add(&came, 1);
    return arg;
}

static void *awaited(void *arg) {
    int64_t number = count_add(&ran, 1);
    if (number == ASKING)
        ask();
    else if (number > ASKING && count_get(&came) == 0)
        sleep_ns(MILLISECOND);
    return arg;
}

/* The place is the only one that is not taken by the busy worker. */
static void wait_for_many_from_outside(void (*asks)(void)) {
    static void *args[AWAITED];
    static future_t *futures[AWAITED];
    size_t i;
    ask = asks;
    CHECK_OK(pool_submit_many(pool, awaited, args, AWAITED, futures));
    CHECK_OK(future_wait_all(futures, AWAITED, OFFGIL_FOREVER));
    for (i = 0; i < AWAITED; i++)
        CHECK_OK(future_release(futures[i]));
    gate_open(&busy_worker);
    count_wait(&came, 1);
    CHECK(ran_before < LATE);
    CHECK_OK(pool_destroy(pool));
}

static void submit_something_urgent(void) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.priority = TASK_HIGH;
    CHECK_OK(pool_spawn_with(pool, &options, come, NULL));
}

static void a_task_of_high_priority_does_not_come_after_all_that_an_outside_thread_waits_for(void) {
    pool = pool_create(2);
    gate_occupy(&busy_worker, pool, 1);
    wait_for_many_from_outside(submit_something_urgent);
}

static void *block_and_come_back(void *arg) {
    CHECK_OK(task_block_begin());
    count_add(&at_the_gate, 1);
    count_wait(&blocked_worker.open, 1);
    CHECK_OK(task_block_end());
    return come(arg);
}

static void let_the_blocked_worker_go_on(void) {
    gate_open(&blocked_worker);
}

static void a_task_that_has_blocked_does_not_go_on_after_all_that_an_outside_thread_waits_for(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.max_spare_threads = 0; /* the place that is given up stays free */
    pool = pool_create_with(&options);
    gate_occupy(&busy_worker, pool, 1);
    CHECK_OK(pool_spawn(pool, block_and_come_back, NULL));
    count_wait(&at_the_gate, 1);
    wait_for_many_from_outside(let_the_blocked_worker_go_on);
}

CHECK_MAIN(TEST(a_visitor_gives_its_place_up_while_it_waits_for_a_helper_of_its_range),
           TEST(a_visitor_gives_its_place_up_while_it_waits_for_the_other_half),
           TEST(submitters_that_run_their_own_tasks_do_not_keep_what_is_queued_from_running),
           TEST(a_task_of_high_priority_does_not_come_after_all_that_an_outside_thread_waits_for),
           TEST(a_task_that_has_blocked_does_not_go_on_after_all_that_an_outside_thread_waits_for))
