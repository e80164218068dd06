// Adds up waits by stack.
#include "exporters/events/wait_stacks.h"

#include "exporters/events/timeline.h"
#include "exporters/json.h"

namespace netpoll::exporters {

std::map<pid_t, std::string> process_names(const Json& meta) {
  std::map<pid_t, std::string> names;
  const auto know = [&](const Json& target) {
    if (!target.is_object() || !target.contains("pid") || !target.at("pid").is_number_integer()) return;
    const auto comm = target.find("comm");
    if (comm == target.end() || !comm->is_string()) return;
    names[target.at("pid").get<pid_t>()] = comm->get<std::string>();
  };
  if (meta.contains("target")) know(meta.at("target"));
  if (meta.contains("targets") && meta.at("targets").is_array()) {
    for (const Json& target : meta.at("targets")) know(target);
  }
  return names;
}

std::string without_port(const trace::Endpoint& endpoint) {
  const bool has_port = !endpoint.peer.starts_with("unix:") && endpoint.peer.rfind(':') != std::string::npos;
  return has_port ? endpoint.peer.substr(0, endpoint.peer.rfind(':')) : endpoint.peer;
}

void WaitStacks::begin(const Json& meta) { names_ = process_names(meta); }

void WaitStacks::add(const trace::Record& record) {
  if (record.step != trace::Step::kRun) return;
  if (!record.network_wait_ns && !record.cpu_wait_ns) return;
  const auto known = names_.find(record.pid);
  std::vector<std::string> stack;
  stack.push_back(known != names_.end() ? known->second : "pid " + std::to_string(record.pid));
  if (record.labels && !record.labels->empty()) stack.push_back(labels_text(*record.labels));
  stack.push_back(record.endpoint && !record.endpoint->peer.empty()    ? without_port(*record.endpoint)
                  : record.endpoint && !record.endpoint->local.empty() ? record.endpoint->local
                  : record.fd >= 0                                     ? "fd " + std::to_string(record.fd)
                                                                       : "no descriptor");
  auto at = waits_.find(stack);
  if (at == waits_.end()) {
    if (waits_.size() >= kMost) stack = {"(others)"};
    at = waits_.try_emplace(std::move(stack)).first;
  }
  Waits& waits = at->second;
  ++waits.count;
  waits.network_ns += record.network_wait_ns.value_or(0);
  waits.cpu_ns += record.cpu_wait_ns.value_or(0);
}

}  // namespace netpoll::exporters
