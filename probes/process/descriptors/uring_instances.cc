// Reads fdinfo of io_uring.
#include "probes/process/descriptors/uring_instances.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <istream>
#include <string>
#include <string_view>

#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// Counters of the queues wrap at 32 bits.
std::optional<std::uint64_t> distance(const std::optional<std::uint64_t>& head,
                                      const std::optional<std::uint64_t>& tail) {
  if (!head || !tail) return std::nullopt;
  return static_cast<std::uint32_t>(*tail - *head);
}

std::optional<std::uint64_t> entries(const std::optional<std::uint64_t>& mask) {
  return mask ? std::optional(*mask + 1) : std::nullopt;
}

}  // namespace

UringInstance parse_uring_fdinfo(std::istream& text) {
  UringInstance instance;
  std::optional<std::uint64_t> sq_mask, sq_head, sq_tail, cq_mask, cq_head, cq_tail;
  std::optional<std::uint64_t>* list = nullptr;  // whose rows follow, indented
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("  ")) {
      if (list != nullptr) ++**list;
      continue;
    }
    list = nullptr;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string_view key = std::string_view(line).substr(0, colon);
    const auto number = [&] { return std::strtoull(line.c_str() + colon + 1, nullptr, 0); };
    if (key == "SqMask") sq_mask = number();
    if (key == "SqHead") sq_head = number();
    if (key == "SqTail") sq_tail = number();
    if (key == "CqMask") cq_mask = number();
    if (key == "CqHead") cq_head = number();
    if (key == "CqTail") cq_tail = number();
    if (key == "UserFiles") instance.registered_files = number();
    if (key == "SqThread" && number() <= INT32_MAX) instance.sq_thread = static_cast<pid_t>(number());
    if (key == "PollList") list = &instance.polls;
    if (key == "CqOverflowList") list = &instance.overflowed;
    if (list != nullptr) *list = 0;
  }
  instance.sq_entries = entries(sq_mask);
  instance.cq_entries = entries(cq_mask);
  instance.queued = distance(sq_head, sq_tail);
  instance.completed = distance(cq_head, cq_tail);
  return instance;
}

std::vector<UringInstance> uring_instances(pid_t pid, const std::vector<int>& descriptors) {
  std::vector<UringInstance> instances;
  const std::string folder = "/proc/" + std::to_string(living_thread(pid)) + "/fdinfo/";
  for (const int fd : descriptors) {
    std::ifstream file(folder + std::to_string(fd));
    if (!file) continue;
    instances.push_back(parse_uring_fdinfo(file));
    instances.back().pid = pid;
    instances.back().fd = fd;
  }
  return instances;
}

}  // namespace netpoll::probes
