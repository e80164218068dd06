// The reader of libruntime against a scripted runtime that tells the truth, moves, or lies.
#include "probes/goroutines/libruntime/reader.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "probes/goroutines/libruntime/goroutine_reader.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/prey.h"
#include "tests/support/rest_of_subject.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"

using netpoll::ErrorKind;
using netpoll::test::Prey;
using netpoll::test::snapshot_of;
using netpoll::test::truth;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using netpoll::trace::IoMode;
using namespace netpoll::probes;

namespace {

// The views of libruntime in a process.
class Views {
 public:
  explicit Views(pid_t pid) {
    auto subject = make_live_subject(pid);
    REQUIRE(subject);
    subject_ = std::move(*subject);
    auto views = find_runtime_views(*subject_);
    REQUIRE(views);
    views_ = std::move(*views);
    REQUIRE_FALSE(views_.empty());
  }
  const RuntimeView& first() const { return views_.front(); }
  StackReader stacks() const { return StackReader(*subject_, first(), code_, /*stacks=*/true); }

 private:
  mutable netpoll::symbols::CodeMap code_{[](std::uint64_t) { return std::nullopt; }};
  std::unique_ptr<Subject> subject_;
  std::vector<RuntimeView> views_;
};

// A live process whose memory can be read only while ptrace(2) holds it, as FreeBSD's PT_IO has it; the kernel says
// whether it is held.
class OnlyWhileStopped : public netpoll::test::RestOfSubject {
 public:
  explicit OnlyWhileStopped(Subject& real) : RestOfSubject(real), memory_(real) {}
  Memory& memory() override { return memory_; }

 private:
  class StoppedMemory : public Memory {
   public:
    explicit StoppedMemory(Subject& real) : real_(real) {}
    bool only_while_stopped() const override { return true; }
    netpoll::Result<void> read_batch(std::span<ReadPiece> pieces) override {
      if (is_held()) return real_.memory().read_batch(pieces);
      for (ReadPiece& piece : pieces) piece.done = false;
      return {};
    }

   private:
    // "4711 (name) t ..." (proc_pid_stat(5)).
    bool is_held() const {
      std::string stat;
      std::getline(std::ifstream("/proc/" + std::to_string(*real_.pid()) + "/stat"), stat);
      return stat.compare(stat.rfind(')'), 3, ") t") == 0;
    }

    Subject& real_;
  };

