/**
 * offgil for C++17: the pool of offgil.h with callables, results of any type, and exceptions.
 *
 *     offgil::pool pool(4);
 *     offgil::future<int> answer = pool.submit([](int a, int b) { return a * b; }, 6, 7);
 *     answer.get();                                         42, or what the callable threw
 *
 * Header only: it calls the C functions of offgil.h, under the names that begin with offgil_, and links with
 * -loffgil.
 *
 * Errors: a call that fails throws offgil::error, whose status() is the C status; memory that can't be had
 * for a task is std::bad_alloc. What a callable throws is kept, and thrown again where its result is asked
 * for; it never crosses the C functions. Destructors don't throw.
 *
 * Threads: every function may be called from any thread, also inside tasks, except that one object is not to
 * be moved, assigned, destroyed or emptied (future::get, future::then) while another thread uses it.
 *
 * Memory: a task is one allocation, which holds the callable, its arguments, and the result or the exception.
 * The callable and its arguments are destroyed when the task has run, or is certain never to, before its end
 * can be seen; the result when nobody can ask for it any more.
 *
 * Versions: all of it is in an inline namespace that bears the version, as classes may change with each. What
 * is compiled with different versions runs in one process, but doesn't share objects: docs/abi.md.
 */

#ifndef OFFGIL_HPP
#define OFFGIL_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include "offgil.h"

namespace offgil {
inline namespace v0_1_0 {

/** What a call came to, as offgil_status: see OFFGIL_EINVAL and the others in offgil.h. */
enum class status : std::int32_t {
    ok = OFFGIL_OK,
    invalid = OFFGIL_EINVAL,
    bad_handle = OFFGIL_EHANDLE,
    timed_out = OFFGIL_ETIMEDOUT,
    canceled = OFFGIL_ECANCELED,
    failed = OFFGIL_EFAILED,
    panicked = OFFGIL_EPANIC,
    full = OFFGIL_EFULL,
    closed = OFFGIL_ECLOSED,
    deadlock = OFFGIL_EDEADLK,
    forked = OFFGIL_EFORKED,
    no_memory = OFFGIL_ENOMEM,
    no_thread = OFFGIL_ETHREAD,
    busy = OFFGIL_EBUSY,
    done = OFFGIL_EDONE,
};

/** Where a timed wait stands: the task has ended, however it did, or the time was over first. */
enum class future_status { ready, timeout };

/** What a cancel found: the task will never run; it runs, and was asked to stop; it had ended. */
enum class cancel_result { canceled, running, done };

/** What a shutdown does with tasks that have not begun: runs them, or cancels them and asks the others to
 * stop. */
enum class shutdown_mode : std::int32_t { drain = OFFGIL_POOL_DRAIN, cancel = OFFGIL_POOL_CANCEL };

/** Which tasks are started first: see TASK_LOW, TASK_NORMAL, TASK_HIGH in offgil.h. */
enum class priority : std::int32_t {
    low = OFFGIL_TASK_LOW,
    normal = OFFGIL_TASK_NORMAL,
    high = OFFGIL_TASK_HIGH,
};

/** A call of the library's that failed. what() is a sentence on it (offgil_last_message, where that is about
 * it). */
class error : public std::runtime_error {
  public:
    /** The failure of this thread's last call, which gave `why`. */
    explicit error(offgil_status why, std::int32_t code = 0)
        : std::runtime_error(words(why)), status_(static_cast<enum status>(why)), code_(code) {}

    /** The same failure with a code. */
    error(const error &failure, std::int32_t code)
        : std::runtime_error(failure), status_(failure.status_), code_(code) {}

    /** Why it failed. */
    enum status status() const noexcept { return status_; }

    /** What the task gave this_task::fail; 0 for every other failure. */
    std::int32_t code() const noexcept { return code_; }

  private:
    static std::string words(offgil_status why) {
        const char *message = offgil_last_status() == why ? offgil_last_message() : "";
        return *message != '\0' ? message : offgil_status_message(why);
    }

    enum status status_;
    std::int32_t code_;
};

class pool;
class group;
class completion_queue;
template <class T> class future;
template <class T> class shared_future;

/** A task that has ended, as a completion queue gives it. Tasks of this header have no `result` in it: ask
 * the future. */
using completion = ::offgil_completion_t;

namespace detail {

inline void check(offgil_status status) {
    if (status != OFFGIL_OK)
        throw error(status);
}

template <class Handle> Handle *made(Handle *handle) {
    if (handle == nullptr)
        throw error(offgil_last_status());
    return handle;
}

/**
 * A wait of a destructor, `wait(timeout)`, whose caller must not go on before it has ended. OFFGIL_ETHREAD
 * says that nobody could come for what it needs just then: a wait with a limit, which never says so, goes on.
 * After OFFGIL_EDEADLK it could do neither: this throws, out of what is noexcept.
 */
template <class Wait> void wait_whatever_comes(Wait &&wait) {
    constexpr std::int64_t a_while = 100'000'000;
    offgil_status status = wait(OFFGIL_FOREVER);
    while (status == OFFGIL_ETHREAD) {
        wait(a_while);
        status = wait(OFFGIL_FOREVER);
    }
    if (status == OFFGIL_EDEADLK)
        throw error(status);
}

/** A duration as the C functions take it: never negative (which were for ever), rounded up, at most
 * INT64_MAX. */
template <class Rep, class Period>
std::int64_t nanoseconds(const std::chrono::duration<Rep, Period> &duration) {
    using wide = std::chrono::duration<long double, std::nano>;
    const wide exact = std::chrono::duration_cast<wide>(duration);
    if (!(exact > wide::zero()))
        return 0;
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (exact >= wide(static_cast<long double>(most)))
        return most;
    return std::chrono::ceil<std::chrono::nanoseconds>(duration).count();
}

/** What is left until a point in time. */
template <class Clock, class Duration>
typename Clock::duration until(const std::chrono::time_point<Clock, Duration> &time) {
    return std::chrono::ceil<typename Clock::duration>(time - Clock::now());
}

/** The lowest-numbered of several exceptions. */
class lowest_error {
  public:
    void keep(std::uint64_t number) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (number < lowest_.load(std::memory_order_relaxed)) {
            lowest_.store(number, std::memory_order_relaxed);
            error_ = std::current_exception();
        }
    }

    /** Whether an exception with a lower number is known: what was known once stays so. */
    bool is_below(std::uint64_t number) const noexcept {
        return lowest_.load(std::memory_order_relaxed) < number;
    }

    void rethrow() {
        std::exception_ptr found;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            found = error_;
        }
        if (found)
            std::rethrow_exception(found);
    }

  private:
    std::mutex mutex_;
    std::atomic<std::uint64_t> lowest_{std::numeric_limits<std::uint64_t>::max()};
    std::exception_ptr error_;
};

/** What a callable's result is as the T of a future: a value without const, a reference, or void; never an
 * `&&`. */
template <class Result>
using result_of = std::conditional_t<std::is_lvalue_reference_v<Result>, Result,
                                     std::remove_cv_t<std::remove_reference_t<Result>>>;

template <class T, class F> class continuation;

struct nothing {};

template <class T>
using stored = std::conditional_t<
    std::is_void_v<T>, nothing,
    std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>, T>>;

/**
 * A task's memory. The task has a share in it until the library calls `drop` (drop_arg), the future another
 * one; who gives the last one back frees it. `thrown` and the result are written before the task's end can be
 * seen, and read after.
 */
class node {
  public:
    node(std::uint32_t shares, offgil_pool_t *pool) noexcept : home(pool), shares_(shares) {}
    node(const node &) = delete;
    node &operator=(const node &) = delete;
    virtual ~node() = default;

