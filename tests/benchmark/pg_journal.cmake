# The journal on PostgreSQL: what a write costs, and how many fit into a second.
add_executable(journal_bench ${PROJECT_SOURCE_DIR}/tests/benchmark/journal_bench.cc)
target_link_libraries(journal_bench PRIVATE holdfast::workflows_postgres holdfast_test_postgres)
