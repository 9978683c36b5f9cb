// A task graph: an image is blurred several times, in bands of rows, and each band of a pass starts as soon
// as the bands that it needs of the pass before have ended. No pass waits for the whole one before it.
//
//     pass 1   [band 0] [band 1] [band 2] [band 3]
//                  | \    / | \    / | \    / |        task_options::after: the band above, itself, the band
//                  below
//     pass 2   [band 0] [band 1] [band 2] [band 3]
//
// Two images are enough: a band of pass 3 writes where pass 1 has written, and what pass 2 reads there is
// what it comes after. Right if every pixel is what one thread computes.
#include "common.hpp"
#include "offgil.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

static const char usage[] = "usage: blur [-w WORKERS] [-s SIZE] [-b BANDS] [-n PASSES]\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "  -s  width and height of the image; default 512\n"
                            "  -b  bands of rows, a task each; default 16\n"
                            "  -n  how often it is blurred; default 20\n";

namespace {

struct options {
    std::size_t workers = 0, size = 512, bands = 16, passes = 20;
};

class image {
  public:
    explicit image(std::size_t size) : size_(size), pixels_(size * size) {}

    std::size_t size() const { return size_; }
    float *row(std::size_t y) { return &pixels_[y * size_]; }
    const float *row(std::size_t y) const { return &pixels_[y * size_]; }
    bool operator==(const image &other) const { return pixels_ == other.pixels_; }

  private:
    std::size_t size_;
    std::vector<float> pixels_;
};

image drawn(std::size_t size) {
    image picture(size);
    std::uint32_t random = 1;
    for (std::size_t y = 0; y < size; y++) {
        for (std::size_t x = 0; x < size; x++) {
            random = random * 1664525U + 1013904223U;
            picture.row(y)[x] = static_cast<float>(random >> 24);
        }
    }
    return picture;
}

/// Each pixel of some rows becomes the mean of itself and its neighbours.
void blur(const image &from, image &to, std::size_t begin, std::size_t end) {
    const std::size_t last = from.size() - 1;
    for (std::size_t y = begin; y < end; y++) {
        const float *rows[] = {from.row(y > 0 ? y - 1 : 0), from.row(y), from.row(y < last ? y + 1 : last)};
        for (std::size_t x = 0; x <= last; x++) {
            const std::size_t left = x > 0 ? x - 1 : 0, right = x < last ? x + 1 : last;
            float sum = 0;
            for (const float *row : rows)
                sum += row[left] + row[x] + row[right];
            to.row(y)[x] = sum / 9;
        }
    }
}

image blurred_by_one_thread(image picture, std::size_t passes) {
    image other(picture.size());
    for (std::size_t pass = 0; pass < passes; pass++) {
        blur(picture, other, 0, picture.size());
        std::swap(picture, other);
    }
    return picture;
}

/// Submits the whole graph, then waits for it. The group goes before the images, whatever is thrown: no task
/// outlives them.
image blurred_on(const offgil::pool &pool, image picture, const options &chosen) {
    image other(picture.size());
    image *images[] = {&picture, &other};
    const auto begin_of = [&](std::size_t band) { return band * picture.size() / chosen.bands; };
    const offgil::group group(pool);
    std::vector<offgil::future<void>> before;
    for (std::size_t pass = 0; pass < chosen.passes; pass++) {
        const image &from = *images[pass % 2];
        image &to = *images[(pass + 1) % 2];
        std::vector<offgil::future<void>> bands;
        for (std::size_t band = 0; band < chosen.bands; band++) {
            offgil::task_options how;
            how.in(group);
            for (std::size_t near = band > 0 ? band - 1 : 0; near <= band + 1 && near < before.size(); near++)
                how.after(before[near]);
            bands.push_back(
                pool.submit(how, blur, std::cref(from), std::ref(to), begin_of(band), begin_of(band + 1)));
        }
        before = std::move(bands); // those of the pass before still run: nobody but the graph waits for them
    }
    group.wait();
    return std::move(*images[chosen.passes % 2]);
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

int run(const options &chosen) {
    const image picture = drawn(chosen.size);
    auto start = std::chrono::steady_clock::now();
    const image expected = blurred_by_one_thread(picture, chosen.passes);
    const double serial = milliseconds_since(start);

    const offgil::pool pool(static_cast<std::uint32_t>(chosen.workers));
    start = std::chrono::steady_clock::now();
    const image result = blurred_on(pool, picture, chosen);
    const double parallel = milliseconds_since(start);

    // The same to the last bit, because a sum of floats over a fixed tree is.
    std::vector<std::size_t> rows(chosen.size);
    for (std::size_t y = 0; y < rows.size(); y++)
        rows[y] = y;
    const auto sum_of_row = [&result](std::size_t y) {
        double sum = 0;
        for (std::size_t x = 0; x < result.size(); x++)
            sum += static_cast<double>(result.row(y)[x]);
        return sum;
    };
    const double sum = offgil::reduce(pool, rows.begin(), rows.end(), 0.0, std::plus<>(), sum_of_row);

    const bool agrees = result == expected;
    std::printf("%zu tasks, mean %.6f, %s\n", chosen.bands * chosen.passes,
                sum / static_cast<double>(chosen.size * chosen.size), agrees ? "agrees" : "differs");
    std::fprintf(stderr, "one thread %.1f ms, %u workers %.1f ms\n", serial, pool.thread_count(), parallel);
    return agrees ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char **argv) {
    return guarded("blur", [&] {
        options chosen;
        parse(argc, argv, usage, [&chosen](char letter, const char *value) {
            switch (letter) {
            case 'w':
                chosen.workers = number(value, 0, 4096);
                return true;
            case 's':
                chosen.size = number(value, 1, 20000);
                return true;
            case 'b':
                chosen.bands = number(value, 1, 10000);
                return true;
            case 'n':
                chosen.passes = number(value, 1, 10000);
                return true;
            default:
                return false;
            }
        });
        chosen.bands = std::min(chosen.bands, chosen.size); // none without a row
        return run(chosen);
    });
}
