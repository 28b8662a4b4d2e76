#include "apps/http_get.h"

#include <optional>

#include "apps/text.h"
#include "connectors/net/http_client.h"
#include "connectors/net/tls.h"
#include "connectors/net/url.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr size_t kMaxBodyBytes = 256 << 20;

class OneAnswer final : public HttpClient::Handler {
 public:
  void OnHttpResponse(const HttpResponse& response) override {
    result = HttpAnswer{.status = response.status, .body = std::string(response.body)};
  }
  void OnHttpFailure(HttpFailure, const absl::Status& reason) override {
    result = absl::UnavailableError(std::string(MessageOf(reason)));
  }

  std::optional<absl::StatusOr<HttpAnswer>> result;
};

}  // namespace

absl::StatusOr<HttpAnswer> HttpGet(const std::string& url, const std::string& ca_file,
                                   int64_t timeout_ns, Clock& clock) {
  HF_ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  std::shared_ptr<const TlsContext> tls;
  if (parsed.is_tls()) {
    HF_ASSIGN_OR_RETURN(tls, TlsContext::Create({.ca_file = ca_file}));
  }
  EventLoop loop(clock);
  OneAnswer answer;
  HttpClient client(loop, tls, parsed, {.max_response_bytes = kMaxBodyBytes}, answer);
  client.Send({.target = parsed.target}, timeout_ns);
  // The client's own timeout ends the wait.
  while (!answer.result.has_value()) loop.RunOnce(timeout_ns);
  client.Close();
  if (!answer.result->ok()) return WithContext(answer.result->status(), Concat("GET ", url));
  return *std::move(answer.result);
}

}  // namespace holdfast
