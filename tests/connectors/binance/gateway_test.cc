// Proves how the gateway connects, places and cancels over the WS API, and what every kind of
// answer (or its absence) becomes. A scripted venue and the gateway run in turns on one thread,
// with time stepped by hand.

#include "connectors/binance/gateway.h"

#include <catch2/catch.hpp>

#include "connectors/binance/gateway_core.h"
#include "connectors/net/signing.h"
#include "tests/connectors/binance/place_refusals.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::CanceledResult;
using testing::ExecutionReport;
using testing::GatewayFixture;
using testing::JsonValue;
using testing::PlacedResult;
using testing::StubReply;
using testing::StubRequest;
using testing::StubVenue;

TEST_CASE("gateway: with HMAC each request is signed and the stream is subscribed by signature",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string& text) {
    CHECK(JsonValue(text, "apiKey") == "testkey");
    CHECK(JsonValue(text, "signature").size() == 64);
    CHECK(JsonValue(text, "type") == "LIMIT_MAKER");
    CHECK(JsonValue(text, "price") == "61837.63");
    return StubVenue::Success(id, PlacedResult("a1"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  const OrderAccepted accepted = fixture.log.All<OrderAccepted>()[0];
  CHECK(accepted.client_order_id == "a1");
  CHECK(accepted.venue_order_id == VenueOrderId(4711));
  CHECK(accepted.venue_time_ns == 1'700'000'000'123 * kNanosPerMilli);
  bool has_subscribed = false;
  for (const std::string& text : fixture.venue.received) {
    CHECK(JsonValue(text, "method") != "session.logon");
    if (JsonValue(text, "method") == "userDataStream.subscribe.signature") has_subscribed = true;
  }
  CHECK(has_subscribed);
  const auto changes = fixture.log.All<ConnectionChange>();
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].is_up);
  CHECK(changes[1].is_up);
}

TEST_CASE("gateway: with Ed25519 the session logs on and requests carry no key",
          "[binance][gateway]") {
  const auto keys = testing::MakeEd25519KeyPair();
  GatewayFixture fixture([&](BinanceOptions& options) {
    options.hmac_secret = SecretText();
    options.ed25519_private_key_pem = SecretText(keys.private_key_pem);
  });
  std::string logon;
  fixture.venue.methods["session.logon"] = [&](const std::string& id, const std::string& text) {
    logon = text;
    return StubVenue::Success(id, "{}");
  };
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string& text) {
    CHECK(text.find("signature") == std::string::npos);
    CHECK(text.find("apiKey") == std::string::npos);
    return StubVenue::Success(id, PlacedResult("a1"));
  };
  REQUIRE(fixture.StartAndWait());
  const std::string payload = "apiKey=testkey&recvWindow=" + JsonValue(logon, "recvWindow") +
                              "&timestamp=" + JsonValue(logon, "timestamp");
  const auto verifier = Ed25519Verifier::FromPem(keys.public_key_pem);
  REQUIRE(verifier.ok());
  CHECK((*verifier)->VerifyBase64(payload, JsonValue(logon, "signature")));
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  CHECK(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
}

TEST_CASE("gateway: a refused key is fatal and is not tried again", "[binance][gateway]") {
  struct Row {
    int status;
    int code;
    const char* text;
  };
  const Row rows[] = {{400, -1022, "Signature for this request is not valid."},
                      {401, -2015, "Invalid API-key, IP, or permissions for action."},
                      {400, -2014, "API-key format invalid."}};
  for (const Row& row : rows) {
    INFO(row.text);
    GatewayFixture fixture;
    int attempts = 0;
    fixture.venue.methods["userDataStream.subscribe.signature"] = [&](const std::string& id,
                                                                      const std::string&) {
      ++attempts;
      return StubVenue::Error(id, row.status, row.code, row.text);
    };
    REQUIRE(fixture.gateway->Start().ok());
    REQUIRE(fixture.Until([&] { return fixture.log.Count<FatalVenueError>() == 1; }));
    CHECK(fixture.log.All<FatalVenueError>()[0].venue_code == row.code);
    CHECK(fixture.log.All<FatalVenueError>()[0].text == row.text);
    fixture.Pass(120 * kNanosPerSecond, kNanosPerSecond);
    CHECK(attempts == 1);
    CHECK(fixture.venue.session_count == 1);
    CHECK(fixture.log.Count<FatalVenueError>() == 1);
    CHECK_FALSE(fixture.gateway->is_order_entry_up());
    CHECK(fixture.gateway->Place(GatewayFixture::Buy("x")).code() ==
          absl::StatusCode::kUnavailable);
  }
}

