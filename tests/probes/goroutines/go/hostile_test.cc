// Go programs whose numbers, structures, versions and texts are not what a reader would like.
#include <signal.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "probes/goroutines/go/poll_descs.h"
#include "probes/goroutines/go/program.h"
#include "probes/goroutines/go/reader.h"
#include "probes/process/mappings.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"
#include "tests/support/temp_dir.h"

namespace {

using netpoll::ErrorKind;
using netpoll::test::GoServerTruth;
using netpoll::test::GoTruth;
using netpoll::test::has_system_go_build;
using netpoll::test::Prey;
using netpoll::test::snapshot_of;
using netpoll::test::system_go_build;
using netpoll::test::TempDir;
using netpoll::test::truth_of;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using namespace netpoll::probes;

// A copy of the server in which each `from` is `to`, of the same length.
std::string patched(const TempDir& folder, const std::string& from, const std::string& to) {
  REQUIRE(from.size() == to.size());
  std::ifstream in(system_go_build(), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::size_t changed = 0;
  for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
    bytes.replace(at, from.size(), to);
    ++changed;
  }
  REQUIRE(changed > 0);
  std::string path = folder / "patched";
  std::ofstream(path, std::ios::binary) << bytes;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

std::string version_of_server() {
  Prey server({system_go_build(), "stale"});
  REQUIRE(server.valid());
  const std::string version = truth_of(server).version;
  server.kill();
  return version;
}

// "go1.19.8" as "go1.99.8": the minor number is made newer than any.
std::string made_newer(std::string version) {
  const auto dot = version.find('.');
  REQUIRE(version.size() > dot + 2);
  version[dot + 1] = '9';
  version[dot + 2] = '9';
  return version;
}

// "MemAvailable:   12345 kB" (proc_meminfo(5)).
std::int64_t available_kib() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string name; meminfo >> name;) {
    std::int64_t kib = 0;
    if (name == "MemAvailable:" && meminfo >> kib) return kib;
  }
  return 0;
}

const Goroutine* find(const GoroutineSnapshot& snapshot, std::uint64_t goid) {
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.goid == goid) return &g;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a number that was closed or reused behind the runtime's back is said to be, without another's addresses") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey server({system_go_build(), "stale"});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  const auto snapshot = snapshot_of(server.pid());
  REQUIRE(snapshot);
  REQUIRE(truth.goroutines.size() == 2);
  for (const GoTruth& t : truth.goroutines) {
    INFO(t.what);
    const Goroutine* g = find(*snapshot, t.goid);
    REQUIRE(g != nullptr);
    CHECK(g->stable);
    CHECK(g->fd == t.fd);
    CHECK(g->fd_state == t.what);
    CHECK(g->local.empty());
    CHECK(g->peer.empty());
    CHECK(g->kind.empty());
  }
  server.kill();
}

// Two pollDescs of which both say that the same goroutine waits: the poller is asked first, and finds the one at the
// lower address first; the goroutine's stack leads to the other.
TEST_CASE("where the poller and the stack name different descriptors, both are told") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey server({system_go_build()});
  REQUIRE(server.valid());
  REQUIRE(::kill(server.pid(), SIGSTOP) == 0);
  auto subject = make_live_subject(server.pid());
  REQUIRE(subject);
  const auto program = open_program(**subject);
  REQUIRE(program);
  REQUIRE(*program);
  const PollDescLayout& layout = (*program)->layout.poll_desc.value();
  const PollSet set = read_poll_set(**subject, layout);
  std::vector<std::uint64_t> addresses;
  for (const PollSet::Entry& entry : set.entries) addresses.push_back(entry.desc);
  std::vector<PollDescRecord> readers;
  for (const auto& desc : read_poll_descs((*subject)->memory(), layout, addresses)) {
    if (desc && desc->rg > 2 && desc->wg == 0) readers.push_back(*desc);
  }
  REQUIRE(readers.size() >= 2);
  const PollDescRecord& lower = readers[0];
  const PollDescRecord& higher = readers[1];
  iovec local{.iov_base = const_cast<std::uint64_t*>(&higher.rg), .iov_len = 8};
  iovec remote{.iov_base = reinterpret_cast<void*>(lower.address + layout.rg), .iov_len = 8};
  REQUIRE(process_vm_writev(server.pid(), &local, 1, &remote, 1, 0) == 8);

  const auto snapshot = snapshot_of(server.pid());
  REQUIRE(snapshot);
  const auto found = std::find_if(snapshot->goroutines.begin(), snapshot->goroutines.end(),
                                  [&](const Goroutine& g) { return g.other_fd.has_value(); });
  REQUIRE(found != snapshot->goroutines.end());
  CHECK(found->io_wait);
  CHECK(found->fd == lower.fd);
  CHECK(found->other_fd == higher.fd);
  server.kill();
}

