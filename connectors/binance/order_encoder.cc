#include "connectors/binance/order_encoder.h"

#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/binance/grid_scale.h"
#include "engine/base/assert.h"
#include "engine/market/client_order_id.h"
#include "engine/market/side.h"

namespace holdfast {
namespace {

// What a request has that its template does not.
enum class Hole : uint8_t {
  kNone,
  kRequestId,
  kClientOrderId,
  kCancelId,
  kVenueOrderId,
  kPrice,
  kQuantity,
  kTimestamp,
  kSignature,
};
constexpr size_t kHoleCount = 9;

// Texts are copied in whole chunks: the copies read and write up to kChunkBytes - 1 bytes more than
// the text has, inside buffers that have them.
constexpr size_t kChunkBytes = 32;
constexpr size_t kMaxHoleBytes = 3 * RequestSigner::kMaxSignatureBytes;
constexpr size_t kMaxShortHoleBytes = 64;  // of all but the signature
static_assert(ClientOrderId::capacity() <= kMaxShortHoleBytes);
static_assert(Decimal::kMaxTextBytes <= kMaxShortHoleBytes);

char* CopyChunks(const char* text, size_t size, char* out) {
  char* const end = out + size;
  do {
    std::memcpy(out, text, kChunkBytes);
    out += kChunkBytes;
    text += kChunkBytes;
  } while (out < end);
  return end;
}

// The texts that go into the holes of one request.
class Fields {
 public:
  char* Begin(Hole hole) { return texts_[static_cast<size_t>(hole)].data(); }
  void End(Hole hole, const char* end) {
    sizes_[static_cast<size_t>(hole)] = static_cast<size_t>(end - Begin(hole));
  }
  void Set(Hole hole, std::string_view text) {
    HF_ASSERT(text.size() <= kMaxShortHoleBytes);
    std::memcpy(Begin(hole), text.data(), text.size());
    End(hole, Begin(hole) + text.size());
  }
  void Set(Hole hole, uint64_t integer);
  char* CopyTo(Hole hole, char* out) const {
    const auto index = static_cast<size_t>(hole);
    return CopyChunks(texts_[index].data(), sizes_[index], out);
  }
  std::string_view view(Hole hole) const {
    return {texts_[static_cast<size_t>(hole)].data(), sizes_[static_cast<size_t>(hole)]};
  }

 private:
  // Only what was set is ever read; clearing two kilobytes per request would cost more than it.
  std::array<std::array<char, kMaxHoleBytes + kChunkBytes>, kHoleCount> texts_;
  std::array<size_t, kHoleCount> sizes_;
};

constexpr auto kDigitPairs = [] {
  std::array<std::array<char, 2>, 100> pairs = {};
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  }
  return pairs;
}();
constexpr size_t kMaxIntegerDigits = 20;

// Writes the digits so that they end at `end`, at least `min_digits` of them; returns their begin.
char* WriteDigitsBackward(uint64_t value, int min_digits, char* end) {
  char* at = end;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, kDigitPairs[value % 100].data(), 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(at, kDigitPairs[value].data(), 2);
  } else {
    *--at = static_cast<char>('0' + value);
  }
  while (end - at < min_digits) *--at = '0';
  return at;
}

void Fields::Set(Hole hole, uint64_t integer) {
  char digits[kMaxIntegerDigits];
  char* const end = digits + sizeof(digits);
  const char* const begin = WriteDigitsBackward(integer, 1, end);
  Set(hole, {begin, static_cast<size_t>(end - begin)});
}

// Text of `count` steps with the digits of the step: 6183763 ticks of 0.01 are "61837.63".
class GridText {
 public:
  explicit GridText(Decimal step)
      : fraction_digits_(GridScale(step).fraction_digits),
        factor_(static_cast<uint64_t>(
            step.units() / GridScale::PowerOfTen(8 - GridScale(step).fraction_digits))) {}

