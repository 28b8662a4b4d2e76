// Proves that percentiles are at most one bucket (3.2 %) above the truth: against sorted values.

#include "engine/base/latency_histogram.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "engine/base/prng.h"

namespace holdfast {

TEST_CASE("histogram: empty and single values", "[base][histogram]") {
  LatencyHistogram histogram;
  CHECK(histogram.QuantileNs(0.5) == 0);
  CHECK(histogram.count() == 0);
  histogram.Record(1'000);
  CHECK(histogram.count() == 1);
  CHECK(histogram.max_ns() == 1'000);
  for (const double quantile : {0.001, 0.5, 1.0}) CHECK(histogram.QuantileNs(quantile) == 1'000);
  histogram.Record(-5);  // a clock that went back counts as nothing
  CHECK(histogram.QuantileNs(0.5) == 0);
  histogram.Clear();
  CHECK(histogram.count() == 0);
  CHECK(histogram.max_ns() == 0);
}

TEST_CASE("histogram: small values are exact, huge ones are capped", "[base][histogram]") {
  for (int64_t value = 0; value < 64; ++value) {
    LatencyHistogram histogram;
    histogram.Record(value);
    histogram.Record(value);
    histogram.Record(1'000'000);
    CHECK(histogram.QuantileNs(0.5) == value);
  }
  LatencyHistogram histogram;
  histogram.Record(INT64_MAX);
  CHECK(histogram.max_ns() == (int64_t{1} << 42) - 1);
  CHECK(histogram.QuantileNs(1.0) == (int64_t{1} << 42) - 1);
}

TEST_CASE("histogram: percentiles are never below the truth, and 3.2 % above at most",
          "[base][histogram]") {
  const uint64_t seed = 11;
  INFO("seed " << seed);
  Prng prng(seed);
  for (int round = 0; round < 50; ++round) {
    LatencyHistogram histogram;
    LatencyHistogram parts[2];
    std::vector<int64_t> values;
    const int64_t count = prng.Between(1, 2'000);
    for (int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<int64_t>(prng.Next() >> (64 - prng.Between(1, 41)));
      values.push_back(value);
      histogram.Record(value);
      parts[i % 2].Record(value);
    }
    std::sort(values.begin(), values.end());
    parts[0].Merge(parts[1]);
    REQUIRE(parts[0].count() == histogram.count());
    for (const double quantile : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank =
          std::max<int64_t>(1, static_cast<int64_t>(quantile * static_cast<double>(count) + 0.5));
      const auto truth = values[static_cast<size_t>(rank - 1)];
      const int64_t estimate = histogram.QuantileNs(quantile);
      INFO("quantile " << quantile);
      REQUIRE(estimate >= truth);
      REQUIRE(static_cast<double>(estimate) <= static_cast<double>(truth) * 1.032);
      REQUIRE(parts[0].QuantileNs(quantile) == estimate);
    }
    REQUIRE(histogram.QuantileNs(1.0) == values.back());
  }
}

}  // namespace holdfast
