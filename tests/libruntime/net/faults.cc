// Stands in for the system calls of net/ and makes them fail as scripted.
#include "tests/libruntime/net/faults.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "libruntime/net/sys.h"

namespace netpoll::test {
namespace {

// Issues the call with its byte count, or its first buffer, cut down to limit.
long shortened(long number, const long (&args)[6], std::size_t limit) {
  long changed[6];
  std::copy(std::begin(args), std::end(args), changed);
  iovec piece{};
  msghdr message{};
  const auto cut = [&](const iovec* buffers, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (buffers[i].iov_len == 0) continue;
      piece = {buffers[i].iov_base, std::min(buffers[i].iov_len, limit)};
      return;
    }
  };
  switch (number) {
    case SYS_readv:
    case SYS_writev:
      cut(reinterpret_cast<const iovec*>(args[1]), static_cast<std::size_t>(args[2]));
      changed[1] = reinterpret_cast<long>(&piece);
      changed[2] = 1;
      break;
    case SYS_recvmsg:
    case SYS_sendmsg:
      std::memcpy(&message, reinterpret_cast<const void*>(args[1]), sizeof message);
      cut(message.msg_iov, message.msg_iovlen);
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      changed[1] = reinterpret_cast<long>(&message);
      break;
    case SYS_sendfile:
      changed[3] = std::min(args[3], static_cast<long>(limit));
      break;
    default:
      changed[2] = std::min(args[2], static_cast<long>(limit));
      break;
  }
  return base::raw_syscall(number, changed[0], changed[1], changed[2], changed[3], changed[4], changed[5]);
}

}  // namespace

Faults& Faults::instance() {
  static Faults faults;
  return faults;
}

void Faults::clear() {
  std::lock_guard lock(mutex_);
  rules_.clear();
  active_ = false;
  injected_ = 0;
  for (auto& count : calls_) count = 0;
  for (auto& count : eagain_) count = 0;
}

void Faults::add(const Fault& fault) {
  std::lock_guard lock(mutex_);
  rules_.push_back({fault});
  active_ = true;
}

const Fault* Faults::match(long number) {
  for (Rule& rule : rules_) {
    if (rule.fault.number != number) continue;
    const int seen = rule.seen++;
    const bool strikes = rule.fault.every > 0 ? seen % rule.fault.every == 0
                                              : seen >= rule.fault.skip && seen < rule.fault.skip + rule.fault.times;
    if (strikes) return &rule.fault;
  }
  return nullptr;
}

long Faults::call(long number, const long (&args)[6]) {
  if (number < kNumbers) calls_[number].fetch_add(1, std::memory_order_relaxed);
  std::optional<Fault> fault;
  if (active_.load()) {
    std::lock_guard lock(mutex_);
    if (const Fault* found = match(number)) fault = *found;
  }
  long result = 0;
  if (!fault || fault->late) result = base::raw_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  if (fault) {
    injected_.fetch_add(1, std::memory_order_relaxed);
    result = fault->error > 0 ? -fault->error : shortened(number, args, fault->shorten);
  }
  if (result == -EAGAIN && number < kNumbers) eagain_[number].fetch_add(1, std::memory_order_relaxed);
  return result;
}

}  // namespace netpoll::test

namespace netpoll::net {

long fault_sys(long number, const long (&args)[6]) { return test::Faults::instance().call(number, args); }

}  // namespace netpoll::net
