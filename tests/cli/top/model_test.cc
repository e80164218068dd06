// Rows, their order, filter and history, without a terminal.
#include "cli/top/model.h"

#include <sys/epoll.h>

#include <cmath>

#include "tests/cli/top/samples.h"
#include "tests/support/catch.h"

using namespace netpoll::cli;
using netpoll::trace::Goroutine;

namespace {

TopView by(const char* name) { return *parse_view(name); }

TopModel model_by(const char* view) { return {by(view), std::nullopt, {}, ""}; }

std::vector<std::string> keys_of(const TopModel& model) {
  std::vector<std::string> keys;
  for (std::size_t rank = 0; rank < model.size(); ++rank) keys.push_back(model.row(rank).key);
  return keys;
}

std::vector<std::uint64_t> goids_of(const TopModel& model) {
  std::vector<std::uint64_t> goids;
  for (std::size_t rank = 0; rank < model.size(); ++rank) goids.push_back(*model.row(rank).goid);
  return goids;
}

}  // namespace

TEST_CASE("goroutines are sorted by their wait, unknown waits last in either direction") {
  TopModel model = model_by("goroutine");
  Goroutine unknown = waiting_goroutine(4, "10.0.0.9:40004", 0);
  unknown.wait_ns.reset();
  model.take(sample_of(1, {process_with({waiting_goroutine(1, "10.0.0.9:40001", kSecond),
                                         waiting_goroutine(2, "10.0.0.9:40002", 3 * kSecond),
                                         waiting_goroutine(3, "10.0.0.9:40003", 2 * kSecond), unknown})}));
  CHECK(goids_of(model) == std::vector<std::uint64_t>{2, 3, 1, 4});
  model.set_sort({TopColumn::kWait, /*descending=*/false});
  CHECK(goids_of(model) == std::vector<std::uint64_t>{1, 3, 2, 4});
}

TEST_CASE("rows that are equal in what they are sorted by keep one order from look to look") {
  TopModel model = model_by("goroutine");
  for (std::uint64_t look = 1; look < 4; ++look) {
    std::vector<Goroutine> all;
    for (std::uint64_t goid = 1; goid < 50; ++goid) all.push_back(waiting_goroutine(goid, "p", kSecond));
    if (look % 2 == 0) std::reverse(all.begin(), all.end());
    model.take(sample_of(look, {process_with(std::move(all))}));
    const auto goids = goids_of(model);
    CHECK(std::is_sorted(goids.begin(), goids.end()));
  }
}

TEST_CASE("peers are counted without the ports that kernels give, over all processes") {
  TopModel model = model_by("peer");
  model.take(sample_of(1, {process_with({waiting_goroutine(1, "10.0.0.9:40001", kSecond),
                                         waiting_goroutine(2, "10.0.0.8:5432", 9 * kSecond)}),
                           process_with({waiting_goroutine(1, "10.0.0.9:50001", 2 * kSecond)}, 4712)}));
  REQUIRE(keys_of(model) == std::vector<std::string>{"10.0.0.9", "10.0.0.8:5432"});
  CHECK(model.row(0).count == 2);
  CHECK(model.row(0).wait_ns == 2 * kSecond);
  CHECK_FALSE(model.row(0).pid.has_value());
  CHECK(model.row(1).pid == 4711);
}

TEST_CASE("registrations stand beside goroutines where a view has both") {
  TopModel model = model_by("fd");
  model.take(sample_of(1, {process_with({waiting_goroutine(7, "10.0.0.9:40001", kSecond)}),
                           process_of_entries({entry_of(9, "10.0.0.8:50000", 100)})}));
  REQUIRE(model.size() == 2);
  CHECK(model.row(0).fd == 9);
  CHECK(model.row(0).epfd == 5);
  CHECK(model.row(0).recv_queue_bytes == 100);
  CHECK(model.row(1).fd == 7);
  CHECK(model.row(1).mode == "read");
}

