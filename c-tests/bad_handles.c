/* Every function with a bad handle in every place where a handle goes: the status, and that nothing is
 * written. */
#include "check.h"

enum { POOL, FUTURE, GROUP, QUEUE, SIGNATURE, KINDS };

/* One live handle of each kind, for the other places and as one of another kind. */
static void *live[KINDS];

static void *echo(void *arg) {
    return arg;
}

static void never(void *arg) {
    (void)arg;
    CHECK(0);
}

static void never_done(void *context, offgil_status status, void *result) {
    (void)context, (void)status, (void)result;
    CHECK(0);
}

static void never_range(void *context, size_t begin, size_t end) {
    (void)context, (void)begin, (void)end;
    CHECK(0);
}

static void never_reduce(void *context, size_t begin, size_t end, void *accumulator) {
    (void)context, (void)begin, (void)end, (void)accumulator;
    CHECK(0);
}

static void never_combine(void *context, void *into, const void *from) {
    (void)context, (void)into, (void)from;
    CHECK(0);
}

static void *never_run(void *arg) {
    never(arg);
    return arg;
}

static void never_called(void) {
    CHECK(0);
}

/* Where the functions are to write; all of it has to stay as it is. */
static struct {
    void *result, *results[2];
    future_t *futures[2];
    int64_t accumulator;
    size_t index, count;
    int32_t code, saved_errno;
    char message[8];
    completion_t completion;
    pool_stats_t stats;
} out, before;

static void *args[2];

/* The status of a function that makes something. */
static offgil_status made(const void *handle) {
    CHECK_SAME(handle, NULL);
    return offgil_last_status();
}

static offgil_status number(int64_t actual, int64_t on_failure) {
    CHECK_EQ(actual, on_failure);
    return offgil_last_status();
}

static task_options_t options(void) {
    task_options_t it;
    task_options_init(&it, sizeof it);
    it.drop_arg = never; /* a submit that fails leaves the argument to the caller */
    return it;
}

static task_options_t after(future_t **future) {
    task_options_t it = options();
    it.after = future;
    it.after_count = 1;
    return it;
}

static task_options_t in_group(group_t *group) {
    task_options_t it = options();
    it.group = group;
    return it;
}

static task_options_t in_queue(completion_queue_t *queue) {
    task_options_t it = options();
    it.queue = queue;
    return it;
}

static offgil_status submit(task_options_t it) {
    return made(pool_submit_with(live[POOL], &it, never_run, NULL));
}

static offgil_status spawn(task_options_t it) {
    return pool_spawn_with(live[POOL], &it, never_run, NULL);
}

static offgil_status call(task_options_t it) {
    it.drop_arg = NULL; /* a call has no argument to drop */
    return made(pool_call(live[POOL], &it, live[SIGNATURE], never_called, NULL));
}

