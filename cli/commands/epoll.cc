// epoll: the interest sets of running programs, and what is wrong with them.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/compare/input.h"
#include "cli/documents/epoll.h"
#include "cli/documents/epoll_diff.h"
#include "cli/emit.h"
#include "cli/epoll/look.h"
#include "cli/options.h"
#include "cli/system/wake_set.h"
#include "cli/units.h"
#include "exporters/json.h"
#include "probes/process/watch.h"

namespace netpoll::cli {
namespace {

struct Options {
  ProcessOptions process;
  OutputOptions output;
  std::string fd;
  bool findings = false;
  std::string diff;
  std::string watch;
};

exporters::LongDocumentSink* long_sink(Emitter& out) {
  return dynamic_cast<exporters::LongDocumentSink*>(&out.exporter());
}

// Looks again every so often and tells what changed, until somebody interrupts, a process has ended, or nobody reads
// any more; returns the last view.
Result<EpollView> watch(EpollView view, const std::vector<pid_t>& pids, int fd, std::chrono::nanoseconds every,
                        Emitter& out, Invocation& invocation) {
  const EpollView first = view;
  const exporters::LongDocument head = epoll_document(first, fd);
  RegistrationDigests last = registration_digests(head);
  bool begun = false;
  const int every_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(every).count());
  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  if (auto ok = wake->add(invocation.interrupt.fd()); !ok) return std::move(ok).error();
  if (const auto output = out.standard_fd()) {
    if (auto ok = wake->add_output(*output); !ok) return std::move(ok).error();
  }
  for (;;) {
    const auto stopped = probes::wait_readable(wake->fd(), every_ms, -1);
    if (!stopped) return stopped.error();
    if (*stopped) return view;
    auto next = look_at_interest_sets(pids);
    if (!next && next.error().is(ErrorKind::kNotFound)) return view;
    if (!next) return std::move(next).error();
    view = std::move(*next);
    const exporters::LongDocument document = epoll_document(view, fd);
    RegistrationDigests now = registration_digests(document);
    exporters::Json changes = epoll_changes(last, now);
    if (anything_changed(changes)) {
      changes["at"] = document.head["started_at"];
      auto* sink = long_sink(out);
      if (sink != nullptr && !std::exchange(begun, true)) {
        if (auto written = sink->long_head(head); !written) return std::move(written).error();
      }
      if (!out.interval(head.head, changes)) return view;  // result() says why
    }
    last = std::move(now);
  }
}

// By a format that can, without making the document whole.
Result<void> write(Emitter& out, const exporters::LongDocument& document) {
  auto* sink = long_sink(out);
  if (sink == nullptr) return out.result(document.whole());
  if (auto written = sink->long_result(document); !written) return written;
  return out.finish();
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  int fd = -1;
  if (!options.fd.empty()) {
    const auto number = parse_descriptor(options.fd, "--fd");
    if (!number) return number.error();
    fd = *number;
  }
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  if (pids->empty()) {
    return Error(ErrorKind::kInvalid, "epoll needs a process")
        .with_hint("netpoll-trace epoll -p PID, or --comm NAME for every process of that name");
  }
  const auto every = optional_duration(options.watch, "--watch");
  if (!every) return every.error();
  std::optional<RegistrationDigests> older;
  if (!options.diff.empty()) {
    const auto read = read_view(options.diff, "epoll");
    if (!read) return read.error();
    older = registration_digests(*read);
  }
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  if (!*every) out->offer_pager(invocation.interrupt);
  auto view = look_at_interest_sets(*pids);
  if (!view) return view.error();
  if (*every) {
    if (!older) older = registration_digests(epoll_document(*view, fd));
    view = watch(std::move(*view), *pids, fd, **every, *out, invocation);
    if (!view) return view.error();
  }
  if (view->sets.empty()) {
    invocation.log.note("no epoll instance is open in " +
                        (pids->size() == 1 ? "pid " + std::to_string(pids->front()) : std::string("these processes")));
  }
  exporters::LongDocument document = epoll_document(*view, fd);
  document.head["diff"] = older ? epoll_changes(*older, registration_digests(document)) : exporters::Json(nullptr);
  if (auto done = write(*out, document); !done) return std::move(done).error();
  if (invocation.interrupt.requested()) return invocation.interrupt.status();
  const bool any = std::any_of(view->findings.begin(), view->findings.end(),
                               [&](const probes::Finding& f) { return fd < 0 || f.fd == fd; });
  return options.findings && any ? ExitStatus::kNo : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  flags.text("--fd", options->fd, {"Which registrations", "FD", "Only of this descriptor"});
  flags.on_off("--findings", options->findings, {"Output", "", "Exit with 1 when something is wrong"});
  flags.text("--diff", options->diff, {"Output", "OLD", "Also what changed against a view written by --json"});
  flags.text("--watch", options->watch,
             {"Output", "TIME", "Look again every TIME and tell what changed, until Ctrl-C or the end of a process"});
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/false);
  add_pager_option(flags, options->output);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command epoll_command{
    .name = "epoll",
    .summary = "lists what is registered with the epoll instances of a process, and what is wrong with it",
    .usage = "(-p PID... | --comm NAME) [options]",
    .description =
        "Reads the interest sets of running programs from /proc alone: no tracing, and no rights beyond those of their "
        "own user. Each registration is shown with its events, the descriptor's addresses, TCP state and queues.\n"
        "\n"
        "Marked are: numbers that are closed or stand for another file while the registered one lives on elsewhere and "
        "keeps firing; blocking descriptors; level-triggered EPOLLOUT on a socket with room; masks that only hang-ups "
        "wake; one listener in several instances; nested instances; and bytes that nobody reads at two looks. It "
        "also says how connections are spread over processes, and over event loops with the threads that wait on them.",
    .examples =
        "netpoll-trace epoll -p 4711\n"
        "netpoll-trace epoll --comm nginx --findings\n"
        "netpoll-trace epoll -p 4711 --watch 1s\n"
        "netpoll-trace epoll -p 4711 --json | jq '.instances[].registrations[] | select(.findings != [])'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
