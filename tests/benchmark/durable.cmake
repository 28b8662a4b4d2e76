# The durable benchmark's own side; the harness beside it runs it (`make bench-durable`).
set(durable_bench_folder ${CMAKE_BINARY_DIR}/durable_bench)
add_executable(holdfast_durable_bench
  ${PROJECT_SOURCE_DIR}/tests/benchmark/durable/holdfast_side.cc)
target_link_libraries(holdfast_durable_bench PRIVATE holdfast::workflows_postgres
  nlohmann_json::nlohmann_json)
# Out of the folder whose programs `make bench` runs without arguments.
set_target_properties(holdfast_durable_bench PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${durable_bench_folder})
