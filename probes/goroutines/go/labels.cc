// Reads label sets: slices since Go 1.24, maps before.
#include "probes/goroutines/go/labels.h"

#include <algorithm>
#include <unordered_set>

#include "probes/process/bytes.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxLabels = 1024;
constexpr std::uint64_t kMaxText = 4096;
constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 20;

// Of runtime.hmap and runtime.bmap for map[string]string.
constexpr std::uint64_t kMapBytes = 32;
constexpr unsigned kMaxLogBuckets = 10;
constexpr std::uint64_t kBucketBytes = 272;
constexpr std::uint64_t kKeys = 8;
constexpr std::uint64_t kValues = 136;
constexpr std::uint64_t kOverflow = 264;
constexpr unsigned kSlots = 8;
constexpr std::uint8_t kMinTopHash = 5;
constexpr std::uint64_t kMaxBuckets = 1 << 20;  // of all sets together

struct Text {
  std::uint64_t address = 0;
  std::uint64_t length = 0;
};

struct Label {
  std::uint64_t set = 0;
  Text key;
  Text value;
};

Text text_of(Bytes bytes, std::uint64_t offset) {
  return {bytes.at<std::uint64_t>(offset).value_or(0), bytes.at<std::uint64_t>(offset + 8).value_or(0)};
}

using SetPointers = std::unordered_set<std::uint64_t>;

// Since 1.24: the variable is a slice of {key, value}. beyond: gets the sets for which there is no room.
Result<std::vector<Label>> list_slices(Memory& memory, std::span<const std::uint64_t> pointers, SetPointers& beyond) {
  struct Slice {
    std::uint64_t data, length, capacity;
  };
  constexpr std::uint64_t kLabelBytes = 32;
  std::vector<Slice> slices(pointers.size());
  std::vector<ReadPiece> pieces;
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    pieces.push_back({.address = pointers[i], .into = &slices[i], .size = sizeof(Slice)});
  }
  if (auto r = memory.read_batch(pieces); !r) return std::move(r).error();

  std::vector<std::vector<std::byte>> contents(pointers.size());
  std::vector<ReadPiece> wanted;
  std::vector<std::size_t> owners;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    const Slice& s = slices[i];
    if (!pieces[i].done || s.length == 0 || s.length > s.capacity || s.capacity > kMaxLabels) continue;
    if (total + s.length * kLabelBytes > kMaxBytes) {
      beyond.insert(pointers[i]);
      continue;
    }
    total += s.length * kLabelBytes;
    contents[i].resize(s.length * kLabelBytes);
    wanted.push_back({.address = s.data, .into = contents[i].data(), .size = contents[i].size()});
    owners.push_back(i);
  }
  if (auto r = memory.read_batch(wanted); !r) return std::move(r).error();
  std::vector<Label> labels;
  for (std::size_t n = 0; n < wanted.size(); ++n) {
    if (!wanted[n].done) continue;
    const Bytes bytes(contents[owners[n]]);
    for (std::uint64_t at = 0; at + kLabelBytes <= bytes.size(); at += kLabelBytes) {
      labels.push_back({.set = pointers[owners[n]], .key = text_of(bytes, at), .value = text_of(bytes, at + 16)});
    }
  }
  return labels;
}

// The used slots of a bucket and of those that hang on it. False: there are more than may be read.
bool list_bucket(Memory& memory, std::uint64_t set, Bytes bucket, std::vector<Label>& labels, std::uint64_t limit,
                 std::uint64_t& budget) {
  std::vector<std::byte> next(kBucketBytes);
  while (budget > 0) {
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      if (bucket.at<std::uint8_t>(slot).value_or(0) < kMinTopHash) continue;
      if (labels.size() >= limit) return true;
      labels.push_back({.set = set,
                        .key = text_of(bucket, kKeys + std::uint64_t{16} * slot),
                        .value = text_of(bucket, kValues + std::uint64_t{16} * slot)});
    }
    --budget;
    const std::uint64_t overflow = bucket.at<std::uint64_t>(kOverflow).value_or(0);
    if (overflow == 0 || !memory.read(overflow, next.data(), next.size())) return true;
    bucket = Bytes(next);
  }
  return false;
}

