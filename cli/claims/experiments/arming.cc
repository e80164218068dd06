// The claim of oneshot arming: how often each trigger tells epoll about a descriptor, and with which flags.
#include <sys/epoll.h>

#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

constexpr std::int64_t kWaits = 100;
constexpr Trigger kTriggers[] = {Trigger::kOneshot, Trigger::kEdge, Trigger::kLevel};

// A goroutine waits for each byte before it is written.
void wait_often(Lab& lab, Trigger trigger) {
  const std::string name(trigger_name(trigger));
  Config config = lab_config(1);
  config.trigger = trigger;
  Runtime runtime(config);
  std::int64_t waiting = 0, read = 0;
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    const int fd = a.fd();
    lab.fact(name + "_fd", {fd});
    go([&, conn = std::move(a)]() mutable {
      for (; read < kWaits; ++read) {
        waiting = read + 1;
        take_byte(lab, conn);
      }
    });
    for (std::int64_t i = 0; i < kWaits && !canceled(); ++i) {
      while (waiting <= i) yield();  // with one P the reader is parked when we run
      if (i == 0) {
        const auto entry = registration(fd);
        lab.fact(name + "_mask", entry ? exporters::Json(entry->events) : exporters::Json(nullptr));
      }
      put_byte(lab, b);
    }
    while (read < kWaits && !canceled()) yield();
  });
  lab.fact(name + "_waits", read);
  lab.fact(name + "_rearm", count_of(runtime, trace::Tp::rearm));
}

void act(Lab& lab) {
  for (const Trigger trigger : kTriggers) {
    const std::string name(trigger_name(trigger));
    lab.step("--trigger " + name);
    lab.window(name, [&] { wait_often(lab, trigger); });
  }
  lab.step("done");
}

std::int64_t changes(const Evidence& seen, const std::string& trigger) {
  const std::set<int> fds = descriptors(seen, (trigger + "_fd").c_str());
  std::int64_t count = 0;
  for (const trace::Record* record : seen.within(trigger)) {
    const bool about = record->name == "epoll_ctl" && fds.contains(record->fd);
    count += about && argument(*record, "op") == EPOLL_CTL_MOD ? 1 : 0;
  }
  return count;
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  for (const Trigger trigger : kTriggers) {
    const std::string name(trigger_name(trigger));
    const auto waits = static_cast<std::uint64_t>(seen.number((name + "_waits").c_str()));
    const std::int64_t rearm = seen.number((name + "_rearm").c_str());
    finding.figure(name + "_armed_per_wait", exporters::ratio(static_cast<std::uint64_t>(rearm), waits),
                   "times that interest was armed again, per wait, with --trigger " + name);
    if (seen.calls_seen) {
      const auto mods = static_cast<std::uint64_t>(changes(seen, name));
      finding.figure(name + "_epoll_ctl_mod_per_wait", exporters::ratio(mods, waits),
                     "epoll_ctl(EPOLL_CTL_MOD) of that descriptor per wait, as a probe saw it");
      finding.expect(mods >= static_cast<std::uint64_t>(rearm), "the runtime counts arming that no system call did");
    }
    finding.expect(waits == kWaits, "with --trigger " + name + " a reader was not woken");
  }
  const auto oneshot = static_cast<std::uint32_t>(seen.number("oneshot_mask"));
  const auto edge = static_cast<std::uint32_t>(seen.number("edge_mask"));
  finding.figure("oneshot_flag", (oneshot & EPOLLONESHOT) != 0,
                 "whether /proc lists the registration with EPOLLONESHOT under --trigger oneshot");
  finding.figure("edge_flag", (edge & EPOLLET) != 0, "whether it does with EPOLLET under --trigger edge");
  finding.expect((oneshot & EPOLLONESHOT) != 0, "--trigger oneshot registers without EPOLLONESHOT");
  finding.expect(seen.number("oneshot_rearm") == kWaits, "oneshot did not arm interest once for each wait");
  finding.expect((edge & EPOLLET) != 0 && (edge & EPOLLONESHOT) == 0, "--trigger edge registers without EPOLLET");
  finding.expect(seen.number("edge_rearm") == 0, "edge armed interest again");
}

}  // namespace

const Claim arming_claim{
    .name = "arming",
    .claim = "With --trigger oneshot interest is armed again by the runtime for each wait; with edge, once for all.",
    .article = "Descriptors are registered with EPOLLONESHOT, and the runtime registers them again after each event.",
    .go =
        "False since Go 1.1, true in 1.0: today one EPOLL_CTL_ADD with EPOLLET when a descriptor is opened, one DEL when "
        "it is closed, and never a MOD. --trigger edge does it this way.",
    .experiment = "A goroutine waits for byte after byte on one connection, with each trigger.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
