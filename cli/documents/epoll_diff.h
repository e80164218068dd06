// What changed between two views of interest sets.
#pragma once

#include <string>
#include <vector>

#include "exporters/long_document.h"

namespace netpoll::cli {

// A registration of a view, as far as another view is compared with it. As texts: a view has many thousands, and a Json
// of each takes ten times as much.
struct RegistrationDigest {
  std::string key;  // what makes it the same one: its process, instance, number, data word and addresses
  std::string row;  // what is told of it, a JSON object
};
using RegistrationDigests = std::vector<RegistrationDigest>;

// Of a document of `epoll`, in its order. Members that an older one lacks count as null.
RegistrationDigests registration_digests(const exporters::Json& document);
// The same, one registration after the other.
RegistrationDigests registration_digests(const exporters::LongDocument& document);

// {"appeared": [], "gone": [], "changed": []} of registrations.
exporters::Json epoll_changes(const RegistrationDigests& earlier, const RegistrationDigests& later);

bool anything_changed(const exporters::Json& changes);

}  // namespace netpoll::cli
