// What the C++ examples share: options and their errors.
#ifndef COMMON_HPP
#define COMMON_HPP

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

/// A whole number, or an exception in words.
inline std::size_t number(std::string_view text, std::size_t least, std::size_t most) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
        throw std::invalid_argument(std::string(text) + ": not a whole number from " + std::to_string(least) +
                                    " to " + std::to_string(most));
    return value;
}

/// Walks `-x VALUE` options: `set(letter, value)` says whether there is such an option. --help prints the
/// usage and ends.
template <class Set> void parse(int argc, char **argv, const char *usage, Set set) {
    for (int i = 1; i < argc; i += 2) {
        const std::string_view option = argv[i];
        if (option == "-h" || option == "--help") {
            std::fputs(usage, stdout);
            std::exit(EXIT_SUCCESS);
        }
        if (option.size() != 2 || option[0] != '-' || i + 1 == argc || !set(option[1], argv[i + 1]))
            throw std::invalid_argument(std::string(usage));
    }
}

/// main: what is thrown ends the program with words.
template <class Run> int guarded(const char *name, Run run) {
    try {
        return run();
    } catch (const std::exception &caught) {
        std::fprintf(stderr, "%s: %s\n", name, caught.what());
        return EXIT_FAILURE;
    }
}

#endif
