// How long a level change takes in the book, beside the least any book does and other structures.
// The best prices after each message and the final levels are compared before times are printed.
#include <benchmark/benchmark.h>

#include "engine/market/book.h"
#include "engine/market/sequenced_book.h"
#include "tests/benchmark/hot_peers.h"
#include "tests/benchmark/hot_streams.h"
#include "tests/benchmark/hot_support.h"

namespace holdfast::bench {
namespace {

constexpr int64_t kNeverStale = INT64_MAX / 2;

int64_t Ticks(const std::optional<BookLevel>& level) {
  return level.has_value() ? level->price.ticks() : 0;
}

// Runs a whole stream through a book and sums the best prices.
template <typename Peer>
uint64_t RunPeer(Peer& book, const Stream& stream) {
  book.Clear();
  book.Apply(stream.first_bids, stream.first_asks);
  uint64_t sum = 0;
  for (size_t i = 0; i < stream.messages.size(); ++i) {
    book.Apply(stream.bids(i), stream.asks(i));
    sum += TopSum(book.best_bid(), book.best_ask());
  }
  return sum;
}

uint64_t RunFloor(StoreFloor& floor, const Stream& stream) {
  for (size_t i = 0; i < stream.messages.size(); ++i) {
    floor.Apply(stream.bids(i), stream.asks(i));
    Keep(floor);
  }
  return 0;
}

uint64_t RunBook(Book& book, const Stream& stream) {
  book.Assign(stream.first_bids, stream.first_asks);
  uint64_t sum = 0;
  for (size_t i = 0; i < stream.messages.size(); ++i) {
    book.Apply(stream.bids(i), stream.asks(i));
    sum += TopSum(Ticks(book.best_bid()), Ticks(book.best_ask()));
  }
  return sum;
}

uint64_t RunSequenced(SequencedBook& book, const Stream& stream) {
  book.Reset();
  book.OnSnapshot({InstrumentId(0), 0, 0, stream.first_bids, stream.first_asks});
  uint64_t sum = 0;
  for (size_t i = 0; i < stream.messages.size(); ++i) {
    if (book.OnUpdate(stream.Update(i)) != SequencedBook::Result::kApplied) std::abort();
    sum += TopSum(Ticks(book.book().best_bid()), Ticks(book.book().best_ask()));
  }
  return sum;
}

struct Books {
  explicit Books(const Stream& stream)
      : floor(stream.min_ticks, stream.max_ticks), ladder(stream.min_ticks, stream.max_ticks) {}
  StoreFloor floor;
  BoundedLadder ladder;
  Book book;
  SequencedBook sequenced{kNeverStale};
  MapBook<StdMap> std_map;
  MapBook<FlatMap> flat_map;
};

void CheckResults(Books& books, const Stream& stream) {
  const uint64_t expected = RunPeer(books.std_map, stream);
  Require(RunPeer(books.ladder, stream) == expected, "ladder: best prices");
  Require(RunPeer(books.flat_map, stream) == expected, "flat_map: best prices");
  Require(RunBook(books.book, stream) == expected, "book: best prices");
  Require(RunSequenced(books.sequenced, stream) == expected, "sequenced book: best prices");
  Book copy;
  books.std_map.CopyTo(copy);
  Require(books.book.Hash() == copy.Hash(), "book: levels");
  Require(books.sequenced.book().Hash() == copy.Hash(), "sequenced book: levels");
  std::printf("results agree: checksum %016lx, %zu levels at the end\n",
              static_cast<unsigned long>(expected), books.std_map.LevelCount());
}

void CompareBooks(const std::string& title, const Stream& stream) {
  if (stream.messages.empty()) {
    std::printf("\n%s: skipped, no such file\n", title.c_str());
    return;
  }
  Books books(stream);
  std::printf("\n%s: %zu messages, %zu changes, prices over %ld ticks\n", title.c_str(),
              stream.messages.size(), stream.changes.size(),
              static_cast<long>(stream.max_ticks - stream.min_ticks));
  CheckResults(books, stream);
  std::vector<Variant> variants = {
      {"floor: one indexed store, no best", [&] { Keep(RunFloor(books.floor, stream)); }},
      {"bounded ladder + bitmap", [&] { Keep(RunPeer(books.ladder, stream)); }},
      {"Book", [&] { Keep(RunBook(books.book, stream)); }},
      {"SequencedBook (sequence check)", [&] { Keep(RunSequenced(books.sequenced, stream)); }},
      {"boost flat_map", [&] { Keep(RunPeer(books.flat_map, stream)); }},
      {"std::map", [&] { Keep(RunPeer(books.std_map, stream)); }}};
  Compare(title, "level change", stream.changes.size(), variants, 0, 7);

  std::printf("%s: one message\n", title.c_str());
  const size_t count = stream.messages.size();
  books.ladder.Clear();
  books.ladder.Apply(stream.first_bids, stream.first_asks);
  PrintPercentiles("bounded ladder + bitmap", count, [&](size_t i) {
    books.ladder.Apply(stream.bids(i), stream.asks(i));
    Keep(TopSum(books.ladder.best_bid(), books.ladder.best_ask()));
  });
  books.sequenced.Reset();
  books.sequenced.OnSnapshot({InstrumentId(0), 0, 0, stream.first_bids, stream.first_asks});
  PrintPercentiles("SequencedBook", count, [&](size_t i) {
    Keep(books.sequenced.OnUpdate(stream.Update(i)));
    Keep(
        TopSum(Ticks(books.sequenced.book().best_bid()), Ticks(books.sequenced.book().best_ask())));
  });
  books.std_map.Clear();
  books.std_map.Apply(stream.first_bids, stream.first_asks);
  PrintPercentiles("std::map", count, [&](size_t i) {
    books.std_map.Apply(stream.bids(i), stream.asks(i));
    Keep(TopSum(books.std_map.best_bid(), books.std_map.best_ask()));
  });
}

void RegisterBenchmarks(const Stream& stream) {
  benchmark::RegisterBenchmark("book/sequenced/generated", [&stream](benchmark::State& state) {
    SequencedBook book(kNeverStale);
    for (auto _ : state) benchmark::DoNotOptimize(RunSequenced(book, stream));
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(stream.changes.size()));
  });
  benchmark::RegisterBenchmark("book/std_map/generated", [&stream](benchmark::State& state) {
    MapBook<StdMap> book;
    for (auto _ : state) benchmark::DoNotOptimize(RunPeer(book, stream));
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(stream.changes.size()));
  });
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast::bench;
  benchmark::Initialize(&argc, argv);
  PinToOneCpu();
  const Stream near = GenerateStream(250'000, 0, 42);
  CompareBooks("generated, touch stays", near);
  CompareBooks("generated, touch walks out of the window and back", GenerateStream(250'000, 3, 43));
  CompareBooks("recorded 20240808", ReadRecordedStream("binance_spot_btcusdt_20240808.gz"));
  RegisterBenchmarks(near);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
