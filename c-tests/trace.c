/* Traces: pool_trace_start, pool_trace_stop and OFFGIL_TRACE. What a JSON parser makes of one, the Python
 * tests see. */
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static char path[64];

static const char *new_path(void) {
    int file;
    strcpy(path, "/tmp/offgil-trace-XXXXXX");
    file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    return path;
}

static char *text_of(const char *name) {
    FILE *file = fopen(name, "r");
    char *text;
    long length;
    CHECK(file != NULL);
    CHECK_EQ(fseek(file, 0, SEEK_END), 0);
    length = ftell(file);
    rewind(file);
    text = calloc((size_t)length + 1, 1);
    CHECK(text != NULL);
    CHECK_EQ(fread(text, 1, (size_t)length, file), length);
    fclose(file);
    return text;
}

static int count_in(const char *text, const char *what) {
    int found = 0;
    while ((text = strstr(text, what)) != NULL) {
        found++;
        text += strlen(what);
    }
    return found;
}

/* The file is one array, with a comma before each event but the first; returns its text, to be freed. */
static char *check_whole(const char *name) {
    char *text = text_of(name);
    size_t length = strlen(text);
    CHECK(length > 4);
    CHECK_EQ(strncmp(text, "[\n{", 3), 0);
    CHECK_EQ(strcmp(text + length - 4, "}\n]\n"), 0);
    CHECK_EQ(count_in(text, "\n{") - 1, count_in(text, ",\n{"));
    return text;
}

/* Has to be found by its name. */
void *a_traced_function(void *arg);
void *a_traced_function(void *arg) {
    return arg;
}

static void *fail(void *arg) {
    CHECK_OK(task_fail(1, "on purpose"));
    return arg;
}

static void bad_arguments_are_refused(void) {
    pool_t *pool = pool_create(1);
    CHECK_STATUS(pool_trace_start(NULL, "x"), OFFGIL_EINVAL);
    CHECK_STATUS(pool_trace_start((pool_t *)1, "x"), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_trace_start(pool, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_trace_start(pool, ""), OFFGIL_EINVAL);
    CHECK_STATUS(pool_trace_start(pool, "/no/such/directory/file"), OFFGIL_EINVAL);
    CHECK(strstr(offgil_last_message(), "No such file") != NULL);
    CHECK_STATUS(pool_trace_start(pool, "/dev/null"), OFFGIL_EINVAL);
    CHECK_STATUS(pool_trace_stop(NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_trace_stop((pool_t *)1), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_trace_stop(pool), OFFGIL_EDONE);
    CHECK_OK(pool_trace_start(pool, new_path()));
    CHECK_STATUS(pool_trace_start(pool, path), OFFGIL_EBUSY);
    CHECK_OK(pool_trace_stop(pool));
    CHECK_STATUS(pool_trace_stop(pool), OFFGIL_EDONE);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(pool_trace_start(pool, path), OFFGIL_ECLOSED);
    CHECK_OK(pool_destroy(pool));
    unlink(path);
}

static void each_task_between_start_and_stop_is_in_the_file_once(void) {
    pool_t *pool = pool_create(2);
    char *text;
    int i;
    check_take(check_submit(pool, a_traced_function, NULL));
    CHECK_OK(pool_trace_start(pool, new_path()));
    for (i = 0; i < 3000; i++)
        CHECK_OK(pool_spawn(pool, a_traced_function, NULL));
    CHECK_OK(pool_spawn(pool, fail, NULL));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_trace_stop(pool));
    check_take(check_submit(pool, a_traced_function, NULL));
    CHECK_OK(pool_destroy(pool));
    text = check_whole(path);
    CHECK_EQ(count_in(text, "\"cat\":\"task\""), 3001);
    CHECK_EQ(count_in(text, "\"outcome\":\"ok\""), 3000);
    CHECK_EQ(count_in(text, "\"outcome\":\"failed\""), 1);
    CHECK(count_in(text, "\"name\":\"thread_name\"") >= 1);
    CHECK_EQ(count_in(text, "\"name\":\"process_name\""), 1);
    CHECK(count_in(text, "\"queued_ns\"") > 0);
    CHECK(count_in(text, "\"ph\":\"C\"") > 0);
    free(text);
    unlink(path);
}

static void a_task_is_called_by_its_name_and_the_name_is_escaped(void) {
    pool_t *pool = pool_create(1);
    task_options_t options;
    char *text;
    task_options_init(&options, sizeof options);
    options.name = "a \"quoted\"\nname \\";
    CHECK_OK(pool_trace_start(pool, new_path()));
    CHECK_OK(pool_spawn_with(pool, &options, a_traced_function, NULL));
    CHECK_OK(pool_destroy(pool)); /* stops it */
    text = check_whole(path);
    CHECK_EQ(count_in(text, "{\"name\":\"a \\\"quoted\\\"\\u000aname \\\\\","), 1);
    free(text);
    unlink(path);
}

static void two_pools_may_be_traced_into_one_file(void) {
    pool_t *one = pool_create(1), *other = pool_create(1);
    char *text;
    CHECK_OK(pool_trace_start(one, new_path()));
    CHECK_OK(pool_spawn(one, a_traced_function, NULL));
    CHECK_OK(pool_trace_start(other, path));
    CHECK_OK(pool_spawn(other, a_traced_function, NULL));
    CHECK_OK(pool_destroy(one));
    CHECK_OK(pool_spawn(other, a_traced_function, NULL));
    CHECK_OK(pool_wait_idle(other, OFFGIL_FOREVER));
    CHECK_OK(pool_trace_stop(other));
    text = check_whole(path);
    CHECK_EQ(count_in(text, "\"cat\":\"task\""), 3);
    CHECK_EQ(count_in(text, "\"name\":\"process_name\""), 1);
    free(text);
    CHECK_OK(pool_destroy(other));
    unlink(path);
}

static pool_t *waiting_in;

static void *wait_for_another(void *arg) {
    future_t *future = check_submit(waiting_in, a_traced_function, arg);
    CHECK_OK(future_wait(future, LONG_ENOUGH, NULL)); /* timed: so another thread runs it */
    CHECK_OK(future_release(future));
    return NULL;
}

static void *spawn_and_stay(void *gate) {
    int i;
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_spawn(waiting_in, a_traced_function, NULL));
    return gate_task(gate);
}

