// The table of formats, and what an Exporter does with content that its format does not accept.
#include "exporters/formats.h"

#include <cstdlib>

namespace netpoll::exporters {
namespace {

constexpr unsigned kResult = static_cast<unsigned>(Content::kResult);
constexpr unsigned kSnapshot = static_cast<unsigned>(Content::kSnapshot);
constexpr unsigned kStream = static_cast<unsigned>(Content::kStream);
constexpr unsigned kVerdict = static_cast<unsigned>(Content::kVerdict);

enum class Form : std::uint8_t { kText, kBinary };

constexpr Format kFormats[] = {
#define NETPOLL_FORMAT(name, accepts, form, summary) \
  {#name, summary, accepts, Form::form == Form::kBinary, make_##name},
#include "exporters/formats.def"
#undef NETPOLL_FORMAT
};

}  // namespace

std::span<const Format> formats() { return kFormats; }

const Format* find_format(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

std::vector<std::string> format_names(Content content) {
  std::vector<std::string> names;
  for (const Format& format : kFormats) {
    if (format.takes(content)) names.emplace_back(format.name);
  }
  return names;
}

Result<void> Exporter::result(const Json&) { std::abort(); }
Result<void> Exporter::interval(const Json&, const Json&) { return {}; }
Result<void> Exporter::snapshot(const SnapshotDocument&) { std::abort(); }
Result<void> Exporter::begin(const Json&) { std::abort(); }
Result<void> Exporter::event(const trace::Record&) { std::abort(); }
Result<void> Exporter::lost(const trace::Loss&) { std::abort(); }
Result<void> Exporter::flush() { return {}; }
Result<void> Exporter::end(const Json&) { std::abort(); }

}  // namespace netpoll::exporters
