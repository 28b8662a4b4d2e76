// Proves that C++ values and JSON turn into each other exactly, that a value of the wrong shape is
// refused with its place, and that calls are matched to parameter lists by the stated rules.
#include "workflows/runtime/typed_json.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

namespace holdfast::workflows {

struct Leg {
  std::string symbol;
  int64_t quantity = 0;
  bool operator==(const Leg&) const = default;
};
// Written for any JSON type: members keep this order.
template <class J>
void to_json(J& json, const Leg& leg) {
  json = J::object();
  json["symbol"] = leg.symbol;
  json["quantity"] = leg.quantity;
}
template <class J>
void from_json(const J& json, Leg& leg) {
  json.at("symbol").get_to(leg.symbol);
  json.at("quantity").get_to(leg.quantity);
}

struct Plain {
  int64_t zulu = 0;
  std::vector<std::string> alpha;
  bool operator==(const Plain&) const = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Plain, zulu, alpha)

struct Thrower {};
template <class J>
void to_json(J&, const Thrower&) {
  throw std::runtime_error("cannot write a thrower");
}
template <class J>
void from_json(const J&, Thrower&) {
  throw std::runtime_error("cannot read a thrower");
}

namespace {

template <class T>
std::string Text(const T& value) {
  const absl::StatusOr<Json> json = ToJson(value);
  REQUIRE(json.ok());
  return WriteJson(*json).value();
}
template <class T>
absl::StatusOr<T> Value(const char* text) {
  return FromJson<T>(ParseJson(text).value());
}
template <class T>
std::string Error(const char* text) {
  const absl::Status status = Value<T>(text).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}
template <class T>
void CheckBothWays(const T& value, const char* text) {
  CAPTURE(text);
  CHECK(Text(value) == text);
  REQUIRE(Value<T>(text).ok());
  CHECK(*Value<T>(text) == value);
}

TEST_CASE("typed json: values and texts turn into each other", "[workflows][json]") {
  CheckBothWays(true, "true");
  CheckBothWays<int64_t>(std::numeric_limits<int64_t>::min(), "-9223372036854775808");
  CheckBothWays<uint64_t>(std::numeric_limits<uint64_t>::max(), "18446744073709551615");
  CheckBothWays<int8_t>(-128, "-128");
  CheckBothWays(0.1, "0.1");
  CheckBothWays<std::string>("ü\"", R"("ü\"")");
  CheckBothWays(std::optional<int>(), "null");
  CheckBothWays(std::optional<int>(3), "3");
  CheckBothWays(std::monostate(), "null");
  CheckBothWays(std::vector<bool>{true, false}, "[true,false]");
  CheckBothWays(std::vector<std::optional<std::string>>{"a", std::nullopt}, R"(["a",null])");
  CheckBothWays(std::array<int, 2>{1, 2}, "[1,2]");
  CheckBothWays(std::map<std::string, std::vector<int>>{{"b", {1}}, {"a", {}}},
                R"({"a":[],"b":[1]})");
  CheckBothWays(std::unordered_map<std::string, int>{{"y", 1}, {"x", 2}}, R"({"x":2,"y":1})");
  CheckBothWays(std::pair<int, std::string>{1, "a"}, R"([1,"a"])");
  CheckBothWays(std::tuple<int, std::optional<int>>{1, {}}, "[1,null]");
  CheckBothWays(std::vector<Leg>{{"BTC", 2}}, R"([{"symbol":"BTC","quantity":2}])");
  CheckBothWays(Plain{7, {"a"}}, R"({"alpha":["a"],"zulu":7})");
  CheckBothWays(ParseJson(R"({"z":1,"a":2})").value(), R"({"z":1,"a":2})");
  CHECK(*Value<double>("3") == 3.0);
  CHECK(*FromJson<std::vector<int>>(nlohmann::json::parse("[1,2]")) == std::vector<int>{1, 2});
}

TEST_CASE("typed json: a wrong value is refused with its place", "[workflows][json]") {
  CHECK(Error<int64_t>("\"1\"") == "expected integer, got string");
  CHECK(Error<int64_t>("1.0") == "expected integer, got number 1.0");
  CHECK(Error<int64_t>("9223372036854775808") ==
        "expected integer from -9223372036854775808 to 9223372036854775807, "
        "got integer 9223372036854775808");
  CHECK(Error<int16_t>("32768") == "expected integer from -32768 to 32767, got integer 32768");
  CHECK(Error<uint64_t>("-1") == "expected integer from 0 to 18446744073709551615, got integer -1");
  CHECK(Error<bool>("0") == "expected boolean, got integer 0");
  CHECK(Error<double>("null") == "expected number, got null");
  CHECK(Error<std::string>("{}") == "expected string, got object");
  CHECK(Error<std::monostate>("[]") == "expected null, got array of 0");
  CHECK(Error<std::vector<int>>("{}") == "expected array, got object");
  CHECK(Error<std::array<int, 2>>("[1]") == "expected array of 2, got array of 1");
  CHECK(Error<std::vector<std::vector<int>>>("[[1],[2,true]]") ==
        "/1/1: expected integer, got boolean");
  CHECK(Error<std::map<std::string, std::vector<int>>>(R"({"a":[1],"b":[1,"x"]})") ==
        "/b/1: expected integer, got string");
  CHECK(Error<std::tuple<int, std::string>>("[1]") == "expected array of 2, got array of 1");
  CHECK(Error<std::tuple<int, std::string>>("[1,2]") == "/1: expected string, got integer 2");
  CHECK(
      Error<std::vector<Leg>>(R"([{"symbol":"BTC","quantity":1},{"symbol":"ETH"}])").find("/1: ") ==
      0);
  CHECK(Error<Plain>("[]").find("json.exception") != std::string::npos);
  const std::string name(5000, 'n');
  const std::string large = "{\"" + name + "\":1}";
  CHECK(Error<std::map<std::string, std::string>>(large.c_str()).size() < 300);
}

TEST_CASE("typed json: exceptions of adapters become errors", "[workflows][json]") {
  CHECK(Error<Thrower>("1") == "cannot read a thrower");
  CHECK(ToJson(Thrower()).status().message() == "cannot write a thrower");
  CHECK(ToJson(std::vector<Thrower>(1)).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(ArgumentsFromInput(std::tuple<Thrower>()).status().code() ==
        absl::StatusCode::kInvalidArgument);
}

Arguments Call(const char* positional, const char* named = "{}") {
  Arguments arguments;
  const Json list = ParseJson(positional).value();
  arguments.positional.assign(list.begin(), list.end());
  arguments.named = ParseJson(named).value();
  return arguments;
}
template <class In>
std::string CallError(const Arguments& call) {
  const absl::StatusOr<In> input = InputFromArguments<In>(call);
  CHECK(input.status().code() == absl::StatusCode::kInvalidArgument);
  return std::string(input.status().message());
}

TEST_CASE("arguments: a parameter list takes them in order", "[workflows][arguments]") {
  using List = std::tuple<int64_t, std::string, std::optional<int>, Json>;
  CHECK(*InputFromArguments<List>(Call(R"([1,"a",2,[3]])")) == List(1, "a", 2, Json::array({3})));
  CHECK(*InputFromArguments<List>(Call(R"([1,"a"])")) == List(1, "a", std::nullopt, nullptr));
  CHECK(*InputFromArguments<List>(Call(R"([1,"a",null,null,null])")) ==
        List(1, "a", std::nullopt, nullptr));
  CHECK(CallError<List>(Call("[1]")) ==
        "argument 1 is missing: argument 1: expected string, got null");
  CHECK(CallError<List>(Call("[1,2]")) == "argument 1: expected string, got integer 2");
  CHECK(CallError<List>(Call(R"([1,"a",2,3,4])")) == "too many arguments: count=5 parameters=4");
  CHECK(CallError<std::tuple<std::vector<int>>>(Call(R"([[1,"x"]])")) ==
        "argument 0/1: expected integer, got string");
  CHECK(CallError<List>(Call(R"([1,"a"])", R"({"k":1})")) ==
        "no parameter takes named arguments: first=k");
  CHECK(InputFromArguments<std::tuple<>>(Call("[]")).ok());
  CHECK(CallError<std::tuple<>>(Call("[0]")) == "too many arguments: count=1 parameters=0");
}

TEST_CASE("arguments: the last parameter may take the named ones", "[workflows][arguments]") {
  using List = std::tuple<int, int, NamedArguments>;
  const List input = *InputFromArguments<List>(Call("[1,2]", R"({"x":3})"));
  CHECK(std::get<2>(input).values == ParseJson(R"({"x":3})").value());
  CHECK(std::get<2>(*InputFromArguments<List>(Call("[1,2]"))).values == Json::object());
  CHECK(CallError<List>(Call("[1,2,3]")) == "too many arguments: count=3 parameters=2");
  CHECK(*ArgumentsFromInput(input) == Call("[1,2]", R"({"x":3})"));
}

TEST_CASE("arguments: one input is the one argument, or the named ones", "[workflows][arguments]") {
  const Leg leg{"BTC", 2};
  const char* text = R"({"symbol":"BTC","quantity":2})";
  CHECK(*InputFromArguments<Leg>(*ArgumentsFromInput(leg)) == leg);
  CHECK(*InputFromArguments<Leg>(Call("[]", text)) == leg);
  CHECK(*InputFromArguments<Json>(Call("[]", text)) == ParseJson(text).value());
  CHECK(*InputFromArguments<Json>(Call("[]")) == Json(nullptr));
  CHECK(*InputFromArguments<std::optional<int>>(Call("[]")) == std::nullopt);
  CHECK(*InputFromArguments<std::vector<int>>(Call("[[1,2]]")) == std::vector<int>{1, 2});
  CHECK(*InputFromArguments<std::pair<int, int>>(Call("[[1,2]]")) == std::pair(1, 2));
  CHECK(CallError<int>(Call("[]")) ==
        "argument 0 is missing: argument 0: expected integer, got null");
  CHECK(CallError<int>(Call("[1,2]")) == "too many arguments: count=2 parameters=1");
  CHECK(CallError<int>(Call("[1]", R"({"a":1})")) == "no parameter takes named arguments: first=a");
}

TEST_CASE("arguments: no input takes none, and the raw call takes all", "[workflows][arguments]") {
  CHECK(InputFromArguments<std::monostate>(Call("[]")).ok());
  CHECK(InputFromArguments<std::monostate>(Call("[null]")).ok());
  CHECK(CallError<std::monostate>(Call("[1]")) == "too many arguments: count=1 parameters=0");
  CHECK(*ArgumentsFromInput(std::monostate()) == Arguments());
  const Arguments call = Call("[1,2]", R"({"a":1})");
  CHECK(*InputFromArguments<Arguments>(call) == call);
  CHECK(*ArgumentsFromInput(call) == call);
}

}  // namespace
}  // namespace holdfast::workflows