TEST_CASE("gateway: a key refused on an order in mid-run is fatal, whatever was asked",
          "[binance][gateway]") {
  GatewayFixture fixture;
  bool is_cancel = false;
  SECTION("a placement") {}
  SECTION("a cancel") { is_cancel = true; }
  for (const char* method : {"order.place", "order.cancel"}) {
    fixture.venue.methods[method] = [](const std::string& id, const std::string&) {
      return StubVenue::Error(id, 401, -2015, "Invalid API-key, IP, or permissions for action.");
    };
  }
  REQUIRE(fixture.StartAndWait());
  if (is_cancel) {
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  } else {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  }
  fixture.Settle();
  CHECK(fixture.log.Count<OrderRejected>() == (is_cancel ? 0 : 1));
  CHECK(fixture.log.Count<CancelRejected>() == (is_cancel ? 1 : 0));
  REQUIRE(fixture.log.Count<FatalVenueError>() == 1);
  CHECK(fixture.log.All<FatalVenueError>()[0].venue_code == -2015);
  CHECK_FALSE(fixture.gateway->is_order_entry_up());
  CHECK_FALSE(fixture.gateway->is_private_stream_up());
  // And it stays so: nothing connects again with this key.
  fixture.Pass(120 * kNanosPerSecond, kNanosPerSecond);
  CHECK(fixture.venue.session_count == 1);
  CHECK(fixture.log.Count<FatalVenueError>() == 1);
}

TEST_CASE("gateway: a definite refusal of a placement says why", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  int count = 0;
  for (const testing::PlaceRefusal& row : testing::kPlaceRefusals) {
    // Those stop more than the one order: tests of their own.
    const bool is_of_order = row.reason != RejectReason::kAuthentication &&
                             row.reason != RejectReason::kClockSkew && row.status != 418 &&
                             row.status != 429;
    if (!is_of_order) continue;
    INFO(row.text);
    fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
      return StubVenue::Error(id, row.status, row.code, row.text);
    };
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a" + std::to_string(++count))).ok());
    REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == count; }));
    const OrderRejected rejected = fixture.log.All<OrderRejected>().back();
    CHECK(rejected.reason == row.reason);
    CHECK(rejected.venue_code == row.code);
    CHECK(rejected.text == row.text);
  }
  CHECK(count == 20);
  CHECK(fixture.log.Count<OrderAmbiguous>() == 0);
}

TEST_CASE("gateway: an answer that proves nothing is ambiguous, with the submission's expiry",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  const int64_t before_ns = fixture.clock.WallNs();
  std::string answer;
  AmbiguityCause expected = AmbiguityCause::kServerError;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    if (answer == "503") return StubVenue::Error(id, 503, -1001, "Internal error");
    if (answer == "504") return StubVenue::Error(id, 504, -1007, "Timeout waiting for response");
    if (answer == "-1006") return StubVenue::Error(id, 400, -1006, "Unexpected response");
    if (answer == "-1000") return StubVenue::Error(id, 400, -1000, "An unknown error occurred");
    if (answer == "no status") return "{\"id\":" + id + ",\"result\":" + PlacedResult("x") + "}";
    if (answer == "no order id") return StubVenue::Success(id, "{\"symbol\":\"BTCUSDT\"}");
    return "{\"id\":" + id + ",\"status\":200,\"error\":{\"code\":-1,\"msg\":\"both\"}}";
  };
  SECTION("503") { answer = "503"; }
  SECTION("504") { answer = "504"; }
  SECTION("-1006") { answer = "-1006"; }
  SECTION("-1000") { answer = "-1000"; }
  SECTION("no status") {
    answer = "no status";
    expected = AmbiguityCause::kUnreadableAnswer;
  }
  SECTION("no order id") {
    answer = "no order id";
    expected = AmbiguityCause::kUnreadableAnswer;
  }
  SECTION("success with an error") {
    answer = "both";
    expected = AmbiguityCause::kUnreadableAnswer;
  }
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAmbiguous>() == 1; }));
  const OrderAmbiguous ambiguous = fixture.log.All<OrderAmbiguous>()[0];
  CHECK(ambiguous.client_order_id == "a1");
  CHECK(ambiguous.cause == expected);
  CHECK(ambiguous.submit_expiry_ns == before_ns + 2000 * kNanosPerMilli);
  CHECK(fixture.log.Count<OrderRejected>() == 0);
  CHECK(fixture.gateway->is_order_entry_up());
}

