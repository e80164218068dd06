// One walk over /proc/*/fd. That a link's permission bits say how its file was opened: proc(5), and the kernel's
// fs/proc/fd.c, tid_fd_update_inode.
#include "probes/process/descriptors/peers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string>

#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/links.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

std::optional<int> pid_named(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "socket:[4711]" with prefix "socket:[" -> 4711.
std::optional<std::uint64_t> inode_in(std::string_view link, std::string_view prefix) {
  if (!link.starts_with(prefix)) return std::nullopt;
  std::uint64_t inode = 0;
  const char* last = link.data() + link.size();
  const auto [end, error] = std::from_chars(link.data() + prefix.size(), last, inode);
  if (error != std::errc{} || end == last || *end != ']') return std::nullopt;
  return inode;
}

// Adds what one process holds of the files.
class Walk {
 public:
  explicit Walk(const FileKeys& files) : files_(files) {
    has_fifos_ =
        std::any_of(files.begin(), files.end(), [](const FileKey& k) { return k.kind == FileKey::Kind::kFifo; });
  }

  void process(pid_t pid) {
    const Dir dir(opendir(("/proc/" + std::to_string(pid) + "/fd").c_str()));
    if (dir == nullptr) return;  // not ours to look at, or gone
    const int folder = dirfd(dir.get());
    std::string comm;
    for (const DescriptorLink& link : read_links(folder, list_numbers(dir.get()))) {
      const std::string name = std::to_string(link.number);
      const auto key = link.key ? link.key : fifo_at(folder, name.c_str(), link.path);
      if (!key || !files_.contains(*key)) continue;
      if (comm.empty()) comm = comm_of(pid);
      const AccessMode mode = key->kind == FileKey::Kind::kSocket ? AccessMode{.reads = true, .writes = true}
                                                                  : access_mode(folder, name.c_str());
      holders_[*key].push_back({.process = {.pid = pid, .comm = comm, .fd = link.number}, .mode = mode});
    }
  }

  Holders take() { return std::move(holders_); }

 private:
  std::optional<FileKey> fifo_at(int folder, const char* name, std::string_view path) const {
    if (!has_fifos_ || !path.starts_with('/')) return std::nullopt;
    struct stat file {};
    if (fstatat(folder, name, &file, 0) != 0 || !S_ISFIFO(file.st_mode)) return std::nullopt;
    return FileKey{.kind = FileKey::Kind::kFifo, .device = file.st_dev, .inode = file.st_ino};
  }

  const FileKeys& files_;
  bool has_fifos_ = false;
  Holders holders_;
};

}  // namespace

std::size_t FileKey::Hash::operator()(const FileKey& key) const {
  return std::hash<std::uint64_t>{}(key.inode * 4 + static_cast<std::uint64_t>(key.kind)) ^
         std::hash<std::uint64_t>{}(key.device);
}

AccessMode access_mode(int folder, const char* name) {
  struct stat link {};
  if (fstatat(folder, name, &link, AT_SYMLINK_NOFOLLOW) != 0) return {};
  return {.reads = (link.st_mode & S_IRUSR) != 0, .writes = (link.st_mode & S_IWUSR) != 0};
}

std::optional<FileKey> key_of_link(std::string_view link) {
  if (const auto inode = inode_in(link, "socket:[")) return FileKey{.kind = FileKey::Kind::kSocket, .inode = *inode};
  if (const auto inode = inode_in(link, "pipe:[")) return FileKey{.kind = FileKey::Kind::kPipe, .inode = *inode};
  if (link == kEpollLink) return FileKey{.kind = FileKey::Kind::kEpoll};
  return std::nullopt;
}

Holders find_holders(const FileKeys& files, pid_t without) {
  if (files.empty()) return {};
  const Dir proc(opendir("/proc"));
  if (proc == nullptr) return {};
  Walk walk(files);
  while (const dirent* entry = readdir(proc.get())) {
    if (const auto pid = pid_named(entry->d_name); pid && *pid != without) walk.process(*pid);
  }
  Holders holders = walk.take();
  for (auto& [key, list] : holders) {
    std::sort(list.begin(), list.end(), [](const Holder& a, const Holder& b) {
      return a.process.pid != b.process.pid ? a.process.pid < b.process.pid : a.process.fd < b.process.fd;
    });
  }
  return holders;
}

}  // namespace netpoll::probes