static void waits_parks_and_steals_are_in_it(void) {
    gate_t gate = GATE_CLOSED;
    pool_stats_t stats;
    char *text;
    int i;
    waiting_in = pool_create(1);
    CHECK_OK(pool_trace_start(waiting_in, new_path()));
    check_take(check_submit(waiting_in, wait_for_another, NULL));
    CHECK_OK(pool_destroy(waiting_in));
    text = check_whole(path);
    CHECK(count_in(text, "{\"name\":\"blocked\",\"cat\":\"pool\",\"ph\":\"X\"") >= 1);
    CHECK(count_in(text, "\"dur\":") >= 3);
    free(text);

    waiting_in = pool_create(2);
    CHECK_OK(pool_trace_start(waiting_in, path));
    CHECK_OK(pool_spawn(waiting_in, spawn_and_stay, &gate));
    count_wait(&gate.started, 1); /* all that is spawned is stolen: the thread stays at the gate */
    do {
        sleep_ns(MILLISECOND);
        CHECK_OK(pool_stats(waiting_in, &stats, sizeof stats));
    } while (stats.tasks_completed < 100);
    CHECK(stats.tasks_stolen > 0);
    gate_open(&gate);
    for (i = 0; i < 2; i++) { /* a park ends when there is work again */
        CHECK_OK(pool_wait_idle(waiting_in, OFFGIL_FOREVER));
        do {
            sleep_ns(MILLISECOND);
            CHECK_OK(pool_stats(waiting_in, &stats, sizeof stats));
        } while (stats.threads_parked < stats.threads_alive);
        CHECK_OK(pool_spawn(waiting_in, a_traced_function, NULL));
    }
    CHECK_OK(pool_destroy(waiting_in));
    text = check_whole(path);
    CHECK(count_in(text, "{\"name\":\"steal\",\"cat\":\"pool\",\"ph\":\"i\"") >= 1);
    CHECK(count_in(text, "{\"name\":\"parked\",\"cat\":\"pool\",\"ph\":\"X\"") >= 1);
    free(text);
    unlink(path);
}

static count_t over = COUNT_ZERO;

static void *submit_until_over(void *pool) {
    while (count_get(&over) == 0)
        check_take(check_submit(pool, a_traced_function, NULL));
    return NULL;
}

