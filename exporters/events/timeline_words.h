// What the parts of Timeline have in common: names of categories, and the arguments of an endpoint.
#pragma once

#include <string_view>

#include "exporters/events/timeline.h"

namespace netpoll::exporters {

inline constexpr std::string_view kGoroutineCategory = "goroutine";
inline constexpr std::string_view kFdCategory = "fd";
inline constexpr std::string_view kCallCategory = "syscall";
inline constexpr std::string_view kPollerCategory = "poller";
inline constexpr std::string_view kTraceCategory = "trace";

inline void add_endpoint(TimelineArgs& args, const trace::Endpoint* endpoint) {
  if (endpoint == nullptr) return;
  if (!endpoint->kind.empty()) args.text("kind", endpoint->kind);
  if (!endpoint->local.empty()) args.text("local", endpoint->local);
  if (!endpoint->peer.empty()) args.text("peer", endpoint->peer);
}

}  // namespace netpoll::exporters
