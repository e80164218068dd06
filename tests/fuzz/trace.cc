// Recorded traces, read back by `export`.
#include "cli/export/trace_reader.h"
#include "exporters/json.h"
#include "tests/fuzz/input.h"

using namespace netpoll;

namespace {

// Reads every byte of what it is given, so that names that do not live as long as they should are seen.
class Reader : public cli::TraceReader::Sink {
 public:
  void event(const trace::Record& record) override {
    add(record.name);
    for (std::size_t i = 0; i < record.argc; ++i) add(record.args.at(i).name);
    for (const auto& label : record.labels ? *record.labels : trace::Labels()) add(label.first);
  }
  void lost(const trace::Loss& loss) override { add(loss.where); }
  bool stop() const override { return false; }

 private:
  void add(std::string_view text) {
    for (const char c : text) sum_ = sum_ + static_cast<unsigned char>(c);
  }
  volatile std::uint64_t sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::InputFile input(data, size);
  auto file = cli::LineFile::open(input.path());
  if (!file) return 0;
  cli::LineFile::Line first;
  const auto some = file->next(first);
  if (!some || !*some) return 0;
  const auto meta = exporters::Json::parse(first.text, nullptr, /*allow_exceptions=*/false);
  if (!meta.is_object()) return 0;
  cli::TraceReader reader(*file, meta);
  Reader sink;
  const auto totals = reader.read(sink);
  if (totals) (void)exporters::to_line(*totals);
  return 0;
}
