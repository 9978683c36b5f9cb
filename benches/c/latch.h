/* Counts tasks down and wakes the thread that waits for the last: what a C programmer adds to a pool that has
 * neither futures nor a wait for a batch. */
#ifndef OFFGIL_BENCH_LATCH_H
#define OFFGIL_BENCH_LATCH_H

#include <pthread.h>
#include <stddef.h>

typedef struct {
    size_t left;
    int open;
    pthread_mutex_t mutex;
    pthread_cond_t opened;
} latch_t;

static inline void latch_init(latch_t *latch, size_t count) {
    latch->left = count;
    latch->open = 0;
    pthread_mutex_init(&latch->mutex, NULL);
    pthread_cond_init(&latch->opened, NULL);
}

static inline void latch_count_down(latch_t *latch) {
    if (__atomic_sub_fetch(&latch->left, 1, __ATOMIC_ACQ_REL) == 0) {
        pthread_mutex_lock(&latch->mutex);
        latch->open = 1;
        pthread_cond_signal(&latch->opened);
        pthread_mutex_unlock(&latch->mutex);
    }
}

/* Whoever counts down last is done with the latch when it frees the mutex: the latch may go after this. */
static inline void latch_wait(latch_t *latch) {
    pthread_mutex_lock(&latch->mutex);
    while (!latch->open)
        pthread_cond_wait(&latch->opened, &latch->mutex);
    pthread_mutex_unlock(&latch->mutex);
}

#endif
