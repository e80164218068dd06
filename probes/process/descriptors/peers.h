// Who holds the other end: an index from open files to the processes that have them open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "netpoll/trace/goroutine.h"

namespace netpoll::probes {

// An open file, the same for everyone who has it open. Sockets and pipes live in file systems of the kernel's own,
// whose device number no link tells; a FIFO lives in one that does. All epoll instances of a machine have one inode, so
// that there is one key for all of them, without numbers.
struct FileKey {
  enum class Kind : std::uint8_t { kSocket, kPipe, kFifo, kEpoll } kind = Kind::kSocket;
  std::uint64_t device = 0;  // of a FIFO
  std::uint64_t inode = 0;

  bool operator==(const FileKey&) const = default;
  struct Hash {
    std::size_t operator()(const FileKey& key) const;
  };
};

// The key that the text of a link in /proc/PID/fd names ("socket:[4711]", "pipe:[4711]", "anon_inode:[eventpoll]");
// nothing for other texts.
std::optional<FileKey> key_of_link(std::string_view link);

// How a descriptor was opened. A socket is opened for both.
struct AccessMode {
  bool reads = false;
  bool writes = false;
};
// Of the link `name` in the folder /proc/PID/fd; neither where it is gone.
AccessMode access_mode(int folder, const char* name);

struct Holder {
  trace::PeerProcess process;
  AccessMode mode;
};

using FileKeys = std::unordered_set<FileKey, FileKey::Hash>;
using Holders = std::unordered_map<FileKey, std::vector<Holder>, FileKey::Hash>;

// Everyone who has one of the files open, by pid and then by descriptor, as far as /proc may be read: one walk over
// /proc/*/fd, that of `without` left out. Without files it looks at nothing.
Holders find_holders(const FileKeys& files, pid_t without = -1);

}  // namespace netpoll::probes
