# Unity groups: a module's files are compiled a few at a time, so that the headers they share are read and instantiated once
# a group. Half the time of a clean build; off where one file is changed and built again all day (the dev preset).
set(TILTYARD_UNITY "" CACHE STRING "files in a unity group; empty: each by itself")

# tiltyard_module(NAME [FLOOR n] SOURCES a.cpp ... [ALONE b.cpp ...] LINKS lib ...): the static library tiltyard_NAME of
# src/NAME. FLOOR is read by tools/lint_floors alone; ALONE are those of the sources that stay out of unity groups.
function(tiltyard_module name)
  cmake_parse_arguments(arg "" "FLOOR" "SOURCES;ALONE;LINKS" ${ARGN})
  add_library(tiltyard_${name} STATIC ${arg_SOURCES} ${arg_ALONE})
  target_include_directories(tiltyard_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(tiltyard_${name} PUBLIC ${arg_LINKS})
  if(TILTYARD_UNITY)
    set_target_properties(tiltyard_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${TILTYARD_UNITY})
    set_source_files_properties(${arg_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
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
