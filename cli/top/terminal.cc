// ncurses, and the ways in which a process gives its terminal back.
#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include "cli/top/terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "cli/system/interrupt.h"

namespace netpoll::cli {
namespace {

using exporters::Style;

// What a signal handler needs, which may not call ncurses.
struct LastWords {
  std::array<char, 256> bytes{};
  std::size_t size = 0;
  termios modes{};
  bool armed = false;
};
LastWords last_words;

// Ends what the terminal was told to do: colours, the alternate screen, keypad and hidden cursor.
void restore_in_handler() {
  if (!last_words.armed) return;
  last_words.armed = false;
  pollfd out{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  // One that takes nothing, as after Ctrl-S, must not keep a process from its end.
  if (::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
    [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, last_words.bytes.data(), last_words.size);
  }
  ::tcsetattr(STDIN_FILENO, TCSANOW, &last_words.modes);
}

void on_crash(int signal) {
  restore_in_handler();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

constexpr int kCrashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT};

// A sanitizer's handler knows more than ours, and stays.
void watch_crashes(bool watch) {
  for (const int signal : kCrashes) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    const bool is_default = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
    const bool is_ours = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == on_crash;
    if (watch ? is_default : is_ours) ::signal(signal, watch ? on_crash : SIG_DFL);
  }
}

sigset_t screen_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGWINCH);
  ::sigaddset(&set, SIGTSTP);
  return set;
}

// A capability of the terminal without its padding ("$<5/>"), which no terminal of today needs.
std::string capability(const char* name) {
  // The database's interface is older than const.
  const char* text = ::tigetstr(const_cast<char*>(name));
  if (text == nullptr || text == reinterpret_cast<const char*>(-1)) return {};
  std::string out = text;
  for (auto at = out.find("$<"); at != std::string::npos; at = out.find("$<")) {
    const auto end = out.find('>', at);
    if (end == std::string::npos) break;
    out.erase(at, end - at + 1);
  }
  return out;
}

void remember_last_words() {
  std::string text;
  for (const char* name : {"sgr0", "op", "cnorm", "rmkx", "rmcup"}) text += capability(name);
  last_words.size = std::min(text.size(), last_words.bytes.size());
  std::memcpy(last_words.bytes.data(), text.data(), last_words.size);
  last_words.armed = true;
}

constexpr short kGoodPair = 1, kBadPair = 2, kWarnPair = 3;

attr_t attributes_of(const ScreenLine& line, bool color) {
  attr_t attributes = line.reverse ? A_REVERSE : A_NORMAL;
  switch (line.style) {
    case Style::kPlain:
      break;
    case Style::kBold:
      attributes |= A_BOLD;
      break;
    case Style::kDim:
      attributes |= A_DIM;
      break;
    case Style::kGood:
      attributes |= color ? COLOR_PAIR(kGoodPair) : A_NORMAL;
      break;
    case Style::kBad:
      attributes |= color ? COLOR_PAIR(kBadPair) : A_BOLD;
      break;
    case Style::kWarn:
      attributes |= color ? COLOR_PAIR(kWarnPair) : A_BOLD;
      break;
  }
  return attributes;
}

std::optional<TopKey> key_of(int code) {
  using Kind = TopKey::Kind;
  switch (code) {
    case KEY_UP:
      return TopKey{Kind::kUp};
    case KEY_DOWN:
      return TopKey{Kind::kDown};
    case KEY_PPAGE:
      return TopKey{Kind::kPageUp};
    case KEY_NPAGE:
      return TopKey{Kind::kPageDown};
    case KEY_HOME:
      return TopKey{Kind::kHome};
    case KEY_END:
      return TopKey{Kind::kEnd};
    case KEY_ENTER:
      return TopKey{Kind::kEnter};
    case KEY_BACKSPACE:
      return TopKey{Kind::kBackspace};
    case KEY_BTAB:
      return TopKey{Kind::kBackTab};
    case KEY_F(1):
      return TopKey{Kind::kHelp};
    default:
      return std::nullopt;
  }
}

std::optional<TopKey> key_of_character(wint_t character) {
  using Kind = TopKey::Kind;
  switch (character) {
    case L'\r':
    case L'\n':
      return TopKey{Kind::kEnter};
    case 27:
      return TopKey{Kind::kEscape};
    case 8:
    case 127:
      return TopKey{Kind::kBackspace};
    case L'\t':
      return TopKey{Kind::kTab};
    default:
      return TopKey{Kind::kCharacter, static_cast<char32_t>(character)};
  }
}

}  // namespace

Result<void> Terminal::check() {
  const bool out = isatty(STDOUT_FILENO) != 0;
  if (out && isatty(STDIN_FILENO) != 0) return {};
  return Error(ErrorKind::kInvalid, std::string("standard ") + (out ? "input" : "output") + " is no terminal")
      .with_hint("netpoll-trace top -b writes one table after the other, --json documents");
}

