/*
 * traced: does what is hard for a tracer, and prints what it did in the format of known_calls.
 *
 *   traced interrupts N        a signal during each of N epoll_pwait calls: all of them return EINTR
 *   traced thread-exec CMD...  a second thread executes CMD while the first and two more live
 *   traced spawn CMD...        posix_spawn of CMD, then vfork and exec of CMD
 *   traced await-exec CMD...   prints "ready", waits for standard input in a call that is not counted, executes CMD
 *   traced hammer THREADS      prints "ready"; THREADS threads call epoll_pwait(timeout 0) until standard input ends
 *   traced leaderless          as hammer 1, after the first thread has left; ready once it has
 *   traced waits               prints "ready"; threads in epoll_wait, epoll_pwait, epoll_pwait2, sigtimedwait, semop
 * ppoll, pselect6 and a recv with a timeout, until standard input ends; prints "interrupted N", how often any returned
 * EINTR traced crowd               8 threads at once that make 500 calls each, then 32 in turn that make 20 traced
 * family 6 children with a grandchild each; every process makes 100 calls. No wait with a timeout, since the end of a
 * child interrupts those of a traced process traced churn               prints "ready"; creates threads that make 3
 * calls each until standard input ends traced affinity ROUNDS     calls until it is the one busy thread, then looks at
 * its CPU affinity, and that of a new thread and a new process; prints "narrowed N", how often any was not as at the
 * start traced pinned restricts itself to its first CPU, calls as in affinity, prints "narrowed N" likewise
 *   traced polls               prints "ready"; one poll of standard input; prints "events N", what it returned
 *
 * hammer and churn print "wrong N": calls that did not return what they must.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "traced: %s: %s\n", what, strerror(errno));
  _exit(99);
}

static long waits_here, *waits = &waits_here, wrong;

/* Returns the errno of an epoll_pwait, 0 for none. */
static int look(int epfd, int timeout_ms, const sigset_t* mask) {
  struct epoll_event event;
  __atomic_fetch_add(waits, 1, __ATOMIC_RELAXED);
  const long result = syscall(SYS_epoll_pwait, epfd, &event, 1, timeout_ms, mask, sizeof(uint64_t));
  if (result == 0) return 0;
  return result < 0 ? errno : -1;
}

static void must_be_empty(int epfd) {
  if (look(epfd, 0, NULL) != 0) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void ready(void) { must(write(1, "ready\n", 6) == 6, "write"); }

/* Standard input is a pipe: by tee, which is not counted and takes nothing out. */
static void await_stdin(void) {
  int copy[2];
  must(pipe(copy) == 0, "pipe");
  while (tee(0, copy[1], 1, 0) < 0) must(errno == EINTR, "tee");
}

static void create_detached_with(void* (*body)(void*), void* argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  must(pthread_create(&thread, &attributes, body, argument) == 0, "pthread_create");
}
static void create_detached(void* (*body)(void*)) { create_detached_with(body, NULL); }

/* interrupts: the signal is blocked but for the duration of the call, so each interrupts exactly one. */
static pthread_t main_thread;
static long rounds, target_rounds;
static void on_signal(int signal) { (void)signal; }
static void* interrupter(void* unused) {
  for (long i = 0; i < target_rounds; ++i) {
    pthread_kill(main_thread, SIGUSR1);
    while (__atomic_load_n(&rounds, __ATOMIC_ACQUIRE) <= i) sched_yield();
  }
  return unused;
}
static void interrupts(long count) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
  pthread_sigmask(SIG_BLOCK, &blocked, NULL);
  const int epfd = epoll_create1(0);
  main_thread = pthread_self();
  target_rounds = count;
  create_detached(interrupter);
  for (long i = 0; i < count; ++i) {
    must(look(epfd, -1, &none) == EINTR, "epoll_pwait EINTR");
    __atomic_store_n(&rounds, i + 1, __ATOMIC_RELEASE);
  }
  printf("call epoll_pwait %ld\nerror epoll_pwait %d %ld\n", *waits, EINTR, count);
}

static char** command;
static void* sleeper(void* unused) {
  for (;;) pause();
  return unused;
}
static void* executer(void* unused) {
  execv(command[0], command);
  must(0, "execv");
  return unused;
}
static void thread_exec(void) {
  create_detached(sleeper);
  create_detached(sleeper);
  create_detached(executer);
  sleeper(NULL);
}

extern char** environ;
static void reap(pid_t child) {
  int status = 0;
  must(waitpid(child, &status, 0) == child && status == 0, "command failed");
}
static void spawn(void) {
  pid_t child = 0;
  must(posix_spawn(&child, command[0], NULL, NULL, command, environ) == 0, "posix_spawn");
  reap(child);
  child = vfork();
  if (child == 0) {
    execv(command[0], command);
    _exit(98);
  }
  reap(child);
}