  // REQUIRES: count > 0, and the value fits Decimal.
  void Write(int64_t count, Hole hole, Fields& fields) const {
    HF_ASSERT(count > 0);
    uint64_t scaled;
    HF_ASSERT(!__builtin_mul_overflow(static_cast<uint64_t>(count), factor_, &scaled));
    char digits[kMaxIntegerDigits + kMaxIntegerDigits];
    char* const end = digits + sizeof(digits);
    const char* const begin = WriteDigitsBackward(scaled, fraction_digits_ + 1, end);
    const char* const point = end - fraction_digits_;
    char* out = fields.Begin(hole);
    std::memcpy(out, begin, static_cast<size_t>(point - begin));
    out += point - begin;
    if (fraction_digits_ > 0) {
      *out++ = '.';
      std::memcpy(out, point, static_cast<size_t>(fraction_digits_));
      out += fraction_digits_;
    }
    fields.End(hole, out);
  }

 private:
  int fraction_digits_;
  uint64_t factor_;
};

// A text with holes.
class Template {
 public:
  void Append(std::string_view text) { text_.append(text); }
  void Append(Hole hole) {
    steps_.push_back({begin_, text_.size() - begin_, hole});
    begin_ = text_.size();
  }
  // Ends the text; nothing may be appended after it.
  void Finish() {
    Append(Hole::kNone);
    size_t max_bytes = text_.size() + kChunkBytes;
    for (const Step& step : steps_) {
      if (step.hole == Hole::kNone) continue;
      max_bytes += step.hole == Hole::kSignature ? kMaxHoleBytes : kMaxShortHoleBytes;
    }
    HF_ASSERT(max_bytes <= BinanceOrderEncoder::kMaxRequestBytes);
    text_.append(kChunkBytes, '\0');
  }

  char* Render(const Fields& fields, char* out) const {
    for (const Step& step : steps_) {
      out = CopyChunks(text_.data() + step.begin, step.size, out);
      if (step.hole != Hole::kNone) out = fields.CopyTo(step.hole, out);
    }
    return out;
  }

 private:
  struct Step {
    size_t begin;
    size_t size;
    Hole hole;  // what follows the text
  };
  std::string text_;
  std::vector<Step> steps_;
  size_t begin_ = 0;
};

// One request parameter: a constant or a hole.
struct Parameter {
  std::string_view name;
  std::string text;
  Hole hole = Hole::kNone;
  bool is_json_number = false;
};
using Parameters = std::vector<Parameter>;  // sorted by name, as the venue signs them

