// How long a signature and a whole signed order request take, beside OpenSSL's own ways to compute
// the same HMAC. All signatures are compared before times are printed.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <string>

#include "connectors/binance/order_encoder.h"
#include "connectors/net/signing.h"
#include "tests/benchmark/hot_streams.h"
#include "tests/benchmark/hot_support.h"

namespace holdfast::bench {
namespace {

constexpr std::string_view kSecret =
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
constexpr size_t kRepeats = 20'000;

using Hex = std::array<char, 64>;

void ToHex(const unsigned char* digest, Hex& out) { EncodeHex({digest, 32}, out.data()); }

void SignOneShot(std::string_view message, Hex& out) {
  unsigned char digest[32];
  unsigned int size = 0;
  HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest, &size);
  ToHex(digest, out);
}

// EVP_MAC with its context and key kept.
class EvpMac {
 public:
  EvpMac() : mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)), context_(EVP_MAC_CTX_new(mac_)) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                     OSSL_PARAM_construct_end()};
    EVP_MAC_init(context_, reinterpret_cast<const unsigned char*>(kSecret.data()), kSecret.size(),
                 parameters);
  }
  ~EvpMac() {
    EVP_MAC_CTX_free(context_);
    EVP_MAC_free(mac_);
  }
  void Sign(std::string_view message, Hex& out) {
    unsigned char digest[32];
    size_t size = 0;
    EVP_MAC_init(context_, nullptr, 0, nullptr);
    EVP_MAC_update(context_, reinterpret_cast<const unsigned char*>(message.data()),
                   message.size());
    EVP_MAC_final(context_, digest, &size, sizeof(digest));
    ToHex(digest, out);
  }

 private:
  EVP_MAC* mac_;
  EVP_MAC_CTX* context_;
};

// The textbook midstate version: both contexts kept and copied, OpenSSL's update and final.
class Midstate {
 public:
  Midstate() {
    unsigned char block[64] = {};
    std::memcpy(block, kSecret.data(), kSecret.size());
    for (unsigned char& byte : block) byte ^= 0x36;
    SHA256_Init(&inner_);
    SHA256_Update(&inner_, block, sizeof(block));
    for (unsigned char& byte : block) byte ^= 0x36 ^ 0x5c;
    SHA256_Init(&outer_);
    SHA256_Update(&outer_, block, sizeof(block));
  }
  void Sign(std::string_view message, Hex& out) const {
    unsigned char digest[32];
    SHA256_CTX context = inner_;
    SHA256_Update(&context, message.data(), message.size());
    SHA256_Final(digest, &context);
    context = outer_;
    SHA256_Update(&context, digest, sizeof(digest));
    SHA256_Final(digest, &context);
    ToHex(digest, out);
  }

 private:
  SHA256_CTX inner_, outer_;
};

std::string Query(size_t i) {
  std::string text =
      "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.02000&price=61837.63"
      "&newClientOrderId=hf0a1b2c0000000000017abcdefg&recvWindow=1500&timestamp=" +
      std::to_string(1'723'161'255'208 + i);
  text.resize(149, 'x');
  return text;
}

