// The claim that the control hook runs after a descriptor is created and before it is enabled.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "cli/claims/lab.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"

namespace netpoll::cli {
namespace {

constexpr int kMark = 7;  // a value of SO_PRIORITY that nobody else sets

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -1;
  return ntohs(address.sin_port);
}

bool set_mark(int fd) { return ::setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &kMark, sizeof(kMark)) == 0; }

bool has_mark(int fd) {
  int value = 0;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, &size) == 0 && value == kMark;
}

// What a hook finds, noted under a name.
std::function<Result<void>(int)> hook(Lab& lab, const std::string& name) {
  return [&lab, name](int fd) -> Result<void> {
    lab.step("the control hook of " + name + " runs");
    lab.fact(name + "_open", is_open(fd));
    lab.fact(name + "_bound", port_of(fd) != 0);
    lab.fact(name + "_registered", registration(fd).has_value());
    lab.fact(name + "_marked", set_mark(fd));
    return {};
  };
}

void check_after(Lab& lab, const std::string& name, int fd) {
  lab.step(name + " has returned");
  lab.fact(name + "_registered_after", registration(fd).has_value());
  lab.fact(name + "_marked_after", has_mark(fd));
}

void act(Lab& lab) {
  Runtime runtime(lab_config(1));
  runtime.run([&] {
    Listener listener = lab.need(Listener::listen(Addr::loopback(), {.control = hook(lab, "listen")}), "listen");
    check_after(lab, "listen", listener.fd());
    Conn client = lab.need(dial(listener.local(), {.control = hook(lab, "dial")}), "dial");
    check_after(lab, "dial", client.fd());
    Conn server = lab.need(listener.accept(), "accept");

    int seen_fd = -1;
    lab.need(client.raw().control([&](int fd) { seen_fd = fd; }), "RawConn::control");
    lab.fact("raw_control_same_fd", seen_fd == client.fd());
    int tries = 0;
    go([&lab, &server] { put_byte(lab, server); });
    lab.step("RawConn::read() calls its callback, which finds nothing yet");
    lab.need(client.raw().read([&](int fd) {
      ++tries;
      char byte = 0;
      return ::recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
    }),
             "RawConn::read");
    lab.fact("raw_read_tries", tries);
    lab.need(client.close(), "close");
    const auto late = client.raw().control([](int) {});
    lab.fact("raw_after_close", !late && late.error().is(ErrorKind::kClosing));
  });
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  for (const std::string name : {"listen", "dial"}) {
    const auto truth = [&](const char* what) { return seen.truth((name + what).c_str()); };
    finding.figure(name + "_registered_in_hook", truth("_registered"),
                   "whether /proc lists the descriptor in the epoll instance while the hook of " + name + " runs");
    finding.figure(name + "_registered_after", truth("_registered_after"), "the same once " + name + " has returned");
    finding.figure(name + "_option_kept", truth("_marked_after"),
                   "whether a socket option that the hook set is in force");
    finding.expect(truth("_open") && !truth("_bound"), name + ": the hook ran without a new, unbound descriptor");
    finding.expect(!truth("_registered") && truth("_registered_after"),
                   name + ": the hook did not run before the registration");
    finding.expect(truth("_marked") && truth("_marked_after"), name + ": the option of the hook was lost");
  }
  finding.figure("raw_read_tries", seen.number("raw_read_tries"),
                 "calls of a RawConn::read callback that waited once for data");
  finding.expect(seen.truth("raw_control_same_fd"), "RawConn::control gives another descriptor");
  finding.expect(seen.number("raw_read_tries") == 2, "RawConn::read did not wait and call again");
  finding.expect(seen.truth("raw_after_close"), "RawConn::control works after close");
}

}  // namespace

const Claim control_claim{
    .name = "control",
    .claim =
        "The control hook of listen and dial runs after the descriptor is created and before it is enabled; RawConn "
        "reaches it later.",
    .article = "RawConn.Control runs after the descriptor is created and before it is enabled in netpoll.",
    .go =
        "That is ListenConfig.Control and Dialer.Control. RawConn.Control serves for ioctl and setsockopt at any time; "
        "to wait there is RawConn.Read and Write.",
    .experiment =
        "Hooks of listen and dial look at /proc and set an option of their socket; then RawConn's control and read.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
