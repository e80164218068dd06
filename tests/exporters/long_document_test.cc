// Documents whose lists are made while they are written have the bytes of those that are whole.
#include "exporters/long_document.h"

#include <string>
#include <vector>

#include "exporters/json_members.h"
#include "tests/support/catch.h"

namespace netpoll::exporters {
namespace {

template <typename Members>
void add_members(std::size_t index, Members& to) {
  to.add("index", index);
  to.add("words", std::string(120, 'x'));  // so that an element never fits on a line
  to.add("nothing", std::optional<int>());
  to.add_json("list", Json::array({1, "two"}));
}

class Numbers : public LongList {
 public:
  explicit Numbers(std::size_t size) : size_(size) {}
  std::size_t size() const override { return size_; }
  Json element(std::size_t index) const override {
    Json json = Json::object();
    JsonMembers members(json, 4);
    add_members(index, members);
    return json;
  }

 private:
  std::size_t size_;
};

// The same, without a Json of each.
class WrittenNumbers : public Numbers {
 public:
  using Numbers::Numbers;
  void append(std::string& out, std::size_t index, Layout layout, std::size_t indent) const override {
    ObjectText members(out, layout, indent);
    add_members(index, members);
    members.end();
  }
};

LongDocument document(std::size_t size) {
  Json head;
  head["first"] = {{"a", 1}};
  head["groups"] = {{{"name", "one"}, {"rows", Json::array()}, {"after", std::string(120, 'y')}},
                    {{"name", "two"}, {"rows", Json::array()}, {"after", std::string(120, 'y')}}};
  head["rows"] = Json::array();
  head["last"] = nullptr;
  LongDocument document{std::move(head), {}};
  document.lists.push_back({Json::json_pointer("/groups/1/rows"), std::make_shared<const Numbers>(size)});
  document.lists.push_back({Json::json_pointer("/rows"), std::make_shared<const WrittenNumbers>(size)});
  return document;
}

std::string written(const LongDocument& document, Layout layout) {
  std::string text;
  Destination out = Destination::to_memory(text);
  REQUIRE(write_document(out, document, layout));
  return text;
}

}  // namespace

TEST_CASE("a document with long lists is written as the whole one is") {
  for (const std::size_t size : {0, 1, 3, 5000}) {
    CAPTURE(size);
    const LongDocument d = document(size);
    const Json whole = d.whole();
    CHECK(whole["rows"].size() == size);
    CHECK(whole["groups"][0]["rows"].empty());
    CHECK(whole["groups"][1]["rows"].size() == size);
    CHECK(written(d, Layout::kDocument) == to_document(whole));
    CHECK(written(d, Layout::kLine) == to_line(whole));
  }
}

TEST_CASE("a list stands for its array, and other arrays for themselves") {
  const LongDocument d = document(2);
  const PlacedLists lists(d);
  const auto count = [&](const Json& array) {
    int elements = 0;
    lists.for_each(array, [&](const Json&) { ++elements; });
    return elements;
  };
  CHECK(count(d.head["rows"]) == 2);
  CHECK(count(d.head["groups"]) == 2);
  CHECK(count(d.head["groups"][0]["rows"]) == 0);
  CHECK(count(d.head["groups"][1]["rows"]) == 2);
  CHECK(lists.find(d.head["groups"]) == nullptr);
  CHECK(PlacedLists().find(d.head["rows"]) == nullptr);
}

}  // namespace netpoll::exporters
