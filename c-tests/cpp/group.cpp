// offgil::group: tasks that are waited for and canceled together.
#include "check.hpp"

TEST(wait_returns_when_all_tasks_of_a_group_have_ended) {
    const offgil::pool pool(2);
    offgil::group group(pool);
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; i++)
        group.spawn([&ran](int n) { ran += n; }, 1);
    offgil::future<int> one = group.submit([] { return 7; });
    group.wait();
    CHECK(ran == 100 && one.ready());
    CHECK(one.get() == 7);
    CHECK(group.wait_for(0s) == offgil::future_status::ready);
}

/// Two tasks throw, the first or the second of them at first.
static void first_of_two(bool in_order) {
    const offgil::pool pool(2);
    const offgil::group group(pool);
    gate first_may, second_may;
    const offgil::future<void> first = group.submit([&first_may] {
        first_may.pass();
        throw std::out_of_range("the first");
    });
    const offgil::future<void> second = group.submit([&second_may] {
        second_may.pass();
        throw std::runtime_error("the second");
    });
    (in_order ? first_may : second_may).open();
    (in_order ? first : second).wait_for(long_enough);
    first_may.open();
    second_may.open();
    CHECK_THROWS(std::out_of_range, "the first", group.wait());
    CHECK_THROWS(std::out_of_range, "the first", group.wait());
    CHECK(group.wait_for(0s) == offgil::future_status::ready);
}

TEST(wait_throws_the_exception_of_the_task_that_was_submitted_first) {
    first_of_two(true);
    first_of_two(false);
}

TEST(an_exception_goes_to_the_future_and_to_the_group) {
    const offgil::pool pool(2);
    const offgil::group group(pool);
    offgil::future<void> thrower = group.submit([] { throw std::runtime_error("both"); });
    CHECK_THROWS(std::runtime_error, "both", group.wait());
    CHECK_THROWS(std::runtime_error, "both", thrower.get());
}

TEST(a_failure_of_a_task_of_options_or_below_is_status_failed) {
    const offgil::pool pool(2);
    const offgil::group above(pool);
    {
        const offgil::group below(pool, above);
        below.spawn([] { throw std::runtime_error("below"); });
        CHECK_THROWS(std::runtime_error, "below", below.wait());
    }
    CHECK_STATUS(failed, above.wait());
    const offgil::group other(pool);
    pool.spawn(offgil::task_options().in(other), [] { throw std::runtime_error("by options"); });
    CHECK_STATUS(failed, other.wait());
}

TEST(a_canceled_group_takes_no_more_and_throws_canceled) {
    held hold;
    const offgil::group group(hold.pool);
    group.spawn([object = counted()] {});
    CHECK(group.wait_for(1ms) == offgil::future_status::timeout);
    group.cancel();
    CHECK(counted::alive() == 0);
    CHECK_STATUS(canceled, group.wait());
    CHECK_STATUS(canceled, group.spawn([object = counted()] {}));
    CHECK(counted::alive() == 0);
}

TEST(the_destructor_of_a_group_cancels_and_waits) {
    const offgil::pool pool(1);
    std::atomic<bool> ended{false};
    std::atomic<int> ran{0};
    {
        const offgil::group group(pool);
        gate began;
        group.spawn([&] {
            began.open();
            eventually([] { return offgil::this_task::is_canceled(); });
            ended = true;
        });
        began.pass();
        group.spawn([&ran] { ran++; });
    }
    CHECK(ended && ran == 0);
}

TEST(a_group_is_moved) {
    const offgil::pool pool(2);
    offgil::group first(pool), second(pool);
    first.spawn([] { throw std::runtime_error("moved"); });
    second = std::move(first);
    const offgil::group third = std::move(second);
    CHECK_THROWS(std::runtime_error, "moved", third.wait());
    CHECK(second.handle() == nullptr);
    CHECK_STATUS(invalid, second.wait());
}

TEST(the_destructor_of_a_group_waits_where_no_thread_can_be_had) {
    const offgil::pool one(one_thread_only()), other(2);
    std::atomic<bool> begun{false}, refused{false}, ended{false};
    offgil::shared_future<void> behind;
    const offgil::future<void> outer = one.submit([&] {
        behind = one.submit([] {}).share(); // only this thread could run it
        {
            const offgil::group group(other);
            group.spawn([&refused, &ended, behind] {
                wait_until_canceled(behind, refused);
                ended = true;
            });
            eventually([&other] { return blocked_in(other) == 1; });
            is_refused([&group] { group.wait(); }, refused);
            begun = true;
        }
        CHECK(ended);
    });
    eventually([&begun, &refused] { return begun || refused; });
    CHECK(outer.wait_for(soon) == offgil::future_status::timeout);
    behind.cancel();
    outer.wait();
    CHECK(ended);
}

TEST(the_destructor_of_a_group_terminates_where_its_task_waits_for_the_caller) {
    CHECK(terminates_with(offgil::status::deadlock, [] {
        const offgil::pool one(1), other(1);
        offgil::shared_future<void> outer;
        gate known;
        outer = one.submit([&] {
                       known.pass();
                       const offgil::group group(other);
                       group.spawn([&outer] { outer.wait(); });
                       eventually([&other] { return blocked_in(other) == 1; });
                   })
                    .share();
        known.open();
        outer.get();
    }));
}

TEST(the_destructor_of_a_group_in_its_own_task_lets_go) {
    offgil::pool pool(1);
    std::atomic<int> ran{0};
    gate given;
    auto group = std::make_shared<offgil::group>(pool);
    const offgil::group *const named = group.get();
    named->spawn([&given, &ran, group] {
        given.pass();
        ran++;
    });
    group.reset();
    given.open();
    pool.wait_idle();
    CHECK(ran == 1);
}

TEST(the_destructor_of_a_group_in_a_task_of_one_below_lets_go) {
    const offgil::pool pool(1);
    auto above = std::make_unique<const offgil::group>(pool);
    {
        const offgil::group middle(pool, *above), below(pool, middle);
        below.spawn([&above] { above.reset(); });
        below.wait();
    }
    CHECK(!above);
}

struct tree {
    explicit tree(const offgil::pool &pool) : top(pool), middle(pool, top), leaf(pool, middle) {}

    offgil::group top, middle, leaf;
};

TEST(three_groups_whose_last_owner_is_a_task_of_the_lowest_are_let_go) {
    const offgil::pool pool(2);
    auto owner = std::make_shared<const tree>(pool);
    const std::weak_ptr<const tree> seen = owner;
    gate end;
    owner->leaf.spawn([owner, &end]() mutable {
        end.pass();
        owner.reset();
    });
    owner.reset();
    CHECK(!seen.expired());
    end.open();
    CHECK(offgil_pool_wait_idle(pool.handle(), OFFGIL_FOREVER) == OFFGIL_OK);
    CHECK(seen.expired());
}

TEST(the_destructor_of_a_group_that_goes_with_a_canceled_task_lets_go) {
    std::weak_ptr<const offgil::group> gone;
    held hold;
    {
        const auto group = std::make_shared<const offgil::group>(hold.pool);
        group->spawn([group] { CHECK(false); });
        gone = group;
    }
    CHECK(!hold.pool.shutdown(offgil::shutdown_mode::cancel, 0s));
    CHECK(gone.expired());
}
