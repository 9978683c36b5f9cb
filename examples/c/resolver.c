/*
 * Looks names up, thousands at a time: getaddrinfo sleeps in the network, so it runs on the pool's blocking
 * lane, and each look-up that hasn't begun after so many milliseconds is given up.
 *
 *     resolver -t 2000 localhost ::1 example.org
 *     resolver -r 1000 localhost 127.0.0.1
 *
 * A line for each name goes to standard output, in the order of the names; how far it is (on a terminal, or
 * with -p) and how many there were, to standard error. The exit status is 1 if a look-up failed or came too
 * late.
 */
#define _POSIX_C_SOURCE 200809L
#include "common.h"

#include <inttypes.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] = "usage: resolver [-w THREADS] [-t MS] [-r REPEAT] [-p] NAME...\n"
                            "  -w  blocking threads, the most look-ups at a time; default 256\n"
                            "  -t  a look-up that hasn't begun by then is given up; default 10000\n"
                            "  -r  looks each name up so many times\n"
                            "  -p  says how far it is, also where nobody looks\n";

typedef struct options {
    size_t threads, deadline_ms, repeat;
    int progress;
    char **names;
    size_t name_count;
} options;

/* One look-up: a task writes it, and the main thread reads it when the task has come out of the queue. */
typedef struct lookup {
    const char *name;
    char address[64];
    int error, system_error;
    offgil_status status;
} lookup;

static options parse(int argc, char **argv) {
    options chosen = {.threads = 256, .deadline_ms = 10000, .repeat = 1, .progress = isatty(STDERR_FILENO)};
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        end_with(usage, 1);
    int letter;
    while ((letter = getopt(argc, argv, "w:t:r:ph")) != -1) {
        switch (letter) {
        case 'w':
            chosen.threads = number(optarg, 1, 32767);
            break;
        case 't':
            chosen.deadline_ms = number(optarg, 0, 1000000000);
            break;
        case 'r':
            chosen.repeat = number(optarg, 1, 1000000);
            break;
        case 'p':
            chosen.progress = 1;
            break;
        default:
            end_with(usage, letter == 'h');
        }
    }
    chosen.names = argv + optind;
    chosen.name_count = (size_t)(argc - optind);
    if (chosen.name_count == 0) {
        fputs("resolver: no name is given\n", stderr);
        fputs(usage, stderr);
        exit(EXIT_FAILURE);
    }
    return chosen;
}

/* The task: the first address of the name, as text. */
static void *look_up(void *arg) {
    lookup *one = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    one->error = getaddrinfo(one->name, NULL, &hints, &found);
    if (one->error == EAI_SYSTEM)
        one->system_error = errno;
    if (one->error)
        return one;
    one->error = getnameinfo(found->ai_addr, found->ai_addrlen, one->address, sizeof one->address, NULL, 0,
                             NI_NUMERICHOST);
    freeaddrinfo(found);
    return one;
}

static void submit_all(pool_t *pool, completion_queue_t *queue, lookup *lookups, size_t count,
                       int64_t deadline_ns) {
    task_options_t how;
    task_options_init(&how, sizeof how);
    how.name = "look-up";
    how.blocking = 1;
    how.deadline_ns = deadline_ns;
    how.queue = queue;
    for (size_t i = 0; i < count; i++) {
        how.tag = i;
        check(pool_spawn_with(pool, &how, look_up, &lookups[i]), "pool_spawn_with");
    }
}

/* Takes the look-ups as they end, in whatever order that is. */
static void take_all(completion_queue_t *queue, lookup *lookups, size_t count, int progress) {
    completion_t ended[256];
    for (size_t done = 0; done < count;) {
        size_t some;
        check(completion_queue_next(queue, OFFGIL_FOREVER, ended, sizeof ended / sizeof *ended, &some),
              "completion_queue_next");
        for (size_t i = 0; i < some; i++)
            lookups[ended[i].tag].status = ended[i].status;
        done += some;
        if (progress)
            fprintf(stderr, "\r%zu of %zu", done, count);
    }
    if (progress)
        fputc('\n', stderr);
}

static int is_late(const lookup *one) {
    return one->status == OFFGIL_ECANCELED;
}

static void print_name(const lookup *one) {
    if (is_late(one))
        printf("%s: too late\n", one->name);
    else if (one->error == EAI_SYSTEM)
        printf("%s: %s\n", one->name, strerror(one->system_error));
    else if (one->error)
        printf("%s: %s\n", one->name, gai_strerror(one->error));
    else
        printf("%s %s\n", one->name, one->address);
}

int main(int argc, char **argv) {
    options chosen = parse(argc, argv);
    size_t count = chosen.name_count * chosen.repeat, failed = 0, late = 0;
    lookup *lookups = allocate(count, sizeof *lookups);
    for (size_t i = 0; i < count; i++)
        lookups[i].name = chosen.names[i / chosen.repeat];

    pool_options_t how;
    pool_options_init(&how, sizeof how);
    how.max_blocking_threads = (uint32_t)chosen.threads;
    how.thread_name = "resolver";
    pool_t *pool = made(pool_create_with(&how), "pool_create_with");
    completion_queue_t *queue = made(completion_queue_create(), "completion_queue_create");

    double started = now_ms();
    submit_all(pool, queue, lookups, count, (int64_t)chosen.deadline_ms * 1000000);
    take_all(queue, lookups, count, chosen.progress);
    double took = now_ms() - started;

    for (size_t i = 0; i < count; i++) {
        late += is_late(&lookups[i]);
        failed += !is_late(&lookups[i]) && lookups[i].error;
        if (i % chosen.repeat == 0)
            print_name(&lookups[i]);
    }
    fprintf(stderr, "%zu look-ups in %.1f ms: %zu found, %zu failed, %zu too late\n", count, took,
            count - failed - late, failed, late);

    check(completion_queue_release(queue), "completion_queue_release");
    check(pool_destroy(pool), "pool_destroy");
    free(lookups);
    return failed || late ? EXIT_FAILURE : EXIT_SUCCESS;
}
