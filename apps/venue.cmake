# holdfast-venue: the simulated venue on loopback.
add_executable(holdfast-venue venue_main.cc)
target_compile_definitions(holdfast-venue PRIVATE HOLDFAST_VERSION="${PROJECT_VERSION}")
target_link_libraries(holdfast-venue PRIVATE holdfast::apps holdfast::connectors_sim_binance
  CLI11::CLI11)