TEST_CASE("gateway: no answer in time is ambiguous; a late one is evidence, not a second answer",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string late_id;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    late_id = id;
    return std::string();
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return !late_id.empty(); }));
  fixture.Pass(4900 * kNanosPerMilli);
  CHECK(fixture.log.Count<OrderAmbiguous>() == 0);
  fixture.venue.session->Ping("alive");
  fixture.Settle();
  fixture.Pass(200 * kNanosPerMilli);
  REQUIRE(fixture.log.Count<OrderAmbiguous>() == 1);
  CHECK(fixture.log.All<OrderAmbiguous>()[0].cause == AmbiguityCause::kTimeout);
  SECTION("accepted") {
    fixture.venue.session->Send(StubVenue::Success(late_id, PlacedResult("a1")));
    REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
    const OrderReport report = fixture.log.All<OrderReport>()[0];
    CHECK(report.source == EvidenceSource::kReply);
    CHECK(report.status == VenueOrderStatus::kNew);
    CHECK(report.client_order_id == "a1");
    CHECK(report.venue_order_id == VenueOrderId(4711));
    CHECK(report.quantity == Quantity::FromLots(150));
  }
  SECTION("refused") {
    fixture.venue.session->Send(
        StubVenue::Error(late_id, 400, -2010, "Order would immediately match and take."));
    REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
    CHECK(fixture.log.All<OrderReport>()[0].status == VenueOrderStatus::kRejected);
  }
  SECTION("refused as a duplicate proves nothing") {
    fixture.venue.session->Send(StubVenue::Error(late_id, 400, -2010, "Duplicate order sent."));
    fixture.Settle();
    CHECK(fixture.log.Count<OrderReport>() == 0);
  }
  SECTION("twice") {
    for (int i = 0; i < 2; ++i) {
      fixture.venue.session->Send(StubVenue::Success(late_id, PlacedResult("a1")));
    }
    fixture.Settle();
    CHECK(fixture.log.Count<OrderReport>() == 1);
  }
  CHECK(fixture.log.Count<OrderAccepted>() == 0);
  CHECK(fixture.log.Count<OrderRejected>() == 0);
  CHECK(fixture.log.Count<OrderAmbiguous>() == 1);
}

TEST_CASE("gateway: an order that times out on a connection without a sign of life ends it",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [](const std::string&, const std::string&) {
    return std::string();
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  fixture.Settle();
  fixture.Pass(5100 * kNanosPerMilli);
  REQUIRE(fixture.log.Count<OrderAmbiguous>() == 1);
  CHECK(fixture.log.All<OrderAmbiguous>()[0].cause == AmbiguityCause::kTimeout);
  fixture.Pass(kNanosPerSecond);
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  CHECK(fixture.venue.session_count == 2);
  CHECK(fixture.log.Count<OrderAmbiguous>() == 1);
}

TEST_CASE("gateway: a repeated answer counts once", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    fixture.venue.session->Send(StubVenue::Success(id, PlacedResult("a1")));
    fixture.venue.session->Send(StubVenue::Error(id, 400, -2010, "Duplicate order sent."));
    return StubVenue::Success(id, PlacedResult("a1"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  fixture.Settle();
  CHECK(fixture.log.Count<OrderAccepted>() == 1);
  CHECK(fixture.log.Count<OrderRejected>() == 0);
  CHECK(fixture.log.Count<OrderReport>() == 0);
}

TEST_CASE("gateway: a cut in the middle of requests makes all of them ambiguous, and it reconnects",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  int seen = 0;
  fixture.venue.methods["order.place"] = [&](const std::string&, const std::string&) {
    if (++seen == 3) fixture.venue.session->Cut();
    return std::string();
  };
  for (const char* id : {"a1", "a2", "a3"}) {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(id)).ok());
  }
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAmbiguous>() == 3; }));
  for (const OrderAmbiguous& ambiguous : fixture.log.All<OrderAmbiguous>()) {
    CHECK(ambiguous.cause == AmbiguityCause::kDisconnected);
  }
  CHECK_FALSE(fixture.gateway->is_private_stream_up());
  fixture.Pass(kNanosPerSecond);
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  CHECK(fixture.venue.session_count == 2);
  CHECK(fixture.log.Count<OrderAmbiguous>() == 3);
}

