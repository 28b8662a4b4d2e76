#include "connectors/sim/binance/user_events.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/sim/binance/render.h"
#include "engine/base/assert.h"

namespace holdfast::sim {
namespace {

// A reordered event that no other event follows goes out after this long.
constexpr int64_t kReorderLimitNs = kNanosPerSecond;

std::string Wrap(int64_t subscription_id, std::string_view event) {
  std::string text;
  text.reserve(event.size() + 48);
  text += "{\"subscriptionId\":";
  text += std::to_string(subscription_id);
  text += ",\"event\":";
  text += event;
  text += '}';
  return text;
}

}  // namespace

class UserEvents::AccountListener final : public SimAccountListener {
 public:
  AccountListener(UserEvents& events, SimAccountId account) : events_(events), account_(account) {}

  void OnExecution(const SimExecution& execution) override {
    const bool is_first_maker_fill = execution.trade.has_value() && execution.trade->is_maker &&
                                     execution.order.executed_quantity == execution.trade->quantity;
    if (is_first_maker_fill) events_.limits_.OnMakerFill(account_, execution.time_ns);
    if (targets.empty()) return;
    const Instrument& instrument = events_.venue_.instrument(execution.order.instrument);
    Publish(FaultPoint::kExecutionEvent, ExecutionReport(instrument, execution));
  }

  void OnBalances(SimAccountId, std::span<const SimBalance> changed, int64_t time_ns) override {
    if (targets.empty()) return;
    Publish(FaultPoint::kBalanceEvent, AccountPosition(changed, time_ns));
  }

  void Publish(FaultPoint point, std::string event) {
    const auto fault = events_.faults_.Decide(point, account_, events_.time_.now_ns());
    if (fault.has_value()) {
      switch (fault->kind) {
        case FaultKind::kSequenceGap:
          return;
        case FaultKind::kReorderedEvent:
          if (!held_.empty()) break;
          held_ = std::move(event);
          events_.loop_.RunAfter(kReorderLimitNs, [this] { Flush(); });
          return;
        case FaultKind::kDisconnect:
          for (const EventTarget& target : targets) events_.server_.AbortSoon(target.connection);
          return;
        case FaultKind::kDuplicateEvent:
          Deliver(event);
          break;
        default:
          break;
      }
    }
    Deliver(event);
    Flush();
  }

  const SimAccountId account() const { return account_; }
  std::vector<EventTarget> targets;

 private:
  void Deliver(const std::string& event) {
    for (const EventTarget& target : targets) {
      events_.server_.Send(target.connection, Wrap(target.subscription_id, event));
    }
  }
  void Flush() {
    if (held_.empty()) return;
    Deliver(held_);
    held_.clear();
  }

  UserEvents& events_;
  const SimAccountId account_;
  std::string held_;  // reordered
};

UserEvents::UserEvents(ServerLoop& loop, WireServer& server, SimVenue& venue, VenueTime& time,
                       FaultInjector& faults, RateLimits& limits)
    : loop_(loop), server_(server), venue_(venue), time_(time), faults_(faults), limits_(limits) {}

UserEvents::~UserEvents() {
  for (const auto& listener : listeners_) {
    venue_.RemoveAccountListener(listener->account(), listener.get());
  }
}

void UserEvents::AddAccount(SimAccountId account) {
  listeners_.push_back(std::make_unique<AccountListener>(*this, account));
  venue_.AddAccountListener(account, listeners_.back().get());
}

UserEvents::AccountListener* UserEvents::Find(SimAccountId account) {
  for (const auto& listener : listeners_) {
    if (listener->account() == account) return listener.get();
  }
  return nullptr;
}

void UserEvents::Subscribe(SimAccountId account, EventTarget target) {
  AccountListener* listener = Find(account);
  HF_ASSERT(listener != nullptr);
  listener->targets.push_back(target);
}

void UserEvents::Terminate(SimAccountId account, EventTarget target) {
  AccountListener* listener = Find(account);
  HF_ASSERT(listener != nullptr);
  if (std::erase(listener->targets, target) == 0) return;
  std::string event;
  JsonWriter(event)
      .BeginObject()
      .Field("e", "eventStreamTerminated")
      .Field("E", Milliseconds(time_.server_time_ns()))
      .EndObject();
  server_.Send(target.connection, Wrap(target.subscription_id, event));
}

void UserEvents::OnClosed(ConnectionId connection) {
  for (const auto& listener : listeners_) {
    std::erase_if(listener->targets,
                  [&](const EventTarget& target) { return target.connection == connection; });
  }
}

void UserEvents::SendBalanceUpdate(SimAccountId account, std::string_view asset, Decimal delta) {
  AccountListener* listener = Find(account);
  if (listener == nullptr || listener->targets.empty()) return;
  listener->Publish(FaultPoint::kBalanceEvent, BalanceUpdate(asset, delta, time_.now_ns()));
}

}  // namespace holdfast::sim
