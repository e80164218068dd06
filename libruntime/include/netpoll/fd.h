// Fd: an owning file descriptor.
#pragma once

#include <utility>

namespace netpoll {

// Fd owns one descriptor and closes it at destruction. Movable, not copyable, not thread-safe.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // Gives the descriptor up to the caller.
  int release() { return std::exchange(fd_, -1); }
  // Closes what is held and takes fd.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace netpoll
