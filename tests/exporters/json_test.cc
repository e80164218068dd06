// How values stand in JSON: null for unknown, the order of fields, foreign bytes.
#include "exporters/json.h"

#include "tests/support/catch.h"

namespace netpoll::exporters {

TEST_CASE("unknown values are null and never zero") {
  CHECK(or_null(std::optional<int>()).is_null());
  CHECK(or_null(std::optional<int>(0)) == 0);
  CHECK(ratio(5, std::nullopt).is_null());
  CHECK(ratio(5, 0).is_null());
}

TEST_CASE("ratios are numbers that scripts can compare") {
  CHECK(to_line(ratio(200'000, 100'000)) == "2.0\n");
  CHECK(to_line(ratio(1, 3)) == "0.333333\n");
  CHECK(to_line(ratio(0, 3)) == "0.0\n");
}

TEST_CASE("addresses are strings") {
  CHECK(hex(0) == "0x0");
  CHECK(hex(UINT64_MAX) == "0xffffffffffffffff");
}

TEST_CASE("documents keep the order of their fields and survive foreign bytes") {
  Json json;
  json["schema"] = "z";
  json["a"] = "bad \xff, <tag>, \"quote\", \n, \x01";
  CHECK(to_line(json) == "{\"schema\":\"z\",\"a\":\"bad \xef\xbf\xbd, <tag>, \\\"quote\\\", \\n, \\u0001\"}\n");
  CHECK(parse_json(to_document(json)) == parse_json(to_line(json)));
}

TEST_CASE("a document is indented, and what is short stays on a line") {
  Json json;
  json["a"] = {{"x", 1}, {"y", {1, 2}}};
  json["empty"] = Json::object();
  json["list"] = {1, 2, 3};
  CHECK(to_document(json) ==
        "{\n  \"a\": {\n    \"x\": 1,\n    \"y\": [1, 2]\n  },\n  \"empty\": {},\n  \"list\": [1, 2, 3]\n}\n");
  CHECK(to_document(Json::object()) == "{}\n");
  Json longer = Json::array();
  for (int i = 0; i < 100; ++i) longer.push_back(i);
  CHECK(parse_json(to_document(longer)) == longer);
  CHECK(parse_json(to_document(json)) == json);
}

TEST_CASE("a document prints every kind of value as a line does") {
  const Json values = {nullptr,       true,          false, 0,       -1,     INT64_MIN,     UINT64_MAX,
                       1.5,           1e300,         "",    "plain", "\x7f", "caf\xc3\xa9", "a\\b",
                       Json::array(), Json::object()};
  for (const Json& value : values) CHECK(to_document(value) == to_line(value));
  Json nested;
  for (const Json& value : values) nested["key \"" + to_line(value)] = {{"x", {value, value}}};
  CHECK(parse_json(to_document(nested)) == nested);
}

}  // namespace netpoll::exporters
