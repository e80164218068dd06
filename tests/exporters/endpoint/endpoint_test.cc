// The endpoint that programs link, asked over HTTP by foreign readers, and its dump at SIGQUIT.
#include "netpoll/debug/endpoint.h"

#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "libruntime/context/sanitizer.h"
#include "netpoll/labels.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/procs.h"
#include "tests/support/shell.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

using namespace netpoll;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kWaiters = 20;

[[gnu::noinline]] void wait_for_work(Channel<int>& channel) { (void)channel.recv(); }

// A Runtime on a thread of its own, whose goroutines wait for a channel and, each, for a socket that stays silent.
class Program {
 public:
  Program() : runtime_({.procs = test::procs(), .name = "program"}) {
    thread_ = std::thread([this] {
      runtime_.run([this] {
        for (std::size_t i = 0; i < kWaiters; ++i) {
          with_labels({{"worker", std::to_string(i % 2)}}, [this] { go([this] { wait_for_work(work_); }); });
        }
        auto sockets = socket_pair();
        go([conn = std::move(sockets->first)]() mutable {
          std::array<std::byte, 8> buffer;
          (void)conn.read(buffer);
        });
        test::until([this] {
          std::size_t waiting = 0;
          for (const auto& g : runtime_.snapshot().goroutines) waiting += g.status == "waiting" ? 1 : 0;
          return waiting == kWaiters + 1;
        });
        ready_ = true;
        (void)stop_.recv();
      });
    });
    while (!ready_) std::this_thread::yield();
  }
  ~Program() {
    stop_.close();
    thread_.join();
  }
  Runtime& runtime() { return runtime_; }

 private:
  Channel<int> work_;
  Channel<int> stop_;
  Runtime runtime_;
  std::atomic<bool> ready_{false};
  std::thread thread_;
};

debug::Endpoint served(Program& program, const std::string& address) {
  auto endpoint = debug::serve(program.runtime(), {.address = address});
  REQUIRE(endpoint);
  return std::move(*endpoint);
}

std::size_t count_lines_with(const std::string& text, const std::string& begin) {
  std::size_t count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) count += line.starts_with(begin) ? 1 : 0;
  return count;
}

// Sends bytes to an endpoint and returns what comes until it ends the connection.
std::string talk(const Addr& address, const std::string& request) {
  const Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), address.data(), address.size()) != 0) return "cannot connect";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "cannot send";
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t n; (n = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return answer;
}

}  // namespace

TEST_CASE("the texts of Go's goroutine profile, with stacks and labels") {
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  httplib::Client client("http://" + endpoint.address());
  auto each = client.Get("/debug/pprof/goroutine?debug=2");
  REQUIRE(each);
  CHECK(each->status == 200);
  CHECK(each->get_header_value("Content-Type") == "text/plain; charset=utf-8");
  CHECK(each->get_header_value("X-Content-Type-Options") == "nosniff");
  CHECK(count_lines_with(each->body, "goroutine ") == kWaiters + 2);
  CHECK(each->body.find("wait_for_work(...)") != std::string::npos);
  CHECK(each->body.find("endpoint_test.cc:") != std::string::npos);

  auto counted = client.Get("/debug/pprof/goroutine?debug=1");
  REQUIRE(counted);
  CHECK(counted->body.starts_with("goroutine profile: total " + std::to_string(kWaiters + 2) + "\n"));
  CHECK(count_lines_with(counted->body, std::to_string(kWaiters / 2) + " @ 0x") == 2);
  CHECK(count_lines_with(counted->body, "# labels: {\"worker\":\"1\"}") == 1);

  auto index = client.Get("/debug/pprof/");
  REQUIRE(index);
  CHECK(index->status == 200);
  CHECK(index->body.find("goroutine?debug=1") != std::string::npos);
  for (const char* wrong : {"/", "/debug/pprof/heap", "/debug/pprof/goroutine/x"}) {
    auto none = client.Get(wrong);
    REQUIRE(none);
    CHECK(none->status == 404);
  }
  for (const char* wrong : {"debug=3", "seconds=0", "seconds=-1", "seconds=x", "seconds=1s",
                            "seconds=", "seconds=99999999999", "seconds=1&debug=1"}) {
    auto none = client.Get("/debug/pprof/goroutine?" + std::string(wrong));
    REQUIRE(none);
    INFO(wrong);
    CHECK(none->status == 400);
  }
}

TEST_CASE("a difference over some seconds leaves out what stood still") {
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  httplib::Client client("http://" + endpoint.address());
  auto answer = client.Get("/debug/pprof/goroutine?seconds=1&debug=0");
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->get_header_value("Content-Type") == "application/octet-stream");
  CHECK(answer->get_header_value("Content-Disposition") == "attachment; filename=\"goroutine-delta\"");
  if (!test::has_program("go")) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  const test::TempDir folder;
  const std::string file = folder / "profile";
  std::ofstream(file) << answer->body;
  const auto [raw, status] = test::output_of("PPROF_TMPDIR=" + folder.path() + " go tool pprof -raw " + file);
  INFO(raw);
  CHECK(status == 0);
  // Of each there are none more, and they have waited longer together; the sum of its waits is all that a sample has.
  CHECK(raw.find("Duration: 1.") != std::string::npos);
  CHECK(count_lines_with(raw, std::string(10, ' ') + "0 ") > 0);
  CHECK(count_lines_with(raw, std::string(10, ' ') + "1 ") == 0);
  CHECK(raw.find("wait_for_work") != std::string::npos);
}

