#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workflows/runtime/payload.h"
#include "workflows/runtime/task.h"
#include "workflows/runtime/typed_json.h"
#include "workflows/runtime/workflow.h"

namespace holdfast::workflows::internal {

// One call of a workflow function: its arguments read, its coroutine, its output written.
class Invocation {
 public:
  virtual ~Invocation();
  // Runs the function until it first waits. An error: the arguments are not what it takes, and it
  // was not called.
  virtual absl::Status Begin(Workflow& workflow, const Arguments& arguments) = 0;
  virtual bool is_done() const = 0;
  // REQUIRES: is_done(). Throws what left the function.
  virtual absl::StatusOr<std::string> TakeOutput(PayloadFormat format) = 0;
};

// A registered workflow function without its types.
class WorkflowFunction {
 public:
  virtual ~WorkflowFunction();
  virtual std::unique_ptr<Invocation> MakeInvocation() const = 0;
};

template <class Signature>
struct FunctionTraits;
template <class Out, class... In>
struct FunctionTraits<Task<absl::StatusOr<Out>>(Workflow&, In...)> {
  using Output = Out;
  using Inputs = std::tuple<std::decay_t<In>...>;
  static_assert((!std::is_reference_v<In> && ...),
                "a coroutine takes its parameters by value: references dangle when it waits");
};
template <class R, class... A>
struct FunctionTraits<R (*)(A...)> : FunctionTraits<R(A...)> {};
template <class C, class R, class... A>
struct FunctionTraits<R (C::*)(A...) const> : FunctionTraits<R(A...)> {};
template <class Fn>
requires requires { &Fn::operator(); }
struct FunctionTraits<Fn> : FunctionTraits<decltype(&Fn::operator())> {};

template <class Fn>
class TypedInvocation final : public Invocation {
 public:
  using Traits = FunctionTraits<Fn>;
  using Output = typename Traits::Output;
  using Inputs = typename Traits::Inputs;

  explicit TypedInvocation(const Fn& fn) : fn_(fn) {}

  absl::Status Begin(Workflow& workflow, const Arguments& arguments) override {
    if constexpr (std::tuple_size_v<Inputs> == 1) {
      using Input = std::tuple_element_t<0, Inputs>;
      HF_ASSIGN_OR_RETURN(Input input, InputFromArguments<Input>(arguments));
      task_ = fn_(workflow, std::move(input));
    } else if constexpr (std::tuple_size_v<Inputs> == 0) {
      HF_RETURN_IF_ERROR(InputFromArguments<std::monostate>(arguments).status());
      task_ = fn_(workflow);
    } else {
      HF_ASSIGN_OR_RETURN(Inputs inputs, InputFromArguments<Inputs>(arguments));
      task_ =
          std::apply([&](auto&... input) { return fn_(workflow, std::move(input)...); }, inputs);
    }
    task_.Start();
    return absl::OkStatus();
  }
  bool is_done() const override { return task_.is_done(); }
  absl::StatusOr<std::string> TakeOutput(PayloadFormat format) override {
    HF_ASSIGN_OR_RETURN(Output output, task_.TakeResult());
    return EncodeTyped<Output>(format, output);
  }

 private:
  const Fn& fn_;
  Task<absl::StatusOr<Output>> task_;
};

template <class Fn>
class TypedFunction final : public WorkflowFunction {
 public:
  explicit TypedFunction(Fn fn) : fn_(std::move(fn)) {}
  std::unique_ptr<Invocation> MakeInvocation() const override {
    return std::make_unique<TypedInvocation<Fn>>(fn_);
  }

 private:
  Fn fn_;
};

}  // namespace holdfast::workflows::internal
