// Decompresses gzip (RFC 1952) with zlib.
#include <zlib.h>

#include <algorithm>
#include <climits>
#include <string>
#include <vector>

#include "probes/process/core/archive/decompressor.h"

namespace netpoll::probes {
namespace {

constexpr int kGzipOnly = 16;  // added to the window's bits (zlib.h, inflateInit2)

class GzipDecompressor : public Decompressor {
 public:
  GzipDecompressor() : plain_(kPlainPiece) { ready_ = inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK; }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;
  ~GzipDecompressor() override { inflateEnd(&stream_); }

  Result<void> feed(std::span<const std::byte> piece, const PlainSink& sink) override {
    if (!ready_) return Error(ErrorKind::kSystem, "no memory for gzip");
    while (!piece.empty()) {
      const std::size_t some = std::min<std::size_t>(piece.size(), UINT_MAX);
      // Zlib takes its input without const, and leaves it alone.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(piece.data()));
      stream_.avail_in = static_cast<uInt>(some);
      do {
        if (ended_ && inflateReset(&stream_) != Z_OK) return Error(ErrorKind::kProtocol, "gzip: it cannot be reset");
        stream_.next_out = reinterpret_cast<Bytef*>(plain_.data());
        stream_.avail_out = static_cast<uInt>(plain_.size());
        const int status = inflate(&stream_, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
          return Error(ErrorKind::kProtocol,
                       std::string("gzip: ") + (stream_.msg != nullptr ? stream_.msg : "it is damaged"));
        }
        ended_ = status == Z_STREAM_END;
        if (auto r = sink(std::span(plain_).first(plain_.size() - stream_.avail_out)); !r) return r;
      } while (stream_.avail_in > 0 || (stream_.avail_out == 0 && !ended_));
      piece = piece.subspan(some);
    }
    return {};
  }

  bool whole() const override { return ended_; }

 private:
  z_stream stream_{};
  std::vector<std::byte> plain_;
  bool ready_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> make_gzip_decompressor() { return std::make_unique<GzipDecompressor>(); }

}  // namespace netpoll::probes
