// Finds the table of names in the target's data.
#include "probes/goroutines/go/wait_reasons.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/memory_scan.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxNames = 128;
constexpr std::uint64_t kMaxReasonBytes = 64;
// Number 0 is the empty text, and these follow in all versions.
constexpr std::string_view kFirst = "GC assist marking";
constexpr std::string_view kSecond = "IO wait";

std::optional<std::string> text_at(const Image& image, std::uint64_t address, std::uint64_t length) {
  if (length == 0 || length > kMaxReasonBytes) return std::nullopt;
  const Bytes bytes = image.at(address).first(length);
  if (bytes.size() < length) return std::nullopt;
  std::string text(reinterpret_cast<const char*>(bytes.data()), length);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable ? std::optional(std::move(text)) : std::nullopt;
}

// Number 1 of the array stands at offset.
bool is_array(const Image& image, Bytes bytes, std::uint64_t offset) {
  if (bytes.at<std::uint64_t>(offset + 8) != kFirst.size() || bytes.at<std::uint64_t>(offset + 24) != kSecond.size()) {
    return false;
  }
  return offset >= 16 && bytes.at<std::uint64_t>(offset - 8) == 0 &&
         text_at(image, *bytes.at<std::uint64_t>(offset), kFirst.size()) == kFirst &&
         text_at(image, *bytes.at<std::uint64_t>(offset + 16), kSecond.size()) == kSecond;
}

}  // namespace

WaitReasons WaitReasons::find(const Image& image, Memory& memory, const ModuleData& module) {
  WaitReasons found;
  const auto visit = [&](Bytes bytes) {
    for (std::uint64_t at = 16; at + 32 <= bytes.size(); at += 8) {
      if (!is_array(image, bytes, at)) continue;
      found.names_.emplace_back();
      // Another array of texts may follow directly: the end is soft, and only numbers of goroutines are looked up.
      for (std::uint64_t n = at; n + 16 <= bytes.size() && found.names_.size() < kMaxNames; n += 16) {
        auto name = text_at(image, *bytes.at<std::uint64_t>(n), *bytes.at<std::uint64_t>(n + 8));
        if (!name) break;
        found.names_.push_back(std::move(*name));
      }
      return true;
    }
    return false;
  };
  // Without names a snapshot has numbers, so that an error does not matter here.
  for (const AddressRange& range : module.initialized()) {
    if (!found.known()) (void)scan_memory(memory, range, 16 * kMaxNames, visit);
  }
  return found;
}

std::string WaitReasons::name(std::uint8_t reason) const {
  if (reason < names_.size()) return names_[reason];
  if (reason == kGoIoWait) return std::string(kSecond);
  return reason == 0 ? std::string() : "reason " + std::to_string(reason);
}

}  // namespace netpoll::probes
