// What all goroutine loads do with their connections.
#include "cli/workload/load/goroutine_session.h"

#include "netpoll/net/dial.h"

namespace netpoll::workload {
namespace {

constexpr std::int64_t kConnectsAtOnce = 64;

}  // namespace

// Our end of the stream, and the server's, which has seen ours then.
Result<void> end_in_order(Session& session, Conn& conn) {
  if (auto closed = conn.close_write(); !closed) return closed;
  if (auto set = conn.set_read_deadline(session.end_of_patience()); !set) return set;
  std::byte byte{};
  auto n = conn.read({&byte, 1});
  if (!n) return std::move(n).error().within("wait for its end");
  if (*n > 0) return Error(ErrorKind::kProtocol, "the server sent more than was asked");
  return {};
}

void Connections::connect_all(const std::function<Result<void>(int fd)>& control) {
  const auto connect = [this, &control](std::uint64_t i) {
    if (session_.stopping()) return;
    auto conn = dial(session_.address(i), {.deadline = session_.end_of_patience(), .control = control});
    if (!conn) return session_.fail(std::move(conn).error());
    conns_[i] = std::move(*conn);
  };
  for_each(connect, kConnectsAtOnce);
}

Result<LoadResult> Connections::end_all(Result<LoadResult> result) {
  if (!result || session_.stopping()) return result;
  for_each([this](std::uint64_t i) {
    if (auto ended = end_in_order(session_, conns_[i]); !ended) session_.fail(about(i, std::move(ended).error()));
  });
  if (auto failure = session_.failure()) return std::move(*failure);
  return result;
}

}  // namespace netpoll::workload