TEST_CASE("go tool pprof reads the endpoint, and the texts that it gives") {
  if (!test::has_program("go")) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  const test::TempDir folder;
  const std::string pprof = "PPROF_TMPDIR=" + folder.path() + " go tool pprof ";
  const auto [top, status] =
      test::output_of(pprof + "-sample_index=goroutine -top http://" + endpoint.address() + "/debug/pprof/goroutine");
  INFO(top);
  CHECK(status == 0);
  CHECK(top.find("Total samples = " + std::to_string(kWaiters + 2)) != std::string::npos);
  CHECK(top.find("wait_for_work") != std::string::npos);
  httplib::Client client("http://" + endpoint.address());
  for (const char* query : {"", "?debug=1"}) {
    const std::string file = folder / "profile";
    auto answer = client.Get(std::string("/debug/pprof/goroutine") + query);
    REQUIRE(answer);
    std::ofstream(file) << answer->body;
    const auto [raw, ended] = test::output_of(pprof + "-raw " + file);
    INFO(raw);
    CHECK(ended == 0);
    // The text has no names of functions that pprof would read: it takes their addresses.
    CHECK((*query != '\0' || raw.find("wait_for_work") != std::string::npos));
    CHECK(raw.find("goroutine/count") != std::string::npos);
    const std::string ten = std::to_string(kWaiters / 2);
    CHECK(count_lines_with(raw, std::string(11 - ten.size(), ' ') + ten) == 2);
  }
}

