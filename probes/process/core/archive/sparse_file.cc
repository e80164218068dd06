// Collects what is appended, and writes it page by page.
#include "probes/process/core/archive/sparse_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace netpoll::probes {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kCollected = 256 * kPage;
// More than any process has: what is decompressed from a few kilobytes must end.
constexpr std::uint64_t kLargest = std::uint64_t{1} << 42U;
// A twentieth of the room that is free is left to others.
constexpr std::uint64_t kLeftFree = 20;

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

Result<SparseFile> SparseFile::make() {
  const char* wanted = getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nothing here sets the environment
  const std::string folder = wanted != nullptr && *wanted != '\0' ? wanted : "/var/tmp";
  std::string path = folder + "/netpoll-trace.XXXXXX";
  Fd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid())
    return posix_error("make a temporary file in " + folder, errno).with_hint("TMPDIR names another folder");
  unlink(path.c_str());
  struct statvfs room {};
  if (fstatvfs(fd.get(), &room) != 0) return posix_error("ask for the room in " + folder, errno);
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  return SparseFile(std::move(fd), folder, free - free / kLeftFree);
}

Result<void> SparseFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kCollected - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (pending_.size() < kCollected) continue;
    if (auto r = flush(); !r) return r;
  }
  return {};
}

Result<void> SparseFile::flush() {
  if (flushed_ > kLargest) return Error(ErrorKind::kProtocol, "it holds more than a process can");
  for (std::size_t at = 0; at < pending_.size();) {
    // As many pages in one write as follow each other.
    std::size_t end = at;
    const auto page_at = [&](std::size_t p) {
      return std::span(pending_).subspan(p, std::min(kPage, pending_.size() - p));
    };
    while (end < pending_.size() && !is_zero(page_at(end))) end = std::min(end + kPage, pending_.size());
    if (end - at > room_) {
      return posix_error("unpack into a temporary file in " + folder_, ENOSPC).with_hint("TMPDIR names another folder");
    }
    room_ -= end - at;
    while (at < end) {
      const ssize_t n = pwrite(fd_.get(), pending_.data() + at, end - at, static_cast<off_t>(flushed_ + at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return posix_error("write a temporary file in " + folder_, errno).with_hint("TMPDIR names another folder");
      }
      at += static_cast<std::size_t>(n);
    }
    while (at < pending_.size() && is_zero(page_at(at))) at += kPage;
  }
  flushed_ += pending_.size();
  pending_.clear();
  return {};
}

Result<Fd> SparseFile::finish() && {
  if (auto r = flush(); !r) return std::move(r).error();
  if (ftruncate(fd_.get(), static_cast<off_t>(flushed_)) != 0) {
    return posix_error("write a temporary file in " + folder_, errno);
  }
  return std::move(fd_);
}

}  // namespace netpoll::probes
