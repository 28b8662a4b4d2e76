#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::sim {

struct HttpHeader {
  std::string name;
  std::string value;
};

// One request as it came off the wire; nothing is percent-decoded.
struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // path and query as sent
  std::string body;
  std::vector<HttpHeader> headers;
  std::string peer_address;  // without port

  std::string_view path() const { return std::string_view(target).substr(0, QueryMark()); }
  std::string_view query() const {
    const size_t mark = QueryMark();
    return mark == target.size() ? std::string_view() : std::string_view(target).substr(mark + 1);
  }
  // Case-insensitive; empty when absent.
  std::string_view Header(std::string_view name) const;

 private:
  size_t QueryMark() const {
    const size_t mark = target.find('?');
    return mark == std::string::npos ? target.size() : mark;
  }
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json;charset=UTF-8";
  std::vector<HttpHeader> headers;
  bool is_last = false;  // close the connection after it
};

}  // namespace holdfast::sim
