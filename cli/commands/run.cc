// run: a workload on libruntime, with the probes attached.
#include <memory>

#include "cli/command.h"
#include "cli/compare/expectation.h"
#include "cli/documents/matrix.h"
#include "cli/documents/run.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/run/matrix.h"
#include "cli/spell.h"
#include "cli/units.h"

namespace netpoll::cli {
namespace {

using workload::Request;

constexpr std::uint64_t kMatrixRounds = 5;

struct Options {
  std::string workload;
  // As typed; empty means not given.
  std::string conns, ops, duration, size, listen, serve, depth, listeners, busy, buffer, timeout, pause, warmup;
  Designs designs;
  std::string repeat, procs, stack, server_cpu, load_cpu;
  bool hold = false;
  bool rest = false;
  std::vector<std::string> expect;
  std::vector<std::string> events;
  std::string backend = "auto";
  OutputOptions output;
};

// Copies the parsed value of `text` into `field`, or keeps the first failure.
class Reader {
 public:
  template <typename Parse, typename T>
  void read(const std::string& text, std::string_view flag, Parse parse, std::optional<T>& field) {
    if (error_ || text.empty()) return;
    auto value = parse(text, flag);
    if (!value) {
      error_ = value.error();
    } else {
      field = static_cast<T>(*value);
    }
  }
  std::optional<Error> error() && { return std::move(error_); }

