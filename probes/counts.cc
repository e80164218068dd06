#include "probes/counts.h"

namespace netpoll::probes {
namespace {

constexpr std::array<std::string_view, kSyscallCount> kNames = {
#define NETPOLL_SYSCALL(name, class_) #name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

constexpr std::array<std::string_view, kSyscallCount> kClasses = {
#define NETPOLL_SYSCALL(name, class_) #class_,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

}  // namespace

std::string_view syscall_name(Syscall syscall) { return kNames[static_cast<std::size_t>(syscall)]; }

std::string_view syscall_class(Syscall syscall) { return kClasses[static_cast<std::size_t>(syscall)]; }

std::optional<Syscall> parse_syscall(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Syscall>(i);
  }
  return std::nullopt;
}

bool is_epoll_wait(Syscall syscall) { return syscall_class(syscall) == "wait"; }

}  // namespace netpoll::probes
