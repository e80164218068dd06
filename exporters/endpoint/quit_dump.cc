// SIGQUIT: the handler writes a byte, a thread prints.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "exporters/endpoint/pages.h"
#include "libruntime/base/thread.h"
#include "netpoll/debug/endpoint.h"
#include "netpoll/error.h"
#include "netpoll/fd.h"

namespace netpoll::debug {
namespace {

constexpr int kExitStatus = 2;  // Go's (runtime/panic.go, crash; runtime.Exit(2) behind a SIGQUIT)

// Where the handler writes; -1: nowhere.
std::atomic<int> wake_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free, "read in a signal handler");

void on_quit(int /*signal*/) {
  const int saved = errno;
  const char byte = 'q';
  (void)!write(wake_fd.load(std::memory_order_relaxed), &byte, 1);
  errno = saved;
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EAGAIN) {
      pollfd writable{STDERR_FILENO, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (n < 0 && errno != EINTR) return;
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

struct QuitDump::State {
  State(const Runtime& of, Fd read_from, Fd write_to)
      : runtime(of), read_end(std::move(read_from)), write_end(std::move(write_to)) {
    base::start_thread(thread, wait_for_quit, this, "netpoll-quit");
    struct sigaction action {};
    action.sa_handler = on_quit;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigaction(SIGQUIT, &action, &former);
  }
  ~State() {
    sigaction(SIGQUIT, &former, nullptr);
    const char byte = 'e';
    (void)!write(write_end.get(), &byte, 1);
    pthread_join(thread, nullptr);
    wake_fd.store(-1);
  }

  static void* wait_for_quit(void* arg) {
    const auto& state = *static_cast<const State*>(arg);
    char byte = 0;
    while (read(state.read_end.get(), &byte, 1) < 0 && errno == EINTR) {
    }
    if (byte != 'q') return nullptr;
    write_all("SIGQUIT: quit\n\n");
    write_all(formatted_snapshot(state.runtime, "debug2", /*all=*/false));
    _exit(kExitStatus);
  }

  const Runtime& runtime;
  Fd read_end;
  Fd write_end;
  pthread_t thread{};
  struct sigaction former {};
};

QuitDump::QuitDump(std::unique_ptr<State> state) : state_(std::move(state)) {}
QuitDump::QuitDump(QuitDump&&) noexcept = default;
QuitDump::~QuitDump() = default;

Result<QuitDump> dump_on_quit(const Runtime& runtime) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return posix_error("dump on SIGQUIT: pipe", errno);
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  int nowhere = -1;
  if (!wake_fd.compare_exchange_strong(nowhere, write_end.get())) {
    return Error(ErrorKind::kInvalid, "dump on SIGQUIT: it is set up already");
  }
  return QuitDump(std::make_unique<QuitDump::State>(runtime, std::move(read_end), std::move(write_end)));
}

}  // namespace netpoll::debug
