/* What a user's program does first: one task, its result, the library's version. */
#include <stdio.h>

#include <offgil.h>

static void *twice(void *number) {
    *(int *)number *= 2;
    return number;
}

int main(void) {
    int number = 21;
    void *result = NULL;
    pool_t *pool = pool_create(2);
    future_t *future = pool_submit(pool, twice, &number);
    offgil_status status = future_wait(future, OFFGIL_FOREVER, &result);
    if (status != OFFGIL_OK) {
        fprintf(stderr, "%s\n", offgil_last_message());
        return 1;
    }
    printf("%d offgil %s\n", *(int *)result, offgil_version_string());
    return future_release(future) != OFFGIL_OK || pool_destroy(pool) != OFFGIL_OK;
}
