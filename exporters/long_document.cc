// Writes documents whose lists are made while they are written.
#include "exporters/long_document.h"

#include <utility>

namespace netpoll::exporters {
namespace {

constexpr std::size_t kPiece = 1 << 18;

class Writer {
 public:
  Writer(Destination& out, const LongDocument& document, Layout layout)
      : out_(out), lists_(document), layout_(layout) {}

  // A value that begins at a column of a line with an indent.
  Result<void> write(const Json& node, std::size_t indent, std::size_t column) {
    if (const LongList* list = lists_.find(node)) return write_list(*list, indent);
    if (!lists_.any_in(node)) {
      append_json(text_, node, layout_, indent, column);
      return flush(kPiece);
    }
    return node.is_object() ? write_object(node, indent) : write_array(node, indent);
  }

  Result<void> finish() {
    text_ += '\n';
    return flush(0);
  }

 private:
  Result<void> flush(std::size_t at_least) {
    if (text_.size() < at_least) return {};
    auto written = out_.write(text_);
    text_.clear();
    return written;
  }

  Result<void> write_object(const Json& node, std::size_t indent) {
    ObjectText members(text_, layout_, indent);
    for (const auto& [name, value] : node.get_ref<const Json::object_t&>()) {
      const std::size_t column = members.key(name);
      if (auto written = write(value, indent + 2, column); !written) return written;
    }
    members.end();
    return {};
  }

  Result<void> write_array(const Json& node, std::size_t indent) {
    text_ += '[';
    bool first = true;
    for (const Json& value : node) {
      next_element(first, indent);
      if (auto written = write(value, indent + 2, indent + 2); !written) return written;
    }
    end_array(first, indent);
    return {};
  }

  Result<void> write_list(const LongList& list, std::size_t indent) {
    text_ += '[';
    bool first = true;
    for (std::size_t i = 0; i < list.size(); ++i) {
      next_element(first, indent);
      list.append(text_, i, layout_, indent + 2);
      if (auto written = flush(kPiece); !written) return written;
    }
    end_array(first, indent);
    return {};
  }

  void next_element(bool& first, std::size_t indent) {
    if (!std::exchange(first, false)) text_ += ',';
    if (layout_ == Layout::kDocument) text_.append(1, '\n').append(indent + 2, ' ');
  }

  void end_array(bool empty, std::size_t indent) {
    if (layout_ == Layout::kDocument && !empty) text_.append(1, '\n').append(indent, ' ');
    text_ += ']';
  }

  Destination& out_;
  const PlacedLists lists_;
  Layout layout_;
  std::string text_;
};

}  // namespace

void LongList::append(std::string& out, std::size_t index, Layout layout, std::size_t indent) const {
  append_json(out, element(index), layout, indent, indent);
}

Json LongDocument::whole() const {
  Json json = head;
  for (const auto& [at, list] : lists) {
    Json& array = json[at];
    for (std::size_t i = 0; i < list->size(); ++i) array.push_back(list->element(i));
  }
  return json;
}

PlacedLists::PlacedLists(const LongDocument& document) {
  for (const auto& [at, list] : document.lists) {
    lists_[&document.head.at(at)] = list.get();
    for (Json::json_pointer above = at; !above.empty();) {
      above.pop_back();
      above_.insert(&document.head.at(above));
    }
  }
}

const LongList* PlacedLists::find(const Json& array) const {
  const auto found = lists_.find(&array);
  return found == lists_.end() ? nullptr : found->second;
}

Result<void> LongDocumentSink::long_head(const LongDocument&) { return {}; }

void PlacedLists::for_each(const Json& array, const std::function<void(const Json&)>& visit) const {
  if (const LongList* list = find(array)) {
    for (std::size_t i = 0; i < list->size(); ++i) visit(list->element(i));
    return;
  }
  for (const Json& element : array) visit(element);
}

Result<void> write_document(Destination& out, const LongDocument& document, Layout layout) {
  Writer writer(out, document, layout);
  if (auto written = writer.write(document.head, 0, 0); !written) return written;
  return writer.finish();
}

}  // namespace netpoll::exporters