    void release() noexcept {
        // Release: what this share wrote comes before the end; acquire: the end comes after all of that.
        if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    static void *body(void *self) {
        static_cast<node *>(self)->run();
        return nullptr;
    }

    static void drop(void *self) noexcept {
        static_cast<node *>(self)->discard();
        static_cast<node *>(self)->release();
    }

    offgil_pool_t *const home;
    std::exception_ptr thrown;

  private:
    virtual void run() = 0;
    virtual void discard() noexcept = 0;

    std::atomic<std::uint32_t> shares_;
};

template <class T> class result_node : public node {
  public:
    using node::node;
    std::optional<stored<T>> value;
};

template <class Work, class = void> struct can_abandon : std::false_type {};
template <class Work>
struct can_abandon<Work, std::void_t<decltype(std::declval<Work &>().abandon(std::declval<node &>()))>>
    : std::true_type {};

/** A task that calls `Work`, which may have a say when it is never called (abandon). */
template <class T, class Work> class work_node final : public result_node<T> {
  public:
    template <class... Parts>
    work_node(std::uint32_t shares, offgil_pool_t *pool, Parts &&...parts)
        : result_node<T>(shares, pool), work(std::in_place, std::forward<Parts>(parts)...) {}

    std::optional<Work> work;

  private:
    void run() override {
        try {
            call();
#if defined(__GLIBCXX__)
        } catch (abi::__forced_unwind &) {
            throw; // pthread_exit: the library ends the process with a message that names the task
#endif
        } catch (const error &caught) {
            fail(caught.code(), caught.what());
        } catch (const std::exception &caught) {
            fail(0, caught.what());
        } catch (...) {
            fail(0, "an exception that is no std::exception");
        }
        work.reset();
    }

    void call() {
        if constexpr (std::is_void_v<T>) {
            (*work)();
        } else if constexpr (std::is_reference_v<T>) {
            this->value.emplace(std::addressof((*work)()));
        } else {
            this->value.emplace((*work)());
        }
    }

    /** C knows that the task failed, and why: for tasks that come after it, groups, and on_lost_error. */
    void fail(std::int32_t code, const char *message) noexcept {
        this->thrown = std::current_exception();
        offgil_task_fail(code, message);
    }

    void discard() noexcept override {
        if constexpr (can_abandon<Work>::value) {
            if (work)
                work->abandon(*this);
        }
        work.reset();
    }
};

/** A callable with its arguments, which it is called with once, as rvalues (as std::thread does). */
template <class F, class... Args> class bound {
  public:
    using result = std::invoke_result_t<F, Args...>;

    template <class G, class... Given>
    explicit bound(G &&function, Given &&...given)
        : parts_(std::forward<G>(function), std::forward<Given>(given)...) {}

    result operator()() {
        return std::apply([](auto &...parts) -> result { return std::invoke(std::move(parts)...); }, parts_);
    }

  private:
    std::tuple<F, Args...> parts_;
};

template <class F, class... Args> using bound_for = bound<std::decay_t<F>, std::decay_t<Args>...>;

template <class F, class... Args>
using submitted = result_of<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;

/** What a group and its tasks share. */
struct group_state {
    std::shared_ptr<const group_state> above; // kept: groups further up are asked for through it
    std::atomic<std::uint64_t> submitted{0};
    lowest_error errors;
};

/** On the stack of a thread as long as it runs, or destroys, work of a group. */
class inside_group {
  public:
    explicit inside_group(const group_state &group) noexcept
        : group_(&group), outer_(std::exchange(innermost(), this)) {}
    inside_group(const inside_group &) = delete;
    inside_group &operator=(const inside_group &) = delete;
    ~inside_group() { innermost() = outer_; }

    /** Whether the calling thread is in work of this group, or of one below it. */
    static bool is_in(const group_state &group) noexcept {
        for (const inside_group *here = innermost(); here != nullptr; here = here->outer_) {
            for (const group_state *one = here->group_; one != nullptr; one = one->above.get()) {
                if (one == &group)
                    return true;
            }
        }
        return false;
    }

  private:
    static const inside_group *&innermost() noexcept {
        static thread_local const inside_group *here = nullptr;
        return here;
    }

    const group_state *group_;
    const inside_group *outer_;
};

/** Work in a group: what it throws is known to the group, too. */
template <class Work> class grouped {
  public:
    template <class... Parts>
    grouped(std::shared_ptr<group_state> group, std::uint64_t number, Parts &&...parts)
        : group_(std::move(group)), number_(number), work_(std::in_place, std::forward<Parts>(parts)...) {}
    grouped(const grouped &) = delete;
    grouped &operator=(const grouped &) = delete;
    ~grouped() {
        const inside_group here(*group_);
        work_.reset(); // it may own the group
    }

    typename Work::result operator()() {
        const inside_group here(*group_);
        try {
            return (*work_)();
        } catch (...) {
            group_->errors.keep(number_);
            throw;
        }
    }

  private:
    std::shared_ptr<group_state> group_;
    std::uint64_t number_;
    std::optional<Work> work_;
};

} // namespace detail

/**
 * How a task is to be run; each function returns the object, to be called in a row:
 * `pool.submit(task_options().priority(priority::high).after(first, second), f)`.
 *
 * Plain data: it owns nothing of what it names, which has to live until the submit, and not longer.
 */
class task_options {
  public:
    task_options() { offgil_task_options_init(&c_, sizeof c_); }

