// What each format makes of a snapshot: the texts that Go's tools read, and hostile names in all of them.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "exporters/exporter.h"
#include "exporters/goroutines/names.h"
#include "exporters/goroutines/pprof.h"
#include "exporters/snapshot_document.h"
#include "exporters/text.h"
#include "tests/support/catch.h"
#include "tests/support/shell.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

using namespace netpoll::exporters;
using netpoll::trace::Frame;
using netpoll::trace::Goroutine;
using netpoll::trace::IoMode;

namespace {

Frame frame(const std::string& function, const std::string& file, int line, std::uint64_t pc, std::uint64_t entry) {
  Frame f;
  f.function = function;
  f.file = file;
  f.line = line;
  f.pc = pc;
  f.entry_pc = entry;
  return f;
}

// Two readers with one stack and one that runs.
SnapshotDocument small_snapshot() {
  SnapshotDocument document;
  document.head = {{"schema", "netpoll-trace/snapshot/v1"},
                   {"started_at", "2026-01-01T00:00:00.000Z"},
                   {"target", {{"pid", 41}, {"comm", "server"}, {"kind", "go"}, {"runtime_version", "go1.26.1"}}}};
  auto& s = document.snapshot;
  s.frames = {frame("internal/poll.runtime_pollWait", "/go/src/runtime/netpoll.go", 351, 0x465c10, 0x465b80),
              frame("net.(*conn).Read", "/go/src/net/net.go", 183, 0x4a0010, 0x4a0000),
              frame("main.main", "/src/main.go", 12, 0x500020, 0x500000)};
  for (int i = 0; i < 3; ++i) {
    Goroutine g;
    g.goid = static_cast<std::uint64_t>(17 + i);
    g.parent_goid = 1;
    g.status = i == 2 ? "running" : "waiting";
    g.entry = 1;
    g.created_by = 2;
    if (i < 2) {
      g.wait_reason = "IO wait";
      g.io_wait = true;
      g.wait_ns = 150'000'000'000;
      g.fd = 7 + i;
      g.mode = IoMode::kRead;
      g.kind = "tcp";
      g.local = "127.0.0.1:80";
      g.peer = "127.0.0.1:5000" + std::to_string(i);
      g.tcp_state = "ESTABLISHED";
      g.stack = {0, 1};
      g.labels = {{"role", "reader"}, {"conn", "c\"1"}};
    }
    s.goroutines.push_back(g);
    document.shown.push_back(static_cast<std::uint32_t>(i));
  }
  s.goroutines[0].locked_to_thread = true;
  return document;
}

std::string exported(const char* format, const SnapshotDocument& document, const ExportOptions& options = {}) {
  char path[] = "/tmp/netpoll-snapshot-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  auto out = Destination::open(path);
  REQUIRE(out.has_value());
  const auto exporter = find_format(format)->make(*out, options);
  REQUIRE(exporter->snapshot(document).has_value());
  REQUIRE(out->commit().has_value());
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  unlink(path);
  return text;
}

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
  return widest;
}

bool has_go() { return netpoll::test::has_program("go"); }

// What go tool pprof says to a profile, and its exit status.
std::pair<std::string, int> pprof_on(const std::string& option, const std::string& profile) {
  const netpoll::test::TempDir folder;
  const std::string path = folder / "profile";
  std::ofstream(path) << profile;
  return netpoll::test::output_of("PPROF_TMPDIR=/tmp go tool pprof " + option + " " + path);
}

std::string pprof_says(const std::string& option, const std::string& profile) {
  auto [text, status] = pprof_on(option, profile);
  INFO(text);
  CHECK(status == 0);
  return text;
}

}  // namespace

