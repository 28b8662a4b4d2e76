// Proves the feed: connection events, depth, trades and book tops of a combined stream, snapshots
// over REST and their failures, overflow, and renewal without a gap. A scripted venue and the feed
// run in turns on one thread, with time stepped by hand.

#include "connectors/binance/feed.h"

#include <catch2/catch.hpp>
#include <thread>

#include "connectors/binance/instrument_fetch.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::PumpIdle;
using testing::PumpUntil;
using testing::StubReply;
using testing::StubRequest;
using testing::StubServer;
using testing::TestInstrument;

struct MarketLog : MarketSink {
  void OnDepthSnapshot(const DepthSnapshot& snapshot) override {
    snapshot_ids.push_back(snapshot.last_update_id);
    snapshot_levels = snapshot.bids.size() + snapshot.asks.size();
    text += "S" + std::to_string(snapshot.last_update_id) + " ";
  }
  void OnDepthUpdate(const DepthUpdate& update) override {
    update_ids.push_back(update.last_update_id);
    last_bids.assign(update.bids.begin(), update.bids.end());
    last_receive_ns = update.receive_time_ns;
    text += "D" + std::to_string(update.last_update_id) + " ";
  }
  void OnBookTop(const BookTop& top) override {
    last_top = top;
    text += "B" + std::to_string(top.update_id) + " ";
  }
  void OnPublicTrade(const PublicTrade& trade) override {
    last_trade = trade;
    text += "T" + std::to_string(trade.trade_id.value()) + " ";
  }
  void OnFeedConnection(InstrumentId, bool is_up, int64_t) override {
    (is_up ? up_count : down_count) += 1;
    text += is_up ? "up " : "down ";
  }
  std::vector<int64_t> snapshot_ids;
  std::vector<int64_t> update_ids;
  std::vector<LevelChange> last_bids;
  size_t snapshot_levels = 0;
  int64_t last_receive_ns = 0;
  BookTop last_top;
  PublicTrade last_trade;
  int up_count = 0;
  int down_count = 0;
  std::string text;
};

std::string Depth(int64_t first, int64_t last, const std::string& bids = "[[\"100.01\",\"0.5\"]]") {
  return "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1700000000001,"
         "\"s\":\"BTCUSDT\",\"U\":" +
         std::to_string(first) + ",\"u\":" + std::to_string(last) + ",\"b\":" + bids +
         ",\"a\":[[\"100.02\",\"0.00000\"]]}}";
}
std::string Trade(int64_t id) {
  return "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1700000000002,\"s\":"
         "\"BTCUSDT\",\"t\":" +
         std::to_string(id) +
         ",\"p\":\"100.02000000\",\"q\":\"0.00100000\",\"T\":1700000000001,\"m\":true,\"M\":true}}";
}
std::string Top(int64_t id) {
  return "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":" + std::to_string(id) +
         ",\"s\":\"BTCUSDT\",\"b\":\"100.01000000\",\"B\":\"0.50000000\",\"a\":\"100.02000000\","
         "\"A\":\"0.25000000\"}}";
}

struct FeedFixture {
  FeedFixture() {
    server.on_open = [this](const StubServer::SessionPointer& opened) {
      sessions.push_back(opened);
    };
    server.on_request = [this](const StubRequest& request) {
      return on_request ? on_request(request) : StubReply{.status = 404};
    };
    options.rest_url = server.HttpUrl();
    options.websocket_api_url = server.WebSocketUrl();
    options.stream_url = server.WebSocketUrl();
    connection = std::move(*BinanceConnection::Create(options, {}, clock));
    feed = std::move(*BinanceFeed::Create(*connection, options, {TestInstrument()}, nullptr));
  }
  template <typename Condition>
  bool Until(Condition condition) {
    return PumpUntil(connection->loop(), server, [&] {
      feed->Poll(log, 1000);
      return condition();
    });
  }
  void Settle() {
    PumpIdle(connection->loop(), server);
    feed->Poll(log, 1'000'000);
    PumpIdle(connection->loop(), server);
    feed->Poll(log, 1'000'000);
  }
  void Pass(int64_t duration_ns, int64_t step_ns = 100 * kNanosPerMilli) {
    for (int64_t passed = 0; passed < duration_ns; passed += step_ns) {
      clock.Advance(step_ns);
      Settle();
    }
  }
  void Start() {
    REQUIRE(feed->Start().ok());
    REQUIRE(Until([&] { return log.up_count == 1 && sessions.size() == 1; }));
  }

