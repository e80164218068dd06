// The choice among the sources of streams.
#include "probes/stream.h"

#include "probes/bpf/ebpf_stream.h"
#include "probes/goroutines/go/names.h"
#include "probes/ptrace/ptrace_stream.h"
#include "probes/self/self_stream.h"

namespace netpoll::probes {

Result<std::unique_ptr<StreamSource>> make_stream_source(Backend backend, const StreamOptions& options,
                                                         std::vector<std::string>* why_not) {
  if (!options.cgroups.empty() && backend != Backend::kAuto && backend != Backend::kEbpf) {
    return Error(ErrorKind::kNotSupported,
                 "the processes of a cgroup need eBPF, not " + std::string(backend_name(backend)))
        .with_hint("leave --backend out, or name processes with -p");
  }
  switch (backend) {
    case Backend::kAuto: {
      auto ebpf = make_ebpf_stream(options, make_go_names());
      if (ebpf) return ebpf;
      if (why_not != nullptr) {
        const Error& error = ebpf.error();
        why_not->push_back("ebpf: " + error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")"));
      }
      if (!options.cgroups.empty()) return ebpf;
      if (options.libruntime) return make_self_stream(options);
      return make_ptrace_stream(options, make_go_names());
    }
    case Backend::kEbpf:
      return make_ebpf_stream(options, make_go_names());
    case Backend::kSelf:
      return make_self_stream(options);
    case Backend::kPtrace:
      return make_ptrace_stream(options, make_go_names());
    case Backend::kNone:
    case Backend::kPerf:
      break;
  }
  return Error(ErrorKind::kNotSupported, "the back end " + std::string(backend_name(backend)) + " cannot stream events")
      .with_hint("ebpf and ptrace stream calls, self the tracepoints of a libruntime program; stat --backend " +
                 std::string(backend_name(backend)) + " counts");
}

}  // namespace netpoll::probes
