// The choice among the sources of streams.
#include "probes/stream.h"

#include "probes/self/self_stream.h"

namespace netpoll::probes {

Result<std::unique_ptr<StreamSource>> make_stream_source(Backend backend, const StreamOptions& options,
                                                         std::vector<std::string>* why_not) {
  static_cast<void>(why_not);
  switch (backend) {
    case Backend::kAuto:
    case Backend::kSelf:
      return make_self_stream(options);
    case Backend::kEbpf:
    case Backend::kPtrace:
    case Backend::kNone:
    case Backend::kPerf:
      break;
  }
  return Error(ErrorKind::kNotSupported, "the back end " + std::string(backend_name(backend)) + " cannot stream events")
      .with_hint("--backend self streams the tracepoints of a libruntime program");
}

}  // namespace netpoll::probes
