// Proves that requests are signed exactly as the venues verify them and that nothing malformed
// passes as a signature. How: published vectors (RFC 4231, RFC 8032, Binance's own example), a
// comparison with OpenSSL's one-shot HMAC for every length round the block edges, and tampering.
#include "connectors/net/signing.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <catch2/catch.hpp>
#include <cctype>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/prng.h"

namespace holdfast {
namespace {

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string ToHex(std::string_view bytes) {
  std::string hex(bytes.size() * 2, '\0');
  EncodeHex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, hex.data());
  return hex;
}

std::string ToBase64(std::string_view bytes) {
  std::string text(Base64Size(bytes.size()), '\0');
  EncodeBase64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, text.data());
  return text;
}

std::string SignHex(std::string_view secret, std::string_view message) {
  const HmacSha256Signer signer(secret);
  std::string hex(HmacSha256Signer::kHexBytes, '\0');
  signer.SignHex(message, hex.data());
  return hex;
}

std::string Pem(std::string_view label, std::string_view der) {
  return "-----BEGIN " + std::string(label) + "-----\n" + ToBase64(der) + "\n-----END " +
         std::string(label) + "-----\n";
}

// The fixed DER heads of an Ed25519 PKCS#8 key and of a SubjectPublicKeyInfo (RFC 8410).
std::string PrivatePem(std::string_view seed_hex) {
  return Pem("PRIVATE KEY", FromHex("302e020100300506032b657004220420" + std::string(seed_hex)));
}
std::string PublicPem(std::string_view key_hex) {
  return Pem("PUBLIC KEY", FromHex("302a300506032b6570032100" + std::string(key_hex)));
}

constexpr std::string_view kSecret =
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
constexpr std::string_view kQuery =
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    "&timestamp=1499827319559";
constexpr std::string_view kQuerySignature =
    "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";

}  // namespace

TEST_CASE("signing: HMAC-SHA256 reproduces the vectors of RFC 4231", "[net][signing]") {
  struct Vector {
    std::string key, message;
    std::string_view hex;
  };
  const std::vector<Vector> vectors = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {FromHex("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd'),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};
  for (const Vector& vector : vectors) {
    CHECK(SignHex(vector.key, vector.message) == vector.hex);
  }
  // Case 5 of the document states only the first 128 bits.
  CHECK(SignHex(std::string(20, '\x0c'), "Test With Truncation").substr(0, 32) ==
        "a3b6167473100ee06e0c796c2955552b");
}

TEST_CASE("signing: a prepared beginning changes nothing, whatever its length", "[net][signing]") {
  const HmacSha256Signer signer("key");
  std::string message;
  for (int i = 0; i < 400; ++i) message += static_cast<char>('a' + i % 26);
  for (const size_t size : {0u, 1u, 54u, 55u, 56u, 63u, 64u, 65u, 119u, 128u, 200u, 400u}) {
    const std::string_view payload = std::string_view(message).substr(0, size);
    char expected[HmacSha256Signer::kHexBytes];
    signer.SignHex(payload, expected);
    for (size_t prefix = 0; prefix <= size; ++prefix) {
      const RequestSigner::Prepared prepared = signer.Prepare(payload.substr(0, prefix));
      REQUIRE(prepared.byte_count <= prefix);
      REQUIRE(prefix - prepared.byte_count < 64);  // all that is whole blocks
      char signature[RequestSigner::kMaxSignatureBytes];
      REQUIRE(signer.SignRest(prepared, payload.substr(prepared.byte_count), signature) ==
              HmacSha256Signer::kHexBytes);
      REQUIRE(std::string_view(signature, HmacSha256Signer::kHexBytes) ==
              std::string_view(expected, HmacSha256Signer::kHexBytes));
    }
  }
}

TEST_CASE("signing: the venue's published example query gives the published signature",
          "[net][signing]") {
  CHECK(SignHex(kSecret, kQuery) == kQuerySignature);
}

TEST_CASE("signing: every message and key length round the block edges agrees with OpenSSL",
          "[net][signing]") {
  Prng prng(7);
  std::string text;
  for (int i = 0; i < 400; ++i) text.push_back(static_cast<char>(prng.Below(256)));
  for (const size_t key_bytes : {0, 1, 31, 63, 64, 65, 127, 200}) {
    const std::string key = text.substr(3, key_bytes);
    const HmacSha256Signer signer(key);
    for (size_t size = 0; size <= 260; ++size) {
      const std::string message = text.substr(11, size);
      unsigned char expected[32];
      unsigned int expected_bytes = 0;
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(), expected,
           &expected_bytes);
      const auto digest = signer.Digest(message);
      REQUIRE(std::equal(digest.begin(), digest.end(), expected));
    }
  }
}

TEST_CASE("signing: verification takes either case and refuses every change", "[net][signing]") {
  const HmacSha256Signer signer(kSecret);
  CHECK(signer.VerifyHex(kQuery, kQuerySignature));
  std::string upper(kQuerySignature);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK(signer.VerifyHex(kQuery, upper));
  for (size_t i = 0; i < kQuerySignature.size(); ++i) {
    std::string tampered(kQuerySignature);
    tampered[i] = tampered[i] == '0' ? '1' : '0';
    CHECK_FALSE(signer.VerifyHex(kQuery, tampered));
  }
  CHECK_FALSE(signer.VerifyHex(std::string(kQuery) + "0", kQuerySignature));
  CHECK_FALSE(signer.VerifyHex(kQuery, ""));
  CHECK_FALSE(signer.VerifyHex(kQuery, kQuerySignature.substr(1)));
  CHECK_FALSE(signer.VerifyHex(kQuery, std::string(kQuerySignature) + "0"));
  CHECK_FALSE(signer.VerifyHex(kQuery, std::string(64, '\0')));
  CHECK_FALSE(HmacSha256Signer("another").VerifyHex(kQuery, kQuerySignature));
}

TEST_CASE("signing: a signer can be neither copied nor moved out of its owner", "[net][signing]") {
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<HmacSha256Signer>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<HmacSha256Signer>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Ed25519Signer>);
}

