// Which goroutines a snapshot shows, in which order, and what it says about them together.
#include "cli/documents/snapshot.h"

#include <string>
#include <vector>

#include "exporters/goroutines/document.h"
#include "exporters/json.h"
#include "exporters/snapshot_document.h"
#include "tests/support/catch.h"

using namespace netpoll::cli;
using netpoll::ErrorKind;
using netpoll::exporters::Json;
using netpoll::exporters::snapshot_json;
using netpoll::exporters::SnapshotDocument;
using netpoll::exporters::write_snapshot;
using netpoll::trace::Frame;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using netpoll::trace::IoMode;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Goroutine reader(std::uint64_t goid, std::uint64_t parent, const std::string& peer, std::int64_t wait_ns) {
  Goroutine g;
  g.goid = goid;
  if (parent != 0) g.parent_goid = parent;
  g.status = "waiting";
  g.wait_reason = "IO wait";
  g.io_wait = true;
  g.wait_ns = wait_ns;
  g.fd = static_cast<int>(goid);
  g.mode = IoMode::kRead;
  g.kind = "tcp";
  g.local = "10.0.0.1:80";
  g.peer = peer;
  g.tcp_state = "ESTABLISHED";
  g.entry = 0;
  return g;
}

// 1 started 2 and 5, 2 started 3 and 4; 6 is no reader.
GoroutineSnapshot family() {
  GoroutineSnapshot s;
  s.language = "go";
  s.runtime_version = "go1.26.1";
  for (const char* name : {"main.serve.func1", "main.serve.func2.1", "main.work"}) {
    Frame f;
    f.function = name;
    s.frames.push_back(f);
  }
  s.goroutines = {reader(1, 0, "10.0.0.9:40001", kSecond), reader(2, 1, "10.0.0.9:40002", 90 * kSecond),
                  reader(3, 2, "10.0.0.8:5432", 3 * kSecond), reader(4, 2, "10.0.0.8:5432", 2 * kSecond),
                  reader(5, 1, "10.0.0.9:40003", 70 * kSecond)};
  s.goroutines[1].tcp_state = "CLOSE_WAIT";
  s.goroutines[2].labels = {{"request", "42"}, {"user", "ann"}};
  s.goroutines[3].labels = {{"request", "43"}};
  s.goroutines[3].deadline_in_ns = kSecond;
  s.goroutines[2].entry = 1;
  Goroutine other;
  other.goid = 6;
  other.status = "runnable";
  other.entry = 2;
  s.goroutines.push_back(other);
  return s;
}

netpoll::probes::TargetInfo target() {
  netpoll::probes::TargetInfo info;
  info.pid = 41;
  info.comm = "server";
  info.exe = "/bin/server";
  return info;
}

SnapshotDocument document_of(const SnapshotView& view, GoroutineSnapshot snapshot = family()) {
  auto document = snapshot_document(std::move(snapshot), target(), {}, view);
  REQUIRE(document);
  return std::move(*document);
}

std::vector<std::uint64_t> goids(const SnapshotDocument& document) {
  std::vector<std::uint64_t> list;
  for (const std::uint32_t index : document.shown) list.push_back(document.snapshot.goroutines.at(index).goid);
  return list;
}

using Goids = std::vector<std::uint64_t>;

Goids chosen(const GoroutineFilter& filter) { return goids(document_of({.filter = filter})); }

}  // namespace

TEST_CASE("each wish narrows the choice") {
  CHECK(chosen({}) == Goids{1, 2, 3, 4, 5});
  CHECK(chosen({.all = true}) == Goids{1, 2, 3, 4, 5, 6});
  CHECK(chosen({.min_wait = std::chrono::seconds(60)}) == Goids{2, 5});
  CHECK(chosen({.fd = 3}) == Goids{3});
  CHECK(chosen({.peer = "10.0.0.8"}) == Goids{3, 4});
  CHECK(chosen({.local = ":80"}) == Goids{1, 2, 3, 4, 5});
  CHECK(chosen({.local = ":81"}).empty());
  CHECK(chosen({.state = "close_wait"}) == Goids{2});
  CHECK(chosen({.all = true, .state = "runnable"}) == Goids{6});
  CHECK(chosen({.function = "serve.func2"}) == Goids{3});
  CHECK(chosen({.labels = {{"request", std::nullopt}}}) == Goids{3, 4});
  CHECK(chosen({.labels = {{"request", "42"}, {"user", std::nullopt}}}) == Goids{3});
  CHECK(chosen({.labels = {{"request", "4"}}}).empty());
  CHECK(chosen({.no_deadline = true}) == Goids{1, 2, 3, 5});
}

TEST_CASE("a wait that is known to be long enough counts, one that is not known does not") {
  GoroutineSnapshot s = family();
  s.goroutines[0].wait_ns.reset();
  s.goroutines[0].wait_at_least_ns = 120 * kSecond;
  s.goroutines[1].wait_ns.reset();
  CHECK(goids(document_of({.filter = {.min_wait = std::chrono::seconds(60)}}, s)) == Goids{1, 5});
}

TEST_CASE("top shows the longest waits, and the document says how many there were") {
  const SnapshotDocument document = document_of({.top = 2});
  CHECK(goids(document) == Goids{2, 5});
  CHECK(document.head["matching"] == 5);
}

