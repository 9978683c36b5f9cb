/* For cffi too, which knows no preprocessor: no line with a # but the first two. */
#include <stddef.h>
#include <stdint.h>

enum color { RED, GREEN = 5, BLUE = -3 };
typedef struct {
    int left;
    int right;
} pair;
typedef int (*function_fn)(int);

int8_t same_i8(int8_t value);
uint8_t same_u8(uint8_t value);
int16_t same_i16(int16_t value);
uint16_t same_u16(uint16_t value);
int32_t same_i32(int32_t value);
uint32_t same_u32(uint32_t value);
int64_t same_i64(int64_t value);
uint64_t same_u64(uint64_t value);
float same_f32(float value);
double same_f64(double value);
char same_char(char value);
_Bool same_bool(_Bool value);
wchar_t same_wide(wchar_t value);
enum color same_color(enum color value);
void *same_void(void *value);
char *same_text(char *value);
int *same_ints(int *value);
pair *same_pair(pair *value);
function_fn same_function(function_fn value);
pair same_by_value(pair value);
long double same_longest(long double value);

int read_int(int *numbers);
double read_double(double *numbers);
int read_char(char *text);
int read_pair(pair *numbers);
int mixed(int8_t first, double second, uint16_t third, float fourth, char *text, int64_t last);
double sum(const double *numbers, size_t count);
double scaled(double value, void *factor);
int refuse(int code);
int many(int count, ...);
int call(function_fn function, int value);
void nothing(void);