  StoppedMemory memory_;
};

// Every goroutine that the prey tells about, as it tells it, and no other.
void check_truth(const Prey& prey, const GoroutineSnapshot& snapshot) {
  std::map<std::string, const Goroutine*> by_goid;
  for (const Goroutine& g : snapshot.goroutines) by_goid[std::to_string(g.goid)] = &g;
  REQUIRE(by_goid.size() == snapshot.goroutines.size());
  CHECK(snapshot.goroutines.size() == prey.lines().size());
  for (const std::string& line : prey.lines()) {
    INFO(line);
    const auto found = by_goid.find(truth(line, "goid"));
    REQUIRE(found != by_goid.end());
    const Goroutine& g = *found->second;
    CHECK(g.status == truth(line, "status"));
    CHECK(std::to_string(g.fd.value_or(-1)) == truth(line, "fd"));
    if (!g.fd) continue;
    REQUIRE(g.mode);
    CHECK((*g.mode == IoMode::kRead ? "0" : "1") == truth(line, "mode"));
    CHECK(g.deadline_in_ns.has_value() == (truth(line, "deadline") == "1"));
    CHECK(g.kind == truth(line, "kind"));
    CHECK(g.tcp_state == truth(line, "state"));
    if (g.kind != "pipe") CHECK(g.local == truth(line, "local"));
    CHECK(g.peer == truth(line, "peer"));
    CHECK(g.wait_ns.value_or(0) >= 5'000'000'000);
  }
}

}  // namespace

TEST_CASE("the truth is found by the published offsets, in every kind of ELF file") {
  for (const char* program : {FAKE_RUNTIME, FAKE_RUNTIME "_fixed", FAKE_RUNTIME "_stripped", FAKE_RUNTIME "_user"}) {
    INFO(program);
    Prey prey({program, "good"});
    REQUIRE(prey.valid());
    auto snapshot = snapshot_of(prey.pid());
    REQUIRE(snapshot);
    check_truth(prey, *snapshot);
    CHECK(snapshot->inconsistent == 0);
    REQUIRE(snapshot->runtimes.size() == 2);
    CHECK(snapshot->runtimes[0].name == "first");
    CHECK(snapshot->runtimes[1].name == "a name of thirty-two characters!");
    CHECK(snapshot->runtimes[1].procs == 3);
    CHECK(snapshot->runtimes[1].epfd == 99);
  }
}

TEST_CASE("memory that can be read only while its process is stopped is read so, and the snapshot says it") {
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  auto real = make_live_subject(prey.pid());
  REQUIRE(real);
  OnlyWhileStopped subject(**real);
  const auto version = libruntime_version(subject);
  REQUIRE(version);
  CHECK(*version);
  auto reader = attach_libruntime(subject);
  REQUIRE(reader);
  REQUIRE(*reader != nullptr);
  for (int i = 0; i < 3; ++i) {
    auto snapshot = (*reader)->read({});
    REQUIRE(snapshot);
    check_truth(prey, *snapshot);
    CHECK(snapshot->paused_ns > 0);
  }
  CHECK(prey.sleeps());
}

TEST_CASE("a deadline counts from now, and the other direction's is not taken for it") {
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  for (const Goroutine& g : snapshot->goroutines) {
    if (g.goid != 12) continue;
    REQUIRE(g.deadline_in_ns);
    CHECK(*g.deadline_in_ns > 0);
    CHECK(*g.deadline_in_ns <= 60'000'000'000);
  }
}

TEST_CASE("a wait that changes while it is read is never mixed with another") {
  Prey prey({FAKE_RUNTIME, "busy"});
  REQUIRE(prey.valid());
  const Views process(prey.pid());
  std::size_t consistent = 0;
  for (int round = 0; round < 50; ++round) {
    auto runtimes = process.first().runtimes();
    REQUIRE(runtimes);
    StackReader stacks = process.stacks();
    auto read = read_goroutines(process.first(), runtimes->at(0), stacks, 8);
    REQUIRE(read);
    CHECK(read->records.size() + read->inconsistent == 200);
    for (const GoroutineRecord& record : read->records) {
      if (!record.pd) continue;
      ++consistent;
      if (record.pd->fd != 1000 + record.g.wait_since % 7) {
        FAIL("the wait since " << record.g.wait_since << " is for descriptor " << record.pd->fd);
      }
    }
  }
  CHECK(consistent > 0);
}

TEST_CASE("tables that lie are refused, not followed") {
  const std::map<std::string, ErrorKind> lies = {
      {"magic", ErrorKind::kNotSupported}, {"major", ErrorKind::kNotSupported}, {"root_size", ErrorKind::kProtocol},
      {"stride", ErrorKind::kProtocol},    {"per_chunk", ErrorKind::kProtocol}, {"count", ErrorKind::kProtocol},
      {"chunks", ErrorKind::kProtocol},    {"offset", ErrorKind::kProtocol},    {"unreadable", ErrorKind::kProtocol}};
  for (const auto& [lie, kind] : lies) {
    INFO(lie);
    Prey prey({FAKE_RUNTIME, lie});
    REQUIRE(prey.valid());
    auto snapshot = snapshot_of(prey.pid());
    REQUIRE_FALSE(snapshot);
    CHECK(snapshot.error().kind() == kind);
    CHECK_FALSE(snapshot.error().message().empty());
  }
  Prey prey({FAKE_RUNTIME, "counters"});
  const Views process(prey.pid());
  CHECK_FALSE(process.first().counters(process.first().runtimes().value().at(0)));
}

TEST_CASE("counters are summed over their blocks, rows that we do not know are left alone") {
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  const Views process(prey.pid());
  auto counters = process.first().counters(process.first().runtimes().value().at(0));
  REQUIRE(counters);
  for (std::size_t row = 0; row < netpoll::trace::kTpCount; ++row) CHECK((*counters)[row] == 300 * row + 3);
}

TEST_CASE("a program without libruntime is not supported, with a hint that names what is") {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(1);
  }
  auto snapshot = snapshot_of(child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().is(ErrorKind::kNotSupported));
  CHECK(snapshot.error().hint().find("stat -p " + std::to_string(child)) != std::string::npos);
}

TEST_CASE("no process, a kernel thread, and nonsense") {
  for (const pid_t pid : {0, -1, 0x3fffffff}) {
    auto snapshot = snapshot_of(pid);
    REQUIRE_FALSE(snapshot);
    CHECK(snapshot.error().is(ErrorKind::kNotFound));
  }
  auto kernel_thread = snapshot_of(2);
  REQUIRE_FALSE(kernel_thread);
}

TEST_CASE("a target that dies between two readings is not found") {
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  const Views process(prey.pid());
  auto runtimes = process.first().runtimes();
  REQUIRE(runtimes);
  prey.kill();
  StackReader stacks = process.stacks();
  auto read = read_goroutines(process.first(), runtimes->at(0), stacks, 8);
  REQUIRE_FALSE(read);
  CHECK(read.error().is(ErrorKind::kNotFound));
}

TEST_CASE("another user's process is refused") {
  if (geteuid() != 0) NETPOLL_SKIP("needs root, to become another user");
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  const pid_t child = fork();
  if (child == 0) {
    if (!netpoll::test::become_nobody()) _exit(2);
    auto snapshot = snapshot_of(prey.pid());
    _exit(!snapshot && snapshot.error().is(ErrorKind::kPermission) ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
