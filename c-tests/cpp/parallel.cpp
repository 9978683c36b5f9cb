// offgil::for_each, for_each_index, reduce, invoke: the same results and exceptions as one thread would have.
#include "check.hpp"

#include <deque>
#include <numeric>

TEST(for_each_visits_each_element_once) {
    const offgil::pool pool(3);
    std::vector<int> numbers(10000, 1);
    offgil::for_each(pool, numbers.begin(), numbers.end(), [](int &n) { n++; });
    CHECK(std::accumulate(numbers.begin(), numbers.end(), 0) == 20000);
    std::deque<int> other(777, 1);
    offgil::for_each(pool, other.begin(), other.end(), [](int &n) { n = 3; }, 10);
    CHECK(std::accumulate(other.begin(), other.end(), 0) == 3 * 777);
    offgil::for_each(offgil::pool::default_pool(), other.begin(), other.begin(), [](int &) { CHECK(false); });
}

TEST(for_each_index_visits_each_index_once) {
    const offgil::pool pool(3);
    std::vector<std::atomic<int>> visits(5000);
    offgil::for_each_index(pool, 100, 5000, [&visits](std::size_t i) { visits[i]++; });
    for (std::size_t i = 0; i < visits.size(); i++)
        CHECK(visits[i] == (i < 100 ? 0 : 1));
    CHECK_STATUS(invalid, offgil::for_each_index(pool, 2, 1, [](std::size_t) {}));
}

TEST(for_each_throws_the_exception_of_the_lowest_index) {
    const offgil::pool pool(3);
    for (int round = 0; round < 50; round++) {
        std::atomic<int> below{0};
        CHECK_THROWS(std::runtime_error, "123",
                     offgil::for_each_index(pool, 0, 1000, [&below](std::size_t i) {
                         if (i >= 123 && i % 10 == 3)
                             throw std::runtime_error(std::to_string(i));
                         if (i < 123)
                             below++;
                     }));
        CHECK(below == 123);
    }
}

TEST(for_each_says_when_the_pool_is_closed) {
    const offgil::pool pool(1);
    pool.shutdown();
    CHECK_STATUS(closed, offgil::for_each_index(pool, 0, 10, [](std::size_t) {}));
}

TEST(for_each_inside_a_task_nests) {
    const offgil::pool pool(2);
    std::atomic<int> visits{0};
    pool.submit([&] {
            offgil::for_each_index(pool, 0, 10, [&](std::size_t) {
                offgil::for_each_index(pool, 0, 10, [&](std::size_t) { visits++; });
            });
        })
        .get();
    CHECK(visits == 100);
}

TEST(reduce_is_the_same_in_any_pool_in_floating_point_too) {
    std::vector<double> numbers(100003);
    for (std::size_t i = 0; i < numbers.size(); i++)
        numbers[i] = 1.0 / static_cast<double>(i + 1);
    const auto plus = [](double a, double b) { return a + b; };
    const offgil::pool one(1), four(4);
    const double first = offgil::reduce(one, numbers.begin(), numbers.end(), 0.5, plus);
    for (int round = 0; round < 10; round++) {
        const double again = offgil::reduce(four, numbers.begin(), numbers.end(), 0.5, plus);
        CHECK(std::memcmp(&again, &first, sizeof first) == 0);
    }
    CHECK(first > 12.5 && first < 12.7);
}

TEST(reduce_keeps_the_order_and_starts_with_the_initial_value) {
    const offgil::pool pool(3);
    std::string expected = "start:";
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    for (const int n : numbers)
        expected += std::to_string(n);
    const auto append = [](std::string a, const std::string &b) { return std::move(a) + b; };
    const auto text = [](int n) { return std::to_string(n); };
    CHECK(offgil::reduce(pool, numbers.begin(), numbers.end(), std::string("start:"), append, text) ==
          expected);
    CHECK(offgil::reduce(pool, numbers.begin(), numbers.begin(), std::string("only"), append, text) ==
          "only");
}

TEST(reduce_throws_the_exception_of_the_leftmost_part) {
    const offgil::pool pool(3);
    std::vector<int> numbers(10000, 1);
    numbers[4000] = -1;
    numbers[9000] = -2;
    const auto refuse = [](int n) { return n < 0 ? throw std::out_of_range(std::to_string(n)) : n; };
    for (int round = 0; round < 20; round++)
        CHECK_THROWS(std::out_of_range, "-1",
                     offgil::reduce(pool, numbers.begin(), numbers.end(), 0, std::plus<>(), refuse));
}

TEST(reduce_throws_what_op_throws_and_destroys_what_it_made) {
    const offgil::pool pool(3);
    const std::vector<int> numbers(10000, 1);
    const auto plus = [](const counted &a, const counted &b) {
        return a.value + b.value > 500 ? throw std::overflow_error("too large") : counted(a.value + b.value);
    };
    const auto object = [](int n) { return counted(n); };
    for (int round = 0; round < 10; round++)
        CHECK_THROWS(std::overflow_error, "too large",
                     offgil::reduce(pool, numbers.begin(), numbers.end(), counted(), plus, object));
    CHECK(offgil::reduce(pool, numbers.begin(), numbers.begin() + 300, counted(), plus, object).value == 300);
    CHECK(counted::alive() == 0);
}

static int fibonacci(const offgil::pool &pool, int n) {
    if (n < 2)
        return n;
    int left = 0, right = 0;
    offgil::invoke(pool, [&] { left = fibonacci(pool, n - 1); }, [&] { right = fibonacci(pool, n - 2); });
    return left + right;
}

TEST(invoke_calls_all_and_nests) {
    const offgil::pool pool(2);
    CHECK(fibonacci(pool, 15) == 610);
    std::atomic<int> sum{0};
    offgil::invoke(pool, [&] { sum += 1; }, [&] { sum += 10; }, [&] { sum += 100; }, [&] { sum += 1000; });
    CHECK(sum == 1111);
}

TEST(invoke_throws_the_leftmost_exception_after_all_have_ended) {
    const offgil::pool pool(2);
    const auto throws = [](const char *what) { return [what] { throw std::runtime_error(what); }; };
    for (int round = 0; round < 50; round++) {
        std::atomic<bool> ran{false};
        CHECK_THROWS(std::runtime_error, "left",
                     offgil::invoke(pool, throws("left"), [&ran] { ran = true; }));
        CHECK(ran);
        CHECK_THROWS(std::runtime_error, "left", offgil::invoke(pool, throws("left"), throws("right")));
        CHECK_THROWS(std::runtime_error, "right",
                     offgil::invoke(pool, [] {}, throws("right"), throws("last")));
    }
    pool.shutdown();
    CHECK_STATUS(closed, offgil::invoke(pool, [] {}, [] {}));
}