    /** What the task is called in messages and traces; copied by the submit. */
    task_options &name(const char *text) noexcept {
        c_.name = text;
        return *this;
    }

    /** Which tasks it comes before. */
    task_options &priority(enum priority level) noexcept {
        c_.priority = static_cast<std::int32_t>(level);
        return *this;
    }

    /** It will sleep in system calls: it runs on a blocking thread, and takes no place of the pool's. */
    task_options &blocking(bool yes = true) noexcept {
        c_.blocking = yes;
        return *this;
    }

    /** Only threads in pool::run_worker run it. */
    task_options &lent_only(bool yes = true) noexcept {
        c_.lent_only = yes;
        return *this;
    }

    /** Not to be started before so much time has passed since the submit. */
    template <class Rep, class Period> task_options &delay(const std::chrono::duration<Rep, Period> &time) {
        c_.delay_ns = detail::nanoseconds(time);
        return *this;
    }

    /** Canceled if it has not been started after so much time since the submit. */
    template <class Rep, class Period>
    task_options &deadline(const std::chrono::duration<Rep, Period> &time) {
        c_.deadline_ns = detail::nanoseconds(time);
        return *this;
    }

    /**
     * Started when these futures' tasks have ended, too (calls add up; shared ones are fine). If one of them
     * throws, fails or is canceled, the task never runs: its own future then throws offgil::error with that
     * one's status and message.
     */
    template <class... Future> task_options &after(const Future &...futures) {
        (after_.push_back(futures.handle()), ...);
        return *this;
    }

    /** The group that the task is in. */
    task_options &in(const offgil::group &group) noexcept;

    /** The completion queue that the task comes into when it ends, and the caller's number for it. */
    task_options &to(const offgil::completion_queue &queue, std::uint64_t tag) noexcept;

  private:
    friend class pool;
    template <class> friend class future;

    /** As C takes them, for a task whose memory the library gives back. Good as long as this object stays as
     * it is. */
    offgil_task_options_t for_node() const noexcept {
        offgil_task_options_t c = c_;
        c.after = after_.data();
        c.after_count = after_.size();
        c.drop_arg = detail::node::drop;
        return c;
    }

