// frame_reader.h: messages of a fixed size out of a stream.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "netpoll/net/conn.h"

namespace netpoll::workload {

// Reads with a buffer larger than a frame, so that a frame that comes alone is a short read: it proves the stream
// empty, and the next wait needs no read that ends in EAGAIN. One goroutine uses it; conn must outlive it.
class FrameReader {
 public:
  FrameReader(Conn& conn, std::size_t frame_size)
      : conn_(conn),
        frame_size_(frame_size),
        capacity_(std::max<std::size_t>(4096, frame_size + 64)),
        buffer_(std::make_unique_for_overwrite<std::byte[]>(capacity_)) {}

  // The next frame, valid until the next call; nothing at the end of the stream. kEof when it ends within a frame.
  Result<std::optional<std::span<std::byte>>> next() {
    if (end_ - begin_ < frame_size_) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    while (end_ - begin_ < frame_size_) {
      auto n = conn_.read({buffer_.get() + end_, capacity_ - end_});
      if (!n) return std::move(n).error();
      if (*n == 0) {
        if (end_ == begin_) return std::optional<std::span<std::byte>>();
        return Error(ErrorKind::kEof, "the stream ended within a message");
      }
      end_ += *n;
    }
    const std::span<std::byte> frame(buffer_.get() + begin_, frame_size_);
    begin_ += frame_size_;
    return std::optional(frame);
  }

 private:
  Conn& conn_;
  const std::size_t frame_size_;
  const std::size_t capacity_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace netpoll::workload
