// Messages that know whose they are: any other byte is found.
#include "cli/workload/payload.h"

#include <set>
#include <vector>

#include "tests/support/catch.h"

using namespace netpoll::workload;

namespace {
std::vector<std::byte> message(std::uint64_t seed, std::size_t size) {
  std::vector<std::byte> bytes(size);
  fill_payload(bytes, seed);
  return bytes;
}
}  // namespace

TEST_CASE("a message matches its own seed at every size", "[payload]") {
  const std::uint64_t seed = seed_of(3, 17);
  for (std::size_t size = 0; size < 100; ++size) REQUIRE(payload_matches(message(seed, size), seed));
}

TEST_CASE("a message written or checked in pieces is the same message", "[payload]") {
  const std::uint64_t seed = seed_of(1, 2);
  const auto whole = message(seed, 61);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::vector<std::byte> pieces(whole.size());
    fill_payload(std::span(pieces).first(cut), seed, 0);
    fill_payload(std::span(pieces).subspan(cut), seed, cut);
    REQUIRE(pieces == whole);
    REQUIRE(payload_matches(std::span(whole).subspan(cut), seed, cut));
  }
}

TEST_CASE("any changed byte is found and named", "[payload]") {
  const std::uint64_t seed = seed_of(9, 9);
  for (std::size_t at = 0; at < 40; ++at) {
    auto bytes = message(seed, 40);
    bytes[at] ^= std::byte{1};
    REQUIRE_FALSE(payload_matches(bytes, seed));
    REQUIRE(describe_mismatch(bytes, seed).starts_with("byte " + std::to_string(at) + " is 0x"));
  }
}

TEST_CASE("bytes of another connection or message are found and named", "[payload]") {
  const auto bytes = message(seed_of(5, 16), 64);
  REQUIRE_FALSE(payload_matches(bytes, seed_of(5, 17)));
  REQUIRE_FALSE(payload_matches(bytes, seed_of(6, 16)));
  const std::string text = describe_mismatch(bytes, seed_of(6, 16));
  REQUIRE(text.find("connection 5, message 16") != std::string::npos);
}

TEST_CASE("bytes shifted by one are found", "[payload]") {
  const std::uint64_t seed = seed_of(2, 2);
  const auto bytes = message(seed, 65);
  REQUIRE_FALSE(payload_matches(std::span(bytes).subspan(1, 64), seed));
}

TEST_CASE("a message tells its connection and sequence number", "[payload]") {
  const std::uint64_t seed = seed_of(70'000, 123'456);
  const auto bytes = message(seed, kSeedBytes);
  REQUIRE(claimed_seed(bytes) == seed);
  REQUIRE(connection_of(claimed_seed(bytes)) == 70'000);
  REQUIRE(sequence_of(claimed_seed(bytes)) == 123'456);
}

TEST_CASE("seeds of different messages differ", "[payload]") {
  std::set<std::uint64_t> seeds;
  for (std::uint32_t connection = 0; connection < 100; ++connection) {
    for (std::uint64_t sequence = 0; sequence < 100; ++sequence) seeds.insert(seed_of(connection, sequence));
  }
  REQUIRE(seeds.size() == 10'000);
  REQUIRE(seeds.count(0) == 0);
}

TEST_CASE("what matches has no mismatch to describe", "[payload]") {
  const std::uint64_t seed = seed_of(0, 0);
  REQUIRE(describe_mismatch(message(seed, 64), seed).empty());
}
