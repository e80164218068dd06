// snapshot --annotate on dumps of real Go programs: what it adds is what the program says of itself, and what it writes
// is still a dump for others.
#include <signal.h>
#include <unistd.h>

#include <regex>
#include <set>
#include <sstream>

#include "tests/cli/tool.h"
#include "tests/cli/tool_json.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using namespace netpoll::test;

namespace {

// A server with its own account of its goroutines, and the dump that it made of itself.
struct DumpedServer {
  explicit DumpedServer(const std::string& program) : prey({program}) {
    if (!prey.valid()) return;
    truth = truth_of(prey);
    dump = parse_json(prey.lines().front())["dump"].get<std::string>();
    write_file(path(), dump);
  }
  std::string path() const { return folder.path() + "/dump.txt"; }
  std::string pid() const { return std::to_string(prey.pid()); }

  TempDir folder;
  Prey prey;
  GoServerTruth truth;
  std::string dump;
};

std::map<std::uint64_t, Json> by_goid(const std::string& document) {
  std::map<std::uint64_t, Json> found;
  const Json parsed = parse_json(document);
  for (const Json& g : parsed["goroutines"]) {
    if (g["goid"].is_number()) found[g["goid"].get<std::uint64_t>()] = g;
  }
  return found;
}

// How many goroutines panicparse finds; nothing when there is no panicparse.
std::optional<std::size_t> panicparse_count(const std::string& text) {
  TempDir folder;
  write_file(folder.path() + "/dump.txt", text);
  ToolOptions options;
  options.program = "/usr/bin/panicparse";
  if (access(options.program.c_str(), X_OK) != 0) return std::nullopt;
  const ToolResult said = run_tool({"-parse=false", folder.path() + "/dump.txt"}, options);
  INFO(said.out << said.err);
  CHECK(said.exit_code == 0);
  static const std::regex kBucket("(\\d+): .*");
  std::size_t count = 0;
  std::istringstream lines(said.out);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kBucket)) count += std::stoul(match[1]);
    CHECK_FALSE(line.starts_with("goroutine "));  // what it did not understand passes through
  }
  return count;
}

}  // namespace

