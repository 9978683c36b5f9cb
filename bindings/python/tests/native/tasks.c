/* Task bodies and a gate for the tests: plain C that never touches Python. */

#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

void *twice(void *arg) {
    return (void *)((uintptr_t)arg * 2);
}

/* Adds one to the counter and returns it. */
void *bump(void *counter) {
    atomic_fetch_add((atomic_size_t *)counter, 1);
    return counter;
}

void bump_hook(void *counter) {
    atomic_fetch_add((atomic_size_t *)counter, 1);
}

/* One more visit to every index of the range; `visits` has a byte for each index. */
void visit_range(void *visits, size_t begin, size_t end) {
    for (size_t index = begin; index < end; ++index) {
        atomic_fetch_add((atomic_uchar *)visits + index, 1);
    }
}

/* A task that enters a gate stays there until it is opened: a pool is busy as long as a test likes. */
typedef struct {
    sem_t entered;
    sem_t opened;
} gate_t;

gate_t *gate_create(void) {
    gate_t *gate = malloc(sizeof *gate);
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->opened, 0, 0);
    return gate;
}

static void take(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

void *gate_enter(void *arg) {
    gate_t *gate = arg;
    sem_post(&gate->entered);
    take(&gate->opened);
    return gate;
}

/* Returns when one more task has entered. */
void gate_await(gate_t *gate) {
    take(&gate->entered);
}

/* Lets one task go. */
void gate_open(gate_t *gate) {
    sem_post(&gate->opened);
}

void gate_destroy(gate_t *gate) {
    sem_destroy(&gate->entered);
    sem_destroy(&gate->opened);
    free(gate);
}

/* The stack of the thread that calls it, in bytes. */
size_t stack_size(void) {
    pthread_attr_t attributes;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &size);
        pthread_attr_destroy(&attributes);
    }
    return size;
}
