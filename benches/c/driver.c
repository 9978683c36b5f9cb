/* driver PEER.so WORKLOAD COUNT [WORKERS]: measures one cell and prints it as one line of key=value.
 *
 * The workloads are in workloads_*.c. Before each the peer's threads are started and its memory is warmed by
 * a little of the same work, except where a start is what is measured. */
#include "driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOT_OFFERED = 3 };

peer_t peer;

static const struct {
    const char *name;
    void *function;
} symbols[] = {
    {"bench_version", &peer.version},   {"bench_start", &peer.start},
    {"bench_stop", &peer.stop},         {"bench_outside", &peer.outside},
    {"bench_producer", &peer.producer}, {"bench_inside", &peer.inside},
    {"bench_claim", &peer.claim},       {"bench_handoff", &peer.handoff},
    {"bench_fire", &peer.fire},         {"bench_queue", &peer.queue},
    {"bench_for", &peer.loop},          {"bench_for_inside", &peer.loop_inside},
    {"bench_fib", &peer.fib},
};

static const struct {
    const char *name;
    workload_fn *run;
} workloads[] = {
    {"outside", run_outside},
    {"inside", run_inside},
    {"producers4", run_producers},
    {"claim", run_claim},
    {"handoff", run_handoff},
    {"silence", run_silence},
    {"for_trivial", run_for_trivial},
    {"for_1us", run_for_1us},
    {"for_empty", run_for_empty},
    {"for_empty_inside", run_for_empty_inside},
    {"fib", run_fib},
    {"sleeps2000", run_sleeps},
    {"idle", run_idle},
    {"memory", run_memory},
    {"create", run_create},
};

void die(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    fputs("driver: ", stderr);
    vfprintf(stderr, format, rest);
    fputc('\n', stderr);
    va_end(rest);
    _Exit(1); /* the peer's threads may be in the middle of things */
}

void not_offered(void) {
    _Exit(EXIT_NOT_OFFERED);
}

void tell(const char *key, double value) {
    printf("%s=%.6f ", key, value);
}

static void load(const char *library) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        die("%s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        *(void **)symbols[i].function = dlsym(handle, symbols[i].name);
    if (peer.start == NULL)
        die("the peer exports no bench_start");
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: %s PEER.so WORKLOAD COUNT [WORKERS]\n", argv[0]);
        return 2;
    }
    size_t chosen = 0, known = sizeof workloads / sizeof *workloads;
    while (chosen < known && strcmp(workloads[chosen].name, argv[2]) != 0)
        chosen++;
    size_t count = strtoull(argv[3], NULL, 10);
    uint32_t workers = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 2;
    if (chosen == known || count == 0 || workers == 0)
        die("unknown workload, or a count of 0");
    load(argv[1]);
    workloads[chosen].run(count, workers);
    printf("version=%s\n", peer.version != NULL ? peer.version() : "");
    fflush(stdout);
    _Exit(0); /* the pool is left as it is: taking it down isn't what is measured */
}
