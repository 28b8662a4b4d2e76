#include "connectors/sim/binance/server_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <utility>

#include "connectors/sim/binance/server_loop_impl.h"

namespace holdfast::sim {
namespace asio = boost::asio;

ServerLoop::ServerLoop() : impl_(std::make_unique<Impl>()) {}
ServerLoop::~ServerLoop() = default;

void ServerLoop::Run() {
  auto guard = asio::make_work_guard(impl_->context);
  impl_->context.run();
}

void ServerLoop::Stop() { impl_->context.stop(); }

void ServerLoop::Post(std::function<void()> task) { asio::post(impl_->context, std::move(task)); }

void ServerLoop::RunAfter(int64_t delay_ns, std::function<void()> task) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context);
  timer->expires_after(std::chrono::nanoseconds(delay_ns));
  timer->async_wait([timer, task = std::move(task)](boost::system::error_code error) {
    if (!error) task();
  });
}

void ServerLoop::RunEvery(int64_t period_ns, std::function<void()> task) {
  RunAfter(period_ns, [this, period_ns, task = std::move(task)]() mutable {
    task();
    RunEvery(period_ns, std::move(task));
  });
}

void ServerLoop::OnTerminationSignal(std::function<void()> task) {
  impl_->signals.emplace(impl_->context, SIGINT, SIGTERM);
  impl_->signals->async_wait([task = std::move(task)](boost::system::error_code error, int) {
    if (!error) task();
  });
}

}  // namespace holdfast::sim