// Until 1.23: the variable is a map[string]string, that is a pointer to its header. budget: buckets that may be read.
// beyond: gets the map if it has more.
void list_map(Memory& memory, std::uint64_t pointer, std::vector<Label>& labels, std::uint64_t& budget,
              SetPointers& beyond) {
  const auto map = memory.read_value<std::uint64_t>(pointer);
  std::vector<std::byte> header(kMapBytes);
  if (!map || *map == 0 || !memory.read(*map, header.data(), header.size())) return;
  const Bytes bytes(header);
  const std::uint64_t count = *bytes.at<std::uint64_t>(0);
  const unsigned log = *bytes.at<std::uint8_t>(9);
  if (count > kMaxLabels || log > kMaxLogBuckets) return;
  const std::uint64_t limit = labels.size() + count;
  // While it grows, what was not moved yet is in the old buckets, which are half as many.
  const std::uint64_t old = *bytes.at<std::uint64_t>(24);
  const std::pair<std::uint64_t, std::uint64_t> arrays[] = {
      {*bytes.at<std::uint64_t>(16), std::uint64_t{1} << log},
      {old, old != 0 && log > 0 ? std::uint64_t{1} << (log - 1) : 0}};
  for (const auto& [buckets, size] : arrays) {
    if (size > budget) {
      beyond.insert(pointer);
      return;
    }
    std::vector<std::byte> array(size * kBucketBytes);
    if (array.empty() || !memory.read(buckets, array.data(), array.size())) continue;
    for (std::uint64_t i = 0; i < size; ++i) {
      const Bytes bucket = Bytes(array).from(i * kBucketBytes).first(kBucketBytes);
      if (!list_bucket(memory, pointer, bucket, labels, limit, budget)) beyond.insert(pointer);
    }
  }
}

}  // namespace

Result<std::unordered_map<std::uint64_t, LabelSet>> read_labels(Memory& memory, LabelForm form,
                                                                std::span<const std::uint64_t> pointers,
                                                                std::uint64_t* left_out) {
  std::vector<Label> labels;
  SetPointers beyond;
  if (form == LabelForm::kSlice) {
    auto listed = list_slices(memory, pointers, beyond);
    if (!listed) return std::move(listed).error();
    labels = std::move(*listed);
  } else if (form == LabelForm::kMap) {
    std::uint64_t budget = kMaxBuckets;
    for (const std::uint64_t pointer : pointers) list_map(memory, pointer, labels, budget, beyond);
  }

  std::uint64_t total = 0;
  std::erase_if(labels, [&](const Label& label) {
    const std::uint64_t size = std::min(label.key.length, kMaxText) + std::min(label.value.length, kMaxText);
    if (total + size > kMaxBytes) {
      beyond.insert(label.set);
      return true;
    }
    total += size;
    return false;
  });
  if (left_out != nullptr) *left_out = beyond.size();

  std::vector<std::string> texts;
  texts.reserve(2 * labels.size());
  std::vector<ReadPiece> pieces;
  for (const Label& label : labels) {
    for (const Text& text : {label.key, label.value}) {
      const std::uint64_t size = std::min(text.length, kMaxText);
      texts.emplace_back(size, '\0');
      if (size > 0) pieces.push_back({.address = text.address, .into = texts.back().data(), .size = size});
    }
  }
  if (auto r = memory.read_batch(pieces); !r) return std::move(r).error();
  std::unordered_map<std::uint64_t, LabelSet> sets;
  std::size_t piece = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    bool whole = true;
    for (const std::size_t n : {2 * i, 2 * i + 1}) {
      if (!texts[n].empty()) whole = pieces[piece++].done && whole;
    }
    if (whole) sets[labels[i].set].emplace_back(std::move(texts[2 * i]), std::move(texts[2 * i + 1]));
  }
  // A map has no order.
  if (form == LabelForm::kMap) {
    for (auto& [pointer, set] : sets) std::sort(set.begin(), set.end());
  }
  return sets;
}

}  // namespace netpoll::probes
