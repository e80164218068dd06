// serve: the figures of running processes over HTTP, for Prometheus.
#include <sys/resource.h>

#include <chrono>
#include <memory>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/serve/observation.h"
#include "cli/system/wake_set.h"
#include "exporters/http/page_server.h"

namespace netpoll::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kAddress = "127.0.0.1:9760";
// A page serves everybody who asks within this time, so that many who ask do not cost the target more than one.
constexpr milliseconds kFresh{200};

struct Options {
  ProcessOptions process;
  CgroupOptions cgroup;
  std::string listen = kAddress;
  std::string duration;
  std::string backend = "auto";
  bool allow_remote = false;
  bool follow_forks = false;
  bool no_waits = false;
};

Result<Selection> selection_of(const Options& options) {
  const bool processes = !options.process.pids.empty() || !options.process.comm.empty();
  if (processes == options.cgroup.given()) {
    return Error(ErrorKind::kInvalid,
                 processes ? "processes (-p, --comm) and cgroups exclude each other" : "serve needs a process")
        .with_hint("netpoll-trace serve -p PID, --comm NAME, --cgroup PATH, or --pod NS/NAME");
  }
  Selection selection;
  const auto backend = parse_backend_option(options.backend, counting_backends());
  if (!backend) return backend.error();
  selection.backend = *backend;
  // Nobody need have the name yet.
  const auto pids = find_processes({.pids = options.process.pids, .comm = ""});
  if (!pids) return pids.error();
  selection.pids = *pids;
  selection.comm = options.process.comm;
  auto cgroups = find_cgroups(options.cgroup);
  if (!cgroups) return std::move(cgroups).error();
  selection.cgroups = std::move(*cgroups);
  selection.follow_forks = options.follow_forks;
  selection.waits = !options.no_waits;
  return selection;
}

// Each client needs a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What was collected last, and when.
class Pages {
 public:
  explicit Pages(Observation& observation) : observation_(observation) {}

  http::Page metrics(const http::Request& request) {
    if (families_.empty() || steady_clock::now() - collected_ >= kFresh) {
      families_ = observation_.collect();
      collected_ = steady_clock::now();
    }
    auto page = exporters::metrics_page(families_, request.header("accept"));
    return {.text = std::move(page.text), .type = std::move(page.type)};
  }

 private:
  Observation& observation_;
  exporters::MetricFamilies families_;
  steady_clock::time_point collected_;
};

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  auto selection = selection_of(options);
  if (!selection) return std::move(selection).error();
  const auto duration = optional_duration(options.duration, "--duration");
  if (!duration) return duration.error();
  raise_descriptor_limit();
  auto server = http::PageServer::open(
      options.listen, {.what = "--listen", .remote_switch = "--allow-remote", .allow_remote = options.allow_remote});
  if (!server) return std::move(server).error();
  Observation observation(std::move(*selection), invocation.log);
  if (auto started = observation.start(); !started) return std::move(started).error();
  Pages pages(observation);
  server->get("/metrics", [&pages](const http::Request& request) { return pages.metrics(request); });
  server->get("/", [](const http::Request&) { return http::Page{.text = "netpoll-trace: /metrics\n"}; });

  auto wake = WakeSet::create();
  if (!wake) return std::move(wake).error();
  for (const int fd : {invocation.interrupt.fd(), server->fd()}) {
    if (auto ok = wake->add(fd); !ok) return std::move(ok).error();
  }
  const bool local = server->address().starts_with("unix:");
  invocation.log.answer("serving " + (local ? server->address() : "http://" + server->address() + "/metrics"));
  const auto end = *duration ? steady_clock::now() + **duration : steady_clock::time_point::max();
  while (!invocation.interrupt.requested()) {
    const auto left = end - steady_clock::now();
    if (left <= steady_clock::duration::zero()) return ExitStatus::kDone;
    const auto turn = std::min<steady_clock::duration>(left, milliseconds(200));
    observation.wait(static_cast<int>(std::chrono::ceil<milliseconds>(turn).count()), wake->fd());
    server->step();
  }
  return invocation.interrupt.status();
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/true);
  add_cgroup_options(flags, options->cgroup);
  flags.on_off("--follow-forks", options->follow_forks, {"Target", "", "Observe child processes too"});
  flags.text("--listen", options->listen,
             {"Server", "ADDRESS", "Where to listen; 127.0.0.1:9760, port 0: any, or unix:/path"});
  flags.on_off("--allow-remote", options->allow_remote,
               {"Server", "", "Let other machines read it: there is no password"});
  flags.text("-d,--duration", options->duration, {"Server", "TIME", "Stop after TIME; else on Ctrl-C"});
  add_backend_option(flags, options->backend, counting_backends());
  flags.on_off("--no-waits", options->no_waits,
               {"Probes", "", "Leave the histograms of waits out, which cost a busy target the most"});
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command serve_command{
    .name = "serve",
    .summary = "shows the figures of running processes to Prometheus, over HTTP",
    .usage = "(-p PID... | --comm NAME | --cgroup PATH | --pod NS/NAME) [options]",
    .description =
        "Answers /metrics in the text format 0.0.4, or in OpenMetrics 1.0 with exemplars where the client reads that: "
        "histograms of how long goroutines and connections waited for the network and then for a CPU, calls, errors and "
        "times by system call, goroutines by state and reason of their wait, the oldest wait for a descriptor, waits "
        "that no deadline bounds, readers whose data is there already; of unmodified Go programs too. No label has "
        "values that a target could multiply. What this machine does not let us see is left out, and "
        "netpoll_source_up says so: without eBPF calls are counted only where --backend asks for it.\n"
        "A process may end: netpoll_up becomes 0, and 1 again when one of the name, or in the cgroup, is there; counters "
        "go on. All processes are summed up; who wants them apart runs one serve for each.",
    .examples =
        "netpoll-trace serve -p 4711\n"
        "netpoll-trace serve --comm nginx --listen 127.0.0.1:0 --no-waits\n"
        "netpoll-trace serve --pod default/web-0 --listen 0.0.0.0:9760 --allow-remote",
    .add = add,
};

}  // namespace netpoll::cli
