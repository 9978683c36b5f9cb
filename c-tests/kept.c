/* Promises that no other file keeps an eye on. */
#include "check.h"

static int marker;

static void *echo(void *arg) {
    return arg;
}

static void *fail(void *arg) {
    CHECK_OK(task_fail(4, "four"));
    return arg;
}

static int32_t minus_nine(void) {
    return -9;
}

/* A handle of each kind, whose tasks have ended. */
typedef struct {
    future_t *future, *failed, *call;
    group_t *group;
    completion_queue_t *queue;
    signature_t *signature;
} handles_t;

static handles_t make_handles(pool_t *pool) {
    handles_t it;
    it.future = check_submit(pool, echo, &marker);
    it.failed = check_submit(pool, fail, NULL);
    it.signature = signature_create("i32()");
    it.call = pool_call(pool, NULL, it.signature, (void (*)(void))minus_nine, NULL);
    it.group = group_create(pool, NULL);
    CHECK_OK(group_spawn(it.group, fail, NULL));
    it.queue = completion_queue_create();
    CHECK_OK(completion_queue_add(it.queue, it.future, 3));
    return it;
}

static void use_handles(const handles_t *it) {
    completion_t completion;
    char message[8];
    void *result = NULL;
    size_t index = 7;
    int32_t number = 0, saved_errno = 7;
    CHECK_OK(future_wait(it->future, OFFGIL_FOREVER, &result));
    CHECK_OK(future_wait_any(&it->future, 1, 0, &index));
    CHECK(result == &marker && index == 0);
    CHECK_EQ(future_get_state(it->future), FUTURE_DONE);
    CHECK_STATUS(future_cancel(it->future), OFFGIL_EDONE);
    CHECK_STATUS(future_wait(it->failed, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_error(it->failed, &number, message, sizeof message), OFFGIL_EFAILED);
    CHECK(number == 4 && strcmp(message, "four") == 0);
    CHECK_OK(future_call_result(it->call, OFFGIL_FOREVER, &number, &saved_errno));
    CHECK(number == -9 && saved_errno == 0);
    CHECK_STATUS(group_wait(it->group, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_OK(completion_queue_next(it->queue, OFFGIL_FOREVER, &completion, 1, NULL));
    CHECK(completion.tag == 3 && completion.result == &marker);
    CHECK_OK(future_release(it->future));
    CHECK_OK(future_release(it->failed));
    CHECK_OK(future_release(it->call));
    CHECK_OK(group_release(it->group));
    CHECK_OK(completion_queue_release(it->queue));
    CHECK_OK(signature_release(it->signature));
}

static void every_kind_of_handle_outlives_its_pool(void) {
    pool_t *destroyed = pool_create(2), *released = pool_create(2);
    const handles_t of_destroyed = make_handles(destroyed), of_released = make_handles(released);
    CHECK_OK(pool_destroy(destroyed));
    CHECK_OK(pool_release(released));
    use_handles(&of_destroyed);
    use_handles(&of_released);
}

static void a_queue_retains_what_is_added_to_it(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, gate_task, &gate);
    completion_t completion;
    CHECK_OK(completion_queue_add(queue, future, 1));
    CHECK_OK(future_release(future));
    CHECK_EQ(future_get_state(future) == FUTURE_INVALID, 0); /* the queue's share is still due */
    gate_open(&gate);
    CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, NULL));
    CHECK_SAME(completion.result, &gate);
    CHECK_EQ(future_get_state(future), FUTURE_INVALID); /* and gone with the completion */
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

/* Who works on a range whose pool has no thread to spare: only the caller can. */
static pthread_t caller;
static int parts;

static void *note_part(void *arg) {
    CHECK(pthread_equal(caller, pthread_self()));
    parts++;
    return arg;
}

static void note_range(void *context, size_t begin, size_t end) {
    (void)begin, (void)end;
    note_part(context);
}

static void note_reduce(void *context, size_t begin, size_t end, void *accumulator) {
    (void)accumulator;
    note_range(context, begin, end);
}

static void combine_nothing(void *context, void *into, const void *from) {
    (void)context, (void)into, (void)from;
}

static void the_caller_of_a_parallel_call_works_too(void) {
    pool_t *pool = pool_create(2);
    void *args[3] = {NULL, NULL, NULL};
    gate_t gate = GATE_CLOSED;
    gate_occupy(&gate, pool, 1); /* of the two places one is left, and it is the caller's */
    caller = pthread_self();
    parts = 0;
    CHECK_OK(pool_for(pool, 0, 1, 1, note_range, NULL));
    CHECK_OK(pool_reduce(pool, 0, 1, 1, note_reduce, combine_nothing, NULL, NULL, 0));
    CHECK_OK(pool_map(pool, note_part, args, NULL, 1));
    CHECK_EQ(parts, 3);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
/* This program's own malloc counts what the thread that has asked for it allocates. */
static pthread_t counted;
static int counting, allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);

static void count_allocation(void) {
    if (__atomic_load_n(&counting, __ATOMIC_ACQUIRE) && pthread_equal(counted, pthread_self()))
        allocations++;
}

void *malloc(size_t size) {
    count_allocation();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    count_allocation();
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    count_allocation();
    return __libc_realloc(pointer, size);
}

typedef struct {
    pool_t *pool;
    int depth;
} tree_t;

static void *invoke_tree(void *arg) {
    const tree_t *tree = arg;
    tree_t below = *tree;
    if (below.depth-- > 0)
        CHECK_OK(pool_invoke(tree->pool, invoke_tree, &below, invoke_tree, &below));
    return NULL;
}

static void *count_in_a_task(void *arg) {
    int round;
    for (round = 0; round < 20; round++)
        invoke_tree(arg); /* what is made once is there now */
    counted = pthread_self();
    __atomic_store_n(&counting, 1, __ATOMIC_RELEASE);
    for (round = 0; round < 20; round++)
        invoke_tree(arg);
    __atomic_store_n(&counting, 0, __ATOMIC_RELEASE);
    CHECK_EQ(allocations, 0);
    return NULL;
}

static void invoke_takes_no_memory(void) {
    tree_t tree = {NULL, 8};
    void *volatile one;
    tree.pool = pool_create(1); /* all of it runs here */
    check_take(check_submit(tree.pool, count_in_a_task, &tree));
    counted = pthread_self();
    counting = 1;
    one = malloc(1);
    CHECK_EQ(allocations, 1); /* it does count */
    counting = 0;
    free(one);
    CHECK_OK(pool_destroy(tree.pool));
}
#else
static void invoke_takes_no_memory(void) {}
#endif

/* Parts of a reduction with an accumulator of an odd size, which begins as the identity. */
typedef struct {
    char bytes[37];
} odd_t;

static const odd_t identity = {"thirty-six characters, not all zero!"};

static void check_identity(void *context, size_t begin, size_t end, void *accumulator) {
    (void)begin, (void)end;
    CHECK_EQ((uintptr_t)accumulator % (2 * sizeof(void *)), 0);
    CHECK_EQ(memcmp(accumulator, context, sizeof(odd_t)), 0);
    memset(accumulator, 0, sizeof(odd_t)); /* the next part's is another one */
}

static void check_both(void *context, void *into, const void *from) {
    (void)context;
    CHECK(((uintptr_t)into | (uintptr_t)from) % (2 * sizeof(void *)) == 0);
}

static void every_accumulator_begins_as_a_copy_of_the_identity_aligned_as_malloc_aligns(void) {
    pool_t *pool = pool_create(3);
    odd_t *accumulator = malloc(sizeof *accumulator);
    size_t grain;
    CHECK(accumulator != NULL);
    for (grain = 0; grain < 5; grain++) {
        *accumulator = identity;
        CHECK_OK(pool_reduce(pool, 0, 1000, grain, check_identity, check_both, (void *)(uintptr_t)&identity,
                             accumulator, sizeof *accumulator));
    }
    free(accumulator);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(every_kind_of_handle_outlives_its_pool), TEST(a_queue_retains_what_is_added_to_it),
           TEST(the_caller_of_a_parallel_call_works_too), TEST(invoke_takes_no_memory),
           TEST(every_accumulator_begins_as_a_copy_of_the_identity_aligned_as_malloc_aligns))
