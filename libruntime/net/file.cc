// File: descriptors that the poller takes, and those whose calls block.
#include "netpoll/net/file.h"

#include <cerrno>
#include <utility>

#include "libruntime/net/file_calls.h"
#include "libruntime/net/net_fd.h"
#include "libruntime/net/sys.h"
#include "netpoll/go.h"

namespace netpoll {

struct File::State {
  net::NetFd* fd;
  std::string name;  // what errors call it
  net::FileState calls{};

  Error error(const char* operation, long code) const { return net::io_error(operation + (" " + name), code); }
};

namespace {

Error no_file(const char* operation) { return Error(ErrorKind::kClosing, operation); }

}  // namespace

void File::StateDeleter::operator()(State* state) const {
  state->fd->close();
  state->fd->unref();
  delete state;
}

File::File(std::unique_ptr<State, StateDeleter> state) : state_(std::move(state)) {}
File& File::operator=(File&& other) noexcept = default;
File::~File() = default;

Result<File> File::open(const std::string& path, int flags, mode_t mode) {
  long fd;
  do {  // a FIFO waits for its other side, and a handler without SA_RESTART ends that
    fd = block_on([&] { return net::open_file(path, flags, mode); });
  } while (fd == -EINTR);
  if (fd < 0) return posix_error("open " + path, static_cast<int>(-fd));
  return adopt(Fd(static_cast<int>(fd)), path);
}

Result<File> File::adopt(Fd fd, std::string name) {
  if (!fd.valid()) return posix_error("adopt file", EBADF);
  if (name.empty()) name = "fd " + std::to_string(fd.get());
  auto net_fd = net::NetFd::create(fd, net::FdKind::kFile, Addr(), /*shared=*/true);
  if (!net_fd) return std::move(net_fd).error();
  std::unique_ptr<State, StateDeleter> state(new State{.fd = *net_fd, .name = std::move(name)});
  block_on([&] { net::look_at_file(state->fd->sysfd(), state->calls); });
  return File(std::move(state));
}

Result<std::size_t> File::read(std::span<std::byte> buffer) {
  if (state_ == nullptr) return no_file("read");
  const long result = state_->fd->file_read(state_->calls, buffer.data(), buffer.size(), -1);
  if (result < 0) return state_->error("read", result);
  return static_cast<std::size_t>(result);
}

Result<std::size_t> File::write(std::span<const std::byte> data) {
  if (state_ == nullptr) return no_file("write");
  const long result = state_->fd->file_write(state_->calls, data.data(), data.size(), -1);
  if (result < 0) return state_->error("write", result);
  return static_cast<std::size_t>(result);
}

Result<std::size_t> File::read_at(std::span<std::byte> buffer, std::int64_t offset) {
  if (state_ == nullptr) return no_file("read");
  if (offset < 0) return state_->error("read", -EINVAL);
  const long result = state_->fd->file_read(state_->calls, buffer.data(), buffer.size(), offset);
  if (result < 0) return state_->error("read", result);
  return static_cast<std::size_t>(result);
}

Result<std::size_t> File::write_at(std::span<const std::byte> data, std::int64_t offset) {
  if (state_ == nullptr) return no_file("write");
  if (offset < 0) return state_->error("write", -EINVAL);
  const long result = state_->fd->file_write(state_->calls, data.data(), data.size(), offset);
  if (result < 0) return state_->error("write", result);
  return static_cast<std::size_t>(result);
}

Result<std::int64_t> File::size() {
  if (state_ == nullptr) return no_file("size");
  std::int64_t result = 0;
  const long closed = state_->fd->with_fd([&](int fd) { result = block_on([&] { return net::file_size(fd); }); });
  if (closed < 0) return state_->error("size", closed);
  if (result < 0) return state_->error("size", static_cast<long>(result));
  return result;
}

Result<void> File::sync() {
  if (state_ == nullptr) return no_file("sync");
  long result = 0;
  const long closed = state_->fd->with_fd([&](int fd) {
    do {
      result = block_on([&] { return net::sys(SYS_fsync, fd); });
    } while (result == -EINTR);
  });
  if (closed < 0) return state_->error("sync", closed);
  if (result < 0) return state_->error("sync", result);
  return {};
}

Result<void> File::close() {
  if (state_ == nullptr) return no_file("close");
  const long result = state_->fd->close();
  if (result < 0) return state_->error("close", result);
  return {};
}

int File::fd() const { return state_ != nullptr ? state_->fd->number() : -1; }

}  // namespace netpoll
