// RegularFile: an open regular file that is read at offsets, and may change or be cut off under our hands.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// Read by pread(2): what somebody cuts off meanwhile is unreadable there, and no fault as it is in a mapping. Any
// thread may read.
class RegularFile {
 public:
  // kProtocol for what is no regular file: a core may name a FIFO or a device.
  static Result<RegularFile> open(const std::string& path);
  // Takes a descriptor that path was opened as.
  static Result<RegularFile> of(Fd fd, const std::string& path);

  std::uint64_t size() const { return static_cast<std::uint64_t>(status_.st_size); }
  int fd() const { return fd_.get(); }
  // Whether all of it was read.
  bool read(std::uint64_t offset, void* into, std::uint64_t size) const;
  // Reads up to size bytes; how many there were.
  std::size_t read_some(std::uint64_t offset, void* into, std::size_t size) const;

 private:
  RegularFile(Fd fd, const struct stat& status) : fd_(std::move(fd)), status_(status) {}

  Fd fd_;
  struct stat status_ {};
};

}  // namespace netpoll::probes
