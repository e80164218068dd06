// ForgedProcess: a live process, some words of whose memory are the fuzzer's.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "probes/goroutines/reader.h"
#include "probes/process/subject.h"
#include "tests/fuzz/input.h"
#include "tests/support/rest_of_subject.h"

namespace netpoll::test {

// Reads the real memory, and puts another value into a word now and then. The input is a list of: how many pieces are
// read untouched before, where in the next one, how (the value itself, added, or near the true one), and the value.
class ForgedMemory : public probes::Memory {
 public:
  ForgedMemory(probes::Memory& real, Numbers forgeries) : real_(real), forgeries_(forgeries) { next(); }

  Result<void> read_batch(std::span<probes::ReadPiece> pieces) override {
    auto result = real_.read_batch(pieces);
    for (probes::ReadPiece& piece : pieces) {
      if (!piece.done || exhausted_) continue;
      if (untouched_ > 0) {
        --untouched_;
        continue;
      }
      forge(piece);
    }
    return result;
  }

 private:
  void next() {
    exhausted_ = forgeries_.empty();
    untouched_ = forgeries_.take<std::uint16_t>();
  }
  void forge(const probes::ReadPiece& piece) {
    const auto where = forgeries_.take<std::uint16_t>();
    const auto how = forgeries_.take<std::uint8_t>();
    const auto value = forgeries_.take<std::uint64_t>();
    next();
    std::uint64_t word = 0;
    const std::size_t size = std::min(piece.size, sizeof(word));
    if (size == 0) return;
    const std::size_t words = piece.size / size;
    auto* at = static_cast<std::byte*>(piece.into) + where % words * size;
    std::memcpy(&word, at, size);
    word = how % 3 == 0 ? value : how % 3 == 1 ? word + value : word ^ (value & 0xffff);
    std::memcpy(at, &word, size);
  }

  probes::Memory& real_;
  Numbers forgeries_;
  bool exhausted_ = false;
  std::uint16_t untouched_ = 0;
};

class ForgedProcess : public RestOfSubject {
 public:
  ForgedProcess(probes::Subject& real, Numbers forgeries) : RestOfSubject(real), memory_(real.memory(), forgeries) {}

  probes::Memory& memory() override { return memory_; }
  probes::Descriptors describe(const std::vector<int>& /*fds*/, probes::Ends /*ends*/) override { return {}; }

 private:
  ForgedMemory memory_;
};

// Attaches and reads once more than once, so that tables that were believed meet others.
inline void read_forged(pid_t pid, const std::uint8_t* data, std::size_t size) {
  static const auto real = probes::make_live_subject(pid);
  if (!real) std::abort();
  ForgedProcess subject(**real, Numbers(data, size));
  auto reader = probes::attach_reader(subject);
  if (!reader) return;
  for (int i = 0; i < 2; ++i) {
    const auto snapshot = (*reader)->read({.retries = 1});
    if (!snapshot) continue;
    for (const trace::Goroutine& g : snapshot->goroutines) {
      const auto known = [&](std::uint32_t frame) { return frame < snapshot->frames.size(); };
      if (!std::all_of(g.stack.begin(), g.stack.end(), known)) std::abort();
    }
  }
}

}  // namespace netpoll::test
