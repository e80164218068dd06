// The completion ports of Windows: AcceptEx, ConnectEx, WSARecv, WSASend and their kin, and for pipes ReadFile and
// WriteFile; one OVERLAPPED an Operation.
//
// A socket is associated with the port once, by open(), and stays so until it is closed; the key says nothing, since
// the OVERLAPPED lies within the Operation and that has everything. Where the socket's provider allows it
// (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) an operation that ends at once says so in submit() and sends no packet, which
// saves two system calls and a round of the scheduler for every write and for reads of what is there already.
//
// Readiness (kReady) to read is a receive of nothing: it ends when there is something, and a connection that waits by
// it owns no buffer. A send of nothing ends at once, so room for writing is asked of the driver behind Winsock, by the
// request that select() makes of it (IOCTL_AFD_POLL). It is in no header, and others that wait for readiness at a
// completion port rest on it, too: libuv (src/win/poll.c, src/win/winsock.h), wepoll, Rust's mio.
//
// Time: GetQueuedCompletionStatusEx counts milliseconds and rounds to the tick of the system clock. Shorter waits are
// ended by a packet from a thread that sleeps on a timer of high resolution (Alarm).
#include <sys/socket.h>
#include <sys/uio.h>

#include <mswsock.h>
#include <windows.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "libruntime/base/fatal.h"
#include "libruntime/base/precise_timer.h"
#include "libruntime/base/system.h"
#include "libruntime/base/winsock_error.h"
#include "libruntime/poll/poller_backends.h"

namespace netpoll::poll {
namespace {

constexpr ULONG_PTR kOperationKey = 0;
constexpr ULONG_PTR kWakeKey = 1;
constexpr int kMost = 128;
constexpr std::size_t kMostBuffers = 64;
// Waits shorter than a tick of the system clock are the Alarm's.
constexpr std::int64_t kTick = 16'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

// AcceptEx writes both addresses, each with 16 bytes more than the largest of its family.
constexpr DWORD kAddressRoom = sizeof(sockaddr_storage) + 16;

// IOCTL_AFD_POLL and its AFD_POLL_INFO, for one handle.
constexpr DWORD kAfdPoll = 0x00012024;
constexpr ULONG kAfdSend = 0x0004;
constexpr ULONG kAfdAbort = 0x0010;
constexpr ULONG kAfdLocalClose = 0x0020;
constexpr ULONG kAfdConnectFail = 0x0100;
struct AfdPoll {
  std::int64_t timeout;  // in 100 ns, absolute where it is positive
  ULONG handle_count;
  ULONG exclusive;
  HANDLE handle;
  ULONG events;  // in and out
  LONG status;
};

// Operation::system of an operation under way.
struct Pending {
  OVERLAPPED overlapped;  // first, so that its address is Operation::system's
  struct Received {
    DWORD flags;       // WSARecv's, in and out
    int address_size;  // WSARecvFrom's
  };
  struct Accepted {
    SOCKET socket;
    char* addresses;  // 2 * kAddressRoom bytes of AcceptEx
  };
  union {
    Received received;  // kReceive, kReady to read
    Accepted accepted;  // kAccept
    AfdPoll room;       // kReady to write
  };
};
static_assert(sizeof(Pending) <= Operation::kSystemSize);

Pending& pending_of(Operation& op) { return *std::launder(reinterpret_cast<Pending*>(op.system)); }

Operation& operation_of(OVERLAPPED* overlapped) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  constexpr std::size_t kAt = offsetof(Operation, system);
#pragma GCC diagnostic pop
  return *reinterpret_cast<Operation*>(reinterpret_cast<char*>(overlapped) - kAt);
}

SOCKET socket_of(int fd) { return static_cast<SOCKET>(fd); }
HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(socket_of(fd)); }
unsigned long last_error() { return static_cast<unsigned long>(WSAGetLastError()); }

// A function that Winsock's provider has, but no library exports.
template <typename Function>
Function extension(SOCKET socket, GUID id) {
  Function function = nullptr;
  DWORD size = 0;
  if (WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, &size, nullptr,
               nullptr) != 0) {
    return nullptr;
  }
  return function;
}

