// The claim that the poller is part of the runtime: a program meets goroutines and connections, and no epoll instance.
#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

void act(Lab& lab) {
  lab.fact("instances_before", epoll_descriptors().size());
  Runtime runtime(lab_config(1));
  std::int64_t sent = 0, received = 0;
  runtime.run([&] {
    lab.step("a goroutine runs; the program has no connection yet");
    lab.fact("instances_without_connection", epoll_descriptors().size());
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    lab.step("socket_pair() gave two connections");
    lab.fact("instances_with_connection", epoll_descriptors().size());
    lab.fact("registered",
             static_cast<int>(registration(a.fd()).has_value()) + static_cast<int>(registration(b.fd()).has_value()));
    go([&lab, &received, reader = std::move(b)]() mutable {
      lab.step("the other goroutine reads, and there is nothing to read yet");
      take_byte(lab, reader);
      ++received;
      lab.step("it has its byte");
    });
    yield();
    put_byte(lab, a);
    ++sent;
    while (received == 0 && !canceled()) yield();
  });
  lab.fact("sent", sent);
  lab.fact("received", received);
  lab.fact("readied", count_of(runtime, trace::Tp::ready));
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  finding.figure("epoll_instances_without_connection", seen.number("instances_without_connection"),
                 "epoll instances of the process while a goroutine runs and no connection exists");
  finding.figure("epoll_instances_with_connection", seen.number("instances_with_connection"),
                 "the same once the program holds a pair of connections");
  finding.figure("registered_ends", seen.number("registered"),
                 "ends of the pair that stand in that instance, as /proc lists it; the program registered none");
  finding.figure("bytes_received", seen.number("received"), "bytes that the other goroutine read, after it had waited");
  finding.expect(seen.number("instances_before") == 0 && seen.number("instances_without_connection") == 0,
                 "there is an epoll instance before any connection");
  finding.expect(seen.number("instances_with_connection") == 1 && seen.number("registered") == 2,
                 "the connections are not registered with one epoll instance");
  finding.expect(seen.number("received") == seen.number("sent") && seen.number("readied") >= 1,
                 "the waiting goroutine was not woken by the poller");
}

}  // namespace

const Claim runtime_claim{
    .name = "runtime",
    .claim = "The poller is part of the runtime: users see goroutines and connections.",
    .article = "netpoll is not a public API for polling but a part of Go's runtime, which the scheduler drives.",
    .go = "True since Go 1.1; up to 1.0 it was a goroutine of package net.",
    .experiment =
        "A program that calls nothing but go(), socket_pair(), read() and write(); beside it, what /proc says of its "
        "epoll instances.",
    .limits =
        "That no public header names epoll or kqueue is a property of the sources, which "
        "tests/tools/check_layers.py holds; a running program cannot show it.",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
