/*
 * known_uring [await]: submits operations to io_uring by system calls alone and prints what it did, a line for each
 * completion in their order: NAME FD USER_DATA RESULT, FD being "file N" for a registered file and - where the
 * operation is about none. At last "open NAME FD USER_DATA" for what is left under way, after which it waits for the
 * end of its standard input. With await it begins after a line of that. Prints "refused" where the kernel has no
 * io_uring for us.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 16

static int ring_fd;
static struct io_uring_params params;
static char* rings;
static struct io_uring_sqe* sqes;

static void must(bool ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static unsigned* word(unsigned offset) { return (unsigned*)(rings + offset); }

static bool begin(void) {
  ring_fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
  if (ring_fd < 0) return false;
  const size_t sq = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  const size_t cq = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  must((params.features & IORING_FEAT_SINGLE_MMAP) != 0, "one mapping for both queues");
  rings = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd, IORING_OFF_SQ_RING);
  sqes = mmap(NULL, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd,
              IORING_OFF_SQES);
  must(rings != MAP_FAILED && sqes != MAP_FAILED, "mmap of io_uring");
  return true;
}

static void queue(struct io_uring_sqe sqe) {
  const unsigned tail = *word(params.sq_off.tail), index = tail & (params.sq_entries - 1);
  sqes[index] = sqe;
  word(params.sq_off.array)[index] = index;
  __atomic_store_n(word(params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

static void submit(unsigned count, unsigned wait_for) {
  const long taken =
      syscall(SYS_io_uring_enter, ring_fd, count, wait_for, wait_for ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
  must(taken == (long)count, "io_uring_enter");
}

struct name {
  __u64 user_data;
  const char* name;
  char about[24];
};
static struct name known[32];
static unsigned names;

static __u64 call_it(const char* name, const char* about, int number) {
  struct name* mine = &known[names];
  mine->user_data = 0xabc000 + names++;
  mine->name = name;
  snprintf(mine->about, sizeof(mine->about), number < 0 ? "%s" : "%s%d", about, number);
  return mine->user_data;
}

static const struct name* look_up(__u64 user_data) {
  for (unsigned i = 0; i < names; ++i) {
    if (known[i].user_data == user_data) return &known[i];
  }
  abort();
}

/* Prints what has completed; how many. */
static unsigned reap(void) {
  unsigned head = *word(params.cq_off.head), count = 0;
  const struct io_uring_cqe* cqes = (const struct io_uring_cqe*)(rings + params.cq_off.cqes);
  for (; head != __atomic_load_n(word(params.cq_off.tail), __ATOMIC_ACQUIRE); ++head, ++count) {
    const struct io_uring_cqe* cqe = &cqes[head & (params.cq_entries - 1)];
    const struct name* of = look_up(cqe->user_data);
    printf("%s %s 0x%" PRIx64 " %d\n", of->name, of->about, (uint64_t)cqe->user_data, cqe->res);
  }
  __atomic_store_n(word(params.cq_off.head), head, __ATOMIC_RELEASE);
  return count;
}

static void run(struct io_uring_sqe sqe, unsigned completions) {
  queue(sqe);
  submit(1, completions);
  must(reap() == completions, "completions");
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "await") == 0 && getchar() == EOF) return 1;
  if (!begin()) {
    puts("refused");
    return 0;
  }
  int pair[2], idle[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, idle) == 0, "socketpair");
  must(syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_FILES, pair, 2) == 0, "io_uring_register");
  char buffer[16];

  run((struct io_uring_sqe){.opcode = IORING_OP_NOP, .fd = -1, .user_data = call_it("nop", "-", -1)}, 1);
  /* One that waits, and what ends it 20 ms later. */
  run((struct io_uring_sqe){.opcode = IORING_OP_RECV,
                            .fd = pair[0],
                            .addr = (__u64)(uintptr_t)buffer,
                            .len = 16,
                            .user_data = call_it("recv", "", pair[0])},
      0);
  usleep(20000);
  run((struct io_uring_sqe){.opcode = IORING_OP_SEND,
                            .fd = pair[1],
                            .addr = (__u64)(uintptr_t) "hello",
                            .len = 5,
                            .user_data = call_it("send", "", pair[1])},
      2);
  run((struct io_uring_sqe){.opcode = IORING_OP_WRITE,
                            .flags = IOSQE_FIXED_FILE,
                            .fd = 1,
                            .off = (__u64)-1,
                            .addr = (__u64)(uintptr_t) "abc",
                            .len = 3,
                            .user_data = call_it("write", "file ", 1)},
      1);
  /* By a thread of the kernel's own, which stays for some seconds. */
  run((struct io_uring_sqe){.opcode = IORING_OP_READ,
                            .flags = IOSQE_ASYNC,
                            .fd = pair[0],
                            .addr = (__u64)(uintptr_t)buffer,
                            .len = 16,
                            .off = (__u64)-1,
                            .user_data = call_it("read", "", pair[0])},
      1);
  run((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = 1000000, .user_data = call_it("close", "-", -1)}, 1);
  /* One that completes several times. */
  run((struct io_uring_sqe){.opcode = IORING_OP_POLL_ADD,
                            .fd = pair[0],
                            .poll32_events = POLLIN,
                            .len = IORING_POLL_ADD_MULTI,
                            .user_data = call_it("poll_add", "", pair[0])},
      0);
  const __u64 repeated = known[names - 1].user_data;
  for (int i = 0; i < 2; ++i) {
    must(write(pair[1], "x", 1) == 1, "write");
    submit(0, 1);
    must(reap() == 1, "completions");
    must(read(pair[0], buffer, sizeof(buffer)) == 1, "read");
  }
  run(
      (struct io_uring_sqe){
          .opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = repeated, .user_data = call_it("async_cancel", "-", -1)},
      2);

  run((struct io_uring_sqe){.opcode = IORING_OP_RECV,
                            .fd = idle[0],
                            .addr = (__u64)(uintptr_t)buffer,
                            .len = 16,
                            .user_data = call_it("recv", "", idle[0])},
      0);
  printf("open recv %d 0x%" PRIx64 "\n", idle[0], (uint64_t)known[names - 1].user_data);
  fflush(stdout);
  return getchar() == EOF ? 0 : 1;
}
