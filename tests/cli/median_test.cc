// Medians and spreads of documents, figure by figure.
#include "cli/compare/median.h"

#include "exporters/json.h"
#include "tests/support/catch.h"

namespace netpoll::cli {

using exporters::Json;
using exporters::parse_json;

TEST_CASE("the median is the middle value, or the mean of the two in the middle") {
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({1, 2, 3, 10}) == 2.5);
}

TEST_CASE("documents are merged figure by figure") {
  const Json merged = median_of({parse_json(R"({"n":1,"s":"x","in":{"a":10,"b":null},"list":[1]})"),
                                 parse_json(R"({"n":3,"s":"y","in":{"a":30,"b":2},"list":[2]})"),
                                 parse_json(R"({"n":2,"s":"z","in":{"a":20,"b":3},"list":[3]})")});
  CHECK(merged == parse_json(R"({"n":2,"s":"x","in":{"a":20,"b":null},"list":[1]})"));
}

TEST_CASE("an errno that a sample does not name occurred zero times there") {
  const Json merged =
      median_of({parse_json(R"({"errors":{"EAGAIN":5}})"), parse_json(R"({"errors":{"EAGAIN":7,"EPIPE":1}})"),
                 parse_json(R"({"errors":{"EAGAIN":6}})")});
  CHECK(merged == parse_json(R"({"errors":{"EAGAIN":6}})"));
}

TEST_CASE("of an even number of samples whole figures stay whole") {
  CHECK(median_of({parse_json(R"({"n":4,"x":1.5})"), parse_json(R"({"n":7,"x":2.5})")}) ==
        parse_json(R"({"n":5,"x":2.0})"));
}

TEST_CASE("the spread has the least and the greatest of every figure, and nothing else") {
  const Json spread =
      spread_of({parse_json(R"({"n":3,"s":"x","in":{"a":10,"b":null},"errors":{"EPIPE":1},"list":[1]})"),
                 parse_json(R"({"n":1,"s":"x","in":{"a":30,"b":2},"errors":{},"list":[1]})")});
  CHECK(spread == parse_json(R"({"n":{"min":1,"max":3},"in":{"a":{"min":10,"max":30},"b":null},
                                  "errors":{"EPIPE":{"min":0,"max":1}}})"));
}

TEST_CASE("a figure that a sample lacks is unknown") {
  CHECK(median_of({parse_json(R"({"a":1})"), parse_json(R"({})")}) == parse_json(R"({"a":null})"));
}

}  // namespace netpoll::cli
