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
};
constexpr size_t kHoleCount = 8;

// Texts are copied in whole chunks: the copies read and write up to kChunkBytes - 1 bytes more than
// the text has, inside buffers that have them.
constexpr size_t kChunkBytes = 32;
constexpr size_t kMaxHoleBytes = 64;
constexpr size_t kMaxSignatureBytes = 3 * RequestSigner::kMaxSignatureBytes;  // percent-encoded
static_assert(ClientOrderId::capacity() <= kMaxHoleBytes);
static_assert(Decimal::kMaxTextBytes <= kMaxHoleBytes);

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
  Fields() = default;
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  // All of the id's bytes are copied, which takes no look at how many count.
  void Set(Hole hole, const ClientOrderId& id) {
    std::memcpy(Buffer(hole), id.view().data(), ClientOrderId::capacity());
    texts_[Index(hole)] = {Buffer(hole), id.size()};
  }
  void Set(Hole hole, uint64_t integer);
  // Text that was written into the hole's buffer.
  char* Buffer(Hole hole) { return buffers_[Index(hole)].data(); }
  void SetWritten(Hole hole, const char* begin, const char* end) {
    texts_[Index(hole)] = {begin, static_cast<size_t>(end - begin)};
  }
  char* CopyTo(Hole hole, char* out) const {
    const std::string_view text = texts_[Index(hole)];
    return CopyChunks(text.data(), text.size(), out);
  }

 private:
  static size_t Index(Hole hole) { return static_cast<size_t>(hole); }

  // Only what was set is ever read; clearing the buffers would cost more than a request.
  std::array<std::array<char, kMaxHoleBytes + kChunkBytes>, kHoleCount> buffers_;
  std::array<std::string_view, kHoleCount> texts_;
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
  char* const end = Buffer(hole) + kMaxIntegerDigits;
  SetWritten(hole, WriteDigitsBackward(integer, 1, end), end);
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
    // The digits, and then those before the point one place to the left.
    char* const end = fields.Buffer(hole) + kMaxHoleBytes;
    const char* begin = WriteDigitsBackward(scaled, fraction_digits_ + 1, end);
    if (fraction_digits_ > 0) {
      char* const point = end - fraction_digits_ - 1;
      std::memmove(point - kMaxIntegerDigits, point - kMaxIntegerDigits + 1, kMaxIntegerDigits);
      *point = '.';
      --begin;
    }
    fields.SetWritten(hole, begin, end);
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
  // Takes constant bytes off the beginning. REQUIRES: there are as many before the first hole.
  void DropFront(size_t byte_count) {
    HF_ASSERT(byte_count <= ConstantFront().size());
    text_.erase(0, byte_count);
    for (Step& step : steps_) step.begin -= byte_count;
    steps_.front().begin = 0;
    steps_.front().size -= byte_count;
    begin_ -= byte_count;
  }
  std::string_view ConstantFront() const {
    return std::string_view(text_).substr(0, steps_.empty() ? text_.size() : steps_.front().size);
  }
  // Ends the text; nothing may be appended after it.
  void Finish() {
    Append(Hole::kNone);
    text_.append(kChunkBytes, '\0');
  }
  // What Render() may write, including what it writes too much.
  size_t MaxBytes() const { return text_.size() + steps_.size() * kMaxHoleBytes + kChunkBytes; }

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

// How a request leaves, and what is signed for it.
enum class Way : uint8_t {
  kSignedMessage,   // WS API: the sorted parameters, which the message has in another shape
  kSessionMessage,  // WS API, after session.logon: nothing
  kQuery,           // REST: the query itself
  kHttp,            // the whole REST request: the query in it
};
constexpr size_t kWayCount = 4;

