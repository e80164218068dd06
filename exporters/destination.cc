// What destinations have in common: moving, memory, their names and errors.
#include "exporters/destination.h"

#include <unistd.h>

#include <cerrno>
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

Error Destination::failed(std::string_view what, int err) const {
  Error error = posix_error("cannot " + std::string(what) + name(), err);
  switch (err) {
    case EPIPE:
      return std::move(error).with_hint("the reader of the pipe left early; -o FILE keeps the whole result");
    case EACCES:
    case EPERM:
    case EROFS:
      return std::move(error).with_hint("choose a file that you may write with -o FILE");
    default:
      break;
  }
  std::string hint = advice(err);
  return hint.empty() ? std::move(error) : std::move(error).with_hint(std::move(hint));
}

std::string Destination::name() const {
  if (!path_.empty()) return path_;
  return out_ == STDERR_FILENO ? "standard error" : "standard output";
}

}  // namespace netpoll::exporters