 private:
  std::optional<Error> error_;
};

Result<std::int64_t> parse_small(std::string_view text, std::string_view flag) {
  return parse_integer(text, flag, -1'000'000, 1'000'000);  // the plan knows the range
}

Result<Request> request_of(const Options& options) {
  Request request;
  request.workload = options.workload;
  Reader reader;
  reader.read(options.conns, "--conns", parse_count, request.conns);
  reader.read(options.ops, "--ops", parse_count, request.ops);
  reader.read(options.duration, "--duration", parse_duration, request.duration);
  reader.read(options.size, "--size", parse_size, request.size);
  reader.read(options.depth, "--depth", parse_count, request.depth);
  reader.read(options.listeners, "--listeners", parse_count, request.listeners);
  reader.read(options.busy, "--busy", parse_count, request.busy);
  reader.read(options.buffer, "--buffer", parse_size, request.buffer);
  reader.read(options.timeout, "--timeout", parse_duration, request.timeout);
  reader.read(options.pause, "--pause", parse_duration, request.pause);
  reader.read(options.warmup, "--warmup", parse_count, request.warmup);
  reader.read(options.procs, "--procs", parse_small, request.procs);
  reader.read(options.stack, "--stack", parse_size, request.stack_size);
  reader.read(options.server_cpu, "--server-cpu", parse_small, request.server_cpu);
  reader.read(options.load_cpu, "--load-cpu", parse_small, request.load_cpu);
  if (auto error = std::move(reader).error()) return std::move(*error);
  if (!options.serve.empty() && !options.listen.empty()) {
    return Error(ErrorKind::kInvalid, "--serve and --listen exclude each other").with_hint("--serve names the address");
  }
  if (!options.serve.empty()) {
    request.listen = options.serve;
    request.serve_only = true;
  }
  if (!options.listen.empty()) request.listen = options.listen;
  if (options.hold) request.hold = true;
  if (options.rest) request.rest = true;
  return request;
}

// plans_of, and "did you mean" for a workload it does not know.
Result<std::vector<workload::Plan>> checked_plans(const Request& request, const Options& options) {
  if (!request.workload.empty() && workload::find_workload(request.workload) == nullptr) {
    if (const std::string_view reason = workload::why_no_workload(request.workload); !reason.empty()) {
      return Error(ErrorKind::kNotSupported, "workload " + request.workload + ": " + std::string(reason));
    }
    std::vector<std::string> names;
    for (const workload::Workload& row : workload::workloads()) names.emplace_back(row.name);
    return Error(ErrorKind::kInvalid, "unknown workload \"" + request.workload + "\"")
        .with_hint(did_you_mean(request.workload, names, "one of: " + joined(names)));
  }
  auto plans = plans_of(request, options.designs);
  if (!plans || plans->size() == 1) return plans;
  if (request.serve_only) {
    return Error(ErrorKind::kInvalid, "--serve is for one design").with_hint("give one poll mode, trigger and poller");
  }
  if (!options.expect.empty()) {
    return Error(ErrorKind::kInvalid, "--expect is for one design").with_hint("read .cells of the JSON with jq");
  }
  return plans;
}

// How often each design runs: several of them are worth a statement only where each ran often enough.
Result<std::uint64_t> rounds_of(const Options& options, std::size_t designs) {
  if (options.repeat.empty()) return designs == 1 ? 1 : kMatrixRounds;
  const auto rounds = parse_integer(options.repeat, "--repeat", 1, 10'000);
  if (!rounds) return rounds.error();
  if (*rounds > 1 && !options.serve.empty()) {
    return Error(ErrorKind::kInvalid, "--serve and --repeat exclude each other").with_hint("--serve runs until Ctrl-C");
  }
  return static_cast<std::uint64_t>(*rounds);
}

// Losses of all runs together.
std::uint64_t lost_in(const std::vector<Cell>& cells) {
  std::uint64_t lost = 0;
  for (const Cell& cell : cells) {
    for (const exporters::Json& run : cell.samples) {
      if (run["probe"]["lost"].is_number()) lost += run["probe"]["lost"].get<std::uint64_t>();
    }
  }
  return lost;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  if (options.workload.empty()) {
    std::vector<std::string> names;
    for (const workload::Workload& row : workload::workloads()) names.emplace_back(row.name);
    return Error(ErrorKind::kInvalid, "run needs the name of a workload").with_hint("one of: " + joined(names));
  }
  const auto request = request_of(options);
  if (!request) return request.error();
  const auto plans = checked_plans(*request, options);
  if (!plans) return plans.error();
  const auto rounds = rounds_of(options, plans->size());
  if (!rounds) return rounds.error();
  const auto backend = parse_backend_option(options.backend, counting_backends());
  if (!backend) return backend.error();
  const auto filter = parse_events(options.events);
  if (!filter) return filter.error();
  const auto conditions = parse_expectations(options.expect);
  if (!conditions) return conditions.error();
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  for (const workload::Plan& plan : *plans) {
    if (auto raised = workload::raise_descriptor_limit(workload::descriptors_needed(plan)); !raised) {
      return raised.error();
    }
  }

  const auto started_at = std::chrono::system_clock::now();
  const RunDocument document_of = [&filter](const workload::Plan& plan, const RunOutcome& outcome) {
    return run_document(plan, outcome, *filter);
  };
  const auto cells = run_rounds(*plans, *rounds, *backend, document_of, invocation.interrupt, invocation.log);
  if (!cells) return cells.error();
  const bool interrupted = invocation.interrupt.requested();
  if (cells->empty()) return invocation.interrupt.status();
  const exporters::Json document =
      plans->size() == 1 ? repeated_run_document(cells->front()) : matrix_document(*cells, started_at, interrupted);
  if (auto done = out->result(document); !done) return done.error();

  if (interrupted) return invocation.interrupt.status();
  const auto met = are_met(*conditions, document, invocation.log);
  if (!met) return met.error();
  if (!*met) return ExitStatus::kNo;
  const std::uint64_t lost = lost_in(*cells);
  if (lost > 0) invocation.log.warning(std::to_string(lost) + " events were lost; counts are too low");
  return lost > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const workload::Workload& row : workload::workloads()) names.emplace_back(row.name);
  return names;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  const auto text = [&](const char* names, std::string& field, const char* type, const char* group, const char* help) {
    flags.text(names, field, {group, type, help});
  };
  flags.positional("workload", o.workload, workload_names());
  const char* work = "Workload";
  text("--conns", o.conns, "N", work, "Connections, or pairs of goroutines");
  text("--ops", o.ops, "N", work, "Stop after exactly N operations, so that counts can be compared");
  text("-d,--duration", o.duration, "TIME", work, "Stop after TIME; with --ops whichever comes first");
  text("--size", o.size, "BYTES", work, "Bytes of one message");
  text("-r,--repeat", o.repeat, "N", work, "Run N times; figures are medians. Several designs: 5 unless told");
  text("--warmup", o.warmup, "N", work, "Operations before the measured ones");
  text("--listen", o.listen, "ADDR", work, "Where the server listens: 127.0.0.1:0, [::1]:8080, unix:/path, unix:@name");
  text("--serve", o.serve, "ADDR", work, "Run only the server, for another client, until interrupted");
  text("--depth", o.depth, "N", work, "Requests in flight per connection (pipeline)");
  text("--listeners", o.listeners, "N", work, "Sockets that share the port (reuseport)");
  text("--busy", o.busy, "N", work, "Goroutines that only compute and yield (cpu)");
  text("--buffer", o.buffer, "BYTES", work, "The buffer that a connection's goroutine reads into");
  flags.on_off("--hold", o.hold, {work, "", "Keep that buffer while waiting instead of taking it when readable"});
  flags.on_off("--rest", o.rest, {work, "", "Keep no stack between two requests either (go_when_readable)"});
  text("--timeout", o.timeout, "TIME", work, "The read deadline that is left to pass (deadline)");
  text("--pause", o.pause, "TIME", work, "Between two reads of a slow reader (slow)");
  const char* runtime = "Runtime";
  flags.text(
      "--poll-mode", o.designs.poll_modes,
      {runtime, "MODE", "Who polls: thread, inline or hybrid; a list runs each", {"thread", "inline", "hybrid"}});
  flags.text(
      "--trigger", o.designs.triggers,
      {runtime, "NAME", "How interest is armed: oneshot, edge or level; or a list", {"oneshot", "edge", "level"}});
  flags.text(
      "--poller", o.designs.pollers,
      {runtime, "NAME", "The back end: epoll, uring, or kqueue where the build has it", {"epoll", "uring", "kqueue"}});
  text("--procs", o.procs, "N", runtime, "Ps: goroutines that run at the same time; one per CPU unless told");
  text("--stack", o.stack, "BYTES", runtime, "Stack of a goroutine");
  text("--server-cpu", o.server_cpu, "N", runtime, "Pin the server to this CPU");
  text("--load-cpu", o.load_cpu, "N", runtime, "Pin the load generator to this CPU");
  add_backend_option(flags, o.backend, counting_backends());
  add_event_option(flags, o.events);
  add_output_options(flags, o.output, exporters::Content::kResult, /*strict_too=*/true);
  add_save_option(flags, o.output);
  flags.list("--expect", o.expect, /*separate=*/false,
             {"Output", "'EXPR'", "Exit with 1 unless this holds: PATH OP LIMIT; may be repeated"});
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command run_command{
    .name = "run",
    .summary = "runs a workload on libruntime and counts what its poller does",
    .usage = "WORKLOAD [options]",
    .description =
        "Starts a server on libruntime, held until the probes are attached, and a load generator in a process of its "
        "own, "
        "which checks every byte. Prints operations, latency, system calls per operation and tracepoint counts, from "
        "the server's first call to its last.\n"
        "\n"
        "With --ops the counts of two runs can be compared exactly, with --duration there is throughput. Without root "
        "or BPF the ptrace back end counts the same, more slowly; a note says so.\n"
        "\n"
        "Lists of poll modes, triggers and pollers run every combination in turn, round by round, and print one table: "
        "each design against the first, with what may be chance marked as such.",
    .examples =
        "netpoll-trace run echo --conns 64 --ops 100000 --json > head.json\n"
        "netpoll-trace run idle --conns 1000 --duration 30s\n"
        "netpoll-trace run echo --poll-mode thread --trigger oneshot --expect 'syscalls.epoll_ctl.per_op <= 2'\n"
        "netpoll-trace run echo --ops 50000 --poll-mode thread,inline,hybrid --trigger oneshot,edge\n"
        "netpoll-trace run echo --serve 127.0.0.1:7777",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
