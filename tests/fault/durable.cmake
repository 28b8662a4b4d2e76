# The durable runtime on a real PostgreSQL: worker processes that die, a server that fails.
add_executable(holdfast-durable-test-worker durable_worker_main.cc)
target_link_libraries(holdfast-durable-test-worker PRIVATE holdfast::tests_fault)

holdfast_test(fault_durable_crash_test
  SOURCES durable_crash_test.cc
  DEPS holdfast::tests_fault
  LABELS pg slow
  TIMEOUT 1800)
target_compile_definitions(fault_durable_crash_test
  PRIVATE HOLDFAST_DURABLE_WORKER_BINARY="$<TARGET_FILE:holdfast-durable-test-worker>")
add_dependencies(fault_durable_crash_test holdfast-durable-test-worker)

holdfast_test(fault_durable_server_test
  SOURCES durable_server_faults_test.cc
  DEPS holdfast::tests_fault
  LABELS pg slow
  TIMEOUT 600)
