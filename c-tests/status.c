/* Statuses, their names and messages, the last failure of a thread, and the version. */
#ifdef __linux__
#define _GNU_SOURCE 1
#include <sched.h>
#endif

#include "check.h"

#define STATUS(name) {name, #name}

static const struct {
    offgil_status value;
    const char *name;
} statuses[] = {
    STATUS(OFFGIL_OK),        STATUS(OFFGIL_EINVAL),  STATUS(OFFGIL_EHANDLE), STATUS(OFFGIL_ETIMEDOUT),
    STATUS(OFFGIL_ECANCELED), STATUS(OFFGIL_EFAILED), STATUS(OFFGIL_EPANIC),  STATUS(OFFGIL_EFULL),
    STATUS(OFFGIL_ECLOSED),   STATUS(OFFGIL_EDEADLK), STATUS(OFFGIL_EFORKED), STATUS(OFFGIL_ENOMEM),
    STATUS(OFFGIL_ETHREAD),   STATUS(OFFGIL_EBUSY),   STATUS(OFFGIL_EDONE),
};

static void statuses_have_the_values_of_the_contract(void) {
    size_t i;
    for (i = 0; i < LENGTH(statuses); i++)
        CHECK_EQ(statuses[i].value, -(int)i);
    CHECK_EQ(OFFGIL_FOREVER, -1);
}

static void every_status_has_the_name_of_its_constant(void) {
    size_t i;
    for (i = 0; i < LENGTH(statuses); i++) {
        const char *name = offgil_status_name(statuses[i].value);
        if (strcmp(name, statuses[i].name) != 0)
            check_failed(__FILE__, __LINE__, statuses[i].name, name);
    }
}

static void every_status_has_a_message_of_its_own(void) {
    size_t i, j;
    for (i = 0; i < LENGTH(statuses); i++) {
        CHECK(strlen(offgil_status_message(statuses[i].value)) > 0);
        for (j = 0; j < i; j++) {
            CHECK(strcmp(offgil_status_message(statuses[i].value),
                         offgil_status_message(statuses[j].value)) != 0);
        }
    }
}

static void an_unknown_status_has_a_name_and_a_message_too(void) {
    const offgil_status unknown[] = {1, -15, 12345, INT32_MIN, INT32_MAX};
    size_t i;
    for (i = 0; i < LENGTH(unknown); i++) {
        CHECK(strlen(offgil_status_name(unknown[i])) > 0);
        CHECK(strlen(offgil_status_message(unknown[i])) > 0);
    }
}

static void last_status_says_why_no_handle_was_made(void) {
    CHECK_REFUSED(pool_create(UINT32_MAX), OFFGIL_EINVAL);
    CHECK(strlen(offgil_last_message()) > 0);
    CHECK_REFUSED(pool_submit((pool_t *)(uintptr_t)0x1234567, gate_task, NULL), OFFGIL_EHANDLE);
    CHECK(strlen(offgil_last_message()) > 0);
}

static void *fresh_thread(void *unused) {
    (void)unused;
    CHECK_OK(offgil_last_status());
    CHECK(offgil_last_message() != NULL);
    CHECK_REFUSED(pool_submit((pool_t *)(uintptr_t)0x1234567, gate_task, NULL), OFFGIL_EHANDLE);
    return NULL;
}

static void the_last_failure_is_that_of_the_calling_thread(void) {
    CHECK_REFUSED(pool_create(UINT32_MAX), OFFGIL_EINVAL);
    check_join(check_thread(fresh_thread, NULL));
    CHECK_STATUS(offgil_last_status(), OFFGIL_EINVAL);
}

static void the_version_number_and_its_string_agree(void) {
    unsigned major, minor, patch;
    CHECK_EQ(sscanf(offgil_version_string(), "%u.%u.%u", &major, &minor, &patch), 3);
    CHECK_EQ(offgil_version(), major * 1000000 + minor * 1000 + patch);
}

static void cpu_count_is_between_one_and_all(void) {
    CHECK(offgil_cpu_count() >= 1);
    CHECK((long)offgil_cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

static void cpu_count_counts_the_affinity_mask_in(void) {
#ifdef __linux__
    cpu_set_t one, mine;
    int cpu = 0;
    CHECK_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(offgil_cpu_count(), 1);
    CHECK_EQ(sched_setaffinity(0, sizeof mine, &mine), 0);
#endif
}

CHECK_MAIN(TEST(statuses_have_the_values_of_the_contract), TEST(every_status_has_the_name_of_its_constant),
           TEST(every_status_has_a_message_of_its_own), TEST(an_unknown_status_has_a_name_and_a_message_too),
           TEST(last_status_says_why_no_handle_was_made),
           TEST(the_last_failure_is_that_of_the_calling_thread),
           TEST(the_version_number_and_its_string_agree), TEST(cpu_count_is_between_one_and_all),
           TEST(cpu_count_counts_the_affinity_mask_in))
