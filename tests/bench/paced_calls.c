/*
 * paced_calls CALLS [PER_SECOND]: makes CALLS calls of epoll_wait with nothing to report, at most so many a second, and
 * prints the CPU time that each took, in ns. With 0 a second, or none given, as fast as it can.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static long long now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char** argv) {
  const long calls = argc > 1 ? atol(argv[1]) : 1000000;
  const long per_second = argc > 2 ? atol(argv[2]) : 0;
  const int epfd = epoll_create1(0);
  struct epoll_event event;
  const long long begin = now_ns(CLOCK_MONOTONIC);
  const long long cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
  for (long i = 0; i < calls; ++i) {
    epoll_wait(epfd, &event, 1, 0);
    /* In steps of a hundred: looking at the clock costs as much as a call. */
    if (per_second == 0 || i % 100 != 0) continue;
    while (now_ns(CLOCK_MONOTONIC) - begin < i * (1000000000LL / per_second)) {
    }
  }
  printf("%lld\n", (now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / (calls > 0 ? calls : 1));
  return 0;
}
