// The queues of io_uring when they are full (poller_uring.cc): whatever was submitted ends, once. There is no ring of
// provided buffers that could run out (HACKING.md, "Rejected designs").
#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libruntime/poll/poller.h"
#include "netpoll/fd.h"
#include "tests/support/catch.h"
#include "tests/support/death.h"
#include "tests/support/procs.h"
#include "tests/support/skip.h"

namespace netpoll::poll {
namespace {

constexpr std::int64_t kLong = 20'000'000'000;  // ns; nothing here waits so long unless it fails
// More than kSubmissions and kCompletions of poller_uring.cc.
constexpr std::size_t kMoreThanSubmissions = 2000;
constexpr std::size_t kMoreThanCompletions = 6000;

// A back end that works here, or null and why.
struct Ring {
  std::unique_ptr<Poller> poller = make_poller(PollerKind::kUring, Trigger::kEdge);
  std::string why_not;

  explicit Ring(bool one_p = false) {
    if (one_p) poller->expect_one_p();
    if (const int result = poller->init(); result != 0) why_not = std::strerror(-result);
  }
  CompletionPoller& operator*() const { return *poller->completion(); }
  CompletionPoller* operator->() const { return poller->completion(); }
};

struct Sockets {
  Fd ours;
  Fd peer;
  Sockets() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    ours.reset(fds[0]);
    peer.reset(fds[1]);
  }
};

// Waits for readiness, which do not move: an array of them is made in place.
struct Waits {
  std::unique_ptr<Operation[]> operations;
  std::size_t count;

  Waits(std::size_t how_many, int fd, std::uint32_t modes)
      : operations(std::make_unique<Operation[]>(how_many)), count(how_many) {
    for (std::size_t i = 0; i < count; ++i) {
      operations[i].kind = OperationKind::kReady;
      operations[i].fd = fd;
      operations[i].modes = modes;
      operations[i].data = i;
    }
  }
  void submit(CompletionPoller& poller, std::size_t begin, std::size_t end) const {
    for (std::size_t i = begin; i < end; ++i) poller.submit(operations[i]);
  }
  bool all_done() const {
    return std::all_of(operations.get(), operations.get() + count, [](const Operation& op) { return op.done.load(); });
  }
};

// Reports by operation.
class Reports {
 public:
  explicit Reports(std::size_t count) : reported_(count) {}

  // Polls once; how many were reported.
  int poll(CompletionPoller& poller, std::int64_t delay_ns) {
    std::array<Readiness, 64> events;
    const int count = poller.poll(delay_ns, events.data(), static_cast<int>(events.size()));
    for (int i = 0; i < count; ++i) ++reported_.at(events.at(static_cast<std::size_t>(i)).data);
    return count;
  }
  bool each_once() const {
    return std::all_of(reported_.begin(), reported_.end(), [](const auto& times) { return times == 1; });
  }

 private:
  std::vector<std::atomic<int>> reported_;
};

// Completions that the kernel keeps beside the full queue, as it says itself (fdinfo of io_uring; Linux 5.17 and
// later).
std::size_t kept_by_the_kernel() {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir("/proc/self/fd"), closedir);
  std::size_t kept = 0;
  while (const dirent* entry = readdir(dir.get())) {
    std::array<char, 64> link{};
    if (readlinkat(dirfd(dir.get()), entry->d_name, link.data(), link.size() - 1) < 0) continue;
    if (std::strcmp(link.data(), "anon_inode:[io_uring]") != 0) continue;
    std::ifstream info(std::string("/proc/self/fdinfo/") + entry->d_name);
    bool in_list = false;
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("CqOverflowList:")) {
        in_list = true;
      } else if (in_list && line.starts_with("  user_data=")) {
        ++kept;
      } else {
        in_list = false;
      }
    }
  }
  return kept;
}

// From now on the kernel refuses this system call to this thread. Until the thread ends; false where filters are not to
// be had.
bool refuse(long call, int error) {
  std::array<sock_filter, 4> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_CASE("completions that found the queue full while nobody took any are all reported, each once") {
  for (const bool one_p : {false, true}) {
    const Ring ring(one_p);
    if (!ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
    const Sockets sockets;
    const Waits waits(kMoreThanCompletions, sockets.ours.get(), kWriteBit);
    waits.submit(*ring, 0, waits.count);
    ring->flush();
    CHECK(kept_by_the_kernel() > 0);
    CHECK_FALSE(waits.all_done());
    Reports reports(waits.count);
    while (reports.poll(*ring, 0) > 0) {
    }
    CHECK(waits.all_done());
    CHECK(reports.each_once());
  }
}

TEST_CASE("threads that submit and take at once, past both queues, lose nothing and find nothing twice") {
  const Ring ring(test::procs() == 1);
  if (!ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
  const Sockets sockets;
  const auto threads = static_cast<std::size_t>(test::procs());
  const std::size_t each = kMoreThanCompletions;
  const Waits waits(threads * each, sockets.ours.get(), kWriteBit);
  Reports reports(waits.count);
  std::atomic<std::size_t> submitting{threads};
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      // Half of what a thread has is queued before anybody takes.
      waits.submit(*ring, i * each, i * each + each / 2);
      --submitting;
      while (submitting != 0) std::this_thread::yield();
      for (std::size_t next = i * each + each / 2; next < (i + 1) * each; ++next) {
        waits.submit(*ring, next, next + 1);
        if (next % 256 == 0) reports.poll(*ring, 0);
      }
      while (!waits.all_done()) reports.poll(*ring, 1'000'000);
    });
  }
  for (std::thread& thread : running) thread.join();
  CHECK(waits.all_done());
  CHECK(reports.each_once());
}

