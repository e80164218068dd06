// The table of back ends and the choice among them.
#include "probes/source.h"

#include <unistd.h>

#include <set>

#include "tests/support/catch.h"

namespace netpoll::probes {

TEST_CASE("every back end has a name that parses back to it") {
  std::set<std::string_view> names;
  for (const Backend backend :
       {Backend::kAuto, Backend::kEbpf, Backend::kPerf, Backend::kPtrace, Backend::kSelf, Backend::kNone}) {
    CHECK(parse_backend(backend_name(backend)) == backend);
    names.insert(backend_name(backend));
  }
  CHECK(names.size() == 6);
  CHECK_FALSE(parse_backend("EBPF"));
  CHECK_FALSE(parse_backend(""));
}

TEST_CASE("every counted call has a name that parses back to it") {
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    CHECK(parse_syscall(syscall_name(static_cast<Syscall>(i))) == static_cast<Syscall>(i));
  }
  CHECK_FALSE(parse_syscall("epoll"));
  CHECK(is_epoll_wait(Syscall::epoll_pwait2));
  CHECK_FALSE(is_epoll_wait(Syscall::epoll_ctl));
}

TEST_CASE("auto finds a back end on every machine, and says what it passed over") {
  std::vector<std::string> why_not;
  auto source = make_source(Backend::kAuto, {}, &why_not);
  REQUIRE(source);
  const Backend chosen = (*source)->backend();
  if (chosen == Backend::kEbpf) {
    CHECK(why_not.empty());
  } else {
    CHECK(chosen == Backend::kPtrace);
    REQUIRE(why_not.size() == 1);
    CHECK(why_not[0].starts_with("ebpf: "));
  }
}

TEST_CASE("the back end that is asked for is the one that comes, or an error with a hint") {
  for (const Backend backend : {Backend::kEbpf, Backend::kPerf, Backend::kPtrace, Backend::kSelf, Backend::kNone}) {
    auto source = make_source(backend, {}, nullptr);
    if (source) {
      CHECK((*source)->backend() == backend);
      CHECK_FALSE((*source)->overhead_note().empty());
    } else {
      CHECK((backend == Backend::kEbpf || backend == Backend::kPerf));
      CHECK_FALSE(source.error().hint().empty());
    }
  }
}

TEST_CASE("the back end none watches its target and counts nothing") {
  auto source = make_source(Backend::kNone, {}, nullptr);
  REQUIRE(source);
  REQUIRE((*source)->attach({.pid = ::getpid()}));
  auto alive = (*source)->wait(0, -1);
  REQUIRE(alive);
  CHECK(*alive);
  auto counts = (*source)->read();
  REQUIRE(counts);
  CHECK(counts->syscalls[0].count == 0);
  CHECK_FALSE(counts->syscalls[0].total_ns);
}

}  // namespace netpoll::probes