    offgil_task_options_t c_;
    std::vector<offgil_future_t *> after_;
};

/**
 * A task's result to come: T as the callable returns it, without const; void and references are fine. Moved,
 * not copied.
 *
 * Owns a share in the task's memory. Its destructor does not wait: the task runs all the same, and its result
 * is destroyed with it. May outlive the pool. Empty (valid() is false) when made by default, moved from, or
 * after get and then; every other function of an empty one throws offgil::error (status::invalid).
 */
template <class T> class future {
  public:
    future() noexcept = default;
    future(future &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), node_(std::exchange(other.node_, nullptr)) {}
    future &operator=(future &&other) noexcept {
        future(std::move(other)).swap(*this);
        return *this;
    }
    ~future() { clear(); }

    void swap(future &other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(node_, other.node_);
    }

    /** Whether there is a task to ask. Never blocks. */
    bool valid() const noexcept { return handle_ != nullptr; }

    /** For the C functions; stays this object's. Never blocks. */
    offgil_future_t *handle() const noexcept { return handle_; }

    /**
     * Waits for ever, moves the result out, and leaves the future empty. May run the task itself on this
     * thread (future_wait in offgil.h).
     *
     * Throws what the task threw; offgil::error: status::canceled, it never ran; status::failed, it called
     * this_task::fail, or one that it came after failed. With these the future is empty, too. With others it
     * is as it was: status::deadlock, the task waits for the calling one; status::no_thread, none can be had
     * to run it.
     */
    T get() {
        const offgil_status status = offgil_future_wait(handle_, OFFGIL_FOREVER, nullptr);
        if (!is_end(status))
            throw error(status);
        const future ended(std::move(*this));
        if (status != OFFGIL_OK)
            ended.throw_failure(status);
        if constexpr (std::is_reference_v<T>)
            return **ended.node_->value;
        else if constexpr (!std::is_void_v<T>)
            return std::move(*ended.node_->value);
    }

    /** Waits for ever until the task has ended, however it did. Throws status::deadlock and
     * status::no_thread, as get. */
    void wait() const { is_end(offgil_future_wait(handle_, OFFGIL_FOREVER, nullptr)); }

    /** Waits until the task has ended, or the time is over. Runs no task itself. 0 is a look. */
    template <class Rep, class Period>
    future_status wait_for(const std::chrono::duration<Rep, Period> &time) const {
        return is_end(offgil_future_wait(handle_, detail::nanoseconds(time), nullptr))
                   ? future_status::ready
                   : future_status::timeout;
    }

    /** As wait_for, until a point in time of any clock's. */
    template <class Clock, class Duration>
    future_status wait_until(const std::chrono::time_point<Clock, Duration> &time) const {
        for (;;) {
            const auto left = detail::until(time);
            if (wait_for(left) == future_status::ready)
                return future_status::ready;
            if (Clock::now() >= time)
                return future_status::timeout;
        }
    }

    /** Whether the task has ended, however it did. Never blocks. */
    bool ready() const {
        const std::int32_t state = offgil_future_get_state(handle_);
        if (state == OFFGIL_FUTURE_INVALID)
            throw error(offgil_last_status());
        return state == OFFGIL_FUTURE_DONE || state == OFFGIL_FUTURE_CANCELED;
    }

    /** Cancels the task if it has not begun; asks it to stop if it runs (this_task::is_canceled). Never
     * blocks. */
    cancel_result cancel() const {
        switch (const offgil_status status = offgil_future_cancel(handle_)) {
        case OFFGIL_OK:
            return cancel_result::canceled;
        case OFFGIL_EBUSY:
            return cancel_result::running;
        case OFFGIL_EDONE:
            return cancel_result::done;
        default:
            throw error(status);
        }
    }

    /**
     * Submits a task that calls `function` with the result (nothing, for void) once this one has ended; never
     * blocks for it. As folly's thenValue: if this task throws, fails or is canceled, `function` is destroyed
     * without a call, and the future that is returned throws the same. A cancel of that one leaves this task
     * alone.
     *
     * Leaves this future empty; if the submit fails, which throws offgil::error, it stays as it was. The task
     * runs on the pool of this one, or on the one that is given.
     */
    template <class F> auto then(F &&function);
    template <class F> auto then(const pool &where, F &&function);

    /** Moves the task into a future that is copied and asked by many; leaves this one empty. Never blocks. */
    shared_future<T> share() { return shared_future<T>(std::move(*this)); }

  private:
    friend class pool;
    template <class> friend class future;
    template <class> friend class shared_future;
    template <class, class> friend class detail::continuation;

    future(offgil_future_t *handle, detail::result_node<T> *node) noexcept : handle_(handle), node_(node) {}

    void clear() noexcept {
        if (handle_ != nullptr) {
            offgil_future_release(std::exchange(handle_, nullptr));
            std::exchange(node_, nullptr)->release();
        }
    }

    static bool is_end(offgil_status status) {
        switch (status) {
        case OFFGIL_OK:
        case OFFGIL_EFAILED:
        case OFFGIL_EPANIC:
        case OFFGIL_ECANCELED:
            return true;
        case OFFGIL_ETIMEDOUT:
            return false;
        default:
            throw error(status);
        }
    }

    /** What a task that has ended without a result came to. */
    [[noreturn]] void throw_failure(offgil_status status) const {
        if (status == OFFGIL_EFAILED && node_->thrown)
            std::rethrow_exception(node_->thrown);
        std::int32_t code = 0;
        const error failure(status);
        offgil_future_error(handle_, &code, nullptr, 0);
        throw error(failure, code);
    }

    template <class F> auto then_on(offgil_pool_t *pool, F &&function);

    offgil_future_t *handle_ = nullptr;
    detail::result_node<T> *node_ = nullptr;
};

/**
 * A task's result for many: copied, and asked as often as one likes. Made by future::share.
 *
 * Owns, with its copies, a share in the task's memory: the result is destroyed with the last of them. Each
 * thread has a copy of its own; copies of one task may be used at the same time. Empty when made by default
 * or moved from.
 */
template <class T> class shared_future {
  public:
    shared_future() = default;
    explicit shared_future(future<T> &&task) : task_(std::make_shared<const future<T>>(std::move(task))) {}

    /** Whether there is a task to ask. */
    bool valid() const noexcept { return task_ && task_->valid(); }

    /** For the C functions; stays this object's. Never blocks. */
    offgil_future_t *handle() const noexcept { return task_ ? task_->handle() : nullptr; }

    /**
     * Waits for ever, and gives the result where it lies: `const T &`, good as long as a copy of this is; for
     * a reference that one; for void nothing. Throws as future::get, the same exception each time; stays as
     * it is.
     */
    decltype(auto) get() const {
        const offgil_status status = offgil_future_wait(handle(), OFFGIL_FOREVER, nullptr);
        if (!future<T>::is_end(status))
            throw error(status);
        if (status != OFFGIL_OK)
            task_->throw_failure(status);
        if constexpr (std::is_reference_v<T>)
            return static_cast<T>(**task_->node_->value);
        else if constexpr (!std::is_void_v<T>)
            return static_cast<const T &>(*task_->node_->value);
    }

    /** As those of future. */
    void wait() const { asked().wait(); }
    template <class Rep, class Period>
    future_status wait_for(const std::chrono::duration<Rep, Period> &time) const {
        return asked().wait_for(time);
    }
    template <class Clock, class Duration>
    future_status wait_until(const std::chrono::time_point<Clock, Duration> &time) const {
        return asked().wait_until(time);
    }
    bool ready() const { return asked().ready(); }
    cancel_result cancel() const { return asked().cancel(); }

  private:
    const future<T> &asked() const {
        if (!task_)
            detail::check(offgil_future_cancel(nullptr)); // throws, as every function of an empty future
        return *task_;
    }

    std::shared_ptr<const future<T>> task_;
};

namespace detail {

/** What `then` submits: it waits in the library (task_options_t.after), so that the result is there when it
 * is called. */
template <class T, class F> class continuation {
  public:
    template <class G>
    continuation(future<T> &&before, G &&function)
        : before_(std::move(before)), function_(std::forward<G>(function)) {}

    decltype(auto) operator()() {
        if constexpr (std::is_void_v<T>) {
            before_.get();
            return std::invoke(std::move(function_));
        } else {
            return std::invoke(std::move(function_), before_.get());
        }
    }

    /** Never called: where that is because the task before it threw, the exception goes on. */
    void abandon(node &self) noexcept {
        if (offgil_future_wait(before_.handle_, 0, nullptr) == OFFGIL_EFAILED)
            self.thrown = before_.node_->thrown;
    }

    future<T> &before() noexcept { return before_; }

  private:
    future<T> before_;
    F function_;
};

template <class F, class T> struct continued {
    using type = std::invoke_result_t<F, T>;
};
template <class F> struct continued<F, void> {
    using type = std::invoke_result_t<F>;
};

} // namespace detail

/**
 * Inside a task; outside one, blocking does nothing and the others say so. Never block, unless they say it.
 */
namespace this_task {

/** Whether the task was asked to stop: a long one looks now and then, and returns early. False outside a
 * task. */
inline bool is_canceled() noexcept {
    return offgil_task_is_canceled() != 0;
}

/**
 * The task ends as failed when it returns, without an exception: its future throws offgil::error with
 * status::failed, this code and this message. The last call counts. Throws offgil::error (status::invalid)
 * outside a task.
 */
inline void fail(std::int32_t code, const char *message) {
    detail::check(offgil_task_fail(code, message));
}

} // namespace this_task

/**
 * As long as one lives, its task is about to block in something that isn't this library's (a read, a lock, a
 * sleep): the task's place is another one's. Outside a task it does nothing. On the stack of one thread, in
 * the order of a stack.
 *
 * The constructor never blocks; the destructor waits for a place. Neither throws.
 */
class blocking {
  public:
    blocking() noexcept : began_(offgil_task_block_begin() == OFFGIL_OK) {}
    blocking(const blocking &) = delete;
    blocking &operator=(const blocking &) = delete;
    ~blocking() {
        if (began_)
            offgil_task_block_end();
    }

