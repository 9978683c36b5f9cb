/* Tasks that run after others (task_options_t.after). */
#include "check.h"

enum { CHAIN = 10000, MANY = 500 };

static void *same(void *arg) {
    return arg;
}

static void *fail(void *code) {
    task_fail((int32_t)unpack(code), "the first one failed");
    return code;
}

static future_t *submit_after(pool_t *pool, future_t *const *after, size_t count, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.after = after;
    options.after_count = count;
    return check_submit_with(pool, &options, fn, arg);
}

static void *step(void *counter) {
    return pack((intptr_t)count_add(counter, 1));
}

static void a_task_runs_after_all_that_it_names(void) {
    static future_t *before[MANY];
    count_t ran = COUNT_ZERO;
    pool_t *pool = pool_create(3);
    future_t *last;
    int i;
    for (i = 0; i < MANY; i++)
        before[i] = check_submit(pool, step, &ran);
    last = submit_after(pool, before, MANY, step, &ran);
    for (i = 0; i < MANY; i++)
        CHECK_OK(future_release(before[i])); /* released: they count all the same */
    CHECK_EQ(unpack(check_take(last)), MANY + 1);
    CHECK_OK(pool_destroy(pool));
}

static void a_task_after_one_that_is_done_runs(void) {
    pool_t *pool = pool_create(1);
    future_t *before = check_submit(pool, same, NULL);
    CHECK_OK(future_wait(before, OFFGIL_FOREVER, NULL));
    CHECK_SAME(check_take(submit_after(pool, &before, 1, same, pool)), pool);
    CHECK_OK(future_release(before));
    CHECK_OK(pool_destroy(pool));
}

