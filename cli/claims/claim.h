// Claim: one sentence of the article about Go's netpoll that libruntime follows, and the experiment that puts it to the
// test.
//
// An experiment has two halves. The first works on libruntime, in a process of its own (lab.h), so that whatever it
// does to descriptors, environment and threads stays there, and notes facts. The second looks at those facts and at the
// system calls that a probe saw meanwhile, from outside, and comes to a finding.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/json.h"
#include "netpoll/trace/record.h"

namespace netpoll::cli {

class Lab;

// What happened in the course of an experiment, in words.
struct ClaimStep {
  std::int64_t time_ns = 0;  // CLOCK_MONOTONIC
  std::string text;
};

// What the first half brought.
struct Evidence {
  exporters::Json facts = exporters::Json::object();  // as noted; "windows" says when its parts ran
  std::vector<ClaimStep> steps;                       // those of the experiment, and the events that the probe saw
  std::uint64_t steps_left_out = 0;
  bool calls_seen = false;  // a probe saw the system calls, and lost none
  std::vector<trace::Record> records;
  std::string failure;  // why there are no facts, or not all; empty: there are
  std::int64_t duration_ns = 0;

  // A fact that is a number or a truth value; 0 and false where it was not noted.
  std::int64_t number(const char* fact) const;
  bool truth(const char* fact) const;
  // The events of a part of the experiment, by the name that Lab::window() had. Of a call, its return counts.
  std::vector<const trace::Record*> within(const std::string& window) const;
};

enum class ClaimVerdict : std::uint8_t { kHolds, kDoesNotHold, kCannotSay };
std::string_view claim_verdict_name(ClaimVerdict verdict);  // "holds", "does_not_hold", "cannot_say"

// What the second half makes of it.
class ClaimFinding {
 public:
  // A figure with what it counts, in the order to show them. Units are in the names; null: not known.
  void figure(std::string name, exporters::Json value, std::string meaning);
  // Part of the claim: what has to be so, and what to say where it is not.
  void expect(bool good, std::string otherwise);
  // Part of the claim that could not be looked at, and why.
  void unseen(std::string reason);

  // One expectation that was not met is enough for kDoesNotHold; else one unseen part for kCannotSay.
  ClaimVerdict verdict() const;
  std::string reason() const;  // of a verdict that is not kHolds; else empty
  const exporters::Json& figures() const { return figures_; }

 private:
  exporters::Json figures_ = exporters::Json::array();
  std::vector<std::string> broken_;
  std::vector<std::string> unseen_;
};

// Texts are whole sentences for people.
struct Claim {
  std::string_view name;
  std::string_view claim;       // what is to be shown of libruntime
  std::string_view article;     // how the article has it
  std::string_view go;          // what Go really does
  std::string_view experiment;  // what is done here
  std::string_view limits;      // what the experiment cannot show; empty: nothing worth saying
  void (*act)(Lab& lab) = nullptr;
  void (*judge)(const Evidence& seen, ClaimFinding& finding) = nullptr;
};

// The table (claims.def), in its order.
std::span<const Claim* const> all_claims();
const Claim* find_claim(std::string_view name);
std::vector<std::string> claim_names();

#define NETPOLL_CLAIM(name) extern const Claim name##_claim;
#include "cli/claims/claims.def"
#undef NETPOLL_CLAIM

// For judges: whether a call asks the poller for events.
bool asks_poller(const trace::Record& record);
// Whether a call moves data of one of these descriptors.
bool moves_data(const trace::Record& record, const std::set<int>& fds);
// The value of an argument by name; nothing where the call has none.
std::optional<std::int64_t> argument(const trace::Record& record, std::string_view name);
// A fact that is a list of descriptors.
std::set<int> descriptors(const Evidence& seen, const char* fact);

}  // namespace netpoll::cli
