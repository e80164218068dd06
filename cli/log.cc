// Messages to standard error, and the progress line among them.
#include "cli/log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "exporters/text.h"

namespace netpoll::cli {
namespace {

// Standard error may be closed or full; there is nobody left to tell.
void write_stderr(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

bool use_color(ColorChoice choice, int fd) {
  if (choice != ColorChoice::kAuto) return choice == ColorChoice::kAlways;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  return ::isatty(fd) == 1;
}

void Log::configure(bool quiet, bool verbose, ColorChoice color) {
  quiet_ = quiet;
  verbose_ = verbose;
  color_ = use_color(color, STDERR_FILENO);
}

void Log::line(std::string_view label, std::string_view code, std::string_view message) {
  clear_progress();
  std::string text;
  if (!label.empty()) {
    text = color_ ? "\033[" + std::string(code) + "m" + std::string(label) + ":\033[0m " : std::string(label) + ": ";
  }
  text += exporters::printable(message);
  text += '\n';
  write_stderr(text);
}

void Log::error(const Error& error) { this->error(error.message(), error.hint()); }

void Log::error(std::string_view message, std::string_view hint) {
  line("error", "1;31", message);
  if (!hint.empty()) line("hint", "36", hint);
}

void Log::warning(std::string_view message, std::string_view hint) {
  line("warning", "1;33", message);
  if (!hint.empty()) line("hint", "36", hint);
}

void Log::note(std::string_view message) {
  if (!quiet_) line("", "", message);
}

void Log::detail(std::string_view message) {
  if (verbose_ && !quiet_) line("", "", message);
}

void Log::answer(std::string_view message) { line("", "", message); }

void Log::progress(std::string_view text) {
  if (quiet_ || ::isatty(STDERR_FILENO) != 1) return;
  write_stderr("\r\033[K" + exporters::printable(text));
  progress_shown_ = true;
}

void Log::clear_progress() {
  if (progress_shown_) write_stderr("\r\033[K");
  progress_shown_ = false;
}

}  // namespace netpoll::cli
