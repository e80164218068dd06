// Descriptors that were written down, in each form, and what is no such form.
#include "probes/process/core/saved_descriptors.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "netpoll/fd.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

using netpoll::Fd;
using netpoll::test::TempDir;
using netpoll::test::write_file;
using namespace netpoll::probes;

namespace {

// As systemd's compose_open_fds writes it.
const std::string kOpenFds =
    "0:/dev/null\npos:\t0\nflags:\t0100002\nmnt_id:\t26\n\n"
    "3:socket:[4711]\npos:\t0\nflags:\t02004002\nmnt_id:\t10\n\n"
    "4:anon_inode:[eventpoll]\npos:\t0\nflags:\t02000002\nmnt_id:\t15\n"
    "tfd:        3 events: 8000201d data:     7f001234  pos:0 ino:1267 sdev:8\n\n"
    "5:pipe:[99]\npos:\t0\nflags:\t02000001\nmnt_id:\t14\n\n"
    "6:/tmp/7:socket:[1]\npos:\t0\nflags:\t0100000\n";

void check_open_fds(const SavedDescriptors& saved) {
  CHECK(saved.epoll_descriptors() == std::vector<int>{4});
  const auto registrations = saved.registrations(4);
  REQUIRE(registrations);
  REQUIRE(registrations->size() == 1);
  CHECK(registrations->front().fd == 3);
  CHECK(registrations->front().events == 0x8000201dU);
  CHECK(registrations->front().data == 0x7f001234U);
  CHECK(registrations->front().inode == 0x1267U);
  CHECK_FALSE(saved.registrations(44));
  const auto described = saved.describe({3, 3, 5, 6, 44});
  CHECK(described.size() == 3);
  CHECK(described.at(3).local == "socket:[4711]");
  CHECK(described.at(3).inode == 4711U);
  CHECK(described.at(5).kind == "pipe");
  CHECK(described.at(6).local == "/tmp/7:socket:[1]");
}

}  // namespace

TEST_CASE("the open descriptors that systemd-coredump saved are read") {
  const TempDir folder;
  const std::string path = folder / "fds";
  write_file(path, kOpenFds);
  const auto text = SavedDescriptors::open(path);
  REQUIRE(text);
  check_open_fds(*text);
  CHECK_FALSE(text->pid());

  std::string escaped;
  std::string bytes;
  for (const char c : kOpenFds) {
    escaped += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
    bytes += (bytes.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(c));
  }
  write_file(path, R"({"MESSAGE":"other"})"
                   "\n"
                   R"({"COREDUMP_OPEN_FDS":")" +
                       escaped + "\"}\n");
  const auto json = SavedDescriptors::open(path);
  REQUIRE(json);
  check_open_fds(*json);
  write_file(path, R"({"COREDUMP_OPEN_FDS":[)" + bytes + "]}\n");
  const auto list = SavedDescriptors::open(path);
  REQUIRE(list);
  check_open_fds(*list);
}

TEST_CASE("what holds no descriptors is refused, and damage is left out") {
  const TempDir folder;
  const std::string path = folder / "fds";
  for (const char* text : {"", "hello\nworld\n", "{}", "{\"COREDUMP_OPEN_FDS\":[1,2,999]}", "{\"COREDUMP_OPEN_FDS\":7}",
                           "-1:x\n", "99999999999:x\n"}) {
    INFO(text);
    write_file(path, text);
    CHECK_FALSE(SavedDescriptors::open(path));
  }
  CHECK_FALSE(SavedDescriptors::open(folder / "missing"));
  CHECK_FALSE(SavedDescriptors::open(folder.path()));
  for (std::size_t at = 0; at < kOpenFds.size(); ++at) {
    write_file(path, kOpenFds.substr(0, at));
    const auto cut = SavedDescriptors::open(path);
    if (cut) (void)cut->describe({0, 3, 4, 5, 6});
  }
}

TEST_CASE("the context of this process is saved as it is, for its user alone") {
  const TempDir folder;
  const std::string saved = folder / "saved";
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Fd in(ends[0]);
  const Fd out(ends[1]);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0x1122334455667788}};
  REQUIRE(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, in.get(), &event) == 0);
  REQUIRE(save_core_context(getpid(), saved));
  struct stat status {};
  REQUIRE(stat(saved.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  const auto read = SavedDescriptors::open(saved);
  REQUIRE(read);
  CHECK(read->pid() == getpid());
  const auto registrations = read->registrations(epoll.get());
  REQUIRE(registrations);
  REQUIRE(registrations->size() == 1);
  CHECK(registrations->front().data == 0x1122334455667788U);
  const auto described = read->describe({in.get(), out.get()});
  REQUIRE(described.size() == 2);
  CHECK(described.at(in.get()).kind == "pipe");
  REQUIRE(described.at(in.get()).peer_processes.size() == 1);
  CHECK(described.at(in.get()).peer_processes.front().fd == out.get());

  const auto again = save_core_context(getpid(), saved);
  REQUIRE_FALSE(again);
  CHECK(again.error().is(netpoll::ErrorKind::kInvalid));
  const auto nobody = save_core_context(1 << 30, folder / "other");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().is(netpoll::ErrorKind::kNotFound));
  CHECK_FALSE(std::filesystem::exists(folder / "other"));
}

// In a child with a mount namespace of its own, whose file system has room for little.
TEST_CASE("a context that finds no room leaves nothing behind") {
  const TempDir folder;
  enum { kDone, kNoNamespace, kSaved, kOtherError, kLeftBehind };
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.path().c_str(), "tmpfs", 0, "size=8k") != 0) {
      _exit(kNoNamespace);
    }
    const auto is_empty = [&](const std::string& path) { return std::filesystem::is_empty(path); };
    std::filesystem::create_directory(folder / "existing");
    for (const char* name : {"new", "existing"}) {
      const auto saved = save_core_context(getpid(), folder / name);
      if (saved) _exit(kSaved);
      if (saved.error().sys_errno() != ENOSPC) _exit(kOtherError);
    }
    const bool gone = !std::filesystem::exists(folder / "new") && is_empty(folder / "existing");
    _exit(gone ? kDone : kLeftBehind);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoNamespace) NETPOLL_SKIP("no mount namespace to be had: not root");
  CHECK(WEXITSTATUS(status) == kDone);
}