struct Extensions {
  LPFN_ACCEPTEX accept = nullptr;
  LPFN_CONNECTEX connect = nullptr;
  LPFN_GETACCEPTEXSOCKADDRS accepted_addresses = nullptr;
};

const Extensions& extensions() {
  static const Extensions found = [] {
    Extensions e;
    const SOCKET any = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
    if (any == INVALID_SOCKET) return e;
    e.accept = extension<LPFN_ACCEPTEX>(any, WSAID_ACCEPTEX);
    e.connect = extension<LPFN_CONNECTEX>(any, WSAID_CONNECTEX);
    e.accepted_addresses = extension<LPFN_GETACCEPTEXSOCKADDRS>(any, WSAID_GETACCEPTEXSOCKADDRS);
    closesocket(any);
    return e;
  }();
  return found;
}

// SOCK_STREAM or SOCK_DGRAM, 0 where the handle is no socket.
int socket_type(SOCKET socket) {
  int type = 0;
  int size = sizeof type;
  return getsockopt(socket, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0 ? type : 0;
}

// Whether sockets of every kind are handles of the system's own. A provider in between may send the packet although it
// was told to skip it (learn.microsoft.com, SetFileCompletionNotificationModes; Go looks the same way,
// internal/poll/fd_windows.go).
bool every_provider_skips() {
  int protocols[] = {IPPROTO_TCP, IPPROTO_UDP, 0};
  std::array<WSAPROTOCOL_INFOW, 32> found;
  DWORD size = sizeof found;
  const int count = WSAEnumProtocolsW(protocols, found.data(), &size);
  if (count == SOCKET_ERROR) return false;
  return std::all_of(found.begin(), found.begin() + count,
                     [](const WSAPROTOCOL_INFOW& info) { return (info.dwServiceFlags1 & XP1_IFS_HANDLES) != 0; });
}

// Alarm ends waits at the port at a time that is no multiple of a tick. Its thread starts with the first one.
class Alarm {
 public:
  explicit Alarm(HANDLE port) : port_(port), quit_(CreateEventW(nullptr, TRUE, FALSE, nullptr)) {}
  ~Alarm() {
    SetEvent(quit_);
    if (thread_.joinable()) {
      thread_.join();
      base::count_own_thread(-1);
    }
    CloseHandle(quit_);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // A packet comes after so long. Of two calls the later one counts; whoever made the first returns a tick late.
  void set(std::int64_t after_ns) {
    const std::lock_guard lock(mutex_);
    if (!timer_.start(after_ns) || thread_.joinable()) return;
    base::count_own_thread(1);
    thread_ = std::thread([this] { ring(); });
  }

 private:
  void ring() {
    const HANDLE both[] = {quit_, timer_.handle()};
    while (WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0 + 1) {
      PostQueuedCompletionStatus(port_, 0, kOperationKey, nullptr);
    }
  }

  const HANDLE port_;
  const HANDLE quit_;
  std::mutex mutex_;
  base::PreciseTimer timer_;
  std::thread thread_;
};

class IocpPoller final : public CompletionPoller {
 public:
  ~IocpPoller() override {
    alarm_.reset();
    if (port_ != nullptr) CloseHandle(port_);
  }

  int init() override {
    base::start_winsock();
    port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, kOperationKey, 0);
    if (port_ == nullptr) return -base::errno_of(GetLastError());
    if (extensions().accept == nullptr || extensions().connect == nullptr) {
      CloseHandle(port_);
      port_ = nullptr;
      return -ENOSYS;
    }
    skips_ = every_provider_skips();
    alarm_ = std::make_unique<Alarm>(port_);
    return 0;
  }

  int open(int fd, std::uint64_t) override {
    const HANDLE handle = handle_of(fd);
    if (CreateIoCompletionPort(handle, port_, kOperationKey, 0) == nullptr) {
      // ERROR_INVALID_PARAMETER: the handle is another port's, or of a kind that no port takes.
      const DWORD error = GetLastError();
      return error == ERROR_INVALID_PARAMETER ? -EPERM : -base::errno_of(error);
    }
    if (skips_ && !SetFileCompletionNotificationModes(
                      handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE)) {
      return -base::errno_of(GetLastError());
    }
    if (socket_type(socket_of(fd)) == SOCK_DGRAM) {
      // Else a receive fails when an earlier datagram was refused by somebody, which says nothing about the next.
      BOOL report = FALSE;
      DWORD size = 0;
      WSAIoctl(socket_of(fd), SIO_UDP_CONNRESET, &report, sizeof report, nullptr, 0, &size, nullptr, nullptr);
    }
    return 0;
  }

  bool submit(Operation& op) override {
    auto& pending = *new (op.system) Pending;
    std::memset(&pending, 0, sizeof pending);
    int error = 0;
    switch (op.kind) {
      case OperationKind::kReceive:
        error = receive(op, pending);
        break;
      case OperationKind::kSend:
        error = send(op, pending);
        break;
      case OperationKind::kAccept:
        error = accept(op, pending);
        break;
      case OperationKind::kConnect:
        error = connect(op, pending);
        break;
      case OperationKind::kReady:
        error = ready(op, pending);
        break;
    }
    if (error == WSA_IO_PENDING) return false;
    if (error == 0) {
      if (skips_) finish(op);
      return false;
    }
    // Refused: no packet comes.
    if (op.kind == OperationKind::kAccept) give_up_accept(pending);
    op.result = failure(op, static_cast<unsigned long>(error));
    op.done.store(true, std::memory_order_release);
    return false;
  }

  bool cancel(Operation& op) override {
    CancelIoEx(handle_of(op.fd), &pending_of(op).overlapped);
    return false;
  }

  // The next receive is refused, and a receive under way waits for what the peer sends or for its end.
  bool outlives_shutdown() const override { return true; }

  void flush() override {}

  int poll(std::int64_t delay_ns, Readiness* out, int max) override {
    std::array<OVERLAPPED_ENTRY, kMost> entries;
    ULONG count = 0;
    DWORD limit = INFINITE;
    if (delay_ns >= 0) {
      limit = static_cast<DWORD>(std::min<std::int64_t>((delay_ns + kMillisecond - 1) / kMillisecond, INT32_MAX));
      if (delay_ns > 0 && delay_ns < kTick) alarm_->set(delay_ns);
    }
    const auto room = static_cast<ULONG>(std::min(max, kMost));
    if (GetQueuedCompletionStatusEx(port_, entries.data(), room, &count, limit, FALSE) == 0) return 0;
    int ready = 0;
    for (ULONG i = 0; i < count; ++i) {
      if (entries[i].lpCompletionKey == kWakeKey) woken(delay_ns);
      if (entries[i].lpOverlapped == nullptr) continue;
      Operation& op = operation_of(entries[i].lpOverlapped);
      out[ready++] = {.data = op.data, .modes = op.modes, .hangup = false, .lasting = false};
      finish(op);
    }
    return ready;
  }

  void wake() override {
    if (!wake_pending_.exchange(true)) post_wake();
  }

  int debug_fd() const override { return -1; }

 private:
  // The packet went to one poll. A look leaves it for the one that blocks.
  void woken(std::int64_t delay_ns) {
    if (delay_ns == 0) {
      post_wake();
    } else {
      wake_pending_.store(false);
    }
  }

  // Fails when there is no memory for a packet. Nobody could be woken any more.
  void post_wake() {
    if (PostQueuedCompletionStatus(port_, 0, kWakeKey, nullptr) == 0) [[unlikely]]
      base::fatalf("netpoll: PostQueuedCompletionStatus failed: error %lu", GetLastError());
  }

  // The starts: 0 ended already, WSA_IO_PENDING under way, else why not.
  static int outcome(bool ended) { return ended ? 0 : static_cast<int>(last_error()); }
  static int file_outcome(BOOL ended) { return ended ? 0 : static_cast<int>(GetLastError()); }

  // The result of an operation that failed so.
  static long failure(const Operation& op, unsigned long error) {
    // The end: the writer has left the pipe, or the reading half of the socket was shut down.
    if (op.kind == OperationKind::kReceive && error == (op.pipe ? ERROR_BROKEN_PIPE : WSAESHUTDOWN)) return 0;
    // As read(2) and write(2) say that it is the other end's job.
    if (op.pipe && error == ERROR_ACCESS_DENIED) return -EBADF;
    return -base::errno_of(error);
  }

  // Winsock copies this array, and only it, before the call returns.
  struct Buffers {
    explicit Buffers(const Operation& op) : count(static_cast<DWORD>(std::min(op.buffer_count, kMostBuffers))) {
      for (DWORD i = 0; i < count; ++i) {
        list[i].buf = static_cast<char*>(op.buffers[i].iov_base);
        list[i].len = static_cast<ULONG>(std::min<std::size_t>(op.buffers[i].iov_len, INT32_MAX));
      }
    }
    std::array<WSABUF, kMostBuffers> list;
    DWORD count;
  };

  // A pipe's calls take one buffer: the first that is not empty.
  static WSABUF first_buffer(const Operation& op) {
    const Buffers buffers(op);
    const auto* const end = buffers.list.begin() + buffers.count;
    const auto* const first =
        std::find_if(buffers.list.begin(), end, [](const WSABUF& buffer) { return buffer.len > 0; });
    return first != end ? *first : WSABUF{0, nullptr};
  }

  static int receive(Operation& op, Pending& pending) {
    if (op.pipe) return read_pipe(op, pending, first_buffer(op));
    Buffers buffers(op);
    if (op.address == nullptr) {
      return outcome(WSARecv(socket_of(op.fd), buffers.list.data(), buffers.count, nullptr, &pending.received.flags,
                             &pending.overlapped, nullptr) == 0);
    }
    pending.received.address_size = static_cast<int>(op.address_size);
    return outcome(WSARecvFrom(socket_of(op.fd), buffers.list.data(), buffers.count, nullptr, &pending.received.flags,
                               static_cast<sockaddr*>(op.address), &pending.received.address_size, &pending.overlapped,
                               nullptr) == 0);
  }

  static int read_pipe(Operation& op, Pending& pending, WSABUF into) {
    return file_outcome(ReadFile(handle_of(op.fd), into.buf, into.len, nullptr, &pending.overlapped));
  }

  static int send(Operation& op, Pending& pending) {
    if (op.pipe) {
      const WSABUF from = first_buffer(op);
      return file_outcome(WriteFile(handle_of(op.fd), from.buf, from.len, nullptr, &pending.overlapped));
    }
    Buffers buffers(op);
    if (op.address == nullptr) {
      return outcome(
          WSASend(socket_of(op.fd), buffers.list.data(), buffers.count, nullptr, 0, &pending.overlapped, nullptr) == 0);
    }
    return outcome(WSASendTo(socket_of(op.fd), buffers.list.data(), buffers.count, nullptr, 0,
                             static_cast<const sockaddr*>(op.address), static_cast<int>(op.address_size),
                             &pending.overlapped, nullptr) == 0);
  }

  static int accept(Operation& op, Pending& pending) {
    sockaddr_storage local{};
    int size = sizeof local;
    if (getsockname(socket_of(op.fd), reinterpret_cast<sockaddr*>(&local), &size) != 0) return outcome(false);
    pending.accepted.addresses = new (std::nothrow) char[2 * kAddressRoom];
    if (pending.accepted.addresses == nullptr) return WSAENOBUFS;
    pending.accepted.socket =
        WSASocketW(local.ss_family, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (pending.accepted.socket == INVALID_SOCKET) return outcome(false);
    DWORD received = 0;
    return outcome(extensions().accept(socket_of(op.fd), pending.accepted.socket, pending.accepted.addresses, 0,
                                       kAddressRoom, kAddressRoom, &received, &pending.overlapped) != 0);
  }

  static int connect(Operation& op, Pending& pending) {
    DWORD sent = 0;
    return outcome(extensions().connect(socket_of(op.fd), static_cast<const sockaddr*>(op.address),
                                        static_cast<int>(op.address_size), nullptr, 0, &sent,
                                        &pending.overlapped) != 0);
  }

  static int ready(Operation& op, Pending& pending) {
    WSABUF nothing{0, nullptr};
    if ((op.modes & kWriteBit) != 0) return ready_to_write(op, pending);
    const int type = socket_type(socket_of(op.fd));
    op.pipe = type == 0;  // who only waits does not say
    if (op.pipe) return read_pipe(op, pending, nothing);
    // A datagram would be taken, and lost.
    if (type == SOCK_DGRAM) pending.received.flags = MSG_PEEK;
    return outcome(
        WSARecv(socket_of(op.fd), &nothing, 1, nullptr, &pending.received.flags, &pending.overlapped, nullptr) == 0);
  }

  // Ends also with whatever makes a send fail. A peer that sends no more (AFD_POLL_DISCONNECT) may still read.
  static int ready_to_write(Operation& op, Pending& pending) {
    const HANDLE handle = handle_of(op.fd);
    AfdPoll& room = pending.room;
    room = {.timeout = INT64_MAX,
            .handle_count = 1,
            .exclusive = 0,
            .handle = handle,
            .events = kAfdSend | kAfdAbort | kAfdLocalClose | kAfdConnectFail,
            .status = 0};
    return file_outcome(
        DeviceIoControl(handle, kAfdPoll, &room, sizeof room, &room, sizeof room, nullptr, &pending.overlapped));
  }

  // What the kernel says of an operation that has ended. op may go as soon as `done` is set.
  static void finish(Operation& op) {
    Pending& pending = pending_of(op);
    DWORD bytes = 0;
    DWORD flags = 0;
    const bool winsock = !op.pipe && op.kind != OperationKind::kReady;
    const bool succeeded =
        (winsock ? WSAGetOverlappedResult(socket_of(op.fd), &pending.overlapped, &bytes, FALSE, &flags)
                 : GetOverlappedResult(handle_of(op.fd), &pending.overlapped, &bytes, FALSE)) != 0;
    const unsigned long error = succeeded ? 0 : winsock ? last_error() : GetLastError();
    op.result = succeeded ? static_cast<long>(bytes) : failure(op, error);
    switch (op.kind) {
      case OperationKind::kReceive:
        // As recv(2): what did not fit of a datagram is gone, and nobody is told.
        if (error == WSAEMSGSIZE || error == ERROR_MORE_DATA) op.result = static_cast<long>(bytes);
        if (op.address != nullptr) op.address_size = static_cast<std::uint32_t>(pending.received.address_size);
        break;
      case OperationKind::kAccept:
        finish_accept(op, pending);
        break;
      case OperationKind::kConnect:
        if (succeeded) {
          setsockopt(socket_of(op.fd), SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0);
          op.result = 0;
        }
        break;
      case OperationKind::kReady:
        if (op.result != -ECANCELED) op.result = 0;  // whatever it is, the next try finds it
        break;
      case OperationKind::kSend:
        break;
    }
    op.done.store(true, std::memory_order_release);
  }

  static void finish_accept(Operation& op, Pending& pending) {
    if (op.result < 0) return give_up_accept(pending);
    SOCKET listener = socket_of(op.fd);
    // Until then shutdown, getpeername and more do not know the socket as connected.
    setsockopt(pending.accepted.socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, reinterpret_cast<const char*>(&listener),
               sizeof listener);
    sockaddr* local = nullptr;
    sockaddr* peer = nullptr;
    int local_size = 0;
    int peer_size = 0;
    extensions().accepted_addresses(pending.accepted.addresses, 0, kAddressRoom, kAddressRoom, &local, &local_size,
                                    &peer, &peer_size);
    if (op.address != nullptr) {
      op.address_size = std::min(op.address_size, static_cast<std::uint32_t>(peer_size));
      std::copy_n(reinterpret_cast<const char*>(peer), op.address_size, static_cast<char*>(op.address));
    }
    u_long non_blocking = 1;
    ioctlsocket(pending.accepted.socket, FIONBIO, &non_blocking);
    op.result = static_cast<long>(pending.accepted.socket);
    delete[] pending.accepted.addresses;
  }

  static void give_up_accept(Pending& pending) {
    if (pending.accepted.socket != INVALID_SOCKET && pending.accepted.socket != 0) closesocket(pending.accepted.socket);
    delete[] pending.accepted.addresses;
  }

  HANDLE port_ = nullptr;
  bool skips_ = false;  // no packet comes for what ended at once
  std::atomic<bool> wake_pending_{false};
  std::unique_ptr<Alarm> alarm_;
};

}  // namespace

std::unique_ptr<Poller> make_iocp_poller(Trigger) { return std::make_unique<IocpPoller>(); }

}  // namespace netpoll::poll
