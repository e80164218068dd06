// Walks a copied stack from frame to frame.
#include "probes/goroutines/go/unwinder.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kWindow = 1 << 16;
constexpr std::size_t kMaxSteps = 1 << 18;  // remembered

std::string hex(std::uint64_t number) {
  std::array<char, 24> text;
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
  return text.data();
}

}  // namespace

std::optional<std::uint64_t> StackBytes::word(std::uint64_t address) {
  if (address < sp_ || address > hi_ || hi_ - address < 8) return std::nullopt;
  if (const auto word = copy_.at<std::uint64_t>(address - sp_)) return word;
  if (memory_ == nullptr) return std::nullopt;
  if (address < window_at_ || address - window_at_ + 8 > window_.size()) {
    window_.resize(std::min(kWindow, hi_ - address));
    window_at_ = address;
    if (!memory_->read(address, window_.data(), window_.size())) {
      window_.clear();
      return std::nullopt;
    }
  }
  return Bytes(window_).at<std::uint64_t>(address - window_at_);
}

std::optional<SavedRegisters> saved_registers(const GoG& g) {
  switch (g.status) {
    case GoStatus::kRunnable:
    case GoStatus::kWaiting:
    case GoStatus::kPreempted:
    case GoStatus::kLeaked:
      return SavedRegisters{.pc = g.sched_pc, .sp = g.sched_sp, .lr = g.sched_lr};
    case GoStatus::kSyscall:
      return SavedRegisters{.pc = g.syscall_pc, .sp = g.syscall_sp, .lr = 0};
    default:
      return std::nullopt;
  }
}

const Unwinder::Step& Unwinder::step_at(std::uint64_t pc) {
  if (steps_.size() > kMaxSteps) steps_.clear();
  const auto [entry, is_new] = steps_.try_emplace(pc);
  if (is_new) {
    if (const auto function = pclntab_.function_at(pc)) {
      entry->second = {.entry = function->entry,
                       .frame_size = pclntab_.frame_size(*function, pc),
                       .outermost = pclntab_.is_outermost(*function),
                       .moves_stack = pclntab_.moves_stack(*function)};
    }
  }
  return entry->second;
}

// Follows Go's runtime/traceback.go, unwinder.resolveInternal and next.
CallChain Unwinder::walk(const SavedRegisters& registers, StackBytes& stack, std::size_t max_frames) {
  CallChain chain;
  std::uint64_t pc = registers.pc;
  std::uint64_t sp = registers.sp;
  std::uint64_t lr = registers.lr;
  bool call = registers.call;
  bool innermost = true;
  while (chain.places.size() < max_frames) {
    const Step& step = step_at(pc);
    if (step.entry == 0) {
      chain.ends_early = "no Go code at " + hex(pc);
      return chain;
    }
    chain.places.push_back({.pc = pc, .call = call && pc != step.entry});
    if (step.outermost) return chain;
    if (!innermost && step.moves_stack && step.entry != functions_.cgocallback) {
      chain.ends_early = "the function at " + hex(step.entry) + " moves the stack pointer";
      return chain;
    }
    if (!step.frame_size) {
      chain.ends_early = "no frame size known at " + hex(pc);
      return chain;
    }
    const std::int32_t size = *step.frame_size;
    const std::uint64_t top = sp + static_cast<std::uint64_t>(size);
    std::optional<std::uint64_t> return_address;
    if (arch_.link_register) {
      const bool saved = (innermost && size > 0) || lr == 0;
      return_address = saved ? stack.word(sp) : std::optional(lr);
      lr = 0;
      sp = top;
    } else {
      return_address = stack.word(top);
      sp = top + 8;
    }
    if (!return_address) {
      chain.ends_early = "the stack is not readable at " + hex(arch_.link_register ? sp : top);
      return chain;
    }
    // What was interrupted is no call: the code there has not run yet.
    call = step.entry != functions_.async_preempt && step.entry != functions_.sigpanic;
    pc = *return_address;
    innermost = false;
  }
  chain.ends_early = "more than " + std::to_string(max_frames) + " frames";
  return chain;
}

}  // namespace netpoll::probes
