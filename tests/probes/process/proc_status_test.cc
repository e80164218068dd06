// What /proc says of this process, and of one that does not exist.
#include "probes/process/proc_status.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "probes/process/threads.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace netpoll::probes {

TEST_CASE("a process is known by its name, its program and its parent") {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  CHECK(exe_of(::getpid()) == program.string());
  CHECK(executable_link(::getpid()) == program.string());
  CHECK(std::filesystem::equivalent(executable_file(::getpid()), program));
  // The kernel keeps 15 bytes of a name.
  CHECK(comm_of(::getpid()) == program.filename().string().substr(0, 15));
  CHECK(parent_of(::getpid()) == ::getppid());
  CHECK(status_number(::getpid(), "Tgid") == ::getpid());
  CHECK_FALSE(is_kernel_thread(::getpid()));
}

TEST_CASE("a name may have anything in it, newlines and parentheses too") {
  const std::string before = comm_of(::getpid());
  for (const char* name : {"a\n) Z 1", "\n\r\t x", "))", "(", "\xff\x1b[2J"}) {
    REQUIRE(::prctl(PR_SET_NAME, name) == 0);
    CHECK(comm_of(::getpid()) == name);
    CHECK(parent_of(::getpid()) == ::getppid());
    CHECK(living_thread(::getpid()) == ::getpid());
    CHECK_FALSE(is_zombie(::getpid()));
    const auto threads = read_threads(::getpid());
    REQUIRE_FALSE(threads.empty());
    CHECK(threads.front().comm == name);
    CHECK(threads.front().state == 'R');
  }
  ::prctl(PR_SET_NAME, before.c_str());
}

TEST_CASE("a thread that sleeps says in which call, and one that works for how long") {
  std::atomic<pid_t> tid{0};
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::thread sleeper([&] {
    tid = static_cast<pid_t>(::syscall(SYS_gettid));
    char byte = 0;
    CHECK(::read(ends[0], &byte, 1) == 1);
  });
  const auto find = [&]() -> std::optional<ThreadStatus> {
    for (ThreadStatus& thread : read_threads(::getpid())) {
      if (thread.tid == tid) return std::move(thread);
    }
    return std::nullopt;
  };
  const bool sleeps = test::eventually([&] {
    const auto found = find();
    return found && found->call && found->call->number == SYS_read;
  });
  REQUIRE(sleeps);
  const auto found = find();
  REQUIRE(found.has_value());
  CHECK(found->state == 'S');
  CHECK(found->call->args[0] == static_cast<std::uint64_t>(ends[0]));
  CHECK(found->cpu_ns.value_or(1) > 0);
  CHECK(::write(ends[1], "x", 1) == 1);
  sleeper.join();
  CHECK_FALSE(find().has_value());
  CHECK(read_threads(-1).empty());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("sets are read with all of their 64 bits") {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "CapBnd:") {
  }
  REQUIRE(status >> word);
  CHECK(status_set(::getpid(), "CapBnd") == std::stoull(word, nullptr, 16));
}

TEST_CASE("the fields of a stat line are told whatever the name is, and none of what is not one") {
  const std::string rest = "7 8 9 0 -1 4194304" + [] {
    std::string zeros;
    for (int field = 10; field < 39; ++field) zeros += " 0";
    return zeros;
  }();
  const auto stat = parse_stat("4711 (a\n) Z 1 (b) S " + rest + " 3 0\n");
  REQUIRE(stat.has_value());
  CHECK(stat->comm == "a\n) Z 1 (b");
  CHECK(stat->state == 'S');
  CHECK(stat->parent == 7);
  CHECK(stat->flags == 4194304);
  CHECK(stat->last_cpu == 3);
  const auto old = parse_stat("4711 () R " + rest + "\n");
  REQUIRE(old.has_value());
  CHECK(old->comm.empty());
  CHECK_FALSE(old->last_cpu);
  for (const char* text :
       {"", "(", ")", ")(", "4711 (name)", "4711 (name) ", "4711 (name) S", "4711 )name( S 1 2 3 4 5 6",
        "4711 (name) S 1 2 3 4 5", "4711 (name) S 99999999999 2 3 4 5 6", "4711 (name) S x 2 3 4 5 6"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_stat(text));
  }
}

TEST_CASE("a line of a status is found by its whole name") {
  const std::string_view status =
      "Name:\tTgid: 1\nNTgid:\t2\nTgid\nTgidX:\t3\nTgid:\t 4 5\nTgid:\t6\nPid:\nNSpid:\t9\t8\t7\n";
  CHECK(number_in_status(status, "Tgid") == 4);
  CHECK_FALSE(number_in_status(status, "Pid"));
  CHECK_FALSE(number_in_status(status, "Ppid"));
  CHECK_FALSE(number_in_status("Tgid:\t99999999999999999999\n", "Tgid"));
  CHECK(set_in_status("SigCgt:\tfffffffe7fc1feff\n", "SigCgt") == 0xfffffffe7fc1feff);
  CHECK_FALSE(set_in_status("SigCgt:\t1ffffffffffffffff\n", "SigCgt"));
  CHECK(innermost_in_status(status) == 7);
  CHECK_FALSE(innermost_in_status("NSpid:\t9\n"));
  CHECK_FALSE(innermost_in_status("Name:\tNSpid: 1 2\n"));
}

TEST_CASE("nothing is known of a process that does not exist") {
  CHECK(exe_of(-1).empty());
  CHECK(comm_of(-1).empty());
  CHECK(parent_of(-1) == 0);
  CHECK_FALSE(status_number(-1, "Tgid"));
  CHECK_FALSE(is_kernel_thread(-1));
}

}  // namespace netpoll::probes
