// Stacks and labels of libruntime programs, against what the program says of itself and against addr2line.
#include "probes/goroutines/libruntime/stack_reader.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "libruntime/symbols/code_map.h"
#include "probes/process/core/core_subject.h"
#include "probes/process/images.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/goroutine_text.h"
#include "tests/support/prey.h"
#include "tests/support/shell.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"
#include "tests/support/temp_dir.h"

using netpoll::test::eventually;
using netpoll::test::goroutine_text;
using netpoll::test::has_program;
using netpoll::test::output_of;
using netpoll::test::Prey;
using netpoll::test::snapshot_of;
using netpoll::trace::Frame;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using namespace netpoll::probes;

namespace {

std::vector<std::string> texts_of(const GoroutineSnapshot& snapshot) {
  std::vector<std::string> texts;
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.goid != 1) texts.push_back(goroutine_text(snapshot, g));
  }
  return texts;
}

std::string visible_functions(const GoroutineSnapshot& snapshot, const Goroutine& g) {
  std::string names;
  for (const std::uint32_t index : g.stack) {
    if (!snapshot.frames.at(index).hidden) names += snapshot.frames[index].function + "\n";
  }
  return names;
}

const Goroutine* labelled(const GoroutineSnapshot& snapshot, const std::string& key) {
  for (const Goroutine& g : snapshot.goroutines) {
    for (const auto& label : g.labels) {
      if (label.first == key) return &g;
    }
  }
  return nullptr;
}

// Whether all that there is of its stack is where it begins.
bool at_start(const Goroutine& g) { return g.entry && g.stack == std::vector<std::uint32_t>{*g.entry}; }

// A core has what the program had when it was alive.
void check_core(const std::string& core, const GoroutineSnapshot& live) {
  auto subject = make_core_subject(core, "");
  REQUIRE(subject);
  auto reader = attach_reader(**subject);
  REQUIRE(reader);
  auto dead = (*reader)->read({});
  REQUIRE(dead);
  REQUIRE(dead->goroutines.size() == live.goroutines.size());
  for (std::size_t i = 0; i < dead->goroutines.size(); ++i) {
    const Goroutine& g = dead->goroutines[i];
    INFO(g.goid << " " << g.stack_ends_early);
    if (g.status == "waiting") CHECK(g.stack_ends_early.empty());
    CHECK(g.labels == live.goroutines[i].labels);
    CHECK(visible_functions(*dead, g) == visible_functions(live, live.goroutines[i]));
  }
}

}  // namespace

