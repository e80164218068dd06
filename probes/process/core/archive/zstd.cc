// Decompresses zstd (RFC 8878) with libzstd.
#include <zstd.h>

#include <string>
#include <vector>

#include "probes/process/core/archive/decompressor.h"

namespace netpoll::probes {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class ZstdDecompressor : public Decompressor {
 public:
  ZstdDecompressor() : context_(ZSTD_createDCtx()), plain_(ZSTD_DStreamOutSize()) {}

  Result<void> feed(std::span<const std::byte> piece, const PlainSink& sink) override {
    if (context_ == nullptr) return Error(ErrorKind::kSystem, "no memory for zstd");
    ZSTD_inBuffer in{.src = piece.data(), .size = piece.size(), .pos = 0};
    bool full = false;  // it may hold more than fitted
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{.dst = plain_.data(), .size = plain_.size(), .pos = 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left) != 0) return Error(ErrorKind::kProtocol, std::string("zstd: ") + ZSTD_getErrorName(left));
      frame_ended_ = left == 0;
      full = out.pos == out.size && !frame_ended_;
      if (auto r = sink(std::span(plain_).first(out.pos)); !r) return r;
    }
    return {};
  }

  bool whole() const override { return frame_ended_; }

 private:
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  std::vector<std::byte> plain_;
  bool frame_ended_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> make_zstd_decompressor() { return std::make_unique<ZstdDecompressor>(); }

}  // namespace netpoll::probes