  private:
    bool began_;
};

/**
 * Tasks that have ended, in that order, for a thread or an event loop that takes whichever is next. Moved,
 * not copied.
 *
 * Owns the queue; its destructor releases it (tasks still to come into it run all the same). All functions
 * may be called from any thread.
 */
class completion_queue {
  public:
    /** Throws offgil::error: status::no_memory. */
    completion_queue() : handle_(detail::made(offgil_completion_queue_create())) {}
    completion_queue(completion_queue &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    completion_queue &operator=(completion_queue &&other) noexcept {
        completion_queue moved(std::move(other));
        std::swap(handle_, moved.handle_);
        return *this;
    }
    ~completion_queue() {
        if (handle_ != nullptr)
            offgil_completion_queue_release(handle_);
    }

    /** For the C functions; stays this object's. */
    offgil_completion_queue_t *handle() const noexcept { return handle_; }

    /** Has the task come into the queue when it ends; at once if it has. The future may go before. Never
     * blocks. */
    template <class Future> void add(const Future &task, std::uint64_t tag) const {
        detail::check(offgil_completion_queue_add(handle_, task.handle(), tag));
    }

    /** Waits for ever for the next task that has ended, and takes it out. */
    completion next() const {
        completion taken{};
        detail::check(offgil_completion_queue_next(handle_, OFFGIL_FOREVER, &taken, 1, nullptr));
        return taken;
    }

    /** As next, with a limit: nothing if the time was over first. 0 is a look. */
    template <class Rep, class Period>
    std::optional<completion> next_for(const std::chrono::duration<Rep, Period> &time) const {
        completion taken{};
        const bool some = take(detail::nanoseconds(time), &taken, 1) == 1;
        return some ? std::optional<completion>(taken) : std::nullopt;
    }

    /** Takes out what there is, up to `room`, and says how many that were. Never blocks: for event loops. */
    std::size_t take(completion *completions, std::size_t room) const { return take(0, completions, room); }

    /** A descriptor to poll for reading, level-triggered; never to be read or closed. Never blocks. */
    int fd() const {
        const std::int32_t descriptor = offgil_completion_queue_fd(handle_);
        if (descriptor < 0)
            throw error(offgil_last_status());
        return descriptor;
    }

  private:
    std::size_t take(std::int64_t timeout, completion *completions, std::size_t room) const {
        std::size_t count = 0;
        const offgil_status status =
            offgil_completion_queue_next(handle_, timeout, completions, room, &count);
        if (status != OFFGIL_ETIMEDOUT)
            detail::check(status);
        return count;
    }

    offgil_completion_queue_t *handle_;
};

inline task_options &task_options::to(const offgil::completion_queue &queue, std::uint64_t tag) noexcept {
    c_.queue = queue.handle();
    c_.tag = tag;
    return *this;
}

/** How a pool is to be: the fields of pool_options_t in offgil.h, filled with the defaults. */
struct pool_options : ::offgil_pool_options_t {
    pool_options() { offgil_pool_options_init(this, sizeof(::offgil_pool_options_t)); }
};

/**
 * A pool of threads. Moved, not copied.
 *
 * Owns it, unless it comes from default_pool or borrow. The destructor of an owner runs what is queued, joins
 * the threads and frees the pool, so it blocks, also where shutdown would throw status::no_thread, until all
 * has ended. Inside one of the pool's own tasks, and where the function of one goes that is canceled, where
 * that could never end, it closes the pool and lets go of it instead (pool_release): what is queued is still
 * run, then the threads end by themselves. Inside a task of another pool that one of this pool's waits for,
 * where shutdown would throw status::deadlock, it calls std::terminate, with that exception. Futures may
 * outlive the pool.
 *
 * Its functions are const because they leave the handle as it is; they may be called from any thread.
 */
class pool {
  public:
    /** A pool that runs so many tasks at a time; 0: one per usable CPU. Throws offgil::error. Never blocks.
     */
    explicit pool(std::uint32_t threads = 0) : pool(detail::made(offgil_pool_create(threads)), true) {}

    /** A pool as the options say. Throws offgil::error: status::invalid, one is out of range. Never blocks.
     */
    explicit pool(const pool_options &options)
        : pool(detail::made(offgil_pool_create_with(&options)), true) {}

    pool(pool &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), owns_(std::exchange(other.owns_, false)) {}
    pool &operator=(pool &&other) noexcept {
        pool moved(std::move(other));
        std::swap(handle_, moved.handle_);
        std::swap(owns_, moved.owns_);
        return *this;
    }
    ~pool() {
        if (owns_)
            end();
    }

    /** The process's own pool, made on first use and never destroyed; the object doesn't own it. Never
     * blocks. */
    static pool default_pool() { return pool(detail::made(offgil_pool_default()), false); }

    /** A pool that C code has and keeps: the object doesn't own it. */
    static pool borrow(offgil_pool_t *handle) noexcept { return pool(handle, false); }

    /** A pool that C code has made and hands over. */
    static pool adopt(offgil_pool_t *handle) noexcept { return pool(handle, true); }

    /** For the C functions; stays this object's. */
    offgil_pool_t *handle() const noexcept { return handle_; }

    /**
     * Submits `function(arguments...)`, which are copied or moved into the task, and given to it as rvalues
     * (std::ref for references). What it returns, or throws, is the future's.
     *
     * Throws offgil::error: status::closed, full, timed_out, no_memory, no_thread (pool_submit in offgil.h);
     * std::bad_alloc; what a copy throws. Then nothing has run, and the copies are destroyed. Blocks only
     * where the queue is bounded and full.
     */
    template <class F, class... Args,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, task_options>>>
    future<detail::submitted<F, Args...>> submit(F &&function, Args &&...arguments) const {
        return submit(task_options(), std::forward<F>(function), std::forward<Args>(arguments)...);
    }