bool IsPlain(std::string_view text, std::string_view also) {
  for (const char c : text) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_alphanumeric && also.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// Every form of one kind of request.
struct RequestForms {
  Template signed_payload;   // what the signature of the WS API message is over
  Template signed_message;   // WS API, with key and signature
  Template session_message;  // WS API, after session.logon
  Template query;            // REST, without its signature
  Template signed_query;     // REST, with it
  Template http;             // the whole REST request
};

struct Account {
  std::string_view api_key;
  std::string_view host;
};

void AppendQuery(const Parameters& parameters, std::string_view skipped, Template& out) {
  bool is_first = true;
  for (const Parameter& parameter : parameters) {
    if (parameter.name == skipped) continue;
    out.Append(is_first ? "" : "&");
    is_first = false;
    out.Append(parameter.name);
    out.Append("=");
    out.Append(parameter.text);
    if (parameter.hole != Hole::kNone) out.Append(parameter.hole);
  }
}

void AppendMessage(std::string_view method, const Parameters& parameters, bool is_signed,
                   Template& out) {
  out.Append(R"({"id":)");
  out.Append(Hole::kRequestId);
  out.Append(absl::StrCat(R"(,"method":")", absl::string_view(method.data(), method.size()),
                          R"(","params":{)"));
  bool is_first = true;
  for (const Parameter& parameter : parameters) {
    if (!is_signed && parameter.name == "apiKey") continue;
    out.Append(is_first ? "\"" : ",\"");
    is_first = false;
    out.Append(parameter.name);
    out.Append(parameter.is_json_number ? "\":" : "\":\"");
    out.Append(parameter.text);
    if (parameter.hole != Hole::kNone) out.Append(parameter.hole);
    if (!parameter.is_json_number) out.Append("\"");
  }
  if (is_signed) {
    out.Append(R"(,"signature":")");
    out.Append(Hole::kSignature);
    out.Append("\"");
  }
  out.Append("}}");
}

RequestForms MakeForms(std::string_view ws_method, std::string_view http_method,
                       std::string_view path, const Account& account,
                       const Parameters& parameters) {
  RequestForms forms;
  AppendQuery(parameters, "", forms.signed_payload);
  AppendMessage(ws_method, parameters, true, forms.signed_message);
  AppendMessage(ws_method, parameters, false, forms.session_message);
  AppendQuery(parameters, "apiKey", forms.query);
  AppendQuery(parameters, "apiKey", forms.signed_query);
  forms.signed_query.Append("&signature=");
  forms.signed_query.Append(Hole::kSignature);
  forms.http.Append(http_method);
  forms.http.Append(" ");
  forms.http.Append(path);
  forms.http.Append("?");
  AppendQuery(parameters, "apiKey", forms.http);
  forms.http.Append("&signature=");
  forms.http.Append(Hole::kSignature);
  forms.http.Append(" HTTP/1.1\r\nHost: ");
  forms.http.Append(account.host);
  forms.http.Append("\r\nX-MBX-APIKEY: ");
  forms.http.Append(account.api_key);
  // A POST states that it has no body; the other methods have none by definition.
  forms.http.Append(http_method == "POST" ? "\r\nContent-Length: 0\r\n\r\n" : "\r\n\r\n");
  for (Template* form : {&forms.signed_payload, &forms.signed_message, &forms.session_message,
                         &forms.query, &forms.signed_query, &forms.http}) {
    form->Finish();
  }
  return forms;
}

// Order kinds, in the order of PlaceIndex().
enum class PlaceKind : uint8_t {
  kPostOnly,
  kGoodTillCancel,
  kImmediateOrCancel,
  kFillOrKill,
  kMarket
};
constexpr size_t kPlaceKindCount = 5;

PlaceKind KindOf(const PlaceRequest& request) {
  if (request.is_market) return PlaceKind::kMarket;
  if (request.is_post_only) return PlaceKind::kPostOnly;
  switch (request.time_in_force) {
    case TimeInForce::kGoodTillCancel:
      return PlaceKind::kGoodTillCancel;
    case TimeInForce::kImmediateOrCancel:
      return PlaceKind::kImmediateOrCancel;
    case TimeInForce::kFillOrKill:
      return PlaceKind::kFillOrKill;
  }
  return PlaceKind::kPostOnly;
}

std::string_view TimeInForceText(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::kGoodTillCancel:
      return "GTC";
    case PlaceKind::kImmediateOrCancel:
      return "IOC";
    case PlaceKind::kFillOrKill:
      return "FOK";
    case PlaceKind::kPostOnly:
    case PlaceKind::kMarket:
      return "";
  }
  return "";
}

std::string_view TypeText(PlaceKind kind) {
  switch (kind) {
    case PlaceKind::kPostOnly:
      return "LIMIT_MAKER";
    case PlaceKind::kMarket:
      return "MARKET";
    case PlaceKind::kGoodTillCancel:
    case PlaceKind::kImmediateOrCancel:
    case PlaceKind::kFillOrKill:
      return "LIMIT";
  }
  return "";
}

size_t PlaceIndex(PlaceKind kind, Side side) {
  return 2 * static_cast<size_t>(kind) + (side == Side::kSell ? 1 : 0);
}

// The parameters that every request has, where the alphabet puts them.
struct CommonParameters {
  Parameter api_key, receive_window, symbol, timestamp;
};

Parameters PlaceParameters(PlaceKind kind, Side side, const CommonParameters& common,
                           const std::string& self_trade_prevention_mode) {
  Parameters parameters = {
      common.api_key, {"newClientOrderId", "", Hole::kClientOrderId}, {"newOrderRespType", "ACK"}};
  if (kind != PlaceKind::kMarket) parameters.push_back({"price", "", Hole::kPrice});
  parameters.push_back({"quantity", "", Hole::kQuantity});
  parameters.push_back(common.receive_window);
  if (!self_trade_prevention_mode.empty()) {
    parameters.push_back({"selfTradePreventionMode", self_trade_prevention_mode});
  }
  parameters.push_back({"side", side == Side::kBuy ? "BUY" : "SELL"});
  parameters.push_back(common.symbol);
  if (const std::string_view text = TimeInForceText(kind); !text.empty()) {
    parameters.push_back({"timeInForce", std::string(text)});
  }
  parameters.push_back(common.timestamp);
  parameters.push_back({"type", std::string(TypeText(kind))});
  return parameters;
}

}  // namespace

