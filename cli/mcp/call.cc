// Starts a command for a call, collects what it prints and makes the answer of it.
#include "cli/mcp/call.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "cli/mcp/bounded.h"
#include "cli/run/worker.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// The longest measurement takes 60 s (tools.cc).
constexpr std::chrono::seconds kPatience{90};
// A hundred thousand goroutines with stacks are about 150 MB.
constexpr std::size_t kMostOut = std::size_t{512} << 20;
constexpr std::size_t kMostErr = 16 << 10;

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return posix_error("pipe", errno);
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return posix_error("fcntl", errno);
  return pipe;
}

// Appends what a pipe holds, as far as most goes, and closes it at its end. Returns whether more came than that.
bool drain(Fd& fd, std::string& text, std::size_t most) {
  std::array<char, 65536> buffer;
  bool too_much = false;
  while (fd.valid()) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      fd.reset();
      break;
    }
    const std::size_t room = most - text.size();
    too_much = too_much || static_cast<std::size_t>(n) > room;
    text.append(buffer.data(), std::min(static_cast<std::size_t>(n), room));
  }
  return too_much;
}

}  // namespace

Json text_result(const std::string& text, bool is_error) {
  return {{"content", Json::array({{{"type", "text"}, {"text", text}}})}, {"isError", is_error}};
}

Call::Call(Json id, std::size_t limit, probes::Child child, Fd out, Fd err)
    : id_(std::move(id)),
      limit_(limit),
      child_(std::move(child)),
      out_fd_(std::move(out)),
      err_fd_(std::move(err)),
      deadline_(Clock::now() + kPatience) {}

Result<Call> Call::start(Json id, const std::vector<std::string>& words, std::size_t limit) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return posix_error("open /dev/null", errno);
  auto out = make_pipe();
  if (!out) return std::move(out).error();
  auto err = make_pipe();
  if (!err) return std::move(err).error();

  probes::LaunchSpec spec;
  spec.argv = {self_exe()};
  spec.argv.insert(spec.argv.end(), words.begin(), words.end());
  spec.fds = {{null.get(), STDIN_FILENO}, {out->write.get(), STDOUT_FILENO}, {err->write.get(), STDERR_FILENO}};
  auto child = probes::launch(spec);
  if (!child) return std::move(child).error();
  if (auto resumed = child->resume(); !resumed) return std::move(resumed).error();
  return Call(std::move(id), limit, std::move(*child), std::move(out->read), std::move(err->read));
}

std::vector<pollfd> Call::waits_for() const { return {{out_fd_.get(), POLLIN, 0}, {err_fd_.get(), POLLIN, 0}}; }

void Call::step() {
  if (drain(out_fd_, out_, kMostOut)) gave_up_ = "the answer is larger than 512 MiB; ask for less";
  drain(err_fd_, err_, kMostErr);
  if (!ended() && Clock::now() >= deadline_) gave_up_ = "no answer after " + std::to_string(kPatience.count()) + " s";
  if (!gave_up_.empty()) {
    (void)child_.kill();
    out_fd_.reset();
    err_fd_.reset();
  }
}

Json Call::result() {
  const auto exit = child_.wait(-1);
  if (!gave_up_.empty()) return text_result(gave_up_, /*is_error=*/true);
  if (!exit) return text_result(exit.error().message(), /*is_error=*/true);
  // 0, "no" and "incomplete" come with a document; anything else with a message alone (exit_status.h).
  Json document = exporters::parse_json(out_);
  if (!document.is_object()) {
    return text_result(err_.empty() ? "it ended with status " + std::to_string((*exit)->shell_code()) : err_, true);
  }
  bound(document, limit_);
  Json result = text_result(exporters::compact(document), /*is_error=*/false);
  result["structuredContent"] = std::move(document);
  return result;
}

}  // namespace netpoll::cli
