// The claim that the poller manages non-blocking, registered descriptors alone.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/claims/lab.h"
#include "netpoll/net/file.h"

namespace netpoll::cli {
namespace {

constexpr std::int64_t kRounds = 1000;

bool is_nonblocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

void adopt_blocking_socket(Lab& lab) {
  std::array<int, 2> pair{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) lab.give_up("socketpair failed");
  Fd ours(pair[0]);
  const Fd other(pair[1]);
  const int number = ours.get();
  lab.fact("nonblocking_before", is_nonblocking(number));
  lab.step("a blocking socket is given to Conn::adopt()");
  const Conn conn = lab.need(Conn::adopt(std::move(ours)), "adopt a socket");
  lab.fact("nonblocking_after", is_nonblocking(number));
  lab.fact("registered", registration(number).has_value());
}

void adopt_regular_file(Lab& lab) {
  Fd file = lab.need_fd(::memfd_create("claim", MFD_CLOEXEC), "memfd_create");
  const Fd instance = lab.need_fd(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  epoll_event event{.events = EPOLLIN, .data = {.fd = file.get()}};
  const int refused = ::epoll_ctl(instance.get(), EPOLL_CTL_ADD, file.get(), &event) == 0 ? 0 : errno;
  lab.fact("kernel_refuses_with_eperm", refused == EPERM);
  lab.step("a regular file is given to Conn::adopt()");
  const auto conn = Conn::adopt(std::move(file));
  lab.fact("not_pollable", !conn && conn.error().is(ErrorKind::kNotPollable));
}

// With one P, the goroutine that writes can run only where the one that blocks has handed it over.
void block_in_a_read(Lab& lab) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) lab.give_up("pipe2 failed");
  const Fd write_end(ends[1]);
  File file = lab.need(File::adopt(Fd(ends[0]), "pipe"), "adopt a pipe as a file");
  std::int64_t rounds = 0;
  go([&] {
    lab.step("another goroutine runs on the only P");
    for (; rounds < kRounds; ++rounds) yield();
    lab.step("it writes what the read waits for");
    (void)!::write(write_end.get(), "x", 1);
  });
  std::array<std::byte, 1> byte{};
  lab.step("a goroutine blocks in read(2) of a descriptor that is blocking, through File");
  lab.fact("bytes", lab.need(file.read(byte), "read"));
  lab.step("the read returned");
  lab.fact("rounds", rounds);
  lab.fact("still_blocking", !is_nonblocking(file.fd()));
}

void act(Lab& lab) {
  Runtime runtime(lab_config(1));
  runtime.run([&] {
    adopt_blocking_socket(lab);
    adopt_regular_file(lab);
    block_in_a_read(lab);
  });
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  finding.figure("nonblocking_after_adopt", seen.truth("nonblocking_after"),
                 "O_NONBLOCK of an adopted socket that had been blocking");
  finding.figure("registered_after_adopt", seen.truth("registered"), "whether /proc lists it in the epoll instance");
  finding.figure("regular_file_refused", seen.truth("not_pollable"),
                 "whether the runtime says clearly that a regular file cannot be polled, as epoll_ctl does by EPERM");
  finding.figure("rounds_meanwhile", seen.number("rounds"),
                 "turns of another goroutine on the only P while a read of a blocking descriptor waited");
  finding.expect(!seen.truth("nonblocking_before") && seen.truth("nonblocking_after"), "O_NONBLOCK was not set");
  finding.expect(seen.truth("registered"), "the adopted socket is not registered");
  finding.expect(seen.truth("kernel_refuses_with_eperm"), "epoll_ctl takes a regular file");
  finding.expect(seen.truth("not_pollable"), "a regular file was taken as a connection");
  finding.expect(seen.number("bytes") == 1 && seen.number("rounds") == kRounds && seen.truth("still_blocking"),
                 "a blocking call kept the P to itself");
}

}  // namespace

const Claim nonblocking_claim{
    .name = "nonblocking",
    .claim =
        "It manages only non-blocking, registered descriptors; what epoll refuses becomes a blocking call that hands "
        "its P off.",
    .article = "Only descriptors that are non-blocking and registered take part in netpoll.",
    .go =
        "True. Regular files get EPERM from epoll and fall back to blocking calls; standard input is polled only if it "
        "was non-blocking already.",
    .experiment =
        "A blocking socket and a regular file are given to the runtime. Then, with one P, a read blocks its "
        "thread until another goroutine, on that same P, writes.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
