// The table of back ends, and the choice among them.
#include "probes/source.h"

#include <array>

#include "probes/bpf/ebpf_source.h"
#include "probes/none/uncounted_source.h"
#include "probes/ptrace/ptrace_source.h"
#include "probes/self/self_source.h"

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

Result<std::vector<GroupCounts>> Source::read_groups() {
  return Error(ErrorKind::kNotSupported,
               "the back end " + std::string(backend_name(backend())) + " counts all targets as one")
      .with_hint(
          "figures by process, thread, descriptor or cgroup need eBPF; netpoll-trace doctor says what is missing");
}

std::vector<pid_t> pids_of(std::span<const Target> targets) {
  std::vector<pid_t> pids;
  for (const Target& target : targets) pids.push_back(target.pid);
  return pids;
}

namespace {

Result<std::unique_ptr<Source>> make_best_source(const SourceOptions& options, std::vector<std::string>* why_not) {
  auto ebpf = make_ebpf_source(options);
  if (ebpf) return ebpf;
  if (why_not != nullptr) {
    const Error& error = ebpf.error();
    why_not->push_back("ebpf: " + error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")"));
  }
  // Whether ptrace works depends on the target alone, and attach() says so.
  return make_ptrace_source(options);
}

}  // namespace

Result<std::unique_ptr<Source>> make_source(Backend backend, const SourceOptions& options,
                                            std::vector<std::string>* why_not) {
  switch (backend) {
    case Backend::kAuto:
      return make_best_source(options, why_not);
    case Backend::kEbpf:
      return make_ebpf_source(options);
    case Backend::kPtrace:
      return make_ptrace_source(options);
    case Backend::kSelf:
      return make_self_source();
    case Backend::kNone:
      return make_uncounted_source();
    case Backend::kPerf:
      break;
  }
  return Error(ErrorKind::kNotSupported, "this version has no back end perf")
      .with_hint("--backend ptrace needs no privileges either");
}

}  // namespace netpoll::probes