  ManualClock clock;
  StubServer server;
  std::function<StubReply(const StubRequest&)> on_request;
  std::vector<StubServer::SessionPointer> sessions;
  BinanceOptions options;
  std::unique_ptr<BinanceConnection> connection;
  std::unique_ptr<BinanceFeed> feed;
  MarketLog log;
};

std::string SnapshotBody(int64_t id, int levels) {
  std::string bids;
  std::string asks;
  for (int i = 0; i < levels; ++i) {
    bids += (i ? "," : "") + ("[\"" + std::to_string(90'000 - i) + ".00000000\",\"1.00000000\"]");
    asks += (i ? "," : "") + ("[\"" + std::to_string(90'001 + i) + ".00000000\",\"1.00000000\"]");
  }
  return "{\"lastUpdateId\":" + std::to_string(id) + ",\"bids\":[" + bids + "],\"asks\":[" + asks +
         "]}";
}

TEST_CASE("feed: depth, trades and tops of the combined stream arrive decoded and in order",
          "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  CHECK(fixture.sessions[0]->target() ==
        "/stream?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker");
  fixture.clock.Advance(12'345);
  fixture.sessions[0]->Send(Depth(10, 12));
  fixture.sessions[0]->Send(Trade(7));
  fixture.sessions[0]->Send(Top(12));
  fixture.sessions[0]->Send("{\"result\":null,\"id\":1}");
  fixture.sessions[0]->Send(Depth(13, 13));
  REQUIRE(fixture.Until([&] { return fixture.log.update_ids.size() == 2; }));
  CHECK(fixture.log.text == "up D12 T7 B12 D13 ");
  REQUIRE(fixture.log.last_bids.size() == 1);
  CHECK(fixture.log.last_bids[0].price == Price::FromTicks(10'001));
  CHECK(fixture.log.last_bids[0].quantity == Quantity::FromLots(50'000));
  CHECK(fixture.log.last_receive_ns == fixture.clock.WallNs());
  CHECK(fixture.log.last_trade.aggressor == Side::kSell);
  CHECK(fixture.log.last_top.ask_quantity == Quantity::FromLots(25'000));
}

TEST_CASE("feed: a snapshot of 5000 levels a side arrives whole, one request at a time",
          "[binance][feed]") {
  FeedFixture fixture;
  int requests = 0;
  fixture.on_request = [&](const StubRequest& request) -> StubReply {
    ++requests;
    CHECK(request.target == "/api/v3/depth?symbol=BTCUSDT&limit=5000");
    return {.body = SnapshotBody(99, 5000)};
  };
  fixture.Start();
  for (int i = 0; i < 5; ++i) fixture.feed->RequestSnapshot(InstrumentId(0));
  REQUIRE(fixture.Until([&] { return fixture.log.snapshot_ids.size() == 1; }));
  CHECK(fixture.log.snapshot_levels == 10'000);
  fixture.Settle();
  CHECK(requests == 1);
  fixture.feed->RequestSnapshot(InstrumentId(0));
  REQUIRE(fixture.Until([&] { return fixture.log.snapshot_ids.size() == 2; }));
}

TEST_CASE("feed: a snapshot that fails is asked for again with pauses", "[binance][feed]") {
  FeedFixture fixture;
  int requests = 0;
  fixture.on_request = [&](const StubRequest&) -> StubReply {
    switch (++requests) {
      case 1:
        return {.status = 503, .body = "{}"};
      case 2:
        return {.is_cut = true};
      case 3:
        return {.body = "{\"lastUpdateId\":1,\"bids\":[[\"100.015\",\"1\"]],\"asks\":[]}"};
      case 4:
        return {.body = "half a"};
      case 5:
        return {.status = 429, .body = "{}", .headers = {{"Retry-After", "4"}}};
      default:
        return {.body = SnapshotBody(50, 3)};
    }
  };
  fixture.Start();
  fixture.feed->RequestSnapshot(InstrumentId(0));
  fixture.Pass(8 * kNanosPerSecond);
  CHECK(requests == 6);
  REQUIRE(fixture.log.snapshot_ids == std::vector<int64_t>{50});
  CHECK(fixture.log.down_count == 0);
}

TEST_CASE("feed: a cut means down, back-off, up, and ids start anew", "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  fixture.sessions[0]->Send(Depth(10, 12));
  REQUIRE(fixture.Until([&] { return fixture.log.update_ids.size() == 1; }));
  fixture.sessions[0]->Cut();
  REQUIRE(fixture.Until([&] { return fixture.log.down_count == 1; }));
  fixture.Pass(2 * kNanosPerSecond);
  REQUIRE(fixture.log.up_count == 2);
  fixture.sessions[1]->Send(Depth(1, 2));  // the venue itself started anew
  REQUIRE(fixture.Until([&] { return fixture.log.update_ids.size() == 2; }));
  CHECK(fixture.log.text == "up D12 down up D2 ");
}

TEST_CASE("feed: a frame that is not understood resets the book", "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  fixture.sessions[0]->Send(Depth(10, 12));
  fixture.sessions[0]->Send(Depth(13, 14, "[[\"100.015\",\"0.5\"]]"));  // off the grid
  fixture.sessions[0]->Send(Depth(15, 16));
  REQUIRE(fixture.Until([&] { return fixture.log.update_ids.size() == 2; }));
  CHECK(fixture.log.text == "up D12 down up D16 ");
  CHECK(fixture.feed->malformed_count() == 1);
  CHECK(fixture.sessions.size() == 1);
}

TEST_CASE("feed: books that break again and again cost a bounded number of snapshots",
          "[binance][feed]") {
  FeedFixture fixture;
  int requests = 0;
  fixture.on_request = [&](const StubRequest&) -> StubReply {
    ++requests;
    return {.body = SnapshotBody(50, 3)};
  };
  fixture.Start();
  for (int i = 0; i < 600; ++i) {
    fixture.sessions[0]->Send(Depth(13, 14, "[[\"100.015\",\"0.5\"]]"));
    fixture.feed->RequestSnapshot(InstrumentId(0));
    fixture.Pass(100 * kNanosPerMilli);
  }
  CHECK(fixture.feed->malformed_count() == 600);
  CHECK(requests >= 6);
  CHECK(requests <= 6 + 4);  // at once, and in a minute
  const int before = requests;
  fixture.Pass(120 * kNanosPerSecond, kNanosPerSecond);
  fixture.feed->RequestSnapshot(InstrumentId(0));
  fixture.Settle();
  CHECK(requests > before);
}

TEST_CASE("feed: connections that are cut as soon as they stand come with growing pauses",
          "[binance][feed]") {
  FeedFixture fixture;
  REQUIRE(fixture.feed->Start().ok());
  size_t cut = 0;
  for (int i = 0; i < 600; ++i) {
    fixture.Pass(100 * kNanosPerMilli);
    for (; cut < fixture.sessions.size(); ++cut) fixture.sessions[cut]->Cut();
  }
  CHECK(cut > 3);
  CHECK(cut < 30);
}

TEST_CASE("feed: shutdown notices in a row renew the stream with pauses", "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  size_t told = 0;
  for (int i = 0; i < 300; ++i) {
    for (; told < fixture.sessions.size(); ++told) {
      fixture.sessions[told]->Send("{\"e\":\"serverShutdown\",\"E\":1700000000000}");
    }
    fixture.Pass(100 * kNanosPerMilli);
  }
  CHECK(told >= 3);
  CHECK(told <= 5);
}

TEST_CASE("feed: after a stop a snapshot can be asked for again", "[binance][feed]") {
  FeedFixture fixture;
  bool is_silent = true;
  fixture.on_request = [&](const StubRequest&) -> StubReply {
    if (is_silent) return {.is_silent = true};
    return {.body = SnapshotBody(50, 3)};
  };
  REQUIRE(fixture.feed->Start().ok());
  fixture.feed->RequestSnapshot(InstrumentId(0));  // before the stream is up
  fixture.connection->loop().RunOnce(0);
  fixture.feed->Stop();
  is_silent = false;
  REQUIRE(fixture.feed->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.log.up_count == 1; }));
  fixture.feed->RequestSnapshot(InstrumentId(0));
  REQUIRE(fixture.Until([&] { return fixture.log.snapshot_ids.size() == 1; }));
}

TEST_CASE("feed: a loop that falls behind is told that messages are missing", "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  std::string levels = "[";
  for (int i = 0; i < 2000; ++i) {
    levels += std::string(i ? "," : "") + "[\"" + std::to_string(1000 + i) + ".00\",\"1.00000\"]";
  }
  levels += "]";
  int64_t id = 0;
  for (int i = 0; i < 400; ++i) {
    ++id;
    fixture.sessions[0]->Send(Depth(id, id, levels));
    PumpIdle(fixture.connection->loop(), fixture.server);  // the engine loop does not poll
  }
  CHECK(fixture.feed->dropped_count() > 0);
  fixture.Settle();
  CHECK(fixture.log.down_count == 1);
  CHECK(fixture.log.up_count == 2);
  const size_t delivered = fixture.log.update_ids.size();
  CHECK(delivered > 10);
  CHECK(delivered + static_cast<size_t>(fixture.feed->dropped_count()) == 400);
  fixture.sessions[0]->Send(Depth(id + 1, id + 1));
  REQUIRE(fixture.Until([&] { return fixture.log.update_ids.back() == id + 1; }));
  CHECK(fixture.log.text.find("down up") != std::string::npos);
}

TEST_CASE("feed: the venue's shutdown notice moves the stream without a gap or a repetition",
          "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  fixture.sessions[0]->Send(Depth(10, 12));
  fixture.sessions[0]->Send("{\"e\":\"serverShutdown\",\"E\":1700000000000}");
  REQUIRE(fixture.Until([&] { return fixture.sessions.size() == 2; }));
  // Both connections carry the same for a while.
  fixture.sessions[0]->Send(Depth(13, 14));
  fixture.sessions[0]->Send(Trade(5));
  REQUIRE(fixture.Until([&] { return fixture.log.last_trade.trade_id == VenueTradeId(5); }));
  for (const std::string& text : {Depth(13, 14), Trade(5), Top(14), Depth(15, 15), Trade(6)}) {
    fixture.sessions[1]->Send(text);
  }
  REQUIRE(fixture.Until([&] { return fixture.log.last_trade.trade_id == VenueTradeId(6); }));
  CHECK(fixture.log.text == "up D12 D14 T5 B14 D15 T6 ");
  fixture.Settle();
  CHECK_FALSE(fixture.sessions[0]->is_open());
  CHECK(fixture.log.down_count == 0);
}

TEST_CASE("feed: a stop says down and goes quiet", "[binance][feed]") {
  FeedFixture fixture;
  fixture.Start();
  fixture.feed->Stop();
  fixture.Settle();
  CHECK(fixture.log.text == "up down ");
  fixture.Pass(5 * kNanosPerSecond);
  CHECK(fixture.sessions.size() == 1);
  REQUIRE(fixture.feed->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.log.up_count == 2; }));
}

TEST_CASE("instrument fetch: a rate limit says until when to wait", "[binance][fetch]") {
  struct Row {
    int status;
    const char* retry_after;
    int64_t seconds;  // 0 = no block
  };
  SystemClock clock;
  for (const Row& row :
       {Row{429, "7", 7}, Row{418, "300", 300}, Row{418, "soon", 120}, Row{503, "9", 0}}) {
    INFO(row.status << " " << row.retry_after);
    std::atomic<bool> is_done{false};
    StubServer server;
    server.on_request = [&](const StubRequest&) -> StubReply {
      return {.status = row.status, .body = "{}", .headers = {{"Retry-After", row.retry_after}}};
    };
    BinanceOptions options;
    options.rest_url = server.HttpUrl();
    std::thread serving([&] {
      while (!is_done.load()) server.Poll();
    });
    const int64_t before_ns = clock.WallNs();
    RateBlock block;
    const auto refused =
        FetchInstrument(options, "BTCUSDT", InstrumentId(0), clock, 10 * kNanosPerSecond, &block);
    is_done = true;
    serving.join();
    CHECK(refused.status().code() == absl::StatusCode::kUnavailable);
    if (row.seconds == 0) {
      CHECK(block == RateBlock());
    } else {
      CHECK(block.not_before_wall_ns >= before_ns + row.seconds * kNanosPerSecond);
      CHECK(block.not_before_wall_ns <= clock.WallNs() + row.seconds * kNanosPerSecond);
      CHECK(block.is_ban == (row.status == 418));
    }
  }
}

TEST_CASE("instrument fetch: an unreachable venue, a bad address and a stop are told apart",
          "[binance][fetch]") {
  SystemClock clock;
  BinanceOptions options;
  {
    StubServer closed;
    options.rest_url = closed.HttpUrl();
    closed.StopListening();
  }
  const auto refused =
      FetchInstrument(options, "BTCUSDT", InstrumentId(0), clock, 5 * kNanosPerSecond);
  CHECK(refused.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(refused.status().message()).find("Connection refused") != std::string::npos);
  CHECK(FetchInstrument(options, "BTC/USDT", InstrumentId(0), clock, kNanosPerSecond)
            .status()
            .code() == absl::StatusCode::kInvalidArgument);
  std::atomic<bool> is_stopping{false};
  int failures = 0;
  const auto stopped = FetchInstrumentPatiently(options, "BTCUSDT", InstrumentId(0), clock,
                                                is_stopping, [&](const absl::Status&) {
                                                  if (++failures == 3) is_stopping = true;
                                                });
  CHECK(stopped.status().code() == absl::StatusCode::kCancelled);
  CHECK(failures == 3);
  options.rest_url = "http://api.binance.com";
  CHECK(FetchInstrument(options, "BTCUSDT", InstrumentId(0), clock, kNanosPerSecond)
            .status()
            .code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast
