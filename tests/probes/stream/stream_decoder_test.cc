// What the decoder keeps of a process ends with it, however many there are while a trace lasts.
#include "probes/stream/stream_decoder.h"

#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "probes/counts.h"
#include "probes/stream/raw_event.h"
#include "tests/support/catch.h"

namespace netpoll::probes {
namespace {

// Remembers every process that it is asked for, until it is to forget it.
class Names : public GoroutineNames {
 public:
  explicit Names(std::set<pid_t>& known) : known_(known) {}
  Kind look_at(pid_t pid) override {
    known_.insert(pid);
    return Kind::kGo;
  }
  std::optional<CurrentG> current_g(pid_t) const override { return CurrentG(); }
  std::shared_ptr<const trace::Labels> labels(pid_t pid, std::uint64_t) override {
    known_.insert(pid);
    return nullptr;
  }
  void forget(pid_t pid) override { known_.erase(pid); }

 private:
  std::set<pid_t>& known_;
};

class Counting : public trace::Sink {
 public:
  void event(const trace::Record& record) override { names.emplace_back(record.name); }
  void lost(const trace::Loss&) override { FAIL("nothing was lost"); }
  std::vector<std::string> names;
};

class Keeping : public trace::Sink {
 public:
  void event(const trace::Record& record) override { records.push_back(record); }
  void lost(const trace::Loss&) override { FAIL("nothing was lost"); }
  std::vector<trace::Record> records;
};

void take(StreamDecoder& decoder, netpoll_stream_kind kind, std::uint32_t tgid, std::uint64_t time_ns) {
  netpoll_stream_event event;
  std::memset(&event, 0, sizeof(event));
  event.kind = static_cast<__u8>(kind);
  event.tgid = event.tid = tgid;
  event.time_ns = time_ns;
  event.start_ns = time_ns - 1;
  if (kind == NETPOLL_STREAM_CALL) event.goid = 1, event.labels = 0x1000;  // what ends has no goroutine
  decoder.take(std::as_bytes(std::span(&event, 1)));
}

}  // namespace

TEST_CASE("the names of goroutines are forgotten with their process, after its last event") {
  constexpr std::uint32_t kProcesses = 1000;
  std::set<pid_t> known;
  StreamDecoder decoder(std::make_unique<Names>(known), 0);
  Counting sink;
  std::uint64_t now = 1000;
  for (std::uint32_t tgid = 1'000'000'000; tgid < 1'000'000'000 + kProcesses; ++tgid) {
    // In whatever order they come: time says what is last.
    take(decoder, NETPOLL_STREAM_EXIT, tgid, now + 10);
    take(decoder, NETPOLL_STREAM_CALL, tgid, now + 5);
    now += 100;
  }
  decoder.give(now, sink);
  CHECK(sink.names.size() == std::size_t{2} * kProcesses);
  CHECK(sink.names.back() == "exit");
  CHECK(known.empty());
}

TEST_CASE("another program in a process has goroutines of its own") {
  std::set<pid_t> known;
  StreamDecoder decoder(std::make_unique<Names>(known), 0);
  Counting sink;
  take(decoder, NETPOLL_STREAM_CALL, 1'000'000'000, 100);
  take(decoder, NETPOLL_STREAM_EXEC, 1'000'000'000, 200);
  decoder.give(1000, sink);
  CHECK(known.empty());
  const auto asked = decoder.take_new_programs();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].tgid == 1'000'000'000);
}

TEST_CASE(
    "an operation of io_uring is about its descriptor, a registered file, or nothing, as far as its start was seen") {
  StreamDecoder decoder(nullptr, 0);
  Keeping sink;
  const auto take_operation = [&](netpoll_stream_kind kind, std::uint8_t opcode, std::int64_t fd, bool fixed) {
    netpoll_stream_event event{};
    event.kind = static_cast<__u8>(kind);
    event.row = opcode;
    event.tgid = event.tid = 1'000'000'000;
    event.time_ns = 100;
    event.start_ns = opcode != NETPOLL_URING_UNKNOWN ? 40 : 0;
    event.result = -9;
    event.args[NETPOLL_URING_USER_DATA] = UINT64_MAX;
    event.args[NETPOLL_URING_FD] = static_cast<__u64>(fd);
    event.args[NETPOLL_URING_FIXED] = fixed ? 1 : 0;
    decoder.take(std::as_bytes(std::span(&event, 1)));
  };
  constexpr std::uint8_t kNop = 0;
  constexpr std::uint8_t kRecv = 27;
  take_operation(NETPOLL_STREAM_URING, kRecv, 7, false);
  take_operation(NETPOLL_STREAM_URING, kRecv, 7, true);
  take_operation(NETPOLL_STREAM_URING, kNop, 7, false);  // left over from an earlier operation
  take_operation(NETPOLL_STREAM_URING, NETPOLL_URING_UNKNOWN, -1, false);
  take_operation(NETPOLL_STREAM_URING_OPEN, kRecv, 7, false);
  decoder.give(1000, sink);
  REQUIRE(sink.records.size() == 5);
  const std::vector<std::string> names = {"uring_recv", "uring_recv", "uring_nop", "uring_unknown", "uring_recv"};
  const std::vector<int> fds = {7, -1, -1, -1, 7};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const trace::Record& record = sink.records[i];
    INFO(i);
    CHECK(record.kind == trace::RecordKind::kUring);
    CHECK(record.name == names[i]);
    CHECK(record.fd == fds[i]);
    CHECK(record.unfinished == (i == 4));
    CHECK(record.result == (i == 4 ? std::nullopt : std::optional<std::int64_t>(-9)));
    CHECK(record.duration_ns == (i == 3 ? std::nullopt : std::optional<std::uint64_t>(60)));
  }
  CHECK(sink.records[1].args[0].name == "file");
  CHECK(sink.records[2].argc == 1);
}

TEST_CASE(
    "of a call that began before the trace the time since then is a bound, and of one under way its arguments are known") {
  StreamDecoder decoder(nullptr, 0);
  Keeping sink;
  netpoll_stream_event event{};
  event.kind = NETPOLL_STREAM_CALL;
  event.row = static_cast<__u8>(Syscall::epoll_wait);
  event.tgid = event.tid = 1'000'000'000;
  event.time_ns = 100;
  event.start_ns = 40;
  event.args[0] = 3;
  event.args[2] = 64;
  const auto take_it = [&] { decoder.take(std::as_bytes(std::span(&event, 1))); };
  take_it();
  event.before = 1;
  take_it();
  event.kind = NETPOLL_STREAM_UNFINISHED;
  take_it();
  decoder.give(1000, sink);
  decoder.show(event, sink);
  REQUIRE(sink.records.size() == 4);
  CHECK(decoder.events() == 3);  // what is shown is none of the stream
  for (std::size_t i = 0; i < sink.records.size(); ++i) {
    const trace::Record& record = sink.records[i];
    INFO(i);
    CHECK(record.duration_ns.has_value() == (i == 0));
    CHECK(record.before_ns.has_value() == (i != 0));
    CHECK(record.least_ns() == 60);
    CHECK(record.unfinished == (i > 1));
    CHECK(record.result.has_value() == (i <= 1));
    CHECK(record.fd == 3);
    CHECK(record.args[1].value == 64);
  }
}

}  // namespace netpoll::probes
