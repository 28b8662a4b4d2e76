#include "connectors/net/http_response_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/status/status.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr size_t kInitialBytes = 16 * 1024;
constexpr size_t kMaxChunkLineBytes = 256;

absl::Status NotHttp(std::string_view what) {
  return absl::InvalidArgumentError(Concat("HTTP answer not understood: ", what));
}

bool IsTokenCharacter(char c) {
  return IsAlphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Calls `visit(name, value)` for each line; stops with its error.
template <typename Visitor>
absl::Status ForEachHeader(std::string_view lines, Visitor visit) {
  while (!lines.empty()) {
    const size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return NotHttp("header line without end");
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return NotHttp("header without a name");
    const std::string_view name = line.substr(0, colon);
    if (!std::all_of(name.begin(), name.end(), IsTokenCharacter)) {
      return NotHttp("header name with a forbidden character");
    }
    const std::string_view value = StripBlanks(line.substr(colon + 1));
    for (char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
        return NotHttp("header value with a control character");
      }
    }
    HF_RETURN_IF_ERROR(visit(name, value));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view HttpResponse::Header(std::string_view name) const {
  std::string_view found;
  ForEachHeader(header_lines, [&](std::string_view key, std::string_view value) {
    if (!EqualsIgnoreCase(key, name)) return absl::OkStatus();
    found = value;
    return absl::CancelledError();  // found: no need to look further
  }).IgnoreError();
  return found;
}

HttpResponseReader::HttpResponseReader(size_t max_response_bytes)
    : max_response_bytes_(max_response_bytes), buffer_(kInitialBytes + kPaddingBytes, '\0') {
  HF_ASSERT(max_response_bytes >= kMaxHeadBytes);
}

void HttpResponseReader::Reset() {
  size_ = 0;
  state_ = State::kHead;
  head_size_ = 0;
  content_length_ = 0;
  has_content_length_ = false;
  is_chunked_ = false;
  must_close_ = false;
  body_end_ = 0;
  chunk_position_ = 0;
  response_ = HttpResponse();
}

absl::StatusOr<bool> HttpResponseReader::Commit(size_t count) {
  HF_ASSERT(count <= WriteSpace());
  size_ += count;
  absl::StatusOr<bool> is_complete = Advance();
  if (is_complete.ok() && !*is_complete) HF_RETURN_IF_ERROR(MakeRoom());
  return is_complete;
}

absl::Status HttpResponseReader::MakeRoom() {
  if (WriteSpace() > 0) return absl::OkStatus();
  const size_t wanted = std::min(buffer_.size() * 2, max_response_bytes_ + kPaddingBytes);
  if (wanted <= buffer_.size()) {
    return absl::ResourceExhaustedError(
        Concat("HTTP answer larger than the bound: max_bytes=", max_response_bytes_));
  }
  buffer_.resize(wanted);
  return absl::OkStatus();
}

absl::StatusOr<bool> HttpResponseReader::Advance() {
  if (state_ == State::kHead) {
    HF_ASSIGN_OR_RETURN(const bool has_head, ParseHead());
    if (!has_head) return false;
  }
  switch (state_) {
    case State::kHead:
    case State::kBodyUntilClose:
      return false;
    case State::kBodyOfLength:
      if (size_ - head_size_ < content_length_) return false;
      if (size_ - head_size_ > content_length_) must_close_ = true;  // nobody asked for more
      return Complete(content_length_);
    case State::kChunks:
      return AdvanceChunks();
    case State::kComplete:
      return true;
  }
  return false;
}

bool HttpResponseReader::Complete(size_t body_size) {
  const std::string_view head(buffer_.data(), head_size_ - 2);
  response_.header_lines = head.substr(head.find("\r\n") + 2);
  response_.body = std::string_view(buffer_.data() + head_size_, body_size);
  state_ = State::kComplete;
  return true;
}

absl::StatusOr<bool> HttpResponseReader::ParseHead() {
  const std::string_view received(buffer_.data(), size_);
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (size_ > kMaxHeadBytes) return NotHttp("head too long");
    if (!std::string_view("HTTP/1.").starts_with(received.substr(0, 7)))
      return NotHttp("no status line");
    return false;
  }
  head_size_ = end + 4;
  if (head_size_ > kMaxHeadBytes) return NotHttp("head too long");
  const std::string_view head = received.substr(0, end + 2);
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  // "HTTP/1.x NNN[ reason]"
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ' ||
      (line[7] != '0' && line[7] != '1') || (line.size() > 12 && line[12] != ' ')) {
    return NotHttp("no status line");
  }
  int status = 0;
  const auto [digits_end, error] = std::from_chars(line.data() + 9, line.data() + 12, status);
  if (error != std::errc() || digits_end != line.data() + 12 || status < 100) {
    return NotHttp("bad status");
  }
  if (line[7] == '0') must_close_ = true;
  response_.status = status;
  HF_RETURN_IF_ERROR(ParseHeaderLines(head.substr(line_end + 2)));

  if (status < 200) {
    if (status == 101) return NotHttp("unexpected protocol switch");
    // An interim answer: the real one follows.
    const size_t rest = size_ - head_size_;
    memmove(buffer_.data(), buffer_.data() + head_size_, rest);
    Reset();
    size_ = rest;
    return ParseHead();
  }
  if (status == 204 || status == 304) {
    content_length_ = 0;
    state_ = State::kBodyOfLength;
  } else if (is_chunked_) {
    body_end_ = chunk_position_ = head_size_;
    state_ = State::kChunks;
  } else if (has_content_length_) {
    if (head_size_ + content_length_ > max_response_bytes_) {
      return absl::ResourceExhaustedError(
          Concat("HTTP answer larger than the bound: bytes=", content_length_,
                 " max_bytes=", max_response_bytes_));
    }
    buffer_.resize(std::max(buffer_.size(), head_size_ + content_length_ + 1 + kPaddingBytes));
    state_ = State::kBodyOfLength;
  } else {
    must_close_ = true;
    state_ = State::kBodyUntilClose;
  }
  return true;
}

