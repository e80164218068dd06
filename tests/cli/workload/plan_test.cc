// From flags to plans, and what no machine could run.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "cli/workload/args.h"
#include "cli/workload/workload.h"
#include "netpoll/runtime.h"
#include "tests/support/catch.h"

using namespace netpoll::workload;
using namespace std::chrono_literals;
using netpoll::ErrorKind;

namespace {

Request request(std::string workload) {
  Request r;
  r.workload = std::move(workload);
  return r;
}

void require_refused(const Request& r, const std::string& message, const std::string& hint,
                     ErrorKind kind = ErrorKind::kInvalid) {
  auto plan = make_plan(r);
  REQUIRE_FALSE(plan.has_value());
  CHECK(plan.error().is(kind));
  CHECK(plan.error().message().find(message) != std::string::npos);
  CHECK(plan.error().hint().find(hint) != std::string::npos);
}

netpoll::Result<ChildArgs> parse(std::vector<std::string> args) {
  std::vector<char*> pointers;
  for (std::string& arg : args) pointers.push_back(arg.data());
  return parse_args(pointers);
}

}  // namespace

TEST_CASE("every workload of the table has a plan without any option", "[plan]") {
  for (const Workload& workload : workloads()) {
    INFO(workload.name);
    auto plan = make_plan(request(std::string(workload.name)));
    REQUIRE(plan.has_value());
    CHECK(plan->workload == &workload);
    CHECK(plan->conns == workload.conns);
    CHECK(plan->size >= workload.min_size);
    CHECK((plan->ops > 0 || plan->duration > 0ns));
    CHECK_FALSE(workload.summary.empty());
    CHECK_FALSE(workload.operation.empty());
  }
}

TEST_CASE("an unknown workload lists those there are", "[plan]") {
  require_refused(request("ecko"), "unknown workload \"ecko\"", "echo, idle, fanin");
}

TEST_CASE("zero and absurd numbers are refused with the range", "[plan]") {
  auto r = request("echo");
  r.conns = 0;
  require_refused(r, "--conns 0", "between 1 and 1000000");
  r.conns = 5'000'000;
  require_refused(r, "--conns 5000000", "between 1 and");
  r = request("echo");
  r.ops = 0;
  require_refused(r, "--ops 0", "between 1 and");
  r = request("echo");
  r.size = std::size_t{1} << 40;
  require_refused(r, "--size", "67108864");
  r = request("udp");
  r.size = 65'508;
  require_refused(r, "--size 65508", "65507");
  r = request("fanin");
  r.size = 8;
  require_refused(r, "--size 8", "between 16 and");
  r = request("echo");
  r.procs = 0;
  require_refused(r, "--procs 0", "one P per CPU");
  r = request("echo");
  r.duration = -1s;
  require_refused(r, "--duration", "between");
  r = request("echo");
  r.stack_size = 10;
  require_refused(r, "--stack", "16Ki");
  r = request("echo");
  r.server_cpu = -1;
  require_refused(r, "--server-cpu -1", "from 0");
}

TEST_CASE("buffers and bookkeeping that no machine has are refused", "[plan]") {
  auto r = request("slow");
  r.conns = 1'000'000;
  r.size = 1 << 20;
  require_refused(r, "4 GiB", "at most");
  r = request("pipeline");
  r.conns = 1'000'000;
  r.depth = 1000;
  require_refused(r, "in flight", "at most --depth 16");
}

TEST_CASE("what rests holds no buffer", "[plan]") {
  auto r = request("idle");
  r.rest = true;
  REQUIRE(make_plan(r).has_value());
  CHECK(make_plan(r)->rest);
  r.hold = true;
  require_refused(r, "--hold does not go with --rest", "keeps nothing");
}

TEST_CASE("an option of another workload says where it applies", "[plan]") {
  auto r = request("echo");
  r.depth = 4;
  require_refused(r, "--depth does not apply to workload echo", "pipeline");
  r = request("pipe");
  r.listen = "127.0.0.1:80";
  require_refused(r, "--listen does not apply to workload pipe", "echo");
  r = request("deadline");
  r.serve_only = true;
  require_refused(r, "--serve does not apply", "echo");
  r = request("idle");
  r.ops = 5;
  require_refused(r, "--ops does not apply to workload idle", "echo");
  r = request("reuseport");
  r.listen = "unix:@x";
  require_refused(r, "cannot listen at unix:@x", "127.0.0.1:0");
}

TEST_CASE("unknown modes list those there are", "[plan]") {
  auto r = request("echo");
  r.poll_mode = "hybird";
  require_refused(r, "unknown poll mode \"hybird\"", "thread, inline, hybrid");
  r = request("echo");
  r.trigger = "lvl";
  require_refused(r, "unknown trigger \"lvl\"", "oneshot, edge, level");
  r = request("echo");
  r.poller = "default";
  require_refused(r, "unknown poller \"default\"", "epoll, kqueue");
}

