// A program that publishes the debug ABI (netpoll/debug/abi.h) by hand, in a layout unlike libruntime's, and prints the
// truth about it: what a reader that trusts the published offsets must find, and one that trusts its own must not.
//
// usage: fake_runtime WAY, then reads standard input until its end. Ways:
//   good      two Runtimes, with goroutines in many states, which wait for real descriptors
//   busy      records that another thread changes all the time: a wait since n is for descriptor 1000 + n % 7
//   magic major root_size stride per_chunk count chunks offset counters unreadable   one lie each
// Output of "good": lines "goroutine NAME=VALUE...", and for every way a last line "ready".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "netpoll/debug/abi.h"
#include "netpoll/wait_reason.h"

using netpoll::GStatus;
using netpoll::WaitReason;
namespace debug = netpoll::debug;

namespace {

// Not libruntime's order, with holes, and larger than what a reader of version 1.0 knows.
struct G {
  std::uint64_t saved_sp;
  std::atomic<std::uint64_t> park_seq;
  std::uint32_t hole;
  std::atomic<std::uint32_t> wait_mode;
  std::uint64_t created_pc, start_pc;
  std::atomic<std::uint32_t> wait_pd;
  std::uint32_t wait_reason;
  std::uint64_t stack_hi, stack_lo;
  std::atomic<std::uint32_t> status;
  std::uint32_t hole2;
  std::atomic<std::int64_t> wait_since;
  std::uint64_t parent_goid;
  std::uint64_t goid;
  char more[77];
};

struct Pd {
  std::int64_t wd, rd;
  std::uint32_t flags;
  std::uint64_t wg, rg;
  std::uint32_t seq;
  std::atomic<std::int32_t> fd;
  char more[13];
};

constexpr std::uint32_t kPerChunk = 3;

template <typename Record>
struct Table {
  Record* chunks[400] = {};
  std::uint64_t count = 0;

  Record& add() {
    if (count % kPerChunk == 0) chunks[count / kPerChunk] = new Record[kPerChunk]();
    ++count;
    return at(count - 1);
  }
  Record& at(std::uint64_t i) { return chunks[i / kPerChunk][i % kPerChunk]; }
  debug::TableRef ref() const {
    return {reinterpret_cast<std::uint64_t>(&chunks), reinterpret_cast<std::uint64_t>(&count), kPerChunk,
            sizeof(Record)};
  }
};

// Tables of one Runtime, and more counters than the reader asks for.
struct FakeRuntime {
  Table<G> gs;
  Table<Pd> pds;
  std::uint64_t counters[3][20] = {};
  debug::DebugRuntime published{};

  explicit FakeRuntime(const char* name) {
    pds.add();  // index 0 is never used
    published.size = sizeof(published) + 64;
    // The longest name leaves no room for a NUL.
    std::string_view(name).copy(published.name, sizeof published.name);
    published.procs = 3;
    published.poll_mode = 1;
    published.trigger = 2;
    published.epfd = 99;
    for (int block = 0; block < 3; ++block) {
      for (int row = 0; row < 20; ++row) counters[block][row] = static_cast<std::uint64_t>(100 * row + block);
    }
  }

  void publish() {
    published.gs = gs.ref();
    published.pds = pds.ref();
    published.counters = reinterpret_cast<std::uint64_t>(counters);
    published.counter_blocks = 3;
    published.counter_stride = sizeof(counters[0]);
  }
};

}  // namespace

extern "C" {
// The root of a newer minor version: bigger than what the reader knows.
__attribute__((visibility("hidden"))) struct {
  debug::DebugRoot root;
  char more[256];
} fake_root;
}

// The note, as netpoll/debug/abi.h describes it, behind one of another kind.
__asm__(
    ".pushsection .note.netpoll, \"a\", @note\n"
    ".balign 4\n"
    ".long 8, 4, 7\n.asciz \"netpoll\"\n.long 0\n"
    ".long 8, 8, 1\n.asciz \"netpoll\"\n"
    "1: .quad fake_root - 1b\n"
    ".popsection\n");

namespace {

std::int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int check(int result, const char* what) {
  if (result < 0) die(what);
  return result;
}

std::string name_of(int fd, bool peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  check(peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size), "getsockname");
  char text[INET6_ADDRSTRLEN];
  if (storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    return std::string(inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text))) + ":" +
           std::to_string(ntohs(in->sin_port));
  }
  const auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
  return "[" + std::string(inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text))) +
         "]:" + std::to_string(ntohs(in6->sin6_port));
}

int listen_on(int family) {
  const int fd = check(socket(family, SOCK_STREAM, 0), "socket");
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  storage.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr = in6addr_loopback;
    size = sizeof(sockaddr_in6);
  }
  check(bind(fd, reinterpret_cast<sockaddr*>(&storage), size), "bind");
  check(listen(fd, 4), "listen");
  return fd;
}

