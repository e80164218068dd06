// The Go program that the tests of the reader look into (tests/testprogs/go/server), and which builds of it there are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "netpoll/trace/goroutine.h"
#include "tests/probes/goroutines/go/go_dump.h"
#include "tests/support/prey.h"

namespace netpoll::test {

// A build of the server: a version of Go, and how it was built.
struct GoBuild {
  std::string name;  // "system-pie", "1.27.1-stripped"
  std::filesystem::path path;
};
// Those that tests/testprogs/go/build.py was to make. Of one that it could not make the path does not exist.
std::vector<GoBuild> go_builds();
// One of the system's Go; a path that does not exist where there is no Go.
std::string system_go_build();
bool has_system_go_build();

// What the server says of one of its goroutines.
struct GoTruth {
  std::uint64_t goid = 0;
  std::string what;
  int fd = -1;
  std::string mode;
  std::int64_t deadline_unix_ns = 0;
  std::map<std::string, std::string> labels;
};

struct GoServerTruth {
  std::string version;
  std::uint64_t main = 0;
  std::vector<GoTruth> goroutines;
  std::map<std::uint64_t, DumpGoroutine> dump;
};
// From the line that a server printed before it was ready.
GoServerTruth truth_of(const Prey& server);

// A frame, and the frames of g that are shown, as Go's dump has them.
DumpFrame as_dumped(const trace::Frame& frame);
std::vector<DumpFrame> shown_stack(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& g);

}  // namespace netpoll::test
