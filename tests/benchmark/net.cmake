# Order entry over loopback: our clients beside raw OpenSSL and bare Beast against one server.
add_executable(bench_order_entry ${PROJECT_SOURCE_DIR}/tests/benchmark/bench_order_entry.cc)
target_link_libraries(bench_order_entry PRIVATE holdfast::connectors_net
  holdfast::connectors_binance holdfast_stub_server Boost::headers)
