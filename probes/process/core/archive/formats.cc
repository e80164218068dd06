// The formats that cores are compressed with, each a row: adding one is a row here and a file with its decompressor.
#include <algorithm>
#include <array>

#include "probes/process/core/archive/decompressor.h"

namespace netpoll::probes {
namespace {

#if NETPOLL_HAVE_ZSTD
constexpr auto kMakeZstd = make_zstd_decompressor;
#else
constexpr std::unique_ptr<Decompressor> (*kMakeZstd)() = nullptr;
#endif
#if NETPOLL_HAVE_LZ4
constexpr auto kMakeLz4 = make_lz4_decompressor;
#else
constexpr std::unique_ptr<Decompressor> (*kMakeLz4)() = nullptr;
#endif
#if NETPOLL_HAVE_ZLIB
constexpr auto kMakeGzip = make_gzip_decompressor;
#else
constexpr std::unique_ptr<Decompressor> (*kMakeGzip)() = nullptr;
#endif

// systemd-coredump writes zstd, lz4 and, long ago, xz (systemd: src/basic/compress.c); apport gzip and zstd.
constexpr std::array<CompressedFormat, 4> kFormats = {{
    {.name = "zstd", .magic = "\x28\xb5\x2f\xfd", .command = "zstd -d", .make = kMakeZstd},
    {.name = "lz4", .magic = "\x04\x22\x4d\x18", .command = "lz4 -d", .make = kMakeLz4},
    {.name = "gzip", .magic = "\x1f\x8b", .command = "gunzip -k", .make = kMakeGzip},
    {.name = "xz", .magic = "\xfd\x37zXZ", .command = "unxz -k", .make = nullptr},
}};

}  // namespace

const CompressedFormat* compressed_format(std::span<const std::byte> begin) {
  const std::string_view text(reinterpret_cast<const char*>(begin.data()), begin.size());
  const auto* const found = std::find_if(kFormats.begin(), kFormats.end(),
                                         [&](const CompressedFormat& f) { return text.starts_with(f.magic); });
  return found == kFormats.end() ? nullptr : found;
}

}  // namespace netpoll::probes
