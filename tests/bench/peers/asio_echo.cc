// asio_echo: Boost.Asio with C++20 coroutines, one thread, a 4 KiB buffer in each connection's coroutine. Prints
// "127.0.0.1:PORT Boost.Asio VERSION, coroutines" and serves until the end of its standard input.
#include <cstdio>
#include <utility>  // Boost 1.74 uses std::exchange without including it

#include <boost/asio.hpp>
#include <boost/version.hpp>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

namespace {

awaitable<void> echo(tcp::socket socket) {
  char buffer[4096];
  for (;;) {
    boost::system::error_code error;
    const std::size_t n =
        co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, error));
    if (error) co_return;
    co_await asio::async_write(socket, asio::buffer(buffer, n), asio::redirect_error(use_awaitable, error));
    if (error) co_return;
  }
}

awaitable<void> accept(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

awaitable<void> stop_at_end_of_input(asio::io_context& context) {
  asio::posix::stream_descriptor input(context, 0);
  char byte;
  boost::system::error_code error;
  while (!error) co_await input.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(use_awaitable, error));
  (void)input.release();
  context.stop();
}

}  // namespace

int main() {
  asio::io_context context(1);
  tcp::acceptor acceptor(context);
  acceptor.open(tcp::v4());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind({asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  std::printf("127.0.0.1:%d Boost.Asio %d.%d, coroutines\n", acceptor.local_endpoint().port(), BOOST_VERSION / 100000,
              BOOST_VERSION / 100 % 1000);
  std::fflush(stdout);
  asio::co_spawn(context, accept(acceptor), asio::detached);
  asio::co_spawn(context, stop_at_end_of_input(context), asio::detached);
  context.run();
}
