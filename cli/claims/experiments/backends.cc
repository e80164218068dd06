// The claim that there is one contract and a back end per platform: the same program gives the same answers on each.
#include <chrono>

#include "cli/claims/lab.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

constexpr int kMessages = 100;

// What a program sees of the contract: bytes in order, a deadline that passes, a close that wakes a reader.
std::string answers_on(Lab& lab, const Config& config) {
  std::string answers;
  Runtime runtime(config);
  runtime.run([&] {
    auto [a, b] = lab.need(socket_pair(), "socket_pair");
    int echoed = 0;
    bool done = false;
    std::string closed;
    go([&lab, &done, &closed, &peer = b] {
      for (int i = 0; i < kMessages; ++i) {
        take_byte(lab, peer);
        put_byte(lab, peer);
      }
      std::array<std::byte, 1> byte{};
      const auto after = peer.read(byte);
      closed = after ? std::to_string(*after) : std::string(error_kind_name(after.error().kind()));
      done = true;
    });
    for (int i = 0; i < kMessages; ++i) {
      put_byte(lab, a);
      take_byte(lab, a);
      ++echoed;
    }
    lab.need(a.set_read_deadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(1)), "set a deadline");
    std::array<std::byte, 1> byte{};
    const auto late = a.read(byte);
    lab.need(b.close(), "close");
    while (!done && !canceled()) yield();
    answers = std::to_string(echoed) + " echoed, then " +
              std::string(late ? "data" : error_kind_name(late.error().kind())) + ", then " + closed;
  });
  return answers;
}

void act(Lab& lab) {
  exporters::Json pollers = exporters::Json::array();
  exporters::Json answers = exporters::Json::object();
  for (const PollerKind poller : available_pollers()) {
    pollers.push_back(std::string(poller_name(poller)));
    for (const Trigger trigger : {Trigger::kOneshot, Trigger::kEdge, Trigger::kLevel}) {
      Config config = lab_config(1);
      config.poller = poller;
      config.trigger = trigger;
      const std::string name = std::string(poller_name(poller)) + "-" + std::string(trigger_name(trigger));
      lab.step("the program runs on " + name);
      answers[name] = answers_on(lab, config);
      lab.step(answers[name].get<std::string>());
    }
  }
  lab.fact("pollers", std::move(pollers));
  lab.fact("answers", std::move(answers));
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  const std::string wanted = std::to_string(kMessages) + " echoed, then timeout, then closing";
  const auto& answers = seen.facts["answers"];
  std::int64_t right = 0;
  for (const auto& [name, answer] : answers.items()) {
    right += answer == wanted ? 1 : 0;
    finding.expect(answer == wanted, "on " + name + " the program saw: " + answer.get<std::string>());
  }
  const auto pollers = seen.facts["pollers"].size();
  finding.figure("back_ends", pollers, "back ends in this build: " + exporters::compact(seen.facts["pollers"]));
  finding.figure("designs", answers.size(), "back ends with each way of arming interest that the program ran on");
  finding.figure("designs_with_right_answers", right, "of these, on which it saw: " + wanted);
  if (pollers < 2) {
    finding.unseen("only one back end exists in this build: kqueue and IOCP need systems of their own");
  }
}

}  // namespace

const Claim backends_claim{
    .name = "backends",
    .claim = "One contract, and a back end per platform: epoll, kqueue, IOCP.",
    .article =
        "netpoll has one interface, with an implementation for each system: netpollinitepoll_create1, "
        "netpollinitkqueue, and IOCP simulated on Windows.",
    .go =
        "One netpollinit() per system's file; the names of the article do not exist, and IOCP is used natively, not "
        "simulated.",
    .experiment =
        "The same program (an echo, a deadline that passes, a close under a reader) on every back end of this "
        "build, with every way of arming interest.",
    .limits =
        "kqueue's is tested against a simulated kernel on Linux, and that of Windows in Wine: other builds, which this program is not.",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
