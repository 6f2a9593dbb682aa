# Every library comes from the distribution's packages; ./run names them.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(TOML REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
find_package(absl REQUIRED)

# gRPC itself is linked from its archives: as shared libraries it costs every start of the command line 40 ms, wanted or not.
# Abseil stays shared: others link it too, and there must be one copy of it only.
pkg_check_modules(GRPC REQUIRED grpc++ protobuf)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
set(GRPC_LINKS ${GRPC_STATIC_LIBRARIES})
list(TRANSFORM GRPC_LINKS REPLACE "^(grpc.*|gpr|upb|address_sorting|protobuf)$" "-l:lib\\1.a")
list(REMOVE_DUPLICATES GRPC_LINKS)

find_package(prometheus-cpp CONFIG QUIET)
find_library(PROMETHEUS_CORE prometheus-cpp-core REQUIRED)
find_library(SOCI_CORE soci_core REQUIRED)
find_library(SOCI_SQLITE soci_sqlite3 REQUIRED)
find_library(SOCI_POSTGRESQL soci_postgresql REQUIRED)
find_library(LIBPQ pq REQUIRED)
find_path(LIBPQ_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
find_path(SOCI_INCLUDE soci/soci.h REQUIRED)

# Asio, Beast and JSON are compiled once, here; both macros are PUBLIC so that no file sees the inline bodies (an ODR matter).
add_library(tiltyard_asio STATIC ${CMAKE_SOURCE_DIR}/src/net/asio_impl.cpp ${CMAKE_SOURCE_DIR}/src/net/beast_impl.cpp
  ${CMAKE_SOURCE_DIR}/src/net/aligned_alloc.cpp)
target_compile_definitions(tiltyard_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ALIGN)
target_link_libraries(tiltyard_asio PUBLIC Boost::headers Boost::json Boost::url OpenSSL::SSL Threads::Threads)

add_library(tiltyard_soci INTERFACE)
target_include_directories(tiltyard_soci SYSTEM INTERFACE ${SOCI_INCLUDE} ${SOCI_INCLUDE}/soci ${LIBPQ_INCLUDE})
target_link_libraries(tiltyard_soci INTERFACE ${SOCI_SQLITE} ${SOCI_POSTGRESQL} ${SOCI_CORE} SQLite::SQLite3 ${LIBPQ})

add_library(tiltyard_prometheus INTERFACE)
target_link_libraries(tiltyard_prometheus INTERFACE ${PROMETHEUS_CORE} ZLIB::ZLIB)

# Tests only: found when a test is built, so that ./run needs no GoogleTest.
find_package(GTest QUIET)
add_library(tiltyard_gtest INTERFACE)
if(GTest_FOUND)
  target_link_libraries(tiltyard_gtest INTERFACE GTest::gmock GTest::gtest GTest::gtest_main)
endif()
