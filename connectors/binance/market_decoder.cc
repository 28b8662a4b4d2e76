#include "connectors/binance/market_decoder.h"

#include "connectors/binance/market_scanner.h"
#include "connectors/binance/market_strict_parser.h"
#include "engine/base/assert.h"

namespace holdfast {

std::string_view ToText(BinanceFrameKind kind) {
  switch (kind) {
    case BinanceFrameKind::kDepthUpdate:
      return "depth_update";
    case BinanceFrameKind::kDepthSnapshot:
      return "depth_snapshot";
    case BinanceFrameKind::kTrade:
      return "trade";
    case BinanceFrameKind::kBookTop:
      return "book_top";
    case BinanceFrameKind::kServerShutdown:
      return "server_shutdown";
    case BinanceFrameKind::kOther:
      return "other";
    case BinanceFrameKind::kMalformed:
      return "malformed";
  }
  return "invalid";
}

std::string_view ToText(BinanceDecodeError error) {
  switch (error) {
    case BinanceDecodeError::kNone:
      return "none";
    case BinanceDecodeError::kSyntax:
      return "syntax";
    case BinanceDecodeError::kTooLarge:
      return "too_large";
    case BinanceDecodeError::kMissingKey:
      return "missing_key";
    case BinanceDecodeError::kDuplicateKey:
      return "duplicate_key";
    case BinanceDecodeError::kWrongType:
      return "wrong_type";
    case BinanceDecodeError::kBadNumber:
      return "bad_number";
    case BinanceDecodeError::kTooManyDigits:
      return "too_many_digits";
    case BinanceDecodeError::kOutOfRange:
      return "out_of_range";
    case BinanceDecodeError::kOffGrid:
      return "off_grid";
    case BinanceDecodeError::kTooManyLevels:
      return "too_many_levels";
    case BinanceDecodeError::kWrongSymbol:
      return "wrong_symbol";
    case BinanceDecodeError::kBadSequence:
      return "bad_sequence";
  }
  return "invalid";
}

BinanceFrame::BinanceFrame(size_t level_capacity)
    : level_capacity_(level_capacity), levels_(new LevelChange[level_capacity]) {}

BinanceMarketDecoder::BinanceMarketDecoder(const Instrument& instrument)
    : scanner_(std::make_unique<BinanceMarketScanner>(instrument)),
      strict_(std::make_unique<BinanceMarketStrictParser>(instrument)) {}
BinanceMarketDecoder::~BinanceMarketDecoder() = default;

namespace {

void Stamp(BinanceFrame& frame, int64_t receive_time_ns) {
  switch (frame.kind) {
    case BinanceFrameKind::kDepthUpdate:
      frame.depth_update.receive_time_ns = receive_time_ns;
      return;
    case BinanceFrameKind::kDepthSnapshot:
      frame.depth_snapshot.receive_time_ns = receive_time_ns;
      return;
    case BinanceFrameKind::kTrade:
      frame.trade.receive_time_ns = receive_time_ns;
      return;
    case BinanceFrameKind::kBookTop:
      frame.book_top.receive_time_ns = receive_time_ns;
      return;
    case BinanceFrameKind::kServerShutdown:
    case BinanceFrameKind::kOther:
    case BinanceFrameKind::kMalformed:
      return;
  }
}

}  // namespace

BinanceFrameKind BinanceMarketDecoder::Decode(std::string_view text, int64_t receive_time_ns,
                                              BinanceFrame& frame) {
  if (!scanner_->Scan(text, frame)) [[unlikely]] {
    return DecodeStrict(text, receive_time_ns, frame);
  }
  frame.error = BinanceDecodeError::kNone;
  Stamp(frame, receive_time_ns);
  return frame.kind;
}

BinanceFrameKind BinanceMarketDecoder::DecodeStrict(std::string_view text, int64_t receive_time_ns,
                                                    BinanceFrame& frame) {
  ++strict_count_;
  strict_->Parse(text, frame);
  Stamp(frame, receive_time_ns);
  return frame.kind;
}

std::string_view BinanceMarketDecoder::StreamSymbol(std::string_view text) {
  constexpr std::string_view kHead = R"({"stream":")";
  if (!text.starts_with(kHead)) return {};
  const std::string_view rest = text.substr(kHead.size());
  const size_t end = rest.substr(0, SymbolText::capacity() + 1).find('@');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

}  // namespace holdfast
