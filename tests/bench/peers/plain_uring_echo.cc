// plain_uring_echo: the floor of io_uring. One thread, one ring, one operation per connection at a time, no
// abstraction.
//
//   plain_uring_echo [defer|coop|plain|multishot|zerocopy|timeouts] [PORT]
//
// Prints "127.0.0.1:PORT plain io_uring, defer" and serves until the end of its standard input. defer: SINGLE_ISSUER
// and DEFER_TASKRUN, what a loop of one thread can have; coop: COOP_TASKRUN; plain: neither, what threads can share.
// As defer: multishot, where one receive per connection goes on into buffers that the ring has; zerocopy, by SEND_ZC;
// timeouts, where each receive has a linked timeout that does not pass.
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kBuffer = 4096;
constexpr unsigned kEntries = 2048;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Connection {
  int fd;
  bool sending;
  unsigned size;  // what is to be sent, from `sent` on
  unsigned sent;
  bool borrowed;  // zerocopy: the kernel still reads from `buffer`
  char buffer[kBuffer];
  // multishot: received and not yet sent, the first being sent; none of `buffer` is used.
  struct Piece {
    std::uint16_t buffer;
    unsigned size;
  };
  std::vector<Piece> pieces;
  bool ended;
};

class Ring {
 public:
  explicit Ring(unsigned flags);
  io_uring_sqe& next();
  void submit_and_wait();
  // The ring's own buffers, of kBuffer bytes each, in group 0.
  void provide_buffers();
  char* buffer(std::uint16_t id) { return buffers_ + id * kBuffer; }
  void give_back(std::uint16_t id);
  template <typename F>
  void for_each(F&& f);

 private:
  int fd_;
  unsigned *sq_tail_, *cq_head_, *cq_tail_;
  unsigned* sq_head_;
  unsigned cq_mask_;
  io_uring_sqe* sqes_;
  io_uring_cqe* cqes_;
  io_uring_buf_ring* provided_ = nullptr;
  char* buffers_ = nullptr;
};

std::atomic_ref<unsigned> word(unsigned* at) { return std::atomic_ref<unsigned>(*at); }

Ring::Ring(unsigned flags) {
  io_uring_params params{};
  params.flags = flags | IORING_SETUP_CQSIZE;
  params.cq_entries = 4 * kEntries;
  fd_ = static_cast<int>(syscall(SYS_io_uring_setup, kEntries, &params));
  if (fd_ < 0) die("io_uring_setup");
  const auto map = [this](std::size_t size, std::uint64_t offset) {
    void* memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, static_cast<off_t>(offset));
    if (memory == MAP_FAILED) die("mmap");
    return static_cast<char*>(memory);
  };
  char* rings = map(std::max(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                             params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe)),
                    IORING_OFF_SQ_RING);
  sqes_ = reinterpret_cast<io_uring_sqe*>(map(params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
  sq_head_ = reinterpret_cast<unsigned*>(rings + params.sq_off.head);
  sq_tail_ = reinterpret_cast<unsigned*>(rings + params.sq_off.tail);
  cq_head_ = reinterpret_cast<unsigned*>(rings + params.cq_off.head);
  cq_tail_ = reinterpret_cast<unsigned*>(rings + params.cq_off.tail);
  cq_mask_ = params.cq_entries - 1;
  cqes_ = reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes);
  auto* order = reinterpret_cast<unsigned*>(rings + params.sq_off.array);
  for (unsigned i = 0; i < params.sq_entries; ++i) order[i] = i;
}

io_uring_sqe& Ring::next() {
  const unsigned tail = *sq_tail_;
  if (tail - word(sq_head_).load(std::memory_order_acquire) == kEntries &&
      syscall(SYS_io_uring_enter, fd_, kEntries, 0, 0, nullptr, 0) < 0) {
    die("io_uring_enter");
  }
  io_uring_sqe& sqe = sqes_[tail & (kEntries - 1)];
  sqe = {};
  word(sq_tail_).store(tail + 1, std::memory_order_release);
  return sqe;
}

void Ring::submit_and_wait() {
  const unsigned count = *sq_tail_ - word(sq_head_).load(std::memory_order_acquire);
  if (syscall(SYS_io_uring_enter, fd_, count, 1, IORING_ENTER_GETEVENTS, nullptr, 0) < 0 && errno != EINTR) {
    die("io_uring_enter");
  }
}

