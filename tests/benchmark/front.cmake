# The simulated venue over the wire: orders a second from one client that pipelines.
add_executable(bench_venue_wire bench_venue_wire.cc)
target_link_libraries(bench_venue_wire PRIVATE holdfast::connectors_sim_binance Boost::headers)
