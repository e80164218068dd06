// RecordTable: one table of the debug ABI (TableRef in netpoll/debug/abi.h), read from outside.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "netpoll/debug/abi.h"
#include "netpoll/result.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// kProtocol: what the target says in its tables cannot be so.
Error abi_nonsense(const std::string& what);

// Reads a field at an offset that RecordTable::open() has checked against the record's size.
template <typename T>
T field(std::span<const std::byte> record, std::uint32_t offset) {
  T value;
  std::memcpy(&value, record.data() + offset, sizeof(value));
  return value;
}

// One way to read all records, one to read some. Fixed in size when opened: records added later are not seen. Memory
// use is bounded by a slab, whatever the table's size. One thread at a time.
class RecordTable {
 public:
  // What a table may claim; a reader that believed more could be made to read for ever.
  static constexpr std::uint64_t kMaxRecords = 1 << 24;
  static constexpr std::uint32_t kMaxStride = 1 << 16;

  // Reads the table's count and chunk addresses. kProtocol when a size makes no sense, or when a record is smaller
  // than min_stride, which is where the last field that the caller reads ends.
  static Result<RecordTable> open(Memory& memory, const debug::TableRef& ref, std::uint32_t min_stride);

  std::uint64_t count() const { return count_; }

  using Visit = std::function<void(std::uint64_t index, std::span<const std::byte> record)>;
  // Calls visit for every record, in order. kProtocol when one is not readable.
  Result<void> read_all(const Visit& visit) const;
  // Calls visit for the records with these indices, in the order given. Indices outside of the table and records that
  // are not readable are passed over.
  Result<void> read_some(std::span<const std::uint64_t> indices, const Visit& visit) const;

 private:
  RecordTable(Memory& memory, const debug::TableRef& ref, std::uint64_t count, std::vector<std::uint64_t> chunks)
      : memory_(&memory), ref_(ref), count_(count), chunks_(std::move(chunks)) {}

  std::uint64_t address(std::uint64_t index) const {
    return chunks_[index / ref_.per_chunk] + std::uint64_t{ref_.stride} * (index % ref_.per_chunk);
  }

  Memory* memory_;
  debug::TableRef ref_;
  std::uint64_t count_;
  std::vector<std::uint64_t> chunks_;
};

}  // namespace netpoll::probes
