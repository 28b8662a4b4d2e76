#include "connectors/net/websocket_client.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "connectors/net/signing.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kInitialBytes = 64 * 1024;
constexpr size_t kMaxControlBytes = 125;
constexpr size_t kMaxHeaderBytes = 14;
constexpr std::string_view kAcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

std::string Base64(std::span<const uint8_t> bytes) {
  std::string text(Base64Size(bytes.size()), '\0');
  EncodeBase64(bytes, text.data());
  return text;
}

// XORs `size` bytes with the repeated mask.
void CopyMasked(const char* in, size_t size, uint32_t mask, char* out) {
  const uint64_t wide = mask | (static_cast<uint64_t>(mask) << 32);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    memcpy(&word, in + i, 8);
    word ^= wide;
    memcpy(out + i, &word, 8);
  }
  for (; i < size; ++i) {
    out[i] = static_cast<char>(in[i] ^ static_cast<char>(mask >> (8 * (i % 4))));
  }
}

// Whether a comma-separated header value contains `token`.
bool ListsToken(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (EqualsIgnoreCase(StripBlanks(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

uint64_t ReadBigEndian(const char* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = (value << 8) | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

WebSocketClient::WebSocketClient(EventLoop& loop, std::shared_ptr<const TlsContext> tls,
                                 Options options, Prng& prng, Handler& handler)
    : loop_(loop),
      options_(std::move(options)),
      prng_(prng),
      handler_(handler),
      transport_(loop, std::move(tls), options_.max_unsent_bytes, *this),
      timer_(loop, [this] { OnKeepAliveTimer(); }),
      buffer_(kInitialBytes + kPaddingBytes, '\0') {
  outgoing_.reserve(4096);
}

WebSocketClient::~WebSocketClient() = default;

void WebSocketClient::Open(const Url& url) {
  HF_ASSERT(state_ == State::kClosed);
  ++generation_;
  url_ = url;
  state_ = State::kConnecting;
  begin_ = end_ = 0;
  is_fragmented_ = false;
  is_paused_ = false;
  refusal_.reset();
  last_read_ns_ = loop_.NowNs();
  ping_sent_ns_ = 0;
  fragments_.clear();
  timer_.SetAfter(options_.connect_timeout_ns);
  transport_.Connect(url, options_.connect_timeout_ns);
}

void WebSocketClient::Close() {
  if (state_ == State::kOpen) SendFrame(Opcode::kClose, std::string_view("\x03\xe8", 2));
  ++generation_;
  timer_.Cancel();
  transport_.Close();
  state_ = State::kClosed;
}

void WebSocketClient::Fail(absl::Status reason) {
  Close();
  handler_.OnWebSocketClosed(*this, reason);
}

void WebSocketClient::OnTransportConnected() {
  state_ = State::kUpgrading;
  SendUpgrade();
}

void WebSocketClient::SendUpgrade() {
  std::array<uint8_t, 16> key;
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(prng_.Next() >> 56);
  const std::string key_text = Base64(key);
  const std::string seed = Concat(key_text, kAcceptSuffix);
  std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const uint8_t*>(seed.data()), seed.size(), digest.data());
  expected_accept_ = Base64(digest);
  const std::string request =
      Concat("GET ", url_.target, " HTTP/1.1\r\nHost: ", url_.HostHeader(),
             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ", key_text,
             "\r\nSec-WebSocket-Version: 13\r\nUser-Agent: ", options_.user_agent, "\r\n\r\n");
  transport_.Write(request);
}

void WebSocketClient::OnTransportReadable() {
  const uint64_t generation = generation_;
  // Frames that were left when reading was paused come first.
  if (state_ == State::kOpen && begin_ != end_) ProcessFrames();
  while (generation == generation_ && !is_paused_) {
    MakeRoom();
    const size_t received =
        transport_.Read(buffer_.data() + end_, buffer_.size() - kPaddingBytes - end_);
    if (received == 0) return;
    last_read_ns_ = loop_.NowNs();
    read_wall_time_ns_ = loop_.clock().WallNs();
    end_ += received;
    if (state_ == State::kUpgrading && !ReadUpgrade()) continue;
    if (generation == generation_ && state_ == State::kOpen) ProcessFrames();
  }
}

void WebSocketClient::MakeRoom() {
  if (begin_ == end_) begin_ = end_ = 0;
  const size_t capacity = buffer_.size() - kPaddingBytes;
  if (capacity - end_ >= capacity / 4) return;
  memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (capacity - end_ >= capacity / 4) return;
  // Bounded: a frame larger than the limit was refused when its header was read.
  buffer_.resize(std::min(capacity * 2, options_.max_message_bytes * 2 + kInitialBytes) +
                 kPaddingBytes);
}

// True = the WebSocket is open (or has just failed); false = the answer is not complete.
bool WebSocketClient::ReadUpgrade() {
  const std::string_view received(buffer_.data() + begin_, end_ - begin_);
  const size_t head_end = received.find("\r\n\r\n");
  if (head_end == std::string_view::npos) {
    if (received.size() > HttpResponseReader::kMaxHeadBytes) {
      Fail(absl::UnavailableError("WebSocket: the answer to the upgrade is too long"));
      return true;
    }
    return false;
  }
  const std::string_view head = received.substr(0, head_end + 2);
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  HttpResponse response;
  response.header_lines = head.substr(line_end + 2);
  if (!line.starts_with("HTTP/1.1 101")) {
    if (line.size() >= 12 && line.starts_with("HTTP/1.")) {
      std::from_chars(line.data() + 9, line.data() + 12, response.status);
      refusal_ = response;
    }
    Fail(absl::UnavailableError(
        Concat("WebSocket: ", url_.Endpoint(), " refused the upgrade: ", line.substr(0, 80))));
    return true;
  }
  if (!EqualsIgnoreCase(response.Header("upgrade"), "websocket") ||
      !ListsToken(response.Header("connection"), "upgrade") ||
      response.Header("sec-websocket-accept") != expected_accept_ ||
      !response.Header("sec-websocket-extensions").empty()) {
    Fail(absl::UnavailableError(
        Concat("WebSocket: the answer of ", url_.Endpoint(), " is not a valid upgrade")));
    return true;
  }
  begin_ += head_end + 4;
  state_ = State::kOpen;
  timer_.SetAfter(options_.ping_interval_ns);
  handler_.OnWebSocketOpen(*this);
  return true;
}

void WebSocketClient::ProcessFrames() {
  const uint64_t generation = generation_;
  while (generation == generation_ && !is_paused_) {
    const char* bytes = buffer_.data() + begin_;
    const size_t available = end_ - begin_;
    if (available < 2) return;
    const auto first = static_cast<uint8_t>(bytes[0]);
    const auto second = static_cast<uint8_t>(bytes[1]);
    if ((first & 0x70) != 0 || (second & 0x80) != 0) {
      return Fail(absl::UnavailableError("WebSocket: frame with reserved bits or a mask"));
    }
    const auto opcode = static_cast<Opcode>(first & 0x0f);
    const bool is_final = (first & 0x80) != 0;
    uint64_t payload_size = second & 0x7f;
    size_t header_size = 2;
    if (payload_size >= 126) {
      const int length_bytes = payload_size == 126 ? 2 : 8;
      header_size += static_cast<size_t>(length_bytes);
      if (available < header_size) return;
      payload_size = ReadBigEndian(bytes + 2, length_bytes);
    }
    const bool is_control = (first & 0x08) != 0;
    if (is_control && (payload_size > kMaxControlBytes || !is_final)) {
      return Fail(absl::UnavailableError("WebSocket: malformed control frame"));
    }
    if (payload_size > options_.max_message_bytes ||
        (is_fragmented_ && !is_control &&
         fragments_.size() + payload_size > options_.max_message_bytes)) {
      return Fail(absl::ResourceExhaustedError(
          Concat("WebSocket: message larger than the bound: bytes=", payload_size,
                 " max_bytes=", options_.max_message_bytes)));
    }
    if (available < header_size + payload_size) return;
    const std::string_view payload(bytes + header_size, payload_size);
    begin_ += header_size + payload_size;
    HandleFrame(opcode, is_final, payload);
  }
}

void WebSocketClient::HandleFrame(Opcode opcode, bool is_final, std::string_view payload) {
  switch (opcode) {
    case Opcode::kText:
      if (is_fragmented_) break;
      if (is_final) return DeliverText(payload);
      is_fragmented_ = true;
      fragments_.assign(payload);
      return;
    case Opcode::kContinuation:
      if (!is_fragmented_) break;
      fragments_.append(payload);
      if (!is_final) return;
      is_fragmented_ = false;
      fragments_.reserve(fragments_.size() + kPaddingBytes);
      return DeliverText(fragments_);
    case Opcode::kPing:
      SendFrame(Opcode::kPong, payload);
      return;
    case Opcode::kPong:
      return;
    case Opcode::kClose:
      return HandleCloseFrame(payload);
    case Opcode::kBinary:
      return Fail(absl::UnavailableError("WebSocket: binary message where text was expected"));
  }
  Fail(absl::UnavailableError(
      Concat("WebSocket: frame out of order: opcode=", static_cast<int>(opcode))));
}

void WebSocketClient::HandleCloseFrame(std::string_view payload) {
  std::string text = "no code";
  if (payload.size() >= 2) {
    std::string words(payload.substr(2, 80));
    for (char& c : words) {
      if (c < ' ' || c > '~') c = '?';
    }
    text = Concat("code=", ReadBigEndian(payload.data(), 2), " reason=", words);
  }
  Fail(absl::UnavailableError(Concat("WebSocket: closed by ", url_.Endpoint(), ": ", text)));
}

void WebSocketClient::DeliverText(std::string_view text) {
  handler_.OnWebSocketMessage(*this, text);
}

bool WebSocketClient::Send(std::string_view text) {
  return state_ == State::kOpen && SendFrame(Opcode::kText, text);
}

bool WebSocketClient::SendFrame(Opcode opcode, std::string_view payload) {
  if (outgoing_.size() < payload.size() + kMaxHeaderBytes) {
    outgoing_.resize(payload.size() + kMaxHeaderBytes);
  }
  char* out = outgoing_.data();
  *out++ = static_cast<char>(0x80 | static_cast<uint8_t>(opcode));
  if (payload.size() < 126) {
    *out++ = static_cast<char>(0x80 | payload.size());
  } else if (payload.size() <= 0xffff) {
    *out++ = static_cast<char>(0x80 | 126);
    *out++ = static_cast<char>(payload.size() >> 8);
    *out++ = static_cast<char>(payload.size());
  } else {
    *out++ = static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8)
      *out++ = static_cast<char>(payload.size() >> shift);
  }
  const auto mask = static_cast<uint32_t>(prng_.Next());
  memcpy(out, &mask, sizeof(mask));
  out += sizeof(mask);
  CopyMasked(payload.data(), payload.size(), mask, out);
  out += payload.size();
  return transport_.Write({outgoing_.data(), static_cast<size_t>(out - outgoing_.data())});
}

void WebSocketClient::OnKeepAliveTimer() {
  if (state_ != State::kOpen) {
    return Fail(absl::DeadlineExceededError(
        Concat("WebSocket: ", url_.Endpoint(), " did not answer the upgrade in time")));
  }
  // While we don't read, nothing can be said about the peer.
  if (is_paused_) return timer_.SetAfter(options_.ping_interval_ns);
  const int64_t now_ns = loop_.NowNs();
  const int64_t silence_ns = now_ns - last_read_ns_;
  const bool is_ping_open = ping_sent_ns_ > last_read_ns_;
  if (silence_ns >= options_.silence_timeout_ns ||
      (is_ping_open && now_ns - ping_sent_ns_ >= options_.pong_timeout_ns)) {
    return Fail(
        absl::DeadlineExceededError(Concat("WebSocket: nothing heard from ", url_.Endpoint(),
                                           " for ", silence_ns / kNanosPerMilli, " ms")));
  }
  if (silence_ns >= options_.ping_interval_ns && !is_ping_open) {
    ping_sent_ns_ = now_ns;
    SendFrame(Opcode::kPing, "");
  }
  const int64_t wait_ns = ping_sent_ns_ > last_read_ns_
                              ? ping_sent_ns_ + options_.pong_timeout_ns - now_ns
                              : options_.ping_interval_ns - silence_ns;
  timer_.SetAfter(std::clamp(options_.silence_timeout_ns - silence_ns, kNanosPerMilli,
                             std::max(wait_ns, kNanosPerMilli)));
}

void WebSocketClient::OnTransportClosed(const absl::Status& reason) { Fail(reason); }

}  // namespace holdfast
