// LongDocument: a document whose longest lists are made element by element while they are written.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "exporters/destination.h"
#include "exporters/json.h"

namespace netpoll::exporters {

// A list that is too long to be held as Json beside what it is made from. Its elements do not change.
class LongList {
 public:
  virtual ~LongList() = default;

  virtual std::size_t size() const = 0;
  virtual Json element(std::size_t index) const = 0;
  // Appends an element as append_json() does, at an indent. Override it where the text is to be had without a Json.
  virtual void append(std::string& out, std::size_t index, Layout layout, std::size_t indent) const;
};

struct LongDocument {
  struct Place {
    Json::json_pointer at;  // an empty array of head
    std::shared_ptr<const LongList> list;
  };

  Json head;  // all but what is in the lists
  std::vector<Place> lists;

  // With all lists as Json: for formats that take documents apart.
  Json whole() const;
};

// The lists of a document by the arrays that they stand for. Holds it by reference; it must not change.
class PlacedLists {
 public:
  explicit PlacedLists(const LongDocument& document);
  // Of a document that is whole: none.
  PlacedLists() = default;

  // The list of an array; null where the array is what it is.
  const LongList* find(const Json& array) const;
  // Calls visit with each element of an array, its list's or its own.
  void for_each(const Json& array, const std::function<void(const Json&)>& visit) const;
  // Whether there is a list in it, at any depth.
  bool any_in(const Json& node) const { return above_.contains(&node); }

 private:
  std::unordered_map<const Json*, const LongList*> lists_;
  std::unordered_set<const Json*> above_;
};

// What an Exporter is besides whose format can write a document without having it whole.
class LongDocumentSink {
 public:
  virtual ~LongDocumentSink() = default;
  // As Exporter::result().
  virtual Result<void> long_result(const LongDocument& document) = 0;
  // Writes what Exporter::interval() writes of its head, before the first interval, where the format writes any of it;
  // what interval() is given as head does not matter then.
  virtual Result<void> long_head(const LongDocument& head);
};

// Writes the document in pieces. kDocument: the bytes of to_document(whole()), but that what has a list in it is spread
// out, however short. kLine: those of to_line(whole()).
Result<void> write_document(Destination& out, const LongDocument& document, Layout layout);

}  // namespace netpoll::exporters
