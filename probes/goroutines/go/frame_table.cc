// Looks frames up by code address and keeps each once.
#include "probes/goroutines/go/frame_table.h"

namespace netpoll::probes {

bool is_runtime_internal(std::string_view function) {
  constexpr std::string_view kRuntime = "runtime.";
  if (!function.starts_with(kRuntime)) return false;
  const std::string_view name = function.substr(kRuntime.size());
  // Exported functions are shown, and the one that stands for panic().
  return name != "gopanic" && (name.empty() || name.front() < 'A' || name.front() > 'Z');
}

std::uint32_t FrameTable::add(const GoLine& line, std::uint64_t pc, const GoFunction& function) {
  frames_.push_back({.function = printed_name(line.function),
                     .file = std::string(line.file),
                     .line = line.line,
                     .pc = pc,
                     .entry_pc = function.entry,
                     .inlined = line.inlined,
                     .hidden = line.wrapper || is_runtime_internal(line.function)});
  return static_cast<std::uint32_t>(frames_.size() - 1);
}

const std::vector<std::uint32_t>& FrameTable::at(const CodePlace& place) {
  const auto [entry, is_new] = places_.try_emplace(place.pc * 2 + (place.call ? 1 : 0));
  if (!is_new) return entry->second;
  const std::uint64_t pc = place.call ? place.pc - 1 : place.pc;
  if (const auto function = pclntab_.function_at(place.pc)) {
    for (const GoLine& line : pclntab_.lines(*function, pc)) entry->second.push_back(add(line, place.pc, *function));
  }
  return entry->second;
}

std::optional<std::uint32_t> FrameTable::creator(std::uint64_t go_pc) {
  const auto [entry, is_new] = creators_.try_emplace(go_pc);
  if (!is_new) return entry->second;
  const auto function = pclntab_.function_at(go_pc);
  if (!function) return std::nullopt;
  const auto lines = pclntab_.lines(*function, go_pc > function->entry ? go_pc - 1 : go_pc);
  GoLine line = lines.back();
  line.file = lines.front().file;
  line.line = lines.front().line;
  entry->second = add(line, go_pc, *function);
  return entry->second;
}

std::optional<std::uint32_t> FrameTable::function(std::uint64_t start) {
  const auto [entry, is_new] = functions_.try_emplace(start);
  if (!is_new) return entry->second;
  const auto function = pclntab_.function_at(start);
  if (!function || function->entry != start) return std::nullopt;
  entry->second = add(pclntab_.lines(*function, start).back(), start, *function);
  return entry->second;
}

}  // namespace netpoll::probes
