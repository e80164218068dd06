// goroutine_text: what a reader found out about a goroutine, on one line, so that two readers can be compared.
#pragma once

#include <string>

#include "netpoll/trace/goroutine.h"

namespace netpoll::test {

// Everything but times. Without what only a reader from outside looks for (peer_processes).
inline std::string goroutine_text(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& g) {
  const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string("-"); };
  const auto frame = [&](std::uint32_t index) {
    const trace::Frame& f = snapshot.frames.at(index);
    return f.function + "@" + f.file + ":" + std::to_string(f.line) + "/" + std::to_string(f.pc) + "/" +
           std::to_string(f.entry_pc) + (f.inlined ? "i" : "") + (f.hidden ? "h" : "");
  };
  std::string text = std::to_string(g.goid) + " parent " + number(g.parent_goid) + " " + g.status + " " +
                     g.wait_reason + (g.io_wait ? " io" : "") + " fd " + number(g.fd);
  text += g.mode ? (*g.mode == trace::IoMode::kRead ? " read" : " write") : "";
  text += std::string(g.deadline_in_ns ? " deadline" : "") + (g.foreign_change ? " foreign" : "");
  text += " " + g.kind + " " + g.local + " " + g.peer + " " + g.tcp_state + " " + number(g.recv_queue_bytes) + " " +
          number(g.send_queue_bytes);
  for (const auto& [key, value] : g.labels) text += " {" + key + "=" + value + "}";
  for (const std::uint32_t index : g.stack) text += " | " + frame(index);
  text += " (" + g.stack_ends_early + ")";
  text += " entry " + (g.entry ? frame(*g.entry) : "-");
  text += " by " + (g.created_by ? frame(*g.created_by) : "-");
  return text;
}

}  // namespace netpoll::test
