// The lines of a dump, each for itself: what a header, a call, a place in a file, a counted stack say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netpoll::probes {

// Whether text began with the prefix, which is then taken off it.
bool take_prefix(std::string_view& text, std::string_view prefix);

using DumpLabels = std::vector<std::pair<std::string, std::string>>;

// "goroutine 19 gp=0xc0000024e0 m=0 mp=0x5b1c80 [chan receive, 2 minutes, locked to thread] {request: "abc"}:"
struct HeaderLine {
  std::uint64_t goid = 0;
  std::string state;  // without what follows it in parentheses as a remark
  std::optional<std::uint64_t> minutes;
  bool locked = false;
  std::vector<std::string> remarks;
  DumpLabels labels;
  std::size_t bracket_end = 0;                 // offset of the closing bracket
  std::string_view label_braces;               // in the line: all of the labels behind the bracket,
  std::vector<std::string_view> label_values;  // and the values of those inside
};
// The line from "goroutine" on.
std::optional<HeaderLine> parse_header_line(std::string_view line);

// "net.(*conn).Read(0xc000014010, {0xc00000e2f8?, 0x1?})"
struct CallLine {
  std::string_view function;
  std::string_view arguments;  // between the parentheses
};
std::optional<CallLine> parse_call_line(std::string_view line);

// "created by main.main in goroutine 1"
struct CreatorLine {
  std::string_view function;
  std::optional<std::uint64_t> goid;
};
std::optional<CreatorLine> parse_creator_line(std::string_view line);

// Some log systems drop the tab. "\t/src/net/net.go:183 +0x45 fp=0xc000 sp=0xc000 pc=0x4a0010"
struct PlaceLine {
  std::string_view file;  // empty: "??"
  int line = 0;
  std::optional<std::uint64_t> offset;
  std::uint64_t pc = 0;  // 0: not said
};
std::optional<PlaceLine> parse_place_line(std::string_view line);

// "3 @ 0x43b256 0x433d77"
struct CountLine {
  std::uint64_t count = 0;
  std::vector<std::uint64_t> pcs;
};
std::optional<CountLine> parse_count_line(std::string_view line);

// "#\t0x465c08\tinternal/poll.runtime_pollWait+0x88\t\t/path/netpoll.go:305"
struct CountedFrameLine {
  std::uint64_t pc = 0;
  std::string_view function;
  std::optional<std::uint64_t> offset;
  std::string_view file;
  int line = 0;
};
std::optional<CountedFrameLine> parse_counted_frame_line(std::string_view line);

// What stands in braces: {key: value, "key": "value"}. text begins with the brace; used says how far the braces go.
// Nothing unless they are balanced.
std::optional<DumpLabels> parse_labels(std::string_view text, std::size_t& used);

// "goroutine profile: total 14", and the goroutineleak profile's: the total.
std::optional<std::uint64_t> parse_profile_line(std::string_view line);

// "...additional frames elided...", "...23 frames elided..."
bool is_elided_line(std::string_view line);
// "goroutine running on other thread; stack unavailable", indented or not.
bool is_no_stack_line(std::string_view line);
// "[originating from goroutine 7]:" -> 7
std::optional<std::uint64_t> parse_ancestor_line(std::string_view line);

// The n-th argument of a call as a number, nothing where it is none or the compiler may have overwritten it ("0x7?").
std::optional<std::uint64_t> argument(std::string_view arguments, std::size_t n);

}  // namespace netpoll::probes