int connect_to(int listener, int family) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  check(getsockname(listener, reinterpret_cast<sockaddr*>(&storage), &size), "getsockname");
  const int fd = check(socket(family, SOCK_STREAM, 0), "socket");
  check(connect(fd, reinterpret_cast<sockaddr*>(&storage), size), "connect");
  return fd;
}

// One goroutine in IO wait on fd, and its line of truth. deadline: ns from now, 0 for none.
void waits_for(FakeRuntime& runtime, std::uint64_t goid, int fd, std::uint32_t mode, std::int64_t deadline,
               const std::string& truth) {
  Pd& pd = runtime.pds.add();
  G& g = runtime.gs.add();
  const std::int64_t when = deadline == 0 ? 0 : now() + deadline;
  pd.fd = fd;
  pd.seq = 4;
  (mode == 0 ? pd.rd : pd.wd) = when;
  (mode == 0 ? pd.wd : pd.rd) = -7;  // the other direction's deadline has passed, which is nobody's business here
  (mode == 0 ? pd.rg : pd.wg) = reinterpret_cast<std::uint64_t>(&g);
  g.goid = goid;
  g.status = static_cast<std::uint32_t>(GStatus::kWaiting);
  g.wait_reason = static_cast<std::uint32_t>(WaitReason::kIoWait);
  g.wait_pd = static_cast<std::uint32_t>(runtime.pds.count - 1);
  g.wait_mode = mode;
  g.wait_since = now() - 5'000'000'000;
  g.parent_goid = 1;
  std::printf("goroutine goid=%llu status=waiting fd=%d mode=%u deadline=%d %s\n",
              static_cast<unsigned long long>(goid), fd, mode, deadline == 0 ? 0 : 1, truth.c_str());
}

void in_state(FakeRuntime& runtime, std::uint64_t goid, GStatus status, WaitReason reason) {
  G& g = runtime.gs.add();
  g.goid = goid;
  g.status = static_cast<std::uint32_t>(status);
  g.wait_reason = static_cast<std::uint32_t>(reason);
  g.wait_since = now() - 1'000'000'000;
  const bool shown = goid != 0 && status != GStatus::kIdle && status != GStatus::kDead;
  if (shown) {
    std::printf("goroutine goid=%llu status=%s fd=-1\n", static_cast<unsigned long long>(goid),
                status == GStatus::kWaiting   ? "waiting"
                : status == GStatus::kRunning ? "running"
                                              : "runnable");
  }
}

void good_goroutines(FakeRuntime& first, FakeRuntime& second) {
  in_state(first, 0, GStatus::kIdle, WaitReason::kNone);
  in_state(first, 1, GStatus::kWaiting, WaitReason::kChanReceive);
  in_state(first, 2, GStatus::kDead, WaitReason::kIoWait);
  in_state(first, 3, GStatus::kRunnable, WaitReason::kIoWait);
  in_state(first, 4, GStatus::kRunning, WaitReason::kNone);

  const int listener = listen_on(AF_INET);
  const int client = connect_to(listener, AF_INET);
  const int server = check(accept(listener, nullptr, nullptr), "accept");
  waits_for(first, 11, listener, 0, 0, "kind=tcp state=LISTEN local=" + name_of(listener, false) + " peer=");
  waits_for(first, 12, server, 0, 60'000'000'000,
            "kind=tcp state=ESTABLISHED local=" + name_of(server, false) + " peer=" + name_of(server, true));
  waits_for(first, 13, client, 1, 30'000'000'000,
            "kind=tcp state=ESTABLISHED local=" + name_of(client, false) + " peer=" + name_of(client, true));
  const int listener6 = socket(AF_INET6, SOCK_STREAM, 0) >= 0 ? listen_on(AF_INET6) : -1;
  waits_for(first, 14, listener6, 0, 0, "kind=tcp state=LISTEN local=" + name_of(listener6, false) + " peer=");

  const int udp = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
  sockaddr_in loopback{};
  loopback.sin_family = AF_INET;
  loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(udp, reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback)), "bind");
  waits_for(second, 15, udp, 0, 0, "kind=udp state= local=" + name_of(udp, false) + " peer=");

  const int unix_listener = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  const int length = std::snprintf(path.sun_path + 1, sizeof(path.sun_path) - 1, "netpoll-fake-%d", getpid());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
  check(bind(unix_listener, reinterpret_cast<sockaddr*>(&path), size), "bind");
  check(listen(unix_listener, 1), "listen");
  const int unix_client = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  check(connect(unix_client, reinterpret_cast<sockaddr*>(&path), size), "connect");
  const std::string name = "unix:@netpoll-fake-" + std::to_string(getpid());
  waits_for(second, 16, unix_listener, 0, 0, "kind=unix state= local=" + name + " peer=");
  const int unix_server = check(accept(unix_listener, nullptr, nullptr), "accept");
  waits_for(second, 17, unix_server, 1, 0, "kind=unix state= local=" + name + " peer=");
  waits_for(second, 18, unix_client, 0, 0, "kind=unix state= local= peer=" + name);

  int ends[2];
  check(pipe(ends), "pipe");
  waits_for(second, 19, ends[0], 0, 0, "kind=pipe");
  waits_for(second, 20, check(eventfd(0, 0), "eventfd"), 0, 0, "kind=other state= local=anon_inode:[eventfd] peer=");
  waits_for(second, 21, 777, 0, 0, "kind= state= local= peer=");  // no such descriptor
}

