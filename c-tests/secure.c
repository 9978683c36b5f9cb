/* A set-uid process ignores the environment. Needs root, and a file system on which set-uid counts: elsewhere
 * there is nothing to look at. */
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"

#define NOBODY 65534

static char directory[] = "/tmp/offgil-secure-XXXXXX";
static char program[64], trace[64];

static void *echo(void *arg) {
    return arg;
}

static void set_environment(void) {
    char threads[16];
    snprintf(threads, sizeof threads, "%u", offgil_cpu_count() + 1);
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", threads, 1), 0);
    CHECK_EQ(setenv("OFFGIL_TRACE", trace, 1), 0);
}

static void use_pool(uint32_t expected) {
    pool_t *pool = pool_create(0);
    CHECK_EQ(pool_thread_count(pool), expected);
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void use_the_environment(void) {
    set_environment();
    use_pool(offgil_cpu_count() + 1);
    CHECK_EQ(access(trace, F_OK), 0);
    CHECK_EQ(unlink(trace), 0);
}

/* The same program once more, set-uid root. */
static void copy_myself(void) {
    char block[65536];
    ssize_t length;
    int from = open("/proc/self/exe", O_RDONLY), to = open(program, O_WRONLY | O_CREAT | O_EXCL, 0755);
    CHECK(from >= 0 && to >= 0);
    while ((length = read(from, block, sizeof block)) > 0)
        CHECK_EQ(write(to, block, (size_t)length), length);
    CHECK_EQ(length, 0);
    CHECK_EQ(fchmod(to, 04755), 0);
    CHECK_EQ(close(to), 0);
    close(from);
}

static void run_copy_as_nobody(void) {
    CHECK_EQ(setgid(NOBODY), 0);
    CHECK_EQ(setuid(NOBODY), 0);
    execl(program, program, "a_set_uid_process_ignores_the_environment", (char *)NULL);
    CHECK(0);
}

static void in_the_copy(void) {
    snprintf(trace, sizeof trace, "/tmp/offgil-secure-trace-%ld", (long)getpid());
    set_environment();
    use_pool(offgil_cpu_count());
    CHECK(access(trace, F_OK) != 0);
    _exit(0);
}

static void a_set_uid_process_ignores_the_environment(void) {
    if (getuid() != geteuid())
        in_the_copy();
    if (getuid() != 0 || access("/proc/self/exe", R_OK) != 0)
        return;
    CHECK(mkdtemp(directory) != NULL);
    CHECK_EQ(chmod(directory, 0755), 0);
    snprintf(program, sizeof program, "%s/program", directory);
    snprintf(trace, sizeof trace, "%s/trace", directory);
    check_in_child(use_the_environment); /* any other process doesn't */
    copy_myself();
    check_in_child(run_copy_as_nobody);
    CHECK_EQ(unlink(program), 0);
    CHECK_EQ(rmdir(directory), 0);
}

CHECK_MAIN(TEST(a_set_uid_process_ignores_the_environment))
