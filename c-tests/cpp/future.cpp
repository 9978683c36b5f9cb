// offgil::future: results, exceptions, cancels, waits, and whose memory it is.
#include "check.hpp"

TEST(submit_gives_what_the_callable_returns) {
    offgil::pool pool(2);
    offgil::future<int> answer = pool.submit([](int a, int b) { return a * b; }, 6, 7);
    CHECK(answer.valid());
    CHECK(answer.get() == 42);
    CHECK(!answer.valid());
}

static int twice(int number) {
    return 2 * number;
}

struct account {
    int total = 0;
    int add(int amount) { return total += amount; }
};

TEST(functions_and_members_are_callables_too) {
    offgil::pool pool(2);
    CHECK(pool.submit(twice, 4).get() == 8);
    account mine;
    CHECK(pool.submit(&account::add, &mine, 5).get() == 5);
    CHECK(pool.submit(&account::add, std::ref(mine), 5).get() == 10);
    CHECK(mine.total == 10);
}

TEST(arguments_and_callables_are_moved_into_the_task) {
    offgil::pool pool(2);
    auto callable = [own = std::make_unique<int>(1)](std::unique_ptr<int> given, const std::string &text) {
        return *own + *given + static_cast<int>(text.size());
    };
    CHECK(pool.submit(std::move(callable), std::make_unique<int>(2), "three").get() == 8);
}

TEST(std_ref_passes_a_reference) {
    offgil::pool pool(2);
    int number = 1;
    pool.submit([](int &there) { there = 2; }, std::ref(number)).get();
    CHECK(number == 2);
}

TEST(a_move_only_result_is_moved_out) {
    offgil::pool pool(2);
    offgil::future<std::unique_ptr<int>> made = pool.submit([] { return std::make_unique<int>(3); });
    const std::unique_ptr<int> mine = made.get();
    CHECK(*mine == 3);
    CHECK(!made.valid());
}

TEST(a_reference_result_refers_to_the_object_itself) {
    offgil::pool pool(2);
    int number = 1;
    offgil::future<int &> there = pool.submit([&number]() -> int & { return number; });
    CHECK(&there.get() == &number);
}

TEST(const_and_rvalue_results_are_plain_values) {
    offgil::pool pool(2);
    std::string text = "moved";
    offgil::future<std::string> value = pool.submit([&text]() -> std::string && { return std::move(text); });
    CHECK(value.get() == "moved");
    offgil::future<std::string> constant = pool.submit([]() -> const std::string { return "const"; });
    CHECK(constant.get() == "const");
}

TEST(a_void_future_gets_nothing_but_the_end) {
    offgil::pool pool(2);
    std::atomic<bool> ran{false};
    offgil::future<void> end = pool.submit([&ran] { ran = true; });
    end.get();
    CHECK(ran && !end.valid());
}

TEST(get_throws_what_the_task_threw) {
    offgil::pool pool(2);
    offgil::future<int> failed = pool.submit([]() -> int { throw std::invalid_argument("no such number"); });
    CHECK_THROWS(std::invalid_argument, "no such number", failed.get());
    CHECK(!failed.valid());

    offgil::future<void> odd = pool.submit([] { throw 7; });
    int caught = 0;
    try {
        odd.get();
    } catch (int thrown) {
        caught = thrown;
    }
    CHECK(caught == 7);
}

TEST(c_sees_an_exception_as_a_failed_task_with_its_words) {
    offgil::pool pool(2);
    offgil::future<void> failed = pool.submit([] { throw std::runtime_error("in words"); });
    failed.wait();
    char words[20];
    std::int32_t code = 1;
    CHECK(offgil_future_error(failed.handle(), &code, words, sizeof words) == OFFGIL_EFAILED);
    CHECK(code == 0 && std::strcmp(words, "in words") == 0);
}

TEST(this_task_fail_is_an_error_with_code_and_message) {
    offgil::pool pool(2);
    offgil::future<int> failed = pool.submit([] {
        offgil::this_task::fail(12, "by hand");
        return 1;
    });
    try {
        failed.get();
        CHECK(false);
    } catch (const offgil::error &caught) {
        CHECK(caught.status() == offgil::status::failed && caught.code() == 12);
        CHECK(std::strstr(caught.what(), "by hand") != nullptr);
    }
    CHECK_STATUS(invalid, offgil::this_task::fail(1, "outside a task"));
}

