/*
 * calls32: a 32-bit program that makes 1,000 write(2), each of which fails, and exits with 0. It needs no library, and
 * so no 32-bit one.
 */
static long call(long nr, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}

void _start(void) {
  long refused = 0;
  for (int i = 0; i < 1000; ++i) refused += call(4, -1, 0, 0) == -9;
  call(1, refused == 1000 ? 0 : 1, 0, 0);
  __builtin_unreachable();
}
