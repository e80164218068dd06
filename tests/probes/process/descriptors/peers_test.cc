// The other ends of connections that the test makes itself: it knows who holds them.
#include "probes/process/descriptors/peers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "netpoll/fd.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/sockets.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using netpoll::Fd;
using netpoll::trace::PeerProcess;
using namespace netpoll::probes;

namespace {

DescriptorInfo described(const Fd& fd) {
  Descriptors all = describe_descriptors(getpid(), {fd.get()}, Ends::kBoth);
  REQUIRE(all.count(fd.get()) == 1);
  return all.at(fd.get());
}

bool is_held_by(const DescriptorInfo& info, pid_t pid, int fd) {
  for (const PeerProcess& p : info.peer_processes) {
    if (p.pid == pid && p.fd == fd) return true;
  }
  return false;
}

std::string own_comm() {
  std::ifstream file("/proc/self/comm");
  std::string line;
  std::getline(file, line);
  return line;
}

struct Connection {
  Fd listener;
  Fd client;
  Fd server;
};

// A client of IPv4 and a server of the given family, on the loopback interface.
Connection tcp_connection(int server_family) {
  Connection c;
  c.listener.reset(socket(server_family, SOCK_STREAM, 0));
  sockaddr_in6 address{};
  address.sin6_family = static_cast<sa_family_t>(server_family);
  socklen_t size = server_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (bind(c.listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return {};
  if (listen(c.listener.get(), 4) != 0) return {};
  getsockname(c.listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = address.sin6_port;  // at the same place in both
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c.client.reset(socket(AF_INET, SOCK_STREAM, 0));
  if (connect(c.client.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) return {};
  c.server.reset(accept(c.listener.get(), nullptr, nullptr));
  return c;
}

}  // namespace

TEST_CASE("links name sockets and pipes, and nothing else") {
  CHECK(key_of_link("socket:[4711]") == FileKey{.kind = FileKey::Kind::kSocket, .inode = 4711});
  CHECK(key_of_link("anon_inode:[eventpoll]") == FileKey{.kind = FileKey::Kind::kEpoll});
  CHECK(key_of_link("pipe:[12]") == FileKey{.kind = FileKey::Kind::kPipe, .inode = 12});
  for (const char* link : {"", "socket:[", "socket:[x]", "socket:[12", "socket:12", "/tmp/pipe:[1]",
                           "anon_inode:[eventfd]", "socket:[99999999999999999999]"}) {
    CHECK_FALSE(key_of_link(link));
  }
}

TEST_CASE("each end of a loopback connection is held by the other's process") {
  for (const int family : {AF_INET, AF_INET6}) {
    Connection c = tcp_connection(family);
    if (family == AF_INET6 && !c.server.valid()) NETPOLL_SKIP("no IPv6 here");
    REQUIRE(c.server.valid());
    const DescriptorInfo client = described(c.client);
    const DescriptorInfo server = described(c.server);
    REQUIRE(client.peer_processes.size() == 1);
    CHECK(client.peer_processes[0].pid == getpid());
    CHECK(client.peer_processes[0].fd == c.server.get());
    CHECK(client.peer_processes[0].comm == own_comm());
    REQUIRE(server.peer_processes.size() == 1);
    CHECK(server.peer_processes[0].fd == c.client.get());
    CHECK(described(c.listener).peer_processes.empty());
  }
}

TEST_CASE("after a fork all who hold the other end are named") {
  Connection c = tcp_connection(AF_INET);
  REQUIRE(c.server.valid());
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const DescriptorInfo client = described(c.client);
  CHECK(client.peer_processes.size() == 2);
  CHECK(is_held_by(client, getpid(), c.server.get()));
  CHECK(is_held_by(client, child, c.server.get()));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_CASE("a connection that was not accepted is held by nobody yet") {
  Connection c = tcp_connection(AF_INET);
  REQUIRE(c.server.valid());
  sockaddr_in to{};
  socklen_t size = sizeof(to);
  getsockname(c.listener.get(), reinterpret_cast<sockaddr*>(&to), &size);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const Fd waiting(socket(AF_INET, SOCK_STREAM, 0));
  REQUIRE(connect(waiting.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  CHECK(described(waiting).peer_processes.empty());
  // But the listener says that one waits.
  CHECK(described(c.listener).recv_queue_bytes == 1);
}

TEST_CASE("ends of Unix sockets, pipes and FIFOs are found in the processes that hold them") {
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const Fd left(pair[0]);
  const Fd right(pair[1]);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  const std::string fifo = std::filesystem::temp_directory_path() / ("netpoll-fifo-" + std::to_string(getpid()));
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  const Fd fifo_reader(open(fifo.c_str(), O_RDONLY | O_NONBLOCK));
  const Fd fifo_writer(open(fifo.c_str(), O_WRONLY | O_NONBLOCK));
  const Fd fifo_both(open(fifo.c_str(), O_RDWR | O_NONBLOCK));
  unlink(fifo.c_str());
  REQUIRE(fifo_both.valid());

  const DescriptorInfo of_reader = described(reader);
  REQUIRE(of_reader.peer_processes.size() == 1);
  CHECK(of_reader.peer_processes[0].fd == writer.get());
  CHECK(described(writer).peer_processes.at(0).fd == reader.get());
  CHECK(of_reader.kind == "pipe");

  const DescriptorInfo of_fifo = described(fifo_reader);
  CHECK(of_fifo.kind == "pipe");
  CHECK(of_fifo.peer_processes.size() == 2);
  CHECK(is_held_by(of_fifo, getpid(), fifo_writer.get()));
  CHECK(is_held_by(of_fifo, getpid(), fifo_both.get()));
  CHECK_FALSE(is_held_by(described(fifo_both), getpid(), fifo_both.get()));

  std::vector<TcpSocket> sockets;
  if (!read_tcp_sockets(getpid(), sockets))
    NETPOLL_SKIP("this kernel has no sock_diag, which alone knows pairs of Unix sockets");
  const DescriptorInfo of_left = described(left);
  REQUIRE(of_left.peer_processes.size() == 1);
  CHECK(of_left.peer_processes[0].fd == right.get());
}

TEST_CASE("queues hold what was written and not read, and idle times are no longer than the connection's life") {
  const auto before = std::chrono::steady_clock::now();
  Connection c = tcp_connection(AF_INET);
  REQUIRE(c.server.valid());
  REQUIRE(write(c.client.get(), "hello", 5) == 5);
  DescriptorInfo server = described(c.server);
  CHECK(server.recv_queue_bytes == 5);
  CHECK(server.send_queue_bytes == 0);
  if (!server.recv_idle_ns) NETPOLL_SKIP("this kernel has no sock_diag, which alone knows idle times");
  const DescriptorInfo client = described(c.client);
  REQUIRE(client.send_idle_ns);
  const auto life = std::chrono::steady_clock::now() - before;
  // The kernel counts in jiffies, of 10 ms at most, of which either end may be rounded.
  CHECK(std::chrono::nanoseconds(*server.recv_idle_ns) <= life + std::chrono::milliseconds(20));
  CHECK(std::chrono::nanoseconds(*client.send_idle_ns) <= life + std::chrono::milliseconds(20));
  // Idle time grows while nothing comes, and begins anew when something does.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (server.recv_idle_ns < 200'000'000 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    server = described(c.server);
  }
  REQUIRE(server.recv_idle_ns >= 200'000'000);
  const auto before_second = std::chrono::steady_clock::now();
  REQUIRE(write(c.client.get(), "again", 5) == 5);
  server = described(c.server);
  const auto since_second = std::chrono::steady_clock::now() - before_second;
  CHECK(std::chrono::nanoseconds(server.recv_idle_ns.value_or(-1)) <= since_second + std::chrono::milliseconds(20));
  CHECK(server.recv_queue_bytes == 10);
}

TEST_CASE("nothing to look up costs no walk") { CHECK(find_holders({}).empty()); }
