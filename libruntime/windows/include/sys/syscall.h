// sys/syscall.h, for Windows: names for what net/ asks of the kernel, answered by base/syscall_windows.cc. The values
// mean nothing to Windows.
#pragma once

enum NetpollSystemCall {
  SYS_accept4,
  SYS_bind,
  SYS_close,
  SYS_connect,
  SYS_fcntl,
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
  SYS_statx,
  SYS_unlinkat,
  SYS_write,
  SYS_writev
};
