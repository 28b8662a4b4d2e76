#include "tests/fault/venue_ledger.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace holdfast::testing {
namespace {

using nlohmann::json;

Decimal ToDecimal(const json& value) {
  const auto decimal = Decimal::Parse(value.get<std::string>());
  if (!decimal.ok()) throw std::runtime_error("venue: not a decimal: " + value.dump());
  return *decimal;
}

}  // namespace

// With HTTP/1.0, so that the body ends with the connection.
std::string AskVenue(int port, const std::string& verb, const std::string& target,
                     const std::string& header_lines, const std::string& body) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience = {.tv_sec = 20, .tv_usec = 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = verb + " " + target +
                                " HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                                "Content-Length: " +
                                std::to_string(body.size()) + "\r\n" + header_lines + "\r\n" + body;
    if (send(connection, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      char bytes[65536];
      for (ssize_t size; (size = recv(connection, bytes, sizeof(bytes), 0)) > 0;) {
        answer.append(bytes, static_cast<size_t>(size));
      }
    }
  }
  close(connection);
  const size_t head_end = answer.find("\r\n\r\n");
  if (answer.find(" 200 ") != 8 || head_end == std::string::npos) {
    throw std::runtime_error("venue: " + verb + " " + target +
                             " answered: " + answer.substr(0, 300));
  }
  return answer.substr(head_end + 4);
}

Decimal FillAtVenue(int control_port, const std::string& account,
                    const std::string& client_order_id, const std::string& quantity) {
  const json request = {{"account", account},
                        {"symbol", "BTCUSDT"},
                        {"client_order_id", client_order_id},
                        {"quantity", quantity}};
  return ToDecimal(
      json::parse(AskVenue(control_port, "POST", "/fill", "", request.dump())).at("filled"));
}

VenueBooks ReadVenueBooks(int control_port, const std::string& account) {
  const json ledger =
      json::parse(AskVenue(control_port, "GET", "/ledger?limit=1000000&account=" + account));
  VenueBooks books;
  for (const json& row : ledger.at("orders")) {
    books.orders.push_back({.order_id = row.at("orderId").get<int64_t>(),
                            .client_order_id = row.at("originalClientOrderId"),
                            .status = row.at("status"),
                            .create_time_ns = row.at("createTimeNs").get<int64_t>(),
                            .update_time_ns = row.at("updateTimeNs").get<int64_t>()});
  }
  for (const json& row : ledger.at("trades")) {
    books.trades[row.at("tradeId").get<int64_t>()] = {
        .side = row.at("side") == "BUY" ? "buy" : "sell",
        .is_maker = row.at("isMaker").get<bool>(),
        .price = ToDecimal(row.at("price")),
        .quantity = ToDecimal(row.at("quantity")),
        .fee = ToDecimal(row.at("fee")),
        .fee_asset = row.at("feeAsset")};
  }
  for (const json& row : ledger.at("totals").at(0).at("balances")) {
    books.balances[row.at("asset")] = ToDecimal(row.at("free")) + ToDecimal(row.at("locked"));
  }
  return books;
}

int OpenOrderCount(int control_port, const std::string& account) {
  const json state = json::parse(AskVenue(control_port, "GET", "/state"));
  for (const json& row : state.at("accounts")) {
    if (row.at("name") == account) return row.at("openOrders").get<int>();
  }
  throw std::runtime_error("venue: no account " + account);
}

}  // namespace holdfast::testing
