/* Functions that give back what they got, one for each type, and a few that read what a pointer points to. */

#include <errno.h>
#include <stdint.h>

#include "same.h"

#define SAME(name, type)                                                                                     \
    type same_##name(type value) {                                                                           \
        return value;                                                                                        \
    }
SAME(i8, int8_t)
SAME(u8, uint8_t)
SAME(i16, int16_t)
SAME(u16, uint16_t)
SAME(i32, int32_t)
SAME(u32, uint32_t)
SAME(i64, int64_t)
SAME(u64, uint64_t)
SAME(f32, float)
SAME(f64, double)
SAME(char, char)
SAME(bool, _Bool)
SAME(wide, wchar_t)
SAME(color, enum color)
SAME(void, void *)
SAME(text, char *)
SAME(ints, int *)
SAME(pair, pair *)
SAME(function, function_fn)
SAME(by_value, pair)
SAME(longest, long double)

int read_int(int *numbers) {
    return numbers != 0 ? numbers[0] : -1;
}

double read_double(double *numbers) {
    return numbers != 0 ? numbers[0] : -1;
}

int read_char(char *text) {
    return text != 0 ? text[0] : -1;
}

int read_pair(pair *numbers) {
    return numbers != 0 ? numbers->left - numbers->right : -1;
}

int mixed(int8_t first, double second, uint16_t third, float fourth, char *text, int64_t last) {
    return first + (int)second + third + (int)fourth + text[0] + (int)last;
}

double sum(const double *numbers, size_t count) {
    double total = 0;
    for (size_t index = 0; index < count; ++index) {
        total += numbers[index];
    }
    return total;
}

double scaled(double value, void *factor) {
    return value * (factor != 0 ? *(double *)factor : 1);
}

int refuse(int code) {
    errno = code;
    return -1;
}

int many(int count, ...) {
    return count;
}

int call(function_fn function, int value) {
    return function(value);
}

void nothing(void) {}
