// Compares stacks by what a dump shows of them: functions and lines, without the runtime's own frames.
#include "cli/snapshot/dump_match.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exporters/goroutines/names.h"

namespace netpoll::cli {
namespace {

using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

// What a dump shows of each frame of a snapshot; empty for a hidden one.
std::vector<std::string> sites_of(const GoroutineSnapshot& snapshot) {
  std::vector<std::string> sites;
  for (const Frame& frame : snapshot.frames) {
    sites.push_back(frame.hidden ? "" : exporters::plain_function(frame.function) + ":" + std::to_string(frame.line));
  }
  return sites;
}

std::vector<std::string_view> stack_of(const Goroutine& g, const std::vector<std::string>& sites) {
  std::vector<std::string_view> stack;
  for (const std::uint32_t index : g.stack) {
    if (index < sites.size() && !sites[index].empty()) stack.emplace_back(sites[index]);
  }
  return stack;
}

std::string key_of(const std::vector<std::string_view>& stack) {
  std::string key;
  for (const std::string_view site : stack) key.append(site).append("\n");
  return key;
}

// Of stacks that end early the part that both have counts.
bool same_stack(const Goroutine& a, const std::vector<std::string_view>& stack_a, const Goroutine& b,
                const std::vector<std::string_view>& stack_b) {
  const bool partial = !a.stack_ends_early.empty() || !b.stack_ends_early.empty();
  if (!partial && stack_a.size() != stack_b.size()) return false;
  const std::size_t common = std::min(stack_a.size(), stack_b.size());
  if (common == 0) return stack_a.size() == stack_b.size() && a.wait_reason == b.wait_reason;
  return std::equal(stack_a.begin(), stack_a.begin() + static_cast<std::ptrdiff_t>(common), stack_b.begin());
}

void add_facts(Goroutine& g, const Goroutine& live) {
  g.goid = live.goid;
  if (!g.parent_goid) g.parent_goid = live.parent_goid;
  if (g.status == "unknown" || (g.wait_reason.empty() && g.status == live.status)) {
    g.status = live.status;
    g.wait_reason = live.wait_reason;
  }
  g.io_wait = live.io_wait;
  if (live.fd) g.fd = live.fd;
  if (live.mode) g.mode = live.mode;
  g.fd_source = live.fd ? live.fd_source : g.fd_source;
  g.other_fd = live.other_fd;
  g.becoming_ready = live.becoming_ready;
  g.foreign_change = live.foreign_change;
  g.deadline_in_ns = live.deadline_in_ns;
  g.kind = live.kind;
  g.local = live.local;
  g.peer = live.peer;
  g.tcp_state = live.tcp_state;
  g.recv_queue_bytes = live.recv_queue_bytes;
  g.send_queue_bytes = live.send_queue_bytes;
  g.socket_idle_ns = live.socket_idle_ns;
  g.peer_processes = live.peer_processes;
  if (g.syscall.empty()) g.syscall = live.syscall;
  g.tid = live.tid;
  if (g.labels.empty()) g.labels = live.labels;
  g.system = live.system;
}

}  // namespace

DumpMatch match_dump(probes::Dump& dump, const GoroutineSnapshot& live) {
  const std::vector<std::string> dump_sites = sites_of(dump.snapshot);
  const std::vector<std::string> live_sites = sites_of(live);
  std::unordered_map<std::uint64_t, const Goroutine*> by_goid;
  std::unordered_map<std::string, std::vector<const Goroutine*>> by_stack;
  for (const Goroutine& g : live.goroutines) {
    if (dump.counted) {
      by_stack[key_of(stack_of(g, live_sites))].push_back(&g);
    } else {
      by_goid.emplace(g.goid, &g);
    }
  }
  for (auto& [key, goroutines] : by_stack) std::reverse(goroutines.begin(), goroutines.end());  // taken from the end
  DumpMatch match;
  for (Goroutine& g : dump.snapshot.goroutines) {
    const auto stack = stack_of(g, dump_sites);
    if (dump.counted) {
      const auto same = by_stack.find(key_of(stack));
      if (same == by_stack.end() || same->second.empty()) {
        ++match.gone;
        continue;
      }
      add_facts(g, *same->second.back());
      same->second.pop_back();
      ++match.found;
      continue;
    }
    const auto same = by_goid.find(g.goid);
    if (same == by_goid.end()) {
      ++match.gone;
    } else if (!same_stack(g, stack, *same->second, stack_of(*same->second, live_sites))) {
      ++match.moved;
    } else {
      add_facts(g, *same->second);
      ++match.found;
    }
  }
  return match;
}

}  // namespace netpoll::cli
