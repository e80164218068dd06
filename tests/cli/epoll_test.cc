// epoll on a process that knows what it registered, and with what fault.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "tests/cli/tool_json.h"
#include "tests/support/eventually.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace netpoll::test {
namespace {

// What the prey registered with its instance `main`, by fault.
struct Registered {
  int main, other, idle;  // epoll instances; a thread waits on `idle`
  int good, writable, blocking, closed, kept, reused, nested, listener, hangup, unread, disarmed;
};

void add(int epfd, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<std::uint64_t>(fd);
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) != 0) _exit(1);
}

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

std::array<int, 2> tcp_pair(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::array<int, 2> pair{socket(AF_INET, SOCK_STREAM, 0), -1};
  if (connect(pair[0], reinterpret_cast<sockaddr*>(&address), size) != 0) _exit(1);
  pair[1] = accept(listener, nullptr, nullptr);
  make_nonblocking(pair[0]);
  make_nonblocking(pair[1]);
  return pair;
}

[[noreturn]] void be_prey(int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Registered r{};
  r.main = epoll_create1(0);
  r.other = epoll_create1(0);
  r.idle = epoll_create1(0);
  r.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(r.listener, reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0 || listen(r.listener, 16) != 0) _exit(1);
  fcntl(r.listener, F_SETFL, 0);  // the connections of the prey are accepted without waiting
  const auto first = tcp_pair(r.listener);
  const auto second = tcp_pair(r.listener);
  make_nonblocking(r.listener);
  add(r.main, r.listener, EPOLLIN);
  add(r.other, r.listener, EPOLLIN);

  r.good = first[0];
  add(r.main, r.good, EPOLLIN | EPOLLRDHUP | EPOLLET);
  r.writable = first[1];
  add(r.main, r.writable, EPOLLIN | EPOLLOUT);
  r.unread = second[0];
  add(r.main, r.unread, EPOLLIN | EPOLLET);
  if (write(second[1], "hello", 5) != 5) _exit(1);

  r.blocking = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(r.blocking, reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) _exit(1);
  add(r.main, r.blocking, EPOLLIN);

  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()) != 0) _exit(1);
  r.kept = pair[0];
  r.closed = fcntl(r.kept, F_DUPFD, 150);  // a number that nothing else gets
  add(r.main, r.closed, EPOLLIN);
  close(r.closed);

  r.reused = fcntl(pair[1], F_DUPFD, 200);
  add(r.main, r.reused, EPOLLIN);
  if (dup2(r.blocking, r.reused) < 0) _exit(1);

  r.nested = r.other;
  add(r.main, r.nested, EPOLLIN);
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_NONBLOCK) != 0) _exit(1);
  r.hangup = pipe_ends[1];
  add(r.main, r.hangup, 0);
  if (pipe2(pipe_ends.data(), O_NONBLOCK) != 0 || write(pipe_ends[1], "x", 1) != 1) _exit(1);
  r.disarmed = pipe_ends[0];
  add(r.main, r.disarmed, EPOLLIN | EPOLLONESHOT);
  std::array<epoll_event, 32> events{};
  while (epoll_wait(r.main, events.data(), 32, 0) < 1) {
  }
  if (write(report, &r, sizeof(r)) != sizeof(r)) _exit(1);
  for (;;) epoll_wait(r.idle, events.data(), 32, -1);
}

class EpollPrey {
 public:
  EpollPrey() {
    std::array<int, 2> report{};
    REQUIRE(pipe(report.data()) == 0);
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) be_prey(report[1]);
    close(report[1]);
    const ssize_t got = read(report[0], &registered, sizeof(registered));
    close(report[0]);
    REQUIRE(got == sizeof(registered));
  }
  ~EpollPrey() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  EpollPrey(const EpollPrey&) = delete;
  EpollPrey& operator=(const EpollPrey&) = delete;

  pid_t pid = -1;
  Registered registered{};
};

