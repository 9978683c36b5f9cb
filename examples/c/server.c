/*
 * A server of one thread and an epoll loop, whose work runs on a pool: a client sends whole numbers, one a
 * line, and gets for each the number of primes below it. A task that has ended wakes the loop through
 * completion_queue_fd.
 *
 *     server -p 7000 &
 *     printf '10\n1000000\n' | nc -q 1 127.0.0.1 7000        4, then 78498
 *
 * Answers come in the order of a client's lines. Ends on SIGINT and SIGTERM. Linux only, because of epoll.
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] = "usage: server [-p PORT] [-w WORKERS]\n"
                            "  -p  the port of 127.0.0.1; 0, the default: a free one\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "Says on standard output where it listens.\n";

enum { LARGEST = 50000000, LINE = 64 };

/* A client. The loop's own, but for `limit` and `primes` while a task works on them. */
typedef struct client {
    int socket;
    int working, ended; /* a task is under way; nothing more will come */
    char in[LINE];
    size_t in_length;
    size_t limit, primes;
    uint32_t events;
} client;

typedef struct server {
    pool_t *pool;
    completion_queue_t *queue;
    int epoll, listener, signals;
    size_t answered;
} server;

/* What is no client in the answers of epoll. */
static char is_listener, is_queue, is_signal;

static int must(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
    }
    return result;
}

/* The task: the sieve of Eratosthenes. */
static void *count_primes(void *arg) {
    client *one = arg;
    unsigned char *composite = calloc(one->limit + 1, 1);
    if (!composite) {
        task_fail(ENOMEM, "no memory for the sieve");
        return NULL;
    }
    one->primes = 0;
    for (size_t i = 2; i < one->limit; i++) {
        if (composite[i])
            continue;
        one->primes++;
        for (size_t j = i * i; j < one->limit; j += i)
            composite[j] = 1;
        if (task_is_canceled())
            break;
    }
    free(composite);
    return one;
}

