#include "probes/process/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "netpoll/fd.h"
#include "probes/process/sockets.h"

namespace netpoll::probes {
namespace {

// "socket:[4711]" -> 4711.
std::optional<std::uint64_t> socket_inode(std::string_view link) {
  static constexpr std::string_view kPrefix = "socket:[";
  if (!link.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t inode = 0;
  const auto [end, error] = std::from_chars(link.data() + kPrefix.size(), link.data() + link.size(), inode);
  if (error != std::errc{} || end == link.data() + link.size() || *end != ']') return std::nullopt;
  return inode;
}

}  // namespace

Descriptors describe_descriptors(pid_t pid, const std::vector<int>& numbers) {
  Descriptors result;
  const Fd folder(open(("/proc/" + std::to_string(pid) + "/fd").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return result;

  Inodes inodes;
  std::unordered_map<int, std::uint64_t> inode_of;
  std::array<char, 256> text;
  for (const int number : numbers) {
    if (number < 0 || result.count(number) > 0) continue;
    const ssize_t size = readlinkat(folder.get(), std::to_string(number).c_str(), text.data(), text.size());
    if (size < 0) continue;
    const std::string_view link(text.data(), static_cast<std::size_t>(size));
    if (const auto inode = socket_inode(link)) {
      inodes.insert(*inode);
      inode_of[number] = *inode;
      result[number] = {};
    } else {
      result[number] = {.kind = link.starts_with("pipe:") ? "pipe" : "other",
                        .local = std::string(link),
                        .peer = {},
                        .tcp_state = {}};
    }
  }
  auto sockets = find_sockets(pid, inodes);
  if (!sockets) return result;
  for (const auto& [number, inode] : inode_of) {
    const auto found = sockets->find(inode);
    if (found == sockets->end()) {
      result[number] = {
          .kind = "other", .local = "socket:[" + std::to_string(inode) + "]", .peer = {}, .tcp_state = {}};
      continue;
    }
    // Copied, since two descriptors may be one socket (dup).
    const SocketInfo& s = found->second;
    result[number] = {.kind = s.kind, .local = s.local, .peer = s.peer, .tcp_state = s.state};
  }
  return result;
}

}  // namespace netpoll::probes
