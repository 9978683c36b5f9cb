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

CHECK_MAIN(TEST(a_visitor_gives_its_place_up_while_it_waits_for_a_helper_of_its_range),
           TEST(a_visitor_gives_its_place_up_while_it_waits_for_the_other_half),
           TEST(submitters_that_run_their_own_tasks_do_not_keep_what_is_queued_from_running))