TEST_CASE("from outside a program looks as it does to itself") {
  Prey prey({SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  CHECK(texts_of(*snapshot) == prey.lines());
  CHECK(prey.lines().size() == 7);
  prey.finish();
}

TEST_CASE("a stack has its functions, those that were inlined, and ends where the goroutine began") {
  Prey prey({SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  const Goroutine* g = labelled(*snapshot, "request");
  REQUIRE(g != nullptr);
  CHECK(g->labels == std::vector<std::pair<std::string, std::string>>{{"request", "r-1"}});
  CHECK(g->stack_ends_early.empty());
  const std::string names = visible_functions(*snapshot, *g);
  INFO(names);
  std::size_t deep = 0;
  for (std::size_t at = 0; (at = names.find("::deep(int", at)) != std::string::npos; ++at) ++deep;
  CHECK(deep >= 1);
  CHECK(deep <= 11);
  CHECK(names.find("inlined_read") != std::string::npos);
  CHECK(names.find("netpoll::Conn::read(") != std::string::npos);
  CHECK(names.find("netpoll::sched::") == std::string::npos);
  const Frame& last = snapshot->frames.at(g->stack.back());
  CHECK(last.function == "netpoll_context_entry");
  CHECK(last.hidden);
  REQUIRE(g->created_by);
  CHECK(snapshot->frames[*g->created_by].file.find("self_aware.cc") != std::string::npos);
  CHECK(snapshot->frames[*g->created_by].line > 0);

  const Goroutine* server = labelled(*snapshot, "role");
  REQUIRE(server != nullptr);
  CHECK(server->tcp_state == "ESTABLISHED");
  REQUIRE(server->labels.size() == 2);
  CHECK(server->labels[0] == std::pair<std::string, std::string>{"peer", server->peer});
  CHECK(visible_functions(*snapshot, *server).find("Server::serve_one(") != std::string::npos);
}

TEST_CASE("one that rests is shown where it will begin again, under the name of what it serves with") {
  Prey prey({SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  const auto resting = std::find_if(snapshot->goroutines.begin(), snapshot->goroutines.end(), at_start);
  REQUIRE(resting != snapshot->goroutines.end());
  CHECK(std::count_if(snapshot->goroutines.begin(), snapshot->goroutines.end(), at_start) == 1);
  CHECK(resting->wait_reason == "IO wait");
  CHECK(resting->fd >= 0);
  CHECK(resting->stack_ends_early.empty());
  CHECK(visible_functions(*snapshot, *resting).find("serve_at_rest(netpoll::Conn)::") != std::string::npos);
  REQUIRE(resting->created_by);
  CHECK(snapshot->frames[*resting->created_by].function.find("serve_at_rest") != std::string::npos);
}

TEST_CASE("addr2line says the same of every address, inlined calls included") {
  if (!has_program("addr2line")) NETPOLL_SKIP("addr2line is the judge (binutils)");
  Prey prey({SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  auto subject = make_live_subject(prey.pid());
  REQUIRE(subject);
  std::size_t checked = 0;
  for (const Goroutine& g : snapshot->goroutines) {
    if (at_start(g)) continue;  // no call came back there
    for (std::size_t i = 0; i < g.stack.size();) {
      const std::uint64_t pc = snapshot->frames[g.stack[i]].pc;
      std::string ours;
      for (; i < g.stack.size() && snapshot->frames[g.stack[i]].pc == pc; ++i) {
        const Frame& f = snapshot->frames[g.stack[i]];
        ours += std::filesystem::path(f.file).lexically_normal().string() + ":" + std::to_string(f.line) + "\n";
        if (!f.inlined) {
          ++i;
          break;
        }
      }
      const auto image = image_at(**subject, pc - 1);
      REQUIRE(image);
      std::ostringstream command;
      command << "addr2line -i -e " << SELF_AWARE << " " << std::hex << pc - 1 - image->bias;
      std::istringstream lines(output_of(command.str()).first);
      std::string theirs;
      for (std::string line; std::getline(lines, line);) {
        // "file:line (discriminator 2)"
        const std::string place = line.substr(0, line.find(' '));
        const auto colon = place.rfind(':');
        theirs +=
            std::filesystem::path(place.substr(0, colon)).lexically_normal().string() + place.substr(colon) + "\n";
      }
      // Of some nested functions libdw does not say what they were inlined into; binutils does.
      CHECK(theirs.starts_with(ours));
      ++checked;
    }
  }
  CHECK(checked > 40);
}

TEST_CASE("without symbols a stack is addresses, and says so by having no names") {
  Prey prey({PARKED "_stripped", "4"});
  REQUIRE(prey.sleeps());
  auto snapshot = snapshot_of(prey.pid());
  REQUIRE(snapshot);
  std::size_t whole = 0;
  for (const Goroutine& g : snapshot->goroutines) {
    if (g.status != "waiting" || !g.stack_ends_early.empty()) continue;
    ++whole;
    CHECK(g.stack.size() >= 4);
    for (const std::uint32_t index : g.stack) {
      CHECK(snapshot->frames[index].function.empty());
      CHECK(snapshot->frames[index].pc != 0);
    }
  }
  CHECK(whole >= 4);
}

TEST_CASE("a core of the kernel has the stacks and labels that the program had") {
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (pattern.find_first_of("|/%") != std::string::npos) NETPOLL_SKIP("core_pattern leads elsewhere");
  const netpoll::test::TempDir folder;
  Prey prey({"/bin/sh", "-c", "ulimit -c unlimited && cd " + folder.path() + " && exec " SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto live = snapshot_of(prey.pid());
  REQUIRE(live);
  kill(prey.pid(), SIGABRT);
  (void)prey.rest();
  if (folder.names().empty()) NETPOLL_SKIP("no core was written");
  check_core(folder / folder.names().front(), *live);
}

TEST_CASE("so has a core of gcore") {
  if (!netpoll::test::has_program("gcore")) NETPOLL_SKIP("no gcore: gdb is not installed");
  const netpoll::test::TempDir folder;
  Prey prey({SELF_AWARE});
  REQUIRE(prey.sleeps());
  auto live = snapshot_of(prey.pid());
  REQUIRE(live);
  const std::string pid = std::to_string(prey.pid());
  if (std::system(("gcore -o '" + (folder / "core") + "' " + pid + " >/dev/null 2>&1").c_str()) != 0) {
    NETPOLL_SKIP("gcore may not attach here");
  }
  check_core(folder / ("core." + pid), *live);
}

TEST_CASE("a goroutine that runs has a stack where its thread's registers are to be had") {
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  const netpoll::test::TempDir folder;
  Prey prey({"/bin/sh", "-c", "ulimit -c unlimited && cd " + folder.path() + " && exec " RUNNING});
  REQUIRE(prey.sleeps());
  const auto one_with = [](const GoroutineSnapshot& snapshot, const std::string& status) {
    const auto found = std::find_if(snapshot.goroutines.begin(), snapshot.goroutines.end(),
                                    [&](const Goroutine& g) { return g.status == status; });
    return found == snapshot.goroutines.end() ? nullptr : &*found;
  };
  const auto check_both = [&](const GoroutineSnapshot& snapshot) {
    for (const auto& [status, innermost, outer] :
         {std::tuple("running", "turn_for_ever", "start_turning"), std::tuple("syscall", "read", "read_input")}) {
      INFO(status);
      const Goroutine* g = one_with(snapshot, status);
      REQUIRE(g != nullptr);
      CHECK(g->stack_ends_early == "");
      const std::string names = visible_functions(snapshot, *g);
      INFO(names);
      CHECK(names.find(innermost) != std::string::npos);
      CHECK(names.find(outer) != std::string::npos);
    }
  };
  auto live = snapshot_of(prey.pid());
  // "ready" is written before the call that blocks.
  REQUIRE(eventually([&] {
    live = snapshot_of(prey.pid());
    return live && one_with(*live, "syscall") != nullptr;
  }));
  const Goroutine* turning = one_with(*live, "running");
  REQUIRE(turning != nullptr);
  CHECK(turning->stack.empty());
  CHECK(turning->stack_ends_early == "it runs");
  auto stopped = snapshot_of(prey.pid(), {.pause = true});
  if (stopped) check_both(*stopped);
  kill(prey.pid(), SIGABRT);
  (void)prey.rest();
  if (pattern.find_first_of("|/%") != std::string::npos) NETPOLL_SKIP("core_pattern leads elsewhere");
  if (folder.names().empty()) NETPOLL_SKIP("no core was written");
  auto subject = make_core_subject(folder / folder.names().front(), "");
  REQUIRE(subject);
  auto reader = attach_reader(**subject);
  REQUIRE(reader);
  auto dead = (*reader)->read({});
  REQUIRE(dead);
  check_both(*dead);
}

TEST_CASE("labels that lie are no labels") {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const auto set = [](std::vector<std::uint32_t> sizes, const std::string& text) {
    std::vector<std::byte> bytes(sizes.size() * sizeof(sizes[0]) + text.size());
    std::memcpy(bytes.data(), sizes.data(), sizes.size() * sizeof(sizes[0]));
    std::memcpy(bytes.data() + sizes.size() * sizeof(sizes[0]), text.data(), text.size());
    return bytes;
  };
  CHECK(decode_labels(1, set({1, 2}, "kvw")) == Pairs{{"k", "vw"}});
  CHECK(decode_labels(0, {}).empty());
  CHECK(decode_labels(2, set({1, 2}, "kvw")).empty());
  CHECK(decode_labels(1, set({4, 0}, "kvw")).empty());
  CHECK(decode_labels(1, set({0, 0xffffffff}, "kvw")).empty());
  CHECK(decode_labels(0xffffffff, set({1, 2}, "kvw")).empty());
}
