// The protocol's messages, and the loop that waits for the client and for the calls that run.
#include "cli/mcp/server.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "cli/compare/input.h"
#include "cli/mcp/tools.h"
#include "cli/version.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// Error codes of JSON-RPC 2.0, section 5.1.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;

// Newest first. What they differ in does not concern a server with tools alone, but for batches, which 2025-03-26 had
// and the next version took out again; so that one is not spoken.
constexpr std::string_view kVersions[] = {"2025-11-25", "2025-06-18", "2024-11-05"};

constexpr std::size_t kLongestRequest = 1 << 20;
constexpr std::size_t kMostCalls = 8;

constexpr const char* kInstructions =
    "Read-only diagnostics of network pollers on this machine. For a Go program that hangs or leaks start with "
    "goroutine_summary, then waiting_goroutines with filters; wait_graph shows who waits for whom. For any epoll "
    "program use epoll_registrations and poller_calls. Times are integers of nanoseconds, null means unknown. When a "
    "tool is refused, doctor says what is missing.";

// A request's id is a text or a number (JSON-RPC 2.0, section 4; MCP forbids null).
bool is_id(const Json& id) { return id.is_string() || id.is_number(); }

std::string text_member(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

Json initialized(const Json& params) {
  const std::string wanted = text_member(params, "protocolVersion");
  const bool spoken = std::find(std::begin(kVersions), std::end(kVersions), wanted) != std::end(kVersions);
  return {{"protocolVersion", spoken ? wanted : std::string(kVersions[0])},
          {"capabilities", {{"tools", Json::object()}}},
          {"serverInfo", {{"name", kToolName}, {"version", version()}}},
          {"instructions", kInstructions}};
}

Json tool_list() {
  Json list = Json::array();
  for (const Tool& tool : tools()) list.push_back(describe(tool));
  return {{"tools", std::move(list)}};
}

}  // namespace

Result<void> McpServer::reply(const Json& id, Json result) {
  return out_.write(exporters::to_line({{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}}));
}

Result<void> McpServer::refuse(const Json& id, int code, std::string_view message) {
  return out_.write(
      exporters::to_line({{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", message}}}}));
}

Result<void> McpServer::call(const Json& id, const Json& params) {
  const std::string name = text_member(params, "name");
  const Tool* tool = find_tool(name);
  if (tool == nullptr) return refuse(id, kInvalidParams, "there is no tool \"" + name + "\"");
  const auto given = params.find("arguments");
  const Json arguments = given == params.end() ? Json::object() : *given;
  if (!arguments.is_object()) return refuse(id, kInvalidParams, "arguments is not an object");

  // From here on a failure is the tool's result, which the model reads and can act on (specification, "Tools",
  // "Error Handling").
  const auto failed = [&](const Error& error) {
    const std::string text = error.message() + (error.hint().empty() ? "" : "\nhint: " + error.hint());
    return reply(id, text_result(text, /*is_error=*/true));
  };
  if (calls_.size() >= kMostCalls) {
    return failed(Error(ErrorKind::kSystem, std::to_string(kMostCalls) + " calls are running; wait for one to end"));
  }
  const auto words = command_line(*tool, arguments);
  if (!words) return failed(words.error());
  auto call = Call::start(id, *words, limit_of(arguments));
  if (!call) return failed(call.error());
  calls_.push_back(std::move(*call));
  return {};
}

void McpServer::cancel(const Json& params) {
  const auto id = params.find("requestId");
  if (id == params.end()) return;
  // The destructor ends the command; a cancelled request gets no answer.
  std::erase_if(calls_, [&](const Call& call) { return call.id() == *id; });
}

Result<void> McpServer::take_request(const std::string& method, const Json& id, const Json& params) {
  if (method == "initialize") return reply(id, initialized(params));
  if (method == "ping") return reply(id, Json::object());
  if (method == "tools/list") return reply(id, tool_list());
  if (method == "tools/call") return call(id, params);
  return refuse(id, kMethodNotFound, "there is no method \"" + method + "\"");
}

Result<void> McpServer::take_message(const Json& message) {
  if (!message.is_object() || text_member(message, "jsonrpc") != "2.0") {
    return refuse(nullptr, kInvalidRequest, "not a JSON-RPC 2.0 message");
  }
  const std::string method = text_member(message, "method");
  if (method.empty()) {
    // We ask the client nothing, so there is no answer to expect either.
    if (message.contains("result") || message.contains("error")) return {};
    return refuse(nullptr, kInvalidRequest, "the message has no method");
  }
  const auto given = message.find("params");
  const Json params = given == message.end() ? Json::object() : *given;
  const auto id = message.find("id");
  if (id == message.end()) {
    if (method == "notifications/cancelled" && params.is_object()) cancel(params);
    return {};
  }
  if (!is_id(*id)) return refuse(nullptr, kInvalidRequest, "the id is neither a text nor a number");
  if (!params.is_object()) return refuse(*id, kInvalidParams, "params is not an object");
  return take_request(method, *id, params);
}

Result<void> McpServer::take_line(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
  // One value, not nested so deep that whoever looks at it runs out of stack.
  const auto values = values_of(line, "the message");
  if (!values) return refuse(nullptr, kParseError, values.error().message());
  const Json message = exporters::parse_json(line);
  if (message.is_discarded()) return refuse(nullptr, kParseError, "not JSON");
  return take_message(message);
}

// Returns false at the end of the input.
Result<bool> McpServer::read(int in_fd) {
  std::array<char, 65536> chunk;
  const ssize_t n = ::read(in_fd, chunk.data(), chunk.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n < 0) return posix_error("read standard input", errno);
  if (n == 0) return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(n));

  std::size_t begin = 0;
  for (std::size_t end; (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (std::exchange(skipping_, false)) continue;
    if (auto taken = take_line(std::string_view(buffer_).substr(begin, end - begin)); !taken) {
      return std::move(taken).error();
    }
  }
  buffer_.erase(0, begin);
  if (buffer_.size() > kLongestRequest) {
    buffer_.clear();
    if (!std::exchange(skipping_, true)) {
      if (auto said = refuse(nullptr, kParseError, "a line is longer than 1 MiB"); !said)
        return std::move(said).error();
    }
  }
  return true;
}

Result<void> McpServer::step_calls() {
  for (Call& call : calls_) {
    call.step();
    if (!call.ended()) continue;
    if (auto said = reply(call.id(), call.result()); !said) return said;
  }
  std::erase_if(calls_, [](const Call& call) { return call.ended(); });
  return {};
}

Result<void> McpServer::serve(int in_fd, Interrupt& interrupt) {
  bool open = true;
  while (open || !calls_.empty()) {
    std::vector<pollfd> fds{{open ? in_fd : -1, POLLIN, 0}, {interrupt.fd(), POLLIN, 0}};
    auto deadline = Call::Clock::time_point::max();
    for (const Call& call : calls_) {
      const std::vector<pollfd> streams = call.waits_for();
      fds.insert(fds.end(), streams.begin(), streams.end());
      deadline = std::min(deadline, call.deadline());
    }
    int timeout_ms = -1;
    if (!calls_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Call::Clock::now()).count();
      timeout_ms = static_cast<int>(std::max<std::int64_t>(left, 0));
    }
    if (::poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) return posix_error("poll", errno);
    if (interrupt.requested()) return {};
    if (auto stepped = step_calls(); !stepped) return stepped;
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    auto more = read(in_fd);
    if (!more) return std::move(more).error();
    open = *more;
  }
  return {};
}

}  // namespace netpoll::cli
