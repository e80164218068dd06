#include "cli/documents/median.h"

#include "tests/support/catch.h"

namespace netpoll::cli {

using exporters::Json;

TEST_CASE("the median is a value that was observed") {
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({1, 2, 3, 10}) == 2);
}

TEST_CASE("documents are merged figure by figure") {
  const Json merged = median_of({Json::parse(R"({"n":1,"s":"x","in":{"a":10,"b":null},"list":[1]})"),
                                 Json::parse(R"({"n":3,"s":"y","in":{"a":30,"b":2},"list":[2]})"),
                                 Json::parse(R"({"n":2,"s":"z","in":{"a":20,"b":3},"list":[3]})")});
  CHECK(merged == Json::parse(R"({"n":2,"s":"x","in":{"a":20,"b":null},"list":[1]})"));
}

TEST_CASE("an errno that a sample does not name occurred zero times there") {
  const Json merged =
      median_of({Json::parse(R"({"errors":{"EAGAIN":5}})"), Json::parse(R"({"errors":{"EAGAIN":7,"EPIPE":1}})"),
                 Json::parse(R"({"errors":{"EAGAIN":6}})")});
  CHECK(merged == Json::parse(R"({"errors":{"EAGAIN":6}})"));
}

TEST_CASE("a figure that a sample lacks is unknown") {
  CHECK(median_of({Json::parse(R"({"a":1})"), Json::parse(R"({})")}) == Json::parse(R"({"a":null})"));
}

}  // namespace netpoll::cli
