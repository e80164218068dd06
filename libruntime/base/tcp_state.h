// Names of TCP's states, as people know them from ss(8) and netstat(8).
#pragma once

#include <array>
#include <string_view>

namespace netpoll::base {

// state: as in tcp_info and sock_diag (include/net/tcp_states.h). Empty for one that the kernel did not have when this
// was written.
inline std::string_view tcp_state_name(unsigned state) {
  static constexpr std::array<std::string_view, 13> kNames = {
      "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
  return state < kNames.size() ? kNames[state] : std::string_view{};
}

}  // namespace netpoll::base