static int stop;
static long running;
static void* hammer_body(void* unused) {
  const int epfd = epoll_create1(0);
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) must_be_empty(epfd);
  close(epfd);
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return unused;
}
static void finish_threads(void) {
  await_stdin();
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) sched_yield();
  printf("call epoll_pwait %ld\nwrong %ld\n", *waits, wrong);
}
static void hammer(long threads) {
  running = threads;
  for (long i = 0; i < threads; ++i) create_detached(hammer_body);
  ready();
  finish_threads();
}

static void* second_life(void* unused) {
  char state = 0;
  while (state != 'Z') {
    FILE* file = fopen("/proc/self/stat", "r");
    must(file != NULL && fscanf(file, "%*d (traced) %c", &state) == 1, "/proc/self/stat");
    fclose(file);
    sched_yield();
  }
  hammer(1);
  exit(0);
  return unused;
}
static void leaderless(void) {
  create_detached(second_life);
  pthread_exit(NULL);
}

/* Each kind of wait ends by what main does once standard input has ended. */
static int woken_fd, woken_epfd, semaphores, pair[2];
static long interrupted;
static void* waiter(void* kind) {
  struct epoll_event event;
  struct sembuf down = {0, -1, 0};
  struct pollfd entry = {woken_fd, POLLIN, 0};
  fd_set set;
  FD_ZERO(&set);
  FD_SET(woken_fd, &set);
  sigset_t usr2;
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  char byte;
  long result = -1;
  __atomic_fetch_add(&running, 1, __ATOMIC_RELEASE);
  while (result < 0) {
    switch ((long)kind) {
      case 0:
        result = syscall(SYS_epoll_pwait, woken_epfd, &event, 1, -1, NULL, sizeof(uint64_t));
        break;
      case 1:
        result = epoll_wait(woken_epfd, &event, 1, -1);
        break;
      case 2:
        result = syscall(SYS_epoll_pwait2, woken_epfd, &event, 1, NULL, NULL, sizeof(uint64_t));
        if (result < 0 && errno == ENOSYS) result = 0;
        break;
      case 3:
        result = syscall(SYS_rt_sigtimedwait, &usr2, NULL, NULL, sizeof(uint64_t));
        break;
      case 4:
        result = semop(semaphores, &down, 1);
        break;
      case 5:
        result = syscall(SYS_ppoll, &entry, 1, NULL, NULL, sizeof(uint64_t));
        break;
      case 6:
        result = syscall(SYS_pselect6, woken_fd + 1, &set, NULL, NULL, NULL, NULL);
        break;
      default:
        result = recv(pair[0], &byte, 1, 0);
    }
    if (result >= 0) break;
    must(errno == EINTR, "a wait");
    __atomic_fetch_add(&interrupted, 1, __ATOMIC_RELAXED);
  }
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return NULL;
}

/* The kernel goes on with it by restart_syscall(2) after a stop. */
static void poll_stdin(void) {
  struct pollfd in = {.fd = 0, .events = POLLIN};
  ready();
  printf("events %d\n", poll(&in, 1, -1));
}

static void waits_of_all_kinds(void) {
  enum { kKinds = 8 };
  struct epoll_event event = {.events = EPOLLIN};
  const struct timeval minutes = {300, 0};
  struct sembuf up = {0, 1, 0};
  sigset_t usr2;
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &usr2, NULL);
  const int wake = woken_fd = eventfd(0, 0);
  woken_epfd = epoll_create1(0);
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  must(wake >= 0 && semaphores >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "prepare the waits");
  must(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &minutes, sizeof minutes) == 0, "SO_RCVTIMEO");
  must(epoll_ctl(woken_epfd, EPOLL_CTL_ADD, wake, &event) == 0, "epoll_ctl");
  for (long i = 0; i < kKinds; ++i) create_detached_with(waiter, (void*)i);
  while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) < kKinds) sched_yield();
  ready();
  await_stdin();
  const uint64_t one = 1;
  must(write(wake, &one, sizeof one) == sizeof one && write(pair[1], "x", 1) == 1, "wake");
  must(kill(getpid(), SIGUSR2) == 0 && semop(semaphores, &up, 1) == 0, "wake");
  while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) sched_yield();
  semctl(semaphores, 0, IPC_RMID);
  printf("interrupted %ld\n", interrupted);
}