const Json& instance(const Json& document, int epfd) {
  for (const Json& one : document["instances"]) {
    if (one["epfd"] == epfd) return one;
  }
  FAIL("no instance " << epfd);
  return document;
}

const Json& registration(const Json& of, int fd) {
  for (const Json& one : of["registrations"]) {
    if (one["fd"] == fd) return one;
  }
  FAIL("no registration of " << fd);
  return of;
}

std::set<std::string> rules(const Json& entry) {
  std::set<std::string> names;
  for (const Json& name : entry["findings"]) names.insert(name.get<std::string>());
  return names;
}

TEST_CASE("epoll shows what a process registered, and names each fault") {
  const EpollPrey prey;
  const Registered& r = prey.registered;
  const auto done = run_tool({"epoll", "-p", std::to_string(prey.pid), "--json"});
  CAPTURE(done.err);
  REQUIRE(done.exit_code == 0);
  const Json document = parse_json(done.out);
  const Json& main = instance(document, r.main);
  CHECK(main["total"] == 10);
  using Rules = std::set<std::string>;
  CHECK(rules(registration(main, r.good)).empty());
  CHECK(registration(main, r.good)["events"] == Json({"IN", "ERR", "HUP", "RDHUP", "ET"}));
  CHECK(registration(main, r.good)["nonblocking"] == true);
  CHECK(registration(main, r.good)["tcp_state"] == "ESTABLISHED");
  CHECK(registration(main, r.good)["peer"] == registration(main, r.writable)["local"]);
  CHECK(rules(registration(main, r.writable)) == Rules{"always-writable"});
  CHECK(rules(registration(main, r.blocking)) == Rules{"blocking-fd"});
  CHECK(rules(registration(main, r.unread)) == Rules{"unread-data"});
  CHECK(registration(main, r.unread)["recv_queue_bytes"] == 5);
  CHECK(rules(registration(main, r.closed)) == Rules{"closed-fd"});
  CHECK(registration(main, r.closed)["held_by"][0]["fd"] == r.kept);
  CHECK(registration(main, r.closed)["held_by"][0]["pid"] == prey.pid);
  CHECK(rules(registration(main, r.reused)) == Rules{"reused-fd"});
  CHECK(rules(registration(main, r.nested)) == Rules{"nested-epoll"});
  CHECK(rules(registration(main, r.listener)) == Rules{"accept-herd"});
  CHECK(rules(registration(main, r.hangup)) == Rules{"hangup-only"});
  CHECK(registration(main, r.disarmed)["armed"] == false);
  CHECK(rules(registration(main, r.disarmed)).empty());
  CHECK(instance(document, r.idle)["waiting_threads"] == Json({prey.pid}));
  CHECK(document["looks"] == 2);
}

TEST_CASE("epoll --findings turns what is wrong into the exit status") {
  const EpollPrey prey;
  const std::string pid = std::to_string(prey.pid);
  CHECK(run_tool({"epoll", "-p", pid, "--findings"}).exit_code == 1);
  const auto good = run_tool({"epoll", "-p", pid, "--findings", "--fd", std::to_string(prey.registered.good)});
  CHECK(good.exit_code == 0);
  CHECK(good.out.find("nothing is wrong") != std::string::npos);
}

TEST_CASE("the page of epoll has each registration, and what to do") {
  const EpollPrey prey;
  const auto done = run_tool({"epoll", "-p", std::to_string(prey.pid)});
  CHECK(done.exit_code == 0);
  for (const char* part :
       {"always-writable", "IN|ERR|HUP|RDHUP|ET", "not armed", "fix: ", "closed", "waited for by thread"}) {
    CAPTURE(part);
    CHECK(done.out.find(part) != std::string::npos);
  }
}