void Ring::provide_buffers() {
  const auto map = [](std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    return memory;
  };
  provided_ = static_cast<io_uring_buf_ring*>(map(kEntries * sizeof(io_uring_buf)));
  buffers_ = static_cast<char*>(map(kEntries * kBuffer));
  io_uring_buf_reg group{};
  group.ring_addr = reinterpret_cast<std::uint64_t>(provided_);
  group.ring_entries = kEntries;
  if (syscall(SYS_io_uring_register, fd_, IORING_REGISTER_PBUF_RING, &group, 1) < 0) die("io_uring_register");
  for (unsigned id = 0; id < kEntries; ++id) give_back(static_cast<std::uint16_t>(id));
}

void Ring::give_back(std::uint16_t id) {
  // The tail lies in what would be the first entry's last field.
  auto* const entries = reinterpret_cast<io_uring_buf*>(provided_);
  const std::uint16_t tail = provided_->tail;
  io_uring_buf& entry = entries[tail & (kEntries - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(buffer(id));
  entry.len = kBuffer;
  entry.bid = id;
  std::atomic_ref<std::uint16_t>(provided_->tail)
      .store(static_cast<std::uint16_t>(tail + 1), std::memory_order_release);
}

template <typename F>
void Ring::for_each(F&& f) {
  unsigned head = *cq_head_;
  const unsigned tail = word(cq_tail_).load(std::memory_order_acquire);
  for (; head != tail; ++head) {
    const io_uring_cqe cqe = cqes_[head & cq_mask_];
    word(cq_head_).store(head + 1, std::memory_order_release);
    f(cqe);
  }
}

int listen_on(std::uint16_t port, sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof(address);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  return fd;
}

// What is no connection's; those are aligned.
constexpr std::uint64_t kAccept = 2, kEnd = 4, kTimeout = 8;

enum class Variant { kPlain, kMultishot, kZeroCopy, kTimeouts };

void limit_last(Ring& ring, io_uring_sqe& last) {
  static const __kernel_timespec minute{60, 0};
  last.flags |= IOSQE_IO_LINK;
  io_uring_sqe& sqe = ring.next();
  sqe.opcode = IORING_OP_LINK_TIMEOUT;
  sqe.fd = -1;
  sqe.addr = reinterpret_cast<std::uint64_t>(&minute);
  sqe.len = 1;
  sqe.user_data = kTimeout;
}

void receive(Ring& ring, Connection& c, Variant variant) {
  io_uring_sqe& sqe = ring.next();
  sqe.opcode = IORING_OP_RECV;
  sqe.ioprio = IORING_RECVSEND_POLL_FIRST;
  sqe.fd = c.fd;
  sqe.addr = reinterpret_cast<std::uint64_t>(c.buffer);
  sqe.len = kBuffer;
  sqe.user_data = reinterpret_cast<std::uint64_t>(&c);
  c.sending = false;
  if (variant == Variant::kTimeouts) limit_last(ring, sqe);
}

void send_rest(Ring& ring, Connection& c, Variant variant) {
  io_uring_sqe& sqe = ring.next();
  sqe.opcode = variant == Variant::kZeroCopy ? IORING_OP_SEND_ZC : IORING_OP_SEND;
  sqe.fd = c.fd;
  sqe.addr = reinterpret_cast<std::uint64_t>(c.buffer + c.sent);
  sqe.len = c.size - c.sent;
  sqe.msg_flags = MSG_NOSIGNAL;
  sqe.user_data = reinterpret_cast<std::uint64_t>(&c);
  c.sending = true;
}

// user_data of a send; connections are aligned.
constexpr std::uint64_t kSendBit = 1;

void receive_all(Ring& ring, Connection& c) {
  io_uring_sqe& sqe = ring.next();
  sqe.opcode = IORING_OP_RECV;
  sqe.ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
  sqe.flags = IOSQE_BUFFER_SELECT;
  sqe.fd = c.fd;
  sqe.user_data = reinterpret_cast<std::uint64_t>(&c);
}

void send_piece(Ring& ring, Connection& c) {
  const Connection::Piece& piece = c.pieces.front();
  io_uring_sqe& sqe = ring.next();
  sqe.opcode = IORING_OP_SEND;
  sqe.fd = c.fd;
  sqe.addr = reinterpret_cast<std::uint64_t>(ring.buffer(piece.buffer));
  sqe.len = piece.size;
  sqe.msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
  sqe.user_data = reinterpret_cast<std::uint64_t>(&c) | kSendBit;
}

// What the completion of a multishot receive, or of a send of what one brought, leads to.
void go_on(Ring& ring, const io_uring_cqe& cqe) {
  auto& c = *reinterpret_cast<Connection*>(cqe.user_data & ~kSendBit);
  if ((cqe.user_data & kSendBit) != 0) {
    ring.give_back(c.pieces.front().buffer);
    c.pieces.erase(c.pieces.begin());
    if (!c.pieces.empty()) send_piece(ring, c);
  } else {
    if (cqe.res > 0) {
      c.pieces.push_back(
          {static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT), static_cast<unsigned>(cqe.res)});
      if (c.pieces.size() == 1) send_piece(ring, c);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
      // Out of buffers, which come back, or told to ask again.
      c.ended = cqe.res <= 0 && cqe.res != -ENOBUFS;
      if (!c.ended) receive_all(ring, c);
    }
  }
  if (c.ended && c.pieces.empty()) {
    close(c.fd);
    delete &c;
  }
}

// The same for one operation at a time.
void go_on(Ring& ring, const io_uring_cqe& cqe, Variant variant) {
  auto& c = *reinterpret_cast<Connection*>(cqe.user_data);
  if ((cqe.flags & IORING_CQE_F_NOTIF) != 0) {
    c.borrowed = false;
  } else if (cqe.res <= 0) {
    c.ended = true;
    c.borrowed = (cqe.flags & IORING_CQE_F_MORE) != 0;
  } else if (c.sending) {
    c.sent += static_cast<unsigned>(cqe.res);
    c.borrowed = (cqe.flags & IORING_CQE_F_MORE) != 0;
  } else {
    c.size = static_cast<unsigned>(cqe.res);
    c.sent = 0;
  }
  if (c.borrowed) return;
  if (c.ended) {
    close(c.fd);
    delete &c;
  } else if (c.sending && c.sent == c.size) {
    receive(ring, c, variant);
  } else {
    send_rest(ring, c, variant);
  }
}

Variant variant_of(std::string_view kind) {
  if (kind == "multishot") return Variant::kMultishot;
  if (kind == "zerocopy") return Variant::kZeroCopy;
  if (kind == "timeouts") return Variant::kTimeouts;
  return Variant::kPlain;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc > 1 ? argv[1] : "defer";
  const Variant variant = variant_of(kind);
  unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  if (kind == "plain") flags = 0;
  if (kind == "coop") flags = IORING_SETUP_COOP_TASKRUN;
  Ring ring(flags);
  if (variant == Variant::kMultishot) ring.provide_buffers();
  sockaddr_in address;
  const int listener = listen_on(static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0), address);
  std::printf("127.0.0.1:%d plain io_uring, %s\n", ntohs(address.sin_port), argc > 1 ? argv[1] : "defer");
  std::fflush(stdout);

  io_uring_sqe& accepting = ring.next();
  accepting.opcode = IORING_OP_ACCEPT;
  accepting.ioprio = IORING_ACCEPT_MULTISHOT;
  accepting.fd = listener;
  accepting.user_data = kAccept;
  io_uring_sqe& end = ring.next();
  end.opcode = IORING_OP_POLL_ADD;
  end.fd = STDIN_FILENO;
  end.poll32_events = POLLIN;
  end.user_data = kEnd;
  for (;;) {
    ring.submit_and_wait();
    bool ended = false;
    ring.for_each([&](const io_uring_cqe& cqe) {
      if (cqe.user_data == kEnd) {
        ended = true;
      } else if (cqe.user_data == kAccept) {
        if (cqe.res < 0) return;
        auto* const c = new Connection{cqe.res, false, 0, 0, false, {}, {}, false};
        variant == Variant::kMultishot ? receive_all(ring, *c) : receive(ring, *c, variant);
      } else if (cqe.user_data == kTimeout) {
        return;
      } else if (variant == Variant::kMultishot) {
        go_on(ring, cqe);
      } else {
        go_on(ring, cqe, variant);
      }
    });
    if (ended) return 0;
  }
}
