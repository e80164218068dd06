// The table of blocking calls of this architecture.
#include "probes/process/blocking_calls.h"

#include <sys/syscall.h>

#include <array>
#include <string_view>

namespace netpoll::probes {
namespace {

// Machines differ in which calls they have. What <sys/syscall.h> does not define gets a number that none has.
#ifndef SYS_epoll_wait
#define SYS_epoll_wait -1
#endif
#ifndef SYS_poll
#define SYS_poll -1
#endif
#ifndef SYS_select
#define SYS_select -1
#endif
#ifndef SYS_pause
#define SYS_pause -1
#endif
#ifndef SYS_open
#define SYS_open -1
#endif
#ifndef SYS_getdents
#define SYS_getdents -1
#endif

struct Row {
  long number;
  std::string_view name;
  CallObject fd;
};

constexpr auto kRows = std::to_array<Row>({
    {SYS_read, "read", CallObject::kReads},
    {SYS_pread64, "pread64", CallObject::kReads},
    {SYS_readv, "readv", CallObject::kReads},
    {SYS_preadv, "preadv", CallObject::kReads},
    {SYS_recvfrom, "recvfrom", CallObject::kReads},
    {SYS_recvmsg, "recvmsg", CallObject::kReads},
    {SYS_recvmmsg, "recvmmsg", CallObject::kReads},
    {SYS_accept, "accept", CallObject::kReads},
    {SYS_accept4, "accept4", CallObject::kReads},
    {SYS_getdents, "getdents", CallObject::kReads},
    {SYS_getdents64, "getdents64", CallObject::kReads},
    {SYS_write, "write", CallObject::kWrites},
    {SYS_pwrite64, "pwrite64", CallObject::kWrites},
    {SYS_writev, "writev", CallObject::kWrites},
    {SYS_pwritev, "pwritev", CallObject::kWrites},
    {SYS_sendto, "sendto", CallObject::kWrites},
    {SYS_sendmsg, "sendmsg", CallObject::kWrites},
    {SYS_sendmmsg, "sendmmsg", CallObject::kWrites},
    {SYS_sendfile, "sendfile", CallObject::kWrites},
    {SYS_connect, "connect", CallObject::kWrites},
    {SYS_fsync, "fsync", CallObject::kWrites},
    {SYS_fdatasync, "fdatasync", CallObject::kWrites},
    {SYS_fallocate, "fallocate", CallObject::kWrites},
    {SYS_ftruncate, "ftruncate", CallObject::kWrites},
    {SYS_splice, "splice", CallObject::kOther},
    {SYS_tee, "tee", CallObject::kOther},
    {SYS_vmsplice, "vmsplice", CallObject::kOther},
    {SYS_copy_file_range, "copy_file_range", CallObject::kOther},
    {SYS_close, "close", CallObject::kOther},
    {SYS_ioctl, "ioctl", CallObject::kOther},
    {SYS_fcntl, "fcntl", CallObject::kOther},
    {SYS_flock, "flock", CallObject::kOther},
    {SYS_fstat, "fstat", CallObject::kOther},
    {SYS_epoll_wait, "epoll_wait", CallObject::kOther},
    {SYS_epoll_pwait, "epoll_pwait", CallObject::kOther},
    {SYS_io_getevents, "io_getevents", CallObject::kNone},
    {SYS_poll, "poll", CallObject::kNone},
    {SYS_ppoll, "ppoll", CallObject::kNone},
    {SYS_select, "select", CallObject::kNone},
    {SYS_pselect6, "pselect6", CallObject::kNone},
    {SYS_futex, "futex", CallObject::kNone},
    {SYS_nanosleep, "nanosleep", CallObject::kNone},
    {SYS_clock_nanosleep, "clock_nanosleep", CallObject::kNone},
    {SYS_pause, "pause", CallObject::kNone},
    {SYS_wait4, "wait4", CallObject::kNone},
    {SYS_waitid, "waitid", CallObject::kNone},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", CallObject::kNone},
    {SYS_rt_sigsuspend, "rt_sigsuspend", CallObject::kNone},
    {SYS_open, "open", CallObject::kNone},
    {SYS_openat, "openat", CallObject::kNone},
    {SYS_msgrcv, "msgrcv", CallObject::kNone},
    {SYS_msgsnd, "msgsnd", CallObject::kNone},
    {SYS_semop, "semop", CallObject::kNone},
    {SYS_semtimedop, "semtimedop", CallObject::kNone},
    {SYS_sched_yield, "sched_yield", CallObject::kNone},
    {SYS_sync, "sync", CallObject::kNone},
    {SYS_execve, "execve", CallObject::kNone},
    {SYS_mmap, "mmap", CallObject::kNone},
    {SYS_munmap, "munmap", CallObject::kNone},
    {SYS_madvise, "madvise", CallObject::kNone},
});

}  // namespace

BlockingCall blocking_call(long number) {
  for (const Row& row : kRows) {
    if (row.number == number) return {.name = std::string(row.name), .fd = row.fd};
  }
  return {.name = "syscall " + std::to_string(number), .fd = CallObject::kNone};
}

}  // namespace netpoll::probes
