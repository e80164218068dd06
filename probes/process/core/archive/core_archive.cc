// Unpacks cores piece by piece into a temporary file.
//
// Facts: a crash report is a text of fields as those of Debian's packages (deb822(5)); binary ones are base64, each
// line of it a whole of its own, and what the lines hold together is gzip or zstd (apport: problem_report.py, write).
#include "probes/process/core/archive/core_archive.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "probes/process/core/archive/core_size.h"
#include "probes/process/core/archive/decompressor.h"
#include "probes/process/core/archive/sparse_file.h"

namespace netpoll::probes {
namespace {

constexpr std::size_t kPiece = 1 << 20;
constexpr std::size_t kLongestLine = 16 << 20;  // apport packs a megabyte into each
constexpr std::string_view kReportBegin = "ProblemType:";
constexpr std::string_view kCoreField = "CoreDump:";

Error not_supported(const std::string& path, const CompressedFormat& format) {
  const std::string name(format.name);
  return Error(ErrorKind::kNotSupported, path + " is compressed (" + name + "), which this build does not read")
      .with_hint("unpack it first: " + std::string(format.command) + " " + path);
}

// What is packed, and where it goes.
class Unpacking {
 public:
  static Result<Unpacking> begin(const std::string& path, const CompressedFormat& format) {
    if (format.make == nullptr) return not_supported(path, format);
    auto file = SparseFile::make();
    if (!file) return std::move(file).error();
    return Unpacking(format.make(), std::move(*file));
  }

  Result<void> feed(std::span<const std::byte> piece) {
    return decompressor_->feed(piece, [this](std::span<const std::byte> plain) -> Result<void> {
      if (auto r = size_.add(plain); !r) return r;
      return file_.append(plain);
    });
  }

  Result<PlainCore> finish(const std::string& path) && {
    auto fd = std::move(file_).finish();
    if (!fd) return std::move(fd).error();
    auto file = RegularFile::of(std::move(*fd), path);
    if (!file) return std::move(file).error();
    return PlainCore{.file = std::move(*file), .cut_short = !decompressor_->whole()};
  }

 private:
  Unpacking(std::unique_ptr<Decompressor> decompressor, SparseFile file)
      : decompressor_(std::move(decompressor)), file_(std::move(file)) {}

  std::unique_ptr<Decompressor> decompressor_;
  SparseFile file_;
  CoreSize size_;
};

Result<PlainCore> unpack(const RegularFile& packed, const std::string& path, const CompressedFormat& format) {
  auto unpacking = Unpacking::begin(path, format);
  if (!unpacking) return std::move(unpacking).error();
  std::vector<std::byte> piece(kPiece);
  std::uint64_t at = 0;
  while (const std::size_t n = packed.read_some(at, piece.data(), piece.size())) {
    if (auto r = unpacking->feed(std::span(piece).first(n)); !r) return std::move(r).error().within(path);
    at += n;
  }
  return std::move(*unpacking).finish(path);
}

// Nothing for what is no base64 (RFC 4648).
std::optional<std::vector<std::byte>> base64_bytes(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto kValues = [&] {
    std::array<int, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < kDigits.size(); ++i) {
      values[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
    }
    return values;
  }();
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  unsigned collected = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    collected = (collected << 6U | static_cast<unsigned>(value)) & 0xffffU;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::byte>(collected >> bits));
  }
  return bytes;
}

// The lines of a text file, without their ends.
class Lines {
 public:
  explicit Lines(const RegularFile& file) : file_(file) {}

  // Valid until the next call; nothing at the end, and where a line is too long to be one.
  std::optional<std::string_view> next() {
    for (;;) {
      const auto end = text_.find('\n', begin_);
      if (end != std::string::npos) {
        const std::string_view line = std::string_view(text_).substr(begin_, end - begin_);
        begin_ = end + 1;
        return line;
      }
      text_.erase(0, begin_);
      begin_ = 0;
      if (text_.size() > kLongestLine) return std::nullopt;
      const std::size_t held = text_.size();
      text_.resize(held + kPiece);
      const std::size_t n = file_.read_some(at_, text_.data() + held, kPiece);
      text_.resize(held + n);
      at_ += n;
      if (n > 0) continue;
      if (text_.empty()) return std::nullopt;
      text_ += '\n';
    }
  }

 private:
  const RegularFile& file_;
  std::string text_;
  std::size_t begin_ = 0;
  std::uint64_t at_ = 0;
};

Result<PlainCore> unpack_report(const RegularFile& report, const std::string& path) {
  Lines lines(report);
  std::optional<Unpacking> unpacking;
  bool in_core = false;
  while (const auto line = lines.next()) {
    if (!line->starts_with(' ')) {
      if (in_core) break;
      in_core = line->starts_with(kCoreField);
      continue;
    }
    if (!in_core) continue;
    const auto bytes = base64_bytes(line->substr(1));
    if (!bytes) return Error(ErrorKind::kProtocol, path + ": the crash report's core is no base64");
    if (!unpacking) {
      const CompressedFormat* format = compressed_format(*bytes);
      if (format == nullptr) {
        return Error(ErrorKind::kNotSupported, path + ": the crash report's core is in a format that is not known")
            .with_hint("apport-unpack " + path + " FOLDER unpacks it");
      }
      auto begun = Unpacking::begin(path, *format);
      if (!begun) return std::move(begun).error();
      unpacking = std::move(*begun);
    }
    if (auto r = unpacking->feed(*bytes); !r) return std::move(r).error().within(path);
  }
  if (!unpacking) {
    return Error(ErrorKind::kProtocol, path + ": the crash report holds no core")
        .with_hint("apport leaves it out of reports that were sent; where the kernel puts cores: core(5)");
  }
  return std::move(*unpacking).finish(path);
}

}  // namespace

Result<PlainCore> open_plain_core(const std::string& path) {
  auto file = RegularFile::open(path);
  if (!file) return std::move(file).error();
  std::array<std::byte, kReportBegin.size()> begin{};
  const auto found = std::span(begin).first(file->read_some(0, begin.data(), begin.size()));
  if (const CompressedFormat* format = compressed_format(found)) return unpack(*file, path, *format);
  if (std::string_view(reinterpret_cast<const char*>(found.data()), found.size()) == kReportBegin) {
    return unpack_report(*file, path);
  }
  return PlainCore{.file = std::move(*file)};
}

}  // namespace netpoll::probes