TEST_CASE("the document of netpoll-trace snapshot, and counters for Prometheus") {
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  httplib::Client client("http://" + endpoint.address());
  auto answer = client.Get("/debug/netpoll");
  REQUIRE(answer);
  const auto json = nlohmann::json::parse(answer->body);
  CHECK(json["schema"] == "netpoll-trace/snapshot/v1");
  CHECK(json["target"]["pid"] == getpid());
  CHECK(json["total"] == kWaiters + 2);
  CHECK(json["goroutines"].size() == kWaiters + 2);
  auto metrics = client.Get("/metrics");
  REQUIRE(metrics);
  CHECK(metrics->get_header_value("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(metrics->body.find("netpoll_goroutines{status=\"waiting\"} " + std::to_string(kWaiters + 2)) !=
        std::string::npos);
  CHECK(metrics->body.find("# TYPE netpoll_events_total counter\n") != std::string::npos);
  const auto open = client.Get("/metrics", httplib::Headers{{"Accept", "application/openmetrics-text;version=1.0.0"}});
  REQUIRE(open);
  CHECK(open->get_header_value("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CHECK(open->body.find("# EOF\n") != std::string::npos);
}

TEST_CASE("promtool finds no fault with the metrics") {
  if (!test::has_program("promtool")) NETPOLL_SKIP("promtool is the judge, and is not there (package prometheus)");
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  auto metrics = httplib::Client("http://" + endpoint.address()).Get("/metrics");
  REQUIRE(metrics);
  const test::TempDir folder;
  const std::string file = folder / "metrics";
  std::ofstream(file) << metrics->body;
  const auto [said, status] = test::output_of("promtool check metrics < " + file);
  INFO(said);
  CHECK(status == 0);
}

TEST_CASE("behind a Unix socket, for its user alone; the file goes with the endpoint") {
  Program program;
  const test::TempDir folder;
  const std::string path = folder / "debug.sock";
  {
    const auto endpoint = served(program, "unix:" + path);
    CHECK(endpoint.address() == "unix:" + path);
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: anything\r\n\r\n";
    CHECK(talk(*Addr::parse("unix:" + path), request).starts_with("HTTP/1.1 200"));
    // A second one in its place is refused, and takes nothing away.
    CHECK_FALSE(debug::serve(program.runtime(), {.address = "unix:" + path}));
    CHECK(talk(*Addr::parse("unix:" + path), request).starts_with("HTTP/1.1 200"));
  }
  CHECK(access(path.c_str(), F_OK) != 0);

  // One that a dead process left behind is replaced.
  const Fd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Addr address = *Addr::parse("unix:" + path);
  REQUIRE(bind(left.get(), address.data(), address.size()) == 0);
  const auto again = served(program, "unix:" + path);
  CHECK(access(path.c_str(), F_OK) == 0);
}

TEST_CASE("another user is refused, even where the file's mode lets him") {
  if (geteuid() != 0) NETPOLL_SKIP("needs root, to become another user");
  Program program;
  const test::TempDir folder;
  const std::string path = folder / "debug.sock";
  const auto endpoint = served(program, "unix:" + path);
  REQUIRE(chmod(path.c_str(), 0666) == 0);
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const Addr address = *Addr::parse("unix:" + path);
    if (!test::become_nobody()) _exit(2);
    const std::string answer = talk(address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    _exit(answer.starts_with("HTTP/1.1 403") || answer == "cannot send" || answer.empty() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("other addresses need the flag, and other hosts get no answer") {
  Program program;
  for (const char* wrong : {"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:1", "unix:@name", "nonsense", "unix:"}) {
    INFO(wrong);
    auto endpoint = debug::serve(program.runtime(), {.address = wrong});
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().is(ErrorKind::kInvalid));
  }
  CHECK(debug::serve(program.runtime(), {.address = "0.0.0.0:0", .allow_remote = true}));
  const auto endpoint = served(program, "127.0.0.1:0");
  const Addr address = *Addr::parse(endpoint.address());
  const auto status_for = [&](const std::string& host) {
    const std::string answer = talk(address, "GET /metrics HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return answer.substr(0, answer.find("\r\n"));
  };
  for (const char* good : {"localhost", "localhost:80", "127.0.0.1:6060", "[::1]:6060", "127.9.9.9"}) {
    CHECK(status_for(good).find(" 200 ") != std::string::npos);
  }
  for (const char* bad : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "10.0.0.1:80"}) {
    CHECK(status_for(bad).find(" 403 ") != std::string::npos);
  }
}

TEST_CASE("silent clients stall nobody, and neither do those that send nonsense") {
  Program program;
  const auto endpoint = served(program, "127.0.0.1:0");
  const Addr address = *Addr::parse(endpoint.address());
  std::vector<Fd> silent;
  for (int i = 0; i < 5; ++i) {
    silent.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(silent.back().get(), address.data(), address.size()) == 0);
    (void)!send(silent.back().get(), "GET /deb", static_cast<std::size_t>(i), MSG_NOSIGNAL);
  }
  const std::string good = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  CHECK(talk(address, good).starts_with("HTTP/1.1 200"));
  for (const std::string& nonsense :
       {std::string("\r\n\r\n"), std::string("\0\0\0\0\n\n", 6), std::string(100'000, 'a'), std::string("GET\r\n\r\n"),
        std::string("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")}) {
    const std::string answer = talk(address, nonsense + "\r\n\r\n");
    CHECK_FALSE(answer.starts_with("HTTP/1.1 200"));
  }
  CHECK(talk(address, good).starts_with("HTTP/1.1 200"));

  // Who asks for a long difference and leaves does not keep a place.
  for (int i = 0; i < 20; ++i) {
    const Fd gone(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(gone.get(), address.data(), address.size()) == 0);
    const std::string slow = "GET /debug/pprof/goroutine?seconds=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    (void)!send(gone.get(), slow.data(), slow.size(), MSG_NOSIGNAL);
  }
  CHECK(test::eventually([&] { return talk(address, good).starts_with("HTTP/1.1 200"); }));
}

TEST_CASE("an endpoint ends while clients are connected and ask") {
  Program program;
  for (int round = 0; round < 5; ++round) {
    auto endpoint = std::make_unique<debug::Endpoint>(served(program, "127.0.0.1:0"));
    const Addr address = *Addr::parse(endpoint->address());
    const Fd silent(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(silent.get(), address.data(), address.size()) == 0);
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) {
      for (const char* path : {"/debug/netpoll", "/debug/pprof/goroutine?seconds=3600"}) {
        clients.emplace_back([&address, path] {
          (void)talk(address, "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        });
      }
    }
    endpoint.reset();
    for (std::thread& client : clients) client.join();
  }
}

TEST_CASE("SIGQUIT is taken by one at a time, and given back") {
  Program program;
  {
    auto quit = debug::dump_on_quit(program.runtime());
    REQUIRE(quit);
    CHECK_FALSE(debug::dump_on_quit(program.runtime()));
  }
  struct sigaction now {};
  sigaction(SIGQUIT, nullptr, &now);
  CHECK(now.sa_handler == SIG_DFL);
  CHECK(debug::dump_on_quit(program.runtime()));
}

TEST_CASE("SIGQUIT prints every goroutine and ends with status 2") {
#if defined(NETPOLL_TSAN)
  // It hands a signal on in calls that it intercepts, and the runtime waits in system calls of its own.
  NETPOLL_SKIP("under ThreadSanitizer no signal reaches a program whose threads all wait in the runtime");
#endif
  const std::string text =
      test::output_of("sh -c '" DEBUG_ENDPOINT
                      " 127.0.0.1:0 127.0.0.1:0 > /dev/null & pid=$!; "
                      "while ! grep -q SigCgt:.*[4567cdef]$ /proc/$pid/status; do sleep 0.01; done; sleep 0.1; "
                      "kill -QUIT $pid; wait $pid; echo status $?'")
          .first;
  INFO(text);
  CHECK(text.starts_with("SIGQUIT: quit\n\ngoroutine 1 ["));
  CHECK(text.find("\nstatus 2\n") != std::string::npos);
}
