#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace holdfast {

enum class UrlScheme : uint8_t { kHttp, kHttps, kWs, kWss };

struct Url {
  UrlScheme scheme = UrlScheme::kHttps;
  std::string host;  // without the brackets of an IPv6 literal
  uint16_t port = 443;
  std::string target = "/";  // path and query

  bool is_tls() const { return scheme == UrlScheme::kHttps || scheme == UrlScheme::kWss; }
  // What goes into the Host header: the port only when it is not the scheme's own.
  std::string HostHeader() const;
  // "host:port" for messages.
  std::string Endpoint() const;
};

// Parses `scheme://host[:port][/path][?query]`. User info, fragments, blanks and control characters
// are refused, and so is an unencrypted scheme unless the host is loopback: keys and orders never
// cross a network in the clear. Errors: kInvalidArgument, which names the URL and what is wrong.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// 127.0.0.0/8, ::1 and "localhost".
bool IsLoopbackHost(std::string_view host);

// Joins a base URL and a path: exactly one slash between them.
std::string JoinUrl(std::string_view base, std::string_view path);

}  // namespace holdfast
