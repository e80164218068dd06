// Session: the steps of a measurement, in terms of a Source.
#include "probes/session.h"

#include <utility>

#include "probes/process/watch.h"

namespace netpoll::probes {

Result<Session> Session::choose(Backend backend, const SourceOptions& options) {
  std::vector<std::string> passed_over;
  auto source = make_source(backend, options, &passed_over);
  if (!source) return std::move(source).error();
  Session session(std::move(*source));
  session.passed_over_ = std::move(passed_over);
  return session;
}

Result<Child> Session::launch(LaunchSpec spec) {
  source_->prepare(spec);
  return probes::launch(spec);
}

Result<bool> Session::wait(int timeout_ms, int stop_fd) {
  if (gone_) {
    auto stopped = wait_readable(stop_fd, timeout_ms, -1);
    if (!stopped) return std::move(stopped).error();
    return false;
  }
  auto alive = source_->wait(timeout_ms, stop_fd);
  if (alive) gone_ = !*alive;
  return alive;
}

Result<Counts> Session::read() {
  auto counts = source_->read();
  if (!counts) return std::move(counts).error().within("read the counts");
  return counts;
}

Result<Counts> Session::stop() {
  auto counts = read();
  source_->detach();
  return counts;
}

}  // namespace netpoll::probes