TEST_CASE("a tree has each goroutine behind the one that started it, whatever the parents claim") {
  CHECK(goids(document_of({.tree = true})) == Goids{1, 2, 3, 4, 5});
  GoroutineSnapshot s = family();
  s.goroutines[4].parent_goid = 3;
  CHECK(goids(document_of({.tree = true}, s)) == Goids{1, 2, 3, 5, 4});
  // Parents that go round in circles, or do not exist, lose nobody.
  s.goroutines[0].parent_goid = 4;
  s.goroutines[1].parent_goid = 2;
  s.goroutines[3].parent_goid = 99;
  CHECK(goids(document_of({.tree = true}, s)).size() == 5);
}

TEST_CASE("groups are ranked by size, ports that the kernel chose do not part them") {
  const auto groups = [](const char* by, SnapshotView view = {}) {
    auto parsed = parse_group_by(by);
    REQUIRE(parsed);
    view.group_by = *parsed;
    return document_of(view).head["groups"];
  };
  const Json peers = groups("peer");
  REQUIRE(peers.size() == 2);
  CHECK(peers[0]["key"] == "10.0.0.9");
  CHECK(peers[0]["count"] == 3);
  CHECK(peers[0]["longest_wait_ns"] == 90 * kSecond);
  CHECK(peers[0]["goids"] == Json{1, 2, 5});
  CHECK(peers[1]["key"] == "10.0.0.8:5432");
  CHECK(groups("state")[0]["key"] == "ESTABLISHED");
  CHECK(groups("func").size() == 1);
  CHECK(groups("func")[0]["key"] == "main.serve.func");
  CHECK(groups("fd").size() == 5);
  CHECK(groups("label:request")[0]["key"].is_null());
  CHECK(groups("label:request")[0]["count"] == 3);
  CHECK(groups("stack", {.top = 1}).size() == 1);
  for (const char* wrong : {"", "stacks", "label:", "label"}) {
    INFO(wrong);
    const auto refused = parse_group_by(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().is(ErrorKind::kInvalid));
  }
}

TEST_CASE("a summary names what should not be") {
  GoroutineSnapshot s = family();
  s.goroutines[0].recv_queue_bytes = 17;
  s.goroutines[0].socket_idle_ns = 5 * kSecond;
  const SnapshotDocument document = document_of({.summary = true}, s);
  const Json& findings = document.head["summary"]["findings"];
  const auto goids_of = [&](const std::string& part) {
    for (const Json& finding : findings) {
      if (finding["what"].get<std::string>().find(part) != std::string::npos) return finding["goids"];
    }
    return Json();
  };
  CHECK(goids_of("still parked") == Json{1});
  CHECK(goids_of("CLOSE_WAIT") == Json{2});
  CHECK(goids_of("without a deadline") == Json{2, 5});
  CHECK(goids_of("epoll_ctl").is_null());
}

TEST_CASE("a difference tells who appeared, stayed and went, and what grew") {
  const Json base = snapshot_json(document_of({}));
  GoroutineSnapshot later = family();
  later.goroutines.erase(later.goroutines.begin());
  later.goroutines.push_back(reader(70, 2, "10.0.0.9:40009", kSecond));
  later.goroutines.push_back(reader(71, 2, "10.0.0.9:40010", kSecond));
  const Json diff = document_of({.base = base}, later).head["diff"];
  CHECK(diff["same_process"] == true);
  CHECK(diff["appeared"] == Json{70, 71});
  CHECK(diff["stayed"] == Json{2, 3, 4, 5});
  REQUIRE(diff["went"].size() == 1);
  CHECK(diff["went"][0]["goid"] == 1);
  REQUIRE(diff["functions"].size() == 1);
  CHECK(diff["functions"][0] == Json{{"function", "main.serve.func"}, {"base", 5}, {"head", 6}, {"delta", 1}});

  Json other = base;
  other["target"]["pid"] = 42;
  const Json apart = document_of({.base = other}, later).head["diff"];
  CHECK(apart["same_process"] == false);
  CHECK(apart["appeared"].is_null());
  CHECK(apart["functions"][0]["delta"] == 1);

  for (const Json& nonsense : {Json::object(), Json{{"goroutines", 3}}}) {
    CHECK_FALSE(snapshot_document(family(), target(), {}, {.base = nonsense}));
  }
  // Rows of a foreign hand are no reason to fall.
  const Json odd = {{"goroutines", {1, nullptr, Json::object(), {{"goid", "x"}, {"function", 7}}}}};
  CHECK(snapshot_document(family(), target(), {}, {.base = odd}));
}

TEST_CASE("closures have one name in every build") {
  CHECK(without_closure_numbers("main.serve.func1.2") == "main.serve.func");
  CHECK(without_closure_numbers("main.serve.gowrap12") == "main.serve.gowrap");
  CHECK(without_closure_numbers("serve(int)::{lambda()#13}") == "serve(int)::{lambda()#}");
  CHECK(without_closure_numbers("serve(int)::$_0") == "serve(int)::$_");
  CHECK(without_closure_numbers("plain") == "plain");
}

TEST_CASE("what is redacted appears nowhere in the document") {
  GoroutineSnapshot s = family();
  s.goroutines[2].peer_processes = {{.pid = 7, .comm = "secret-service", .fd = 3}};
  auto redaction = parse_redaction({"labels", "peers", "args"});
  REQUIRE(redaction);
  std::string text;
  auto out = netpoll::exporters::Destination::to_memory(text);
  REQUIRE(write_snapshot(out, document_of({.redaction = *redaction}, s)));
  for (const char* secret : {"10.0.0.", "secret-service", "ann", "\"42\""}) {
    INFO(secret);
    CHECK(text.find(secret) == std::string::npos);
  }
  CHECK(text.find("request") != std::string::npos);
  CHECK_FALSE(parse_redaction({"everything"}));
}
