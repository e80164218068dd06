// The end of a process whose invariants are broken: the message, the hook, abort.
#include "libruntime/base/fatal.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "libruntime/base/system.h"

namespace netpoll::base {
namespace {

std::atomic<FatalHook> fatal_hook{nullptr};
std::atomic<int> dying{0};

void write_line(const char* prefix, const char* format, std::va_list args) {
  char line[1024];
  int used = std::snprintf(line, sizeof line, "%s", prefix);
  int more = std::vsnprintf(line + used, sizeof line - static_cast<std::size_t>(used) - 1, format, args);
  used += more;
  if (used > static_cast<int>(sizeof line) - 2) used = sizeof line - 2;
  line[used++] = '\n';
  write_to_stderr(line, static_cast<std::size_t>(used));
}

[[noreturn]] void die() {
  // A second failure while dying, here or on another thread, must not start over.
  if (dying.exchange(1) == 0) {
    if (FatalHook hook = fatal_hook.load()) hook();
  }
  std::abort();
}

}  // namespace

void fatal(const char* message) {
  log_line("fatal error: %s", message);
  die();
}

void fatalf(const char* format, ...) {
  std::va_list args;
  va_start(args, format);
  write_line("fatal error: ", format, args);
  va_end(args);
  die();
}

void set_fatal_hook(FatalHook hook) { fatal_hook.store(hook); }

void log_line(const char* format, ...) {
  std::va_list args;
  va_start(args, format);
  write_line("", format, args);
  va_end(args);
}

}  // namespace netpoll::base
