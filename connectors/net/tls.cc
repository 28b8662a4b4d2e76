#include "connectors/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "connectors/net/text.h"

namespace holdfast {

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Create(const TlsOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) {
    return absl::InternalError(Concat("TLS: no context: ", TakeTlsErrorText()));
  }
  std::shared_ptr<const TlsContext> result(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  // Header and body of a record in one receive call.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
    return absl::InvalidArgumentError(Concat("TLS: CA file can't be used: file=", options.ca_file,
                                             " reason=", TakeTlsErrorText()));
  }
  return result;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::string TakeTlsErrorText() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "no detail";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : Concat("error ", error);
}

}  // namespace holdfast
