// What events of a stream come to for a descriptor: parked, ready, running.
#include "probes/stream/stories.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "netpoll/trace/event.h"
#include "probes/process/elf/usdt_args.h"
#include "probes/stream/calls.h"
#include "probes/stream/vocabulary.h"
#include "tests/support/catch.h"

namespace netpoll::probes {
namespace {

trace::Record call(std::string_view name, std::uint64_t time_ns, std::uint64_t duration_ns, int fd,
                   std::int64_t result) {
  trace::Record record;
  const auto& calls = stream_calls();
  const auto* found = std::find_if(calls.begin(), calls.end(), [&](const CallInfo& info) { return info.name == name; });
  REQUIRE(found != calls.end());
  record.row = static_cast<std::uint16_t>(found - calls.begin());
  record.name = found->name;
  record.time_ns = time_ns;
  record.duration_ns = duration_ns;
  record.pid = record.tid = 1;
  record.fd = fd;
  record.result = result;
  return record;
}

trace::Record reported(std::uint64_t time_ns, int fd, std::uint32_t events) {
  trace::Record record = call("epoll_pwait", time_ns, 10, 3, 1);
  record.ready.push_back({.fd = fd, .events = events, .data = 0});
  return record;
}

trace::Record tracepoint(trace::Tp tp, std::uint64_t time_ns, std::vector<std::int64_t> args) {
  trace::Record record;
  record.time_ns = time_ns;
  record.pid = record.tid = 1;
  REQUIRE(fill_tracepoint(record, static_cast<std::size_t>(tp), args));
  return record;
}

TEST_CASE("a read that finds nothing parks, the poller readies, and the next read runs") {
  Stories stories;
  auto parked = call("read", 1000, 10, 7, -EAGAIN);
  stories.annotate(parked);
  CHECK(parked.step == trace::Step::kPark);
  auto ready = reported(5000, 7, EPOLLIN | EPOLLOUT);
  stories.annotate(ready);
  CHECK(ready.step == trace::Step::kReady);
  auto ran = call("read", 5600, 100, 7, 64);  // begins at 5500
  stories.annotate(ran);
  CHECK(ran.step == trace::Step::kRun);
  CHECK(ran.network_wait_ns == 4000u);
  CHECK(ran.cpu_wait_ns == 500u);
  // Room to write was reported too, and nobody had missed it.
  auto written = call("write", 6000, 10, 7, 64);
  stories.annotate(written);
  CHECK(written.step == trace::Step::kNone);
}

TEST_CASE("a wait that a loss lies in is not told, nor one of a number that means another file by now") {
  Stories stories;
  auto parked = call("read", 1000, 10, 7, -EAGAIN);
  stories.annotate(parked);
  stories.lost();
  auto ready = reported(5000, 7, EPOLLIN);
  stories.annotate(ready);
  auto ran = call("read", 5600, 100, 7, 64);
  stories.annotate(ran);
  CHECK_FALSE(ran.network_wait_ns.has_value());
  CHECK(ran.cpu_wait_ns == 500u);

  auto again = reported(6000, 7, EPOLLIN);
  stories.annotate(again);
  auto closed = call("close", 6100, 10, 7, 0);
  stories.annotate(closed);
  CHECK(closed.step == trace::Step::kClose);
  auto another = call("read", 6500, 10, 7, 1);
  stories.annotate(another);
  CHECK(another.step == trace::Step::kNone);
}

TEST_CASE("a connection that stands waits for no CPU") {
  Stories stories;
  auto connecting = call("connect", 1000, 10, 8, -EINPROGRESS);
  stories.annotate(connecting);
  CHECK(connecting.step == trace::Step::kPark);
  auto ready = reported(2000, 8, EPOLLOUT);
  stories.annotate(ready);
  auto much_later = call("write", 900000, 10, 8, 5);
  stories.annotate(much_later);
  CHECK(much_later.step == trace::Step::kNone);
}

TEST_CASE("a runtime that tells its own story is believed, and its calls carry the goroutine") {
  Stories stories;
  auto run = tracepoint(trace::Tp::run, 100, {17, 0});
  stories.annotate(run);
  auto read = call("read", 200, 10, 7, -EAGAIN);
  stories.annotate(read);
  CHECK(read.goid == 17);
  CHECK(read.step == trace::Step::kNone);
  auto park = tracepoint(trace::Tp::park, 300, {17, 1, 7, 0, 2});
  stories.annotate(park);
  CHECK(park.step == trace::Step::kPark);
  CHECK(park.fd == 7);
  auto ready = tracepoint(trace::Tp::ready, 1300, {17, 1, 7, 0});
  stories.annotate(ready);
  CHECK(ready.network_wait_ns == 1000u);
  auto goes_on = tracepoint(trace::Tp::run, 1350, {17, 0});
  stories.annotate(goes_on);
  CHECK(goes_on.step == trace::Step::kRun);
  CHECK(goes_on.network_wait_ns == 1000u);
  CHECK(goes_on.cpu_wait_ns == 50u);
}

TEST_CASE(
    "places of USDT arguments are read as the assembler wrote them, and what is not understood is said to be so") {
#if defined(__x86_64__)
  const auto args = parse_usdt_args("8@%rdi -4@$-5 8@-16(%rbp) 8@(%rax) -1@%r9b 8@foo(%rip) 8@(%rax,%rdx,8) nonsense");
  REQUIRE(args.size() == 8);
  CHECK(args[0].place == UsdtArg::Place::kRegister);
  CHECK(args[0].register_offset == 14 * 8);
  CHECK(args[1].place == UsdtArg::Place::kConst);
  CHECK(args[1].value == -5);
  CHECK(args[1].is_signed);
  CHECK(args[1].size == 4);
  CHECK(args[2].place == UsdtArg::Place::kMemory);
  CHECK(args[2].value == -16);
  CHECK(args[2].register_offset == 4 * 8);
  CHECK(args[3].place == UsdtArg::Place::kMemory);
  CHECK(args[3].value == 0);
  CHECK(args[4].place == UsdtArg::Place::kRegister);
  CHECK(args[4].size == 1);
  for (std::size_t i = 5; i < 8; ++i) CHECK(args[i].place == UsdtArg::Place::kUnknown);
#elif defined(__aarch64__)
  const auto args = parse_usdt_args("8@x1 -4@[sp, 16] 8@5");
  REQUIRE(args.size() == 3);
  CHECK(args[0].register_offset == 8);
  CHECK(args[1].place == UsdtArg::Place::kMemory);
  CHECK(args[1].value == 16);
  CHECK(args[2].value == 5);
#endif
  CHECK(parse_usdt_args("").empty());
}

}  // namespace
}  // namespace netpoll::probes