Result<std::unique_ptr<Terminal>> Terminal::open(bool color) {
  if (auto there = check(); !there) return std::move(there).error();
  std::unique_ptr<Terminal> terminal(new Terminal(color));
  if (auto begun = terminal->begin(); !begun) return std::move(begun).error();
  return terminal;
}

Result<void> Terminal::begin() {
  std::setlocale(LC_CTYPE, "");
  rules_.utf8 = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  ::tcgetattr(STDIN_FILENO, &last_words.modes);
  const char* name = std::getenv("TERM");
  const Error unknown = Error(ErrorKind::kNotSupported,
                              "the terminal \"" + std::string(name == nullptr ? "" : name) + "\" cannot be drawn on")
                            .with_hint("TERM=xterm where it is one; netpoll-trace top -b needs no terminal");
  // newterm() would say that on standard error, and end the process in some versions.
  int found = 0;
  if (::setupterm(name, STDOUT_FILENO, &found) != OK || capability("cup").empty()) return unknown;
  const sigset_t held = screen_signals();
  ::pthread_sigmask(SIG_BLOCK, &held, nullptr);
  ::set_escdelay(25);
  if (::newterm(name, stdout, stdin) == nullptr) {
    ::pthread_sigmask(SIG_UNBLOCK, &held, nullptr);
    return unknown;
  }
  begun_ = true;
  remember_last_words();
  Interrupt::before_death(restore_in_handler);
  watch_crashes(true);
  ::cbreak();
  ::noecho();
  ::nonl();
  ::keypad(stdscr, TRUE);
  ::nodelay(stdscr, TRUE);
  ::curs_set(0);
  color_ = color_ && ::has_colors();
  if (color_) {
    ::start_color();
    ::use_default_colors();
    ::init_pair(kGoodPair, COLOR_GREEN, -1);
    ::init_pair(kBadPair, COLOR_RED, -1);
    ::init_pair(kWarnPair, COLOR_YELLOW, -1);
  }
  return {};
}

Terminal::~Terminal() {
  if (!begun_) return;
  // It waits for a terminal that takes nothing, and so the handlers stay until it has returned.
  ::endwin();
  last_words.armed = false;
  watch_crashes(false);
  Interrupt::before_death(nullptr);
  const sigset_t held = screen_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &held, nullptr);
}

std::size_t Terminal::width() const { return static_cast<std::size_t>(COLS); }
std::size_t Terminal::height() const { return static_cast<std::size_t>(LINES); }

// <term.h> has a macro called lines.
void Terminal::show(const std::vector<ScreenLine>& drawn) {
  ::werase(stdscr);
  for (std::size_t y = 0; y < drawn.size(); ++y) {
    ::wattrset(stdscr, static_cast<int>(attributes_of(drawn[y], color_)));
    ::mvwaddstr(stdscr, static_cast<int>(y), 0, drawn[y].text.c_str());
  }
  ::wattrset(stdscr, A_NORMAL);
  ::wrefresh(stdscr);
}

void Terminal::redraw() { ::clearok(stdscr, TRUE); }

Terminal::Woken Terminal::wait(const std::vector<int>& fds, int timeout_ms) {
  std::vector<pollfd> polled = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
  for (const int fd : fds) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  const timespec limit = {.tv_sec = timeout_ms / 1000, .tv_nsec = (timeout_ms % 1000) * 1'000'000L};
  sigset_t during;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &during);
  ::sigdelset(&during, SIGWINCH);
  ::sigdelset(&during, SIGTSTP);
  const int n = ::ppoll(polled.data(), polled.size(), timeout_ms < 0 ? nullptr : &limit, &during);
  if (n < 0) return errno == EINTR ? Woken::kKey : Woken::kGone;  // ncurses tells of a new size as of a key
  const short events = polled.front().revents;
  if ((events & (POLLHUP | POLLERR | POLLNVAL)) != 0) return Woken::kGone;
  if ((events & POLLIN) == 0) return Woken::kOther;
  // Readable, and there is nothing: the end.
  int bytes = 0;
  if (::ioctl(STDIN_FILENO, FIONREAD, &bytes) != 0 || bytes == 0) return Woken::kGone;
  return Woken::kKey;
}

Terminal::Pressed Terminal::next_key() {
  wint_t code = 0;
  const int kind = ::wget_wch(stdscr, &code);
  if (kind == ERR) return {};
  if (kind == KEY_CODE_YES) return {true, key_of(static_cast<int>(code)), /*redraw=*/code == KEY_RESIZE};
  if (code == 12) return {true, std::nullopt, /*redraw=*/true};
  return {true, key_of_character(code), false};
}

}  // namespace netpoll::cli
