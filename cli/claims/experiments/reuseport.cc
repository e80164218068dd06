// The claim that several SO_REUSEPORT listeners on one port share one scheduler.
#include <algorithm>
#include <array>

#include "cli/claims/lab.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"

namespace netpoll::cli {
namespace {

constexpr std::size_t kListeners = 4;
constexpr std::int64_t kConnections = 200;

void act(Lab& lab) {
  Runtime runtime(lab_config(2));
  std::array<std::int64_t, kListeners> accepted{};
  std::array<Listener, kListeners> listeners;
  runtime.run(
      [&] {
        Addr address = Addr::loopback();
        exporters::Json fds = exporters::Json::array();
        for (Listener& listener : listeners) {
          listener = lab.need(Listener::listen(address, {.reuse_port = true}), "listen");
          address = listener.local();
          fds.push_back(listener.fd());
        }
        lab.step(std::to_string(kListeners) + " listeners share " + address.str());
        base::Mutex mutex;
        std::int64_t all = 0;
        for (std::size_t i = 0; i < kListeners; ++i) {
          go([&, i] {
            for (;;) {
              const auto conn = listeners.at(i).accept();
              if (!conn) return;
              const base::MutexLock lock(mutex);
              ++accepted.at(i);
              ++all;
            }
          });
        }
        std::int64_t registered = 0;
        for (const Listener& listener : listeners) registered += registration(listener.fd()).has_value() ? 1 : 0;
        lab.fact("registered", registered);
        lab.fact("instances", epoll_descriptors().size());
        for (std::int64_t i = 0; i < kConnections; ++i) (void)lab.need(dial(address), "dial");
        const auto come = [&] {
          const base::MutexLock lock(mutex);
          return all == kConnections;
        };
        while (!come() && !canceled()) lab.need(sleep(std::chrono::milliseconds(1)), "sleep");
        lab.step(std::to_string(kConnections) + " connections were accepted");
        for (Listener& listener : listeners) lab.need(listener.close(), "close");
      },
      Runtime::Shutdown::kWait);
  lab.fact("accepted", accepted);
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  const auto accepted = seen.facts["accepted"].get<std::vector<std::int64_t>>();
  const auto [least, most] = std::minmax_element(accepted.begin(), accepted.end());
  std::int64_t sum = 0;
  for (const std::int64_t count : accepted) sum += count;
  finding.figure("listeners", accepted.size(), "sockets that listen on one port");
  finding.figure("epoll_instances", seen.number("instances"), "epoll instances of the process, which is one scheduler");
  finding.figure("registered", seen.number("registered"), "listeners that stand in it, as /proc lists it");
  finding.figure("accepted", sum, "connections accepted, of " + std::to_string(kConnections));
  finding.figure("least_accepted", *least, "by the listener with the fewest");
  finding.figure("most_accepted", *most,
                 "by the listener with the most; the kernel chooses by a hash of the addresses");
  finding.expect(seen.number("instances") == 1 && seen.number("registered") == kListeners,
                 "the listeners are not registered with one epoll instance");
  finding.expect(sum == kConnections, "connections were lost");
  finding.expect(*least > 0, "a listener accepted nothing");
}

}  // namespace

const Claim reuseport_claim{
    .name = "reuseport",
    .claim =
        "Several SO_REUSEPORT listeners on one port share one scheduler, and the kernel spreads connections over them.",
    .article = "SO_REUSEPORT lets several listeners share a port in one Go process, all served by one netpoll.",
    .go =
        "True, but no matter of netpoll: it is an option that has to be set before bind, by net.ListenConfig.Control. "
        "Linux balances, the BSDs do not.",
    .experiment =
        "Four listeners on one loopback port, a goroutine for each, and 200 connections one after the other. "
        "`run reuseport` does it under load.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