    /** As submit, the way the options say. Throws also status::bad_handle, invalid and canceled
     * (pool_submit_with). */
    template <class F, class... Args>
    future<detail::submitted<F, Args...>> submit(const task_options &options, F &&function,
                                                 Args &&...arguments) const {
        using work = detail::bound_for<F, Args...>;
        return start<detail::submitted<F, Args...>, work>(options, std::forward<F>(function),
                                                          std::forward<Args>(arguments)...);
    }

    /**
     * Submits a task that nobody will ask for, as submit: what it returns is dropped, what it throws goes to
     * the pool's on_lost_error, in words.
     */
    template <class F, class... Args,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, task_options>>>
    void spawn(F &&function, Args &&...arguments) const {
        spawn(task_options(), std::forward<F>(function), std::forward<Args>(arguments)...);
    }

    /** As spawn, the way the options say. */
    template <class F, class... Args>
    void spawn(const task_options &options, F &&function, Args &&...arguments) const {
        start_lost<detail::bound_for<F, Args...>>(options, std::forward<F>(function),
                                                  std::forward<Args>(arguments)...);
    }

    /** Closes the pool and waits for ever until all is done. Throws offgil::error: status::invalid, deadlock.
     */
    void shutdown(shutdown_mode mode = shutdown_mode::drain) const {
        detail::check(offgil_pool_shutdown(handle_, static_cast<std::int32_t>(mode), OFFGIL_FOREVER));
    }

    /** As shutdown, with a limit: false if something still runs then. 0 closes, and looks. May be called
     * again. */
    template <class Rep, class Period>
    bool shutdown(shutdown_mode mode, const std::chrono::duration<Rep, Period> &time) const {
        return in_time(
            offgil_pool_shutdown(handle_, static_cast<std::int32_t>(mode), detail::nanoseconds(time)));
    }

    /** Waits for ever until no task is queued or running. Throws offgil::error: status::deadlock, in one of
     * its tasks. */
    void wait_idle() const { detail::check(offgil_pool_wait_idle(handle_, OFFGIL_FOREVER)); }

    /** As wait_idle, with a limit: false if it was over first. 0 is a look. */
    template <class Rep, class Period>
    bool wait_idle_for(const std::chrono::duration<Rep, Period> &time) const {
        return in_time(offgil_pool_wait_idle(handle_, detail::nanoseconds(time)));
    }

    /**
     * Changes how many tasks it runs at a time (pool_resize in offgil.h). Throws offgil::error:
     * status::invalid. Never blocks.
     */
    void resize(std::uint32_t threads) const { detail::check(offgil_pool_resize(handle_, threads)); }

    /** How many tasks it runs at a time. Never blocks. */
    std::uint32_t thread_count() const {
        const std::uint32_t count = offgil_pool_thread_count(handle_);
        if (count == 0)
            throw error(offgil_last_status());
        return count;
    }

    /** The number of the calling task's place, below thread_count, to index scratch arrays; -1 outside its
     * tasks. */
    std::int32_t worker_index() const noexcept { return offgil_pool_worker_index(handle_); }

    /** Makes the calling thread one of the pool's until the pool is over (pool_run_worker). Blocks until
     * then. */
    void run_worker() const { detail::check(offgil_pool_run_worker(handle_)); }

    /**
     * Closes the pool and lets go of it, never waiting: what is queued is still run, then its threads end by
     * themselves. The object is empty afterwards. Throws offgil::error (status::invalid) if it doesn't own
     * its pool.
     */
    void release() {
        detail::check(offgil_pool_release(owns_ ? handle_ : nullptr));
        owns_ = false;
        handle_ = nullptr;
    }

  private:
    friend class group;
    template <class> friend class future;

    pool(offgil_pool_t *handle, bool owns) noexcept : handle_(handle), owns_(owns) {}

    void end() noexcept {
        try {
            detail::wait_whatever_comes([this](std::int64_t timeout) {
                return timeout == OFFGIL_FOREVER ? offgil_pool_destroy(handle_)
                                                 : offgil_pool_shutdown(handle_, OFFGIL_POOL_DRAIN, timeout);
            });
        } catch (...) {
            offgil_pool_release(handle_);
            if (offgil_pool_thread_count(handle_) == 0) // only within the pool is the handle good now
                std::rethrow_exception(std::current_exception());
        }
    }

    static bool in_time(offgil_status status) {
        if (status != OFFGIL_ETIMEDOUT)
            detail::check(status);
        return status == OFFGIL_OK;
    }

    template <class T, class Work, class... Parts>
    future<T> start(const task_options &options, Parts &&...parts) const {
        auto node = std::make_unique<detail::work_node<T, Work>>(2U, handle_, std::forward<Parts>(parts)...);
        const offgil_task_options_t c = options.for_node();
        offgil_future_t *const handle = detail::made(offgil_pool_submit_with(
            handle_, &c, detail::node::body, static_cast<detail::node *>(node.get())));
        return future<T>(handle, node.release());
    }

    template <class Work, class... Parts>
    void start_lost(const task_options &options, Parts &&...parts) const {
        auto node =
            std::make_unique<detail::work_node<void, Work>>(1U, handle_, std::forward<Parts>(parts)...);
        const offgil_task_options_t c = options.for_node();
        detail::check(
            offgil_pool_spawn_with(handle_, &c, detail::node::body, static_cast<detail::node *>(node.get())));
        node.release(); // it may have been freed by now
    }

