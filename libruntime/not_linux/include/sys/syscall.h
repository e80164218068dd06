// sys/syscall.h, for systems other than Linux: names for what net/ asks of the kernel, answered by base/syscall_bsd.cc
// and base/syscall_windows.cc. The values mean nothing to those systems.
#pragma once

// An error of Linux alone.
#ifndef ENONET
#define ENONET 10050
#endif

enum NetpollSystemCall {
  SYS_accept4,
  SYS_bind,
  SYS_close,
  SYS_connect,
  SYS_fcntl,
  SYS_fstat,
  SYS_fsync,
  SYS_getpeername,
  SYS_getsockname,
  SYS_getsockopt,
  SYS_listen,
  SYS_openat,
  SYS_pipe2,
  SYS_ppoll,
  SYS_pread64,
  SYS_pwrite64,
  SYS_read,
  SYS_readv,
  SYS_recvfrom,
  SYS_recvmsg,
  SYS_sendfile,
  SYS_sendmsg,
  SYS_sendto,
  SYS_setsockopt,
  SYS_shutdown,
  SYS_socket,
  SYS_socketpair,
  SYS_unlinkat,
  SYS_write,
  SYS_writev
};
