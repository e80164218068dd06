// Reading the memory of another process, in batches.
#include "probes/process/memory.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using netpoll::ErrorKind;
using namespace netpoll::probes;

namespace {
std::uint64_t address_of(const void* p) { return reinterpret_cast<std::uint64_t>(p); }
}  // namespace

TEST_CASE("reads a value of another address space") {
  const auto memory = make_process_memory(getpid());
  const std::uint64_t there = 0x1122334455667788;
  auto here = memory->read_value<std::uint64_t>(address_of(&there));
  REQUIRE(here);
  CHECK(*here == there);
}

TEST_CASE("an unreadable piece does not spoil its neighbours") {
  const auto memory = make_process_memory(getpid());
  const std::array<int, 3> there = {10, 20, 30};
  std::array<int, 3> here{};
  int nothing = 0;
  std::vector<ReadPiece> pieces = {
      {.address = address_of(&there[0]), .into = &here[0], .size = sizeof(int)},
      {.address = 8, .into = &nothing, .size = sizeof(int)},
      {.address = address_of(&there[1]), .into = &here[1], .size = sizeof(int)},
      {.address = UINT64_MAX - 7, .into = &nothing, .size = sizeof(int)},
      {.address = 0x7fffffffffff0000, .into = &nothing, .size = sizeof(int)},
      {.address = address_of(&there[2]), .into = &here[2], .size = sizeof(int)},
  };
  REQUIRE(memory->read_batch(pieces));
  const std::vector<bool> done = {pieces[0].done, pieces[1].done, pieces[2].done,
                                  pieces[3].done, pieces[4].done, pieces[5].done};
  CHECK(done == std::vector<bool>{true, false, true, false, false, true});
  CHECK(here == there);
}

TEST_CASE("a piece that reaches into an unmapped page is not done") {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* map = static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(map != MAP_FAILED);
  munmap(map + page, page);
  const auto memory = make_process_memory(getpid());
  std::array<char, 64> here{};
  std::array<char, 4> after{};
  const std::array<char, 4> there = {'a', 'b', 'c', 'd'};
  std::array<ReadPiece, 2> pieces = {
      ReadPiece{.address = address_of(map + page - 32), .into = here.data(), .size = here.size()},
      ReadPiece{.address = address_of(there.data()), .into = after.data(), .size = after.size()}};
  REQUIRE(memory->read_batch(pieces));
  CHECK_FALSE(pieces[0].done);
  CHECK(pieces[1].done);
  CHECK(after == there);
  auto value = memory->read_value<std::array<char, 64>>(address_of(map + page - 32));
  REQUIRE_FALSE(value);
  CHECK(value.error().is(ErrorKind::kProtocol));
  munmap(map, page);
}

TEST_CASE("neighbours that are read as one do not spoil one another at the end of what is mapped") {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* map = static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(map != MAP_FAILED);
  munmap(map + page, page);
  char* end = map + page;
  for (std::size_t i = 0; i < page; ++i) map[i] = static_cast<char>(i * 7);
  const auto memory = make_process_memory(getpid());
  struct Want {
    const char* at;
    std::size_t size;
    bool readable;
  };
  const std::vector<Want> wanted = {
      {end - 300, 8, true},   {end - 292, 4, true},  // directly behind
      {end - 200, 8, true},                          // behind a gap
      {end - 200, 16, true},                         // the same again, which is no neighbour
      {end - 100, 100, true}, {end, 8, false},       // directly behind, and not mapped
      {end - 4, 8, false},    {end - 8, 8, true},   {end + 20, 8, false}, {map, 8, true},
  };
  std::vector<std::array<char, 100>> here(wanted.size());
  std::vector<ReadPiece> pieces;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    pieces.push_back({.address = address_of(wanted[i].at), .into = here[i].data(), .size = wanted[i].size});
  }
  REQUIRE(memory->read_batch(pieces));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    INFO(i);
    CHECK(pieces[i].done == wanted[i].readable);
    if (wanted[i].readable) CHECK(std::equal(wanted[i].at, wanted[i].at + wanted[i].size, here[i].begin()));
  }
  munmap(map, page);
}

TEST_CASE("more pieces than one system call takes") {
  const auto memory = make_process_memory(getpid());
  std::vector<std::uint32_t> there(5000);
  for (std::size_t i = 0; i < there.size(); ++i) there[i] = static_cast<std::uint32_t>(i * i);
  std::vector<std::uint32_t> here(there.size());
  std::vector<ReadPiece> pieces;
  for (std::size_t i = 0; i < there.size(); ++i) {
    pieces.push_back({.address = address_of(&there[i]), .into = &here[i], .size = sizeof(there[i])});
  }
  REQUIRE(memory->read_batch(pieces));
  CHECK(here == there);
}

TEST_CASE("a process that is gone is not found") {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  const int there = 0;
  auto value = make_process_memory(child)->read_value<int>(address_of(&there));
  REQUIRE_FALSE(value);
  CHECK(value.error().is(ErrorKind::kNotFound));
}

TEST_CASE("a process of somebody else is refused with a hint") {
  if (geteuid() != 0) NETPOLL_SKIP("needs root, to become another user");
  // The child becomes nobody and tries to read its parent.
  const int there = 0;
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    if (!netpoll::test::become_nobody()) _exit(2);
    auto value = make_process_memory(parent)->read_value<int>(address_of(&there));
    const bool refused = !value && value.error().is(ErrorKind::kPermission) &&
                         value.error().hint().find("CAP_SYS_PTRACE") != std::string::npos;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
