// Parses the list of an epoll instance out of /proc, piece by piece.
#include "libruntime/base/epoll_list.h"

#include <fcntl.h>

#include <charconv>
#include <cstring>

#include "libruntime/base/syscall.h"

namespace netpoll::base {
namespace {

constexpr std::size_t kPiece = 16384;

// The number behind label, which line still has in front of it. Not by sscanf, which measures the rest of the text for
// every line.
template <typename Number>
bool take(std::string_view& line, std::string_view label, int base, Number& number) {
  const std::size_t at = line.find(label);
  if (at == std::string_view::npos) return false;
  line.remove_prefix(at + label.size());
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number, base);
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return error == std::errc();
}

}  // namespace

std::optional<EpollEntry> parse_epoll_entry(std::string_view line) {
  EpollEntry entry;
  if (!line.starts_with("tfd:")) return std::nullopt;
  if (!take(line, "tfd:", 10, entry.fd) || !take(line, "events:", 16, entry.events) ||
      !take(line, "data:", 16, entry.data)) {
    return std::nullopt;
  }
  if (std::uint64_t inode = 0; take(line, "ino:", 16, inode)) entry.inode = inode;
  return entry;
}

EpollList::EpollList(const std::string& process, int epfd) : buffer_(kPiece) {
  const std::string path = "/proc/" + process + "/fdinfo/" + std::to_string(epfd);
  file_.reset(static_cast<int>(sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0)));
}

std::optional<EpollEntry> EpollList::next() {
  for (;;) {
    const char* begin = buffer_.data() + begin_;
    const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', end_ - begin_));
    if (newline == nullptr) {
      if (!fill()) return std::nullopt;
      continue;
    }
    const std::string_view line(begin, static_cast<std::size_t>(newline - begin));
    begin_ += line.size() + 1;
    if (const auto entry = parse_epoll_entry(line)) return entry;
  }
}

// Reads on behind what is left of the last piece. False at the end of the file.
bool EpollList::fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (!file_.valid() || end_ == buffer_.size()) return false;
  const long n = sys(SYS_read, file_.get(), buffer_.data() + end_, buffer_.size() - end_);
  if (n <= 0) return false;
  end_ += static_cast<std::size_t>(n);
  return true;
}

}  // namespace netpoll::base
