// In place of page_server.cc where cpp-httplib was missing at build time.
#include "exporters/http/page_server.h"

namespace netpoll::http {

struct PageServer::State {
  std::string address;
};

PageServer::PageServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
PageServer::PageServer(PageServer&&) noexcept = default;
PageServer::~PageServer() = default;

Result<PageServer> PageServer::open(const std::string&, const ListenOptions&) {
  return Error(ErrorKind::kNotSupported, "this build speaks no HTTP")
      .with_hint("install libcpp-httplib-dev and build again");
}

void PageServer::get(const std::string&, std::function<Page(const std::string&)>) {}
const std::string& PageServer::address() const { return state_->address; }
int PageServer::fd() const { return -1; }
void PageServer::step() {}

}  // namespace netpoll::http
