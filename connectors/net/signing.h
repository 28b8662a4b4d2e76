#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast {

// Signs requests with one API secret. Implementations hold key material: they cannot be copied,
// printed or serialized, and wipe it when destroyed. Sign() is const and keeps no state between
// calls; one object serves one thread.
class RequestSigner {
 public:
  static constexpr size_t kMaxSignatureBytes = 96;

  virtual ~RequestSigner();
  RequestSigner(const RequestSigner&) = delete;
  RequestSigner& operator=(const RequestSigner&) = delete;

  // Writes the signature text of `payload` to `out` and returns its length.
  // REQUIRES: out holds kMaxSignatureBytes.
  virtual size_t Sign(std::string_view payload, char* out) const = 0;
  // For payloads that begin alike: what is left to do behind `prefix`. `byte_count` bytes of it, as
  // many as the signer could use, need not be given again. Key material: wiped when destroyed.
  struct Prepared {
    std::array<uint32_t, 8> state = {};
    size_t byte_count = 0;
    ~Prepared();
  };
  virtual Prepared Prepare(std::string_view prefix) const;
  // Signs the prepared bytes followed by `rest`. REQUIRES: `prepared` comes from this signer.
  virtual size_t SignRest(const Prepared& prepared, std::string_view rest, char* out) const;

  // Whether the text has characters that a URL's query must percent-encode (base64 has).
  virtual bool needs_percent_encoding() const = 0;

 protected:
  RequestSigner() = default;
};

// HMAC-SHA256 (RFC 2104, FIPS 180-4), hexadecimal in lower case. The two hash states after the
// padded key are computed once, so a signature costs the message's blocks plus one. No allocation.
class HmacSha256Signer final : public RequestSigner {
 public:
  static constexpr size_t kDigestBytes = 32;
  static constexpr size_t kHexBytes = 64;

  explicit HmacSha256Signer(std::string_view secret);
  ~HmacSha256Signer() override;

  size_t Sign(std::string_view payload, char* out) const override {
    SignHex(payload, out);
    return kHexBytes;
  }
  Prepared Prepare(std::string_view prefix) const override;
  size_t SignRest(const Prepared& prepared, std::string_view rest, char* out) const override;
  bool needs_percent_encoding() const override { return false; }

  // Writes exactly kHexBytes characters.
  void SignHex(std::string_view message, char* out) const;
  std::array<uint8_t, kDigestBytes> Digest(std::string_view message) const;
  // Whether `hex` (either case) is the signature of `message`. Takes the same time wherever the
  // first difference is.
  bool VerifyHex(std::string_view message, std::string_view hex) const;

 private:
  using State = std::array<uint32_t, 8>;
  std::array<uint8_t, kDigestBytes> DigestRest(const State& inner, size_t hashed_bytes,
                                               std::string_view rest) const;

  State inner_;  // after the key XOR 0x36.. block
  State outer_;  // after the key XOR 0x5c.. block
};

// Ed25519 (RFC 8032), base64 out.
class Ed25519Signer final : public RequestSigner {
 public:
  static constexpr size_t kSignatureBytes = 64;
  static constexpr size_t kBase64Bytes = 88;

  // From a PKCS#8 private key in PEM, unencrypted. kInvalidArgument when it is not one; the message
  // never contains any of the text.
  static absl::StatusOr<std::unique_ptr<Ed25519Signer>> FromPem(std::string_view private_key_pem);
  ~Ed25519Signer() override;

  size_t Sign(std::string_view payload, char* out) const override;
  bool needs_percent_encoding() const override { return true; }

  std::array<uint8_t, kSignatureBytes> SignRaw(std::string_view message) const;

 private:
  struct Key;
  explicit Ed25519Signer(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

// The other end: checks base64 signatures against a public key.
class Ed25519Verifier {
 public:
  // From a SubjectPublicKeyInfo in PEM. kInvalidArgument when it is not an Ed25519 one.
  static absl::StatusOr<std::unique_ptr<Ed25519Verifier>> FromPem(std::string_view public_key_pem);
  ~Ed25519Verifier();
  Ed25519Verifier(const Ed25519Verifier&) = delete;
  Ed25519Verifier& operator=(const Ed25519Verifier&) = delete;

  bool VerifyBase64(std::string_view message, std::string_view signature) const;
  bool VerifyRaw(std::string_view message, std::span<const uint8_t> signature) const;

 private:
  struct Key;
  explicit Ed25519Verifier(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

// Lower-case hexadecimal; writes 2 * bytes.size() characters.
void EncodeHex(std::span<const uint8_t> bytes, char* out);
// Base64 with padding (RFC 4648 section 4); writes Base64Size(bytes.size()) characters.
constexpr size_t Base64Size(size_t byte_count) { return (byte_count + 2) / 3 * 4; }
void EncodeBase64(std::span<const uint8_t> bytes, char* out);
// Strict: full padding, no blanks, unused bits zero; kInvalidArgument for anything else.
absl::StatusOr<std::string> DecodeBase64(std::string_view text);
// Percent-encodes everything but RFC 3986 "unreserved"; returns the length. REQUIRES: out holds
// 3 * text.size().
size_t PercentEncode(std::string_view text, char* out);

}  // namespace holdfast