TEST_CASE("of a difference of profiles what came counts for it, and what went against it") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  const SnapshotDocument earlier = small_snapshot();
  SnapshotDocument now = small_snapshot();
  now.snapshot.frames.insert(now.snapshot.frames.begin(), frame("other", "", 0, 0, 0));  // numbers mean nothing
  for (Goroutine& g : now.snapshot.goroutines) {
    for (std::uint32_t& index : g.stack) ++index;
    g.entry = 2;
    g.created_by = 3;
  }
  now.snapshot.goroutines.push_back(now.snapshot.goroutines[2]);                             // one more that runs
  now.snapshot.goroutines.erase(now.snapshot.goroutines.begin());                            // fd 7 was closed
  now.snapshot.goroutines[0].wait_ns = *now.snapshot.goroutines[0].wait_ns + 5'000'000'000;  // fd 8 still waits
  const std::string profile =
      pprof_difference(earlier.snapshot, now.snapshot, std::chrono::seconds(5), {.program = "server"});
  const std::string raw = pprof_says("-raw", gzipped(profile));
  CHECK(raw.find("Duration: 5s") != std::string::npos);
  CHECK(raw.find(" 1          0: ") != std::string::npos);
  CHECK(raw.find(" -1 -150000000000: ") != std::string::npos);
  CHECK(raw.find(" 0 5000000000: ") != std::string::npos);

  const std::string nothing =
      pprof_difference(earlier.snapshot, earlier.snapshot, std::chrono::seconds(5), {.program = "server"});
  CHECK(pprof_says("-raw", gzipped(nothing)).find("Samples:\ngoroutine/count[dflt] delay/nanoseconds\nLocations") !=
        std::string::npos);
}

TEST_CASE("a snapshot that is written in pieces is laid out as every document") {
  SnapshotDocument document = small_snapshot();
  document.head["views"] = Json::object();
  auto& s = document.snapshot;
  s.frames.push_back(frame("bad \xff \"name\"\n", "", 0, 0x10, 0));
  s.frames.push_back(frame("f", "g", 1, 0x11, 0x10));  // short enough for one line
  s.frames.push_back(frame("", "", 0, 0, 0));
  auto& odd = s.goroutines[1];
  odd.stack = {2, 0, 3, 4, 5, 99};
  odd.labels = {{"k\"", "\x01"}, {"k\"", "again"}, {std::string(100, 'l'), "long"}};
  odd.remarks = {"leaked", "synctest bubble 1"};
  odd.peer_processes = {{.pid = 7, .comm = "a\tb", .fd = 3},
                        {.pid = 8, .comm = "", .fd = 4, .waiters = std::vector<netpoll::trace::PeerWaiter>(2)}};
  odd.stack_ends_early = "it is deeper than was read";
  odd.deadline_in_ns = -1;
  odd.other_fd = 8;
  s.goroutines[2].stack = {99};
  s.goroutines[2].created_by = 99;
  s.goroutines[2].goid = 0;
  s.warnings = {"one", "two"};

  for (const bool all : {true, false}) {
    if (!all) document.shown.clear();
    const std::string text = exported("json", document);
    const Json whole = parse_json(text);
    CHECK(text == to_document(whole));
    CHECK(whole["goroutines"].size() == document.shown.size());

    std::istringstream lines(exported("ndjson", document));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
      const Json json = parse_json(line);
      CHECK(line + "\n" == to_line(json));
      if (json["type"] != "goroutine") continue;
      Json as_member = json;
      as_member.erase("type");
      CHECK(as_member == whole["goroutines"].at(count++));
    }
    CHECK(count == document.shown.size());
  }
}

TEST_CASE("debug1 is what Go prints, tabs included") {
  CHECK(exported("debug1", small_snapshot()) ==
        "goroutine profile: total 3\n"
        "2 @ 0x465c10 0x4a0010\n"
        "# labels: {\"conn\":\"c\\\"1\", \"role\":\"reader\"}\n"
        "#\t0x465c0f\tinternal/poll.runtime_pollWait+0x8f\t/go/src/runtime/netpoll.go:351\n"
        "#\t0x4a000f\tnet.(*conn).Read+0xf\t\t\t/go/src/net/net.go:183\n"
        "\n"
        "1 @ 0x4a0010\n"
        "#\t0x4a000f\tnet.(*conn).Read+0xf\t/go/src/net/net.go:183\n"
        "\n");
}

