/*
 * The cosine from 0 to pi/2, whose integral is 1, by the midpoint rule: cut into jobs, one task each.
 *
 * Prints a line for each repetition. The pool is made once; the first repetition starts its threads.
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"
#include "workloads.h"

#include <unistd.h>

static const char usage[] = "usage: integrate [-w WORKERS] [-j JOBS] [-n POINTS] [-r REPEAT] [-s]\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "  -s  serial: no pool, for comparison\n";

typedef struct options {
    size_t workers, jobs, points, repeat;
    int serial;
} options;

static options parse(int argc, char **argv) {
    options chosen = {.workers = 0, .jobs = 64, .points = 1000000, .repeat = 1, .serial = 0};
    int letter;
    while ((letter = getopt(argc, argv, "w:j:n:r:sh")) != -1) {
        switch (letter) {
        case 'w':
            chosen.workers = number(optarg, 0, 4096);
            break;
        case 'j':
            chosen.jobs = number(optarg, 1, 1000000);
            break;
        case 'n':
            chosen.points = number(optarg, 1, 1000000000);
            break;
        case 'r':
            chosen.repeat = number(optarg, 1, 1000000);
            break;
        case 's':
            chosen.serial = 1;
            break;
        default:
            end_with(usage, letter == 'h');
        }
    }
    return chosen;
}

static double integrate_serially(integrate_job *jobs, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        integrate_task(&jobs[i]);
        sum += jobs[i].sum;
    }
    return sum * jobs[0].width;
}

static double integrate_on(pool_t *pool, integrate_job *jobs, future_t **futures, size_t count) {
    for (size_t i = 0; i < count; i++)
        futures[i] = made(pool_submit(pool, integrate_task, &jobs[i]), "pool_submit");

    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        void *result;
        check(future_wait(futures[i], OFFGIL_FOREVER, &result), "future_wait");
        check(future_release(futures[i]), "future_release");
        sum += ((integrate_job *)result)->sum;
    }
    return sum * jobs[0].width;
}

int main(int argc, char **argv) {
    options chosen = parse(argc, argv);
    integrate_job *jobs = allocate(chosen.jobs, sizeof *jobs);
    future_t **futures = allocate(chosen.jobs, sizeof *futures);
    pool_t *pool = chosen.serial ? NULL : made(pool_create((uint32_t)chosen.workers), "pool_create");

    integrate_plan(jobs, chosen.jobs, chosen.points);
    for (size_t run = 0; run < chosen.repeat; run++) {
        double started = now_ms();
        double area =
            pool ? integrate_on(pool, jobs, futures, chosen.jobs) : integrate_serially(jobs, chosen.jobs);
        printf("integral %.17g in %.4f ms\n", area, now_ms() - started);
    }

    if (pool)
        check(pool_destroy(pool), "pool_destroy");
    free(futures);
    free(jobs);
    return EXIT_SUCCESS;
}
