add_executable(bench_matching ${CMAKE_CURRENT_LIST_DIR}/bench_matching.cc)
target_include_directories(bench_matching PRIVATE ${PROJECT_SOURCE_DIR}/tests/connectors/sim)
target_link_libraries(bench_matching PRIVATE holdfast::connectors_sim)
