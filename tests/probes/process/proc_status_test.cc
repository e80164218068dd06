// What /proc says of this process, and of one that does not exist.
#include "probes/process/proc_status.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"

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

TEST_CASE("numbers are read in the base they are written in") {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "CapBnd:") {
  }
  REQUIRE(status >> word);
  CHECK(status_number(::getpid(), "CapBnd", 16) == std::stol(word, nullptr, 16));
}

TEST_CASE("nothing is known of a process that does not exist") {
  CHECK(exe_of(-1).empty());
  CHECK(comm_of(-1).empty());
  CHECK(parent_of(-1) == 0);
  CHECK_FALSE(status_number(-1, "Tgid"));
  CHECK_FALSE(is_kernel_thread(-1));
}

}  // namespace netpoll::probes