    offgil_pool_t *handle_;
    bool owns_;
};

template <class T> template <class F> auto future<T>::then(F &&function) {
    if (!valid())
        detail::check(offgil_future_cancel(nullptr)); // throws, as every function of an empty future
    return then_on(node_->home, std::forward<F>(function));
}

template <class T> template <class F> auto future<T>::then(const pool &where, F &&function) {
    return then_on(where.handle(), std::forward<F>(function));
}

template <class T> template <class F> auto future<T>::then_on(offgil_pool_t *where, F &&function) {
    using work = detail::continuation<T, std::decay_t<F>>;
    using result = detail::result_of<typename detail::continued<std::decay_t<F>, T>::type>;
    offgil_task_options_t c = task_options().for_node();
    offgil_future_t *const before = handle_;
    c.after = &before;
    c.after_count = 1;
    auto node = std::make_unique<detail::work_node<result, work>>(2U, where, std::move(*this),
                                                                  std::forward<F>(function));
    offgil_future_t *const handle =
        offgil_pool_submit_with(where, &c, detail::node::body, static_cast<detail::node *>(node.get()));
    if (handle == nullptr) {
        const error failure(offgil_last_status());
        *this = std::move(node->work->before());
        throw failure;
    }
    return future<result>(handle, node.release());
}

/**
 * Tasks of one pool that are waited for and canceled together. Moved, not copied. Groups form a tree: a task
 * counts in its group and in all groups above, and so does what it throws (to `wait` as status::failed, in
 * words).
 *
 * Owns the group. Its destructor cancels what has not ended and waits for the rest, so that tasks may refer
 * to what lives as long as the group: call wait first. It waits also where wait would throw
 * status::no_thread, until those tasks have ended all the same. Two waits could never end:
 *
 * - in a task that submit or spawn, of this group or of one below it, has made (it may hold the last pointer
 *   to the group, say): there the destructor cancels and lets go; the group's other tasks may still run then;
 * - in any other task that a task of the group waits for, or in one of task_options::in: where wait would
 *   throw status::deadlock, the destructor calls std::terminate, with that exception.
 *
 * May be called from any thread.
 */
class group {
  public:
    /** Never blocks. Throws offgil::error. */
    explicit group(const pool &where) : group(where.handle(), nullptr, nullptr) {}

    /** One below another, of the same pool. */
    group(const pool &where, const group &parent) : group(where.handle(), parent.handle(), parent.state_) {}

    group(group &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), pool_(other.pool_),
          state_(std::move(other.state_)) {}
    group &operator=(group &&other) noexcept {
        group moved(std::move(other));
        std::swap(handle_, moved.handle_);
        std::swap(pool_, moved.pool_);
        std::swap(state_, moved.state_);
        return *this;
    }
    ~group() {
        if (handle_ != nullptr) {
            offgil_group_cancel(handle_);
            if (!detail::inside_group::is_in(*state_))
                detail::wait_whatever_comes(
                    [this](std::int64_t timeout) { return offgil_group_wait(handle_, timeout); });
            offgil_group_release(handle_);
        }
    }

    /** For the C functions; stays this object's. */
    offgil_group_t *handle() const noexcept { return handle_; }

    /** As pool::submit, in this group. Throws also status::canceled: the group was canceled. */
    template <class F, class... Args>
    future<detail::submitted<F, Args...>> submit(F &&function, Args &&...arguments) const {
        using work = detail::grouped<detail::bound_for<F, Args...>>;
        return borrowed().template start<detail::submitted<F, Args...>, work>(
            options(), state_, next(), std::forward<F>(function), std::forward<Args>(arguments)...);
    }

    /** As pool::spawn, in this group: what the task throws, `wait` throws. */
    template <class F, class... Args> void spawn(F &&function, Args &&...arguments) const {
        using work = detail::grouped<detail::bound_for<F, Args...>>;
        borrowed().template start_lost<work>(options(), state_, next(), std::forward<F>(function),
                                             std::forward<Args>(arguments)...);
    }

    /**
     * Waits for ever until all tasks of the group and of those below it have ended; may run those that have
     * not begun. May be called again, and says the same then.
     *
     * Throws what a task of the group threw: of several, that of the one that was submitted first. If none
     * threw, offgil::error: status::canceled, failed (this_task::fail, or a task of task_options::in or of a
     * group below), deadlock, no_thread.
     */
    void wait() const {
        const offgil_status status = offgil_group_wait(handle_, OFFGIL_FOREVER);
        if (status == OFFGIL_EFAILED || status == OFFGIL_ECANCELED) {
            const error failure(status);
            state_->errors.rethrow();
            throw failure;
        }
        detail::check(status);
    }

    /** Waits until all have ended, however they did, or the time is over; runs none itself. 0 is a look. */
    template <class Rep, class Period>
    future_status wait_for(const std::chrono::duration<Rep, Period> &time) const {
        switch (const offgil_status status = offgil_group_wait(handle_, detail::nanoseconds(time))) {
        case OFFGIL_ETIMEDOUT:
            return future_status::timeout;
        case OFFGIL_OK:
        case OFFGIL_EFAILED:
        case OFFGIL_EPANIC:
        case OFFGIL_ECANCELED:
            return future_status::ready;
        default:
            throw error(status);
        }
    }

    /** What has not begun never will, what runs is asked to stop, and nothing can be submitted any more.
     * Never blocks. */
    void cancel() const { detail::check(offgil_group_cancel(handle_)); }

  private:
    group(offgil_pool_t *where, offgil_group_t *parent, const std::shared_ptr<detail::group_state> &above)
        : handle_(nullptr), pool_(where), state_(std::make_shared<detail::group_state>()) {
        state_->above = above;
        handle_ = detail::made(offgil_group_create(where, parent));
    }

    pool borrowed() const noexcept { return pool::borrow(pool_); }
    task_options options() const { return task_options().in(*this); }
    std::uint64_t next() const noexcept { return state_->submitted.fetch_add(1, std::memory_order_relaxed); }