// Registers one more pipe for every byte that it is sent, after it has removed the one before.
struct ChangingPrey {
  ChangingPrey() {
    std::array<int, 2> to{}, from{};
    REQUIRE(pipe(to.data()) == 0);
    REQUIRE(pipe(from.data()) == 0);
    pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int epfd = epoll_create1(0);
      int before = -1;
      char byte = 0;
      do {
        std::array<int, 2> fresh{};
        if (pipe(fresh.data()) != 0) _exit(1);
        add(epfd, fresh[0], EPOLLIN);
        if (before >= 0 && epoll_ctl(epfd, EPOLL_CTL_DEL, before, nullptr) != 0) _exit(1);
        before = fresh[0];
        if (write(from[1], "x", 1) != 1) _exit(1);
      } while (read(to[0], &byte, 1) == 1);
      _exit(0);
    }
    to_ = to[1];
    from_ = from[0];
    done();
  }
  ~ChangingPrey() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(to_);
    close(from_);
  }
  ChangingPrey(const ChangingPrey&) = delete;
  ChangingPrey& operator=(const ChangingPrey&) = delete;

  void change() const {
    REQUIRE(write(to_, "x", 1) == 1);
    done();
  }

  pid_t pid = -1;

 private:
  void done() const {
    char byte = 0;
    REQUIRE(read(from_, &byte, 1) == 1);
  }
  int to_ = -1, from_ = -1;
};

TEST_CASE("epoll --diff tells what appeared and what went since an older view") {
  const ChangingPrey prey;
  const TempDir folder;
  const std::string old = folder.path() + "/old.json", pid = std::to_string(prey.pid);
  REQUIRE(run_tool({"epoll", "-p", pid, "--json", "-o", old}).exit_code == 0);
  const Json same = parsed(run_tool({"epoll", "-p", pid, "--json", "--diff", old}).out)["diff"];
  CHECK(same == Json({{"appeared", Json::array()}, {"gone", Json::array()}, {"changed", Json::array()}}));
  const int before = parsed(run_tool({"epoll", "-p", pid, "--json"}).out)["instances"][0]["registrations"][0]["fd"];
  prey.change();
  const Json diff = parsed(run_tool({"epoll", "-p", pid, "--json", "--diff", old}).out)["diff"];
  REQUIRE(diff["appeared"].size() == 1);
  REQUIRE(diff["gone"].size() == 1);
  CHECK(diff["gone"][0]["fd"] == before);
  CHECK(diff["appeared"][0]["fd"] != before);
  const std::string now = folder.path() + "/now.json", run = folder.path() + "/run.json";
  std::ofstream(run) << R"({"schema": "netpoll-trace/run/v1"})";
  for (const std::string& wrong : {std::string("/etc/passwd"), folder.path() + "/none", run}) {
    INFO(wrong);
    const auto refused = run_tool({"epoll", "-p", pid, "--diff", wrong, "-o", now});
    CHECK(refused.exit_code == 2);
    CHECK(refused.err.find(wrong) != std::string::npos);
    CHECK(refused.err.find("hint: netpoll-trace epoll -p PID --json -o FILE writes one\n") != std::string::npos);
  }
}

TEST_CASE("epoll --diff tells a mask that is another in the older view as changed") {
  const ChangingPrey prey;
  const TempDir folder;
  const std::string old = folder.path() + "/old.json", pid = std::to_string(prey.pid);
  Json view = parsed(run_tool({"epoll", "-p", pid, "--json"}).out);
  Json& registration = view["instances"][0]["registrations"][0];
  const Json events = std::exchange(registration["events"], Json::array({"PRI", "ONESHOT"}));
  std::ofstream(old) << view;
  const Json diff = parsed(run_tool({"epoll", "-p", pid, "--json", "--diff", old}).out)["diff"];
  CHECK(diff["appeared"].empty());
  CHECK(diff["gone"].empty());
  REQUIRE(diff["changed"].size() == 1);
  CHECK(diff["changed"][0]["fd"] == registration["fd"]);
  CHECK(diff["changed"][0]["events"] == events);
  CHECK(diff["changed"][0]["events_before"] == registration["events"]);
}