TEST(an_empty_future_says_so) {
    offgil::future<int> empty;
    CHECK(!empty.valid() && empty.handle() == nullptr);
    CHECK_STATUS(invalid, empty.get());
    CHECK_STATUS(invalid, empty.wait());
    CHECK_STATUS(invalid, empty.wait_for(1s));
    CHECK_STATUS(invalid, empty.ready());
    CHECK_STATUS(invalid, empty.cancel());
    CHECK_STATUS(invalid, std::move(empty).then([](int) {}));
}

TEST(a_future_is_moved_and_swapped) {
    offgil::pool pool(2);
    offgil::future<int> first = pool.submit([] { return 1; }), second = pool.submit([] { return 2; });
    offgil::future<int> moved = std::move(first);
    CHECK(!first.valid() && moved.valid());
    moved.swap(second);
    CHECK(second.get() == 1);
    second = std::move(moved);
    CHECK(second.get() == 2);
}

TEST(a_timed_wait_says_timeout_and_then_ready) {
    held hold;
    offgil::future<int> later = hold.pool.submit([] { return 1; });
    CHECK(!later.ready());
    CHECK(later.wait_for(0s) == offgil::future_status::timeout);
    CHECK(later.wait_for(-1h) == offgil::future_status::timeout);
    CHECK(later.wait_for(std::chrono::duration<double>(0.001)) == offgil::future_status::timeout);
    CHECK(later.wait_until(std::chrono::steady_clock::now() + 1ms) == offgil::future_status::timeout);
    CHECK(later.wait_until(std::chrono::system_clock::now() - 1h) == offgil::future_status::timeout);
    hold.let_go();
    CHECK(later.wait_for(std::chrono::hours::max()) == offgil::future_status::ready);
    CHECK(later.wait_until(std::chrono::system_clock::now() + 1h) == offgil::future_status::ready);
    CHECK(later.ready());
    CHECK(later.get() == 1);
}

TEST(durations_are_clamped_never_turned_into_for_ever) {
    using offgil::detail::nanoseconds;
    CHECK(nanoseconds(-1ns) == 0);
    CHECK(nanoseconds(std::chrono::duration<double>(-1e300)) == 0);
    CHECK(nanoseconds(std::chrono::duration<double>(1e300)) == INT64_MAX);
    CHECK(nanoseconds(std::chrono::hours::max()) == INT64_MAX);
    CHECK(nanoseconds(std::chrono::nanoseconds::max()) == INT64_MAX);
    CHECK(nanoseconds(std::chrono::duration<double, std::nano>(0.25)) == 1);
    CHECK(nanoseconds(2us) == 2000);
}

TEST(a_canceled_task_throws_canceled_and_its_callable_is_gone) {
    held hold;
    offgil::future<int> never = hold.pool.submit([object = counted(1)] { return object.value; });
    CHECK(counted::alive() == 1);
    CHECK(never.cancel() == offgil::cancel_result::canceled);
    CHECK(counted::alive() == 0);
    CHECK(never.ready());
    CHECK(never.cancel() == offgil::cancel_result::done);
    CHECK_STATUS(canceled, never.get());
    CHECK(!never.valid());
}

TEST(cancel_of_a_running_task_asks_it_to_stop) {
    offgil::pool pool(1);
    gate began;
    offgil::future<bool> stopped = pool.submit([&began] {
        began.open();
        eventually([] { return offgil::this_task::is_canceled(); });
        return true;
    });
    began.pass();
    CHECK(stopped.cancel() == offgil::cancel_result::running);
    CHECK(stopped.get());
    CHECK(!offgil::this_task::is_canceled());
}

TEST(get_inside_a_task_of_a_pool_of_one_runs_the_child) {
    offgil::pool pool(1);
    const auto outer = [&pool] { return 1 + pool.submit([] { return 1; }).get(); };
    CHECK(pool.submit(outer).get() == 2);
}

TEST(a_circle_throws_deadlock_and_leaves_the_future_as_it_was) {
    offgil::pool pool(1);
    offgil::future<int> own;
    gate submitted;
    own = pool.submit([&] {
        submitted.pass();
        CHECK_STATUS(deadlock, own.get());
        CHECK(own.valid());
        CHECK_STATUS(deadlock, own.wait());
        return 1;
    });
    submitted.open();
    // Not by get here: it would empty the future while the task uses it.
    while (!own.ready())
        std::this_thread::sleep_for(1ms);
    CHECK(own.get() == 1);
}

TEST(a_future_outlives_its_pool) {
    offgil::future<std::string> late;
    {
        offgil::pool pool(2);
        late = pool.submit([] { return std::string("a text that is too long to be stored in place"); });
    }
    CHECK(late.ready());
    CHECK(late.get().size() == 45);
}

