// Describes events by the tables they come from.
#include "probes/stream/vocabulary.h"

#include <algorithm>

#include "netpoll/trace/event.h"

namespace netpoll::probes {

trace::ArgForm tracepoint_arg_form(std::string_view name) {
  if (name == "fd") return trace::ArgForm::kFd;
  if (name == "mode") return trace::ArgForm::kMode;
  if (name == "timeout" || name == "when") return trace::ArgForm::kNanoseconds;
  return trace::ArgForm::kNumber;
}

void add_call_kinds(std::vector<EventKind>& kinds, const StreamOptions& options) {
  for (std::size_t row = 0; row < kStreamCallCount; ++row) {
    if (!options.calls.at(row) || !stream_call_number(row)) continue;
    const CallInfo& info = stream_calls().at(row);
    EventKind kind{.kind = trace::RecordKind::kCall, .name = info.name, .args = {}};
    for (std::size_t i = 0; i < info.argc; ++i) kind.args.push_back({info.args.at(i).name, info.args.at(i).form});
    if (info.role == CallRole::kCtl) kind.args.push_back({"events", trace::ArgForm::kPollEvents});
    kinds.push_back(std::move(kind));
  }
}

void add_tracepoint_kinds(std::vector<EventKind>& kinds) {
  for (const trace::TpInfo& info : trace::tracepoints()) {
    EventKind kind{.kind = trace::RecordKind::kTracepoint, .name = info.name, .args = {}};
    for (std::size_t i = 0; i < info.argc; ++i)
      kind.args.push_back({info.args.at(i), tracepoint_arg_form(info.args.at(i))});
    kinds.push_back(std::move(kind));
  }
}

void add_process_kinds(std::vector<EventKind>& kinds) {
  kinds.push_back({trace::RecordKind::kProcess, "exec", {}});
  kinds.push_back({trace::RecordKind::kProcess, "fork", {{"child", trace::ArgForm::kNumber}}});
  kinds.push_back({trace::RecordKind::kProcess, "exit", {}});
}

bool fill_tracepoint(trace::Record& record, std::size_t row, std::span<const std::int64_t> args) {
  if (row >= trace::kTpCount) return false;
  // Looked up once: the names of arguments do not change.
  static const auto kForms = [] {
    std::array<std::array<trace::ArgForm, trace::kTpMaxArgs>, trace::kTpCount> forms{};
    for (std::size_t i = 0; i < forms.size(); ++i) {
      for (std::size_t a = 0; a < trace::kTpMaxArgs; ++a) {
        forms.at(i).at(a) = tracepoint_arg_form(trace::tracepoints().at(i).args.at(a));
      }
    }
    return forms;
  }();
  const trace::TpInfo& info = trace::tracepoints().at(row);
  record.kind = trace::RecordKind::kTracepoint;
  record.row = static_cast<std::uint16_t>(row);
  record.name = info.name;
  for (std::size_t i = 0; i < std::min<std::size_t>(info.argc, args.size()); ++i) {
    record.add(info.args.at(i), kForms.at(row).at(i), args[i]);
  }
  return true;
}

}  // namespace netpoll::probes
