// Names of goroutines' functions and states, as the text formats print them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/trace/goroutine.h"

namespace netpoll::exporters {

// The frame at an index of the snapshot, null for none.
const trace::Frame* frame_at(const trace::GoroutineSnapshot& snapshot, const std::optional<std::uint32_t>& index);

// The name without C++ parameters and template arguments, which fill a screen: "accept_loop::{lambda#1}". Receivers and
// type parameters of Go stay: "net.(*conn).Read", "slices.Sort[...]".
std::string plain_function(std::string_view name);

// The same of a frame; its address where it has no name.
std::string frame_name(const trace::Frame& frame);

// A stack on one line, "IO wait: internal/poll.runtime_pollWait:305 < .. < main.serve:12", from where Go's own packages
// below net/http end: what a narrow column has room for. As it is where nothing else follows them.
std::string without_pollers_frames(std::string_view stack);

// The frames to show, innermost first: without hidden ones, unless everything is asked for. A goroutine whose stack was
// not read has the function that it was started with.
std::vector<const trace::Frame*> shown_frames(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& g,
                                              bool everything);

// Why it waits, or its status where it does not: "IO wait", "runnable".
std::string_view state_of(const trace::Goroutine& g);

// How long it has waited, or has at least. Nothing: it does not wait, or that is unknown.
std::optional<std::int64_t> known_wait_ns(const trace::Goroutine& g);

}  // namespace netpoll::exporters