/* pool_create -> create_: one function a place, whose name says which. */
#define PLACES(X)                                                                                            \
    X(POOL, 0, pool_submit, made(pool_submit(h, never_run, NULL)))                                           \
    X(POOL, 0, pool_submit_with, made(pool_submit_with(h, NULL, never_run, NULL)))                           \
    X(POOL, 0, pool_submit_many, pool_submit_many(h, never_run, args, 2, out.futures))                       \
    X(POOL, 0, pool_spawn, pool_spawn(h, never_run, NULL))                                                   \
    X(POOL, 0, pool_spawn_with, pool_spawn_with(h, NULL, never_run, NULL))                                   \
    X(POOL, 0, pool_call, made(pool_call(h, NULL, live[SIGNATURE], never_called, NULL)))                     \
    X(POOL, 0, pool_for, pool_for(h, 0, 9, 1, never_range, NULL))                                            \
    X(POOL, 0, pool_reduce,                                                                                  \
      pool_reduce(h, 0, 9, 1, never_reduce, never_combine, NULL, &out.accumulator, sizeof out.accumulator))  \
    X(POOL, 0, pool_map, pool_map(h, never_run, args, out.results, 2))                                       \
    X(POOL, 0, pool_invoke, pool_invoke(h, never_run, NULL, never_run, NULL))                                \
    X(POOL, 0, pool_wait_idle, pool_wait_idle(h, OFFGIL_FOREVER))                                            \
    X(POOL, 0, pool_resize, pool_resize(h, 2))                                                               \
    X(POOL, 0, pool_thread_count, number(pool_thread_count(h), 0))                                           \
    X(POOL, 0, pool_worker_index, number(pool_worker_index(h), -1))                                          \
    X(POOL, 0, pool_run_worker, pool_run_worker(h))                                                          \
    X(POOL, 0, pool_stats, pool_stats(h, &out.stats, sizeof out.stats))                                      \
    X(POOL, 0, pool_trace_start, pool_trace_start(h, "/dev/full"))                                           \
    X(POOL, 0, pool_trace_stop, pool_trace_stop(h))                                                          \
    X(POOL, 0, group_create, made(group_create(h, NULL)))                                                    \
    X(POOL, 0, pool_shutdown, pool_shutdown(h, POOL_CANCEL, OFFGIL_FOREVER))                                 \
    X(POOL, 0, pool_release, pool_release(h))                                                                \
    X(POOL, 0, pool_destroy, pool_destroy(h))                                                                \
    X(FUTURE, 0, future_wait, future_wait(h, OFFGIL_FOREVER, &out.result))                                   \
    X(FUTURE, 0, future_wait_all, future_wait_all((future_t **)&h, 1, OFFGIL_FOREVER))                       \
    X(FUTURE, 0, future_wait_any, future_wait_any((future_t **)&h, 1, OFFGIL_FOREVER, &out.index))           \
    X(FUTURE, 0, future_get_state, number(future_get_state(h), FUTURE_INVALID))                              \
    X(FUTURE, 0, future_cancel, future_cancel(h))                                                            \
    X(FUTURE, 0, future_on_done, future_on_done(h, never_done, NULL))                                        \
    X(FUTURE, 0, future_error, future_error(h, &out.code, out.message, sizeof out.message))                  \
    X(FUTURE, 0, future_retain, made(future_retain(h)))                                                      \
    X(FUTURE, 0, future_call_result, future_call_result(h, OFFGIL_FOREVER, &out.result, &out.saved_errno))   \
    X(FUTURE, 0, completion_queue_add_future, completion_queue_add(live[QUEUE], h, 1))                       \
    X(FUTURE, 0, submit_after, submit(after((future_t **)&h)))                                               \
    X(FUTURE, 0, spawn_after, spawn(after((future_t **)&h)))                                                 \
    X(FUTURE, 0, call_after, call(after((future_t **)&h)))                                                   \
    X(FUTURE, 0, future_release, future_release(h))                                                          \
    X(GROUP, 0, group_spawn, group_spawn(h, never_run, NULL))                                                \
    X(GROUP, 0, group_wait, group_wait(h, OFFGIL_FOREVER))                                                   \
    X(GROUP, 0, group_cancel, group_cancel(h))                                                               \
    X(GROUP, 1, group_create_parent, made(group_create(live[POOL], h)))                                      \
    X(GROUP, 1, submit_into_group, submit(in_group(h)))                                                      \
    X(GROUP, 1, spawn_into_group, spawn(in_group(h)))                                                        \
    X(GROUP, 1, call_into_group, call(in_group(h)))                                                          \
    X(GROUP, 0, group_release, group_release(h))                                                             \
    X(QUEUE, 0, completion_queue_add, completion_queue_add(h, live[FUTURE], 1))                              \
    X(QUEUE, 0, completion_queue_next,                                                                       \
      completion_queue_next(h, OFFGIL_FOREVER, &out.completion, 1, &out.count))                              \
    X(QUEUE, 0, completion_queue_fd, number(completion_queue_fd(h), -1))                                     \
    X(QUEUE, 1, submit_into_queue, submit(in_queue(h)))                                                      \
    X(QUEUE, 1, spawn_into_queue, spawn(in_queue(h)))                                                        \
    X(QUEUE, 1, call_into_queue, call(in_queue(h)))                                                          \
    X(QUEUE, 0, completion_queue_release, completion_queue_release(h))                                       \
    X(SIGNATURE, 0, pool_call_signature, made(pool_call(live[POOL], NULL, h, never_called, NULL)))           \
    X(SIGNATURE, 0, signature_release, signature_release(h))

#define AS_FUNCTION(kind, null_is_fine, name, what)                                                          \
    static offgil_status with_##name(void *h) {                                                              \
        return what;                                                                                         \
    }
PLACES(AS_FUNCTION)

typedef struct {
    int kind, null_is_fine;
    const char *name;
    offgil_status (*with)(void *handle);
} place_t;

#define AS_ROW(kind, null_is_fine, name, what) {kind, null_is_fine, #name, with_##name},
static const place_t places[] = {PLACES(AS_ROW)};

