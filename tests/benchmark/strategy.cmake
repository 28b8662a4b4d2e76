# One decision of the grid at several sizes.
add_executable(strategy_benchmark ${CMAKE_CURRENT_SOURCE_DIR}/strategy_benchmark.cc)
target_link_libraries(strategy_benchmark PRIVATE holdfast::strategy benchmark::benchmark)
