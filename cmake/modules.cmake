# tiltyard_module(NAME SOURCES a.cpp ... LINKS lib ...): the static library tiltyard_NAME of src/NAME.
function(tiltyard_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(tiltyard_${name} STATIC ${arg_SOURCES})
  target_include_directories(tiltyard_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(tiltyard_${name} PUBLIC ${arg_LINKS})
endfunction()

# tiltyard_test(NAME SOURCES a_test.cpp ... LINKS lib ...): a GoogleTest executable that `unit_tests` builds and ctest runs.
add_custom_target(unit_tests)
function(tiltyard_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} tiltyard_gtest)
  target_compile_definitions(${name} PRIVATE TILTYARD_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_dependencies(unit_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
endfunction()