TEST_CASE("debug2 for readers that know the sources of Go alone names no others") {
  SnapshotDocument document = small_snapshot();
  document.snapshot.frames[1].file = "/src/server.cc";
  const auto count = [](const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  };
  const std::string as_it_is = exported("debug2", document);
  const std::string compatible = exported("debug2", document, {.go_compat = true});
  CHECK(count(as_it_is, "\t/src/server.cc:183") > 0);
  CHECK(count(compatible, "server.cc") == 0);
  CHECK(count(compatible, "\t??:0 +0x") == count(as_it_is, "\t/src/server.cc:183 +0x"));
  CHECK(count(compatible, "netpoll.go:351") == count(as_it_is, "netpoll.go:351"));
}

TEST_CASE("debug2 is what Go prints, who runs first") {
  CHECK(exported("debug2", small_snapshot()) ==
        "goroutine 19 [running]:\n"
        "net.(*conn).Read(...)\n"
        "\t/go/src/net/net.go:183 +0x10\n"
        "created by main.main in goroutine 1\n"
        "\t/src/main.go:12 +0x20\n"
        "\n"
        "goroutine 17 [IO wait, 2 minutes, locked to thread] {role: reader, conn: \"c\\\"1\"}:\n"
        "internal/poll.runtime_pollWait(...)\n"
        "\t/go/src/runtime/netpoll.go:351 +0x90\n"
        "net.(*conn).Read(...)\n"
        "\t/go/src/net/net.go:183 +0x10\n"
        "created by main.main in goroutine 1\n"
        "\t/src/main.go:12 +0x20\n"
        "\n"
        "goroutine 18 [IO wait, 2 minutes] {role: reader, conn: \"c\\\"1\"}:\n"
        "internal/poll.runtime_pollWait(...)\n"
        "\t/go/src/runtime/netpoll.go:351 +0x90\n"
        "net.(*conn).Read(...)\n"
        "\t/go/src/net/net.go:183 +0x10\n"
        "created by main.main in goroutine 1\n"
        "\t/src/main.go:12 +0x20\n");
}

TEST_CASE("debug2 has labels as Go 1.27 prints them, and none for older readers") {
  SnapshotDocument document = small_snapshot();
  document.snapshot.goroutines.at(document.shown.front()).labels = {{"request_id", "abc-123"},
                                                                    {"path", "/v1/items_2.x"},
                                                                    {"\x1b[31m", "a\"b\\\n\r\t\x7f"},
                                                                    {"", "\u00fc\U0001f600\xff\xed\xa0\x80"}};
  const std::string labels =
      "] {request_id: \"abc-123\", path: /v1/items_2.x, \"\\x1b[31m\": \"a\\\"b\\\\\\n\\r\\t\\u007f\", : "
      "\"\\u00fc\\U0001f600\\xff\\xed\\xa0\\x80\"}:\n";
  const std::string text = exported("debug2", document);
  INFO(text);
  CHECK(text.find(labels) != std::string::npos);
  CHECK(exported("debug2", document, {.go_compat = true}).find('{') == std::string::npos);
}

TEST_CASE("folded has the outermost function first and the state last") {
  CHECK(exported("folded", small_snapshot()) ==
        "server;net.(*conn).Read;[running] 1\n"
        "server;net.(*conn).Read;internal/poll.runtime_pollWait;[IO wait] 2\n");
}

TEST_CASE("ndjson says what it is first and that it is whole last") {
  std::istringstream lines(exported("ndjson", small_snapshot()));
  std::vector<Json> all;
  for (std::string line; std::getline(lines, line);) all.push_back(parse_json(line));
  REQUIRE(all.size() == 5);
  CHECK(all.front()["type"] == "meta");
  CHECK(all.front()["total"] == 3);
  CHECK(all[1]["type"] == "goroutine");
  CHECK(all[1]["goid"] == 17);
  CHECK(all.back()["type"] == "end");
  CHECK(all.back()["goroutines"] == 3);
  // And each line says the same as the document.
  const Json document = parse_json(exported("json", small_snapshot()));
  Json first = all[1];
  first.erase("type");
  CHECK(first == document["goroutines"][0]);
}

