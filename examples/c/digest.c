/*
 * sha256sum on a pool: hashes the files whose names come in on standard input, each ended by a NUL byte.
 *
 *     find /usr/include -type f -print0 | digest -w 2
 *
 * Digests go to standard output in the order of the names, as sha256sum writes them; a file that can't be
 * read, and how long it took, to standard error. The exit status is 1 if a file couldn't be read.
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "workloads.h"

#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: find DIR -type f -print0 | digest [-w WORKERS] [-l LIBCRYPTO] [-s] [-z]\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "  -l  the libcrypto to open, if it isn't found under its usual names\n"
                            "  -s  serial: no pool, for comparison\n"
                            "  -z  ends each line of output with NUL, for names that contain a newline\n";

typedef struct options {
    size_t workers;
    const char *library;
    int serial;
    char line_end;
} options;

typedef struct job_list {
    digest_job *jobs;
    size_t count;
} job_list;

static options parse(int argc, char **argv) {
    options chosen = {.workers = 0, .library = NULL, .serial = 0, .line_end = '\n'};
    int letter;
    while ((letter = getopt(argc, argv, "w:l:szh")) != -1) {
        switch (letter) {
        case 'w':
            chosen.workers = number(optarg, 0, 4096);
            break;
        case 'l':
            chosen.library = optarg;
            break;
        case 's':
            chosen.serial = 1;
            break;
        case 'z':
            chosen.line_end = '\0';
            break;
        default:
            end_with(usage, letter == 'h');
        }
    }
    return chosen;
}

static job_list read_names(FILE *input) {
    job_list list = {NULL, 0};
    size_t room = 0;
    char *name = NULL;
    for (size_t size = 0; getdelim(&name, &size, '\0', input) > 0; name = NULL, size = 0) {
        if (list.count == room) {
            room = room ? 2 * room : 1024;
            list.jobs = realloc(list.jobs, room * sizeof *list.jobs);
            if (!list.jobs) {
                fputs("out of memory\n", stderr);
                exit(EXIT_FAILURE);
            }
        }
        list.jobs[list.count++] = (digest_job){.path = name};
    }
    free(name);
    return list;
}

/* One call for all of them, one wait for all of them. */
static void digest_on(pool_t *pool, job_list list) {
    void **args = allocate(list.count, sizeof *args);
    future_t **futures = allocate(list.count, sizeof *futures);
    for (size_t i = 0; i < list.count; i++)
        args[i] = &list.jobs[i];

    check(pool_submit_many(pool, digest_task, args, list.count, futures), "pool_submit_many");
    check(future_wait_all(futures, list.count, OFFGIL_FOREVER), "future_wait_all");

    for (size_t i = 0; i < list.count; i++)
        check(future_release(futures[i]), "future_release");
    free(futures);
    free(args);
}

static void digest_serially(job_list list) {
    for (size_t i = 0; i < list.count; i++)
        digest_task(&list.jobs[i]);
}

/* Returns how many files couldn't be read. */
static size_t print_digests(job_list list, char line_end) {
    size_t unreadable = 0;
    for (size_t i = 0; i < list.count; i++) {
        const digest_job *job = &list.jobs[i];
        if (job->error) {
            fprintf(stderr, "digest: %s: %s\n", job->path, strerror(job->error));
            unreadable++;
            continue;
        }
        for (size_t byte = 0; byte < sizeof job->sha256; byte++)
            printf("%02x", job->sha256[byte]);
        printf("  %s%c", job->path, line_end);
    }
    return unreadable;
}

int main(int argc, char **argv) {
    options chosen = parse(argc, argv);
    const char *problem = digest_open(chosen.library);
    if (problem) {
        fprintf(stderr, "digest: %s\n", problem);
        return EXIT_FAILURE;
    }
    job_list list = read_names(stdin);
    pool_t *pool = chosen.serial ? NULL : made(pool_create((uint32_t)chosen.workers), "pool_create");

    double started = now_ms();
    if (pool)
        digest_on(pool, list);
    else
        digest_serially(list);
    double took = now_ms() - started;

    size_t unreadable = print_digests(list, chosen.line_end);
    fprintf(stderr, "%zu of %zu files in %.4f ms\n", list.count - unreadable, list.count, took);

    if (pool)
        check(pool_destroy(pool), "pool_destroy");
    for (size_t i = 0; i < list.count; i++)
        free((char *)list.jobs[i].path);
    free(list.jobs);
    return unreadable ? EXIT_FAILURE : EXIT_SUCCESS;
}
