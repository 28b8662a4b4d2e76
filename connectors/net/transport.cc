#include "connectors/net/transport.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kMaxAddresses = 8;

std::string ErrnoText(int error) { return strerror(error); }

// A socket BIO that never raises SIGPIPE; otherwise what OpenSSL's own does.
int BioWrite(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t sent = send(fd, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int BioRead(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const int fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t received = recv(fd, out, static_cast<size_t>(size), 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(received);
}

long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

const BIO_METHOD* SocketBioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast socket");
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

bool IsIpLiteral(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

struct Transport::Addresses {
  struct Entry {
    sockaddr_storage address;
    socklen_t size;
  };
  std::vector<Entry> entries;
  size_t next = 0;
  std::string error;  // of the resolution
  absl::Status last_failure;
};

// Shared with the thread that resolves, which may outlive the connection that asked.
struct Transport::Resolution {
  std::mutex mutex;
  Transport* owner = nullptr;  // nullptr = nobody waits any more
};

struct Transport::TlsSession {
  explicit TlsSession(SSL_CTX* context) : ssl(SSL_new(context)) { HF_ASSERT(ssl != nullptr); }
  ~TlsSession() { SSL_free(ssl); }
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  SSL* ssl;
};

namespace {

template <typename AddressList>
void ResolveInto(const std::string& host, uint16_t port, AddressList& result) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (IsIpLiteral(host) ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), Concat(port).c_str(), &hints, &list);
  if (error != 0) {
    result.error = error == EAI_SYSTEM ? ErrnoText(errno) : gai_strerror(error);
    return;
  }
  for (const addrinfo* entry = list; entry != nullptr && result.entries.size() < kMaxAddresses;
       entry = entry->ai_next) {
    auto& added = result.entries.emplace_back();
    memcpy(&added.address, entry->ai_addr, entry->ai_addrlen);
    added.size = entry->ai_addrlen;
  }
  freeaddrinfo(list);
}

}  // namespace

Transport::Transport(EventLoop& loop, std::shared_ptr<const TlsContext> tls,
                     size_t max_unsent_bytes, Handler& handler)
    : loop_(loop),
      tls_(std::move(tls)),
      max_unsent_bytes_(max_unsent_bytes),
      handler_(handler),
      deadline_timer_(loop,
                      [this] {
                        Fail(absl::DeadlineExceededError(
                            Concat("connect to ", url_.Endpoint(), ": no answer in time",
                                   state_ == State::kHandshaking ? " (TLS handshake)" : "")));
                      }),
      deferred_timer_(loop, [this] {
        if (state_ != State::kConnected) return;
        const uint64_t generation = generation_;
        if (!is_reading_paused_) DeliverReadable();
        if (generation == generation_ && !failure_.ok()) Fail(failure_);
      }) {}

Transport::~Transport() { Close(); }

void Transport::Connect(const Url& url, int64_t timeout_ns) {
  HF_ASSERT(state_ == State::kClosed);
  ++generation_;
  url_ = url;
  failure_ = absl::OkStatus();
  is_reading_paused_ = false;
  is_read_ended_ = false;
  state_ = State::kResolving;
  deadline_timer_.SetAfter(timeout_ns);
  StartResolution();
}

void Transport::StartResolution() {
  // "localhost" is loopback by definition; no resolver decides otherwise.
  const std::string host = EqualsIgnoreCase(url_.host, "localhost") ? "127.0.0.1" : url_.host;
  resolution_ = std::make_shared<Resolution>();
  resolution_->owner = this;
  if (IsIpLiteral(host)) {
    auto addresses = std::make_shared<Addresses>();
    ResolveInto(host, url_.port, *addresses);
    loop_.Post([resolution = resolution_, addresses] {
      if (resolution->owner != nullptr) resolution->owner->OnResolved(*addresses);
    });
    return;
  }
  // getaddrinfo() blocks for as long as the resolver likes and can't be canceled, so it has a
  // thread of its own. At most one per connection is waited for; the deadline bounds the waiting.
  std::thread([resolution = resolution_, host, port = url_.port] {
    auto addresses = std::make_shared<Addresses>();
    ResolveInto(host, port, *addresses);
    std::lock_guard lock(resolution->mutex);
    if (resolution->owner == nullptr) return;
    resolution->owner->loop_.Post([resolution, addresses] {
      if (resolution->owner != nullptr) resolution->owner->OnResolved(*addresses);
    });
  }).detach();
}

void Transport::OnResolved(const Addresses& addresses) {
  {
    // The thread that resolved holds the lock until it is done with the loop.
    std::lock_guard lock(resolution_->mutex);
    resolution_->owner = nullptr;
  }
  resolution_ = nullptr;
  if (addresses.entries.empty()) {
    return Fail(absl::UnavailableError(
        Concat("host name not resolved: host=", url_.host, " reason=", addresses.error)));
  }
  addresses_ = std::make_unique<Addresses>(addresses);
  ConnectNext();
}

void Transport::ConnectNext() {
  CloseSocket();
  if (addresses_->next == addresses_->entries.size()) return Fail(addresses_->last_failure);
  const Addresses::Entry& entry = addresses_->entries[addresses_->next++];
  state_ = State::kConnecting;
  fd_ = socket(entry.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    return Fail(absl::UnavailableError(Concat("no socket: ", ErrnoText(errno))));
  }
  const int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  const int result = connect(fd_, reinterpret_cast<const sockaddr*>(&entry.address), entry.size);
  if (result != 0 && errno != EINPROGRESS) {
    addresses_->last_failure =
        absl::UnavailableError(Concat("connect to ", url_.Endpoint(), ": ", ErrnoText(errno)));
    return ConnectNext();
  }
  interest_ = EPOLLOUT;
  loop_.Watch(fd_, interest_, this);
  is_watched_ = true;
}

void Transport::OnConnectReady() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    addresses_->last_failure =
        absl::UnavailableError(Concat("connect to ", url_.Endpoint(), ": ", ErrnoText(error)));
    return ConnectNext();
  }
  if (url_.is_tls()) return StartHandshake();
  EnterConnected();
}

