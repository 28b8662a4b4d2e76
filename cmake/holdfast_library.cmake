# holdfast_library(engine/market SOURCES price.cc DEPS holdfast::engine_base [PRIVATE_DEPS ...])
#
# One folder, one static library, one include root that contains only that folder. A header of
# another folder is reachable only through a link dependency, so a dependency that the table in
# docs/ARCHITECTURE.md does not allow fails to compile.
function(holdfast_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  set(root ${PROJECT_BINARY_DIR}/include_roots/${name})
  cmake_path(GET folder PARENT_PATH parent)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
  list(TRANSFORM ARG_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/${folder}/)
  add_library(holdfast_${name} STATIC ${ARG_SOURCES})
  add_library(holdfast::${name} ALIAS holdfast_${name})
  target_include_directories(holdfast_${name} PUBLIC ${root})
  target_link_libraries(holdfast_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# holdfast_test(engine_market_test SOURCES book_test.cc DEPS holdfast::engine_market [LABELS threads])
#
# One Catch2 executable, registered with ctest. LABELS threads: also run under ThreadSanitizer.
# Labels in use: threads, e2e, slow (each documented in tests/README.md).
function(holdfast_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} holdfast_catch_main)
  add_test(NAME ${name} COMMAND ${name} --durations no)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