TEST_CASE("the profile that go tool pprof reads is the one that was written") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  const std::string raw = pprof_says("-raw", exported("debug1", small_snapshot()));
  INFO(raw);
  CHECK(raw.find("2: 1 2") != std::string::npos);
}

TEST_CASE("pprof: equal goroutines are one sample, with their labels, lines and waits") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  SnapshotDocument document = small_snapshot();
  for (Goroutine& g : document.snapshot.goroutines) g.fd.reset();
  const std::string profile = exported("pprof", document);
  CHECK(profile == exported("pprof", document));
  const std::string raw = pprof_says("-raw", profile);
  INFO(raw);
  CHECK(raw.find("goroutine/count[dflt] delay/nanoseconds") != std::string::npos);
  CHECK(raw.find("Mappings\n1: 0x0/0x0/0x0 server  [FN][FL][LN][IN]") != std::string::npos);
  CHECK(raw.find("2 300000000000: 1 2") != std::string::npos);
  CHECK(raw.find("internal/poll.runtime_pollWait /go/src/runtime/netpoll.go:351") != std::string::npos);
  CHECK(raw.find("0x465c0f") != std::string::npos);
  for (const char* label : {"wait_reason:[IO wait]", "mode:[read]", "peer:[127.0.0.1]", "role:[reader]"}) {
    CAPTURE(label);
    CHECK(raw.find(label) != std::string::npos);
  }
  CHECK(raw.find("goid:") == std::string::npos);
}

TEST_CASE("pprof: per goroutine each is a sample with its goid, fd, wait and the peer's port") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  const std::string raw = pprof_says("-raw", exported("pprof", small_snapshot(), {.per_goroutine = true}));
  INFO(raw);
  for (const char* label :
       {"goid:[17]", "goid:[18]", "goid:[19]", "fd:[7]", "fd:[8]", "peer:[127.0.0.1:50000]", "peer:[127.0.0.1:50001]",
        "wait:[150000000000 nanoseconds]", "go::goroutine_wait_minutes:[2 minutes]", "go::goroutine_state:[IO wait]",
        "go::goroutine_created_by:[main.main]"}) {
    CAPTURE(label);
    CHECK(raw.find(label) != std::string::npos);
  }
}

TEST_CASE("pprof: an inlined call is a line of the place that it is inlined in") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  SnapshotDocument document = small_snapshot();
  document.snapshot.frames[0].inlined = true;
  document.snapshot.frames[0].pc = document.snapshot.frames[1].pc;
  const std::string raw = pprof_says("-raw", exported("pprof", document));
  INFO(raw);
  CHECK(raw.find("0x4a000f M=1 internal/poll.runtime_pollWait") != std::string::npos);
  CHECK(raw.find("             net.(*conn).Read /go/src/net/net.go:183") != std::string::npos);
}

TEST_CASE("pprof: a profile that is cut off is no profile") {
  if (!has_go()) NETPOLL_SKIP("go tool pprof is the judge, and there is no go");
  const std::string profile = exported("pprof", small_snapshot());
  const auto [text, status] = pprof_on("-raw", profile.substr(0, profile.size() / 2));
  INFO(text);
  CHECK(status != 0);
}

