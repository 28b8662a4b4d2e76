#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct ssl_ctx_st;

namespace holdfast {

struct TlsOptions {
  // PEM file of the authorities to trust instead of the system's; empty = the system's.
  std::string ca_file;
};

// What all TLS client connections of a process share. The peer's certificate chain and host name
// are always verified (there is no switch to turn that off), TLS 1.2 is the least accepted.
//
// Immutable after Create(); safe to use from several network threads.
class TlsContext {
 public:
  // kInvalidArgument: the CA file can't be read or holds no certificate.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Create(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* native() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

// The oldest error in OpenSSL's queue of this thread in words; empties the queue.
std::string TakeTlsErrorText();

}  // namespace holdfast