void CompareSignatures() {
  const HmacSha256Signer signer(kSecret);
  EvpMac evp_mac;
  const Midstate midstate;
  std::vector<std::string> queries;
  for (size_t i = 0; i < kRepeats; ++i) queries.push_back(Query(i));
  Hex expected, hex;
  for (size_t i = 0; i < 1'000; ++i) {
    SignOneShot(queries[i], expected);
    signer.SignHex(queries[i], hex.data());
    Require(hex == expected, "HMAC: ours");
    evp_mac.Sign(queries[i], hex);
    Require(hex == expected, "HMAC: EVP_MAC");
    midstate.Sign(queries[i], hex);
    Require(hex == expected, "HMAC: midstate");
  }
  std::printf("\nHMAC-SHA256 of 149 bytes to hex: results agree\n");
  const auto all = [&queries, &hex](auto sign) {
    for (const std::string& query : queries) {
      sign(query);
      Keep(hex);
    }
  };
  std::vector<Variant> variants = {
      {"midstate: SHA256_CTX copied",
       [&] { all([&](const std::string& query) { midstate.Sign(query, hex); }); }},
      {"HmacSha256Signer",
       [&] { all([&](const std::string& query) { signer.SignHex(query, hex.data()); }); }},
      {"EVP_MAC, context and key kept",
       [&] { all([&](const std::string& query) { evp_mac.Sign(query, hex); }); }},
      {"HMAC() one-shot",
       [&] { all([&](const std::string& query) { SignOneShot(query, hex); }); }}};
  Compare("HMAC-SHA256 of 149 bytes to hex", "signature", kRepeats, variants, 0, 9);
  std::printf("  HmacSha256Signer / HMAC() one-shot: %.3fx\n",
              variants[1].Median() / variants[3].Median());
  PrintPercentiles("HmacSha256Signer", kRepeats,
                   [&](size_t i) { signer.SignHex(queries[i], hex.data()); });
}

PlaceRequest MakePlace(size_t i) {
  PlaceRequest request;
  request.client_order_id = ClientOrderId("hf0a1b2c0000000000017abcdefg");
  request.side = i % 2 == 0 ? Side::kBuy : Side::kSell;
  request.price = Price::FromTicks(6'183'763 + static_cast<int64_t>(i % 1'000));
  request.quantity = Quantity::FromLots(1 + static_cast<int64_t>(i % 50'000));
  return request;
}

void CompareRequests() {
  const HmacSha256Signer signer(kSecret);
  const BinanceEncoderOptions options = {
      .api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
      .host = "api.binance.com",
      .receive_window_ms = 1'500,
      .self_trade_prevention_mode = ""};
  const BinanceOrderEncoder encoder(BtcUsdt(), options, &signer);
  std::array<char, BinanceOrderEncoder::kMaxRequestBytes> out;
  constexpr int64_t kTimestampMs = 1'723'161'255'208;
  const auto message = [&](size_t i, BinanceAuthentication authentication) {
    return encoder.PlaceMessage(MakePlace(i), RequestId(i), kTimestampMs, authentication, out);
  };
  const std::string_view query = encoder.PlaceQuery(MakePlace(0), kTimestampMs, out);
  const size_t at = query.find("&signature=");
  Require(signer.VerifyHex(query.substr(0, at), query.substr(at + 11)), "encoder: signature");
  const auto all = [&](auto encode) {
    for (size_t i = 0; i < kRepeats; ++i) Keep(encode(i).size());
  };
  std::vector<Variant> variants = {
      {"WS order.place, session",
       [&] { all([&](size_t i) { return message(i, BinanceAuthentication::kSession); }); }},
      {"WS order.place, signed",
       [&] { all([&](size_t i) { return message(i, BinanceAuthentication::kSigned); }); }},
      {"REST place, whole HTTP request",
       [&] { all([&](size_t i) { return encoder.PlaceHttp(MakePlace(i), kTimestampMs, out); }); }}};
  Compare("one order request", "request", kRepeats, variants, 0, 9);
  PrintPercentiles("WS order.place, signed", kRepeats,
                   [&](size_t i) { Keep(message(i, BinanceAuthentication::kSigned).size()); });
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast;
  using namespace holdfast::bench;
  benchmark::Initialize(&argc, argv);
  PinToOneCpu();
  CompareSignatures();
  CompareRequests();
  const HmacSha256Signer signer(kSecret);
  const std::string query = Query(0);
  benchmark::RegisterBenchmark("signing/hmac_sha256_hex/149", [&](benchmark::State& state) {
    Hex hex;
    for (auto _ : state) {
      signer.SignHex(query, hex.data());
      benchmark::DoNotOptimize(hex);
    }
  });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
