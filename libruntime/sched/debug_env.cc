// Parses NETPOLLDEBUG.
#include "libruntime/sched/debug_env.h"

#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

#include "libruntime/base/fatal.h"

namespace netpoll::sched {
namespace {

struct Key {
  std::string_view name;
  void (*set)(DebugEnv& env, std::int64_t value);
};

constexpr Key kKeys[] = {
    {"schedtrace", [](DebugEnv& env, std::int64_t value) { env.schedtrace_ns = value * 1'000'000; }},
    {"scheddetail", [](DebugEnv& env, std::int64_t value) { env.scheddetail = value != 0; }},
    {"polltrace", [](DebugEnv& env, std::int64_t value) { env.polltrace = value != 0; }},
    {"hog", [](DebugEnv& env, std::int64_t value) { env.hog_ns = value * 1'000'000; }},
};

DebugEnv parse(std::string_view text) {
  DebugEnv env;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string item(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string_view name = std::string_view(item).substr(0, equals);
    const Key* found = nullptr;
    for (const Key& key : kKeys) {
      if (key.name == name) found = &key;
    }
    char* end = nullptr;
    const long long value = equals == std::string::npos ? 1 : std::strtoll(item.c_str() + equals + 1, &end, 10);
    if (found == nullptr) {
      base::log_line("netpoll: NETPOLLDEBUG: unknown key \"%s\" (known: schedtrace, scheddetail, polltrace, hog)",
                     std::string(name).c_str());
    } else if (value < 0 || value > 1'000'000'000 ||
               (end != nullptr && (*end != '\0' || end == item.c_str() + equals + 1))) {
      base::log_line("netpoll: NETPOLLDEBUG: bad value in \"%s\"", item.c_str());
    } else {
      found->set(env, value);
    }
  }
  return env;
}

}  // namespace

DebugEnv DebugEnv::from_environment() {
  static const DebugEnv env = [] {
    const char* text = std::getenv("NETPOLLDEBUG");
    return parse(text != nullptr ? text : "");
  }();
  return env;
}

}  // namespace netpoll::sched
