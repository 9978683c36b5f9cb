// offgil::future::then: a task that comes after another one and gets its result.
#include "check.hpp"

TEST(then_is_called_with_the_result) {
    offgil::pool pool(2);
    offgil::future<int> first = pool.submit([] { return 20; });
    offgil::future<std::string> text =
        std::move(first).then([](int n) { return n + 1; }).then([](int n) { return std::to_string(n); });
    CHECK(!first.valid());
    CHECK(text.get() == "21");
}

TEST(then_passes_void_references_and_move_only_results) {
    offgil::pool pool(2);
    int number = 1;
    offgil::future<std::unique_ptr<int>> made =
        pool.submit([] {}).then([&number]() -> int & { return number; }).then([](int &there) {
            return std::make_unique<int>(++there);
        });
    CHECK(*made.then([](std::unique_ptr<int> own) { return own; }).get() == 2);
    CHECK(number == 2);
}

TEST(then_waits_for_a_task_that_has_not_begun) {
    held hold;
    offgil::future<int> first = hold.pool.submit([] { return 1; });
    offgil::future<int> second = first.then([](int n) { return n + 1; });
    CHECK(second.wait_for(soon) == offgil::future_status::timeout);
    hold.let_go();
    CHECK(second.get() == 2);
}

TEST(then_passes_an_exception_on_without_a_call) {
    offgil::pool pool(2);
    std::atomic<bool> called{false};
    offgil::future<void> last = pool.submit([]() -> int { throw std::out_of_range("too far"); })
                                    .then([&called](int) { called = true; })
                                    .then([&called, object = counted()] { called = true; });
    CHECK_THROWS(std::out_of_range, "too far", last.get());
    CHECK(!called && counted::alive() == 0);
}

TEST(then_of_a_task_that_failed_long_ago_throws_the_same) {
    offgil::pool pool(2);
    offgil::future<int> failed = pool.submit([]() -> int { throw std::out_of_range("too far"); });
    failed.wait();
    CHECK_THROWS(std::out_of_range, "too far", failed.then([](int) {}).get());
    offgil::future<int> by_hand = pool.submit([] {
        offgil::this_task::fail(3, "by hand");
        return 0;
    });
    by_hand.wait();
    CHECK_STATUS(failed, by_hand.then([](int) {}).get());
}

TEST(then_of_a_canceled_task_is_canceled) {
    held hold;
    offgil::future<int> first = hold.pool.submit([] { return 1; });
    offgil_future_t *const handle = offgil_future_retain(first.handle());
    offgil::future<void> second = first.then([](int) {});
    CHECK(offgil_future_cancel(handle) == OFFGIL_OK);
    CHECK_STATUS(canceled, second.get());
    offgil_future_release(handle);
}

TEST(a_cancel_of_what_comes_after_leaves_the_task_alone) {
    std::atomic<int> ran{0};
    {
        held hold;
        offgil::future<void> second = hold.pool.submit([&ran] { ran++; }).then([&ran] { ran += 10; });
        CHECK(second.cancel() == offgil::cancel_result::canceled);
        CHECK_STATUS(canceled, second.get());
    }
    CHECK(ran == 1);
}

TEST(then_runs_on_the_pool_that_is_given) {
    offgil::pool first(1), second(1);
    offgil::future<bool> there =
        first.submit([] {}).then(second, [&second] { return second.worker_index() == 0; });
    CHECK(there.get());
}

TEST(then_on_a_closed_pool_throws_and_leaves_the_future_as_it_was) {
    offgil::pool pool(1), closed(1);
    closed.shutdown();
    offgil::future<int> first = pool.submit([] { return 1; });
    CHECK_STATUS(closed, first.then(closed, [object = counted()](int) {}));
    CHECK(counted::alive() == 0);
    CHECK(first.get() == 1);
}
