// The page of epoll, of a document whose registrations and findings are long lists.
#pragma once

#include <string>

#include "exporters/exporter.h"
#include "exporters/long_document.h"

namespace netpoll::exporters {

// As epoll_page() of document.whole().
std::string long_epoll_page(const LongDocument& document, const ExportOptions& options);

}  // namespace netpoll::exporters
