// uv_echo: libuv, one loop, a 4 KiB buffer per connection. Prints "127.0.0.1:PORT libuv VERSION" and serves until the
// end of its standard input.
#include <arpa/inet.h>
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Connection {
  uv_tcp_t tcp;
  char buffer[4096];
};

// A write that the socket did not take at once, with its bytes.
struct Write {
  uv_write_t request;
  char* data;
};

void check(int status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  std::exit(1);
}

void on_close(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  auto* c = static_cast<Connection*>(handle->data);
  *buffer = uv_buf_init(c->buffer, sizeof(c->buffer));
}

void on_write(uv_write_t* request, int) {
  auto* write = reinterpret_cast<Write*>(request);
  std::free(write->data);
  delete write;
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
  if (n == 0) return;
  if (n < 0) return uv_close(reinterpret_cast<uv_handle_t*>(stream), on_close);
  uv_buf_t out = uv_buf_init(buffer->base, static_cast<unsigned>(n));
  const int sent = uv_try_write(stream, &out, 1);
  if (sent == n) return;
  const auto done = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  auto* write = new Write;
  const std::size_t left = static_cast<std::size_t>(n) - done;
  write->data = static_cast<char*>(std::malloc(left));
  std::memcpy(write->data, buffer->base + done, left);
  out = uv_buf_init(write->data, static_cast<unsigned>(left));
  check(uv_write(&write->request, stream, &out, 1, on_write), "uv_write");
}

void on_connection(uv_stream_t* server, int status) {
  check(status, "listen");
  auto* c = new Connection;
  check(uv_tcp_init(server->loop, &c->tcp), "uv_tcp_init");
  c->tcp.data = c;
  auto* stream = reinterpret_cast<uv_stream_t*>(&c->tcp);
  check(uv_accept(server, stream), "uv_accept");
  uv_tcp_nodelay(&c->tcp, 1);
  check(uv_read_start(stream, on_alloc, on_read), "uv_read_start");
}

void on_input(uv_poll_t* poll, int, int) { uv_stop(poll->loop); }

}  // namespace

int main() {
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t server;
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", 0, &address);
  check(uv_tcp_init(loop, &server), "uv_tcp_init");
  check(uv_tcp_bind(&server, reinterpret_cast<sockaddr*>(&address), 0), "uv_tcp_bind");
  check(uv_listen(reinterpret_cast<uv_stream_t*>(&server), 4096, on_connection), "uv_listen");
  int size = sizeof(address);
  check(uv_tcp_getsockname(&server, reinterpret_cast<sockaddr*>(&address), &size), "uv_tcp_getsockname");
  std::printf("127.0.0.1:%d libuv %s\n", ntohs(address.sin_port), uv_version_string());
  std::fflush(stdout);
  uv_poll_t input;
  check(uv_poll_init(loop, &input, 0), "uv_poll_init");
  check(uv_poll_start(&input, UV_READABLE | UV_DISCONNECT, on_input), "uv_poll_start");
  uv_run(loop, UV_RUN_DEFAULT);
}