struct BinanceOrderEncoder::Templates {
  GridText price;
  GridText quantity;
  const RequestSigner* signer;
  int64_t receive_window_ms;
  std::array<RequestForms, 2 * kPlaceKindCount> place;
  // By the venue's id or by ours; with an id of its own or, for orders that are not ours, without.
  RequestForms cancel_by_client_id, cancel_by_venue_id;
  RequestForms foreign_cancel_by_client_id, foreign_cancel_by_venue_id;
  RequestForms status, cancel_all;

  const RequestForms& FillPlace(const PlaceRequest& request, Fields& fields) const {
    fields.Set(Hole::kClientOrderId, request.client_order_id.view());
    if (!request.is_market) price.Write(request.price.ticks(), Hole::kPrice, fields);
    quantity.Write(request.quantity.lots(), Hole::kQuantity, fields);
    return place[PlaceIndex(KindOf(request), request.side)];
  }
  const RequestForms& FillCancel(const CancelRequest& request, Fields& fields) const {
    const auto cancel_id = MakeCancelId(request.client_order_id.view());
    if (cancel_id) fields.Set(Hole::kCancelId, cancel_id->view());
    if (request.venue_order_id.value() > 0) {
      fields.Set(Hole::kVenueOrderId, static_cast<uint64_t>(request.venue_order_id.value()));
      return cancel_id ? cancel_by_venue_id : foreign_cancel_by_venue_id;
    }
    fields.Set(Hole::kClientOrderId, request.client_order_id.view());
    return cancel_id ? cancel_by_client_id : foreign_cancel_by_client_id;
  }
  const RequestForms& FillStatus(const ClientOrderId& id, Fields& fields) const {
    fields.Set(Hole::kClientOrderId, id.view());
    return status;
  }

  void FillTimestamp(int64_t timestamp_ms, Fields& fields) const {
    HF_ASSERT(timestamp_ms > 0);
    fields.Set(Hole::kTimestamp, static_cast<uint64_t>(timestamp_ms));
  }

  // The text to sign is put where the request is going to be.
  void Sign(const Template& payload, bool is_url, Fields& fields, std::span<char> out) const {
    HF_ASSERT(signer != nullptr);
    const char* const end = payload.Render(fields, out.data());
    const std::string_view text(out.data(), static_cast<size_t>(end - out.data()));
    char* const signature = fields.Begin(Hole::kSignature);
    if (is_url && signer->needs_percent_encoding()) {
      char raw[RequestSigner::kMaxSignatureBytes];
      const size_t size = signer->Sign(text, raw);
      fields.End(Hole::kSignature, signature + PercentEncode({raw, size}, signature));
    } else {
      fields.End(Hole::kSignature, signature + signer->Sign(text, signature));
    }
  }

