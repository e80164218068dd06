// The claim that a dedicated thread polls: who calls epoll_wait, and who runs goroutines, in each poll mode.
#include <algorithm>
#include <chrono>
#include <iterator>

#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

constexpr std::int64_t kRounds = 50;
constexpr PollMode kModes[] = {PollMode::kThread, PollMode::kInline, PollMode::kHybrid};

// One goroutine sleeps and writes, another waits to read: each round somebody has to wait in the poller.
void wait_for_rounds(Lab& lab, PollMode mode) {
  Config config = lab_config(2);
  config.poll_mode = mode;
  Runtime runtime(config);
  std::int64_t rounds = 0;
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    lab.fact(std::string(poll_mode_name(mode)) + "_fds", {a.fd(), b.fd()});
    go([&lab, conn = std::move(b)]() mutable {
      for (std::int64_t i = 0; i < kRounds; ++i) {
        lab.need(sleep(std::chrono::microseconds(500)), "sleep");
        put_byte(lab, conn);
      }
    });
    for (; rounds < kRounds; ++rounds) take_byte(lab, a);
  });
  lab.fact(std::string(poll_mode_name(mode)) + "_rounds", rounds);
}

void act(Lab& lab) {
  for (const PollMode mode : kModes) {
    const std::string name(poll_mode_name(mode));
    lab.step("--poll-mode " + name);
    lab.window(name, [&] { wait_for_rounds(lab, mode); });
  }
  lab.step("done");
}

struct Threads {
  std::set<pid_t> polling;
  std::set<pid_t> running;  // goroutines: they move data
  std::int64_t polls = 0;

  std::int64_t both() const {
    return std::count_if(polling.begin(), polling.end(), [&](pid_t tid) { return running.contains(tid); });
  }
};

Threads threads_of(const Evidence& seen, const std::string& mode) {
  Threads threads;
  const std::set<int> fds = descriptors(seen, (mode + "_fds").c_str());
  for (const trace::Record* record : seen.within(mode)) {
    if (asks_poller(*record)) {
      threads.polling.insert(record->tid);
      ++threads.polls;
    } else if (moves_data(*record, fds)) {
      threads.running.insert(record->tid);
    }
  }
  return threads;
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  for (const PollMode mode : kModes) {
    const std::string name(poll_mode_name(mode));
    finding.expect(seen.number((name + "_rounds").c_str()) == kRounds, "in mode " + name + " a reader was not woken");
    if (!seen.calls_seen) continue;
    const Threads threads = threads_of(seen, name);
    finding.figure(name + "_polling_threads", threads.polling.size(),
                   "threads that called epoll_wait or a relative of it in --poll-mode " + name);
    finding.figure(name + "_polling_and_running", threads.both(), "of them, threads that also ran goroutines");
    finding.figure(name + "_polls_per_round", exporters::ratio(static_cast<std::uint64_t>(threads.polls), kRounds),
                   "such calls per round");
    if (mode == PollMode::kThread) {
      finding.expect(threads.polling.size() == 1, "in mode thread more than one thread polls");
      finding.expect(threads.both() == 0, "in mode thread the poll thread runs goroutines");
    }
  }
  if (!seen.calls_seen) finding.unseen("nobody could watch the system calls, so it is not known who polls");
}

}  // namespace

const Claim poller_claim{
    .name = "poller",
    .claim = "In --poll-mode thread a dedicated thread polls and makes goroutines ready; it runs none itself.",
    .article = "A dedicated netpoll thread always runs, blocked in epoll_wait.",
    .go =
        "False since Go 1.1: any thread without work may become the poller, at most one blocks there, and the others "
        "look without waiting. --poll-mode inline does it this way.",
    .experiment =
        "A reader waits for a writer that sleeps, round after round, in each poll mode; a probe sees which thread "
        "makes which call.",
    .limits = "Whose calls the figures of inline and hybrid count depends on timing.",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