void publish_root(std::vector<FakeRuntime*> runtimes) {
  debug::DebugRoot& root = fake_root.root;
  std::memcpy(root.magic, debug::kMagic, sizeof(root.magic));
  root.abi_major = debug::kAbiMajor;
  root.abi_minor = debug::kAbiMinor + 9;
  root.root_size = sizeof(fake_root);
  root.tp_count = 17;  // rows that this reader does not know
  std::memcpy(root.runtime_version, "9.8.7-sixteenchars", sizeof(root.runtime_version));  // no room for a NUL
  root.g = {offsetof(G, goid),        offsetof(G, status),
            offsetof(G, wait_reason), offsetof(G, park_seq),
            offsetof(G, wait_since),  offsetof(G, wait_pd),
            offsetof(G, wait_mode),   offsetof(G, parent_goid),
            offsetof(G, start_pc),    offsetof(G, created_pc),
            offsetof(G, stack_lo),    offsetof(G, stack_hi),
            offsetof(G, saved_sp),    {}};
  root.pd = {offsetof(Pd, fd), offsetof(Pd, seq), offsetof(Pd, rg),    offsetof(Pd, wg),
             offsetof(Pd, rd), offsetof(Pd, wd),  offsetof(Pd, flags), 0};
  // Slots have gaps.
  for (std::size_t i = 0; i < runtimes.size(); ++i) {
    runtimes[i]->publish();
    root.runtimes[2 + 5 * i] = reinterpret_cast<std::uint64_t>(&runtimes[i]->published);
  }
}

void lie(std::string_view way, FakeRuntime& runtime) {
  debug::DebugRoot& root = fake_root.root;
  debug::DebugRuntime& r = runtime.published;
  const std::uint64_t nowhere = 0x10;
  if (way == "magic") root.magic[3] = 'X';
  if (way == "major") root.abi_major = 7;
  if (way == "root_size") root.root_size = 8;
  if (way == "stride") r.gs.stride = 8;
  if (way == "per_chunk") r.gs.per_chunk = 0;
  if (way == "count") runtime.gs.count = UINT64_MAX;
  if (way == "chunks") r.gs.chunks = nowhere;
  if (way == "offset") root.g.goid = UINT32_MAX - 3;
  if (way == "counters") r.counter_blocks = UINT32_MAX;
  if (way == "unreadable") runtime.gs.chunks[0] = reinterpret_cast<G*>(nowhere);
}

// Changes records as a runtime does: leave the wait, then enter the next one.
void keep_changing(FakeRuntime& runtime) {
  for (std::uint64_t n = 1;; ++n) {
    for (std::uint64_t i = 0; i < runtime.gs.count; ++i) {
      G& g = runtime.gs.at(i);
      g.status.store(static_cast<std::uint32_t>(GStatus::kRunning), std::memory_order_release);
      g.park_seq.fetch_add(1);
      g.wait_pd.store(static_cast<std::uint32_t>(1 + n % 7), std::memory_order_relaxed);
      g.wait_since.store(static_cast<std::int64_t>(n), std::memory_order_relaxed);
      g.status.store(static_cast<std::uint32_t>(GStatus::kWaiting), std::memory_order_release);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view way = argc == 2 ? argv[1] : "";
  auto* first = new FakeRuntime("first");
  auto* second = new FakeRuntime("a name of thirty-two characters!");
  if (way == "busy") {
    for (int i = 0; i < 7; ++i) first->pds.add().fd = 1000 + i;
    for (std::uint64_t i = 1; i <= 200; ++i) {
      in_state(*first, i, GStatus::kWaiting, WaitReason::kIoWait);
      first->gs.at(i - 1).wait_pd = 1;
      first->gs.at(i - 1).wait_since = 7;
    }
    publish_root({first});
    std::thread(keep_changing, std::ref(*first)).detach();
  } else {
    good_goroutines(*first, *second);
    publish_root({first, second});
    lie(way, *first);
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