TEST_CASE("signing: the states derived from the secret are wiped on destruction",
          "[net][signing]") {
  alignas(HmacSha256Signer) unsigned char storage[sizeof(HmacSha256Signer)] = {};
  auto* signer = new (storage) HmacSha256Signer(kSecret);
  char hex[HmacSha256Signer::kHexBytes];
  signer->SignHex(kQuery, hex);
  std::vector<unsigned char> alive(storage, storage + sizeof(storage));
  signer->~HmacSha256Signer();
  // Everything but the object's type pointer must have changed to zero.
  size_t kept = 0;
  const volatile unsigned char* after = storage;
  for (size_t i = sizeof(void*); i < sizeof(storage); ++i) kept += after[i] != 0;
  CHECK(kept == 0);
  CHECK(std::count(alive.begin(), alive.end(), 0) < 32);
}

TEST_CASE("signing: Ed25519 reproduces the vectors of RFC 8032", "[net][signing]") {
  struct Vector {
    std::string_view seed, public_key, message, signature;
  };
  constexpr Vector kVectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
       "f9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
       "f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
       "4dc6594a7c15e9716ed28dc027beceea1ec40a"}};
  for (const Vector& vector : kVectors) {
    auto signer = Ed25519Signer::FromPem(PrivatePem(vector.seed));
    REQUIRE(signer.ok());
    auto verifier = Ed25519Verifier::FromPem(PublicPem(vector.public_key));
    REQUIRE(verifier.ok());
    const std::string message = FromHex(vector.message);
    const auto raw = (*signer)->SignRaw(message);
    const std::string_view raw_text(reinterpret_cast<const char*>(raw.data()), raw.size());
    CHECK(ToHex(raw_text) == vector.signature);
    CHECK((*verifier)->VerifyRaw(message, raw));

    char text[RequestSigner::kMaxSignatureBytes];
    const size_t size = (*signer)->Sign(message, text);
    REQUIRE(size == Ed25519Signer::kBase64Bytes);
    CHECK((*verifier)->VerifyBase64(message, {text, size}));
    CHECK_FALSE((*verifier)->VerifyBase64(message + "x", {text, size}));
    std::string tampered(text, size);
    tampered[5] = tampered[5] == 'A' ? 'B' : 'A';
    CHECK_FALSE((*verifier)->VerifyBase64(message, tampered));
    CHECK_FALSE((*verifier)->VerifyBase64(message, std::string_view(text, size - 1)));
    CHECK_FALSE((*verifier)->VerifyBase64(message, ""));
  }
}

TEST_CASE("signing: a key that is not Ed25519 in PEM is refused without repeating it",
          "[net][signing]") {
  const std::string good =
      PrivatePem("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const std::string bad_texts[] = {
      "", "secret-hmac-text", good.substr(0, good.size() / 2),
      PublicPem("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
      std::string(100'000, 'x'),
      // An X25519 key: right form, wrong algorithm.
      Pem("PRIVATE KEY",
          FromHex("302e020100300506032b656e04220420"
                  "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))};
  for (const std::string& text : bad_texts) {
    const auto signer = Ed25519Signer::FromPem(text);
    REQUIRE_FALSE(signer.ok());
    CHECK(signer.status().code() == absl::StatusCode::kInvalidArgument);
    if (text.size() > 8) CHECK(signer.status().message().find(text) == absl::string_view::npos);
  }
  CHECK_FALSE(Ed25519Verifier::FromPem(good).ok());
  CHECK_FALSE(Ed25519Verifier::FromPem("").ok());
}

TEST_CASE("signing: base64 goes both ways and refuses what is not exactly base64",
          "[net][signing]") {
  // RFC 4648 section 10.
  CHECK(ToBase64("") == "");
  CHECK(ToBase64("f") == "Zg==");
  CHECK(ToBase64("fo") == "Zm8=");
  CHECK(ToBase64("foo") == "Zm9v");
  CHECK(ToBase64("foobar") == "Zm9vYmFy");
  Prng prng(3);
  for (size_t size = 0; size < 70; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(prng.Below(256)));
    const auto decoded = DecodeBase64(ToBase64(bytes));
    REQUIRE(decoded.ok());
    CHECK(*decoded == bytes);
  }
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zg===", "====", "Zh==", "Zm9=", "Z=g=",
                                      "Zm9v ", "Zm 9", "Zm9-", "=m9v"}) {
    CHECK_FALSE(DecodeBase64(text).ok());
  }
}

TEST_CASE("signing: percent-encoding keeps the unreserved characters only", "[net][signing]") {
  char out[64];
  const std::string_view text = "aZ09-_.~+/=&%";
  CHECK(std::string_view(out, PercentEncode(text, out)) == "aZ09-_.~%2B%2F%3D%26%25");
}

}  // namespace holdfast
