// The names of what a Record says by number.
#include "netpoll/trace/record.h"

namespace netpoll::trace {

std::string_view step_name(Step step) {
  switch (step) {
    case Step::kNone:
      break;
    case Step::kRegister:
      return "register";
    case Step::kPark:
      return "park";
    case Step::kReady:
      return "ready";
    case Step::kRun:
      return "run";
    case Step::kClose:
      return "close";
  }
  return {};
}

std::string_view record_kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::kCall:
      return "syscall";
    case RecordKind::kTracepoint:
      return "tracepoint";
    case RecordKind::kProcess:
      return "process";
    case RecordKind::kUring:
      return "io_uring";
  }
  return {};
}

}  // namespace netpoll::trace
