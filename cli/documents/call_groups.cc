// Joins the calls of one process, thread, descriptor or cgroup to a row.
#include "cli/documents/call_groups.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "exporters/json.h"
#include "exporters/text.h"
#include "probes/process/cgroups.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using probes::GroupCounts;

struct Row {
  GroupCounts who;  // of its first call; the counts are of all of them
  std::uint64_t bytes = 0;
  std::map<probes::Syscall, GroupCounts> calls;
};

std::string_view word_of(probes::GroupBy by) {
  switch (by) {
    case probes::GroupBy::kProcess:
      return "process";
    case probes::GroupBy::kThread:
      return "thread";
    case probes::GroupBy::kFd:
      return "fd";
    case probes::GroupBy::kCgroup:
      return "cgroup";
    case probes::GroupBy::kNothing:
      break;
  }
  return "nothing";
}

std::vector<Row> rows_of(const std::vector<GroupCounts>& groups) {
  std::map<std::tuple<pid_t, pid_t, int, std::uint64_t, std::uint64_t>, Row> rows;
  for (const GroupCounts& group : groups) {
    auto [at, fresh] = rows.try_emplace({group.pid, group.tid, group.fd, group.inode, group.cgroup});
    Row& row = at->second;
    row.calls.emplace(group.syscall, group);
    if (probes::moves_bytes(group.syscall)) row.bytes += group.result;
    if (fresh) {
      row.who = group;
      continue;
    }
    row.who.count += group.count;
    row.who.errors += group.errors;
    row.who.again += group.again;
    row.who.total_ns += group.total_ns;
  }
  std::vector<Row> sorted;
  for (auto& [key, row] : rows) sorted.push_back(std::move(row));
  std::stable_sort(sorted.begin(), sorted.end(), [](const Row& a, const Row& b) {
    return std::pair(a.who.total_ns, a.who.count) > std::pair(b.who.total_ns, b.who.count);
  });
  return sorted;
}

Json calls_json(const Row& row) {
  Json calls = Json::object();
  for (const auto& [syscall, counts] : row.calls) {
    Json& call = calls[std::string(probes::syscall_name(syscall))];
    call = {
        {"count", counts.count}, {"errors", counts.errors}, {"eagain", counts.again}, {"total_ns", counts.total_ns}};
    if (probes::waits_for_events(syscall)) call["events"] = counts.result;
    if (probes::moves_bytes(syscall)) call["bytes"] = counts.result;
  }
  return calls;
}

// The number that /proc knows it by here.
pid_t own_number(const GroupCounts& who) { return who.ns_pid != 0 ? who.ns_pid : who.pid; }

// In its own pid namespace: ours, where the kernel told that number, or that of a container.
Json innermost_pid(const GroupCounts& who) {
  if (const auto inner = probes::innermost_id(own_number(who))) return *inner;
  return who.ns_pid != 0 ? Json(who.ns_pid) : Json(nullptr);
}

// By number, the descriptors of its rows.
std::map<pid_t, probes::Descriptors> descriptors_of(const std::vector<Row>& rows) {
  std::map<pid_t, std::vector<int>> numbers;
  for (const Row& row : rows) numbers[own_number(row.who)].push_back(row.who.fd);
  std::map<pid_t, probes::Descriptors> all;
  for (const auto& [pid, fds] : numbers) all.emplace(pid, probes::describe_descriptors(pid, fds, probes::Ends::kOwn));
  return all;
}

void put_descriptor(Json& json, const GroupCounts& who, const std::map<pid_t, probes::Descriptors>& all) {
  json["fd"] = who.fd;
  json["inode"] = who.inode;
  json["kind"] = json["local"] = json["peer"] = nullptr;
  const auto& descriptors = all.at(own_number(who));
  const auto found = descriptors.find(who.fd);
  if (found == descriptors.end()) return;
  // The number may be another file's by now.
  const probes::DescriptorInfo& info = found->second;
  if (info.inode && (*info.inode & 0xffffffff) != who.inode) return;
  json["kind"] = exporters::text_or_null(info.kind);
  json["local"] = exporters::text_or_null(info.local);
  json["peer"] = exporters::text_or_null(info.peer);
}

// How far the busiest is from the mean: 0 where all make the same, 1 where it makes twice the mean.
Json imbalance(const std::vector<Row>& rows) {
  std::uint64_t most = 0, sum = 0;
  for (const Row& row : rows) {
    most = std::max(most, row.who.count);
    sum += row.who.count;
  }
  if (sum == 0) return nullptr;
  const double mean = static_cast<double>(sum) / static_cast<double>(rows.size());
  return std::round((static_cast<double>(most) / mean - 1) * 1000) / 1000;
}

}  // namespace

Json call_groups_json(const std::vector<GroupCounts>& groups, probes::GroupBy by) {
  if (by == probes::GroupBy::kNothing) return nullptr;
  const std::vector<Row> rows = rows_of(groups);
  const auto descriptors = by == probes::GroupBy::kFd ? descriptors_of(rows) : std::map<pid_t, probes::Descriptors>();
  std::uint64_t sum = 0;
  for (const Row& row : rows) sum += row.who.count;
  Json json = {{"by", std::string(word_of(by))}, {"imbalance", imbalance(rows)}, {"rows", Json::array()}};
  for (const Row& row : rows) {
    Json entry;
    if (by == probes::GroupBy::kCgroup) {
      entry["cgroup"] = exporters::text_or_null(probes::cgroup_name(row.who.cgroup));
      entry["cgroup_id"] = exporters::hex(row.who.cgroup);
    } else {
      entry["pid"] = row.who.pid;
      entry["ns_pid"] = innermost_pid(row.who);
      if (by == probes::GroupBy::kThread) entry["tid"] = row.who.tid;
      entry["comm"] = row.who.comm;
    }
    if (by == probes::GroupBy::kFd) put_descriptor(entry, row.who, descriptors);
    entry["count"] = row.who.count;
    entry["share"] = exporters::ratio(row.who.count, sum);
    entry["errors"] = row.who.errors;
    entry["eagain"] = row.who.again;
    entry["bytes"] = row.bytes;
    entry["total_ns"] = row.who.total_ns;
    entry["syscalls"] = calls_json(row);
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace netpoll::cli