static int shared_epfd;
static int calls_each;
static void* member(void* unused) {
  for (int i = 0; i < calls_each; ++i) must_be_empty(shared_epfd);
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return unused;
}
static void crowd(void) {
  shared_epfd = epoll_create1(0);
  for (int batch = 0; batch < 33; ++batch) {
    const int threads = batch == 0 ? 8 : 1;
    calls_each = batch == 0 ? 500 : 20;
    running = threads;
    for (int i = 0; i < threads; ++i) create_detached(member);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) usleep(100);
  }
  printf("call epoll_pwait %ld\nwrong %ld\n", *waits, wrong);
}
static void* brief(void* unused) {
  for (int i = 0; i < 3; ++i) must_be_empty(shared_epfd);
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return unused;
}
static void* breeder(void* unused) {
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 8) sched_yield();
    __atomic_fetch_add(&running, 1, __ATOMIC_RELEASE);
    create_detached(brief);
  }
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return unused;
}
static void churn(void) {
  shared_epfd = epoll_create1(0);
  running = 2;
  create_detached(breeder);
  create_detached(breeder);
  ready();
  finish_threads();
}

static void calls(void) {
  const int epfd = epoll_create1(0);
  for (int i = 0; i < 100; ++i) must_be_empty(epfd);
}
static void family(void) {
  waits = mmap(NULL, sizeof(*waits), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(waits != MAP_FAILED, "mmap");
  pid_t children[6];
  for (int i = 0; i < 6; ++i) {
    children[i] = fork();
    if (children[i] != 0) continue;
    const pid_t grandchild = fork();
    calls();
    if (grandchild != 0) reap(grandchild);
    _exit(wrong != 0);
  }
  calls();
  for (int i = 0; i < 6; ++i) reap(children[i]);
  printf("call epoll_pwait %ld\nwrong %ld\n", *waits, wrong);
}

static cpu_set_t original;
static long narrowed;
static int is_narrowed(void) {
  cpu_set_t now;
  must(sched_getaffinity(0, sizeof(now), &now) == 0, "sched_getaffinity");
  return !CPU_EQUAL(&now, &original);
}
static void* look_at_affinity(void* unused) {
  if (is_narrowed()) __atomic_fetch_add(&narrowed, 1, __ATOMIC_RELAXED);
  __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
  return unused;
}
static void be_busy(int epfd) {
  for (int i = 0; i < 200; ++i) must_be_empty(epfd);
}
static void affinity(long count) {
  must(sched_getaffinity(0, sizeof(original), &original) == 0, "sched_getaffinity");
  const int epfd = epoll_create1(0);
  for (long i = 0; i < count; ++i) {
    be_busy(epfd);
    if (is_narrowed()) ++narrowed;
    be_busy(epfd);
    running = 1;
    create_detached(look_at_affinity);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) sched_yield();
    be_busy(epfd);
    const pid_t child = fork();
    if (child == 0) _exit(is_narrowed());
    int status = 0;
    must(waitpid(child, &status, 0) == child, "waitpid");
    if (status != 0) ++narrowed;
  }
  printf("call epoll_pwait %ld\nnarrowed %ld\nwrong %ld\n", *waits, narrowed, wrong);
}
static void pinned(void) {
  cpu_set_t all;
  must(sched_getaffinity(0, sizeof(all), &all) == 0, "sched_getaffinity");
  const int epfd = epoll_create1(0);
  be_busy(epfd);
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  CPU_ZERO(&original);
  CPU_SET(first, &original);
  must(sched_setaffinity(0, sizeof(original), &original) == 0, "sched_setaffinity");
  be_busy(epfd);
  if (is_narrowed()) ++narrowed;
  /* No longer: what it sets while it is busy must last. */
  original = all;
  must(sched_setaffinity(0, sizeof(original), &original) == 0, "sched_setaffinity");
  be_busy(epfd);
  if (is_narrowed()) ++narrowed;
  printf("call epoll_pwait %ld\nnarrowed %ld\nwrong %ld\n", *waits, narrowed, wrong);
}

int main(int argc, char** argv) {
  must(argc >= 2, "usage");
  const char* what = argv[1];
  const long number = argc > 2 ? atol(argv[2]) : 0;
  command = argv + 2;
  if (strcmp(what, "interrupts") == 0)
    interrupts(number);
  else if (strcmp(what, "thread-exec") == 0)
    thread_exec();
  else if (strcmp(what, "spawn") == 0)
    spawn();
  else if (strcmp(what, "await-exec") == 0)
    ready(), await_stdin(), executer(NULL);
  else if (strcmp(what, "hammer") == 0)
    hammer(number);
  else if (strcmp(what, "leaderless") == 0)
    leaderless();
  else if (strcmp(what, "polls") == 0)
    poll_stdin();
  else if (strcmp(what, "waits") == 0)
    waits_of_all_kinds();
  else if (strcmp(what, "crowd") == 0)
    crowd();
  else if (strcmp(what, "family") == 0)
    family();
  else if (strcmp(what, "churn") == 0)
    churn();
  else if (strcmp(what, "affinity") == 0)
    affinity(number);
  else if (strcmp(what, "pinned") == 0)
    pinned();
  else
    must(0, "unknown scenario");
  return 0;
}
