// Makes and checks the bytes of messages.
#include "cli/workload/payload.h"

#include <cstdio>

namespace netpoll::workload {

std::string describe_mismatch(std::span<const std::byte> bytes, std::uint64_t seed, std::uint64_t offset) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::byte want;
    fill_payload({&want, 1}, seed, offset + i);
    if (bytes[i] == want) continue;
    char line[96];
    std::snprintf(line, sizeof(line), "byte %llu is 0x%02x, expected 0x%02x",
                  static_cast<unsigned long long>(offset + i), static_cast<unsigned>(bytes[i]),
                  static_cast<unsigned>(want));
    text = line;
    break;
  }
  // Sixteen bytes: the claimed seed and one derived word, which chance does not produce.
  if (!text.empty() && offset == 0 && bytes.size() >= 2 * kSeedBytes) {
    const std::uint64_t claimed = claimed_seed(bytes);
    if (payload_matches(bytes.first(2 * kSeedBytes), claimed)) {
      text += " (these are the bytes of connection " + std::to_string(connection_of(claimed)) + ", message " +
              std::to_string(sequence_of(claimed)) + ")";
    }
  }
  return text;
}

}  // namespace netpoll::workload
