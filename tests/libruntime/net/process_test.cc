// Other processes and the runtime: what a child keeps of a closed connection, and which signals a child is born with.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "libruntime/base/epoll_list.h"
#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/file.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"
#include "tests/support/skip.h"

extern char** environ;

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::bytes;
using test::Checks;
using test::outcome;
using trace::Tp;

// A child that holds what the process had open, until the end of the test.
class Holder {
 public:
  Holder() : pid_(fork()) {
    while (pid_ == 0) pause();
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    block_on([this] { return waitpid(pid_, nullptr, 0); });
  }
  bool forked() const { return pid_ > 0; }

 private:
  const pid_t pid_;
};

Fd duplicate(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// Readable again and again for whoever still holds the file.
void make_readable(int peer) {
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(send(peer, "z", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
    static_cast<void>(sleep(2ms));
  }
}

// Whether a poller of this process knows the number, as the kernel sees it.
bool registered(int fd) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) != "anon_inode:[eventpoll]") continue;
    base::EpollList list("self", std::stoi(entry.path().filename()));
    while (const auto registration = list.next()) {
      if (registration->fd == fd) return true;
    }
  }
  return false;
}

struct Waiting {
  Conn conn;
  Conn peer;  // not a duplicate: that would leave a registration of its own behind
};

std::vector<Waiting> connections(Checks& checks) {
  std::vector<Waiting> all;
  auto sockets = socket_pair();
  all.push_back({std::move(sockets->first), std::move(sockets->second)});
  auto [dialled, accepted] = test::tcp_pair(checks);
  all.push_back({std::move(accepted), std::move(dialled)});
  return all;
}

// Closes conn under a reader, after `before_close` made sure that its file lives on.
template <typename F>
void close_under_reader(Checks& checks, Conn& conn, F&& before_close) {
  std::string end;
  WaitGroup done;
  done.go([&] {
    std::array<std::byte, 8> buffer;
    end = outcome(conn.read(buffer));
  });
  EXPECT_THAT(checks, test::parked_on(checks, conn.fd(), 0));
  before_close();
  EXPECT_EQUAL(checks, outcome(conn.close()), "ok");
  done.wait();
  EXPECT_EQUAL(checks, end, "closing");
}

// The blocked signals of the process or thread that a status file of proc(5) describes, as its line has them.
std::string blocked_in(const std::filesystem::path& status) {
  std::ifstream file(status);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("SigBlk:", 0) == 0) return line;
  }
  return "no line in " + status.string();
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

const char* const kPrintMask[] = {"grep", "SigBlk", "/proc/self/status", nullptr};

std::string spawned() {
  const std::string path = test::fresh_path("mask");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  pid_t pid = 0;
  if (posix_spawnp(&pid, "grep", &actions, nullptr, const_cast<char**>(kPrintMask), environ) == 0) {
    waitpid(pid, nullptr, 0);
  }
  posix_spawn_file_actions_destroy(&actions);
  std::string mask = text_of(path);
  unlink(path.c_str());
  return mask;
}

std::string forked() {
  const std::string path = test::fresh_path("mask");
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), 1);
    execvp("grep", const_cast<char**>(kPrintMask));
    _exit(1);
  }
  waitpid(pid, nullptr, 0);
  std::string mask = text_of(path);
  unlink(path.c_str());
  return mask;
}

std::atomic<int> sigpipes{0};