TEST_CASE("the length of a listener's queue is not taken for unsent bytes, nor what every mask has for a choice") {
  TopModel model = model_by("fd");
  auto listener = entry_of(4, "", 2);
  listener.file.tcp_state = "LISTEN";
  listener.file.send_queue_bytes = 511;
  listener.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLERR | EPOLLHUP;
  model.take(sample_of(1, {process_of_entries({listener})}));
  REQUIRE(model.size() == 1);
  CHECK(model.row(0).queue_bytes() == 2);
  CHECK_FALSE(model.row(0).send_queue_bytes.has_value());
  CHECK(model.row(0).mode == "IN,EXCLUSIVE");
}

TEST_CASE("a row's delta is of what its view is about") {
  TopModel waits = model_by("goroutine"), counts = model_by("peer"), queues = model_by("fd");
  for (std::uint64_t look = 1; look < 3; ++look) {
    const auto n = static_cast<std::int64_t>(look);
    std::vector<Goroutine> all = {waiting_goroutine(1, "10.0.0.8:5432", n * kSecond)};
    if (look == 2) all.push_back(waiting_goroutine(2, "10.0.0.8:5432", kSecond));
    all.front().recv_queue_bytes = look * 1000;
    const auto sample = sample_of(look, {process_with(std::move(all))});
    for (TopModel* model : {&waits, &counts, &queues}) model->take(sample);
    if (look == 1) CHECK_FALSE(waits.row(0).delta.has_value());
  }
  CHECK(*waits.row(0).delta == Approx(1e9));
  CHECK(*counts.row(0).delta == Approx(1));
  CHECK(*queues.row(0).delta == Approx(1000));
}

TEST_CASE("what a descriptor's number stood for before is another row") {
  TopModel model = model_by("fd");
  model.take(sample_of(1, {process_of_entries({entry_of(9, "10.0.0.8:50000", 100)})}));
  model.take(sample_of(2, {process_of_entries({entry_of(9, "10.0.0.8:50001", 700)})}));
  REQUIRE(model.size() == 1);
  CHECK_FALSE(model.row(0).delta.has_value());
}

TEST_CASE("a peer that was away for a look counted 0 then; a goroutine that is gone is forgotten") {
  TopModel peers = model_by("peer"), goroutines = model_by("goroutine");
  for (std::uint64_t look = 1; look < 4; ++look) {
    std::vector<Goroutine> all = {waiting_goroutine(1, "10.0.0.7:80", kSecond)};
    if (look != 2) all.push_back(waiting_goroutine(2, "10.0.0.8:80", 2 * kSecond));
    const auto sample = sample_of(look, {process_with(std::move(all))});
    peers.take(sample);
    goroutines.take(sample);
  }
  peers.set_filter("10.0.0.8");
  REQUIRE(peers.size() == 1);
  CHECK(peers.trend(0)->points() == std::vector<float>{1, 0, 1});
  REQUIRE(goroutines.row(0).goid == 2);
  CHECK(goroutines.trend(0)->points().size() == 1);
}

TEST_CASE("histories are bounded in length and in number") {
  Trends trends;
  for (std::uint64_t look = 1; look < 100; ++look) {
    std::vector<RowItem> items(500);
    for (std::size_t i = 0; i < items.size(); ++i) items[i].identity.text = std::to_string(look * 1000 + i);
    trends.add(look, items, TopFigure::kCount, /*come_back=*/true);
  }
  CHECK(trends.size() <= 500 + Trends::kMostAbsent);
  Trend trend;
  for (int i = 0; i < 100; ++i) trend.add(static_cast<float>(i));
  REQUIRE(trend.points().size() == kTrendPoints);
  CHECK(trend.points().back() == 99);
  CHECK(trend.points().front() == 100 - static_cast<float>(kTrendPoints));
}

TEST_CASE("the filter finds what is shown, labels and functions of the stack, whatever the case") {
  TopModel model = model_by("goroutine");
  Goroutine labelled = waiting_goroutine(2, "10.0.0.8:5432", kSecond);
  labelled.labels = {{"request", "Alpha"}};
  Goroutine other = waiting_goroutine(3, "10.0.0.7:1", kSecond);
  other.stack = {1};
  model.take(sample_of(1, {process_with({waiting_goroutine(1, "10.0.0.9:40001", kSecond), labelled, other})}));
  const auto matching = [&](const char* text) {
    model.set_filter(text);
    auto goids = goids_of(model);
    std::sort(goids.begin(), goids.end());
    return goids;
  };
  CHECK(matching("5432") == std::vector<std::uint64_t>{2});
  CHECK(matching("request=alpha") == std::vector<std::uint64_t>{2});
  CHECK(matching("CONN).READ") == std::vector<std::uint64_t>{1, 2});
  CHECK(matching("io WAIT").size() == 3);
  CHECK(matching("nowhere").empty());
  CHECK(model.total() == 3);
  CHECK(matching("").size() == 3);
}