TEST_CASE("operations that the kernel did not take when the queue was full are handed over before a poll blocks") {
  // As it may when it is short of memory, and when completions have to be taken first.
  for (const int error : {EAGAIN, EBUSY}) {
    const Ring ring;
    if (!ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
    const Sockets idle;
    const Sockets busy;
    const Waits silent(kMoreThanSubmissions, idle.ours.get(), kReadBit);
    const Waits last(1, busy.ours.get(), kWriteBit);
    bool refused = false;
    std::thread([&] {
      refused = refuse(SYS_io_uring_enter, error);
      silent.submit(*ring, 0, silent.count);
      last.submit(*ring, 0, 1);
      ring->flush();
    }).join();
    if (!refused) NETPOLL_SKIP("the kernel has no seccomp filters for us");
    // The one that is ready stands behind those that are not.
    Reports reports(silent.count);
    CHECK(reports.poll(*ring, kLong) == 1);
    CHECK(last.all_done());
    // Not one was left behind.
    REQUIRE(write(idle.peer.get(), "x", 1) == 1);
    while (!silent.all_done()) REQUIRE(reports.poll(*ring, kLong) > 0);
  }
}

TEST_CASE("what a poll leaves in the queue, because it has something to report, is known to be there") {
  const Ring ring;
  if (!ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
  const Sockets sockets;
  const Waits silent(2, sockets.ours.get(), kReadBit);
  const Waits ready(1, sockets.ours.get(), kWriteBit);
  Reports reports(2);
  CHECK_FALSE(ring->holds_back());
  ready.submit(*ring, 0, 1);
  ring->flush();
  CHECK_FALSE(ring->holds_back());
  silent.submit(*ring, 0, 1);
  CHECK(reports.poll(*ring, kLong) == 1);
  CHECK(ring->holds_back());
  CHECK(reports.poll(*ring, 0) == 0);
  CHECK_FALSE(ring->holds_back());
  silent.submit(*ring, 1, 2);
  ring->flush();
  CHECK_FALSE(ring->holds_back());
  REQUIRE(write(sockets.peer.get(), "x", 1) == 1);
  while (!silent.all_done()) REQUIRE(reports.poll(*ring, kLong) > 0);
}

TEST_CASE("io_uring that is forbidden while it is in use is fatal wherever that is noticed, and the reason named") {
  if (const Ring ring; !ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
  bool refused = false;
  std::thread([&] { refused = refuse(SYS_io_uring_enter, EPERM); }).join();
  if (!refused) NETPOLL_SKIP("the kernel has no seccomp filters for us");
  const std::array<void (*)(CompletionPoller&), 4> uses = {
      [](CompletionPoller& poller) { poller.flush(); },
      [](CompletionPoller& poller) { poller.wake(); },
      [](CompletionPoller& poller) { Reports(1).poll(poller, 0); },
      [](CompletionPoller& poller) { Reports(1).poll(poller, kLong); },
  };
  for (const int error : {EPERM, ENOSYS}) {
    for (const auto use : uses) {
      const test::Death death = test::dies([&] {
        const Ring ring;
        const Sockets idle;
        const Waits silent(1, idle.ours.get(), kReadBit);
        silent.submit(*ring, 0, 1);
        refuse(SYS_io_uring_enter, error);
        use(*ring);
      });
      CHECK(death.aborted);
      CHECK(death.message.find("io_uring_enter failed: errno " + std::to_string(error)) != std::string::npos);
      CHECK(death.message.find("seccomp") != std::string::npos);
    }
  }
}

TEST_CASE("a receive that expects to wait does so, whether or not the kernel may be asked what it can do") {
  for (const bool may_ask : {true, false}) {
    bool refused = false;
    std::unique_ptr<Ring> ring;
    std::thread([&] {
      refused = may_ask || refuse(SYS_io_uring_register, EPERM);
      ring = std::make_unique<Ring>();
    }).join();
    if (!refused) NETPOLL_SKIP("the kernel has no seccomp filters for us");
    if (!ring->why_not.empty()) NETPOLL_SKIP("io_uring: " + ring->why_not);
    const Sockets sockets;
    std::array<char, 8> buffer{};
    const iovec one{.iov_base = buffer.data(), .iov_len = buffer.size()};
    Operation op{.kind = OperationKind::kReceive,
                 .expect_wait = true,
                 .fd = sockets.ours.get(),
                 .buffers = &one,
                 .buffer_count = 1};
    (*ring)->submit(op);
    (*ring)->flush();
    CHECK_FALSE(op.done.load());
    REQUIRE(write(sockets.peer.get(), "x", 1) == 1);
    Reports reports(1);
    CHECK(reports.poll(**ring, kLong) == 1);
    CHECK(op.done.load());
    CHECK(op.result == 1);
    CHECK(buffer[0] == 'x');
  }
}

TEST_CASE("cancellations beyond what the queue holds end all that they were for") {
  const Ring ring;
  if (!ring.why_not.empty()) NETPOLL_SKIP("io_uring: " + ring.why_not);
  const Sockets idle;
  const Waits waits(kMoreThanSubmissions, idle.ours.get(), kReadBit);
  waits.submit(*ring, 0, waits.count);
  for (std::size_t i = 0; i < waits.count; ++i) ring->cancel(waits.operations[i]);
  Reports reports(waits.count);
  while (!waits.all_done()) REQUIRE(reports.poll(*ring, kLong) >= 0);
  CHECK(reports.each_once());
  CHECK(std::all_of(waits.operations.get(), waits.operations.get() + waits.count,
                    [](const Operation& op) { return op.result == -ECANCELED; }));
}

}  // namespace netpoll::poll
