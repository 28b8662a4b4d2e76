#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace holdfast {

// One answer of an HTTP/1.1 server. The views are valid until the reader is reset. At least
// HttpResponseReader::kPaddingBytes readable bytes follow the body (JSON parsers overread).
struct HttpResponse {
  int status = 0;
  std::string_view header_lines;  // "Name: value\r\n" each
  std::string_view body;

  // Value of the first header of this name (any case), without blanks round it; empty when absent.
  std::string_view Header(std::string_view name) const;
};

// Assembles one response from the bytes of a connection. Bounded: head and whole response have a
// maximum. Strict where leniency has been a hole elsewhere: conflicting lengths, folded headers,
// control characters and malformed chunks are errors, never guesses.
class HttpResponseReader {
 public:
  static constexpr size_t kMaxHeadBytes = 16 * 1024;
  static constexpr size_t kPaddingBytes = 64;

  explicit HttpResponseReader(size_t max_response_bytes);

  void Reset();
  // Room for the next bytes of the connection; never empty unless the response is complete.
  char* WritePosition() { return buffer_.data() + size_; }
  size_t WriteSpace() const { return buffer_.size() - kPaddingBytes - size_; }
  // `count` bytes were written at WritePosition(). True = the response is complete.
  // Errors: kInvalidArgument (not HTTP), kResourceExhausted (larger than the bound).
  absl::StatusOr<bool> Commit(size_t count);
  // The peer closed the connection. True = that completed the response (no length was stated).
  bool OnEndOfStream();

  const HttpResponse& response() const { return response_; }
  bool has_bytes() const { return size_ > 0; }
  // The connection can't carry another request.
  bool must_close() const { return must_close_; }

 private:
  enum class State : uint8_t { kHead, kBodyOfLength, kChunks, kBodyUntilClose, kComplete };

  absl::StatusOr<bool> Advance();
  absl::StatusOr<bool> ParseHead();
  absl::Status ParseHeaderLines(std::string_view lines);
  absl::Status ApplyHeader(std::string_view name, std::string_view value);
  absl::StatusOr<bool> AdvanceChunks();
  absl::Status MakeRoom();
  bool Complete(size_t body_size);

  const size_t max_response_bytes_;
  std::string buffer_;
  size_t size_ = 0;  // bytes received
  State state_ = State::kHead;
  size_t head_size_ = 0;
  size_t content_length_ = 0;
  bool has_content_length_ = false;
  bool is_chunked_ = false;
  bool must_close_ = false;
  // Chunks are moved together in place: decoded bytes end at body_end_, raw input goes on at
  // chunk_position_.
  size_t body_end_ = 0;
  size_t chunk_position_ = 0;
  HttpResponse response_;
};

}  // namespace holdfast
