// Stands in for large_document.cc where simdjson is missing: every document is read the other way.
#include "cli/compare/large_document.h"

namespace netpoll::cli {

struct LargeDocument::Parser {};

LargeDocument::LargeDocument() = default;
LargeDocument::~LargeDocument() = default;
bool LargeDocument::parse(std::string_view /*value*/) { return false; }
Result<void> LargeDocument::visit(const std::string& /*name*/, ResultVisitor& /*visitor*/) const { return {}; }

}  // namespace netpoll::cli
