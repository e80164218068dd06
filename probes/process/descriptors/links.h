// The links of /proc/PID/fd, which say what descriptors stand for (proc_pid_fd(5)).
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "probes/process/descriptors/peers.h"

namespace netpoll::probes {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

// /proc/PID/fd; null where it may not be listed, or the process has gone.
Dir open_links(pid_t pid);

// The numbers in such a folder, in its order.
std::vector<int> list_numbers(DIR* folder);

struct DescriptorLink {
  int number = -1;
  std::optional<FileKey> key;  // what key_of_link (peers.h) makes of its text
  std::string path;            // the text where it makes nothing of it

  std::string text() const;
};

// What a number in the folder with this descriptor is; nothing, with errno, where it is none.
std::optional<DescriptorLink> read_link(int folder, int number);

// The same for many, in their order; what is none is left out. A second thread takes half of thousands: each costs the
// kernel a microsecond or two, and none waits for another.
std::vector<DescriptorLink> read_links(int folder, std::span<const int> numbers);

}  // namespace netpoll::probes
