/* Bare threads, for benches/growth.py: each task is a thread of its own, started and joined. */
#include "adapter.h"
#include "check.h"

#include <pthread.h>

void bench_start(uint32_t workers) {
    (void)workers;
}

void bench_outside(batch_t *batch) {
    pthread_t *threads = (pthread_t *)batch->slots;
    for (size_t i = 0; i < batch->count; i++)
        check(pthread_create(&threads[i], NULL, batch->task, NULL) == 0, "pthread_create");
    for (size_t i = 0; i < batch->count; i++)
        check(pthread_join(threads[i], NULL) == 0, "pthread_join");
}