TEST_CASE("gateway: a message that is not understood ends the session", "[binance][gateway]") {
  for (const char* garbage :
       {"{", "[]", "\"text\"", "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\"}}",
        "{\"event\":{}}"}) {
    INFO(garbage);
    GatewayFixture fixture;
    REQUIRE(fixture.StartAndWait());
    fixture.venue.methods["order.place"] = [&](const std::string&, const std::string&) {
      return std::string(garbage);
    };
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
    REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAmbiguous>() == 1; }));
    CHECK_FALSE(fixture.gateway->is_private_stream_up());
    fixture.Pass(kNanosPerSecond);
    CHECK(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  }
}

TEST_CASE("gateway: a cancel is answered by a report, a refusal or an ambiguity",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string mode;
  fixture.venue.methods["order.cancel"] = [&](const std::string& id, const std::string&) {
    if (mode == "ok") return StubVenue::Success(id, CanceledResult("a1"));
    if (mode == "unknown") return StubVenue::Error(id, 400, -2011, "Unknown order sent.");
    if (mode == "restricted") {
      return StubVenue::Error(id, 400, -2011, "Order was not canceled due to cancel restrictions.");
    }
    if (mode == "timeout at the back end") return StubVenue::Error(id, 504, -1007, "Timeout");
    if (mode == "unreadable") return StubVenue::Success(id, "{}");
    return std::string();
  };
  auto cancel_and_wait = [&](const std::string& how) {
    mode = how;
    const int expected = fixture.log.Count<CancelRejected>() + 1;
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
    REQUIRE(fixture.Until([&] { return fixture.log.Count<CancelRejected>() == expected; }));
    return fixture.log.All<CancelRejected>().back();
  };
  CHECK(cancel_and_wait("unknown").reason == CancelRejectReason::kUnknownOrder);
  CHECK(cancel_and_wait("restricted").reason == CancelRejectReason::kOther);
  CHECK(cancel_and_wait("timeout at the back end").reason == CancelRejectReason::kAmbiguous);
  CHECK(cancel_and_wait("unreadable").reason == CancelRejectReason::kAmbiguous);

  mode = "ok";
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  const OrderReport report = fixture.log.All<OrderReport>()[0];
  CHECK(report.client_order_id == "a1");
  CHECK(report.status == VenueOrderStatus::kCanceled);
  CHECK(report.filled == Quantity::FromLots(50));
  CHECK(report.source == EvidenceSource::kReply);

  mode = "silent";
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  fixture.Settle();
  fixture.Pass(5100 * kNanosPerMilli);
  CHECK(fixture.log.All<CancelRejected>().back().reason == CancelRejectReason::kAmbiguous);
}

