// Reads goroutines, then their stacks, then the goroutines again, and repeats what moved.
#include "probes/goroutines/go/sampler.h"

#include <algorithm>
#include <utility>

#include "probes/goroutines/go/allgs.h"

namespace netpoll::probes {
namespace {

constexpr std::size_t kBatch = 1024;
// More of a stack is copied only while it is unwound.
constexpr std::uint64_t kCopied = 32 << 10;
constexpr std::uint64_t kCopiedToScan = 512;
constexpr std::size_t kMaxFrames = 10'000;  // of one goroutine
constexpr std::size_t kMaxAllFrames = 1 << 24;

}  // namespace

Sampler::Sampler(Memory& memory, const GoProgram& program)
    : memory_(memory), program_(program), unwinder_(program.pclntab, program.functions, *program.arch) {
  if (program.layout.poll_desc) scan_.emplace(memory, *program.layout.poll_desc);
}

Result<Sampler::Batch> Sampler::copy(std::span<const std::uint64_t> addresses, bool stacks) {
  auto gs = read_gs(memory_, program_.layout.g, addresses);
  if (!gs) return std::move(gs).error();
  Batch batch;
  std::vector<ReadPiece> pieces;
  std::vector<std::size_t> owners;
  std::size_t total = 0;
  for (const GoG& g : *gs) {
    if (!g.lives()) continue;
    batch.samples.push_back({.g = g, .chain = {}, .on_stack = std::nullopt, .stable = true});
    const auto registers = saved_registers(g);
    if (!registers || registers->sp < g.stack_lo || registers->sp >= g.stack_hi) continue;
    const std::uint64_t wanted = stacks ? kCopied : g.in_io_wait() ? kCopiedToScan : 0;
    const std::uint64_t size = std::min(g.stack_hi - registers->sp, wanted);
    if (size == 0) continue;
    pieces.push_back({.address = registers->sp, .into = nullptr, .size = size});
    owners.push_back(batch.samples.size() - 1);
    total += size;
  }
  batch.slab = std::make_unique_for_overwrite<std::byte[]>(total);
  batch.stacks.resize(batch.samples.size());
  std::byte* into = batch.slab.get();
  for (ReadPiece& piece : pieces) {
    piece.into = into;
    into += piece.size;
  }
  if (auto r = memory_.read_batch(pieces); !r) return std::move(r).error();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].done) continue;
    const auto* begin = static_cast<const std::byte*>(pieces[i].into);
    batch.stacks[owners[i]] = Bytes(std::span(begin, pieces[i].size));
  }
  return batch;
}

void Sampler::unwind(Batch& batch, Memory* rest) {
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    Sample& sample = batch.samples[i];
    const auto registers = saved_registers(sample.g);
    if (!registers) {
      sample.chain.ends_early = sample.g.status == GoStatus::kRunning ? "it was running" : "its stack was being moved";
      continue;
    }
    const Bytes& copied = batch.stacks[i];
    StackBytes stack(registers->sp, sample.g.stack_hi, std::span(copied.data(), copied.size()), rest);
    sample.chain = unwinder_.walk(*registers, stack, std::min(kMaxFrames, frames_left_));
    frames_left_ -= sample.chain.places.size();
  }
}

CallChain Sampler::unwind_running(const GoG& g, const SavedRegisters& registers) {
  StackBytes stack(registers.sp, g.stack_hi, {}, &memory_);
  return unwinder_.walk(registers, stack, kMaxFrames);
}

void Sampler::scan(Batch& batch) {
  if (!scan_) return;
  std::vector<StackOfWaiter> waiters;
  std::vector<std::size_t> owners;
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    const Sample& sample = batch.samples[i];
    if (!sample.g.in_io_wait() || batch.stacks[i].empty()) continue;
    StackOfWaiter waiter{.g = &sample.g, .stack = batch.stacks[i], .in_netpollblock = false};
    if (sample.chain.places.size() > 1) {
      const auto caller = program_.pclntab.function_at(sample.chain.places[1].pc);
      waiter.in_netpollblock = caller && caller->entry == program_.functions.netpollblock;
    }
    waiters.push_back(waiter);
    owners.push_back(i);
  }
  const auto found = scan_->find(waiters);
  for (std::size_t i = 0; i < found.size(); ++i) batch.samples[owners[i]].on_stack = found[i];
}

// Marks those that moved meanwhile.
Result<void> Sampler::compare(Batch& batch) {
  std::vector<const GoG*> gs;
  for (const Sample& sample : batch.samples) gs.push_back(&sample.g);
  const auto same = same_moments(memory_, program_.layout.g, gs);
  if (!same) return same.error();
  for (std::size_t i = 0; i < gs.size(); ++i) {
    Sample& sample = batch.samples[i];
    sample.stable = (*same)[i] && sample.g.status != GoStatus::kCopyStack;
  }
  return {};
}

Result<Samples> Sampler::read(int retries, bool stacks) {
  frames_left_ = kMaxAllFrames;
  auto list = read_allgs(memory_, program_.allgs);
  if (!list) return std::move(list).error();
  Samples result;
  std::vector<std::uint64_t> wanted = std::move(*list);
  for (int attempt = 0; !wanted.empty(); ++attempt) {
    const bool last = attempt >= retries;
    std::vector<std::uint64_t> moved;
    for (std::size_t at = 0; at < wanted.size(); at += kBatch) {
      const auto addresses = std::span(wanted).subspan(at, std::min(kBatch, wanted.size() - at));
      auto batch = copy(addresses, stacks);
      if (!batch) return std::move(batch).error();
      if (stacks) unwind(*batch, &memory_);
      scan(*batch);
      if (auto r = compare(*batch); !r) return std::move(r).error();
      for (Sample& sample : batch->samples) {
        if (sample.stable || last) {
          result.list.push_back(std::move(sample));
        } else {
          moved.push_back(sample.g.address);
        }
      }
    }
    if (!moved.empty()) ++result.retries;
    wanted = std::move(moved);
  }
  return result;
}

Result<std::vector<Sampler::Batch>> Sampler::copy_all(bool stacks) {
  auto list = read_allgs(memory_, program_.allgs);
  if (!list) return std::move(list).error();
  std::vector<Batch> copies;
  for (std::size_t at = 0; at < list->size(); at += kBatch) {
    auto batch = copy(std::span(*list).subspan(at, std::min(kBatch, list->size() - at)), stacks);
    if (!batch) return std::move(batch).error();
    if (!batch->samples.empty()) copies.push_back(std::move(*batch));
  }
  return copies;
}

Samples Sampler::look_into(std::vector<Batch> copies, bool stacks) {
  frames_left_ = kMaxAllFrames;
  Samples result;
  for (Batch& batch : copies) {
    if (stacks) unwind(batch, nullptr);
    scan(batch);
    for (Sample& sample : batch.samples) {
      sample.stable = sample.g.status != GoStatus::kCopyStack;
      result.list.push_back(std::move(sample));
    }
    batch = {};
  }
  return result;
}

}  // namespace netpoll::probes