// One kind of request on one way: the head, then, unless nothing is signed, signature and tail. So
// whatever is the same is written while the signature is computed, and the signature once.
struct Form {
  Template head;
  std::string tail;
  // The signed text is head[query_begin, its end - kSignatureName), or it is made from `payload`.
  size_t query_begin = 0;
  Template payload;  // without what `prepared` has already
  RequestSigner::Prepared prepared;
};
// Every form of one kind of request.
using RequestForms = std::array<Form, kWayCount>;

constexpr std::string_view kSignatureName = "&signature=";

struct Account {
  std::string_view api_key;
  std::string_view host;
  const RequestSigner* signer;
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

void AppendMessage(std::string_view method, const Parameters& parameters, std::string_view skipped,
                   Template& out) {
  out.Append(R"({"id":)");
  out.Append(Hole::kRequestId);
  out.Append(absl::StrCat(R"(,"method":")", absl::string_view(method.data(), method.size()),
                          R"(","params":{)"));
  bool is_first = true;
  for (const Parameter& parameter : parameters) {
    if (parameter.name == skipped) continue;
    out.Append(is_first ? "\"" : ",\"");
    is_first = false;
    out.Append(parameter.name);
    out.Append(parameter.is_json_number ? "\":" : "\":\"");
    out.Append(parameter.text);
    if (parameter.hole != Hole::kNone) out.Append(parameter.hole);
    if (!parameter.is_json_number) out.Append("\"");
  }
}

RequestForms MakeForms(std::string_view ws_method, std::string_view http_method,
                       std::string_view path, const Account& account,
                       const Parameters& parameters) {
  RequestForms forms;
  Form& message = forms[static_cast<size_t>(Way::kSignedMessage)];
  AppendMessage(ws_method, parameters, "", message.head);
  message.head.Append(R"(,"signature":")");
  message.tail = "\"}}";
  AppendQuery(parameters, "", message.payload);
  if (account.signer != nullptr) {
    message.prepared = account.signer->Prepare(message.payload.ConstantFront());
    message.payload.DropFront(message.prepared.byte_count);
  }
  Form& session = forms[static_cast<size_t>(Way::kSessionMessage)];
  AppendMessage(ws_method, parameters, "apiKey", session.head);
  session.head.Append("}}");
  Form& query = forms[static_cast<size_t>(Way::kQuery)];
  AppendQuery(parameters, "apiKey", query.head);
  query.head.Append(kSignatureName);
  Form& http = forms[static_cast<size_t>(Way::kHttp)];
  for (const std::string_view part : {http_method, std::string_view(" "), path}) {
    http.head.Append(part);
  }
  http.head.Append("?");
  http.query_begin = http_method.size() + path.size() + 2;
  AppendQuery(parameters, "apiKey", http.head);
  http.head.Append(kSignatureName);
  // A POST states that it has no body; the other methods have none by definition.
  for (const std::string_view part :
       {std::string_view(" HTTP/1.1\r\nHost: "), account.host,
        std::string_view("\r\nX-MBX-APIKEY: "), account.api_key,
        std::string_view(http_method == "POST" ? "\r\nContent-Length: 0\r\n\r\n" : "\r\n\r\n")}) {
    http.tail.append(part);
  }
  for (Form& form : forms) {
    form.head.Finish();
    form.payload.Finish();
    HF_ASSERT(form.payload.MaxBytes() <= BinanceOrderEncoder::kMaxRequestBytes);
    HF_ASSERT(form.head.MaxBytes() + kMaxSignatureBytes + form.tail.size() <=
              BinanceOrderEncoder::kMaxRequestBytes);
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

size_t CancelIndex(bool has_cancel_id, bool has_venue_id) {
  return (has_cancel_id ? 2 : 0) + (has_venue_id ? 1 : 0);
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
  std::array<RequestForms, 4> cancel;
  RequestForms status, cancel_all;

  std::string_view Place(const PlaceRequest& request, Way way, RequestId request_id,
                         int64_t timestamp_ms, std::span<char> out) const {
    Fields fields;
    fields.Set(Hole::kClientOrderId, request.client_order_id);
    if (!request.is_market) price.Write(request.price.ticks(), Hole::kPrice, fields);
    quantity.Write(request.quantity.lots(), Hole::kQuantity, fields);
    const RequestForms& forms = place[PlaceIndex(KindOf(request), request.side)];
    return Write(forms, way, fields, request_id, timestamp_ms, out);
  }
  std::string_view Cancel(const CancelRequest& request, Way way, RequestId request_id,
                          int64_t timestamp_ms, std::span<char> out) const {
    Fields fields;
    const auto cancel_id = MakeCancelId(request.client_order_id.view());
    if (cancel_id) fields.Set(Hole::kCancelId, *cancel_id);
    const bool has_venue_id = request.venue_order_id.value() > 0;
    if (has_venue_id) {
      fields.Set(Hole::kVenueOrderId, static_cast<uint64_t>(request.venue_order_id.value()));
    } else {
      fields.Set(Hole::kClientOrderId, request.client_order_id);
    }
    return Write(cancel[CancelIndex(cancel_id.has_value(), has_venue_id)], way, fields, request_id,
                 timestamp_ms, out);
  }
  std::string_view Status(const ClientOrderId& id, Way way, RequestId request_id,
                          int64_t timestamp_ms, std::span<char> out) const {
    Fields fields;
    fields.Set(Hole::kClientOrderId, id);
    return Write(status, way, fields, request_id, timestamp_ms, out);
  }
  std::string_view CancelAll(Way way, RequestId request_id, int64_t timestamp_ms,
                             std::span<char> out) const {
    Fields fields;
    return Write(cancel_all, way, fields, request_id, timestamp_ms, out);
  }

 private:
  std::string_view Write(const RequestForms& forms, Way way, Fields& fields, RequestId request_id,
                         int64_t timestamp_ms, std::span<char> out) const {
    HF_ASSERT(out.size() >= kMaxRequestBytes);
    HF_ASSERT(timestamp_ms > 0);
    fields.Set(Hole::kRequestId, request_id.value());
    fields.Set(Hole::kTimestamp, static_cast<uint64_t>(timestamp_ms));
    const Form& form = forms[static_cast<size_t>(way)];
    char* end = form.head.Render(fields, out.data());
    if (way != Way::kSessionMessage) {
      HF_ASSERT(signer != nullptr);
      end += way == Way::kSignedMessage ? SignPayload(form, fields, end)
                                        : SignQuery({out.data() + form.query_begin, end}, end);
      std::memcpy(end, form.tail.data(), form.tail.size());
      end += form.tail.size();
    }
    return {out.data(), end};
  }

  size_t SignPayload(const Form& form, const Fields& fields, char* out) const {
    char payload[kMaxRequestBytes];
    const char* const end = form.payload.Render(fields, payload);
    return signer->SignRest(form.prepared, {payload, end}, out);
  }

  size_t SignQuery(std::string_view query, char* out) const {
    query.remove_suffix(kSignatureName.size());
    if (!signer->needs_percent_encoding()) return signer->Sign(query, out);
    char raw[RequestSigner::kMaxSignatureBytes];
    return PercentEncode({raw, signer->Sign(query, raw)}, out);
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
  templates_.reset(new Templates{.price = GridText(instrument.tick_size),
                                 .quantity = GridText(instrument.lot_size),
                                 .signer = signer,
                                 .receive_window_ms = options.receive_window_ms,
                                 .place = {},
                                 .cancel = {},
                                 .status = {},
                                 .cancel_all = {}});
  const Account account = {options.api_key, options.host, signer};
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
  for (const bool has_cancel_id : {false, true}) {
    for (const bool has_venue_id : {false, true}) {
      Parameters parameters = {common.api_key};
      if (has_cancel_id) parameters.push_back(cancel_id);
      parameters.push_back(has_venue_id ? by_venue_id : by_client_id);
      parameters.insert(parameters.end(), {common.receive_window, common.symbol, common.timestamp});
      templates_->cancel[CancelIndex(has_cancel_id, has_venue_id)] =
          MakeForms("order.cancel", "DELETE", "/api/v3/order", account, parameters);
    }
  }
  templates_->status = MakeForms(
      "order.status", "GET", "/api/v3/order", account,
      {common.api_key, by_client_id, common.receive_window, common.symbol, common.timestamp});
  templates_->cancel_all =
      MakeForms("openOrders.cancelAll", "DELETE", "/api/v3/openOrders", account,
                {common.api_key, common.receive_window, common.symbol, common.timestamp});
}
BinanceOrderEncoder::~BinanceOrderEncoder() = default;

int64_t BinanceOrderEncoder::receive_window_ms() const { return templates_->receive_window_ms; }

// --- the ways of each request --------------------------------------------------------------------

namespace {

Way MessageWay(BinanceAuthentication authentication) {
  return authentication == BinanceAuthentication::kSigned ? Way::kSignedMessage
                                                          : Way::kSessionMessage;
}
constexpr RequestId kNoRequestId = RequestId(0);  // REST has none

}  // namespace

std::string_view BinanceOrderEncoder::PlaceMessage(const PlaceRequest& request,
                                                   RequestId request_id, int64_t timestamp_ms,
                                                   BinanceAuthentication authentication,
                                                   std::span<char> out) const {
  return templates_->Place(request, MessageWay(authentication), request_id, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::PlaceHttp(const PlaceRequest& request, int64_t timestamp_ms,
                                                std::span<char> out) const {
  return templates_->Place(request, Way::kHttp, kNoRequestId, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::PlaceQuery(const PlaceRequest& request, int64_t timestamp_ms,
                                                 std::span<char> out) const {
  return templates_->Place(request, Way::kQuery, kNoRequestId, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelMessage(const CancelRequest& request,
                                                    RequestId request_id, int64_t timestamp_ms,
                                                    BinanceAuthentication authentication,
                                                    std::span<char> out) const {
  return templates_->Cancel(request, MessageWay(authentication), request_id, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::CancelHttp(const CancelRequest& request, int64_t timestamp_ms,
                                                 std::span<char> out) const {
  return templates_->Cancel(request, Way::kHttp, kNoRequestId, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::CancelQuery(const CancelRequest& request,
                                                  int64_t timestamp_ms, std::span<char> out) const {
  return templates_->Cancel(request, Way::kQuery, kNoRequestId, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::StatusMessage(const ClientOrderId& client_order_id,
                                                    RequestId request_id, int64_t timestamp_ms,
                                                    BinanceAuthentication authentication,
                                                    std::span<char> out) const {
  return templates_->Status(client_order_id, MessageWay(authentication), request_id, timestamp_ms,
                            out);
}
std::string_view BinanceOrderEncoder::StatusHttp(const ClientOrderId& client_order_id,
                                                 int64_t timestamp_ms, std::span<char> out) const {
  return templates_->Status(client_order_id, Way::kHttp, kNoRequestId, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::StatusQuery(const ClientOrderId& client_order_id,
                                                  int64_t timestamp_ms, std::span<char> out) const {
  return templates_->Status(client_order_id, Way::kQuery, kNoRequestId, timestamp_ms, out);
}

std::string_view BinanceOrderEncoder::CancelAllMessage(RequestId request_id, int64_t timestamp_ms,
                                                       BinanceAuthentication authentication,
                                                       std::span<char> out) const {
  return templates_->CancelAll(MessageWay(authentication), request_id, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::CancelAllHttp(int64_t timestamp_ms,
                                                    std::span<char> out) const {
  return templates_->CancelAll(Way::kHttp, kNoRequestId, timestamp_ms, out);
}
std::string_view BinanceOrderEncoder::CancelAllQuery(int64_t timestamp_ms,
                                                     std::span<char> out) const {
  return templates_->CancelAll(Way::kQuery, kNoRequestId, timestamp_ms, out);
}

}  // namespace holdfast
