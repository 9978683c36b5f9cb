/* A program that has a pool_create and a future_wait of its own, and uses the library's by their long names.
 */
#define OFFGIL_NO_SHORT_NAMES
#include <stdio.h>

#include <offgil.h>

int pool_create(void);
int future_wait(void);

int pool_create(void) {
    return 40;
}

int future_wait(void) {
    return 2;
}

static void *same(void *number) {
    return number;
}

int main(void) {
    int number = pool_create() + future_wait();
    void *result = NULL;
    offgil_pool_t *pool = offgil_pool_create(2);
    offgil_future_t *future = offgil_pool_submit(pool, same, &number);
    if (offgil_future_wait(future, OFFGIL_FOREVER, &result) != OFFGIL_OK)
        return 1;
    printf("%d offgil %s\n", *(int *)result, offgil_version_string());
    return offgil_future_release(future) != OFFGIL_OK || offgil_pool_destroy(pool) != OFFGIL_OK;
}