  std::string_view Message(const RequestForms& forms, Fields& fields, RequestId request_id,
                           int64_t timestamp_ms, BinanceAuthentication authentication,
                           std::span<char> out) const {
    HF_ASSERT(out.size() >= kMaxRequestBytes);
    fields.Set(Hole::kRequestId, request_id.value());
    FillTimestamp(timestamp_ms, fields);
    const bool is_signed = authentication == BinanceAuthentication::kSigned;
    if (is_signed) Sign(forms.signed_payload, false, fields, out);
    const Template& form = is_signed ? forms.signed_message : forms.session_message;
    return {out.data(), static_cast<size_t>(form.Render(fields, out.data()) - out.data())};
  }

  std::string_view Rest(const RequestForms& forms, Template RequestForms::*form, Fields& fields,
                        int64_t timestamp_ms, std::span<char> out) const {
    HF_ASSERT(out.size() >= kMaxRequestBytes);
    FillTimestamp(timestamp_ms, fields);
    Sign(forms.query, true, fields, out);
    const char* const end = (forms.*form).Render(fields, out.data());
    return {out.data(), static_cast<size_t>(end - out.data())};
  }
};

absl::Status BinanceOrderEncoder::Validate(const BinanceEncoderOptions& options) {
  if (options.api_key.empty() || options.api_key.size() > 128 || !IsPlain(options.api_key, "-_")) {
    return absl::InvalidArgumentError("binance: the API key is not 1 to 128 letters and digits");
  }
  if (options.host.size() > 128 || !IsPlain(options.host, ".-:[]")) {
    return absl::InvalidArgumentError(absl::StrCat("binance: host=", options.host));
  }
  if (options.self_trade_prevention_mode.size() > 32 ||
      !IsPlain(options.self_trade_prevention_mode, "_")) {
    return absl::InvalidArgumentError(
        absl::StrCat("binance: self_trade_prevention_mode=", options.self_trade_prevention_mode));
  }
  if (options.receive_window_ms <= 0 || options.receive_window_ms > kMaxReceiveWindowMs) {
    return absl::InvalidArgumentError(
        absl::StrCat("binance: receive_window_ms=", options.receive_window_ms, " range=1..",
                     kMaxReceiveWindowMs));
  }
  return absl::OkStatus();
}

BinanceOrderEncoder::BinanceOrderEncoder(const Instrument& instrument,
                                         const BinanceEncoderOptions& options,
                                         const RequestSigner* signer) {
  HF_ASSERT(Validate(options).ok());
  HF_ASSERT(IsPlain(instrument.symbol.view(), "-_."));
  templates_.reset(new Templates{GridText(instrument.tick_size),
                                 GridText(instrument.lot_size),
                                 signer,
                                 options.receive_window_ms,
                                 {},
                                 {},
                                 {},
                                 {},
                                 {},
                                 {},
                                 {}});
  const Account account = {options.api_key, options.host};
  const CommonParameters common = {
      {"apiKey", options.api_key},
      {"recvWindow", absl::StrCat(options.receive_window_ms), Hole::kNone, true},
      {"symbol", std::string(instrument.symbol.view())},
      {"timestamp", "", Hole::kTimestamp, true}};
  for (size_t kind = 0; kind < kPlaceKindCount; ++kind) {
    for (const Side side : {Side::kBuy, Side::kSell}) {
      const auto place_kind = static_cast<PlaceKind>(kind);
      templates_->place[PlaceIndex(place_kind, side)] =
          MakeForms("order.place", "POST", "/api/v3/order", account,
                    PlaceParameters(place_kind, side, common, options.self_trade_prevention_mode));
    }
  }
  const Parameter by_client_id = {"origClientOrderId", "", Hole::kClientOrderId};
  const Parameter by_venue_id = {"orderId", "", Hole::kVenueOrderId, true};
  const Parameter cancel_id = {"newClientOrderId", "", Hole::kCancelId};
  const auto make_cancel = [&](Parameters parameters) {
    parameters.insert(parameters.end(), {common.receive_window, common.symbol, common.timestamp});
    return MakeForms("order.cancel", "DELETE", "/api/v3/order", account, parameters);
  };
  templates_->cancel_by_client_id = make_cancel({common.api_key, cancel_id, by_client_id});
  templates_->cancel_by_venue_id = make_cancel({common.api_key, cancel_id, by_venue_id});
  templates_->foreign_cancel_by_client_id = make_cancel({common.api_key, by_client_id});
  templates_->foreign_cancel_by_venue_id = make_cancel({common.api_key, by_venue_id});
  templates_->status = MakeForms(
      "order.status", "GET", "/api/v3/order", account,
      {common.api_key, by_client_id, common.receive_window, common.symbol, common.timestamp});
  templates_->cancel_all =
      MakeForms("openOrders.cancelAll", "DELETE", "/api/v3/openOrders", account,
                {common.api_key, common.receive_window, common.symbol, common.timestamp});
}
BinanceOrderEncoder::~BinanceOrderEncoder() = default;

