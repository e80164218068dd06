// Output files appear whole or not at all, whatever stands at their place.
#include "exporters/destination.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::exporters {
namespace {

namespace fs = std::filesystem;

// A fresh directory, removed with its contents.
struct TempDir {
  TempDir() {
    std::string name = (fs::temp_directory_path() / "netpoll-out-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempDir() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

std::string content(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void put(const std::string& path, const char* text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("a file appears at commit and not before") {
  TempDir dir;
  auto out = Destination::open(dir / "result.json");
  REQUIRE(out);
  REQUIRE(out->write("one "));
  REQUIRE(out->write("two\n"));
  CHECK_FALSE(fs::exists(dir / "result.json"));
  REQUIRE(out->commit());
  CHECK(content(dir / "result.json") == "one two\n");
  CHECK(dir.entries() == 1);
}

TEST_CASE("an abandoned output leaves nothing and keeps the older file") {
  TempDir dir;
  put(dir / "result.json", "old");
  {
    auto out = Destination::open(dir / "result.json");
    REQUIRE(out);
    REQUIRE(out->write("half"));
  }
  CHECK(content(dir / "result.json") == "old");
  CHECK(dir.entries() == 1);
}

TEST_CASE("commit replaces an older file and keeps its mode") {
  TempDir dir;
  put(dir / "result.json", "old and longer");
  ::chmod((dir / "result.json").c_str(), 0640);
  auto out = Destination::open(dir / "result.json");
  REQUIRE(out);
  REQUIRE(out->write("new"));
  REQUIRE(out->commit());
  CHECK(content(dir / "result.json") == "new");
  struct stat st {};
  REQUIRE(::stat((dir / "result.json").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0640);
}

TEST_CASE("a symbolic link stays one and its target is replaced") {
  TempDir dir;
  put(dir / "real", "old");
  fs::create_symlink(dir.path / "real", dir.path / "link");
  auto out = Destination::open(dir / "link");
  REQUIRE(out);
  REQUIRE(out->write("new"));
  REQUIRE(out->commit());
  CHECK(fs::is_symlink(dir / "link"));
  CHECK(content(dir / "real") == "new");
}

TEST_CASE("a missing directory and a directory as target are refused at open") {
  TempDir dir;
  auto missing = Destination::open(dir / "no/such/result.json");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().sys_errno() == ENOENT);
  CHECK(missing.error().hint().find("mkdir -p") != std::string::npos);
  auto no_files_there = Destination::open("/proc/result.json");
  REQUIRE_FALSE(no_files_there);
  CHECK(no_files_there.error().hint().find("another place") != std::string::npos);
  auto directory = Destination::open(dir.path.string());
  REQUIRE_FALSE(directory);
  CHECK(directory.error().sys_errno() == EISDIR);
  CHECK_FALSE(directory.error().hint().empty());
}

TEST_CASE("a file that its owner made read-only is not replaced") {
  if (::geteuid() == 0) NETPOLL_SKIP("root may write every file");
  TempDir dir;
  put(dir / "result.json", "old");
  ::chmod((dir / "result.json").c_str(), 0444);
  auto out = Destination::open(dir / "result.json");
  REQUIRE_FALSE(out);
  CHECK(out.error().kind() == ErrorKind::kPermission);
}

TEST_CASE("a full device is an error value and a device stays a device") {
  auto out = Destination::open("/dev/full");
  REQUIRE(out);
  auto written = out->write("x");
  REQUIRE_FALSE(written);
  CHECK(written.error().sys_errno() == ENOSPC);
  CHECK(written.error().message().find("/dev/full") != std::string::npos);
  CHECK_FALSE(written.error().hint().empty());
}

TEST_CASE("a reader that left is an error value") {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before {};
  ::sigaction(SIGPIPE, &ignore, &before);
  TempDir dir;
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  Fd reader(::open((dir / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto out = Destination::open(dir / "pipe");
  REQUIRE(out);
  reader.reset();
  auto written = out->write("x");
  REQUIRE_FALSE(written);
  CHECK(written.error().sys_errno() == EPIPE);
  ::sigaction(SIGPIPE, &before, nullptr);
}

}  // namespace netpoll::exporters