// How many descriptors the epoll instances of this process hold, as the kernel lists them. (With kqueue it is more than
// one per connection, or none.)
std::size_t registrations() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream list(entry.path());
    for (std::string line; std::getline(list, line);) {
      if (line.rfind("tfd:", 0) == 0) ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("the registration of a closed connection goes although a forked child holds its file") {
  if (test::completes_operations()) NETPOLL_SKIP("this back end registers nothing");
  test::in_every_setup([](Checks& checks) {
    for (Waiting& one : connections(checks)) {
      const int number = one.conn.fd();
      std::optional<Holder> child;
      close_under_reader(checks, one.conn, [&] {
        EXPECT_THAT(checks, registered(number));
        child.emplace();
      });
      EXPECT_THAT(checks, child->forked());
      EXPECT_THAT(checks, !registered(number));
    }
    // Not parked at the time, and of other kinds.
    auto listener = Listener::listen("127.0.0.1:0");
    auto datagrams = PacketConn::bind("127.0.0.1:0");
    auto ends = pipe();
    const std::array<int, 3> numbers = {listener->fd(), datagrams->fd(), ends->first.fd()};
    const Holder child;
    EXPECT_EQUAL(checks, outcome(listener->close()), "ok");
    EXPECT_EQUAL(checks, outcome(datagrams->close()), "ok");
    EXPECT_EQUAL(checks, outcome(ends->first.close()), "ok");
    for (const int number : numbers) EXPECT_THAT(checks, !registered(number));
  });
}

TEST_CASE("a duplicate made behind the runtime's back costs a closed connection an event per edge, and no core") {
  test::in_every_setup([](Checks& checks) {
    for (Waiting& one : connections(checks)) {
      const int number = one.conn.fd();
      Fd copy;
      close_under_reader(checks, one.conn, [&] { copy = duplicate(number); });
      if (checks.config().trigger == Trigger::kLevel) EXPECT_THAT(checks, !registered(number));
      const std::uint64_t before = tracepoints(checks, Tp::stale_event);
      make_readable(one.peer.fd());
      const std::uint64_t stale = tracepoints(checks, Tp::stale_event) - before;
      EXPECT_THAT(checks, stale < 50);
      // The number and the pollDesc serve somebody else by now, undisturbed.
      auto sockets = socket_pair();
      std::string got;
      std::atomic<bool> ended{false};
      WaitGroup done;
      done.go([&] {
        got = test::read_some(sockets->first);
        ended = true;
      });
      EXPECT_THAT(checks, test::parked_on(checks, sockets->first.fd(), 0));
      make_readable(one.peer.fd());
      EXPECT_THAT(checks, !ended);
      EXPECT_EQUAL(checks, outcome(sockets->second.write("k")), "ok");
      done.wait();
      EXPECT_EQUAL(checks, got, "k");
    }
  });
}

TEST_CASE("children that goroutines start have the signal mask that the program had before the runtime") {
  sigset_t some, old;
  sigemptyset(&some);
  for (const int signal : {SIGUSR1, SIGWINCH}) sigaddset(&some, signal);
  pthread_sigmask(SIG_SETMASK, &some, &old);
  const std::string wanted = blocked_in("/proc/thread-self/status");
  test::in_every_setup([&](Checks& checks) {
    EXPECT_EQUAL(checks, spawned(), wanted);
    EXPECT_EQUAL(checks, forked(), wanted);
    // On several Ms at once, however each of them came to be.
    constexpr int kAtOnce = 4;
    std::array<std::string, kAtOnce> masks;
    WaitGroup done;
    for (std::string& mask : masks) done.go([&] { mask = block_on([] { return spawned(); }); });
    done.wait();
    for (const std::string& mask : masks) EXPECT_EQUAL(checks, mask, wanted);
    // The runtime's own threads take no signal.
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      const std::string name = text_of(task.path() / "comm");
      const auto blocked = [&] { return blocked_in(task.path() / "status"); };
      // One that has just been started takes the mask in a moment.
      if (name == "netpoll-m") EXPECT_THAT(checks, test::soon([&] { return blocked() == wanted; }));
      if (name == "netpoll-sysmon" || name == "netpoll-poll") EXPECT_THAT(checks, blocked() > wanted);
    }
  });
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

TEST_CASE("a child that a goroutine starts is ended by SIGTERM") {
  test::in_default_setup([](Checks& checks) {
    const char* const words[] = {"sleep", "1000", nullptr};
    pid_t pid = 0;
    EXPECT_EQUAL(checks, posix_spawnp(&pid, "sleep", nullptr, nullptr, const_cast<char**>(words), environ), 0);
    kill(pid, SIGTERM);
    int status = 0;
    EXPECT_THAT(checks, test::soon([&] { return waitpid(pid, &status, WNOHANG) == pid; }));
    EXPECT_THAT(checks, WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  });
}

TEST_CASE("no write of ours raises SIGPIPE, also not one that is cut short, and the mask is as before") {
  struct sigaction count {
  }, old{};
  count.sa_handler = [](int) { sigpipes.fetch_add(1); };
  sigaction(SIGPIPE, &count, &old);
  sigpipes = 0;
  test::in_every_setup([](Checks& checks) {
    const auto is_pipe_error = [](const auto& result) { return !result && result.error().sys_errno() == EPIPE; };
    auto ends = pipe();
    const std::vector<std::byte> large(std::size_t{1} << 20);
    // The reader takes a part and leaves while the writer is in the middle.
    WaitGroup done;
    done.go([&] { EXPECT_THAT(checks, is_pipe_error(ends->second.write(large))); });
    EXPECT_THAT(checks, test::parked_on(checks, ends->second.fd(), 1));
    EXPECT_EQUAL(checks, test::read_some(ends->first, 4096).size(), 4096u);
    EXPECT_EQUAL(checks, outcome(ends->first.close()), "ok");
    done.wait();
    const iovec buffer{.iov_base = const_cast<std::byte*>(large.data()), .iov_len = 10};
    EXPECT_THAT(checks, is_pipe_error(ends->second.writev(std::span(&buffer, 1))));
    auto file = File::adopt(duplicate(ends->second.fd()));
    EXPECT_THAT(checks, is_pipe_error(file->write(bytes("x"))));
    auto sockets = socket_pair();
    EXPECT_EQUAL(checks, outcome(sockets->second.close()), "ok");
    const Fd source(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_THAT(checks, is_pipe_error(sockets->first.send_file(source.get(), 0, 4096)));
    EXPECT_EQUAL(checks, sigpipes.load(), 0);
    sigset_t mask, pending;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    sigpending(&pending);
    EXPECT_THAT(checks, sigismember(&mask, SIGPIPE) == 0 && sigismember(&pending, SIGPIPE) == 0);
  });
  sigaction(SIGPIPE, &old, nullptr);
}

TEST_CASE("a descriptor duplicated in a callback does not keep the registration alive") {
  test::in_every_setup([](Checks& checks) {
    std::size_t with = 0;
    {
      auto sockets = socket_pair();
      with = registrations();
    }
    const std::size_t without = registrations();
    int copy = -1;
    {
      auto sockets = socket_pair();
      EXPECT_EQUAL(checks, outcome(sockets->first.raw().control([&](int fd) { copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); })),
                   "ok");
      EXPECT_EQUAL(checks, registrations(), with);
    }
    EXPECT_EQUAL(checks, registrations(), without);
    close(copy);
  });
}

}  // namespace netpoll
