// offgil::pool, task_options, completion_queue, blocking.
#include "check.hpp"

TEST(the_destructor_runs_what_is_queued) {
    std::atomic<int> ran{0};
    {
        offgil::pool pool(2);
        for (int i = 0; i < 1000; i++)
            pool.spawn([&ran](int n) { ran += n; }, 1);
    }
    CHECK(ran == 1000);
}

TEST(the_destructor_inside_a_task_of_the_pool_lets_go_of_it) {
    std::atomic<int> ran{0};
    auto pool = std::make_unique<offgil::pool>(1);
    gate handed_over;
    offgil::future<void> last = pool->submit([&] {
        handed_over.pass();
        pool.reset();
        ran++;
    });
    offgil::future<void> queued = pool->submit([&ran] { ran++; });
    handed_over.open();
    last.get();
    queued.get();
    CHECK(ran == 2 && !pool);
}

TEST(the_destructor_inside_a_blocking_task_of_the_pool_lets_go_of_it) {
    auto pool = std::make_unique<offgil::pool>(1);
    gate handed_over;
    offgil::future<void> last = pool->submit(offgil::task_options().blocking(), [&] {
        handed_over.pass();
        pool.reset();
    });
    handed_over.open();
    last.get();
    CHECK(!pool);
}

/// A task that is held back, whose function is the last owner of its pool.
static offgil::future<void> submit_the_last_owner(const offgil::task_options &options) {
    const auto pool = std::make_shared<offgil::pool>(1);
    return pool->submit(options, [pool] {});
}

TEST(the_destructor_where_a_held_task_is_canceled_lets_go_of_the_pool) {
    const auto task = submit_the_last_owner(offgil::task_options().delay(1h));
    CHECK(task.cancel() == offgil::cancel_result::canceled); // here
    auto late = submit_the_last_owner(offgil::task_options().delay(1h).deadline(1ms));
    CHECK_STATUS(canceled, late.get()); // on the thread of the timers
    const offgil::pool other(1);
    gate submitted;
    offgil::future<void> first = other.submit([&submitted] {
        submitted.pass();
        throw std::runtime_error("no");
    });
    const auto dependent = submit_the_last_owner(offgil::task_options().after(first));
    submitted.open();
    dependent.wait(); // on the other pool's
    CHECK_THROWS(std::runtime_error, "no", first.get());
}

TEST(the_destructor_waits_where_no_thread_can_be_had) {
    const offgil::pool one(one_thread_only());
    std::atomic<bool> begun{false}, refused{false}, ended{false};
    std::atomic<offgil_pool_t *> handle{nullptr};
    offgil::shared_future<void> behind;
    const offgil::future<void> outer = one.submit([&] {
        behind = one.submit([] {}).share(); // only this thread could run it
        {
            const offgil::pool other(2);
            handle = other.handle();
            other.spawn([&refused, &ended, behind] {
                wait_until_canceled(behind, refused);
                ended = true;
            });
            eventually([&other] { return blocked_in(other) == 1; });
            is_refused([&other] { other.wait_idle(); }, refused);
            begun = true;
        }
        CHECK(ended && offgil_pool_thread_count(handle) == 0);
    });
    eventually([&begun, &refused] { return begun || refused; });
    CHECK(outer.wait_for(soon) == offgil::future_status::timeout);
    eventually([&handle, &refused] {
        return refused ||
               offgil_pool_spawn(handle, [](void *nothing) { return nothing; }, nullptr) == OFFGIL_ECLOSED;
    });
    behind.cancel();
    outer.wait();
    CHECK(ended);
}

TEST(the_destructor_terminates_where_a_task_waits_for_the_caller) {
    CHECK(terminates_with(offgil::status::deadlock, [] {
        const offgil::pool one(1);
        offgil::shared_future<void> outer;
        gate known;
        outer = one.submit([&] {
                       known.pass();
                       const offgil::pool other(1);
                       other.spawn([&outer] { outer.wait(); });
                       eventually([&other] { return blocked_in(other) == 1; });
                   })
                    .share();
        known.open();
        outer.get();
    }));
}

TEST(a_pool_is_moved) {
    offgil::pool first(1), second(2);
    offgil::pool_options options;
    options.threads = 3;
    offgil::pool third(options);
    second = std::move(third);
    CHECK(second.thread_count() == 3);
    const offgil::pool moved = std::move(second);
    CHECK(moved.submit([] { return 1; }).get() == 1);
    CHECK(second.handle() == nullptr);
    CHECK_STATUS(invalid, second.submit([] {}));
}

