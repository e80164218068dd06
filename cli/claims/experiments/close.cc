// The claim that the runtime owns a descriptor's life: close wakes who waits, and misuse is found.
#include <sys/epoll.h>

#include <array>

#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

std::string ending_of(const Result<std::size_t>& read) {
  return read ? std::to_string(*read) + " bytes" : std::string(error_kind_name(read.error().kind()));
}

std::string ending_of(const Result<void>& done) {
  return done ? std::string("done") : std::string(error_kind_name(done.error().kind()));
}

void close_under_readers(Lab& lab) {
  auto [a, b] = lab.need(socket_pair(), "socket_pair");
  const int fd = a.fd();
  bool begun = false;
  std::string woken_by;
  go([&, &conn = a] {
    std::array<std::byte, 1> byte{};
    begun = true;
    lab.step("a goroutine waits to read");
    woken_by = ending_of(conn.read(byte));
    lab.step("it was woken: " + woken_by);
  });
  while (!begun) yield();  // with one P it is parked when we run
  lab.fact("registered_before", registration(fd).has_value());
  lab.step("another goroutine closes the connection");
  lab.fact("first_close", ending_of(a.close()));
  while (woken_by.empty() && !canceled()) yield();
  lab.fact("woken_by", woken_by);
  lab.fact("registered_after", registration(fd).has_value());
  std::array<std::byte, 1> byte{};
  lab.fact("read_after_close", ending_of(a.read(byte)));
  lab.fact("second_close", ending_of(a.close()));
}

// Somebody takes a registration out of the runtime's own instance, as nobody may.
void interfere(Lab& lab, Runtime& runtime) {
  auto [a, b] = lab.need(socket_pair(), "socket_pair");
  const std::vector<int> instances = epoll_descriptors();
  if (instances.size() != 1) lab.give_up("there is not one epoll instance");
  bool begun = false, read = false;
  go([&, &conn = a] {
    begun = true;
    take_byte(lab, conn);
    read = true;
  });
  while (!begun) yield();
  lab.step("a foreign epoll_ctl(EPOLL_CTL_DEL) on the descriptor of a goroutine that waits");
  const bool removed = ::epoll_ctl(instances.front(), EPOLL_CTL_DEL, a.fd(), nullptr) == 0;
  lab.fact("foreign_removed", removed && !registration(a.fd()).has_value());
  (void)runtime.snapshot();  // looks at the registrations, as the runtime also does when it falls idle
  lab.fact("foreign_found", count_of(runtime, trace::Tp::foreign_ctl));
  lab.fact("repaired", registration(a.fd()).has_value());
  lab.step("the runtime has looked at its registrations; the other end writes");
  put_byte(lab, b);
  while (!read && !canceled()) yield();
  lab.fact("read_after_repair", read);
  lab.step("the goroutine has read");
}

void act(Lab& lab) {
  Runtime runtime(lab_config(1));
  runtime.run([&] {
    close_under_readers(lab);
    interfere(lab, runtime);
  });
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  const auto text = [&](const char* fact) { return seen.facts.value(fact, std::string()); };
  finding.figure("woken_by", text("woken_by"), "what the read returned that waited when another goroutine closed");
  finding.figure("registered_after_close", seen.truth("registered_after"), "whether /proc still lists the descriptor");
  finding.figure("read_after_close", text("read_after_close"), "what a read returns afterwards");
  finding.figure("second_close", text("second_close"), "what a second close returns");
  finding.figure("foreign_changes_found", seen.number("foreign_found"),
                 "foreign EPOLL_CTL_DEL that the runtime found, of 1");
  finding.figure("woken_after_repair", seen.truth("read_after_repair"),
                 "whether the goroutine whose registration was taken away still got its byte");
  finding.expect(seen.truth("registered_before") && text("first_close") == "done" && text("woken_by") == "closing",
                 "close did not wake the reader with closing");
  finding.expect(!seen.truth("registered_after"), "the descriptor is still registered after close");
  finding.expect(text("read_after_close") == "closing", "use after close is not detected");
  finding.expect(text("second_close") == "closing", "a double close is not detected");
  finding.expect(seen.truth("foreign_removed") && seen.number("foreign_found") == 1 && seen.truth("repaired") &&
                     seen.truth("read_after_repair"),
                 "a foreign epoll_ctl was not found and repaired");
}

}  // namespace

const Claim close_claim{
    .name = "close",
    .claim =
        "A descriptor's life belongs to the runtime: close unregisters it and wakes who waits; use after close, "
        "double close and foreign epoll_ctl are detected.",
    .article =
        "The runtime's fdmgr owns descriptors; to unregister one twice panics, and one must not call epoll_ctl on "
        "them.",
    .go =
        "There is no fdmgr: internal/poll.FD and pollDesc hold that state. A second Close returns net.ErrClosed and does "
        "not panic. A foreign EPOLL_CTL_DEL is noticed by nobody: the read never wakes.",
    .experiment =
        "A connection is closed while a goroutine reads from it, read and closed again; then a registration is "
        "taken out of the runtime's epoll instance while a goroutine waits for it.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
