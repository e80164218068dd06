// Decompresses lz4 frames (lz4_Frame_format.md of the library) with liblz4.
#include <lz4frame.h>

#include <string>
#include <vector>

#include "probes/process/core/archive/decompressor.h"

namespace netpoll::probes {
namespace {

class Lz4Decompressor : public Decompressor {
 public:
  Lz4Decompressor() : plain_(kPlainPiece) {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0) context_ = nullptr;
  }
  Lz4Decompressor(const Lz4Decompressor&) = delete;
  Lz4Decompressor& operator=(const Lz4Decompressor&) = delete;
  ~Lz4Decompressor() override { LZ4F_freeDecompressionContext(context_); }

  Result<void> feed(std::span<const std::byte> piece, const PlainSink& sink) override {
    if (context_ == nullptr) return Error(ErrorKind::kSystem, "no memory for lz4");
    bool full = false;  // it may hold more than fitted
    while (!piece.empty() || full) {
      std::size_t out = plain_.size();
      std::size_t in = piece.size();
      const std::size_t left = LZ4F_decompress(context_, plain_.data(), &out, piece.data(), &in, nullptr);
      if (LZ4F_isError(left) != 0) return Error(ErrorKind::kProtocol, std::string("lz4: ") + LZ4F_getErrorName(left));
      frame_ended_ = left == 0;
      full = out == plain_.size() && !frame_ended_;
      piece = piece.subspan(in);
      if (auto r = sink(std::span(plain_).first(out)); !r) return r;
    }
    return {};
  }

  bool whole() const override { return frame_ended_; }

 private:
  LZ4F_dctx* context_ = nullptr;
  std::vector<std::byte> plain_;
  bool frame_ended_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> make_lz4_decompressor() { return std::make_unique<Lz4Decompressor>(); }

}  // namespace netpoll::probes
