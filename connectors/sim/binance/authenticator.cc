#include "connectors/sim/binance/authenticator.h"

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

constexpr int64_t kMaxRecvWindowUs = 60'000'000;
constexpr int64_t kAheadUs = 1'000'000;
// Larger timestamps are microseconds (as milliseconds they would be in the year 5138).
constexpr int64_t kFirstMicroTimestamp = 100'000'000'000'000;

bool IsKeyFormat(std::string_view key) {
  if (key.empty() || key.size() > 128) return false;
  for (const char c : key) {
    const bool is_legal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    if (!is_legal) return false;
  }
  return true;
}

}  // namespace

ApiKey::ApiKey(const ApiKeyConfig& config, SimAccountId account)
    : text_(config.api_key), account_(account), can_trade_(config.can_trade) {
  if (!config.hmac_secret.empty()) {
    hmac_ = std::make_unique<HmacSha256Signer>(config.hmac_secret);
    return;
  }
  auto verifier = Ed25519Verifier::FromPem(config.ed25519_public_key);
  HF_ASSERT(verifier.ok());
  ed25519_ = *std::move(verifier);
}

bool ApiKey::Verify(std::string_view payload, std::string_view signature) const {
  if (hmac_ != nullptr) return hmac_->VerifyHex(payload, signature);
  return ed25519_->VerifyBase64(payload, signature);
}

std::optional<ApiError> CheckTiming(const RequestTiming& timing, int64_t server_time_ns) {
  const int64_t server_us = server_time_ns / kNanosPerMicro;
  if (timing.timestamp_us >= server_us + kAheadUs) return errors::AheadOfServer();
  if (server_us - timing.timestamp_us > timing.recv_window_us) return errors::OutsideRecvWindow();
  return std::nullopt;
}

ApiResult<RequestTiming> ReadTiming(const Parameters& parameters) {
  RequestTiming timing;
  const auto timestamp = parameters.Integer("timestamp");
  if (const auto* error = std::get_if<ApiError>(&timestamp)) return *error;
  const auto value = std::get<std::optional<int64_t>>(timestamp);
  if (!value.has_value()) return errors::Mandatory("timestamp");
  if (*value >= kFirstMicroTimestamp * 100) return errors::AheadOfServer();
  timing.timestamp_us = *value >= kFirstMicroTimestamp ? *value : *value * 1000;

  const auto window = parameters.Number("recvWindow");
  if (const auto* error = std::get_if<ApiError>(&window)) return *error;
  if (const auto text = std::get<std::optional<Decimal>>(window); text.has_value()) {
    // A thousandth of a millisecond is the finest step.
    constexpr int64_t kUnitsPerMicro = Decimal::kUnitsPerOne / 1000;
    if (text->units() % kUnitsPerMicro != 0) return errors::TooPrecise("recvWindow");
    timing.recv_window_us = text->units() / kUnitsPerMicro;
    if (timing.recv_window_us > kMaxRecvWindowUs) return errors::RecvWindowTooLarge();
  }
  return timing;
}

void Authenticator::AddKey(const ApiKeyConfig& config, SimAccountId account) {
  keys_[config.api_key] = std::make_unique<ApiKey>(config, account);
}

const ApiKey* Authenticator::Find(std::string_view api_key) const {
  const auto it = keys_.find(std::string(api_key));
  return it == keys_.end() ? nullptr : it->second.get();
}

ApiResult<const ApiKey*> Authenticator::CheckSigned(std::string_view api_key,
                                                    std::string_view payload,
                                                    const Parameters& parameters,
                                                    int64_t server_time_ns) const {
  if (!IsKeyFormat(api_key)) return errors::BadKeyFormat();
  const auto signature = parameters.Find("signature");
  if (!signature.has_value() || signature->empty()) return errors::Mandatory("signature");
  const auto timing = ReadTiming(parameters);
  if (const auto* error = std::get_if<ApiError>(&timing)) return *error;
  if (auto error = CheckTiming(std::get<RequestTiming>(timing), server_time_ns)) return *error;
  const ApiKey* key = Find(api_key);
  if (key == nullptr) return errors::RejectedKey();
  if (!key->Verify(payload, *signature)) return errors::InvalidSignature();
  return key;
}

}  // namespace holdfast::sim
