// Decompressor: turns compressed bytes that come in pieces into plain ones; one implementation for each format.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "netpoll/result.h"

namespace netpoll::probes {

// Takes what was decompressed. An Error of it ends the decompression.
using PlainSink = std::function<Result<void>(std::span<const std::byte>)>;

// Bytes that a decompressor unpacks before it hands them on, where its library does not say.
constexpr std::size_t kPlainPiece = 256 << 10;

// One stream. The library behind it keeps its own window in memory (zstd: at most 128 MiB), never the whole.
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // The next piece of what is compressed, of any size. kProtocol: it is damaged.
  virtual Result<void> feed(std::span<const std::byte> piece, const PlainSink& sink) = 0;
  // Whether what was fed is whole: the stream has not been cut off.
  virtual bool whole() const = 0;
};

// A format that cores are compressed with.
struct CompressedFormat {
  std::string_view name;                    // "zstd", for messages
  std::string_view magic;                   // how its files begin
  std::string_view command;                 // that undoes it
  std::unique_ptr<Decompressor> (*make)();  // null: this build was made without the library
};
// The format of a file that begins so; null: none that we know.
const CompressedFormat* compressed_format(std::span<const std::byte> begin);

std::unique_ptr<Decompressor> make_zstd_decompressor();
std::unique_ptr<Decompressor> make_lz4_decompressor();
std::unique_ptr<Decompressor> make_gzip_decompressor();

}  // namespace netpoll::probes
