# holdfast_capture_lines: #include "tests/engine/market/capture_lines.h"
if(NOT TARGET holdfast_capture_lines)
  set(capture_root ${CMAKE_BINARY_DIR}/include_roots/capture_lines)
  file(MAKE_DIRECTORY ${capture_root}/tests/engine)
  file(CREATE_LINK ${CMAKE_CURRENT_LIST_DIR} ${capture_root}/tests/engine/market SYMBOLIC)
  add_library(holdfast_capture_lines INTERFACE)
  target_include_directories(holdfast_capture_lines INTERFACE ${capture_root})
  target_link_libraries(holdfast_capture_lines INTERFACE ZLIB::ZLIB)
  target_compile_definitions(holdfast_capture_lines INTERFACE
    HOLDFAST_DEFAULT_CAPTURES="${PROJECT_SOURCE_DIR}/../shared/data/captures")
endif()