int64_t BinanceOrderEncoder::receive_window_ms() const { return templates_->receive_window_ms; }

// --- WS API --------------------------------------------------------------------------------------

std::string_view BinanceOrderEncoder::PlaceMessage(const PlaceRequest& request,
                                                   RequestId request_id, int64_t timestamp_ms,
                                                   BinanceAuthentication authentication,
                                                   std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillPlace(request, fields);
  return templates_->Message(forms, fields, request_id, timestamp_ms, authentication, out);
}

std::string_view BinanceOrderEncoder::CancelMessage(const CancelRequest& request,
                                                    RequestId request_id, int64_t timestamp_ms,
                                                    BinanceAuthentication authentication,
                                                    std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillCancel(request, fields);
  return templates_->Message(forms, fields, request_id, timestamp_ms, authentication, out);
}

std::string_view BinanceOrderEncoder::StatusMessage(const ClientOrderId& client_order_id,
                                                    RequestId request_id, int64_t timestamp_ms,
                                                    BinanceAuthentication authentication,
                                                    std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillStatus(client_order_id, fields);
  return templates_->Message(forms, fields, request_id, timestamp_ms, authentication, out);
}

std::string_view BinanceOrderEncoder::CancelAllMessage(RequestId request_id, int64_t timestamp_ms,
                                                       BinanceAuthentication authentication,
                                                       std::span<char> out) const {
  Fields fields;
  return templates_->Message(templates_->cancel_all, fields, request_id, timestamp_ms,
                             authentication, out);
}

// --- REST ----------------------------------------------------------------------------------------

std::string_view BinanceOrderEncoder::PlaceHttp(const PlaceRequest& request, int64_t timestamp_ms,
                                                std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillPlace(request, fields);
  return templates_->Rest(forms, &RequestForms::http, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelHttp(const CancelRequest& request, int64_t timestamp_ms,
                                                 std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillCancel(request, fields);
  return templates_->Rest(forms, &RequestForms::http, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::StatusHttp(const ClientOrderId& client_order_id,
                                                 int64_t timestamp_ms, std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillStatus(client_order_id, fields);
  return templates_->Rest(forms, &RequestForms::http, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelAllHttp(int64_t timestamp_ms,
                                                    std::span<char> out) const {
  Fields fields;
  return templates_->Rest(templates_->cancel_all, &RequestForms::http, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::PlaceQuery(const PlaceRequest& request, int64_t timestamp_ms,
                                                 std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillPlace(request, fields);
  return templates_->Rest(forms, &RequestForms::signed_query, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelQuery(const CancelRequest& request,
                                                  int64_t timestamp_ms, std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillCancel(request, fields);
  return templates_->Rest(forms, &RequestForms::signed_query, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::StatusQuery(const ClientOrderId& client_order_id,
                                                  int64_t timestamp_ms, std::span<char> out) const {
  Fields fields;
  const RequestForms& forms = templates_->FillStatus(client_order_id, fields);
  return templates_->Rest(forms, &RequestForms::signed_query, fields, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelAllQuery(int64_t timestamp_ms,
                                                     std::span<char> out) const {
  Fields fields;
  return templates_->Rest(templates_->cancel_all, &RequestForms::signed_query, fields, timestamp_ms,
                          out);
}

}  // namespace holdfast