TEST(results_that_nobody_asks_for_are_destroyed) {
    {
        offgil::pool pool(2);
        for (int i = 0; i < 100; i++)
            pool.submit([i] { return counted(i); });
        for (int i = 0; i < 100; i++)
            pool.submit([]() -> counted { throw counted(1); });
    }
    CHECK(counted::alive() == 0);
}

TEST(callables_are_destroyed_before_the_end_can_be_seen) {
    offgil::pool pool(2);
    for (int i = 0; i < 100; i++) {
        offgil::future<void> end = pool.submit([object = counted(i)] {}), lost;
        end.wait();
        CHECK(counted::alive() == 0);
    }
}

TEST(a_failed_submit_destroys_what_it_took) {
    offgil::pool pool(1);
    pool.shutdown();
    CHECK_STATUS(closed, pool.submit([object = counted(1)] {}));
    CHECK_STATUS(closed, pool.spawn([](const counted &) {}, counted(2)));
    CHECK(counted::alive() == 0);
}

struct sore {
    sore() = default;
    sore(const sore &) { throw std::runtime_error("not to be copied"); }
    void operator()() const {}
};

TEST(a_callable_that_throws_when_copied_throws_in_submit) {
    offgil::pool pool(1);
    const sore callable;
    CHECK_THROWS(std::runtime_error, "not to be copied", pool.submit(callable));
    CHECK_THROWS(std::runtime_error, "not to be copied",
                 pool.submit([](const counted &, const sore &) {}, counted(), callable));
    CHECK(counted::alive() == 0);
}

TEST(a_result_that_throws_when_moved_fails_the_task) {
    struct stiff {
        stiff() = default;
        stiff(stiff &&) { throw std::runtime_error("not to be moved"); }
    };
    offgil::pool pool(1);
    offgil::future<stiff> made = pool.submit([] { return stiff(); });
    CHECK_THROWS(std::runtime_error, "not to be moved", made.get());
}

TEST(tasks_of_a_canceled_pool_are_destroyed_and_throw_canceled) {
    std::vector<offgil::future<int>> futures;
    {
        held hold;
        for (int i = 0; i < 50; i++) {
            futures.push_back(hold.pool.submit([object = counted(i)] { return object.value; }));
            hold.pool.spawn([object = counted(i)] {});
        }
        CHECK(!hold.pool.shutdown(offgil::shutdown_mode::cancel, 0s));
        CHECK(counted::alive() == 0);
    }
    for (offgil::future<int> &never : futures)
        CHECK_STATUS(canceled, never.get());
}

static std::atomic<int> allocations{0};

TEST(a_shared_future_is_asked_by_many) {
    const offgil::pool pool(2);
    offgil::future<counted> own = pool.submit([] { return counted(5); });
    {
        const offgil::shared_future<counted> shared = own.share(), copy = shared;
        CHECK(!own.valid() && shared.valid());
        const counted &result = shared.get();
        CHECK(&result == &copy.get() && result.value == 5);
        std::thread other([mine = shared] { CHECK(mine.get().value == 5); });
        other.join();
        CHECK(copy.ready() && copy.wait_for(0s) == offgil::future_status::ready);
        CHECK(copy.cancel() == offgil::cancel_result::done);
        CHECK(pool.submit(offgil::task_options().after(shared), [] { return 1; }).get() == 1);
    }
    CHECK(counted::alive() == 0);
}

TEST(a_shared_future_of_references_void_and_failures) {
    const offgil::pool pool(2);
    int number = 1;
    CHECK(&pool.submit([&number]() -> int & { return number; }).share().get() == &number);
    pool.submit([] {}).share().get();
    const offgil::shared_future<int> failed =
        pool.submit([]() -> int { throw std::range_error("again"); }).share();
    for (int i = 0; i < 3; i++)
        CHECK_THROWS(std::range_error, "again", failed.get());
    const offgil::shared_future<int> empty;
    CHECK(!empty.valid());
    CHECK_STATUS(invalid, empty.get());
    CHECK_STATUS(invalid, empty.wait());
}

// Not inlined: gcc would see malloc on one side and delete on the other.
[[gnu::noinline]] void *operator new(std::size_t size) {
    allocations++;
    if (void *memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void *memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}

TEST(a_task_is_one_allocation) {
    offgil::pool pool(1);
    const int before = allocations;
    offgil::future<int> answer = pool.submit([](int a, int b) { return a * b; }, 6, 7);
    answer.wait();
    CHECK(allocations == before + 1);
    CHECK(answer.get() == 42);
    pool.spawn([] {});
    pool.wait_idle();
    CHECK(allocations == before + 2);
}
