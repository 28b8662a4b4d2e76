#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/market/instrument.h"
#include "engine/market/side.h"

namespace holdfast {

// Streams the lines of capture files, gzip or plain, one file after the other. Memory is bounded by
// the longest line.
class CaptureLines {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  explicit CaptureLines(std::vector<std::string> files);
  ~CaptureLines();

  // The next line without its newline, valid until the next call; nullopt at the end of the last
  // file. Errors: kNotFound = cannot open, kDataLoss = the compressed stream ends early or is
  // damaged, kOutOfRange = a line is too long. After an error the next call goes on with the next
  // file.
  absl::StatusOr<std::optional<std::string_view>> Next();
  void Rewind();

  const std::string& file() const;
  int64_t line() const { return line_; }  // of the file, from 1; 0 = nothing read yet

 private:
  struct GzipFile;
  absl::Status Fill();

  std::vector<std::string> files_;
  size_t file_index_ = 0;
  int64_t line_ = 0;
  std::unique_ptr<GzipFile> open_;
  std::string buffer_;
  size_t begin_ = 0;
  bool is_end_of_file_ = false;
};

struct CaptureLevel {
  Decimal price;
  Decimal quantity;
};

enum class CaptureKind : uint8_t { kSnapshot, kDepth, kBookTop, kTrade, kOther };

// One recorded message. Which fields count depends on the kind.
struct CaptureMessage {
  CaptureKind kind = CaptureKind::kOther;
  int64_t receive_time_ns = 0;
  std::string symbol;              // empty: the message names none
  int64_t first_update_id = 0;     // kDepth
  int64_t last_update_id = 0;      // kSnapshot, kDepth, kBookTop
  std::vector<CaptureLevel> bids;  // kBookTop: one
  std::vector<CaptureLevel> asks;
  Decimal price;  // kTrade
  Decimal quantity;
  Side aggressor = Side::kBuy;
};

// Decodes `<local receive time, ns> <raw JSON>` with Binance's messages: depthUpdate, trade,
// bookTicker, REST depth snapshot, each bare or in a combined stream's envelope. Messages it does
// not know are kOther. Reuses its buffers and those of the message.
class CaptureDecoder {
 public:
  CaptureDecoder();
  ~CaptureDecoder();
  // kInvalidArgument: not of that form, or a known message with a missing or malformed field.
  absl::Status Decode(std::string_view line, CaptureMessage& message);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace holdfast
