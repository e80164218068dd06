// Copies slots, and then asks which of them may have been written meanwhile.
#include "probes/self/ring_reader.h"

#include <algorithm>
#include <array>

namespace netpoll::probes {
namespace {

// What a ring may claim.
constexpr std::uint32_t kMaxCapacity = 1 << 20;

}  // namespace

Result<RingEvents> RingReader::read(Memory& memory) {
  RingEvents result;
  const auto header = memory.read_value<debug::RingHeader>(address_);
  if (!header) return header.error();
  const std::uint64_t capacity = header->capacity;
  if (header->event_size == 0) return result;
  if (header->event_size != sizeof(trace::Event) || capacity == 0 || capacity > kMaxCapacity ||
      (capacity & (capacity - 1)) != 0) {
    return Error(ErrorKind::kProtocol, "debug ABI: a ring of " + std::to_string(capacity) + " events of " +
                                           std::to_string(header->event_size) + " bytes");
  }
  if (!started_) {
    started_ = true;
    seen_ = header->head;
  }
  if (header->head <= seen_) {
    seen_ = header->head;  // below: another ring stands in its place
    return result;
  }
  const std::uint64_t head = header->head;
  std::uint64_t first = seen_ + 1;
  if (head - seen_ > capacity) first = head - capacity + 1;

  // At most two stretches.
  std::vector<trace::Event> slots(head - first + 1);
  const std::uint64_t at = (first - 1) & (capacity - 1);
  const std::uint64_t until_end = std::min<std::uint64_t>(slots.size(), capacity - at);
  std::array<ReadPiece, 2> pieces = {
      ReadPiece{header->slots + at * sizeof(trace::Event), slots.data(), until_end * sizeof(trace::Event)},
      ReadPiece{header->slots, slots.data() + until_end, (slots.size() - until_end) * sizeof(trace::Event)}};
  if (auto r = memory.read_batch(std::span(pieces).first(pieces[1].size > 0 ? 2 : 1)); !r) return std::move(r).error();
  if (!pieces[0].done || (pieces[1].size > 0 && !pieces[1].done)) {
    return Error(ErrorKind::kProtocol, "debug ABI: a ring that is not readable");
  }
  const auto after = memory.read_value<debug::RingHeader>(address_);
  if (!after) return after.error();

  std::uint64_t expected = seen_ + 1;
  for (std::uint64_t i = 0; i < slots.size(); ++i) {
    const std::uint64_t number = first + i;
    if (slots[i].sequence != number || number + capacity <= after->head + 1) continue;
    if (number != expected) {
      result.lost += number - expected;
      if (result.lost_before_ns == 0) result.lost_before_ns = slots[i].time_ns;
    }
    expected = number + 1;
    result.events.push_back(slots[i]);
  }
  result.lost += head + 1 - expected;
  seen_ = head;
  return result;
}

}  // namespace netpoll::probes
