#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <optional>

#include "connectors/sim/binance/server_loop.h"

namespace holdfast::sim {

// Heavy header: only server_loop.cc and wire_server.cc include it.
struct ServerLoop::Impl {
  boost::asio::io_context context{1};
  std::optional<boost::asio::signal_set> signals;
};

}  // namespace holdfast::sim
