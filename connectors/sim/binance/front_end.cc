#include "connectors/sim/binance/front_end.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/sim/binance/control_api.h"
#include "connectors/sim/binance/front_end_impl.h"
#include "engine/base/status_macros.h"

namespace holdfast::sim {
namespace {

// The venue is advanced at its next event, but not more often and not less often than this.
constexpr int64_t kShortestPumpNs = kNanosPerMilli;
constexpr int64_t kLongestPumpNs = 20 * kNanosPerMilli;

}  // namespace

FrontEnd::Impl::Impl(ServerLoop& server_loop, const Clock& wall_clock, SimVenue& sim_venue,
                     const FrontEndConfig& front_config)
    : loop(server_loop),
      clock(wall_clock),
      venue(sim_venue),
      config(front_config),
      faults(1, sim_venue.now_ns()),
      fault_start_ns(sim_venue.now_ns()),
      time(clock, venue, faults),
      limits(config.limits),
      core(venue, limits, klines, config.api),
      gate(loop, time, venue, faults, limits, core),
      server(loop, clock, *this, config.trading),
      streams(server, venue, time, faults, klines),
      events(loop, server, venue, time, faults, limits),
      rest(loop, server, time, authenticator, gate, limits),
      ws(loop, server, time, authenticator, gate, limits, events) {}

FrontEnd::Impl::~Impl() {
  *alive = false;
  server.Shutdown();
}

void FrontEnd::Impl::OnHttpRequest(ConnectionId connection, const HttpRequest& request) {
  rest.OnRequest(connection, request);
}

UpgradeDecision FrontEnd::Impl::OnUpgrade(ConnectionId connection, const HttpRequest& request) {
  time.Advance();
  if (request.path() == WsApi::kPath) {
    ws.OnUpgrade(connection, request);
    return {};
  }
  if (MarketStreams::IsStreamPath(request.path())) {
    streams.OnUpgrade(connection, request);
    return {
        .refusal = {},
        .max_messages_per_second = static_cast<int>(limits.config().stream_messages_per_second)};
  }
  HttpResponse refusal;
  refusal.status = 404;
  refusal.body = R"({"code":-1020,"msg":"This operation is not supported."})";
  return {.refusal = std::move(refusal)};
}

void FrontEnd::Impl::OnWebSocketOpen(ConnectionId) {}

void FrontEnd::Impl::OnWebSocketMessage(ConnectionId connection, std::string_view text) {
  if (ws.Owns(connection)) {
    ws.OnMessage(connection, text);
  } else {
    streams.OnMessage(connection, text);
  }
}

void FrontEnd::Impl::OnClosed(ConnectionId connection) {
  streams.OnClosed(connection);
  ws.OnClosed(connection);
}

void FrontEnd::Impl::Pump() {
  time.Advance();
  PlayTimedFaults();
  int64_t wait_ns = kLongestPumpNs;
  const auto consider = [&](std::optional<int64_t> event_ns) {
    if (event_ns.has_value()) wait_ns = std::min(wait_ns, *event_ns - clock.WallNs());
  };
  consider(venue.next_event_time_ns());
  consider(faults.next_due_ns());
  wait_ns = std::clamp(wait_ns, kShortestPumpNs, kLongestPumpNs);
  loop.RunAfter(wait_ns, [this, is_alive = alive] {
    if (*is_alive) Pump();
  });
}

void FrontEnd::Impl::PlayTimedFaults() {
  for (const Fault& fault : faults.TakeDue(time.now_ns())) {
    switch (fault.kind) {
      case FaultKind::kDisconnect:
        server.AbortAll();
        break;
      case FaultKind::kRestart:
        Restart(false);
        break;
      case FaultKind::kRestartForgetful:
        Restart(true);
        break;
      default:
        break;  // clock skew is read when the time is shown; the others are not timed
    }
  }
}

void FrontEnd::Impl::Restart(bool is_forgetful) {
  server.AbortAll();
  if (is_forgetful) venue.ForgetOrders();
}

void FrontEnd::Impl::NotifyShutdown() {
  streams.NotifyShutdown();
  ws.NotifyShutdown();
}

FrontEnd::FrontEnd(ServerLoop& loop, const Clock& clock, SimVenue& venue,
                   const FrontEndConfig& config)
    : impl_(std::make_unique<Impl>(loop, clock, venue, config)) {
  if (config.has_control) {
    impl_->control = std::make_unique<ControlApi>(*impl_, config.control_port);
  }
}

FrontEnd::~FrontEnd() = default;

absl::Status FrontEnd::AddAccount(const AccountFileEntry& entry) {
  HF_ASSIGN_OR_RETURN(const SimAccountId account, impl_->venue.AddAccount(entry.account));
  for (const ApiKeyConfig& key : entry.keys) impl_->authenticator.AddKey(key, account);
  impl_->events.AddAccount(account);
  impl_->accounts.push_back(account);
  return absl::OkStatus();
}

void FrontEnd::StartFaultPlan(const FaultPlan& plan) {
  impl_->fault_start_ns = impl_->time.now_ns();
  impl_->faults = FaultInjector(plan, impl_->fault_start_ns);
}

absl::Status FrontEnd::Listen() {
  HF_RETURN_IF_ERROR(impl_->server.Listen());
  if (impl_->control != nullptr) HF_RETURN_IF_ERROR(impl_->control->Listen());
  impl_->Pump();
  return absl::OkStatus();
}

uint16_t FrontEnd::port() const { return impl_->server.port(); }

uint16_t FrontEnd::control_port() const {
  return impl_->control == nullptr ? 0 : impl_->control->port();
}

const WireServerStats& FrontEnd::stats() const { return impl_->server.stats(); }

void FrontEnd::Shutdown() {
  impl_->server.Shutdown();
  if (impl_->control != nullptr) impl_->control->Shutdown();
}

}  // namespace holdfast::sim
