# Book, market frames and signatures: the parts of the hot path one by one.
include(${PROJECT_SOURCE_DIR}/tests/engine/market/capture_lines.cmake)

set(hot_benchmark_root ${CMAKE_BINARY_DIR}/include_roots/tests_benchmark)
file(MAKE_DIRECTORY ${hot_benchmark_root}/tests)
file(CREATE_LINK ${CMAKE_CURRENT_LIST_DIR} ${hot_benchmark_root}/tests/benchmark SYMBOLIC)

function(holdfast_hot_benchmark name)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/benchmark/${name}.cc)
  target_include_directories(${name} PRIVATE ${hot_benchmark_root})
  target_link_libraries(${name} PRIVATE ${ARGN} holdfast_capture_lines benchmark::benchmark)
endfunction()

holdfast_hot_benchmark(bench_book holdfast::engine_market holdfast::connectors_binance)
holdfast_hot_benchmark(bench_decode holdfast::engine_market holdfast::connectors_binance
  simdjson::simdjson nlohmann_json::nlohmann_json)
holdfast_hot_benchmark(bench_signing holdfast::connectors_binance holdfast::connectors_net
  OpenSSL::Crypto)
