// SparseFile: a temporary file without a name that takes no room for pages of zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// Written from its begin to its end. The file goes when its last descriptor is closed, in whatever way we end.
class SparseFile {
 public:
  // In $TMPDIR, else /var/tmp, where the system expects large files (file-hierarchy(7)).
  static Result<SparseFile> make();

  Result<void> append(std::span<const std::byte> bytes);
  // Its descriptor; what was appended is in the file.
  Result<Fd> finish() &&;

 private:
  SparseFile(Fd fd, std::string folder, std::uint64_t room)
      : fd_(std::move(fd)), folder_(std::move(folder)), room_(room) {}
  Result<void> flush();

  Fd fd_;
  std::string folder_;
  std::uint64_t room_;              // bytes that may still be written
  std::vector<std::byte> pending_;  // goes to flushed_
  std::uint64_t flushed_ = 0;
};

}  // namespace netpoll::probes
