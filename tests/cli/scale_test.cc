// A hundred thousand connections, where the machine lets a process have so many descriptors.
#include <sys/resource.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "exporters/json.h"
#include "tests/cli/tool.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

using exporters::Json;
using exporters::parse_json;

constexpr rlim_t kConns = 100'000;
constexpr rlim_t kFilesPerProcess = kConns + 1'000;
// The server's stacks and records take 0.5 GB, the kernel's sockets 0.8 GB, the load generator little.
constexpr std::uint64_t kMemoryKb = 3 * 1024 * 1024;

// Whether a process may have so many descriptors; root may raise a hard limit as far as fs.nr_open.
bool may_open(rlim_t files) {
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0) return false;
  if (now.rlim_max >= files) return true;
  const rlimit wanted{now.rlim_cur, files};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0) return false;
  ::setrlimit(RLIMIT_NOFILE, &now);
  return true;
}

std::uint64_t number_after(const std::string& text, const std::string& key) {
  const auto at = text.find(key);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

}  // namespace

TEST_CASE("100,000 silent connections are held, and all of them answer") {
  if (!may_open(kFilesPerProcess)) {
    NETPOLL_SKIP("a process may not open " + std::to_string(kFilesPerProcess) + " files here (ulimit -Hn)");
  }
  if (number_after(read_file("/proc/sys/fs/file-max"), "") < 2 * kFilesPerProcess) {
    NETPOLL_SKIP("this machine may not open " + std::to_string(2 * kFilesPerProcess) + " files (fs.file-max)");
  }
  if (const auto kb = number_after(read_file("/proc/meminfo"), "MemAvailable:"); kb < kMemoryKb) {
    NETPOLL_SKIP("needs 3 GiB of free memory, there are " + std::to_string(kb / 1024) + " MiB");
  }
  Tool tool({"run", "idle", "--conns", std::to_string(kConns), "--duration", "1s", "--backend", "self", "--json"},
            {.patience = std::chrono::minutes(14)});
  const ToolResult result = tool.finish();
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Json json = parse_json(result.out);
  CHECK(json["operations"] == kConns);
  CHECK(json["server"]["connections"] == kConns);
  CHECK(json["server"]["errors"] == 0);
  CHECK(json["server"]["mismatches"] == 0);
  CHECK(json["tracepoints"]["fd_register"]["count"] == kConns + 1);  // and the listener
  CHECK(json["tracepoints"]["fd_close"]["count"] == kConns + 1);
  CHECK(json["tracepoints"]["foreign_ctl"]["count"] == 0);
}

}  // namespace netpoll::test
