# holdfast-contract-worker: the workflows that suites of other parties run against this runtime. It
# knows nothing of venues, so it does not link what the other binaries share.
add_executable(holdfast-contract-worker contract_worker_main.cc contract_workflows.cc signals.cc)
target_compile_definitions(holdfast-contract-worker PRIVATE HOLDFAST_VERSION="${PROJECT_VERSION}")
target_include_directories(holdfast-contract-worker
  PRIVATE $<TARGET_PROPERTY:holdfast_apps,INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(holdfast-contract-worker PRIVATE holdfast::engine_base
  holdfast::workflows_postgres CLI11::CLI11)
