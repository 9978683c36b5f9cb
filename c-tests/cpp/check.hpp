// What the C++ tests share: named tests, CHECK macros, a gate to wait at, and objects that are counted.
//
//   prog --list     names the tests, one a line
//   prog NAME       runs that one in this process
//   prog            runs them all, one after the other
//
// A test ends the process with status 1 at the first CHECK that does not hold, from whatever thread.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "offgil.hpp"

using namespace std::chrono_literals;

/// How long a test looks for something that must not happen.
constexpr auto soon = 20ms;
constexpr auto long_enough = 50s;

struct test_case {
    const char *name;
    void (*run)();
};

inline std::vector<test_case> &all_tests() {
    static std::vector<test_case> tests;
    return tests;
}

struct registered {
    registered(const char *name, void (*run)()) { all_tests().push_back({name, run}); }
};

#define TEST(name)                                                                                           \
    static void name();                                                                                      \
    static const registered registered_##name(#name, name);                                                  \
    static void name()

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            check_failed(__FILE__, __LINE__, #condition);                                                    \
    } while (0)

/// The statement throws offgil::error with this status.
#define CHECK_STATUS(expected, ...)                                                                          \
    do {                                                                                                     \
        bool as_expected = false;                                                                            \
        try {                                                                                                \
            __VA_ARGS__;                                                                                     \
        } catch (const offgil::error &caught) {                                                              \
            as_expected = caught.status() == offgil::status::expected;                                       \
        }                                                                                                    \
        if (!as_expected)                                                                                    \
            check_failed(__FILE__, __LINE__, #__VA_ARGS__ " throws " #expected);                             \
    } while (0)

/// The statement throws an exception of this type that says `text`.
#define CHECK_THROWS(type, text, ...)                                                                        \
    do {                                                                                                     \
        bool as_expected = false;                                                                            \
        try {                                                                                                \
            __VA_ARGS__;                                                                                     \
        } catch (const type &caught) {                                                                       \
            as_expected = std::string(caught.what()) == (text);                                              \
        }                                                                                                    \
        if (!as_expected)                                                                                    \
            check_failed(__FILE__, __LINE__, #__VA_ARGS__ " throws " #type);                                 \
    } while (0)

[[noreturn]] inline void check_failed(const char *file, int line, const char *what) {
    std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, what);
    std::fflush(stderr);
    std::_Exit(1);
}

/// Closed until it is opened. Who waits too long fails.
class gate {
  public:
    void open() {
        const std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock<std::mutex> lock(mutex_);
        CHECK(changed_.wait_for(lock, long_enough, [this] { return open_; }));
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

/// Counts its living copies.
class counted {
  public:
    explicit counted(int number = 0) : value(number) { alive()++; }
    counted(const counted &other) : value(other.value) { alive()++; }
    counted(counted &&other) noexcept : value(other.value) { alive()++; }
    counted &operator=(const counted &) = default;
    counted &operator=(counted &&) = default;
    ~counted() { alive()--; }

    static std::atomic<int> &alive() {
        static std::atomic<int> count{0};
        return count;
    }

    int value;
};

/// Waits for what another thread is about to do.
template <class Condition> void eventually(Condition &&condition) {
    const auto end = std::chrono::steady_clock::now() + long_enough;
    while (!condition()) {
        CHECK(std::chrono::steady_clock::now() < end);
        std::this_thread::sleep_for(1ms);
    }
}

/// How many bodies of the pool are blocked in a wait of the library's.
inline std::uint32_t blocked_in(const offgil::pool &pool) {
    offgil_pool_stats_t stats;
    CHECK(offgil_pool_stats(pool.handle(), &stats, sizeof stats) == OFFGIL_OK);
    return stats.threads_blocked;
}

/// A pool of one that has no thread for anything behind a task that waits.
inline offgil::pool_options one_thread_only() {
    offgil::pool_options options;
    options.threads = 1;
    options.max_spare_threads = 0;
    return options;
}

/// A task waits for what is to be canceled. It is refused if whoever waits for the task has blocked first:
/// then it looks until it sees the end.
inline void wait_until_canceled(const offgil::shared_future<void> &awaited, std::atomic<bool> &refused) {
    try {
        awaited.wait();
    } catch (const offgil::error &caught) {
        CHECK(caught.status() == offgil::status::no_thread);
        refused = true;
        eventually([&awaited] { return awaited.ready(); });
    }
    CHECK_STATUS(canceled, awaited.get());
}

/// The wait is refused, too, or in its stead: it ends well then.
template <class Wait> void is_refused(Wait &&wait, const std::atomic<bool> &other_refused) {
    try {
        wait();
        CHECK(other_refused);
    } catch (const offgil::error &caught) {
        CHECK(caught.status() == offgil::status::no_thread);
    }
}

/// Whether `body` calls std::terminate with an offgil::error of that status, in a process of its own.
template <class Body> bool terminates_with(offgil::status expected, Body &&body) {
    static offgil::status wanted;
    wanted = expected;
    const pid_t child = fork();
    if (child == 0) {
        alarm(50);
        std::set_terminate([] {
            try {
                std::rethrow_exception(std::current_exception());
            } catch (const offgil::error &caught) {
                std::_Exit(caught.status() == wanted ? 42 : 1);
            }
        });
        body();
        std::_Exit(0);
    }
    int ended = 0;
    CHECK(child > 0 && waitpid(child, &ended, 0) == child);
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 42;
}

/// A pool of one whose only place is taken until `let_go`.
struct held {
    offgil::pool pool{1};
    gate began, end;
    offgil::future<void> holder;

    held() {
        holder = pool.submit([this] {
            began.open();
            end.pass();
        });
        began.pass();
    }
    ~held() { let_go(); }
    void let_go() { end.open(); }
};

#endif
