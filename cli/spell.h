// "Did you mean": the known word closest to a mistyped one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::cli {

// Edits that turn a into b: insert, delete, replace a character, swap two neighbours (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate closest to word, the first of equals, or nothing when none is close enough to be what was meant: at
// most a third of its letters differ, or one is the beginning of the other. Case does not count.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates);

// `did you mean "X"?`, or otherwise when nothing is close.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates, std::string otherwise);

// "a, b, c", for hints that list what there is.
std::string joined(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace netpoll::cli
