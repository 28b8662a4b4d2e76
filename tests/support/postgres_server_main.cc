// A private PostgreSQL server for tests that are not C++: runs until its standard input ends.
//
//   holdfast-test-postgres [--fast]
//
// First line of output: "ready". Then one answer for each line of input:
//   empty      URI of a new empty database
//   migrated   URI of a new database with every migration applied
//   restart    "restarted" after a stop without a checkpoint and a start
// --fast: nothing is forced to disk. Exit status 1, with the reason on standard error, when the
// server does not start.
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "tests/support/postgres_cluster.h"

namespace {

void Serve(bool is_durable) {
  holdfast::testing::PostgresCluster cluster({.is_durable = is_durable, .settings = {}});
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "empty") {
      std::cout << cluster.CreateEmptyDatabase() << std::endl;
    } else if (line == "migrated") {
      std::cout << cluster.CreateDatabase() << std::endl;
    } else if (line == "restart") {
      cluster.RestartImmediate();
      std::cout << "restarted" << std::endl;
    } else {
      std::cout << "unknown command: " << line << std::endl;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Serve(argc < 2 || std::string_view(argv[1]) != "--fast");
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
