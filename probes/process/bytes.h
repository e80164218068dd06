// Bytes: a stretch of foreign bytes in which every access is checked. An offset may be any number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace netpoll::probes {

// A view: what it looks at outlives it. Numbers are little-endian, as on every machine that we read Go programs of.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  const std::byte* data() const { return bytes_.data(); }

  template <typename T>
  std::optional<T> at(std::uint64_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  // Empty where the offset lies outside.
  Bytes from(std::uint64_t offset) const { return offset > bytes_.size() ? Bytes() : Bytes(bytes_.subspan(offset)); }
  // At most size bytes.
  Bytes first(std::uint64_t size) const { return size < bytes_.size() ? Bytes(bytes_.first(size)) : *this; }

  // The NUL-terminated text there, without its NUL. Nothing when none ends within max bytes.
  std::optional<std::string_view> text(std::uint64_t offset, std::uint64_t max = 1 << 16) const {
    const Bytes rest = from(offset).first(max);
    const auto* chars = reinterpret_cast<const char*>(rest.data());
    const std::size_t length = rest.empty() ? 0 : strnlen(chars, rest.size());
    if (length == rest.size()) return std::nullopt;
    return std::string_view(chars, length);
  }

  // The unsigned varint at offset, which moves behind it. Nothing when it is longer than 10 bytes or cut off.
  std::optional<std::uint64_t> uvarint(std::uint64_t& offset) const {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && offset < bytes_.size(); shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(bytes_[offset++]);
      if (shift < 64) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  // Where needle stands first, from offset on.
  std::optional<std::uint64_t> find(std::string_view needle, std::uint64_t offset = 0) const {
    const Bytes rest = from(offset);
    if (rest.empty()) return std::nullopt;
    const void* found = memmem(rest.data(), rest.size(), needle.data(), needle.size());
    if (found == nullptr) return std::nullopt;
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(found) - bytes_.data());
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace netpoll::probes
