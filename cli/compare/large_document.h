// LargeDocument: a document of results that is read without making a value of everything in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/compare/columns.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Reads one value after the other. Not thread-safe.
class LargeDocument {
 public:
  LargeDocument();
  ~LargeDocument();
  LargeDocument(const LargeDocument&) = delete;
  LargeDocument& operator=(const LargeDocument&) = delete;

  // Takes a value of JSON, behind which kSpare bytes can be read. They may go once it was visited. False: it is no such
  // value, or not one alone, is nested too deep, holds numbers beyond 64 bits, or this build has no simdjson.
  bool parse(std::string_view value);
  // Hands what was parsed to the visitor: one document, or an array of them. kInvalid: it is neither.
  Result<void> visit(const std::string& name, ResultVisitor& visitor) const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace netpoll::cli