static void traces_start_and_stop_while_tasks_run(void) {
    pool_t *pool = pool_create(2);
    pthread_t threads[2];
    char *text;
    int i;
    new_path();
    for (i = 0; i < 2; i++)
        threads[i] = check_thread(submit_until_over, pool);
    for (i = 0; i < 50; i++) {
        CHECK_OK(pool_trace_start(pool, path));
        sleep_ns(MILLISECOND);
        CHECK_OK(pool_trace_stop(pool));
        text = check_whole(path);
        free(text);
    }
    count_add(&over, 1);
    for (i = 0; i < 2; i++)
        check_join(threads[i]);
    CHECK_OK(pool_destroy(pool));
    unlink(path);
}

/* A pool that is never stopped, in a process that ends so. */
static void run_and_end(int how) {
    pool_t *pool = pool_create(2);
    int i;
    for (i = 0; i < 10; i++)
        check_take(check_submit(pool, a_traced_function, NULL));
    if (how == SIGKILL)
        kill(getpid(), SIGKILL);
    exit(0);
}

static void in_a_child(int how) {
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        run_and_end(how);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(how == SIGKILL ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_environment_traces_every_pool_until_the_process_exits(void) {
    char *text;
    setenv("OFFGIL_TRACE", new_path(), 1);
    in_a_child(0); /* it has not used the library before the fork, so the file is its own */
    text = check_whole(path);
    CHECK_EQ(count_in(text, "\"cat\":\"task\""), 10);
    free(text);
    unlink(path);
}

static void what_a_killed_process_leaves_is_whole(void) {
    setenv("OFFGIL_TRACE", new_path(), 1);
    in_a_child(SIGKILL);
    free(check_whole(path));
    unlink(path);
}

static void the_child_of_a_fork_writes_into_a_file_of_its_own(void) {
    pool_t *pool;
    char of_child[96];
    char *text;
    int status;
    pid_t child;
    setenv("OFFGIL_TRACE", new_path(), 1);
    pool = pool_create(1);
    check_take(check_submit(pool, a_traced_function, NULL));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (status = 0; status < 7; status++)
            check_take(check_submit(pool, a_traced_function, NULL));
        exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_take(check_submit(pool, a_traced_function, NULL));
    CHECK_OK(pool_destroy(pool));
    text = check_whole(path);
    CHECK_EQ(count_in(text, "\"cat\":\"task\""), 2);
    free(text);
    snprintf(of_child, sizeof of_child, "%s.%ld", path, (long)child);
    text = check_whole(of_child);
    CHECK_EQ(count_in(text, "\"cat\":\"task\""), 7);
    free(text);
    unlink(of_child);
    unlink(path);
}

static void a_trace_file_that_can_not_be_opened_is_told_of_once_and_changes_nothing(void) {
    int kept = dup(STDERR_FILENO), i;
    char *text;
    setenv("OFFGIL_TRACE", "/no/such/directory/file", 1);
    CHECK(freopen(new_path(), "w", stderr) != NULL);
    for (i = 0; i < 2; i++) {
        pool_t *pool = pool_create(1);
        CHECK(pool != NULL);
        check_take(check_submit(pool, a_traced_function, NULL));
        CHECK_STATUS(pool_trace_stop(pool), OFFGIL_EDONE);
        CHECK_OK(pool_destroy(pool));
    }
    CHECK(dup2(kept, STDERR_FILENO) >= 0);
    text = text_of(path);
    CHECK_EQ(strncmp(text, "offgil: OFFGIL_TRACE=/no/such/directory/file: ", 46), 0);
    CHECK_EQ(count_in(text, "\n"), 1);
    free(text);
    unlink(path);
}

CHECK_MAIN(TEST(bad_arguments_are_refused), TEST(each_task_between_start_and_stop_is_in_the_file_once),
           TEST(a_task_is_called_by_its_name_and_the_name_is_escaped),
           TEST(two_pools_may_be_traced_into_one_file), TEST(waits_parks_and_steals_are_in_it),
           TEST(traces_start_and_stop_while_tasks_run),
           TEST(the_environment_traces_every_pool_until_the_process_exits),
           TEST(what_a_killed_process_leaves_is_whole),
           TEST(the_child_of_a_fork_writes_into_a_file_of_its_own),
           TEST(a_trace_file_that_can_not_be_opened_is_told_of_once_and_changes_nothing))