static void watch(server *it, int descriptor, uint32_t events, void *what) {
    struct epoll_event event = {.events = events, .data = {.ptr = what}};
    must(epoll_ctl(it->epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

/* Which events the loop is to tell of: none of its input while a task works for it. */
static void watch_client(server *it, client *one, uint32_t events) {
    if (one->events == events)
        return;
    struct epoll_event event = {.events = events, .data = {.ptr = one}};
    must(epoll_ctl(it->epoll, EPOLL_CTL_MOD, one->socket, &event), "epoll_ctl");
    one->events = events;
}

/* A client whose task is under way is freed when that comes out of the queue. */
static void close_client(client *one) {
    if (one->socket >= 0)
        close(one->socket);
    one->socket = -1;
    if (!one->working)
        free(one);
}

/* An answer is so short that the socket's buffer takes it; a client that reads none is closed. */
static int reply(client *one, const char *text) {
    size_t length = strlen(text);
    return send(one->socket, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Takes lines out of the buffer until one is work for the pool. Gives 0 if the client is to be closed. */
static int next_line(server *it, client *one) {
    char *end;
    while (!one->working && (end = memchr(one->in, '\n', one->in_length))) {
        *end = '\0';
        char *stop;
        long long limit = strtoll(one->in, &stop, 10);
        int is_number = stop != one->in && (*stop == '\0' || *stop == '\r') && limit >= 0 && limit <= LARGEST;
        one->in_length -= (size_t)(end + 1 - one->in);
        memmove(one->in, end + 1, one->in_length);
        if (!is_number) {
            if (!reply(one, "error: not a whole number from 0 to 50000000\n"))
                return 0;
            continue;
        }
        one->limit = (size_t)limit;
        one->working = 1;
        task_options_t how;
        task_options_init(&how, sizeof how);
        how.queue = it->queue;
        how.tag = (uintptr_t)one;
        check(pool_spawn_with(it->pool, &how, count_primes, one), "pool_spawn_with");
    }
    return one->working || (!one->ended && one->in_length < LINE);
}

static void go_on(server *it, client *one) {
    if (!next_line(it, one))
        close_client(one);
    else
        watch_client(it, one, one->working || one->ended ? 0 : EPOLLIN);
}

static void on_input(server *it, client *one, uint32_t events) {
    if (events & (EPOLLERR | EPOLLHUP)) {
        close_client(one);
        return;
    }
    ssize_t got = recv(one->socket, one->in + one->in_length, LINE - one->in_length, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        close_client(one);
        return;
    }
    one->ended = got == 0;
    one->in_length += got > 0 ? (size_t)got : 0;
    go_on(it, one);
}

/* The tasks that have ended: answers go out, and the clients' next lines go to the pool. */
static void on_completions(server *it) {
    completion_t ended[64];
    size_t count;
    while (completion_queue_next(it->queue, 0, ended, 64, &count) == OFFGIL_OK) {
        for (size_t i = 0; i < count; i++) {
            client *one = (client *)(uintptr_t)ended[i].tag;
            char text[LINE];
            one->working = 0;
            it->answered++;
            snprintf(text, sizeof text, "%zu\n", one->primes);
            if (one->socket < 0 || !reply(one, ended[i].status == OFFGIL_OK ? text : "error: no memory\n"))
                close_client(one);
            else
                go_on(it, one);
        }
    }
}

static void on_connection(server *it) {
    int socket = accept4(it->listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0) {
        fprintf(stderr, "server: accept: %s\n", strerror(errno));
        return;
    }
    client *one = allocate(1, sizeof *one);
    one->socket = socket;
    one->events = EPOLLIN;
    watch(it, socket, EPOLLIN, one);
}

static void listen_on(server *it, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int yes = 1;
    it->listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    must(setsockopt(it->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "setsockopt");
    must(bind(it->listener, (struct sockaddr *)&address, length), "bind");
    must(listen(it->listener, 128), "listen");
    must(getsockname(it->listener, (struct sockaddr *)&address, &length), "getsockname");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* Gives 0 when a signal says that it is enough. */
static int turn(server *it) {
    struct epoll_event events[64];
    int count = epoll_wait(it->epoll, events, 64, -1), completed = 0;
    if (count < 0 && errno != EINTR)
        must(count, "epoll_wait");
    for (int i = 0; i < count; i++) {
        void *what = events[i].data.ptr;
        if (what == &is_signal)
            return 0;
        if (what == &is_listener)
            on_connection(it);
        else if (what == &is_queue)
            completed = 1;
        else
            on_input(it, what, events[i].events);
    }
    if (completed) /* last: it may free a client that is among the events */
        on_completions(it);
    return 1;
}

int main(int argc, char **argv) {
    size_t port = 0, workers = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        end_with(usage, 1);
    for (int letter; (letter = getopt(argc, argv, "p:w:h")) != -1;) {
        if (letter == 'p') {
            port = number(optarg, 0, 65535);
        } else if (letter == 'w') {
            workers = number(optarg, 0, 4096);
        } else {
            end_with(usage, letter == 'h');
        }
    }
    /* Blocked before the pool starts threads, which inherit that: signals come out of the descriptor alone.
     */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    must(sigprocmask(SIG_BLOCK, &ends, NULL), "sigprocmask");

    server it = {.answered = 0};
    it.pool = made(pool_create((uint32_t)workers), "pool_create");
    it.queue = made(completion_queue_create(), "completion_queue_create");
    it.epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    it.signals = must(signalfd(-1, &ends, SFD_CLOEXEC), "signalfd");
    watch(&it, it.signals, EPOLLIN, &is_signal);
    watch(&it, must(completion_queue_fd(it.queue), "completion_queue_fd"), EPOLLIN, &is_queue);
    listen_on(&it, (uint16_t)port);
    watch(&it, it.listener, EPOLLIN, &is_listener);
    while (turn(&it))
        ;

    check(pool_shutdown(it.pool, POOL_CANCEL, OFFGIL_FOREVER), "pool_shutdown");
    check(pool_destroy(it.pool), "pool_destroy");
    check(completion_queue_release(it.queue), "completion_queue_release");
    fprintf(stderr, "%zu answers\n", it.answered);
    return EXIT_SUCCESS;
}
