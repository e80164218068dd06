// Gives names to unwound stacks and hides what is the runtime's own.
#include "libruntime/symbols/stacks.h"

#include <string_view>

#include "libruntime/symbols/goroutine_names.h"

namespace netpoll::symbols {
namespace {

bool in_runtime_header(std::string_view file) {
  return file.ends_with("/netpoll/go.h") || file.ends_with("/netpoll/runtime.h");
}

}  // namespace

const Stacks::Indices& Stacks::frames(std::uint64_t address, std::uint64_t pc) {
  const auto [found, is_new] = at_.try_emplace(address);
  if (!is_new) return found->second;
  const auto& names = code_.frames_at(address);
  for (std::size_t i = 0; i < names.size(); ++i) {
    trace::Frame frame = names[i];
    frame.pc = pc;
    // What wraps the function that was handed to go() stands for it where it was inlined without a frame of its own. Of
    // that tells only where the instruction was written; without DWARF nobody knows.
    std::string meant = goroutine_function(frame.function);
    const bool wrapper = meant != frame.function;
    frame.hidden = is_runtime_function(frame.function) && !(wrapper && !in_runtime_header(frame.file));
    if (wrapper && !frame.hidden) frame.function = std::move(meant);
    found->second.push_back(static_cast<std::uint32_t>(snapshot_.frames.size()));
    snapshot_.frames.push_back(std::move(frame));
  }
  return found->second;
}

std::optional<std::uint32_t> Stacks::entry(std::uint64_t pc) {
  if (pc == 0) return std::nullopt;
  const auto [found, is_new] = entry_at_.try_emplace(pc, static_cast<std::uint32_t>(snapshot_.frames.size()));
  if (is_new) {
    const auto& names = code_.frames_at(pc);
    trace::Frame frame = names.front();
    frame.function = goroutine_function(names.back().function);
    frame.entry_pc = frame.pc = pc;
    frame.inlined = false;
    snapshot_.frames.push_back(std::move(frame));
  }
  return found->second;
}

std::optional<std::uint32_t> Stacks::creator(std::uint64_t pc) {
  if (pc == 0) return std::nullopt;
  const Indices& indices = frames(pc - 1, pc);
  for (const std::uint32_t index : indices) {
    if (!snapshot_.frames[index].hidden) return index;
  }
  return indices.front();
}

void Stacks::add(trace::Goroutine& g, const Unwound& unwound, std::uint64_t start_pc, std::uint64_t created_pc) {
  g.entry = entry(start_pc);
  g.created_by = creator(created_pc);
  g.stack_ends_early = unwound.ends_early;
  if (unwound.at_start) {
    if (g.entry) g.stack.push_back(*g.entry);
    return;
  }
  bool interrupted = unwound.interrupted;
  for (const std::uint64_t pc : unwound.pcs) {
    // The call before a return address: what follows may belong to the next function, or to another line.
    const Indices& indices = frames(interrupted ? pc : pc - 1, pc);
    interrupted = false;
    g.stack.insert(g.stack.end(), indices.begin(), indices.end());
  }
}

}  // namespace netpoll::symbols