static void answers(const place_t *place, void *handle, offgil_status expected) {
    const offgil_status actual = place->with(handle);
    if (actual != expected || memcmp(&out, &before, sizeof out) != 0)
        check_failed(__FILE__, __LINE__, place->name, offgil_status_name(actual));
    CHECK_STATUS(offgil_last_status(), expected);
    CHECK(offgil_last_message()[0] != 0);
}

static void make_live(void) {
    task_options_t blocked = options();
    memset(&out, 0xA5, sizeof out);
    before = out;
    live[POOL] = pool_create(1);
    blocked.drop_arg = NULL;
    blocked.delay_ns = 1000 * SECOND; /* it stays as it is until it is canceled */
    live[FUTURE] = pool_submit_with(live[POOL], &blocked, echo, NULL);
    live[GROUP] = group_create(live[POOL], NULL);
    live[QUEUE] = completion_queue_create();
    live[SIGNATURE] = signature_create("void()");
}

/* All of them have come through; nothing that was refused runs afterwards. */
static void end_live(void) {
    CHECK_OK(future_cancel(live[FUTURE]));
    CHECK_OK(future_release(live[FUTURE]));
    CHECK_OK(group_wait(live[GROUP], 0));
    CHECK_OK(group_release(live[GROUP]));
    CHECK_OK(completion_queue_release(live[QUEUE]));
    CHECK_OK(signature_release(live[SIGNATURE]));
    CHECK_OK(pool_destroy(live[POOL]));
}

/* One that has been released, of this kind. */
static void *released(int kind) {
    void *handle = NULL;
    if (kind == POOL)
        CHECK_OK(pool_destroy(handle = pool_create(1)));
    if (kind == FUTURE)
        check_take(handle = check_submit(live[POOL], echo, NULL));
    if (kind == GROUP)
        CHECK_OK(group_release(handle = group_create(live[POOL], NULL)));
    if (kind == QUEUE)
        CHECK_OK(completion_queue_release(handle = completion_queue_create()));
    if (kind == SIGNATURE)
        CHECK_OK(signature_release(handle = signature_create("i32(ptr)")));
    return handle;
}

static void null_is_einval_in_every_place(void) {
    size_t i;
    make_live();
    for (i = 0; i < LENGTH(places); i++)
        if (!places[i].null_is_fine)
            answers(&places[i], NULL, OFFGIL_EINVAL);
    end_live();
}

static void a_released_handle_is_ehandle_in_every_place(void) {
    size_t i;
    int kind;
    make_live();
    for (i = 0; i < LENGTH(places); i++)
        for (kind = 0; kind < KINDS; kind++)
            answers(&places[i], released(kind), OFFGIL_EHANDLE);
    end_live();
}

static void a_handle_of_another_kind_is_ehandle_in_every_place(void) {
    size_t i;
    int kind;
    make_live();
    for (i = 0; i < LENGTH(places); i++)
        for (kind = 0; kind < KINDS; kind++)
            if (kind != places[i].kind)
                answers(&places[i], live[kind], OFFGIL_EHANDLE);
    end_live();
}

static void an_invented_handle_is_ehandle_in_every_place(void) {
    void *const invented[] = {(void *)1, (void *)4096, (void *)UINTPTR_MAX, (void *)INTPTR_MAX, &out, stdin};
    size_t i, k;
    make_live();
    for (i = 0; i < LENGTH(places); i++)
        for (k = 0; k < LENGTH(invented); k++)
            answers(&places[i], invented[k], OFFGIL_EHANDLE);
    end_live();
}

static void a_live_handle_with_one_bit_changed_is_ehandle_in_every_place(void) {
    size_t i;
    unsigned bit;
    make_live();
    for (i = 0; i < LENGTH(places); i++)
        for (bit = 0; bit < 64; bit++) {
            void *other = (void *)((uintptr_t)live[places[i].kind] ^ (uintptr_t)1 << bit);
            if (other != NULL) /* a handle may be of one bit */
                answers(&places[i], other, OFFGIL_EHANDLE);
        }
    end_live();
}

CHECK_MAIN(TEST(null_is_einval_in_every_place), TEST(a_released_handle_is_ehandle_in_every_place),
           TEST(a_handle_of_another_kind_is_ehandle_in_every_place),
           TEST(an_invented_handle_is_ehandle_in_every_place),
           TEST(a_live_handle_with_one_bit_changed_is_ehandle_in_every_place))