TEST_CASE("a Go that is newer than any known is read with a warning where every check holds") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  const std::string version = version_of_server();
  const TempDir folder;
  Prey server({patched(folder, version, made_newer(version))});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  CHECK(truth.version == made_newer(version));
  const auto snapshot = snapshot_of(server.pid());
  REQUIRE(snapshot);
  CHECK(snapshot->runtime_version == made_newer(version));
  REQUIRE(snapshot->warnings.size() == 1);
  CHECK(snapshot->warnings[0].find(made_newer(version) + " is newer") != std::string::npos);
  for (const GoTruth& t : truth.goroutines) {
    INFO(t.what);
    const Goroutine* g = find(*snapshot, t.goid);
    REQUIRE(g != nullptr);
    if (!t.mode.empty() && t.fd >= 0) CHECK(g->fd == t.fd);
  }
  server.finish();
}

TEST_CASE("a Go whose structures are not as known is refused with what could not be established") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  const TempDir folder;
  Prey server({patched(folder, "atomicstatus", "atomicStatus")});
  REQUIRE(server.valid());
  const auto snapshot = snapshot_of(server.pid());
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().is(ErrorKind::kNotSupported));
  CHECK(snapshot.error().message().find("no field atomicstatus") != std::string::npos);
  CHECK(snapshot.error().message().find(truth_of(server).version) != std::string::npos);
  server.finish();
}

TEST_CASE("labels of megabytes and of bytes that are no text are read") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey server({system_go_build(), "labels"});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  const auto snapshot = snapshot_of(server.pid());
  REQUIRE(snapshot);
  REQUIRE(truth.goroutines.size() == 4);
  for (const GoTruth& t : truth.goroutines) {
    const Goroutine* g = find(*snapshot, t.goid);
    REQUIRE(g != nullptr);
    CHECK(g->labels.size() == 2);
    for (const auto& [key, value] : g->labels) CHECK(key.size() + value.size() < 16 << 10);
  }
  server.finish();
}

TEST_CASE("labels beyond 64 MiB are left out, with a warning that says of how many sets") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  // 8192 labels of 8 KiB fit: eight sets of a thousand, and a part of the ninth.
  Prey server({system_go_build(), "labelled", "10"});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  const auto snapshot = snapshot_of(server.pid());
  REQUIRE(snapshot);
  REQUIRE(truth.goroutines.size() == 10);
  std::vector<std::size_t> sizes;
  for (const GoTruth& t : truth.goroutines) {
    const Goroutine* g = find(*snapshot, t.goid);
    REQUIRE(g != nullptr);
    sizes.push_back(g->labels.size());
  }
  std::sort(sizes.begin(), sizes.end());
  CHECK(sizes == std::vector<std::size_t>{0, 192, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000});
  CHECK(snapshot->warnings ==
        std::vector<std::string>{"labels are too many to be read in full: 2 sets of labels are missing, or lack some"});
  server.finish();
}

TEST_CASE("a stack of 1 GB is read within bounds") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  // Go has no larger stacks: 2 GiB would be beyond its ceiling. Each growth is a move to one of twice the size.
  const std::int64_t needed = std::int64_t{4} << 20;
  if (available_kib() < needed) NETPOLL_SKIP("4 GiB of memory are not free");
  Prey deep({system_go_build(), "deep", "1000"});
  REQUIRE(deep.valid());
  const auto stack = snapshot_of(deep.pid());
  REQUIRE(stack);
  const auto deepest =
      std::max_element(stack->goroutines.begin(), stack->goroutines.end(),
                       [](const Goroutine& a, const Goroutine& b) { return a.stack.size() < b.stack.size(); });
  CHECK(deepest->stack.size() > 4000);
  CHECK(deepest->stack.size() <= 10'000);
  deep.kill();
}