absl::Status HttpResponseReader::ParseHeaderLines(std::string_view lines) {
  HF_RETURN_IF_ERROR(ForEachHeader(lines, [&](std::string_view name, std::string_view value) {
    return ApplyHeader(name, value);
  }));
  if (is_chunked_ && has_content_length_) return NotHttp("both a length and chunks");
  return absl::OkStatus();
}

absl::Status HttpResponseReader::ApplyHeader(std::string_view name, std::string_view value) {
  if (EqualsIgnoreCase(name, "content-length")) {
    size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (value.empty() || error != std::errc() || end != value.data() + value.size()) {
      return NotHttp("bad Content-Length");
    }
    if (has_content_length_ && length != content_length_) return NotHttp("two Content-Lengths");
    content_length_ = length;
    has_content_length_ = true;
  } else if (EqualsIgnoreCase(name, "transfer-encoding")) {
    if (is_chunked_ || !EqualsIgnoreCase(value, "chunked")) {
      return NotHttp("unknown Transfer-Encoding");
    }
    is_chunked_ = true;
  } else if (EqualsIgnoreCase(name, "connection")) {
    if (EqualsIgnoreCase(value, "close")) must_close_ = true;
  } else if (EqualsIgnoreCase(name, "content-encoding")) {
    if (!EqualsIgnoreCase(value, "identity")) return NotHttp("unasked-for Content-Encoding");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> HttpResponseReader::AdvanceChunks() {
  while (true) {
    const std::string_view rest(buffer_.data() + chunk_position_, size_ - chunk_position_);
    const size_t line_end = rest.find("\r\n");
    if (line_end == std::string_view::npos) {
      if (rest.size() > kMaxChunkLineBytes) return NotHttp("chunk line too long");
      return false;
    }
    size_t chunk_size = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + line_end, chunk_size, 16);
    if (error != std::errc() || end == rest.data() ||
        (end != rest.data() + line_end && *end != ';')) {
      return NotHttp("bad chunk size");
    }
    if (chunk_size > max_response_bytes_) {
      return absl::ResourceExhaustedError(
          Concat("HTTP answer larger than the bound: max_bytes=", max_response_bytes_));
    }
    if (chunk_size == 0) {
      // Trailers are allowed and ignored; an empty line ends them.
      if (rest.size() >= line_end + 4 && rest.substr(line_end, 4) == "\r\n\r\n") {
        if (rest.size() > line_end + 4) must_close_ = true;
        return Complete(body_end_ - head_size_);
      }
      const size_t trailer_end = rest.find("\r\n\r\n", line_end);
      if (trailer_end == std::string_view::npos) {
        if (rest.size() > kMaxHeadBytes) return NotHttp("trailers too long");
        return false;
      }
      must_close_ = true;
      return Complete(body_end_ - head_size_);
    }
    if (rest.size() < line_end + 2 + chunk_size + 2) return false;
    if (rest.substr(line_end + 2 + chunk_size, 2) != "\r\n") return NotHttp("chunk without end");
    memmove(buffer_.data() + body_end_, rest.data() + line_end + 2, chunk_size);
    body_end_ += chunk_size;
    chunk_position_ += line_end + 2 + chunk_size + 2;
  }
}

bool HttpResponseReader::OnEndOfStream() {
  if (state_ != State::kBodyUntilClose) return false;
  return Complete(size_ - head_size_);
}

}  // namespace holdfast