TEST(the_default_pool_is_nobodys) {
    offgil_pool_t *const handle = offgil::pool::default_pool().handle();
    CHECK(offgil::pool::default_pool().handle() == handle);
    CHECK(offgil::pool::default_pool().submit([] { return 1; }).get() == 1);
    CHECK_STATUS(invalid, offgil::pool::default_pool().release());
    CHECK_STATUS(invalid, offgil::pool::default_pool().shutdown());
}

TEST(a_pool_of_c_is_borrowed_or_adopted) {
    offgil_pool_t *const made = offgil_pool_create(1);
    CHECK(offgil::pool::borrow(made).submit([] { return 1; }).get() == 1);
    {
        const offgil::pool mine = offgil::pool::adopt(made);
        CHECK(mine.handle() == made && mine.thread_count() == 1);
    }
    CHECK(offgil_pool_destroy(made) == OFFGIL_EHANDLE);
}

TEST(a_pool_that_cannot_be_made_throws) {
    CHECK_STATUS(invalid, offgil::pool(5000));
    offgil::pool_options options;
    options.when_full = 77;
    CHECK_STATUS(invalid, offgil::pool{options});
}

TEST(a_released_pool_still_runs_what_is_queued) {
    std::atomic<int> ran{0};
    offgil::pool pool(1);
    offgil::future<void> first = pool.submit([&ran] { ran++; });
    pool.release();
    CHECK(pool.handle() == nullptr);
    first.get();
    CHECK(ran == 1);
}

TEST(shutdown_with_a_limit_says_whether_all_is_done) {
    held hold;
    CHECK(!hold.pool.wait_idle_for(0s));
    CHECK(!hold.pool.shutdown(offgil::shutdown_mode::drain, 1ms));
    hold.let_go();
    CHECK(hold.pool.shutdown(offgil::shutdown_mode::drain, long_enough));
    CHECK(hold.pool.wait_idle_for(long_enough));
}

TEST(a_wait_of_a_task_for_its_own_pool_throws_deadlock) {
    offgil::pool pool(1);
    pool.submit([&pool] {
            CHECK_STATUS(deadlock, pool.wait_idle());
            CHECK_STATUS(deadlock, pool.shutdown());
        })
        .get();
}

TEST(a_full_queue_throws_full) {
    offgil::pool_options options;
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = OFFGIL_POOL_FULL_FAIL;
    const offgil::pool pool(options);
    gate began, end;
    pool.spawn([&] {
        began.open();
        end.pass();
    });
    began.pass();
    pool.spawn([] {});
    CHECK_STATUS(full, pool.submit([object = counted()] {}));
    CHECK(counted::alive() == 0);
    end.open();
}

TEST(worker_index_is_below_the_number_of_threads) {
    offgil::pool pool(2);
    CHECK(pool.worker_index() == -1);
    const int index = pool.submit([&pool] { return pool.worker_index(); }).get();
    CHECK(index == 0 || index == 1);
}

TEST(a_pool_is_resized) {
    const offgil::pool pool(2);
    pool.resize(5);
    CHECK(pool.thread_count() == 5);
    CHECK_STATUS(invalid, pool.resize(5000));
}

TEST(what_a_spawned_task_throws_is_a_lost_error) {
    static std::atomic<int> lost{0};
    offgil::pool_options options;
    options.threads = 1;
    options.on_lost_error = [](void *, const char *name, offgil_status status, std::int32_t,
                               const char *message) {
        CHECK(status == OFFGIL_EFAILED && std::strcmp(name, "thrower") == 0);
        CHECK(std::strcmp(message, "nobody will ask") == 0);
        lost++;
    };
    {
        const offgil::pool pool(options);
        pool.spawn(offgil::task_options().name("thrower"),
                   [] { throw std::runtime_error("nobody will ask"); });
        offgil::future<void> asked = pool.submit([] { throw std::runtime_error("somebody asks"); });
        CHECK_THROWS(std::runtime_error, "somebody asks", asked.get());
    }
    CHECK(lost == 1);
}