TEST_CASE("a plan names its poller, and one that the build lacks is refused with those it has", "[plan]") {
  const auto built = netpoll::available_pollers();
  const auto plan = make_plan(request("echo"));
  REQUIRE(plan.has_value());
  CHECK(plan->runtime.poller == built.front());
  for (const auto kind : {netpoll::PollerKind::kEpoll, netpoll::PollerKind::kKqueue, netpoll::PollerKind::kUring,
                          netpoll::PollerKind::kIocp}) {
    auto r = request("echo");
    r.poller = std::string(netpoll::poller_name(kind));
    const auto chosen = make_plan(r);
    if (std::find(built.begin(), built.end(), kind) != built.end()) {
      REQUIRE(chosen.has_value());
      CHECK(chosen->runtime.poller == kind);
    } else {
      require_refused(r, "the poller " + *r.poller + " is not in this build", "leave --poller out",
                      ErrorKind::kNotSupported);
    }
  }
}

TEST_CASE("operations and duration bound a run as asked", "[plan]") {
  auto r = request("echo");
  r.duration = 2s;
  auto plan = make_plan(r);
  REQUIRE(plan.has_value());
  CHECK(plan->ops == 0);
  CHECK(plan->duration == 2s);
  r.ops = 7;
  plan = make_plan(r);
  REQUIRE(plan.has_value());
  CHECK(plan->ops == 7);
  CHECK(plan->duration == 2s);
  r.duration.reset();
  plan = make_plan(r);
  REQUIRE(plan.has_value());
  CHECK(plan->duration == 0s);
}

TEST_CASE("a plan survives the way to a child", "[plan]") {
  auto r = request("pipeline");
  r.conns = 5;
  r.ops = 999;
  r.duration = 1500ms;
  r.size = 200;
  r.listen = "unix:/tmp/with space=and equals";
  r.depth = 9;
  r.buffer = 100;
  r.warmup = 3;
  r.poll_mode = "inline";
  r.trigger = "oneshot";
  r.procs = 3;
  r.stack_size = 128 * 1024;
  r.server_cpu = 1;
  r.load_cpu = 0;
  const auto plan = make_plan(r);
  REQUIRE(plan.has_value());

  auto args = load_args(*plan, {"127.0.0.1:1", "127.0.0.1:2"}, 4242, 7, 8);
  REQUIRE(args.front() == "__load");
  args.erase(args.begin());
  const auto child = parse(args);
  REQUIRE(child.has_value());
  CHECK(to_args(*child) == args);
  CHECK(child->plan.workload == plan->workload);
  CHECK(child->plan.duration == 1500ms);
  CHECK(child->plan.listen == "unix:/tmp/with space=and equals");
  CHECK(child->plan.depth == 9);
  CHECK(child->plan.runtime.poll_mode == netpoll::PollMode::kInline);
  CHECK(child->plan.runtime.trigger == netpoll::Trigger::kOneshot);
  CHECK(child->plan.runtime.poller == netpoll::available_pollers().front());
  CHECK(child->plan.runtime.procs == 3);
  CHECK(child->plan.server_cpu == 1);
  CHECK(child->addresses == std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"});
  CHECK(child->server_pid == 4242);
  CHECK(child->control_fd == 7);
  CHECK(child->report_fd == 8);
  CHECK(serve_args(*plan, 3, 4).front() == "__serve");
}

TEST_CASE("malformed arguments of a child are refused", "[plan]") {
  CHECK_FALSE(parse({"--workload=echo", "--conns=12x"}).has_value());
  CHECK_FALSE(parse({"--workload=echo", "--conns=-1"}).has_value());
  CHECK_FALSE(parse({"--workload=nope"}).has_value());
  CHECK_FALSE(parse({"--workload=echo", "--unknown=1"}).has_value());
  CHECK_FALSE(parse({"--workload=echo", "conns=1"}).has_value());
  CHECK_FALSE(parse({"--workload=echo", "--hold=maybe"}).has_value());
  CHECK_FALSE(parse({"--conns=1"}).has_value());
  CHECK_FALSE(parse({"--workload=echo", "--trigger=often"}).has_value());
}

TEST_CASE("more descriptors than the hard limit are refused with the number", "[plan]") {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(raise_descriptor_limit(16).has_value());
  // Beyond fs.nr_open nobody may go, privileged or not.
  const auto refused = raise_descriptor_limit(std::uint64_t{1} << 40);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().is(ErrorKind::kPermission));
  CHECK(refused.error().message().find("1099511627776") != std::string::npos);
  CHECK(refused.error().hint().find("ulimit") != std::string::npos);
}

TEST_CASE("workloads with several descriptors per connection need more of them", "[plan]") {
  auto needed = [](const std::string& name) {
    auto r = request(name);
    r.conns = 1000;
    return descriptors_needed(*make_plan(r));
  };
  CHECK(needed("echo") >= 1000);
  CHECK(needed("echo") < 2000);
  CHECK(needed("proxy") >= 3000);
  CHECK(needed("pipe") >= 4000);
}
