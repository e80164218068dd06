// The choice among the back ends.
#include "probes/source.h"

#include "probes/bpf/ebpf_source.h"
#include "probes/none/uncounted_source.h"
#include "probes/perf/perf_source.h"
#include "probes/ptrace/ptrace_source.h"
#include "probes/self/self_source.h"

namespace netpoll::probes {

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

void note_passed_over(std::vector<std::string>* why_not, Backend backend, const Error& error) {
  if (why_not == nullptr) return;
  why_not->push_back(std::string(backend_name(backend)) + ": " + error.message() +
                     (error.hint().empty() ? "" : " (" + error.hint() + ")"));
}

Result<std::unique_ptr<Source>> make_best_source(const SourceOptions& options, std::vector<std::string>* why_not) {
  auto ebpf = make_ebpf_source(options);
  if (ebpf) return ebpf;
  note_passed_over(why_not, Backend::kEbpf, ebpf.error());
  if (options.held) {
    auto perf = make_perf_source(options);
    if (perf) return perf;
    note_passed_over(why_not, Backend::kPerf, perf.error());
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
      return make_perf_source(options);
  }
  return Error(ErrorKind::kInvalid, "no such back end");
}

}  // namespace netpoll::probes