TEST_CASE("gateway: cancel-all is confirmed by the venue or by there being nothing",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string mode = "two";
  fixture.venue.methods["openOrders.cancelAll"] = [&](const std::string& id, const std::string&) {
    if (mode == "two") {
      return StubVenue::Success(id, "[" + CanceledResult("a1") + "," + CanceledResult("a2") + "]");
    }
    if (mode == "none") return StubVenue::Error(id, 400, -2011, "Unknown order sent.");
    return StubVenue::Error(id, 503, -1001, "Internal error");
  };
  auto cancel_all = [&](uint64_t id) {
    REQUIRE(fixture.gateway->CancelAll(RequestId(id), InstrumentId(0)).ok());
    REQUIRE(fixture.Until([&] {
      const auto all = fixture.log.All<QueryDone>();
      return !all.empty() && all.back().request_id == RequestId(id);
    }));
    return fixture.log.All<QueryDone>().back();
  };
  const QueryDone two = cancel_all(1);
  CHECK(two.is_ok);
  CHECK(two.kind == QueryKind::kCancelAll);
  CHECK(two.row_count == 2);
  CHECK(fixture.log.Count<OrderReport>() == 2);
  mode = "none";
  CHECK(cancel_all(2).is_ok);
  mode = "down";
  CHECK_FALSE(cancel_all(3).is_ok);
}

TEST_CASE("gateway: a skewed clock refuses definitely and is measured again",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.skew_ms = 30'000;  // the venue's clock has jumped
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string& text) {
    const int64_t timestamp = std::stoll(JsonValue(text, "timestamp"));
    if (std::abs(timestamp - fixture.venue.TimeMs()) > 1000) {
      return StubVenue::Error(id, 400, -1021,
                              "Timestamp for this request is outside of the recvWindow.");
    }
    return StubVenue::Success(id, PlacedResult("a2"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 1; }));
  CHECK(fixture.log.All<OrderRejected>()[0].reason == RejectReason::kClockSkew);
  fixture.Settle();
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a2")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
}

TEST_CASE("gateway: a clock refused at logon is measured again before anything else",
          "[binance][gateway]") {
  GatewayFixture fixture;
  int refusals = 0;
  fixture.venue.methods["userDataStream.subscribe.signature"] = [&](const std::string& id,
                                                                    const std::string&) {
    if (++refusals <= 2) return StubVenue::Error(id, 400, -1021, "Timestamp ... recvWindow.");
    return StubVenue::Success(id, "{\"subscriptionId\":0}");
  };
  REQUIRE(fixture.StartAndWait());
  CHECK(fixture.venue.session_count == 1);
  CHECK(refusals == 3);
}

TEST_CASE("gateway: the venue's shutdown notice renews the session after what is in flight",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string open_id;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    open_id = id;
    return std::string();
  };
  int cancel_count = 0;
  fixture.venue.methods["order.cancel"] = [&](const std::string& id, const std::string&) {
    ++cancel_count;
    return StubVenue::Success(id, CanceledResult("a1"));
  };
  SECTION("in flight") {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
    REQUIRE(fixture.Until([&] { return !open_id.empty(); }));
    fixture.venue.session->Send("{\"event\":{\"e\":\"serverShutdown\",\"E\":1}}");
    fixture.Settle();
    CHECK(fixture.venue.session_count == 1);
    // A cancel follows its placement although new orders go elsewhere by now.
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
    REQUIRE(fixture.Until([&] { return cancel_count == 1; }));
    fixture.venue.session->Send(StubVenue::Success(open_id, PlacedResult("a1")));
    REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  }
  SECTION("nothing in flight") {
    fixture.venue.session->Send("{\"e\":\"serverShutdown\",\"E\":1}");
  }
  REQUIRE(fixture.Until([&] { return fixture.venue.session_count == 2; }));
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  CHECK(fixture.log.Count<OrderAmbiguous>() == 0);
}

TEST_CASE("gateway: a venue that always announces its shutdown is reached with pauses",
          "[binance][gateway]") {
  GatewayFixture fixture;
  fixture.venue.methods["userDataStream.subscribe.signature"] = [&](const std::string& id,
                                                                    const std::string&) {
    if (fixture.venue.session_count > 200) return std::string();
    fixture.venue.session->Send(StubVenue::Success(id, "{\"subscriptionId\":0}"));
    return std::string("{\"event\":{\"e\":\"serverShutdown\",\"E\":1}}");
  };
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Settle();
  CHECK(fixture.venue.session_count == 2);  // once at once
  fixture.Pass(60 * kNanosPerSecond);
  CHECK(fixture.venue.session_count > 3);
  CHECK(fixture.venue.session_count < 40);
}

