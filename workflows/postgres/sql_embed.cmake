# Writes a source file that holds the migrations: cmake -DOUTPUT=... -DFILES="a.sql;b.sql" -P this.
# A file's name is <version, four digits>_<name>.sql; its checksum is the SHA-256 of its bytes.
set(entries "")
foreach(file ${FILES})
  cmake_path(GET file FILENAME base)
  if(NOT base MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
    message(FATAL_ERROR "not the name of a migration: ${base}")
  endif()
  set(name ${CMAKE_MATCH_2})
  math(EXPR version "1${CMAKE_MATCH_1} - 10000")
  file(SHA256 ${file} checksum)
  # Semicolons and brackets are special in lists only: the text goes through one quoted argument.
  file(READ ${file} text)
  string(FIND "${text}" ")holdfast_sql\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${base} holds the delimiter of the embedded text")
  endif()
  string(APPEND entries
    "    {${version}, \"${name}\", \"${checksum}\", R\"holdfast_sql(${text})holdfast_sql\"},\n")
endforeach()
file(WRITE ${OUTPUT}
"// Generated from migrations/*.sql.
#include <array>

#include \"workflows/postgres/migrations.h\"

namespace holdfast::workflows {
namespace {

constexpr auto kMigrations = std::to_array<Migration>({
${entries}});

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

}  // namespace holdfast::workflows
")
