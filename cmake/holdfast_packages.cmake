# Every package the build uses, found once. deploy/bootstrap.sh installs them on Debian 12.
find_package(absl REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(tomlplusplus QUIET)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED)

if(NOT TARGET tomlplusplus::tomlplusplus)
  find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
  add_library(tomlplusplus::tomlplusplus INTERFACE IMPORTED)
  target_include_directories(tomlplusplus::tomlplusplus INTERFACE ${TOMLPLUSPLUS_INCLUDE})
endif()

# PostgreSQL's clients come with pkg-config files only.
find_package(PkgConfig REQUIRED)
pkg_check_modules(HOLDFAST_LIBPQ REQUIRED IMPORTED_TARGET GLOBAL libpq)
pkg_check_modules(HOLDFAST_LIBPQXX REQUIRED IMPORTED_TARGET GLOBAL libpqxx)
add_library(holdfast::libpq ALIAS PkgConfig::HOLDFAST_LIBPQ)
add_library(holdfast::libpqxx ALIAS PkgConfig::HOLDFAST_LIBPQXX)
