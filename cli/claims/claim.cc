// The table of claims, and what judges of experiments have in common.
#include "cli/claims/claim.h"

#include <utility>

#include "cli/spell.h"

namespace netpoll::cli {
namespace {

constexpr const Claim* kClaims[] = {
#define NETPOLL_CLAIM(name) &name##_claim,
#include "cli/claims/claims.def"
#undef NETPOLL_CLAIM
};

}  // namespace

std::int64_t Evidence::number(const char* fact) const {
  const auto found = facts.find(fact);
  return found != facts.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

bool Evidence::truth(const char* fact) const {
  const auto found = facts.find(fact);
  return found != facts.end() && found->is_boolean() && found->get<bool>();
}

std::vector<const trace::Record*> Evidence::within(const std::string& window) const {
  std::vector<const trace::Record*> found;
  const exporters::Json::json_pointer path("/windows/" + window);
  if (!facts.contains(path)) return found;
  const auto begin = facts.at(path).at(0).get<std::uint64_t>();
  const auto end = facts.at(path).at(1).get<std::uint64_t>();
  for (const trace::Record& record : records) {
    if (record.time_ns >= begin && record.time_ns <= end) found.push_back(&record);
  }
  return found;
}

std::string_view claim_verdict_name(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::kHolds:
      return "holds";
    case ClaimVerdict::kDoesNotHold:
      return "does_not_hold";
    case ClaimVerdict::kCannotSay:
      break;
  }
  return "cannot_say";
}

void ClaimFinding::figure(std::string name, exporters::Json value, std::string meaning) {
  figures_.push_back({{"name", std::move(name)}, {"value", std::move(value)}, {"meaning", std::move(meaning)}});
}

void ClaimFinding::expect(bool good, std::string otherwise) {
  if (!good) broken_.push_back(std::move(otherwise));
}

void ClaimFinding::unseen(std::string reason) { unseen_.push_back(std::move(reason)); }

ClaimVerdict ClaimFinding::verdict() const {
  if (!broken_.empty()) return ClaimVerdict::kDoesNotHold;
  return unseen_.empty() ? ClaimVerdict::kHolds : ClaimVerdict::kCannotSay;
}

std::string ClaimFinding::reason() const { return joined(broken_.empty() ? unseen_ : broken_, "; "); }

std::span<const Claim* const> all_claims() { return kClaims; }

const Claim* find_claim(std::string_view name) {
  for (const Claim* claim : kClaims) {
    if (claim->name == name) return claim;
  }
  return nullptr;
}

std::vector<std::string> claim_names() {
  std::vector<std::string> names;
  for (const Claim* claim : kClaims) names.emplace_back(claim->name);
  return names;
}

bool asks_poller(const trace::Record& record) {
  return record.kind == trace::RecordKind::kCall && (record.name == "epoll_wait" || record.name.starts_with("epoll_p"));
}

bool moves_data(const trace::Record& record, const std::set<int>& fds) {
  if (record.kind != trace::RecordKind::kCall || !fds.contains(record.fd)) return false;
  for (const std::string_view name : {"read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg"}) {
    if (record.name == name) return true;
  }
  return false;
}

std::optional<std::int64_t> argument(const trace::Record& record, std::string_view name) {
  for (std::size_t i = 0; i < record.argc; ++i) {
    if (record.args.at(i).name == name) return record.args.at(i).value;
  }
  return std::nullopt;
}

std::set<int> descriptors(const Evidence& seen, const char* fact) {
  const auto found = seen.facts.find(fact);
  return found != seen.facts.end() && found->is_array() ? found->get<std::set<int>>() : std::set<int>();
}

}  // namespace netpoll::cli