TEST_CASE("100,000 goroutines are read within bounds") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey crowd({system_go_build(), "crowd", "100000"});
  REQUIRE(crowd.valid());
  const auto many = snapshot_of(crowd.pid());
  REQUIRE(many);
  CHECK(many->goroutines.size() > 100'000);
  crowd.kill();
}

// The program stands still, while every word that a reader follows may change at any time into anything.
TEST_CASE("memory that is forged while it is read leads to an error or to records, never to harm") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    Prey server({system_go_build()});
    REQUIRE(server.valid());
    REQUIRE(::kill(server.pid(), SIGSTOP) == 0);
    auto subject = make_live_subject(server.pid());
    REQUIRE(subject);
    auto attached = attach_go(**subject);
    REQUIRE(attached);
    REQUIRE(*attached);
    std::vector<Mapping> writable;
    const auto mappings = read_mappings(server.pid());
    REQUIRE(mappings);
    std::ifstream maps("/proc/" + std::to_string(server.pid()) + "/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find(" rw-p ") == std::string::npos) continue;
      char* end = nullptr;
      Mapping m;
      m.start = std::strtoull(line.c_str(), &end, 16);
      m.end = std::strtoull(end + 1, nullptr, 16);
      writable.push_back(m);
    }
    REQUIRE_FALSE(writable.empty());

    std::atomic<bool> done = false;
    std::thread forger([&, pid = server.pid()] {
      std::mt19937_64 random(seed);
      while (!done) {
        const Mapping& m = writable[random() % writable.size()];
        // The begin of a mapping is what is in use of the heap.
        const std::uint64_t span = std::min<std::uint64_t>(m.end - m.start, 1 << 20);
        std::array<std::uint64_t, 64> words;
        const Mapping& other = writable[random() % writable.size()];
        for (std::uint64_t& word : words) {
          const std::uint64_t choice = random() % 6;
          word = choice == 0   ? 0
                 : choice == 1 ? ~std::uint64_t{0}
                 : choice == 2 ? random()
                 : choice == 3 ? random() % 4096
                               : other.start + random() % (other.end - other.start) / 8 * 8;
        }
        const std::size_t size = 8 * (1 + random() % 8);
        iovec local{.iov_base = words.data(), .iov_len = size};
        iovec remote{.iov_base = reinterpret_cast<void*>(m.start + random() % (span - size) / 8 * 8), .iov_len = size};
        (void)process_vm_writev(pid, &local, 1, &remote, 1, 0);
      }
    });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    int records = 0;
    int errors = 0;
    while (std::chrono::steady_clock::now() < until) {
      const auto snapshot = (*attached)->read({});
      snapshot ? ++records : ++errors;
      if (snapshot) {
        for (const Goroutine& g : snapshot->goroutines) {
          for (const std::uint32_t frame : g.stack) CHECK(frame < snapshot->frames.size());
        }
      }
      // One that comes later has to believe the tables, too.
      auto late = make_live_subject(server.pid());
      if (late) (void)attach_go(**late);
    }
    done = true;
    forger.join();
    INFO(records << " records, " << errors << " errors");
    CHECK(records + errors > 0);
    server.kill();
  }
}

TEST_CASE("a program that ends while it is read is gone, and no other answer") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  for (int i = 0; i < 10; ++i) {
    Prey server({system_go_build(), "stale"});
    REQUIRE(server.valid());
    auto subject = make_live_subject(server.pid());
    REQUIRE(subject);
    auto reader = attach_go(**subject);
    REQUIRE(reader);
    REQUIRE(*reader);
    std::thread killer([&server, i] {
      std::this_thread::sleep_for(std::chrono::microseconds(200 * i));
      server.kill();
    });
    for (;;) {
      const auto snapshot = (*reader)->read({});
      if (snapshot) {
        for (const Goroutine& g : snapshot->goroutines) CHECK(g.goid != 0);
        continue;
      }
      INFO(snapshot.error().message());
      CHECK(snapshot.error().is(ErrorKind::kNotFound));
      break;
    }
    killer.join();
  }
}
