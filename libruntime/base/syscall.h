// syscall.h: system calls that return -errno.
//
// Goroutines move between threads, and glibc declares __errno_location() const, so a compiler may keep the address of
// one thread's errno across a park and read another thread's failure. Code that runs in goroutines therefore never
// touches errno: it uses these wrappers, which issue the call and take its errno before anything can switch.
//
// Other systems have no such numbers, or promise none. There the header that defines them is ours
// (libruntime/not_linux/include/sys/syscall.h), and syscall_bsd.cc and syscall_windows.cc do what net/ asks for.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace netpoll::base {

// As wide as a pointer.
using Word = std::intptr_t;

// Issues system call number with up to six word arguments; returns its result, or -errno.
#if defined(__x86_64__) && defined(__linux__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__) && defined(__linux__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
Word raw_syscall(long number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0, Word f = 0);
#endif

template <typename T>
inline Word syscall_word(T value) {
  return static_cast<Word>(value);
}
template <typename T>
inline Word syscall_word(T* pointer) {
  return reinterpret_cast<Word>(pointer);
}
inline Word syscall_word(std::nullptr_t) { return 0; }

// sys(SYS_read, fd, buffer, size): as raw_syscall, with pointers and integers of any width.
template <typename... Args>
inline long sys(long number, Args... args) {
  return static_cast<long>(raw_syscall(number, syscall_word(args)...));
}

}  // namespace netpoll::base
