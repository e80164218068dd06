// payload.h: message bytes that say where they belong.
//
// The bytes of a message follow from its seed, and the seed from connection and sequence number, so a byte that was
// lost, doubled, or sent to the wrong connection shows. The first eight bytes are the seed itself: a receiver that does
// not know what to expect (the fanin server, a UDP peer) can still verify a message of eight bytes or more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

namespace netpoll::workload {

inline constexpr std::size_t kSeedBytes = 8;
inline constexpr std::uint64_t kSeedKey = 0x9e3779b97f4a7c15;  // so that connection 0, message 0 is not all zeros

// Sequence numbers wrap at 2^32.
inline std::uint64_t seed_of(std::uint32_t connection, std::uint64_t sequence) {
  return ((std::uint64_t{connection} << 32) | (sequence & 0xffffffff)) ^ kSeedKey;
}
inline std::uint32_t connection_of(std::uint64_t seed) { return static_cast<std::uint32_t>((seed ^ kSeedKey) >> 32); }
inline std::uint32_t sequence_of(std::uint64_t seed) { return static_cast<std::uint32_t>(seed ^ kSeedKey); }

// The 64-bit word at byte offset 8 * index of the message: splitmix64 of the seed (Steele, Lea, Flood 2014).
inline std::uint64_t payload_word(std::uint64_t seed, std::uint64_t index) {
  if (index == 0) return seed;
  std::uint64_t z = seed + index * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

namespace detail {
// Calls piece(word bytes, position in `size`, length) for each word that overlaps [offset, offset + size).
template <typename F>
bool each_word(std::uint64_t seed, std::uint64_t offset, std::size_t size, F&& piece) {
  std::size_t done = 0;
  while (done < size) {
    const std::uint64_t at = offset + done;
    const std::uint64_t word = payload_word(seed, at / 8);
    const std::size_t skip = at % 8;
    const std::size_t length = std::min<std::size_t>(8 - skip, size - done);
    std::byte bytes[8];
    std::memcpy(bytes, &word, 8);
    if (!piece(bytes + skip, done, length)) return false;
    done += length;
  }
  return true;
}
}  // namespace detail

// Writes the bytes of the message from `offset` on.
inline void fill_payload(std::span<std::byte> out, std::uint64_t seed, std::uint64_t offset = 0) {
  detail::each_word(seed, offset, out.size(), [&](const std::byte* bytes, std::size_t at, std::size_t length) {
    std::memcpy(out.data() + at, bytes, length);
    return true;
  });
}

// Whether these are the bytes of the message from `offset` on.
inline bool payload_matches(std::span<const std::byte> bytes, std::uint64_t seed, std::uint64_t offset = 0) {
  return detail::each_word(seed, offset, bytes.size(), [&](const std::byte* want, std::size_t at, std::size_t length) {
    return std::memcmp(bytes.data() + at, want, length) == 0;
  });
}

// The seed a message claims. Needs kSeedBytes bytes.
inline std::uint64_t claimed_seed(std::span<const std::byte> message) {
  std::uint64_t seed;
  std::memcpy(&seed, message.data(), sizeof(seed));
  return seed;
}

// "byte 12 is 0x41, expected 0x42" for bytes that do not match; names the message they belong to when, at offset 0,
// they are plainly those of another one.
std::string describe_mismatch(std::span<const std::byte> bytes, std::uint64_t seed, std::uint64_t offset = 0);

}  // namespace netpoll::workload
