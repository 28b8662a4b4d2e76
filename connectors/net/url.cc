#include "connectors/net/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "connectors/net/text.h"

namespace holdfast {
namespace {

struct SchemeRow {
  std::string_view prefix;
  UrlScheme scheme;
  uint16_t port;
};
constexpr SchemeRow kSchemes[] = {
    {"http://", UrlScheme::kHttp, 80},
    {"https://", UrlScheme::kHttps, 443},
    {"ws://", UrlScheme::kWs, 80},
    {"wss://", UrlScheme::kWss, 443},
};
constexpr size_t kMaxUrlBytes = 2048;

absl::Status Malformed(std::string_view text, std::string_view what) {
  // What stands before an "@" may be a password: not for the log.
  const size_t scheme_end = text.find("://");
  const size_t begin = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const size_t at = text.rfind('@');
  const std::string shown = at == std::string_view::npos || at < begin
                                ? std::string(text)
                                : Concat(text.substr(0, begin), "***", text.substr(at));
  return absl::InvalidArgumentError(Concat("URL refused: url=", shown, " reason=", what));
}

bool IsHostCharacter(char c) { return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_'; }

}  // namespace

std::string Url::HostHeader() const {
  const uint16_t default_port = is_tls() ? 443 : 80;
  const std::string name =
      (host.find(':') != std::string_view::npos) ? Concat("[", host, "]") : host;
  return port == default_port ? name : Concat(name, ":", port);
}

std::string Url::Endpoint() const { return Concat(host, ":", port); }

bool IsLoopbackHost(std::string_view host) {
  if (EqualsIgnoreCase(host, "localhost") || host == "::1") return true;
  in_addr address;
  if (inet_pton(AF_INET, std::string(host).c_str(), &address) != 1) return false;
  return (ntohl(address.s_addr) >> 24) == 127;
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return Malformed(text.substr(0, 64), "longer than 2048 bytes");
  for (char c : text) {
    if (c <= ' ' || c >= 0x7f) return Malformed(text, "blank, control or non-ASCII character");
  }
  Url url;
  std::string_view rest = text;
  const auto* row = std::find_if(std::begin(kSchemes), std::end(kSchemes), [&](const auto& entry) {
    return EqualsIgnoreCase(text.substr(0, entry.prefix.size()), entry.prefix);
  });
  if (row == std::end(kSchemes)) return Malformed(text, "expected http, https, ws or wss");
  url.scheme = row->scheme;
  url.port = row->port;
  rest.remove_prefix(row->prefix.size());
  if ((rest.find('#') != std::string_view::npos)) return Malformed(text, "fragment not allowed");

  const size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  const std::string_view target = rest.substr(authority_end);
  url.target = target.starts_with("/") ? std::string(target) : Concat("/", target);
  if ((authority.find('@') != std::string_view::npos))
    return Malformed(text, "user information not allowed");

  std::string_view port_text;
  if (authority.starts_with("[")) {
    authority.remove_prefix(1);
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return Malformed(text, "bracket not closed");
    url.host = std::string(authority.substr(0, bracket));
    in6_addr address;
    if (inet_pton(AF_INET6, url.host.c_str(), &address) != 1) {
      return Malformed(text, "not an IPv6 address");
    }
    authority.remove_prefix(bracket + 1);
    if (!authority.empty() && authority.front() != ':') return Malformed(text, "bad port");
    port_text = authority;
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    port_text = authority.substr(colon);
    if (!std::all_of(url.host.begin(), url.host.end(), IsHostCharacter)) {
      return Malformed(text, "bad host name");
    }
  }
  if (url.host.empty() || url.host.size() > 253) return Malformed(text, "bad host name");
  if (!port_text.empty()) {
    port_text.remove_prefix(1);
    uint32_t port = 0;
    const auto [end, error] =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (error != std::errc() || end != port_text.data() + port_text.size() || port == 0 ||
        port > 65535) {
      return Malformed(text, "bad port");
    }
    url.port = static_cast<uint16_t>(port);
  }
  if (!url.is_tls() && !IsLoopbackHost(url.host)) {
    return Malformed(text, "unencrypted, allowed for loopback hosts only; use https or wss");
  }
  return url;
}

std::string JoinUrl(std::string_view base, std::string_view path) {
  if (base.ends_with('/')) base.remove_suffix(1);
  if (path.starts_with('/')) path.remove_prefix(1);
  return Concat(base, "/", path);
}

}  // namespace holdfast