TEST_CASE("epoll --watch tells each change as it is seen, and ends with the process") {
  auto prey = std::make_unique<ChangingPrey>();
  Tool tool({"epoll", "-p", std::to_string(prey->pid), "--watch", "10ms", "-f", "ndjson"});
  // The first look may come after the first change: so there are changes until two were told.
  const auto seen = std::async(std::launch::async, [&] { return tool.wait_for_output("\"type\":\"interval\"", 2); });
  REQUIRE(eventually([&] {
    prey->change();
    return seen.wait_for(std::chrono::milliseconds(20)) == std::future_status::ready;
  }));
  prey.reset();
  const ToolResult result = tool.finish();
  CHECK(result.exit_code == 0);
  CHECK(result.out.starts_with("{\"type\":\"meta\""));
  const Json first = parse_json(result.out.substr(0, result.out.find('\n')));
  CHECK(first["instances"][0]["registrations"].size() == first["instances"][0]["total"]);
  CHECK(result.out.find("{\"type\":\"end\"") != std::string::npos);
}

TEST_CASE("a descriptor that several processes share is said, and connections are spread over workers") {
  const EpollPrey one;
  const EpollPrey two;
  const auto done = run_tool({"epoll", "-p", std::to_string(one.pid), "-p", std::to_string(two.pid), "--json"});
  REQUIRE(done.exit_code == 0);
  const Json document = parse_json(done.out);
  CHECK(document["target"].is_null());
  REQUIRE(document["workers"].size() == 2);
  CHECK(document["workers"][0]["connections"] == document["workers"][1]["connections"]);
  CHECK(document["workers"][0]["share"] == 0.5);
  CHECK(document["imbalance"] == 0);
}

TEST_CASE("epoll lists instances of io_uring with the room in their queues") {
  int report[2];
  REQUIRE(pipe(report) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    io_uring_params params{};
    std::array<long, 3> made{syscall(SYS_io_uring_setup, 8, &params), params.sq_entries, params.cq_entries};
    if (write(report[1], made.data(), sizeof(made)) != sizeof(made)) _exit(1);
    for (;;) pause();
  }
  std::array<long, 3> made{};
  const bool said = read(report[0], made.data(), sizeof(made)) == sizeof(made);
  const auto json = run_tool({"epoll", "-p", std::to_string(child), "--json"});
  const auto page = run_tool({"epoll", "-p", std::to_string(child)});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (const int fd : report) close(fd);
  REQUIRE(said);
  if (made[0] < 0) NETPOLL_SKIP("io_uring is refused here");
  CHECK(json.exit_code == 0);
  const Json rings = parse_json(json.out)["io_uring"];
  REQUIRE(rings.size() == 1);
  CHECK(rings[0]["pid"] == child);
  CHECK(rings[0]["fd"] == made[0]);
  CHECK(page.out.find("io_uring fd " + std::to_string(made[0])) != std::string::npos);
  if (rings[0]["sq_entries"].is_null()) NETPOLL_SKIP("this kernel does not tell the room in queues of io_uring");
  CHECK(rings[0]["sq_entries"] == made[1]);
  CHECK(rings[0]["cq_entries"] == made[2]);
  for (const char* member : {"queued", "completed", "overflowed", "polls", "registered_files"}) {
    INFO(member);
    CHECK(rings[0][member] == 0);
  }
  CHECK(rings[0]["sq_thread"].is_null());
}

TEST_CASE("epoll of nobody, and of a process without an instance") {
  const auto nobody = run_tool({"epoll"});
  CHECK(nobody.exit_code == 2);
  CHECK(nobody.err.find("hint: ") != std::string::npos);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  const auto none = run_tool({"epoll", "-p", std::to_string(child), "--json"});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(none.exit_code == 0);
  CHECK(parse_json(none.out)["instances"].empty());
}

}  // namespace
}  // namespace netpoll::test
