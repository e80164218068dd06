// What destinations have in common: moving, memory, and their names.
#include "exporters/destination.h"

#include <unistd.h>

#include <utility>

namespace netpoll::exporters {

Destination::Destination(Destination&& other) noexcept
    : path_(std::move(other.path_)),
      real_path_(std::move(other.real_path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      out_(std::exchange(other.out_, -1)),
      memory_(other.memory_),
      unnamed_(other.unnamed_),
      in_place_(other.in_place_),
      behind_(other.behind_),
      pending_(std::move(other.pending_)),
      sent_(other.sent_) {}

Destination Destination::to_memory(std::string& text) {
  Destination destination;
  destination.memory_ = &text;
  return destination;
}

Result<void> Destination::write(std::string_view bytes) {
  if (memory_ != nullptr) {
    memory_->append(bytes);
    return {};
  }
  if (!behind_) return write_now(bytes);
  pending_ += bytes;
  return push();
}

std::string Destination::name() const {
  if (!path_.empty()) return path_;
  return out_ == STDERR_FILENO ? "standard error" : "standard output";
}

}  // namespace netpoll::exporters
