// What the tests of net/ share: one body run under every poll mode and trigger, expectations that goroutines may state,
// and a leak check behind each run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "netpoll/config.h"
#include "netpoll/fd.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"
#include "netpoll/trace/event.h"
#include "netpoll/wait_reason.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/expect.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/procs.h"

namespace netpoll::test {

// The expectations of one run, and what it runs on.
class Checks : public Expectations {
 public:
  explicit Checks(Runtime& runtime, const Config& config) : runtime_(runtime), config_(config) {}

  Runtime& runtime() { return runtime_; }
  const Config& config() const { return config_; }

 private:
  Runtime& runtime_;
  const Config& config_;
};

// Runs body as the main goroutine once per poll mode and trigger, with NETPOLL_TEST_PROCS Ps. Fails the case for each
// unmet expectation, for goroutines that outlive body, and for descriptors and pollDescs that were not given back.
void in_every_setup(const std::function<void(Checks&)>& body);
// The same for one setup, the default.
void in_default_setup(const std::function<void(Checks&)>& body);
// The same for the setup told.
void in_setup(const Config& config, const std::function<void(Checks&)>& body);
// The name of a setup: "hybrid/edge/2 procs".
std::string setup_name(const Config& config);

// Whether the back end of these tests completes operations, so that nothing is registered and net/ makes no calls.
bool completes_operations();

// Waits until a goroutine is parked in IO wait on fd; mode 0 read, 1 write.
bool parked_on(Checks& checks, int fd, int mode);
// Waits until count goroutines wait for reason.
bool parked_for(Checks& checks, WaitReason reason, std::size_t count = 1);

// How often a tracepoint was hit so far.
std::uint64_t tracepoints(Checks& checks, trace::Tp tp);

// A path for a Unix socket or file that no other test uses; the file does not exist.
std::string fresh_path(std::string_view name);

// A connected pair over loopback TCP: first dialled, second accepted.
std::pair<Conn, Conn> tcp_pair(Checks& checks);

// What a program does that knows nothing of netpoll: support_posix.cc, support_windows.cc.
//
// Both ends of a pipe whose calls block, the reading one first.
std::pair<Fd, Fd> blocking_pipe(Checks& checks);
bool is_open(int fd);
// An existing file, to be read and written at a position that the kernel keeps.
Fd open_from_outside(Checks& checks, const std::string& path);
// Writes all of a short text to the descriptor of a pipe(), which has room for it. From any thread.
bool write_from_outside(int fd, std::string_view text);
// Reads what is there from the descriptor of a pipe(): nothing when its end is, no value when neither is.
std::optional<std::string> read_from_outside(int fd);

inline std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
// Reads until the end of the stream, or an error (which is appended as "<message>").
std::string read_all(Conn& conn);
// One read of at most size bytes, as text; "<message>" for an error.
std::string read_some(Conn& conn, std::size_t size = 4096);
// What kind of error result holds, as text; "ok" for success.
template <typename T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(error_kind_name(result.error().kind()));
}

}  // namespace netpoll::test
