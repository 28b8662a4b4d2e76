// The block function of OpenSSL's SHA-256 is deprecated in favor of EVP, whose contexts cannot be
// resumed from a stored state without an allocation. It dispatches to the CPU's SHA instructions.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "connectors/net/signing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kBlockBytes = SHA256_CBLOCK;
constexpr size_t kLengthBytes = 8;

static_assert(sizeof(SHA256_CTX::h) == 8 * sizeof(uint32_t));

void StoreBigEndian32(uint32_t value, uint8_t* out) {
  value = __builtin_bswap32(value);
  std::memcpy(out, &value, sizeof(value));
}
void StoreBigEndian64(uint64_t value, uint8_t* out) {
  value = __builtin_bswap64(value);
  std::memcpy(out, &value, sizeof(value));
}

// Hashes `message` and the padding on top of `context.h`, into which `hashed_bytes`, whole blocks,
// have already gone.
void HashRest(size_t hashed_bytes, std::string_view message, SHA256_CTX& context) {
  const auto* data = reinterpret_cast<const uint8_t*>(message.data());
  size_t size = message.size();
  for (; size >= kBlockBytes; size -= kBlockBytes, data += kBlockBytes) {
    SHA256_Transform(&context, data);
  }
  alignas(64) uint8_t tail[2 * kBlockBytes] = {};
  if (size != 0) std::memcpy(tail, data, size);
  tail[size] = 0x80;
  const size_t tail_bytes = size + 1 + kLengthBytes <= kBlockBytes ? kBlockBytes : sizeof(tail);
  StoreBigEndian64((hashed_bytes + message.size()) * 8, tail + tail_bytes - kLengthBytes);
  SHA256_Transform(&context, tail);
  if (tail_bytes > kBlockBytes) SHA256_Transform(&context, tail + kBlockBytes);
}

constexpr auto kHexPairs = [] {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs = {};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  return pairs;
}();

constexpr char kBase64Digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNotBase64 = 0xff;
constexpr auto kBase64Values = [] {
  std::array<uint8_t, 256> values = {};
  values.fill(kNotBase64);
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kBase64Digits[i])] = i;
  return values;
}();

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPointer = std::unique_ptr<EVP_PKEY, KeyDeleter>;
struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPointer = std::unique_ptr<BIO, BioDeleter>;

using PemReader = EVP_PKEY* (*)(BIO*, EVP_PKEY**, pem_password_cb*, void*);

// An encrypted key must fail, not ask the terminal for a pass phrase.
int RefusePassPhrase(char*, int, int, void*) { return -1; }

KeyPointer ReadEd25519Pem(std::string_view pem, PemReader read) {
  BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  HF_ASSERT(bio != nullptr);
  KeyPointer key(read(bio.get(), nullptr, &RefusePassPhrase, nullptr));
  if (key != nullptr && EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519) key.reset();
  return key;
}

constexpr size_t kMaxPemBytes = 16 * 1024;

}  // namespace

RequestSigner::~RequestSigner() = default;
RequestSigner::Prepared::~Prepared() { OPENSSL_cleanse(state.data(), sizeof(state)); }

RequestSigner::Prepared RequestSigner::Prepare(std::string_view) const { return {}; }

size_t RequestSigner::SignRest(const Prepared& prepared, std::string_view rest, char* out) const {
  HF_ASSERT(prepared.byte_count == 0);
  return Sign(rest, out);
}

// --- HMAC-SHA256 -------------------------------------------------------------------------------

HmacSha256Signer::HmacSha256Signer(std::string_view secret) {
  std::array<uint8_t, kBlockBytes> key = {};
  if (secret.size() > kBlockBytes) {
    SHA256(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), key.data());
  } else {
    std::copy(secret.begin(), secret.end(), key.begin());
  }
  const auto absorb = [&key](uint8_t pad, State& state) {
    SHA256_CTX context;
    SHA256_Init(&context);
    for (uint8_t& byte : key) byte ^= pad;
    SHA256_Transform(&context, key.data());
    for (uint8_t& byte : key) byte ^= pad;
    std::memcpy(state.data(), context.h, sizeof(state));
    OPENSSL_cleanse(&context, sizeof(context));
  };
  absorb(0x36, inner_);
  absorb(0x5c, outer_);
  OPENSSL_cleanse(key.data(), key.size());
}

