// Addresses and states of sockets by both ways to the kernel's tables.
#include "probes/process/descriptors/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <vector>

#include "netpoll/fd.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using netpoll::Fd;
using namespace netpoll::probes;

namespace {

std::uint64_t inode_of(const Fd& fd) {
  struct stat status {};
  return fstat(fd.get(), &status) == 0 ? status.st_ino : 0;
}

Fd listening(int family) {
  Fd fd(socket(family, SOCK_STREAM, 0));
  sockaddr_in6 any{};
  any.sin6_family = static_cast<sa_family_t>(family);
  const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&any), size) != 0 || listen(fd.get(), 1) != 0) return Fd();
  return fd;
}

std::string port_of(const Fd& fd) {
  sockaddr_in6 address{};
  socklen_t size = sizeof(address);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return std::to_string(ntohs(address.sin6_port));
}

}  // namespace

TEST_CASE("lines of /proc/net/tcp become addresses and states") {
  std::istringstream table(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 "
      "0\n"
      "   1: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 102 1 0 20 4 30 10 "
      "-1\n"
      "   2: 0100007F:1F90 0200007F:C351 08 00000000:00000000 00:00000000 00000000  1000        0 999 1 0 20 4 30 10 "
      "-1\n"
      "   3: 0100007F 0200007F:C351 08 00000000:00000000 00:00000000 00000000  1000        0 103\n"
      "   4: 0100007F:1F90 0200007F:C351 zz 00000000:00000000\n"
      "\n");
  const Inodes wanted = {101, 102, 103};
  SocketSearch search(wanted);
  read_inet_table(table, "tcp", search);
  SocketTable found = search.take();
  REQUIRE(found.size() == 2);
  CHECK(found[101].local == "127.0.0.1:8080");
  CHECK(found[101].peer.empty());
  CHECK(found[101].state == "LISTEN");
  CHECK(found[102].peer == "127.0.0.2:50000");
  CHECK(found[102].state == "ESTABLISHED");
}

TEST_CASE("lines of /proc/net/tcp6 are printed as IPv4 where they stand for it") {
  std::istringstream table(
      "  sl  local_address                         remote_address                        st\n"
      "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7 1\n"
      "   1: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000200007F:C350 01 0:0 0:0 0 0 0 8 1\n");
  const Inodes wanted = {7, 8};
  SocketSearch search(wanted);
  read_inet_table(table, "tcp", search);
  SocketTable found = search.take();
  REQUIRE(found.size() == 2);
  CHECK(found[7].local == "[::1]:80");
  CHECK(found[8].local == "127.0.0.1:80");
  CHECK(found[8].peer == "127.0.0.2:50000");
}

TEST_CASE("lines of /proc/net/unix become names") {
  std::istringstream table(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "0000000000000000: 00000002 00000000 00010000 0001 01 21504 /run/a b.sock\n"
      "0000000000000000: 00000003 00000000 00000000 0001 03 21505\n"
      "0000000000000000: 00000003 00000000 00000000 0001 03 21506 @abstract\n");
  const Inodes wanted = {21504, 21505, 21506};
  SocketSearch search(wanted);
  read_unix_table(table, search);
  SocketTable found = search.take();
  CHECK(found[21504].local == "unix:/run/a b.sock");
  CHECK(found[21505].local.empty());
  CHECK(found[21506].local == "unix:@abstract");
}

TEST_CASE("both ways to the kernel's tables tell the same") {
  const Fd v4 = listening(AF_INET);
  const Fd v6 = listening(AF_INET6);
  const Fd udp(socket(AF_INET, SOCK_DGRAM, 0));
  const Fd named(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  REQUIRE(v4.valid());
  REQUIRE(bind(named.get(), reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)) == 0);  // autobind
  sockaddr_in loopback{};
  loopback.sin_family = AF_INET;
  loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(udp.get(), reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback)) == 0);

  Inodes wanted = {inode_of(v4), inode_of(udp), inode_of(named), 1};
  if (v6.valid()) wanted.insert(inode_of(v6));
  auto in_proc = find_in_proc_net(getpid(), wanted);
  std::vector<TcpSocket> tcp;
  const auto read = read_tcp_sockets(getpid(), tcp);
  REQUIRE(in_proc);
  CHECK((*in_proc)[inode_of(v4)].local == "0.0.0.0:" + port_of(v4));
  CHECK((*in_proc)[inode_of(udp)].local == "127.0.0.1:" + port_of(udp));
  CHECK((*in_proc)[inode_of(named)].local.starts_with("unix:@"));
  CHECK(in_proc->count(1) == 0);
  if (!read) NETPOLL_SKIP("this kernel has no sock_diag: " + read.error().message());
  auto by_diag = find_by_sock_diag(getpid(), tcp, wanted, Ends::kBoth);
  REQUIRE(by_diag);
  REQUIRE(in_proc->size() == by_diag->size());
  for (const auto& [inode, socket] : *in_proc) {
    const SocketInfo& other = (*by_diag)[inode];
    CHECK(other.kind == socket.kind);
    CHECK(other.local == socket.local);
    CHECK(other.peer == socket.peer);
    CHECK(other.state == socket.state);
    if (socket.kind != "unix") CHECK(other.recv_queue_bytes == socket.recv_queue_bytes);
  }
}

TEST_CASE("a socket that was made after the table was read ahead is found") {
  const Fd first = listening(AF_INET);
  REQUIRE(first.valid());
  for (int round = 0; round < 20; ++round) {
    SocketFinder finder(getpid());
    finder.read_ahead();
    if (round % 2 == 0) usleep(20'000);  // mostly time enough for the reading
    const Fd second = listening(AF_INET);
    REQUIRE(second.valid());

    const auto found = finder.find({inode_of(first), inode_of(second)}, Ends::kOwn);

    REQUIRE(found);
    REQUIRE(found->size() == 2);
    CHECK(found->at(inode_of(second)).local == "0.0.0.0:" + port_of(second));
  }
}

TEST_CASE("a target in another network namespace is looked up there") {
  int ready[2];
  int done[2];
  REQUIRE(pipe(ready) == 0);
  REQUIRE(pipe(done) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(done[1]);
    std::uint64_t inode = 0;
    Fd fd;
    if (unshare(CLONE_NEWNET) == 0) {
      fd = listening(AF_INET);
      inode = inode_of(fd);
    }
    (void)!write(ready[1], &inode, sizeof(inode));
    char byte;
    (void)!read(done[0], &byte, 1);
    _exit(0);
  }
  std::uint64_t inode = 0;
  REQUIRE(read(ready[0], &inode, sizeof(inode)) == sizeof(inode));
  auto there = find_sockets(child, {inode}, Ends::kBoth);
  auto here = find_sockets(getpid(), {inode}, Ends::kBoth);
  close(done[1]);
  waitpid(child, nullptr, 0);
  for (const int fd : {ready[0], ready[1], done[0]}) close(fd);
  if (inode == 0) NETPOLL_SKIP("no right to make a network namespace");
  REQUIRE(there);
  REQUIRE(here);
  CHECK((*there)[inode].state == "LISTEN");
  CHECK(here->empty());
}