TEST_CASE("a dump of a live Go program gets the descriptors and directions that the program knows") {
  int seen = 0;
  for (const GoBuild& build : go_builds()) {
    if (!exists(build.path)) continue;
    CAPTURE(build.name);
    ++seen;
    const DumpedServer server(build.path);
    REQUIRE(server.prey.valid());
    const ToolResult result = run_tool({"snapshot", "--annotate", server.path(), "-p", server.pid(), "--json"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const Json document = parse_json(result.out);
    CHECK(document["dump"]["form"] == "stacks");
    CHECK(document["dump"]["gone"] == 0);
    CHECK(document["total"] == server.truth.dump.size());
    const auto found = by_goid(result.out);
    for (const GoTruth& truth : server.truth.goroutines) {
      CAPTURE(truth.goid, truth.what);
      REQUIRE(found.contains(truth.goid));
      const Json& g = found.at(truth.goid);
      if (truth.fd >= 0) {
        CHECK(g["fd"] == truth.fd);
        if (!truth.mode.empty()) CHECK(g["mode"] == truth.mode);
      } else {
        CHECK(g["fd"].is_null());
      }
    }
    // Without the program the direction is known from the stacks, and no descriptor that would be wrong.
    const auto alone = by_goid(run_tool({"snapshot", "--annotate", server.path(), "--json"}).out);
    for (const GoTruth& truth : server.truth.goroutines) {
      CAPTURE(truth.goid, truth.what);
      const Json& g = alone.at(truth.goid);
      if (truth.fd >= 0) {
        if (!truth.mode.empty()) CHECK(g["mode"] == truth.mode);
        CHECK((g["fd"].is_null() || g["fd"] == truth.fd));
      }
    }
  }
  if (seen == 0) NETPOLL_SKIP("no Go program could be built");
}

TEST_CASE("a dump gets from a core what it has of the living program") {
  const std::string program = system_go_build();
  if (!std::filesystem::exists(program)) NETPOLL_SKIP("no Go program could be built");
  if (std::system("command -v gcore >/dev/null") != 0) NETPOLL_SKIP("no gcore: gdb is not installed");
  const DumpedServer server(program);
  REQUIRE(server.prey.valid());
  const std::string core = server.folder.path() + "/core";
  if (std::system(("gcore -o '" + core + "' " + server.pid() + " >/dev/null 2>&1").c_str()) != 0) {
    NETPOLL_SKIP("gcore may not attach here");
  }
  const ToolResult result =
      run_tool({"snapshot", "--annotate", server.path(), "--core", core + "." + server.pid(), "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const Json document = parse_json(result.out);
  CHECK(document["dump"]["gone"] == 0);
  CHECK(document["total"] == server.truth.dump.size());
  const auto found = by_goid(result.out);
  std::size_t with_fd = 0;
  for (const GoTruth& truth : server.truth.goroutines) {
    CAPTURE(truth.goid, truth.what);
    const Json& g = found.at(truth.goid);
    if (truth.fd >= 0) {
      // A core does not have the system calls in which threads were.
      CHECK((g["fd"] == truth.fd || g["wait_reason"] != "IO wait"));
      if (g["fd"] == truth.fd) ++with_fd;
    } else {
      CHECK(g["fd"].is_null());
    }
  }
  CHECK(with_fd > 0);
}

TEST_CASE("an annotated dump is still one for those who read dumps") {
  const std::string program = system_go_build();
  if (!std::filesystem::exists(program)) NETPOLL_SKIP("no Go program could be built");
  const DumpedServer server(program);
  REQUIRE(server.prey.valid());
  const ToolResult result = run_tool({"snapshot", "--annotate", server.path(), "-p", server.pid()});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  // The test's own reader of dumps finds the same goroutines, states and stacks.
  const auto after = parse_dump(result.out);
  REQUIRE(after.size() == server.truth.dump.size());
  for (const auto& [goid, goroutine] : server.truth.dump) {
    CAPTURE(goid);
    CHECK(after.at(goid).state == goroutine.state);
    CHECK(after.at(goid).stack == goroutine.stack);
  }
  const auto count = panicparse_count(result.out);
  if (!count) NETPOLL_SKIP("panicparse is the judge, and there is none");
  CHECK(count == panicparse_count(server.dump));
  CHECK(count == server.truth.dump.size());
}

TEST_CASE("a SIGQUIT's dump on standard error is read whole") {
  const std::string program = system_go_build();
  if (!std::filesystem::exists(program)) NETPOLL_SKIP("no Go program could be built");
  TempDir folder;
  const std::string path = folder.path() + "/stderr.txt";
  Prey prey({"/bin/sh", "-c", "exec \"$0\" 2> \"$1\"", program, path});
  REQUIRE(prey.valid());
  const GoServerTruth truth = truth_of(prey);
  REQUIRE(::kill(prey.pid(), SIGQUIT) == 0);
  (void)prey.rest();
  const ToolResult result = run_tool({"snapshot", "--annotate", path, "--json"});
  INFO(result.err << read_file(path));
  REQUIRE(result.exit_code == 0);
  CHECK(parse_json(result.out)["dump"]["cut_short"] == false);
  const auto found = by_goid(result.out);
  for (const auto& [goid, goroutine] : truth.dump) {
    CAPTURE(goid);
    CHECK(found.contains(goid));
  }
  for (const GoTruth& t : truth.goroutines) {
    if (!t.mode.empty()) CHECK(found.at(t.goid)["mode"] == t.mode);
  }
}

TEST_CASE("a profile that counts gets a line for each goroutine with a descriptor") {
  const std::string program = system_go_build();
  if (!std::filesystem::exists(program)) NETPOLL_SKIP("no Go program could be built");
  const DumpedServer server(program);
  REQUIRE(server.prey.valid());
  const std::string profile = run_tool({"snapshot", "-p", server.pid(), "--all", "-f", "debug1"}).out;
  write_file(server.path(), profile);
  const ToolResult result = run_tool({"snapshot", "--annotate", server.path(), "-p", server.pid()});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  for (const GoTruth& truth : server.truth.goroutines) {
    CAPTURE(truth.goid, truth.what);
    if (truth.fd < 0) continue;
    const std::string line =
        "# goroutine " + std::to_string(truth.goid) + ": fd " + std::to_string(truth.fd) + " " + truth.mode;
    CHECK(result.out.find(line) != std::string::npos);
  }
}

TEST_CASE("annotate hides what must not leave the house") {
  TempDir folder;
  const std::string path = folder.path() + "/dump.txt";
  write_file(path,
             "goroutine 9 [chan receive, \"app\":\"secret1\"] {user: secret2}:\n"
             "main.f(0x5ec3e73, ...)\n\t/src/main.go:1 +0x1\n");
  const std::string text = run_tool({"snapshot", "--annotate", path, "--redact", "labels,args"}).out;
  CHECK(text ==
        "goroutine 9 [chan receive, \"app\":\"(redacted)\"] {(redacted)}:\n"
        "main.f(...)\n\t/src/main.go:1 +0x1\n");
  const std::string document = run_tool({"snapshot", "--annotate", path, "--redact", "labels,args", "--json"}).out;
  CHECK(document.find("secret") == std::string::npos);
}

TEST_CASE("annotate says what is wrong with a file") {
  TempDir folder;
  const std::string path = folder.path() + "/dump.txt";
  const ToolResult missing = run_tool({"snapshot", "--annotate", path});
  CHECK(missing.exit_code == 2);
  CHECK(missing.err.find("cannot read") != std::string::npos);
  write_file(path, "nothing of interest\n");
  const ToolResult empty = run_tool({"snapshot", "--annotate", path});
  CHECK(empty.exit_code == 2);
  CHECK(empty.err.find("no dump of goroutines is in") != std::string::npos);
  const std::string block = "goroutine 9 [select]:\nmain.f(...)\n\t/src/main.go:1 +0x1\n\n";
  write_file(path, block + block + "goroutine 10 [select]:\nmain.g(.");
  const ToolResult cut = run_tool({"snapshot", "--annotate", path, "--json", "--strict"});
  CHECK(cut.exit_code == 4);
  CHECK(cut.err.find("holds 2 dumps") != std::string::npos);
  CHECK(cut.err.find("lines 5 to 10: the dump is cut short") != std::string::npos);
  CHECK(parse_json(cut.out)["dump"]["dumps"] == 2);
  // Whatever bytes it has, a terminal sees none that drive it.
  write_file(path, "panic: \x1b[2J\x9b\n\n" + block);
  const ToolResult hostile = run_tool({"snapshot", "--annotate", path});
  CHECK(hostile.exit_code == 0);
  CHECK(hostile.out.find('\x1b') == std::string::npos);
  CHECK(hostile.out.find("\\x1b[2J\\x9b") != std::string::npos);
}
