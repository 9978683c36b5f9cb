// All tests in one program: what is compiled for each compiler and standard is compiled once.
#include "offgil.hpp"
#include "offgil.hpp" // the first and the second time: it needs nothing before it

#ifdef OFFGIL_NO_SHORT_NAMES
// The program's own: the header takes no name but those that begin with offgil.
[[maybe_unused]] static const int pool_create = 1, future_wait = 2;
struct pool_t {
    int mine;
};
using future_t = pool_t;
#endif

#include "future.cpp"
#include "group.cpp"
#include "parallel.cpp"
#include "pool.cpp"
#include "then.cpp"

#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 2) {
        std::fprintf(stderr, "usage: %s [--list | NAME]\n", argv[0]);
        return 2;
    }
    const std::string wanted = argc == 2 ? argv[1] : "";
    alarm(60); // a test that hangs ends the process
    bool found = wanted.empty();
    for (const test_case &test : all_tests()) {
        if (wanted == "--list") {
            std::puts(test.name);
            found = true;
        } else if (wanted.empty() || wanted == test.name) {
            test.run();
            found = true;
        }
    }
    if (!found)
        std::fprintf(stderr, "no test is called %s\n", wanted.c_str());
    return found ? 0 : 2;
}