static void a_task_is_queued_until_those_before_it_are_done(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(2);
    future_t *before = check_submit(pool, gate_task, &gate);
    future_t *after = submit_after(pool, &before, 1, same, pool);
    count_wait(&gate.started, 1);
    CHECK_STATUS(future_wait(after, SOON, NULL), OFFGIL_ETIMEDOUT);
    CHECK_EQ(future_get_state(after), FUTURE_QUEUED);
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    check_take(after);
    check_take(before);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void a_failure_before_it_cancels_a_task_with_its_status(void) {
    pool_t *pool = pool_create(1), *other = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *before[2], *after[2], *late, *in_line;
    char message[40] = "";
    int32_t code = 0;
    gate_occupy(&gate, pool, 1);
    before[0] = check_submit(pool, fail, pack(5));
    before[1] = check_submit(pool, gate_task, &gate);
    after[0] = submit_after(pool, before, 2, same, NULL);
    after[1] = submit_after(other, &after[0], 1, same, NULL);
    gate_open(&gate);
    CHECK_STATUS(future_wait(after[1], OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_wait(after[0], OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_error(after[1], &code, message, sizeof message), OFFGIL_EFAILED);
    CHECK_EQ(code, 5);
    CHECK_EQ(strcmp(message, "the first one failed"), 0);
    CHECK_EQ(future_get_state(after[0]), FUTURE_CANCELED);
    late = submit_after(pool, before, 1, same, NULL);
    CHECK_STATUS(future_wait(late, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    in_line = submit_after(pool, &late, 1, same, NULL);
    CHECK_STATUS(future_wait(in_line, 0, NULL), OFFGIL_EFAILED);
    CHECK_OK(future_release(late));
    CHECK_OK(future_release(in_line));
    CHECK_OK(future_release(after[0]));
    CHECK_OK(future_release(after[1]));
    CHECK_OK(future_release(before[0]));
    check_take(before[1]);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

static void a_canceled_task_cancels_those_after_it(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *before, *after, *late;
    gate_occupy(&gate, pool, 1);
    before = check_submit(pool, same, NULL);
    after = submit_after(pool, &before, 1, same, NULL);
    CHECK_OK(future_cancel(before));
    CHECK_STATUS(future_wait(after, 0, NULL), OFFGIL_ECANCELED);
    late = submit_after(pool, &before, 1, same, NULL);
    CHECK_STATUS(future_wait(late, 0, NULL), OFFGIL_ECANCELED);
    gate_open(&gate);
    CHECK_OK(future_release(before));
    CHECK_OK(future_release(after));
    CHECK_OK(future_release(late));
    CHECK_OK(pool_destroy(pool));
}

static void diamonds_run_from_top_to_bottom(void) {
    enum { LAYERS = 60, WIDTH = 5 };
    future_t *layer[WIDTH], *next[WIDTH];
    count_t ran = COUNT_ZERO;
    pool_t *pool = pool_create(3);
    int i, j;
    for (j = 0; j < WIDTH; j++)
        layer[j] = check_submit(pool, step, &ran);
    for (i = 1; i < LAYERS; i++) {
        for (j = 0; j < WIDTH; j++)
            next[j] = submit_after(pool, layer, WIDTH, step, &ran);
        for (j = 0; j < WIDTH; j++) {
            CHECK(unpack(check_take(layer[j])) <= (intptr_t)i * WIDTH); /* none of the next layer before it */
            layer[j] = next[j];
        }
    }
    for (j = 0; j < WIDTH; j++)
        check_take(layer[j]);
    CHECK_EQ(count_get(&ran), LAYERS * WIDTH);
    CHECK_OK(pool_destroy(pool));
}

static future_t *chain[CHAIN];

static void make_chain(pool_t *pool, pool_t *other, task_fn fn, void *arg) {
    int i;
    for (i = 1; i < CHAIN; i++)
        chain[i] = submit_after(i % 2 ? pool : other, &chain[i - 1], 1, fn, arg);
}

static void a_chain_of_ten_thousand_runs_in_order(void) {
    count_t ran = COUNT_ZERO;
    pool_t *pool = pool_create(2), *other = pool_create(1);
    int i;
    chain[0] = check_submit(pool, step, &ran);
    make_chain(pool, other, step, &ran);
    for (i = 0; i < CHAIN; i++)
        CHECK_EQ(unpack(check_take(chain[i])), i + 1);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

static void a_chain_of_ten_thousand_whose_head_fails_is_canceled_on_a_small_stack(void) {
    pool_options_t options;
    gate_t gate = GATE_CLOSED;
    pool_t *pool;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.stack_size = 65536;
    pool = pool_create_with(&options);
    gate_occupy(&gate, pool, 1);
    chain[0] = check_submit(pool, fail, pack(1));
    make_chain(pool, pool, same, NULL);
    gate_open(&gate);
    for (i = CHAIN - 1; i >= 0; i--) {
        CHECK_STATUS(future_wait(chain[i], OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
        CHECK_OK(future_release(chain[i]));
    }
    CHECK_OK(pool_destroy(pool));
}

static void *cancel_head(void *head) {
    CHECK_OK(future_cancel(head));
    return NULL;
}

static void a_chain_is_canceled_when_the_cancel_of_its_head_returns(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(1);
    int i;
    gate_occupy(&gate, pool, 1);
    chain[0] = check_submit(pool, same, NULL);
    make_chain(pool, pool, same, NULL);
    check_join(check_thread(cancel_head, chain[0]));
    for (i = 0; i < CHAIN; i++) {
        CHECK_STATUS(future_wait(chain[i], 0, NULL), OFFGIL_ECANCELED);
        CHECK_OK(future_release(chain[i]));
    }
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static void a_canceling_shutdown_ends_what_waits_for_another_pool(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(1), *other = pool_create(1);
    future_t *before = check_submit(other, gate_task, &gate);
    future_t *after = submit_after(pool, &before, 1, same, NULL);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT); /* it is not delayed: it stays */
    CHECK_EQ(future_get_state(after), FUTURE_QUEUED);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(future_wait(after, 0, NULL), OFFGIL_ECANCELED);
    gate_open(&gate);
    check_take(before);
    CHECK_OK(future_release(after));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

static void a_drain_runs_what_waits_for_another_pool(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(1), *other = pool_create(1);
    future_t *before = check_submit(other, gate_task, &gate);
    future_t *after = submit_after(pool, &before, 1, same, pool);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_SAME(check_take(after), pool);
    check_take(before);
    CHECK_OK(pool_destroy(other));
}

static void bad_futures_to_run_after_are_refused(void) {
    pool_t *pool = pool_create(1);
    future_t *before[2];
    task_options_t options;
    before[0] = check_submit(pool, fail, pack(1)); /* failed: the others are looked at all the same */
    CHECK_STATUS(future_wait(before[0], OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    before[1] = check_submit(pool, same, NULL);
    check_take(before[1]);
    task_options_init(&options, sizeof options);
    options.after = before;
    options.after_count = 2;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EHANDLE);
    before[1] = NULL;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EINVAL);
    options.after = NULL;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EINVAL);
    CHECK_OK(future_release(before[0]));
    CHECK_OK(pool_destroy(pool));
}

static void a_task_that_is_canceled_while_held_lets_its_pool_end(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(1), *other = pool_create(1);
    future_t *before = check_submit(other, gate_task, &gate);
    future_t *after = submit_after(pool, &before, 1, same, NULL);
    CHECK_OK(future_cancel(after));
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(pool_destroy(pool)); /* what it was to run after still runs */
    CHECK_OK(future_release(after));
    gate_open(&gate);
    check_take(before);
    CHECK_OK(pool_destroy(other));
}

CHECK_MAIN(TEST(a_task_runs_after_all_that_it_names), TEST(a_task_after_one_that_is_done_runs),
           TEST(a_task_is_queued_until_those_before_it_are_done),
           TEST(a_failure_before_it_cancels_a_task_with_its_status),
           TEST(a_canceled_task_cancels_those_after_it), TEST(diamonds_run_from_top_to_bottom),
           TEST(a_chain_of_ten_thousand_runs_in_order),
           TEST(a_chain_of_ten_thousand_whose_head_fails_is_canceled_on_a_small_stack),
           TEST(a_chain_is_canceled_when_the_cancel_of_its_head_returns),
           TEST(a_canceling_shutdown_ends_what_waits_for_another_pool),
           TEST(a_drain_runs_what_waits_for_another_pool), TEST(bad_futures_to_run_after_are_refused),
           TEST(a_task_that_is_canceled_while_held_lets_its_pool_end))