void Transport::StartHandshake() {
  HF_ASSERT(tls_ != nullptr);
  ERR_clear_error();
  session_ = std::make_unique<TlsSession>(tls_->native());
  SSL* ssl = session_->ssl;
  BIO* bio = BIO_new(SocketBioMethod());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd_)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (IsIpLiteral(url_.host)) {
    HF_ASSERT(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url_.host.c_str()) == 1);
  } else {
    SSL_set_tlsext_host_name(ssl, url_.host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    HF_ASSERT(SSL_set1_host(ssl, url_.host.c_str()) == 1);
  }
  state_ = State::kHandshaking;
  ContinueHandshake();
}

void Transport::ContinueHandshake() {
  ERR_clear_error();
  const int result = SSL_connect(session_->ssl);
  if (result == 1) return EnterConnected();
  const int error = SSL_get_error(session_->ssl, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    return Fail(HandshakeError());
  }
  wants_write_ = error == SSL_ERROR_WANT_WRITE;
  UpdateInterest();
}

absl::Status Transport::HandshakeError() {
  const long verify_result = SSL_get_verify_result(session_->ssl);
  if (verify_result != X509_V_OK) {
    ERR_clear_error();
    return absl::UnavailableError(Concat("TLS: certificate of ", url_.Endpoint(), " refused: ",
                                         X509_verify_cert_error_string(verify_result)));
  }
  const bool has_detail = ERR_peek_error() != 0;
  const std::string text = TakeTlsErrorText();
  return absl::UnavailableError(Concat("TLS: handshake with ", url_.Endpoint(), " failed: ",
                                       has_detail ? text : "the peer closed the connection"));
}

void Transport::EnterConnected() {
  state_ = State::kConnected;
  deadline_timer_.Cancel();
  addresses_ = nullptr;
  wants_write_ = false;
  UpdateInterest();
  const uint64_t generation = generation_;
  handler_.OnTransportConnected();
  // The last flight of the handshake may have brought application data with it.
  if (generation == generation_ && state_ == State::kConnected && session_ != nullptr &&
      SSL_has_pending(session_->ssl) == 1) {
    deferred_timer_.SetAfter(0);
  }
}

void Transport::OnIo(uint32_t events) {
  switch (state_) {
    case State::kClosed:
    case State::kResolving:
      return;
    case State::kConnecting:
      return OnConnectReady();
    case State::kHandshaking:
      return ContinueHandshake();
    case State::kConnected:
      break;
  }
  const uint64_t generation = generation_;
  if ((events & EPOLLOUT) != 0) FlushUnsent();
  // Also after a failed write: the peer's last words may explain it.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !is_reading_paused_) DeliverReadable();
  if (generation != generation_) return;
  if (failure_.ok() && is_reading_paused_ && (events & (EPOLLHUP | EPOLLERR)) != 0) {
    failure_ = absl::UnavailableError(Concat("connection to ", url_.Endpoint(), " was reset"));
  }
  if (!failure_.ok()) Fail(failure_);
}

void Transport::DeliverReadable() {
  const uint64_t generation = generation_;
  is_drained_ = false;
  handler_.OnTransportReadable();
  if (generation == generation_ && state_ == State::kConnected && !failure_.ok()) Fail(failure_);
}