TEST_CASE("the table fits 80 columns, however long the names are") {
  SnapshotDocument document = small_snapshot();
  document.snapshot.frames[1].function = "a_namespace_that_never_ends::" + std::string(300, 'x') + "::the_end";
  document.snapshot.goroutines[0].peer = "[2001:db8:1234:5678:9abc:def0:1234:5678]:50000";
  document.snapshot.goroutines[1].wait_reason = "sync.RWMutex.RLock";
  document.snapshot.goroutines[0].peer_processes = {{.pid = 12, .comm = "a-long-command", .fd = 12345}};
  const std::string page = exported("table", document);
  INFO(page);
  CHECK(widest_line(page) <= 80);
  CHECK(page.find("::the_end") != std::string::npos);
  CHECK(page.find("678]:50000") != std::string::npos);
  CHECK(widest_line(exported("table", document, {.width = 400})) > 300);
}

TEST_CASE("hostile names reach no output as they are") {
  SnapshotDocument document = small_snapshot();
  const std::string hostile = "evil\x1b[2J\n\r;x\xff\"\\ name";
  document.snapshot.frames[1].function = hostile;
  document.snapshot.frames[1].file = hostile;
  document.snapshot.goroutines[0].peer = hostile;
  document.snapshot.goroutines[0].wait_reason = hostile;
  document.snapshot.goroutines[0].labels = {{hostile, hostile}};
  document.head["target"]["comm"] = hostile;
  for (const Format& format : formats()) {
    if (!format.takes(Content::kSnapshot) || format.binary) continue;
    CAPTURE(format.name);
    const std::string text = exported(std::string(format.name).c_str(), document);
    CHECK(std::none_of(text.begin(), text.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f || byte == 0xff;
    }));
  }
  if (has_go()) CHECK(pprof_says("-top", exported("pprof", document)).find('\x1b') == std::string::npos);
  std::istringstream lines(exported("folded", document));
  for (std::string line; std::getline(lines, line);) {
    CHECK(std::count(line.begin(), line.end(), ';') >= 2);
    CHECK(line.substr(line.rfind(' ') + 1).find_first_not_of("0123456789") == std::string::npos);
  }
}

TEST_CASE("functions are called without parameters, receivers of Go stay") {
  CHECK(plain_function("net.(*conn).Read") == "net.(*conn).Read");
  CHECK(plain_function("main.Map[...].func1") == "main.Map[...].func1");
  CHECK(plain_function("serve(int)::{lambda(A&)#1}") == "serve::{lambda#1}");
  CHECK(plain_function("netpoll::workload::accept_loop<f(int)::{lambda()#1}>(int)::{lambda()#2}") ==
        "workload::accept_loop::{lambda#2}");
  CHECK(plain_function("a::(anonymous namespace)::b(int)") == "a::b");
  CHECK(plain_function("std::ostream& operator<< <char>(std::ostream&, char)") == "std::ostream& operator<< ");
  CHECK(plain_function("X::operator()(int) const") == "X::operator() const");
  CHECK(plain_function("X::operator->()") == "X::operator->");
  CHECK(plain_function("a)b>c") == "a)b>c");
  CHECK(plain_function("f((((") == "f");
  CHECK(plain_function("x.(*y") == "x.(*y");
  CHECK(plain_function("").empty());
}

TEST_CASE("a stack on one line begins where the frames of Go's poller and sockets end") {
  CHECK(without_pollers_frames("IO wait: internal/poll.runtime_pollWait:305 < internal/poll.(*FD).Accept:614 < "
                               "net.(*TCPListener).Accept:288 < main.serve:12 < net/http.Serve:3") ==
        "IO wait: .. < main.serve:12 < net/http.Serve:3");
  CHECK(without_pollers_frames("IO wait: internal/poll.runtime_pollWait:305 < net/http.(*conn).serve:1") ==
        "IO wait: .. < net/http.(*conn).serve:1");
  CHECK(without_pollers_frames("select: main.loop:7 < runtime.main:250") == "select: main.loop:7 < runtime.main:250");
  CHECK(without_pollers_frames("syscall: syscall.Syscall:86 < os.Read:1") == "syscall: syscall.Syscall:86 < os.Read:1");
  CHECK(without_pollers_frames("finalizer wait") == "finalizer wait");
  CHECK(without_pollers_frames("").empty());
}
