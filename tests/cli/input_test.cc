// Result files as they come: one, many, cut short, of others, of the future.
#include "cli/compare/input.h"

#include <filesystem>
#include <fstream>

#include "exporters/json.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace netpoll::cli {
namespace {

std::string refusal(std::string_view text) {
  const auto documents = parse_documents(text, "f.json");
  if (documents) return "accepted";
  CHECK(documents.error().kind() == ErrorKind::kInvalid);
  CHECK_FALSE(documents.error().hint().empty());
  return documents.error().message();
}

}  // namespace

TEST_CASE("one document, an array, NDJSON and documents behind each other are read alike") {
  CHECK(parse_documents(R"({"a":1})", "f").value().size() == 1);
  CHECK(parse_documents(R"([{"a":1},{"a":2}])", "f").value().size() == 2);
  CHECK(parse_documents("{\"a\":1}\n{\"a\":2}\n\n{\"a\":3}\n", "f").value().size() == 3);
  CHECK(parse_documents("{\n \"a\": \"}{\\\"\"\n}\n{\n \"a\": 2\n}\n", "f").value().size() == 2);
  CHECK(parse_documents("\xef\xbb\xbf{}", "f").value().size() == 1);
}

TEST_CASE("a file that is cut short says so and where") {
  CHECK(refusal("{\"a\": [1, 2") == "f.json is cut short: the document that starts in line 1 does not end");
  CHECK(refusal("{\"a\":1}\n{\"b\": \"x") == "f.json is cut short: the document that starts in line 2 does not end");
}

TEST_CASE("what is not JSON says so") {
  CHECK(refusal("hello world") == "f.json is not JSON (line 1)");
  CHECK(refusal("{}\n{a:1}") == "f.json is not JSON (line 2)");
  CHECK(refusal("{\"a\":\n1,\n\"b\":x}") == "f.json is not JSON (line 3)");
  CHECK(refusal("]") == "f.json is not JSON (line 1)");
  CHECK(refusal(std::string_view("\0\0\0", 3)) == "f.json is not JSON (line 1)");
}

TEST_CASE("JSON that is no result says so") {
  CHECK(refusal("") == "f.json holds no document");
  CHECK(refusal("[]") == "f.json holds no document");
  CHECK(refusal("[1]") == "f.json is JSON, but not a result of netpoll-trace");
  CHECK(refusal("\"text\"") == "f.json is JSON, but not a result of netpoll-trace");
  CHECK(refusal("7") == "f.json is JSON, but not a result of netpoll-trace");
}

TEST_CASE("what a reader could not keep, or would lose, is refused with its place") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + "{}" + std::string(depth, ']'); };
  CHECK(refusal(nested(127)) == "f.json is JSON, but not a result of netpoll-trace");
  CHECK(refusal("{}\n" + nested(128)) == "f.json is nested more than 128 deep (line 2)");
  CHECK(refusal(nested(1'000'000)) == "f.json is nested more than 128 deep (line 1)");
  CHECK(refusal("{\"a\":{\"b\":1,\"c\":2,\"b\":1}}") ==
        "f.json: \"b\" stands twice in one object (in the document of line 1)");
  CHECK(refusal("{}\n{\"a\":1e999}") == "f.json: the number 1e999 is too large (in the document of line 2)");
  std::string wide = "{";
  for (int i = 0; i < 5000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  CHECK(refusal(wide + "\"x\":0}") == "f.json: an object has more than 4096 members (in the document of line 1)");
}

TEST_CASE("a file that is too large is refused before it is read") {
  const test::TempDir folder;
  const std::string path = folder / "large";
  std::ofstream(path).close();
  std::filesystem::resize_file(path, std::uintmax_t{2} << 30U);
  const auto text = read_text(path, "a hint");
  REQUIRE_FALSE(text);
  CHECK(text.error().message() == path + " is larger than 256 MiB");
}

TEST_CASE("schemas of others and of the future are refused") {
  const auto schema = [](const char* text) { return schema_of(exporters::parse_json(text), "f"); };
  CHECK(schema(R"({"schema":"netpoll-trace/stat/v1"})").value().kind == "stat");
  CHECK_FALSE(schema(R"({})"));
  CHECK_FALSE(schema(R"({"schema":7})"));
  CHECK_FALSE(schema(R"({"schema":"perf/stat/v1"})"));
  CHECK_FALSE(schema(R"({"schema":"netpoll-trace/v1"})"));
  CHECK_FALSE(schema(R"({"schema":"netpoll-trace/stat/vx"})"));
  const auto future = schema(R"({"schema":"netpoll-trace/stat/v2"})");
  REQUIRE_FALSE(future);
  CHECK(future.error().message().find("cannot read") != std::string::npos);
}

}  // namespace netpoll::cli
