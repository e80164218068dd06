// Temporary files, the rename that makes them visible, and standard output.
#include "exporters/destination.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "libruntime/base/posix.h"

namespace netpoll::exporters {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The file a path leads to, so that rename() replaces the target of a symbolic link and not the link.
std::string resolve(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result = real;
  std::free(real);
  return result;
}

// Beside the target, hidden, and unique among the processes that may write the same target at the same time.
std::string temporary_name(const std::string& path, int attempt) {
  const auto slash = path.rfind('/');
  const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
  return directory_of(path) + "/." + base.substr(0, 200) + "." + std::to_string(::getpid()) + "." +
         std::to_string(attempt) + ".tmp";
}

mode_t creation_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

Result<Destination> Destination::open(const std::string& path, Standard unnamed) {
  Destination destination;
  if (path.empty() || path == "-") {
    destination.out_ = path.empty() && unnamed == Standard::kError ? STDERR_FILENO : STDOUT_FILENO;
    if (::fcntl(destination.out_, F_GETFD) < 0) return destination.failed("write to ", errno);
    return destination;
  }
  destination.path_ = path;
  destination.real_path_ = resolve(path);
  if (auto opened = destination.open_temporary(); !opened) return opened.error();
  destination.out_ = destination.fd_.get();
  return destination;
}

Result<void> Destination::open_temporary() {
  struct stat st {};
  const bool exists = ::stat(real_path_.c_str(), &st) == 0;
  if (exists && S_ISDIR(st.st_mode)) return failed("write to ", EISDIR);
  if (exists && !S_ISREG(st.st_mode)) {
    in_place_ = true;
    fd_.reset(::open(real_path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    return fd_.valid() ? Result<void>() : failed("write to ", errno);
  }
  // rename() would happily replace a file that its owner made read-only.
  if (exists && ::access(real_path_.c_str(), W_OK) != 0) return failed("write to ", errno);
  const mode_t mode = exists ? (st.st_mode & 07777) : creation_mode();

  const int unnamed = base::open_unnamed(directory_of(real_path_).c_str());
  if (unnamed >= 0) {
    fd_.reset(unnamed);
    unnamed_ = true;
  } else if (unnamed == -EOPNOTSUPP || unnamed == -EISDIR || unnamed == -ENOSYS || unnamed == -EINVAL) {
    for (int attempt = 0; !fd_.valid(); ++attempt) {
      temporary_ = temporary_name(real_path_, attempt);
      fd_.reset(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!fd_.valid() && errno != EEXIST) {
        const int err = errno;
        temporary_.clear();
        return failed("create a file beside ", err);
      }
    }
  } else {
    return failed("write to ", -unnamed);
  }
  if (::fchmod(fd_.get(), mode) != 0) return failed("set the mode of ", errno);
  return {};
}

Destination::~Destination() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void Destination::write_behind() {
  struct stat st {};
  behind_ = ::fstat(out_, &st) == 0 && !S_ISREG(st.st_mode);
  // Who pushes now and then passes on no more than a pipe holds each time. As much as everybody may have
  // (pipe(7), /proc/sys/fs/pipe-max-size); where it is refused, the pipe stays as it is.
  constexpr int kPipe = 1 << 20;
  if (behind_ && S_ISFIFO(st.st_mode)) base::widen_pipe(out_, kPipe);
}

// poll(2) calls a pipe writable when PIPE_BUF bytes fit, so that a write of so many does not wait.
Result<void> Destination::push() {
  while (backlog() > 0) {
    pollfd ready{.fd = out_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    const std::string_view piece = std::string_view(pending_).substr(sent_, PIPE_BUF);
    if (auto written = write_now(piece); !written) return written;
    sent_ += piece.size();
  }
  // Moved seldom, so that each byte is moved a few times at most.
  if (sent_ > pending_.size() / 2) {
    pending_.erase(0, sent_);
    sent_ = 0;
  }
  return {};
}

Result<void> Destination::write_now(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(out_, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return failed("write to ", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> Destination::commit() {
  if (backlog() > 0) {
    if (auto written = write_now(std::string_view(pending_).substr(sent_)); !written) return written;
    pending_.clear();
    sent_ = 0;
  }
  if (path_.empty()) return {};
  if (in_place_) {
    // close() is where a file server reports what it could not store.
    const int fd = fd_.release();
    return ::close(fd) == 0 || errno == EINTR ? Result<void>() : failed("write to ", errno);
  }
  if (unnamed_) {
    // A name that is taken cannot be given, so the file gets a temporary one for the blink before its rename.
    for (int attempt = 0; temporary_.empty(); ++attempt) {
      const std::string name = temporary_name(real_path_, attempt);
      const int error = base::name_file(fd_.get(), name.c_str());
      if (error == 0) {
        temporary_ = name;
      } else if (error != EEXIST) {
        return failed("write to ", error);
      }
    }
  }
  const int fd = fd_.release();
  if (::close(fd) != 0 && errno != EINTR) return failed("write to ", errno);
  if (::rename(temporary_.c_str(), real_path_.c_str()) != 0) return failed("write to ", errno);
  temporary_.clear();
  return {};
}

std::string Destination::advice(int err) const {
  switch (err) {
    case EBADF:
      return name() + " is closed; -o FILE writes a file instead";
    case ENOSPC:
    case EDQUOT:
      return "free some space, or choose another place with -o FILE";
    case EISDIR:
      return "name a file inside it: -o " + path_ + (path_.ends_with('/') ? "" : "/") + "result.json";
    case ENOENT:
      // /proc and its like exist and take no files.
      if (::access(directory_of(path_).c_str(), F_OK) == 0) return "files cannot be made there; choose another place";
      return "the directory does not exist: mkdir -p " + directory_of(path_);
    default:
      return {};
  }
}

}  // namespace netpoll::exporters