TEST(a_thread_can_be_lent) {
    offgil::pool pool(1);
    offgil::future<std::thread::id> there =
        pool.submit(offgil::task_options().lent_only(), [] { return std::this_thread::get_id(); });
    std::thread lent([&pool] { pool.run_worker(); });
    CHECK(there.get() == lent.get_id());
    pool.shutdown();
    lent.join();
    CHECK_STATUS(closed, pool.run_worker());
}

TEST(a_high_task_comes_before_others) {
    std::string order;
    {
        held hold;
        hold.pool.spawn([&order] { order += "n"; });
        hold.pool.spawn(offgil::task_options().priority(offgil::priority::high), [&order] { order += "h"; });
    }
    CHECK(order == "hn");
}

TEST(a_task_starts_after_those_that_it_names) {
    offgil::pool pool(2);
    std::atomic<int> ended{0};
    gate begin;
    const auto part = [&] {
        begin.pass();
        ended++;
        return 1;
    };
    const offgil::future<int> first = pool.submit(part), second = pool.submit(part);
    offgil::future<int> last =
        pool.submit(offgil::task_options().after(first).after(second), [&ended] { return ended.load(); });
    begin.open();
    CHECK(last.get() == 2);
}

TEST(a_task_after_one_that_threw_fails_with_its_words) {
    offgil::pool pool(2);
    offgil::future<int> thrower = pool.submit([]() -> int { throw std::out_of_range("too far"); });
    offgil::future<int> never = pool.submit(offgil::task_options().after(thrower), [] { return 1; });
    try {
        never.get();
        CHECK(false);
    } catch (const offgil::error &caught) {
        CHECK(caught.status() == offgil::status::failed);
        CHECK(std::strstr(caught.what(), "too far") != nullptr);
    }
    CHECK_THROWS(std::out_of_range, "too far", thrower.get());
}

TEST(a_deadline_cancels_and_a_delay_delays) {
    held hold;
    offgil::future<void> late = hold.pool.submit(offgil::task_options().deadline(1ms), [] {});
    CHECK_STATUS(canceled, late.get());
    const auto start = std::chrono::steady_clock::now();
    offgil::future<void> delayed = hold.pool.submit(offgil::task_options().delay(20ms), [] {});
    hold.let_go();
    delayed.get();
    CHECK(std::chrono::steady_clock::now() - start >= 20ms);
}

TEST(blocking_tasks_take_no_place_of_the_pools) {
    held hold;
    CHECK(hold.pool.submit(offgil::task_options().blocking(), [] { return 1; }).get() == 1);
}

TEST(blocking_lends_the_place_to_another_task) {
    offgil::pool pool(1);
    gate other_ran;
    offgil::future<void> blocked = pool.submit([&] {
        const offgil::blocking guard;
        other_ran.pass();
    });
    pool.submit([&other_ran] { other_ran.open(); });
    blocked.get();
}

TEST(blocking_outside_a_task_does_nothing) {
    const offgil::blocking guard;
    offgil::pool pool(1);
    CHECK(pool.submit([] { return 1; }).get() == 1);
}

TEST(a_completion_queue_gives_tasks_as_they_end) {
    const offgil::pool pool(2);
    const offgil::completion_queue queue;
    CHECK(queue.fd() >= 0);
    CHECK(!queue.next_for(0s));
    offgil::future<int> good = pool.submit(offgil::task_options().to(queue, 1), [] { return 1; });
    const offgil::completion first = queue.next();
    CHECK(first.tag == 1 && first.status == OFFGIL_OK);
    offgil::future<int> bad = pool.submit([]() -> int { throw std::runtime_error("no"); });
    queue.add(bad, 2);
    const auto second = queue.next_for(long_enough);
    CHECK(second && second->tag == 2 && second->status == OFFGIL_EFAILED);
    offgil::completion none[4];
    CHECK(queue.take(none, 4) == 0);
    CHECK_STATUS(invalid, queue.take(none, 0));
    CHECK(good.get() == 1);
    CHECK_THROWS(std::runtime_error, "no", bad.get());
}

TEST(a_completion_queue_is_moved_and_released_with_tasks_to_come) {
    offgil::pool pool(1);
    offgil::completion_queue first, second;
    offgil_completion_queue_t *const handle = first.handle();
    second = std::move(first);
    CHECK(second.handle() == handle);
    for (int i = 0; i < 10; i++)
        pool.submit(offgil::task_options().to(second, 1), [] { return counted(); });
    CHECK(second.next().tag == 1);
}
