// InputFile: bytes of a file or of standard input. One file a system: input_file_posix.cc, input_file_windows.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "netpoll/fd.h"

namespace netpoll::cli {

// One thread at a time.
class InputFile {
 public:
  // 0, or an errno. The path is in UTF-8.
  int open(const std::string& path);
  // Instead of a file.
  void open_standard_input();
  // Of a regular file, where asking costs less than reading.
  std::optional<std::uint64_t> size() const;
  // How many bytes it put into buffer: 0 at the end; less than 0: an errno, negative.
  std::int64_t read(std::span<char> buffer);

 private:
  Fd file_;
  std::intptr_t stream_ = -1;  // file_ or standard input
};

}  // namespace netpoll::cli
