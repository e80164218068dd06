// What the fuzz targets share: the bytes of one input as numbers, as a file, as memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "netpoll/fd.h"
#include "probes/process/memory.h"

// libFuzzer calls it for every input, replay.cc for every file; 0: done. LLVM's FuzzerInterface.h
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace netpoll::test {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

// Takes numbers from the front; zeros when nothing is left.
class Numbers {
 public:
  Numbers(const std::uint8_t* data, std::size_t size) : rest_(bytes_of(data, size)) {}

  bool empty() const { return rest_.empty(); }
  template <typename T>
  T take() {
    T value{};
    const std::size_t n = std::min(sizeof(value), rest_.size());
    if (n > 0) std::memcpy(&value, rest_.data(), n);
    rest_ = rest_.subspan(n);
    return value;
  }

 private:
  std::span<const std::byte> rest_;
};

// A file without a name that holds the input, under a path by which it can be opened.
class InputFile {
 public:
  InputFile(const std::uint8_t* data, std::size_t size) : fd_(memfd_create("input", MFD_CLOEXEC)) {
    for (std::size_t at = 0; at < size;) {
      const ssize_t n = ::pwrite(fd_.get(), data + at, size - at, static_cast<off_t>(at));
      if (n <= 0) std::abort();
      at += static_cast<std::size_t>(n);
    }
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  Fd fd_;
};

// The input as the memory of a process, from address 0 on.
class InputMemory : public probes::Memory {
 public:
  InputMemory(const std::uint8_t* data, std::size_t size) : bytes_(bytes_of(data, size)) {}

  Result<void> read_batch(std::span<probes::ReadPiece> pieces) override {
    for (probes::ReadPiece& piece : pieces) {
      piece.done = piece.address <= bytes_.size() && piece.size <= bytes_.size() - piece.address;
      if (piece.done && piece.size > 0) std::memcpy(piece.into, bytes_.data() + piece.address, piece.size);
    }
    return {};
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace netpoll::test
