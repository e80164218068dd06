// The claim of how a read waits: it tries, parks its goroutine on EAGAIN, and the thread goes on with another one.
#include <unistd.h>

#include <cerrno>

#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

constexpr std::int64_t kReads = 100;
constexpr std::int64_t kRounds = 5000;

// On a new connection, as after a read that came up short, libruntime knows that nothing is there and saves the
// attempt. So each connection has had a read that filled its buffer before anything is counted.

// Data is there before each read.
void read_what_is_there(Lab& lab) {
  Runtime runtime(lab_config(1));
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    lab.fact("ready_fd", {a.fd()});
    put_byte(lab, b);
    take_byte(lab, a);
    const std::int64_t before = count_of(runtime, trace::Tp::park);
    lab.window("ready", [&lab, &mine = a, &other = b] {
      for (std::int64_t i = 0; i < kReads; ++i) {
        put_byte(lab, other);
        take_byte(lab, mine);
      }
    });
    lab.fact("parks_with_data", count_of(runtime, trace::Tp::park) - before);
  });
}

// Each read comes before its data.
void read_what_is_to_come(Lab& lab) {
  Runtime runtime(lab_config(1));
  std::int64_t read = 0, waiting = 0, same_thread = 0, reader_tid = 0, readied = 0;
  bool warm = false, begun = false;
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    lab.fact("waited_fd", {a.fd()});
    go([&, conn = std::move(a)]() mutable {
      take_byte(lab, conn);
      warm = true;
      while (!begun) yield();
      for (; read < kReads; ++read) {
        reader_tid = ::gettid();
        waiting = read + 1;
        if (read == 0) lab.step("the reader reads; nothing is there");
        take_byte(lab, conn);
        if (read == 0) lab.step("the reader has its byte");
      }
    });
    put_byte(lab, b);
    while (!warm && !canceled()) yield();
    readied = count_of(runtime, trace::Tp::ready);
    lab.window("waited", [&, &conn = b] {
      begun = true;
      for (std::int64_t i = 0; i < kReads && !canceled(); ++i) {
        while (waiting <= i && !canceled()) yield();  // with one P the reader is parked when we run
        if (i == 0) lab.step("another goroutine runs meanwhile, and writes");
        same_thread += ::gettid() == reader_tid ? 1 : 0;
        put_byte(lab, conn);
      }
      while (read < kReads && !canceled()) yield();
    });
    readied = count_of(runtime, trace::Tp::ready) - readied;
  });
  lab.fact("reads", read);
  lab.fact("same_thread", same_thread);
  lab.fact("readied", readied);
}

// Two goroutines on two Ps answer each other as fast as they can: a wake-up that got lost would leave both waiting.
void race(Lab& lab) {
  Runtime runtime(lab_config(2));
  std::int64_t rounds = 0;
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    go([&lab, conn = std::move(b)]() mutable {
      for (std::int64_t i = 0; i < kRounds; ++i) {
        take_byte(lab, conn);
        put_byte(lab, conn);
      }
    });
    for (; rounds < kRounds; ++rounds) {
      put_byte(lab, a);
      take_byte(lab, a);
    }
  });
  lab.fact("rounds", rounds);
}

void act(Lab& lab) {
  read_what_is_there(lab);
  read_what_is_to_come(lab);
  race(lab);
}

// Reads of a part that ended in EAGAIN, and those that brought data.
struct Attempts {
  std::int64_t again = 0;
  std::int64_t data = 0;
};

Attempts attempts(const Evidence& seen, const char* window, const char* fact) {
  Attempts count;
  const std::set<int> fds = descriptors(seen, fact);
  for (const trace::Record* record : seen.within(window)) {
    const bool reads = record->name.starts_with("re");  // read, readv, recvfrom, recvmsg
    if (!reads || !moves_data(*record, fds) || !record->result) continue;
    count.again += *record->result == -EAGAIN ? 1 : 0;
    count.data += *record->result > 0 ? 1 : 0;
  }
  return count;
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  const std::string of = " of " + std::to_string(kReads) + " reads";
  finding.figure("parks_with_data", seen.number("parks_with_data"),
                 "parks in" + of.substr(3) + " whose data was there");
  if (seen.calls_seen) {
    const Attempts waited = attempts(seen, "waited", "waited_fd");
    finding.figure("eagain", waited.again, "attempts that ended in EAGAIN, in" + of.substr(3) + " that came too early");
    finding.expect(waited.data == kReads && attempts(seen, "ready", "ready_fd").again == 0,
                   "the system calls are not those of a read that tries first");
    finding.expect(waited.again == kReads, "a read without data did not try exactly once before it waited");
  } else {
    finding.figure("eagain", nullptr, "attempts that ended in EAGAIN");
    finding.unseen("nobody could watch the system calls, so it is not known that a read tries before it parks");
  }
  finding.figure("readied", seen.number("readied"),
                 "goroutines that the poller made runnable, in" + of.substr(3) + " that came too early");
  finding.figure("same_thread", seen.number("same_thread"),
                 "times that the reader's own thread ran another goroutine while the reader waited");
  finding.figure("rounds_of_race", seen.number("rounds"),
                 "rounds of two goroutines on two Ps that answer each other; a lost wake-up would end them");
  finding.expect(seen.number("parks_with_data") == 0, "a read whose data was there parked");
  finding.expect(seen.number("reads") == kReads && seen.number("readied") >= kReads, "a read was not woken");
  finding.expect(seen.number("same_thread") >= 1, "the thread of a waiting goroutine did not go on");
  finding.expect(seen.number("rounds") == kRounds, "a wake-up was lost");
}

}  // namespace

const Claim park_claim{
    .name = "park",
    .claim = "A read tries; on EAGAIN it parks its goroutine, and the thread goes on with another one.",
    .article = "read: EAGAIN, then netpollblock and gopark; when the descriptor is ready, netpollready and goready.",
    .go =
        "Nearly so: netpollready does not call goready, it collects goroutines, which the scheduler then makes runnable.",
    .experiment =
        "Reads whose data is there, and reads that come before their data, on one P; then two goroutines that "
        "answer each other on two.",
    .limits =
        "libruntime saves the attempt where it knows that nothing is there: on a new connection, and after a read that "
        "came up short. That a second waiter for one direction is fatal cannot be provoked from outside: reads of one "
        "connection exclude each other.",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
