// The back ends by name.
#include <array>

#include "probes/source.h"

namespace netpoll::probes {
namespace {

struct BackendRow {
  Backend backend;
  std::string_view name;
};
constexpr std::array kBackends = {
    BackendRow{Backend::kAuto, "auto"},     BackendRow{Backend::kEbpf, "ebpf"}, BackendRow{Backend::kPerf, "perf"},
    BackendRow{Backend::kPtrace, "ptrace"}, BackendRow{Backend::kSelf, "self"}, BackendRow{Backend::kNone, "none"},
};

}  // namespace

std::string_view backend_name(Backend backend) {
  for (const BackendRow& row : kBackends) {
    if (row.backend == backend) return row.name;
  }
  return "unknown";
}

std::optional<Backend> parse_backend(std::string_view name) {
  for (const BackendRow& row : kBackends) {
    if (row.name == name) return row.backend;
  }
  return std::nullopt;
}

}  // namespace netpoll::probes
