// What kind of program a process runs.
#include "probes/goroutines/target_info.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "probes/goroutines/go/build_info.h"
#include "tests/support/catch.h"
#include "tests/support/prey.h"
#include "tests/support/skip.h"

using netpoll::ErrorKind;
using netpoll::test::Prey;
using namespace netpoll::probes;

namespace {

std::optional<std::string> go_version_in(const std::string& path) {
  auto file = ElfFile::open(path);
  return file ? go_version_of(*file) : std::nullopt;
}

}  // namespace

TEST_CASE("a program with the debug ABI is libruntime") {
  Prey prey({FAKE_RUNTIME, "good"});
  REQUIRE(prey.valid());
  auto info = describe_target(prey.pid());
  REQUIRE(info);
  CHECK(info->kind == "libruntime");
  CHECK(info->comm == "fake_runtime");
  CHECK(info->exe == FAKE_RUNTIME);
  CHECK(info->runtime_version == "9.8.7-sixteencha");
}

TEST_CASE("any other program is other, and so is a zombie") {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(1);
  }
  // Until its exec the child is a copy of this test.
  REQUIRE(netpoll::test::eventually([&] { return describe_target(child).value().comm == "sleep"; }));
  auto info = describe_target(child);
  REQUIRE(info);
  CHECK(info->kind == "other");
  CHECK_FALSE(info->runtime_version);
  kill(child, SIGKILL);
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  auto zombie = describe_target(child);
  waitpid(child, nullptr, 0);
  REQUIRE(zombie);
  CHECK(zombie->kind == "other");
  auto gone = describe_target(child);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().is(ErrorKind::kNotFound));
}

TEST_CASE("a Go program names its version") {
  const auto folder = std::filesystem::temp_directory_path() / ("netpoll-go-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "main.go") << "package main\n\nfunc main() { select {} }\n";
  const std::string build =
      "cd " + folder.string() + " && GOTOOLCHAIN=local go build -o prog -ldflags='-s -w' main.go >/dev/null 2>&1";
  const bool built = std::system(build.c_str()) == 0;
  const auto version = built ? go_version_in((folder / "prog").string()) : std::nullopt;
  std::filesystem::remove_all(folder);
  if (!built) NETPOLL_SKIP("nothing builds a Go program here (golang-go)");
  REQUIRE(version);
  CHECK(version->starts_with("go1."));
}

TEST_CASE("what is no Go program has no Go version") {
  CHECK_FALSE(go_version_in("/bin/sh"));
  CHECK_FALSE(go_version_in("/etc/passwd"));
  CHECK_FALSE(go_version_in("/nonexistent"));
}
