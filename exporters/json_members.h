// JsonMembers: an ObjectText whose object is a Json.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "exporters/json.h"

namespace netpoll::exporters {

// The members of an object, appended without looking for each name among those that are there: no name comes twice. One
// template makes an element of a list with either, as Json or as text.
class JsonMembers {
 public:
  // expected: how many members there will be about.
  JsonMembers(Json& object, std::size_t expected) : members_(object.get_ref<Json::object_t&>()) {
    members_.reserve(expected);
  }

  template <typename T>
  void add(const char* name, const T& value) {
    members_.emplace_back(name, value);
  }
  template <typename T>
  void add(const char* name, const std::optional<T>& value) {
    members_.emplace_back(name, or_null(value));
  }
  void add_json(const char* name, Json value) { members_.emplace_back(name, std::move(value)); }

 private:
  Json::object_t& members_;
};

}  // namespace netpoll::exporters
