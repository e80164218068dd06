// What stays behind when the tool goes: nothing, however it goes.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include "tests/probes/bpf/ebpf_or_skip.h"
#include "tests/support/prey.h"

namespace netpoll::test {
namespace {

constexpr const char* kTracepoints = NETPOLL_KNOWN_TRACEPOINTS;

struct Objects {
  std::set<std::uint32_t> programs, maps, links;
  bool empty() const { return programs.empty() && maps.empty() && links.empty(); }
};

// The BPF objects that pid holds descriptors of.
Objects objects_of(pid_t pid) {
  Objects found;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fdinfo";
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return found;
  while (const dirent* entry = ::readdir(directory)) {
    std::ifstream lines(folder + "/" + entry->d_name);
    bool is_link = false;
    std::uint32_t program = 0;
    for (std::string key; lines >> key;) {
      std::uint32_t id = 0;
      if (key == "prog_id:" && lines >> id) program = id;
      if (key == "map_id:" && lines >> id) found.maps.insert(id);
      if (key == "link_id:" && lines >> id) {
        found.links.insert(id);
        is_link = true;
      }
    }
    if (program != 0 && !is_link) found.programs.insert(program);
  }
  ::closedir(directory);
  return found;
}

// Those that the kernel still knows.
Objects survivors(const Objects& objects) {
  Objects alive;
  const auto keep = [](const std::set<std::uint32_t>& ids, std::set<std::uint32_t>& into, auto open) {
    for (const std::uint32_t id : ids) {
      const Fd fd(open(id));
      if (fd.valid()) into.insert(id);
    }
  };
  keep(objects.programs, alive.programs, bpf_prog_get_fd_by_id);
  keep(objects.maps, alive.maps, bpf_map_get_fd_by_id);
  keep(objects.links, alive.links, bpf_link_get_fd_by_id);
  return alive;
}

// The kernel frees them after a grace period.
bool all_gone(const Objects& objects) {
  return eventually([&] { return survivors(objects).empty(); });
}

}  // namespace

TEST_CASE("a source that is destroyed leaves no program, map or link") {
  auto source = ebpf_or_skip();
  if (!source) return;
  Prey child({kTracepoints, "await"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  const Objects objects = objects_of(::getpid());
  CHECK(objects.programs.size() >= 5);
  CHECK(objects.links.size() >= 4);
  CHECK(survivors(objects).programs == objects.programs);
  source.reset();
  CHECK(all_gone(objects));
  child.poke();
  child.rest();
}

TEST_CASE("a source whose attach failed leaves no link") {
  auto source = ebpf_or_skip();
  if (!source) return;
  CHECK_FALSE(source->attach({.pid = -5}));
  CHECK(objects_of(::getpid()).links.empty());
}

TEST_CASE("a tool that is killed leaves no program, map or link, and its target runs on undisturbed") {
  {
    auto source = ebpf_or_skip();
    if (!source) return;
  }
  Prey child({kTracepoints, "await", "park=10"});
  REQUIRE(child.sleeps());
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t tool = ::fork();
  if (tool == 0) {
    auto source = probes::make_ebpf_source({});
    const bool attached = source && (*source)->attach({.pid = child.pid()}).has_value();
    if (::write(ready[1], attached ? "y" : "n", 1) == 1) ::pause();
    ::_exit(1);
  }
  ::close(ready[1]);
  char answer = 0;
  CHECK(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  const Objects objects = objects_of(tool);
  CHECK(objects.programs.size() >= 5);
  CHECK(objects.links.size() >= 4);
  ::kill(tool, SIGKILL);
  ::waitpid(tool, nullptr, 0);
  ::close(ready[0]);
  CHECK(all_gone(objects));
  child.poke();
  // The kernel takes the probes out of the target some time after it gave up the link's id (deferred, more so when
  // others probe the same file), so the semaphore may still be up for the first hits. What counts is that all ten came.
  long heard = -1;
  long unheard = -1;
  const std::string said = child.rest();
  INFO(said);
  const auto at = said.find("tracepoint park ");
  REQUIRE(at != std::string::npos);
  REQUIRE(std::sscanf(said.c_str() + at, "tracepoint park %ld %ld", &heard, &unheard) == 2);
  CHECK(heard + unheard == 10);
}

}  // namespace netpoll::test