HmacSha256Signer::~HmacSha256Signer() {
  OPENSSL_cleanse(inner_.data(), sizeof(inner_));
  OPENSSL_cleanse(outer_.data(), sizeof(outer_));
}

std::array<uint8_t, HmacSha256Signer::kDigestBytes> HmacSha256Signer::Digest(
    std::string_view message) const {
  return DigestRest(inner_, kBlockBytes, message);
}

std::array<uint8_t, HmacSha256Signer::kDigestBytes> HmacSha256Signer::DigestRest(
    const State& inner, size_t hashed_bytes, std::string_view rest) const {
  SHA256_CTX context;  // only `h` is read or written by the block function
  std::memcpy(context.h, inner.data(), sizeof(inner));
  HashRest(hashed_bytes, rest, context);
  // The outer message is one digest: with its padding exactly one block.
  alignas(64) uint8_t block[kBlockBytes] = {};
  for (size_t i = 0; i < 8; ++i) StoreBigEndian32(context.h[i], block + 4 * i);
  block[kDigestBytes] = 0x80;
  StoreBigEndian64((kBlockBytes + kDigestBytes) * 8, block + kBlockBytes - kLengthBytes);
  std::memcpy(context.h, outer_.data(), sizeof(outer_));
  SHA256_Transform(&context, block);
  std::array<uint8_t, kDigestBytes> digest;
  for (size_t i = 0; i < 8; ++i) StoreBigEndian32(context.h[i], digest.data() + 4 * i);
  return digest;
}

RequestSigner::Prepared HmacSha256Signer::Prepare(std::string_view prefix) const {
  SHA256_CTX context;
  std::memcpy(context.h, inner_.data(), sizeof(inner_));
  Prepared prepared;
  for (; prefix.size() - prepared.byte_count >= kBlockBytes; prepared.byte_count += kBlockBytes) {
    SHA256_Transform(&context,
                     reinterpret_cast<const uint8_t*>(prefix.data()) + prepared.byte_count);
  }
  std::memcpy(prepared.state.data(), context.h, sizeof(prepared.state));
  OPENSSL_cleanse(&context, sizeof(context));
  return prepared;
}

size_t HmacSha256Signer::SignRest(const Prepared& prepared, std::string_view rest,
                                  char* out) const {
  EncodeHex(DigestRest(prepared.state, kBlockBytes + prepared.byte_count, rest), out);
  return kHexBytes;
}

void HmacSha256Signer::SignHex(std::string_view message, char* out) const {
  EncodeHex(Digest(message), out);
}

bool HmacSha256Signer::VerifyHex(std::string_view message, std::string_view hex) const {
  if (hex.size() != kHexBytes) return false;
  char expected[kHexBytes];
  SignHex(message, expected);
  char given[kHexBytes];
  for (size_t i = 0; i < kHexBytes; ++i) {
    const char c = hex[i];
    given[i] = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const bool is_equal = CRYPTO_memcmp(expected, given, kHexBytes) == 0;
  OPENSSL_cleanse(expected, sizeof(expected));
  return is_equal;
}

// --- Ed25519 -----------------------------------------------------------------------------------

struct Ed25519Signer::Key {
  KeyPointer key;
  ContextPointer context;  // reused: a new one per signature would cost two allocations more
};

Ed25519Signer::Ed25519Signer(std::unique_ptr<Key> key) : key_(std::move(key)) {}
Ed25519Signer::~Ed25519Signer() = default;  // EVP_PKEY_free wipes the private key

absl::StatusOr<std::unique_ptr<Ed25519Signer>> Ed25519Signer::FromPem(
    std::string_view private_key_pem) {
  if (private_key_pem.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError("ed25519: private key text is too long");
  }
  auto key = std::make_unique<Key>();
  key->key = ReadEd25519Pem(private_key_pem, &PEM_read_bio_PrivateKey);
  if (key->key == nullptr) {
    return absl::InvalidArgumentError(
        "ed25519: not an unencrypted Ed25519 private key in PEM (PKCS#8)");
  }
  key->context.reset(EVP_MD_CTX_new());
  HF_ASSERT(key->context != nullptr);
  return std::unique_ptr<Ed25519Signer>(new Ed25519Signer(std::move(key)));
}

std::array<uint8_t, Ed25519Signer::kSignatureBytes> Ed25519Signer::SignRaw(
    std::string_view message) const {
  std::array<uint8_t, kSignatureBytes> signature;
  size_t size = signature.size();
  EVP_MD_CTX* context = key_->context.get();
  EVP_MD_CTX_reset(context);
  HF_ASSERT(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_->key.get()) == 1);
  HF_ASSERT(EVP_DigestSign(context, signature.data(), &size,
                           reinterpret_cast<const uint8_t*>(message.data()), message.size()) == 1);
  HF_ASSERT(size == kSignatureBytes);
  return signature;
}