    offgil_group_t *handle_;
    offgil_pool_t *pool_;
    std::shared_ptr<detail::group_state> state_;
};

inline task_options &task_options::in(const offgil::group &group) noexcept {
    c_.group = group.handle();
    return *this;
}

namespace detail {

/** Calls `body`, which C code has called: nothing is thrown, but kept with its number. */
template <class Body> bool guarded(lowest_error &errors, std::uint64_t number, Body &&body) {
    try {
        body();
        return true;
#if defined(__GLIBCXX__)
    } catch (abi::__forced_unwind &) {
        throw;
#endif
    } catch (...) {
        errors.keep(number);
        return false;
    }
}

/** Throws what was kept, else what a call came to. */
inline void check(offgil_status status, lowest_error &errors) {
    if (status == OFFGIL_OK) {
        errors.rethrow();
        return;
    }
    const error failure(status);
    errors.rethrow();
    throw failure;
}

/** The body of a pool_for over single indices; its exceptions go to the caller. */
template <class F> struct range {
    F &function;
    lowest_error errors;

    static void part(void *self, std::size_t begin, std::size_t end) {
        range &all = *static_cast<range *>(self);
        for (std::size_t i = begin; i < end && !all.errors.is_below(i); i++) {
            if (!guarded(all.errors, i, [&] { all.function(i); }))
                return;
        }
    }
};

/** One of the two of a pool_invoke. */
template <class F> struct side {
    F &function;
    lowest_error &errors;
    std::uint64_t number;

    static void *body(void *self) {
        side &one = *static_cast<side *>(self);
        guarded(one.errors, one.number, [&] { std::invoke(one.function); });
        return nullptr;
    }
};

} // namespace detail

/**
 * Calls `function(i)` for each i from `begin` up to, not including, `end`, on the pool and on the calling
 * thread; returns when all have ended. `function` is shared by all threads, neither copied nor moved.
 *
 * Throws what a call threw: of several, that of the lowest index, always the same; indices above it may have
 * been left out. Else offgil::error, as pool_for in offgil.h. Blocks. May be called inside tasks.
 *
 * @param grain least number of indices that a thread takes at a time; 0: automatic
 */
template <class F>
void for_each_index(const pool &where, std::size_t begin, std::size_t end, F &&function,
                    std::size_t grain = 0) {
    using body = detail::range<std::remove_reference_t<F>>;
    body all{function, {}};
    const offgil_status status = offgil_pool_for(where.handle(), begin, end, grain, body::part, &all);
    detail::check(status, all.errors);
}

/** Calls `function(*i)` for each element of a range with random access, as for_each_index. */
template <class Iterator, class F>
void for_each(const pool &where, Iterator first, Iterator last, F &&function, std::size_t grain = 0) {
    using difference = typename std::iterator_traits<Iterator>::difference_type;
    static_assert(std::is_base_of_v<std::random_access_iterator_tag,
                                    typename std::iterator_traits<Iterator>::iterator_category>,
                  "offgil::for_each needs iterators with random access");
    const auto count = static_cast<std::size_t>(last - first);
    for_each_index(
        where, 0, count, [&](std::size_t i) { function(first[static_cast<difference>(i)]); }, grain);
}

namespace detail {

/** What pool_reduce works on: its accumulators point to the parts' results, which this owns. */
template <class Iterator, class T, class Op, class Transform> struct reduction {
    using slot = std::optional<T>;

    Iterator first;
    Op &op;
    Transform &transform;
    std::size_t length;
    std::vector<slot> parts;
    lowest_error errors;

    static void part(void *self, std::size_t begin, std::size_t end, void *accumulator) {
        using difference = typename std::iterator_traits<Iterator>::difference_type;
        reduction &all = *static_cast<reduction *>(self);
        const std::size_t number = begin / all.length;
        slot &result = all.parts[number];
        *static_cast<slot **>(accumulator) = &result;
        guarded(all.errors, 2 * number, [&] {
            T sum = all.transform(all.first[static_cast<difference>(begin)]);
            for (std::size_t i = begin + 1; i < end; i++)
                sum = all.op(std::move(sum), all.transform(all.first[static_cast<difference>(i)]));
            result.emplace(std::move(sum));
        });
    }

    static void combine(void *self, void *into, const void *from) {
        reduction &all = *static_cast<reduction *>(self);
        slot &left = **static_cast<slot **>(into), &right = **static_cast<slot *const *>(from);
        const auto number = static_cast<std::size_t>(&left - all.parts.data());
        guarded(all.errors, 2 * number + 1, [&] {
            if (left && right)
                left.emplace(all.op(std::move(*left), std::move(*right)));
            else
                left.reset(); // a part of it threw
        });
    }
};

} // namespace detail

/**
 * `op(op(init, transform(*first)), ...)` over a range with random access, in parts that run on the pool and
 * on the calling thread. `op` has to be associative, not commutative; elements and partial results are moved
 * into it. `op` and `transform` are shared by all threads.
 *
 * The result is the same each time, whatever the pool, also in floating point: the parts, and the tree in
 * which they are put together, follow from the number of elements alone (pool_reduce). Throws and blocks as
 * for_each_index; of several exceptions always the same one, of the leftmost part that threw or couldn't be
 * taken together with those after it.
 */
template <class Iterator, class T, class Op, class Transform>
T reduce(const pool &where, Iterator first, Iterator last, T init, Op op, Transform transform) {
    using work = detail::reduction<Iterator, T, Op, Transform>;
    constexpr std::size_t most_parts = 512;
    const auto count = static_cast<std::size_t>(last - first);
    const std::size_t length = std::max<std::size_t>(1, (count + most_parts - 1) / most_parts);
    work all{first, op, transform, length, std::vector<std::optional<T>>((count + length - 1) / length), {}};
    std::optional<T> *result = nullptr;
    const offgil_status status = offgil_pool_reduce(where.handle(), 0, count, length, work::part,
                                                    work::combine, &all, &result, sizeof result);
    detail::check(status, all.errors);
    return result == nullptr ? init : op(std::move(init), std::move(**result));
}

/** As above, of the elements themselves. */
template <class Iterator, class T, class Op>
T reduce(const pool &where, Iterator first, Iterator last, T init, Op op) {
    return reduce(where, first, last, std::move(init), std::move(op),
                  [](auto &&element) -> T { return element; });
}

/**
 * Calls `left()` and `right()` (and the others), perhaps at the same time; returns when all have ended. The
 * left one runs on the calling thread where it may. The callables are neither copied nor moved; what they
 * return is dropped.
 *
 * Throws what the leftmost threw that did; else offgil::error, as pool_invoke in offgil.h. Blocks. No memory
 * is allocated.
 */
template <class Left, class Right> void invoke(const pool &where, Left &&left, Right &&right) {
    detail::lowest_error errors;
    detail::side<std::remove_reference_t<Left>> first{left, errors, 0};
    detail::side<std::remove_reference_t<Right>> second{right, errors, 1};
    detail::check(offgil_pool_invoke(where.handle(), first.body, &first, second.body, &second), errors);
}

template <class Left, class Right, class Next, class... More>
void invoke(const pool &where, Left &&left, Right &&right, Next &&next, More &&...more) {
    invoke(where, left, [&] { invoke(where, right, next, more...); });
}

} // namespace v0_1_0
} // namespace offgil

#endif // OFFGIL_HPP
