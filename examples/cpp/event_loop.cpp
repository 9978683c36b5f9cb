// An event loop of libuv's that a pool works for: tasks come back through completion_queue::fd, which the
// loop polls, while a timer shows that the loop is never blocked.
//
// Each task searches the longest chain of Collatz's below a limit; the callback on the loop's thread prints
// it. Built with `pkg-config --cflags --libs libuv` (Debian: libuv1-dev).
#include "common.hpp"
#include "offgil.hpp"

#include <uv.h>

#include <vector>

static const char usage[] = "usage: event_loop [-w WORKERS] [-j JOBS] [-n LIMIT]\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "  -j  jobs; default 8\n"
                            "  -n  the first job's limit, which each next job adds to; default 100000\n";

namespace {

struct chain {
    std::uint64_t start, length;
};

chain longest_below(std::uint64_t limit) {
    chain best{1, 1};
    for (std::uint64_t start = 1; start < limit; start++) {
        std::uint64_t length = 1;
        for (std::uint64_t n = start; n != 1; length++)
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
        if (length > best.length)
            best = {start, length};
        if (start % 1000 == 0 && offgil::this_task::is_canceled())
            break;
    }
    return best;
}

void check(int status, const char *what) {
    if (status < 0)
        throw std::runtime_error(std::string(what) + ": " + uv_strerror(status));
}

/// The loop, its handles, and the jobs that are under way. The pool is destroyed first: its tasks go before
/// the queue.
class application {
  public:
    application(std::uint32_t workers, std::size_t jobs, std::uint64_t limit) : pool_(workers) {
        check(uv_loop_init(&loop_), "uv_loop_init");
        check(uv_poll_init(&loop_, &completions_, queue_.fd()), "uv_poll_init");
        completions_.data = this;
        check(uv_timer_init(&loop_, &ticker_), "uv_timer_init");
        ticker_.data = this;
        for (std::size_t i = 0; i < jobs; i++) {
            const offgil::task_options how = offgil::task_options().name("collatz").to(queue_, i);
            limits_.push_back(limit * (i + 1));
            chains_.push_back(pool_.submit(how, longest_below, limits_.back()));
        }
        left_ = jobs;
    }

    void run() {
        check(uv_poll_start(&completions_, UV_READABLE, on_completions), "uv_poll_start");
        check(uv_timer_start(
                  &ticker_, [](uv_timer_t *timer) { self(timer)->ticks_++; }, 0, 1),
              "uv_timer_start");
        uv_run(&loop_, UV_RUN_DEFAULT);
        check(uv_loop_close(&loop_), "uv_loop_close");
        std::printf("%zu chains\n", chains_.size());
        std::fprintf(stderr, "the timer came %zu times\n", ticks_);
    }

  private:
    template <class Handle> static application *self(Handle *handle) {
        return static_cast<application *>(handle->data);
    }

    static void on_completions(uv_poll_t *handle, int, int) {
        application &it = *self(handle);
        offgil::completion ended[16];
        // What is left makes the descriptor readable again.
        const std::size_t count = it.queue_.take(ended, 16);
        for (std::size_t i = 0; i < count; i++)
            it.show(static_cast<std::size_t>(ended[i].tag));
    }

    /// The task has ended, so that get doesn't wait. An exception of its comes out here, in a callback of
    /// C's.
    void show(std::size_t job) noexcept {
        try {
            const chain longest = chains_[job].get();
            std::printf("below %llu: %llu, %llu steps\n", static_cast<unsigned long long>(limits_[job]),
                        static_cast<unsigned long long>(longest.start),
                        static_cast<unsigned long long>(longest.length));
        } catch (const std::exception &caught) {
            std::fprintf(stderr, "job %zu: %s\n", job, caught.what());
        }
        if (--left_ == 0) { // the loop ends when it has no handle any more
            uv_close(reinterpret_cast<uv_handle_t *>(&completions_), nullptr);
            uv_close(reinterpret_cast<uv_handle_t *>(&ticker_), nullptr);
        }
    }

    uv_loop_t loop_{};
    uv_poll_t completions_{};
    uv_timer_t ticker_{};
    offgil::completion_queue queue_;
    std::vector<std::uint64_t> limits_;
    std::vector<offgil::future<chain>> chains_;
    std::size_t left_ = 0, ticks_ = 0;
    offgil::pool pool_;
};

} // namespace

int main(int argc, char **argv) {
    return guarded("event_loop", [&] {
        std::size_t workers = 0, jobs = 8, limit = 100000;
        parse(argc, argv, usage, [&](char letter, const char *value) {
            switch (letter) {
            case 'w':
                workers = number(value, 0, 4096);
                return true;
            case 'j':
                jobs = number(value, 1, 1000);
                return true;
            case 'n':
                limit = number(value, 2, 10000000);
                return true;
            default:
                return false;
            }
        });
        application(static_cast<std::uint32_t>(workers), jobs, limit).run();
        return EXIT_SUCCESS;
    });
}
