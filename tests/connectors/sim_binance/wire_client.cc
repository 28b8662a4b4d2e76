#include "wire_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <cctype>
#include <chrono>
#include <stdexcept>

namespace holdfast::sim {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

// Runs one asynchronous operation to its end, within the deadline.
template <typename Start>
error_code Await(asio::io_context& context, Start start) {
  std::optional<error_code> result;
  start([&](error_code error, auto&&...) { result = error; });
  context.restart();
  context.run_for(std::chrono::seconds(kDeadlineSeconds));
  if (!result.has_value()) throw std::runtime_error("nothing happened within the deadline");
  return *result;
}

void Connect(asio::io_context& context, tcp::socket& socket, uint16_t port) {
  const tcp::endpoint endpoint(asio::ip::make_address("127.0.0.1"), port);
  const error_code error = Await(context, [&](auto done) { socket.async_connect(endpoint, done); });
  if (error) throw std::runtime_error("cannot connect: " + error.message());
  socket.set_option(tcp::no_delay(true));
}

}  // namespace

struct HttpClient::Impl {
  asio::io_context context;
  tcp::socket socket{context};
  beast::flat_buffer buffer;
};

HttpClient::HttpClient(uint16_t port) : impl_(std::make_unique<Impl>()) {
  Connect(impl_->context, impl_->socket, port);
}
HttpClient::~HttpClient() = default;

void HttpClient::SendRaw(std::string_view bytes) {
  // An error shows when the answer is read.
  Await(impl_->context, [&](auto done) {
    asio::async_write(impl_->socket, asio::buffer(bytes.data(), bytes.size()), done);
  });
}

std::optional<HttpReply> HttpClient::ReadReply() {
  http::response_parser<http::string_body> parser;
  parser.body_limit(1u << 30);
  const error_code error = Await(impl_->context, [&](auto done) {
    http::async_read(impl_->socket, impl_->buffer, parser, done);
  });
  if (error) return std::nullopt;
  HttpReply reply;
  reply.status = parser.get().result_int();
  reply.body = parser.get().body();
  for (const auto& field : parser.get()) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    reply.headers[name] = std::string(field.value());
  }
  return reply;
}

std::optional<HttpReply> HttpClient::Request(const std::string& verb, const std::string& target,
                                             const Headers& headers, const std::string& body) {
  std::string text = verb + " " + target + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  SendRaw(text + "\r\n" + body);
  return ReadReply();
}

struct WsClient::Impl {
  asio::io_context context;
  beast::websocket::stream<tcp::socket> socket{context};
  beast::flat_buffer buffer;
  int ping_count = 0;
};

WsClient::WsClient(uint16_t port, const std::string& path) : impl_(std::make_unique<Impl>()) {
  Connect(impl_->context, impl_->socket.next_layer(), port);
  const error_code error = Await(
      impl_->context, [&](auto done) { impl_->socket.async_handshake("localhost", path, done); });
  if (error) throw std::runtime_error("handshake refused: " + error.message());
  impl_->socket.read_message_max(64u << 20);
  impl_->socket.control_callback([this](beast::websocket::frame_type kind, beast::string_view) {
    if (kind == beast::websocket::frame_type::ping) ++impl_->ping_count;
  });
}
WsClient::~WsClient() = default;

void WsClient::Send(const std::string& text) {
  Await(impl_->context, [&](auto done) { impl_->socket.async_write(asio::buffer(text), done); });
}

void WsClient::SendPing(const std::string& payload) {
  Await(impl_->context,
        [&](auto done) { impl_->socket.async_ping(beast::websocket::ping_data(payload), done); });
}

std::optional<std::string> WsClient::Receive() {
  impl_->buffer.clear();
  const error_code error =
      Await(impl_->context, [&](auto done) { impl_->socket.async_read(impl_->buffer, done); });
  if (error) return std::nullopt;
  return beast::buffers_to_string(impl_->buffer.data());
}

uint16_t WsClient::close_code() const { return impl_->socket.reason().code; }
int WsClient::ping_count() const { return impl_->ping_count; }

void WsClient::SendRaw(std::string_view bytes) {
  Await(impl_->context, [&](auto done) {
    asio::async_write(impl_->socket.next_layer(), asio::buffer(bytes.data(), bytes.size()), done);
  });
}

void WsClient::Close() {
  Await(impl_->context,
        [&](auto done) { impl_->socket.async_close(beast::websocket::close_code::normal, done); });
}

}  // namespace holdfast::sim
