// The Go program that says which goroutines it has and what they wait for.
#include "tests/probes/goroutines/go/go_server.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace netpoll::test {

std::vector<GoBuild> go_builds() {
  const std::filesystem::path folder = GO_BUILDS;
  std::vector<GoBuild> builds;
  std::ifstream list(folder / "wanted");
  for (std::string name; std::getline(list, name);) builds.push_back({.name = name, .path = folder / name});
  return builds;
}

std::string system_go_build() { return (std::filesystem::path(GO_BUILDS) / "system-plain").string(); }

bool has_system_go_build() { return std::filesystem::exists(system_go_build()); }

DumpFrame as_dumped(const trace::Frame& frame) {
  return {.function = frame.function, .file = frame.file, .line = frame.line};
}

std::vector<DumpFrame> shown_stack(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& g) {
  std::vector<DumpFrame> shown;
  for (const std::uint32_t index : g.stack) {
    const trace::Frame& frame = snapshot.frames.at(index);
    if (!frame.hidden) shown.push_back(as_dumped(frame));
  }
  return shown;
}

GoServerTruth truth_of(const Prey& server) {
  GoServerTruth truth;
  const auto document = nlohmann::json::parse(server.lines().at(0));
  truth.version = document.at("version");
  truth.main = document.at("main");
  truth.dump = parse_dump(document.at("dump").get<std::string>());
  for (const auto& g : document.at("goroutines")) {
    truth.goroutines.push_back({.goid = g.at("goid"),
                                .what = g.at("what"),
                                .fd = g.at("fd"),
                                .mode = g.value("mode", ""),
                                .deadline_unix_ns = g.value("deadline_unix_ns", std::int64_t{0}),
                                .labels = g.value("labels", std::map<std::string, std::string>())});
  }
  return truth;
}

}  // namespace netpoll::test