TEST_CASE("the runtime's own goroutines are shown on request, and others than IO waits unless told") {
  Goroutine own = waiting_goroutine(1, "", kSecond), busy = waiting_goroutine(2, "", 0);
  own.system = true;
  busy.io_wait = false;
  busy.status = "running";
  busy.wait_reason.clear();
  const auto sample = sample_of(1, {process_with({own, busy, waiting_goroutine(3, "p", 1)})});
  const auto shown = [&](TopChoice choice) {
    TopModel model(by("goroutine"), std::nullopt, std::move(choice), "");
    model.take(sample);
    return model.size();
  };
  CHECK(shown({}) == 2);
  CHECK(shown({.goroutines = {}, .io_waits_only = true}) == 1);
  CHECK(shown({.goroutines = {}, .system_too = true}) == 3);
}

TEST_CASE("stacks are put together, and their members are listed with the longest wait first") {
  TopModel model = model_by("stack");
  Goroutine other = waiting_goroutine(4, "p", kSecond);
  other.stack = {1};
  model.take(sample_of(1, {process_with({waiting_goroutine(1, "p", kSecond), waiting_goroutine(2, "q", 3 * kSecond),
                                         waiting_goroutine(3, "r", 2 * kSecond), other})}));
  REQUIRE(model.size() == 2);
  CHECK(model.row(0).key == "IO wait: net.(*conn).Read:12 < main.serve:12");
  CHECK(model.row(0).count == 3);
  const auto members = model.members(model.row(0).key);
  REQUIRE(members.size() == 3);
  CHECK(members.front().goroutine->goid == 2);
  CHECK(members.back().goroutine->goid == 1);
}

TEST_CASE("threads show their call and the goroutine that they run") {
  TopModel model = model_by("thread");
  Goroutine running = waiting_goroutine(5, "", 0);
  running.tid = 101;
  ProcessSample process = process_with({running});
  for (const pid_t tid : {100, 101}) {
    ThreadSample thread;
    thread.status.tid = tid;
    thread.status.comm = "worker";
    thread.status.state = tid == 101 ? 'R' : 'S';
    thread.cpu_percent = tid == 101 ? 50.0 : 1.0;
    process.threads.push_back(thread);
  }
  model.take(sample_of(1, {std::move(process)}));
  REQUIRE(model.size() == 2);
  CHECK(model.row(0).tid == 101);
  CHECK(model.row(0).goid == 5);
  CHECK(model.row(0).state == "running");
  CHECK_FALSE(model.row(1).goid.has_value());
}

TEST_CASE("the document has the first rows, and says how many there are") {
  TopModel model = model_by("goroutine");
  model.take(sample_of(1, {process_with({waiting_goroutine(1, "10.0.0.9:40001", kSecond),
                                         waiting_goroutine(2, "10.0.0.9:40002", 3 * kSecond)})}));
  const auto document = top_document(model.document(1));
  CHECK(document["matching"] == 2);
  REQUIRE(document["rows"].size() == 1);
  CHECK(document["rows"][0]["goid"] == 2);
  CHECK(document["rows"][0]["wait_ns"] == 3 * kSecond);
  CHECK(document["rows"][0]["delta"].is_null());
  CHECK(document["figure"] == "wait_ns");
  CHECK(document["processes"][0]["waits_per_s"].is_null());
}

TEST_CASE("a view or a column that there is not is refused, with what is meant") {
  CHECK(parse_view("goroutines").error().hint().find("goroutine") != std::string::npos);
  CHECK_FALSE(parse_view("label:"));
  CHECK(parse_view("label:request")->label == "request");
  CHECK_FALSE(parse_sort("cpu", by("peer")));
  CHECK(*parse_sort("cpu", by("thread")) == TopColumn::kCpu);
}