size_t Ed25519Signer::Sign(std::string_view payload, char* out) const {
  EncodeBase64(SignRaw(payload), out);
  return kBase64Bytes;
}

struct Ed25519Verifier::Key {
  KeyPointer key;
};

Ed25519Verifier::Ed25519Verifier(std::unique_ptr<Key> key) : key_(std::move(key)) {}
Ed25519Verifier::~Ed25519Verifier() = default;

absl::StatusOr<std::unique_ptr<Ed25519Verifier>> Ed25519Verifier::FromPem(
    std::string_view public_key_pem) {
  if (public_key_pem.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError("ed25519: public key text is too long");
  }
  auto key = std::make_unique<Key>();
  key->key = ReadEd25519Pem(public_key_pem, &PEM_read_bio_PUBKEY);
  if (key->key == nullptr) {
    return absl::InvalidArgumentError("ed25519: not an Ed25519 public key in PEM");
  }
  return std::unique_ptr<Ed25519Verifier>(new Ed25519Verifier(std::move(key)));
}

bool Ed25519Verifier::VerifyRaw(std::string_view message,
                                std::span<const uint8_t> signature) const {
  if (signature.size() != Ed25519Signer::kSignatureBytes) return false;
  ContextPointer context(EVP_MD_CTX_new());
  HF_ASSERT(context != nullptr);
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_->key.get()) != 1) {
    return false;
  }
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          reinterpret_cast<const uint8_t*>(message.data()), message.size()) == 1;
}

bool Ed25519Verifier::VerifyBase64(std::string_view message, std::string_view signature) const {
  const absl::StatusOr<std::string> raw = DecodeBase64(signature);
  if (!raw.ok()) return false;
  return VerifyRaw(message, {reinterpret_cast<const uint8_t*>(raw->data()), raw->size()});
}

// --- text --------------------------------------------------------------------------------------

void EncodeHex(std::span<const uint8_t> bytes, char* out) {
  for (const uint8_t byte : bytes) {
    std::memcpy(out, kHexPairs[byte].data(), 2);
    out += 2;
  }
}

void EncodeBase64(std::span<const uint8_t> bytes, char* out) {
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t group = static_cast<uint32_t>(bytes[i]) << 16 |
                           static_cast<uint32_t>(bytes[i + 1]) << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = kBase64Digits[(group >> shift) & 63];
  }
  const size_t rest = bytes.size() - i;
  if (rest == 0) return;
  uint32_t group = static_cast<uint32_t>(bytes[i]) << 16;
  if (rest == 2) group |= static_cast<uint32_t>(bytes[i + 1]) << 8;
  *out++ = kBase64Digits[group >> 18];
  *out++ = kBase64Digits[(group >> 12) & 63];
  *out++ = rest == 2 ? kBase64Digits[(group >> 6) & 63] : '=';
  *out++ = '=';
}

absl::StatusOr<std::string> DecodeBase64(std::string_view text) {
  const auto refuse = [] { return absl::InvalidArgumentError("base64: malformed text"); };
  if (text.size() % 4 != 0) return refuse();
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_padding = i >= text.size() - padding;
    const uint8_t value = is_padding ? 0 : kBase64Values[static_cast<uint8_t>(text[i])];
    if (value == kNotBase64) return refuse();
    group = group << 6 | value;
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(group >> shift));
    group = 0;
  }
  for (size_t i = 0; i < padding; ++i) {
    if (bytes.back() != 0) return refuse();
    bytes.pop_back();
  }
  // With padding the dropped bytes are zero only when the unused bits were.
  return bytes;
}

size_t PercentEncode(std::string_view text, char* out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  char* const begin = out;
  for (const char c : text) {
    const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                               c == '~';
    if (is_unreserved) {
      *out++ = c;
      continue;
    }
    *out++ = '%';
    *out++ = kDigits[static_cast<uint8_t>(c) >> 4];
    *out++ = kDigits[static_cast<uint8_t>(c) & 15];
  }
  return static_cast<size_t>(out - begin);
}

}  // namespace holdfast
