// Describes events by the tables they come from.
#include "probes/stream/vocabulary.h"

#include <algorithm>
#include <array>

#include "netpoll/trace/event.h"

namespace netpoll::probes {
namespace {

// By opcode.
constexpr std::array kAboutFd = {
#define NETPOLL_URING_OP(name, about_fd) about_fd,
#include "probes/uring_ops.def"
#undef NETPOLL_URING_OP
};

}  // namespace

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

void add_uring_kinds(std::vector<EventKind>& kinds) {
  for (std::size_t opcode = 0; opcode < kAboutFd.size(); ++opcode) {
    EventKind kind{.kind = trace::RecordKind::kUring, .name = uring_event_name(opcode), .args = {}};
    if (kAboutFd.at(opcode)) kind.args = {{"fd", trace::ArgForm::kFd}, {"file", trace::ArgForm::kNumber}};
    for (const char* name : {"user_data", "flags"}) kind.args.push_back({name, trace::ArgForm::kHex});
    kinds.push_back(std::move(kind));
  }
  kinds.push_back({.kind = trace::RecordKind::kUring,
                   .name = uring_event_name(kUringOps - 1),
                   .args = {{"user_data", trace::ArgForm::kHex}, {"flags", trace::ArgForm::kHex}}});
}

void fill_uring(trace::Record& record, std::size_t opcode, std::uint64_t user_data, int fd, bool fixed,
                std::uint32_t flags) {
  record.kind = trace::RecordKind::kUring;
  record.row = static_cast<std::uint16_t>(std::min(opcode, kUringOps - 1));
  record.name = uring_event_name(opcode);
  if (opcode < kAboutFd.size() && kAboutFd.at(opcode) && fd >= 0) {
    if (!fixed) record.fd = fd;
    record.add(fixed ? "file" : "fd", fixed ? trace::ArgForm::kNumber : trace::ArgForm::kFd, fd);
  }
  record.add("user_data", trace::ArgForm::kHex, static_cast<std::int64_t>(user_data));
  if (flags != 0) record.add("flags", trace::ArgForm::kHex, flags);
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
