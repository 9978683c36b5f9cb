/* A task must return. One that leaves by longjmp or pthread_exit ends the process, with a message that names
 * it. */
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

/* Not POSIX, but on every Unix that has the limit. */
#include <sys/resource.h>

/* Runs `body` in a child, which must be aborted and say `message` (and `name`) on its standard error. */
static void ends_the_process(void (*body)(void), const char *message, const char *name) {
    int ends[2], status = 0;
    char said[2000];
    size_t length = 0;
    ssize_t got;
    pid_t child;
    CHECK_EQ(pipe(ends), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(50);
        dup2(ends[1], STDERR_FILENO);
        body();
        fputs("still here", stderr);
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(said, message) == NULL ||
        strstr(said, name) == NULL)
        check_failed(__FILE__, __LINE__, message, said);
}

static jmp_buf back;
static pool_t *pool;

static void *jumps(void *arg) {
    longjmp(back, 1);
    return arg;
}

static void *exits(void *arg) {
    pthread_exit(arg);
}

static void *nothing(void *arg) {
    return arg;
}

static future_t *submit_named(task_fn body, const char *name) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.name = name;
    return check_submit_with(pool, &options, body, NULL);
}

/* The main thread runs the left half itself, on a place of the pool's. */
static void a_helping_caller(task_fn left) {
    pool = pool_create(2);
    CHECK(pool != NULL);
    if (setjmp(back) == 0)
        pool_invoke(pool, left, NULL, nothing, NULL);
}

static void jumps_out_of_a_call(void) {
    a_helping_caller(jumps);
}

static void exits_out_of_a_call(void) {
    a_helping_caller(exits);
}

static void exits_on_a_worker(void) {
    pool = pool_create(1);
    check_take(submit_named(exits, "quitter"));
}

static void longjmp_to_a_caller_outside_ends_the_process(void) {
    ends_the_process(jumps_out_of_a_call, "longjmp", "a part of a parallel call");
}

static void pthread_exit_of_a_caller_that_helps_ends_the_process(void) {
    ends_the_process(exits_out_of_a_call, "pthread_exit", "a part of a parallel call");
}

static void pthread_exit_out_of_a_task_ends_the_process(void) {
    ends_the_process(exits_on_a_worker, "pthread_exit", "quitter");
}

/* A task that calls setjmp and then runs its child in a wait. */
static void *waits_for_a_jumper(void *arg) {
    if (setjmp(back) == 0)
        future_wait(submit_named(jumps, "child"), OFFGIL_FOREVER, NULL);
    return arg;
}

static void jumps_into_the_task_below(void) {
    pool = pool_create(1);
    check_take(submit_named(waits_for_a_jumper, "parent"));
}

static void longjmp_into_the_task_that_waits_ends_the_process(void) {
    ends_the_process(jumps_into_the_task_below, "longjmp", "child");
}

/* A part of a parallel call that is left is noticed when the task around it returns. */
static void *jumps_out_of_an_invoke(void *arg) {
    if (setjmp(back) == 0)
        pool_invoke(pool, jumps, NULL, nothing, NULL);
    return arg;
}

static void jumps_out_of_a_part(void) {
    pool = pool_create(1);
    check_take(submit_named(jumps_out_of_an_invoke, "around"));
}

static void longjmp_out_of_a_part_ends_the_process(void) {
    ends_the_process(jumps_out_of_a_part, "longjmp", "offgil:");
}

/* So is one that is left for a part further out. */
static void *forks_a_jumper(void *arg) {
    pool_invoke(pool, jumps, NULL, nothing, NULL);
    return arg;
}

static void *forks_a_jumper_to_here(void *arg) {
    if (setjmp(back) == 0)
        pool_invoke(pool, nothing, NULL, forks_a_jumper, NULL);
    return arg;
}

static void *forks_around_a_jumper(void *arg) {
    pool_invoke(pool, forks_a_jumper_to_here, NULL, nothing, NULL);
    return arg;
}

static void jumps_over_a_part(void) {
    pool = pool_create(1);
    check_take(submit_named(forks_around_a_jumper, "around"));
}

static void longjmp_from_a_part_into_another_ends_the_process(void) {
    ends_the_process(jumps_over_a_part, "longjmp", "around");
}

static void lends_and_jumps(void) {
    task_options_t options;
    pool = pool_create(1);
    task_options_init(&options, sizeof options);
    options.name = "lodger";
    options.lent_only = 1;
    CHECK_OK(pool_spawn_with(pool, &options, jumps, NULL));
    if (setjmp(back) == 0)
        pool_run_worker(pool);
}

static void longjmp_out_of_a_lent_thread_ends_the_process(void) {
    ends_the_process(lends_and_jumps, "longjmp", "lodger");
}

CHECK_MAIN(TEST(longjmp_to_a_caller_outside_ends_the_process),
           TEST(pthread_exit_of_a_caller_that_helps_ends_the_process),
           TEST(pthread_exit_out_of_a_task_ends_the_process),
           TEST(longjmp_into_the_task_that_waits_ends_the_process),
           TEST(longjmp_out_of_a_part_ends_the_process),
           TEST(longjmp_from_a_part_into_another_ends_the_process),
           TEST(longjmp_out_of_a_lent_thread_ends_the_process))
