// The file in which root leaves the ids of tracepoints.
#include "probes/perf/tracepoint_ids.h"

#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::probes {
namespace {

const KernelBuild kOurs{.release = "6.1.0", .version = "#1 SMP", .machine = "x86_64", .build_id = "ab12"};
const TracepointIds kIds{{"sys_enter_read", 842}, {"sys_exit_read", 841}};

}  // namespace

TEST_CASE("ids that were kept are read back on the same kernel") {
  auto ids = parse_learned_ids(learned_ids_document(kIds, kOurs), "file", kOurs);
  REQUIRE(ids);
  CHECK(*ids == kIds);
}

TEST_CASE("ids of another kernel are refused, whatever it is that differs") {
  for (const auto& change :
       {&KernelBuild::release, &KernelBuild::version, &KernelBuild::machine, &KernelBuild::build_id}) {
    KernelBuild other = kOurs;
    other.*change = "other\x1b[31m";
    auto ids = parse_learned_ids(learned_ids_document(kIds, other), "file", kOurs);
    REQUIRE_FALSE(ids);
    CHECK(ids.error().is(ErrorKind::kNotFound));
    CHECK(ids.error().message().find("this is kernel 6.1.0") != std::string::npos);
    CHECK(ids.error().message().find('\x1b') == std::string::npos);
    CHECK_FALSE(ids.error().hint().empty());
  }
}

TEST_CASE("a kernel without a build id keeps its ids apart by its version") {
  KernelBuild plain = kOurs;
  plain.build_id.clear();
  CHECK(parse_learned_ids(learned_ids_document(kIds, plain), "file", plain));
  CHECK_FALSE(parse_learned_ids(learned_ids_document(kIds, plain), "file", kOurs));
}

TEST_CASE("a file that holds something else is refused") {
  const std::string good = learned_ids_document(kIds, kOurs);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1]"), std::string("null"), good.substr(0, good.size() / 2),
        std::string(R"({"schema":"netpoll-trace/tracepoints/v1"})"),
        std::string(R"({"schema":"netpoll-trace/tracepoints/v1","kernel":{"release":"6.1.0","version":"#1 SMP",)") +
            R"("machine":"x86_64","build_id":"ab12"},"tracepoints":{"sys_enter_read":-1}})",
        std::string(100'000, '[')}) {
    INFO(text.substr(0, 100));
    auto ids = parse_learned_ids(text, "file", kOurs);
    REQUIRE_FALSE(ids);
    CHECK(ids.error().is(ErrorKind::kProtocol));
  }
}

TEST_CASE("tracefs names a tracepoint of enter and of exit for the calls that every kernel has") {
  auto ids = read_tracefs_ids();
  if (!ids) NETPOLL_SKIP(ids.error().message());
  for (const char* name : {"sys_enter_read", "sys_exit_read", "sys_enter_epoll_ctl", "sys_exit_epoll_pwait"}) {
    INFO(name);
    CHECK(ids->count(name) == 1);
  }
  CHECK_FALSE(running_kernel().release.empty());
}

}  // namespace netpoll::probes
