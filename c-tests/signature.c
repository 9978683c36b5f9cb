/* signature_create: which texts are signatures, and what is said of the others. */
#include "check.h"

static void a_released_or_foreign_handle_is_no_signature(void) {
    int local = 0;
    pool_t *pool = pool_create(1);
    signature_t *signature = signature_create("void()");
    CHECK(signature != NULL);
    CHECK_STATUS(pool_destroy((pool_t *)signature), OFFGIL_EHANDLE);
    CHECK_STATUS(future_release((future_t *)signature), OFFGIL_EHANDLE);
    CHECK_OK(signature_release(signature));
    CHECK_STATUS(signature_release(signature), OFFGIL_EHANDLE);
    CHECK_STATUS(signature_release(NULL), OFFGIL_EINVAL);
    CHECK_STATUS(signature_release((signature_t *)pool), OFFGIL_EHANDLE);
    CHECK_STATUS(signature_release((signature_t *)&local), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(pool));
}

static void a_text_that_is_no_signature_is_refused_with_the_place(void) {
    const struct {
        const char *text, *says;
    } cases[] = {
        {"", "character 1"},
        {"f64", "character 4"},
        {"f64(int)", "\"int\" is no type"},
        {"f64(f64,)", "character 9"},
        {"f64(f64) f64", "character 10"},
        {"i32(ptr, ...)", "variable arguments"},
        {"...", "variable arguments"},
        {"void*(ptr)", "ptr"},
        {"i32(i8, void)", "void"},
        {"i32(%s%n)", "character 5"},
    };
    size_t i;
    for (i = 0; i < LENGTH(cases); i++) {
        CHECK_REFUSED(signature_create(cases[i].text), OFFGIL_EINVAL);
        if (strstr(offgil_last_message(), cases[i].says) == NULL)
            check_failed(__FILE__, __LINE__, cases[i].text, offgil_last_message());
    }
    CHECK_REFUSED(signature_create(NULL), OFFGIL_EINVAL);
}

/* Texts made of words and signs at random: accepted if and only if they follow the grammar. */
static const char *const words[] = {"i8", "u16", "i32", "f32", "f64", "ptr", "u64",  "void", "(",
                                    ")",  ",",   "int", "...", "*",   "F64", "\xff", "i88",  "void"};

static int is_type(int word) {
    return word < 7;
}

static int is_void(int word) {
    return strcmp(words[word], "void") == 0;
}

static int follows_grammar(const int *chosen, size_t count) {
    size_t i;
    if (count < 3 || !(is_type(chosen[0]) || is_void(chosen[0])) || chosen[1] != 8 || chosen[count - 1] != 9)
        return 0;
    if (count == 3 || (count == 4 && is_void(chosen[2])))
        return 1;
    if (count % 2 != 0)
        return 0;
    for (i = 2; i + 1 < count; i++)
        if (i % 2 == 0 ? !is_type(chosen[i]) : chosen[i] != 10)
            return 0;
    return 1;
}

static void a_text_is_accepted_if_it_follows_the_grammar_and_only_then(void) {
    uint32_t random = 12345;
    int round, accepted = 0;
    for (round = 0; round < 200000; round++) {
        int chosen[9];
        char text[128] = "";
        size_t count, i;
        signature_t *signature;
#define NEXT(below) (int)((random = random * 1664525u + 1013904223u) >> 8) % (below)
        count = (size_t)(NEXT(8) + 1);
        for (i = 0; i < count; i++) {
            /* Mostly what the grammar wants here, or few texts would follow it. */
            const int wanted = i == 1 ? 8 : i + 1 == count ? 9 : i % 2 == 1 ? 10 : NEXT(8);
            chosen[i] = NEXT(12) == 0 ? NEXT((int)LENGTH(words)) : wanted;
            strcat(text, words[chosen[i]]);
            strcat(text, NEXT(2) == 0 || chosen[i] < 8 ? " " : "");
        }
#undef NEXT
        signature = signature_create(text);
        if ((signature != NULL) != follows_grammar(chosen, count))
            check_failed(__FILE__, __LINE__, text, signature ? "accepted" : offgil_last_message());
        if (signature != NULL) {
            CHECK_OK(signature_release(signature));
            accepted++;
        } else {
            CHECK_STATUS(offgil_last_status(), OFFGIL_EINVAL);
            CHECK(strncmp(offgil_last_message(), "signature, character ", 21) == 0);
        }
    }
    CHECK(accepted > 1000);
}

CHECK_MAIN(TEST(a_released_or_foreign_handle_is_no_signature),
           TEST(a_text_that_is_no_signature_is_refused_with_the_place),
           TEST(a_text_is_accepted_if_it_follows_the_grammar_and_only_then))
