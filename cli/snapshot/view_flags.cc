// Declares them, and makes a view of them.
#include "cli/snapshot/view_flags.h"

#include "cli/compare/input.h"
#include "cli/units.h"

namespace netpoll::cli {

exporters::ExportOptions ViewFlags::writing(const SnapshotView& of) const {
  return {.everything = of.filter.all, .per_goroutine = per_goroutine, .go_compat = go_compat};
}

void add_view_flags(Flags& flags, ViewFlags& options) {
  GoroutineFilter& filter = options.view.filter;
  flags.on_off("--all", filter.all,
               {"Which goroutines", "", "In whatever state, not only in IO wait; hidden frames too"});
  add_goroutine_flags(flags, options.goroutines, filter);
  const char* how = "How to look at them";
  flags.text("--top", options.top, {how, "N", "The N longest waits, or the N largest groups"});
  flags.on_off("--summary", options.view.summary, {how, "", "What is wrong, the largest groups, the longest waits"});
  flags.text("--group-by", options.group_by,
             {how,
              "WHAT",
              "Count by stack, peer, fd, func, state or label:KEY",
              {"stack", "peer", "fd", "func", "state", "label:"}});
  flags.on_off("--tree", options.view.tree, {how, "", "Below the goroutine that started it"});
  flags.text("--diff", options.diff, {how, "FILE", "What appeared, stayed and went since the snapshot in FILE"});
  flags.on_off("--per-goroutine", options.per_goroutine, {how, "", "With -f pprof: a sample for each, with its goid"});
  flags.on_off("--go-compat", options.go_compat,
               {how, "", "With -f debug2: ??:0 for files that readers of Go's dumps stop at"});
  flags.list(
      "--redact", options.redact, /*separate=*/true,
      {how, "WHAT", "Hide values of labels, addresses of peers, args of functions", {"labels", "peers", "args"}});
  flags.text("--retries", options.retries, {"How it is read", "N", "Read what moved again, up to N times (4)"});
}

Result<SnapshotView> view_of(const ViewFlags& options) {
  SnapshotView view = options.view;
  if (auto understood = understand(options.goroutines, view.filter); !understood) return std::move(understood).error();
  const auto redaction = parse_redaction(options.redact);
  if (!redaction) return redaction.error();
  view.redaction = *redaction;
  if (!options.top.empty()) {
    const auto top = parse_integer(options.top, "--top", 1, 1'000'000'000);
    if (!top) return top.error();
    view.top = static_cast<std::size_t>(*top);
  }
  if (!options.group_by.empty()) {
    auto by = parse_group_by(options.group_by);
    if (!by) return std::move(by).error();
    view.group_by = std::move(*by);
  }
  const int views = static_cast<int>(view.tree) + static_cast<int>(view.summary) +
                    static_cast<int>(view.group_by.has_value()) + static_cast<int>(!options.diff.empty());
  if (views > 1) {
    return Error(ErrorKind::kInvalid, "--tree, --summary, --group-by and --diff exclude each other")
        .with_hint("each is another way to look at the same snapshot: give one of them");
  }
  if (!options.diff.empty()) {
    auto base = read_view(options.diff, "snapshot");
    if (!base) return std::move(base).error();
    view.base = std::move(*base);
  }
  return view;
}

Result<probes::ReadOptions> read_options_of(const ViewFlags& options) {
  probes::ReadOptions read;
  if (options.retries.empty()) return read;
  const auto retries = parse_integer(options.retries, "--retries", 0, 1000);
  if (!retries) return retries.error();
  read.retries = static_cast<int>(*retries);
  return read;
}

bool holds_one(const exporters::Format& format) { return format.binary || format.name == "html"; }

Result<void> check_formats(const ViewFlags& options, const OutputOptions& output) {
  const auto format = format_of(output, exporters::Content::kSnapshot);
  if (!format) return format.error();
  if (!options.go_compat || (*format)->name == "debug2") return {};
  return Error(ErrorKind::kInvalid, "--go-compat is for dumps").with_hint("-f debug2 --go-compat writes one");
}

Result<void> check_number(const ViewFlags& options, const OutputOptions& output, std::size_t processes) {
  if (processes < 2) return {};
  if (!options.diff.empty()) {
    return Error(ErrorKind::kInvalid, "--diff compares the snapshots of one process")
        .with_hint("give the -p of the one that is in " + options.diff);
  }
  const auto format = format_of(output, exporters::Content::kSnapshot);
  if (!format) return format.error();
  if (!holds_one(**format)) return {};
  return Error(ErrorKind::kInvalid, "a file of the format " + std::string((*format)->name) + " holds one process")
      .with_hint("write one file for each -p, or choose json, ndjson or a text");
}

}  // namespace netpoll::cli
