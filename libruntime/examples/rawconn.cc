// rawconn: system calls of one's own on a connection that the runtime manages. Needs no arguments and no network.
//
// Three doors, from early to late:
//   - the control hook of listen and dial: between socket() and bind() or connect(), where options such as
//     SO_REUSEPORT or SO_MARK have their only chance;
//   - RawConn::control: any option or ioctl on a live descriptor;
//   - RawConn::read and write: calls that the library does not have (here recvmsg with ancillary data), with the
//     runtime's waiting: the callback returns false on EAGAIN, the goroutine parks, the callback runs again.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"

namespace {

netpoll::Result<void> check(int result, const char* call) {
  if (result < 0) return netpoll::posix_error(call, errno);
  return {};
}

// The kernel's view of a TCP connection.
netpoll::Result<tcp_info> tcp_state(const netpoll::Conn& conn) {
  tcp_info info{};
  int result = 0;
  auto ran = conn.raw().control([&](int fd) {
    socklen_t size = sizeof info;
    result = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? errno : 0;
  });
  if (!ran) return std::move(ran).error();
  if (result != 0) return netpoll::posix_error("getsockopt(TCP_INFO)", result);
  return info;
}

netpoll::Result<void> show_tcp() {
  auto listener = netpoll::Listener::listen("127.0.0.1:0", {.control = [](int fd) {
                                              const int on = 1;
                                              return check(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on),
                                                           "setsockopt(SO_REUSEPORT)");
                                            }});
  if (!listener) return std::move(listener).error();
  auto client =
      netpoll::dial(listener->local(), {.control = [](int fd) {
                      const int size = 64 * 1024;
                      return check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), "setsockopt(SO_RCVBUF)");
                    }});
  if (!client) return std::move(client).error();
  auto server = listener->accept();
  if (!server) return std::move(server).error();
  auto info = tcp_state(*server);
  if (!info) return std::move(info).error();
  std::printf("tcp: %s, round trip %u us, congestion window %u\n", server->peer().str().c_str(), info->tcpi_rtt,
              info->tcpi_snd_cwnd);
  return {};
}

// Who is at the other end of a Unix socket, told by the kernel with the message.
netpoll::Result<void> show_credentials() {
  auto pair = netpoll::socket_pair();
  if (!pair) return std::move(pair).error();
  netpoll::Conn& receiver = pair->first;
  auto ran = receiver.raw().control([](int fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  });
  if (!ran) return ran;

  netpoll::go([sender = std::move(pair->second)]() mutable { static_cast<void>(sender.write("hello")); });
  char text[16];
  ssize_t received = 0;
  ucred credentials{};
  auto read = receiver.raw().read([&](int fd) {
    iovec data{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    received = recvmsg(fd, &message, 0);
    if (received < 0 && errno == EAGAIN) return false;  // park until there is something
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
        std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      }
    }
    return true;
  });
  if (!read) return read;
  std::printf("unix: '%.*s' from pid %d, uid %d\n", static_cast<int>(received), text, credentials.pid,
              static_cast<int>(credentials.uid));
  return {};
}

}  // namespace

int main() {
  int status = 0;
  netpoll::Runtime runtime;
  runtime.run([&] {
    for (auto* part : {show_tcp, show_credentials}) {
      auto result = part();
      if (!result) {
        std::fprintf(stderr, "rawconn: %s\n", result.error().message().c_str());
        status = 1;
      }
    }
  });
  return status;
}
