# From a market frame to signed order bytes, through the whole loop.
include(${PROJECT_SOURCE_DIR}/tests/engine/market/capture_lines.cmake)
set(quoting_benchmark_root ${CMAKE_BINARY_DIR}/include_roots/quoting_benchmark)
file(MAKE_DIRECTORY ${quoting_benchmark_root}/tests)
file(CREATE_LINK ${CMAKE_CURRENT_LIST_DIR} ${quoting_benchmark_root}/tests/benchmark SYMBOLIC)

add_executable(bench_tick_to_order ${CMAKE_CURRENT_LIST_DIR}/bench_tick_to_order.cc)
target_include_directories(bench_tick_to_order PRIVATE ${quoting_benchmark_root})
target_link_libraries(bench_tick_to_order PRIVATE holdfast::engine_quoting holdfast::strategy
  holdfast::connectors_binance holdfast::connectors_net holdfast_capture_lines)