TEST_CASE("gateway: an upgrade refused for the rate limit is not tried again before its time",
          "[binance][gateway][limits]") {
  GatewayFixture fixture;
  int refused = 0;
  fixture.venue.server.on_upgrade = [&](const std::string&) {
    ++refused;
    return false;
  };
  fixture.venue.server.refusal = {.status = 429, .body = "{}", .headers = {{"Retry-After", "30"}}};
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.Until([&] { return refused == 1; }));
  fixture.Settle();
  CHECK(fixture.connection->rate_block().not_before_wall_ns >
        fixture.clock.WallNs() + 29 * kNanosPerSecond);
  const size_t requests = fixture.venue.server.requests().size();
  fixture.Pass(29 * kNanosPerSecond, 500 * kNanosPerMilli);
  CHECK(refused == 1);
  CHECK(fixture.venue.server.requests().size() == requests);
  fixture.venue.server.on_upgrade = nullptr;
  fixture.Pass(2 * kNanosPerSecond);
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("gateway: a refused periodic look at the clock leaves the session alone",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  int asked = 0;
  fixture.venue.methods["time"] = [&](const std::string& id, const std::string&) {
    ++asked;
    return StubVenue::Error(id, 400, -1000, "An unknown error occurred");
  };
  fixture.Pass(130 * kNanosPerSecond, 500 * kNanosPerMilli);
  CHECK(asked == 2);
  CHECK(fixture.venue.session_count == 1);
  CHECK(fixture.log.Count<ConnectionChange>() == 2);
}

TEST_CASE("gateway: a clock refused while the stream is being subscribed is measured over REST",
          "[binance][gateway]") {
  GatewayFixture fixture;
  fixture.venue.skew_ms = 700;
  fixture.venue.methods["userDataStream.subscribe.signature"] =
      [](const std::string&, const std::string&) { return std::string(); };
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string&) {
    return StubVenue::Error(id, 400, -1021, "Timestamp ... recvWindow.");
  };
  std::string timestamp;
  fixture.venue.methods["order.cancel"] = [&](const std::string& id, const std::string& text) {
    timestamp = JsonValue(text, "timestamp");
    return StubVenue::Success(id, CanceledResult("a1"));
  };
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_order_entry_up(); }));
  fixture.Settle();
  fixture.venue.paths["GET /api/v3/time"] = [&](const StubRequest&) -> StubReply {
    return {.is_silent = true};
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 1; }));
  // Until the answer comes, cancels go by the last offset rather than by none.
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  CHECK(std::stoll(timestamp) == fixture.venue.TimeMs());
  int time_requests = 0;
  for (const StubRequest& request : fixture.venue.server.requests()) {
    time_requests += request.Path() == "/api/v3/time" ? 1 : 0;
  }
  CHECK(time_requests == 2);  // at the start and now
}

