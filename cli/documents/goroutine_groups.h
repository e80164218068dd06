// Goroutines put together by what they have in common, and ranked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::cli {

// What to group by.
struct GroupBy {
  enum class Kind : std::uint8_t { kStack, kPeer, kFd, kFunction, kState, kLabel } kind = Kind::kStack;
  std::string label;  // of kLabel

  std::string name() const;  // as in --group-by
};
// "stack", "peer", "fd", "func", "state", "label:KEY". kInvalid for others.
Result<GroupBy> parse_group_by(const std::string& text);

// What a goroutine has of this kind, which those of its group have too; empty: nothing.
std::string group_key(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& goroutine, const GroupBy& by);

// The peer's address without a port that was given by the kernel, which is another for each connection: the usual first
// one is 32768 (ip_local_port_range). kind: "tcp", "udp", ...
std::string peer_group(std::string_view kind, const std::string& peer);

// The groups of these goroutines, the largest first, `most` at most (0: all): [{key, count, longest_wait_ns, goids}],
// goids being the first ten.
exporters::Json group_goroutines(const trace::GoroutineSnapshot& snapshot, const std::vector<std::uint32_t>& indices,
                                 const GroupBy& by, std::size_t most);

// What a person on call reads first, of these goroutines, `most` of each: {stacks, peers, findings}. findings are what
// should not be, the gravest first: [{what, count, goids}].
exporters::Json summarize(const trace::GoroutineSnapshot& snapshot, const std::vector<std::uint32_t>& indices,
                          std::size_t most);

// The function's name without the numbers that compilers give to closures, which change from build to build:
// "main.serve.func1.2" and "serve(int)::{lambda()#3}" become "main.serve.func" and "serve(int)::{lambda()#}".
std::string without_closure_numbers(const std::string& function);

}  // namespace netpoll::cli
