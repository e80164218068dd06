// Reads memory by process_vm_readv(2), in batches.
#include "probes/process/memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string>

#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

class ProcessMemory : public Memory {
 public:
  explicit ProcessMemory(pid_t pid) : pid_(pid), thread_(living_thread(pid)) {}

  Result<void> read_batch(std::span<ReadPiece> pieces) override {
    std::size_t next = 0;
    while (next < pieces.size()) {
      const std::size_t count = std::min<std::size_t>(pieces.size() - next, kBatch);
      auto done = read_some(pieces.subspan(next, count));
      if (!done) return std::move(done).error();
      next += *done;
    }
    return {};
  }

 private:
  static constexpr std::size_t kBatch = IOV_MAX;
  static constexpr std::uint64_t kMaxGap = 2048;  // less than a page

  // Whether next begins so shortly behind piece that one remote element holds both. What lies between is on a page of
  // one of them, so that it is readable if they are.
  static bool adjoins(const ReadPiece& piece, const ReadPiece& next) {
    const std::uint64_t end = piece.address + piece.size;
    return end >= piece.address && next.address >= end && next.address - end <= kMaxGap &&
           next.address + next.size >= next.address;
  }

  // Reads a prefix of pieces and returns how many it dealt with: those that arrived, and the one that stopped it.
  // process_vm_readv(2) looks the pages of every remote element up anew, so neighbours are read as one, and what lies
  // between them goes to where nobody looks. What it read is a prefix of the bytes asked for.
  Result<std::size_t> read_some(std::span<ReadPiece> pieces) {
    std::size_t locals = 0;
    std::size_t remotes = 0;
    std::size_t count = 0;
    for (; count < pieces.size() && locals + 2 <= kBatch; ++count) {
      ReadPiece& piece = pieces[count];
      gaps_[count] = 0;
      if (count > 0 && adjoins(pieces[count - 1], piece)) {
        gaps_[count] = piece.address - (pieces[count - 1].address + pieces[count - 1].size);
        if (gaps_[count] != 0) local_[locals++] = {between_.data(), gaps_[count]};
        remote_[remotes - 1].iov_len += gaps_[count] + piece.size;
      } else {
        remote_[remotes++] = {reinterpret_cast<void*>(piece.address), piece.size};
      }
      local_[locals++] = {piece.into, piece.size};
      piece.done = false;
    }
    const ssize_t got = process_vm_readv(thread_, local_.data(), locals, remote_.data(), remotes, 0);
    if (got < 0) {
      // EFAULT and EINVAL (an address range that wraps) concern the first piece alone.
      if (errno == EFAULT || errno == EINVAL) return std::size_t{1};
      return process_error(pid_, errno);
    }
    auto left = static_cast<std::size_t>(got);
    std::size_t whole = 0;
    while (whole < count && left >= gaps_[whole] + pieces[whole].size) {
      left -= gaps_[whole] + pieces[whole].size;
      pieces[whole++].done = true;
    }
    return whole < count ? whole + 1 : whole;
  }

  pid_t pid_;
  pid_t thread_;
  std::array<iovec, kBatch> local_;
  std::array<iovec, kBatch> remote_;
  std::array<std::uint64_t, kBatch> gaps_;  // bytes before each piece
  std::array<std::byte, kMaxGap> between_;
};

}  // namespace

std::unique_ptr<Memory> make_process_memory(pid_t pid) { return std::make_unique<ProcessMemory>(pid); }

std::string_view process_lister() { return "ps -e"; }

std::string refusal_hint() {
  std::string hint = "its memory is readable for its own user, root, and holders of CAP_SYS_PTRACE: try sudo";
  if (const int scope = yama_ptrace_scope(); scope > 0) {
    hint += "; kernel.yama.ptrace_scope=" + std::to_string(scope) + " forbids it to the same user as well";
  }
  return hint;
}

}  // namespace netpoll::probes