TEST_CASE("gateway: connections are renewed before the venue ends them", "[binance][gateway]") {
  GatewayFixture fixture([](BinanceOptions& options) {
    options.connection_lifetime_ms = 3'600'000;
    options.clock_sync_period_ms = 86'400'000;
  });
  REQUIRE(fixture.StartAndWait());
  fixture.Pass(3590 * kNanosPerSecond, 9 * kNanosPerSecond);
  CHECK(fixture.venue.session_count == 1);
  fixture.Pass(1820 * kNanosPerSecond, 9 * kNanosPerSecond);
  CHECK(fixture.venue.session_count == 2);
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("gateway: an unreachable venue is tried again with growing pauses",
          "[binance][gateway]") {
  GatewayFixture fixture;
  int refused = 0;
  fixture.venue.server.on_upgrade = [&](const std::string&) {
    ++refused;
    return false;
  };
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Pass(60 * kNanosPerSecond, 50 * kNanosPerMilli);
  CHECK(refused > 3);
  CHECK(refused < 30);
  fixture.venue.server.on_upgrade = nullptr;
  fixture.Pass(40 * kNanosPerSecond, 200 * kNanosPerMilli);
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("gateway: a stop answers what is in flight as ambiguous", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [](const std::string&, const std::string&) {
    return std::string();
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  fixture.Settle();
  REQUIRE(fixture.gateway->QueryBalances(RequestId(5)).ok());
  fixture.gateway->Stop();
  fixture.gateway->Poll(fixture.log, 1000);
  REQUIRE(fixture.log.Count<OrderAmbiguous>() == 1);
  CHECK(fixture.log.All<OrderAmbiguous>()[0].cause == AmbiguityCause::kDisconnected);
  REQUIRE(fixture.log.Count<QueryDone>() == 1);
  CHECK_FALSE(fixture.log.All<QueryDone>()[0].is_ok);
  CHECK_FALSE(fixture.gateway->is_order_entry_up());
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a2")).code() == absl::StatusCode::kUnavailable);
  // And it starts again.
  REQUIRE(fixture.StartAndWait());
}

TEST_CASE("gateway: while events wait nothing is read and no page asked for, on a new session too",
          "[binance][gateway]") {
  GatewayFixture fixture;
  int pages = 0;
  fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    ++pages;
    return {.body = "[]"};
  };
  REQUIRE(fixture.StartAndWait());
  // The engine loop takes nothing: only the network side runs.
  const auto run = [&] {
    for (int i = 0; i < 2; ++i) {
      testing::PumpIdle(fixture.connection->loop(), fixture.venue.server);
    }
  };
  const std::string event = ExecutionReport("a1", "NEW", "NEW");
  for (size_t i = 0; i < BinanceGatewayCore::kEventCapacity + 4; ++i) {
    fixture.venue.session->Send(event);
    if (i % 512 == 0) run();
  }
  run();
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
  fixture.venue.session->Cut();
  for (int i = 0; i < 10; ++i) {
    fixture.clock.Advance(100 * kNanosPerMilli);
    run();
  }
  CHECK(pages == 0);
  CHECK(fixture.venue.session_count <= 2);
  fixture.Pass(10 * kNanosPerSecond);
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  CHECK(pages == 1);
  CHECK(fixture.log.Count<QueryDone>() == 1);
}

TEST_CASE("gateway: a stop answers every command, however many wait", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  for (int i = 0; i < 300; ++i) {
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a" + std::to_string(i))).ok());
  }
  fixture.gateway->Stop();
  fixture.gateway->Poll(fixture.log, 1000);
  CHECK(fixture.log.Count<CancelRejected>() == 300);
}

TEST_CASE("gateway: options that make no sense are refused with the key's name",
          "[binance][gateway]") {
  ManualClock clock;
  BinanceOptions good;
  good.rest_url = "http://127.0.0.1:1";
  good.websocket_api_url = "ws://127.0.0.1:1";
  good.stream_url = "ws://127.0.0.1:1";
  good.api_key = "k";
  good.hmac_secret = SecretText("s");
  auto connection = BinanceConnection::Create(good, {}, clock);
  REQUIRE(connection.ok());
  auto refusal = [&](std::function<void(BinanceOptions&)> change) {
    BinanceOptions options = good;
    change(options);
    auto gateway =
        BinanceGateway::Create(**connection, options, {testing::TestInstrument()}, nullptr);
    return gateway.ok() ? std::string("accepted") : std::string(gateway.status().message());
  };
  CHECK(refusal([](auto&) {}) == "accepted");
  CHECK(refusal([](auto& o) { o.api_key = ""; }).find("API key") != std::string::npos);
  CHECK(refusal([](auto& o) { o.hmac_secret = SecretText(); }).find("exactly one") !=
        std::string::npos);
  CHECK(refusal([](auto& o) { o.recv_window_ms = 0; }).find("recv_window_ms") != std::string::npos);
  CHECK(refusal([](auto& o) { o.recv_window_ms = 60'001; }).find("recv_window_ms") !=
        std::string::npos);
  CHECK(refusal([](auto& o) { o.request_timeout_ms = 0; }).find("request_timeout_ms") !=
        std::string::npos);
  CHECK(refusal([](auto& o) {
          o.hmac_secret = SecretText();
          o.ed25519_private_key_pem = SecretText("not a key");
        }) != "accepted");
  BinanceOptions plain = good;
  plain.rest_url = "http://api.binance.com";
  CHECK_FALSE(BinanceConnection::Create(plain, {}, clock).ok());
}

}  // namespace
}  // namespace holdfast