size_t Transport::Read(char* out, size_t size) {
  if (state_ != State::kConnected || is_read_ended_ || is_drained_ || size == 0) return 0;
  if (session_ == nullptr) {
    const ssize_t received = recv(fd_, out, size, 0);
    if (received > 0) {
      // A short read emptied the socket: no second call to be told so.
      is_drained_ = static_cast<size_t>(received) < size;
      return static_cast<size_t>(received);
    }
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    is_read_ended_ = true;
    failure_ =
        absl::UnavailableError(Concat("connection to ", url_.Endpoint(),
                                      received == 0 ? std::string(" was closed by the peer")
                                                    : Concat(" was lost: ", ErrnoText(errno))));
    return 0;
  }
  ERR_clear_error();
  const int received =
      SSL_read(session_->ssl, out, static_cast<int>(std::min<size_t>(size, INT32_MAX)));
  if (received > 0) {
    is_drained_ = static_cast<size_t>(received) < size && SSL_has_pending(session_->ssl) == 0;
    return static_cast<size_t>(received);
  }
  switch (SSL_get_error(session_->ssl, received)) {
    case SSL_ERROR_WANT_READ:
      return 0;
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      UpdateInterest();
      return 0;
    default:
      is_read_ended_ = true;
      failure_ = absl::UnavailableError(
          Concat("connection to ", url_.Endpoint(), " was closed by the peer"));
      return 0;
  }
}

size_t Transport::SendNow(std::string_view bytes) {
  if (session_ == nullptr) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (errno == EAGAIN || errno == EINTR) return 0;
    failure_ = absl::UnavailableError(
        Concat("connection to ", url_.Endpoint(), " was lost: ", ErrnoText(errno)));
    return 0;
  }
  ERR_clear_error();
  const int sent = SSL_write(session_->ssl, bytes.data(), static_cast<int>(bytes.size()));
  if (sent > 0) return static_cast<size_t>(sent);
  const int error = SSL_get_error(session_->ssl, sent);
  if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return 0;
  failure_ =
      absl::UnavailableError(Concat("connection to ", url_.Endpoint(), " was lost while writing"));
  return 0;
}

bool Transport::Write(std::string_view bytes) {
  if (state_ != State::kConnected || !failure_.ok()) return false;
  if (unsent_bytes() + bytes.size() > max_unsent_bytes_) return false;
  if (unsent_bytes() == 0) {
    while (!bytes.empty()) {
      const size_t sent = SendNow(bytes);
      if (sent == 0) break;
      bytes.remove_prefix(sent);
    }
    if (!failure_.ok()) {
      // Reported from a turn of the loop, never from inside the caller's Write().
      deferred_timer_.SetAfter(0);
      return true;
    }
    if (bytes.empty()) return true;
  }
  unsent_.append(bytes);
  wants_write_ = true;
  UpdateInterest();
  return true;
}

void Transport::FlushUnsent() {
  while (unsent_offset_ < unsent_.size()) {
    const size_t sent = SendNow(std::string_view(unsent_).substr(unsent_offset_));
    if (sent == 0) break;
    unsent_offset_ += sent;
  }
  if (unsent_offset_ == unsent_.size()) {
    unsent_.clear();
    unsent_offset_ = 0;
  }
  wants_write_ = unsent_bytes() > 0;
  UpdateInterest();
}

void Transport::PauseReading() {
  is_reading_paused_ = true;
  UpdateInterest();
}

void Transport::ResumeReading() {
  if (!is_reading_paused_) return;
  is_reading_paused_ = false;
  UpdateInterest();
  // Decrypted bytes that wait inside the TLS session raise no event of the socket.
  if (state_ == State::kConnected) deferred_timer_.SetAfter(0);
}

void Transport::UpdateInterest() {
  if (fd_ < 0) return;
  uint32_t interest = 0;
  if (wants_write_) interest |= EPOLLOUT;
  if (!is_reading_paused_) interest |= EPOLLIN;
  if (interest == interest_) return;
  interest_ = interest;
  loop_.Modify(fd_, interest_, this);
}

void Transport::CloseSocket() {
  if (fd_ < 0) return;
  // connect() may fail at once, before the loop has heard of the socket.
  if (is_watched_) loop_.Unwatch(fd_);
  is_watched_ = false;
  if (session_ != nullptr && state_ == State::kConnected) {
    ERR_clear_error();
    SSL_shutdown(session_->ssl);  // best effort: says good-bye, does not wait for the answer
  }
  session_ = nullptr;
  close(fd_);
  fd_ = -1;
}

void Transport::Close() {
  if (resolution_ != nullptr) {
    std::lock_guard lock(resolution_->mutex);
    resolution_->owner = nullptr;
  }
  resolution_ = nullptr;
  deadline_timer_.Cancel();
  deferred_timer_.Cancel();
  CloseSocket();
  addresses_ = nullptr;
  unsent_.clear();
  unsent_offset_ = 0;
  wants_write_ = false;
  ++generation_;
  state_ = State::kClosed;
}

void Transport::Fail(absl::Status reason) {
  HF_ASSERT(!reason.ok());
  failure_ = absl::OkStatus();
  Close();
  handler_.OnTransportClosed(reason);
}

}  // namespace holdfast
