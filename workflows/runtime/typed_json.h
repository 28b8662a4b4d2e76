#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "workflows/runtime/json.h"
#include "workflows/runtime/payload.h"

// Between C++ types and JSON: what a workflow's input, its output and a step's result may be.
//
//   bool, integers, double        exact: a number that does not fit the type is refused
//   std::string                   UTF-8
//   std::optional<T>              null when absent
//   std::vector<T>, std::array    an array
//   std::map, std::unordered_map  an object; keys are std::string
//   std::pair, std::tuple         an array of that length
//   std::monostate                null: nothing to say
//   Json                          anything
//   a struct                      through nlohmann's adapters: to_json and from_json beside the
//                                 type, by hand or by NLOHMANN_DEFINE_TYPE_*. Adapters written for
//                                 any JSON type (template <class J> void to_json(J&, const T&))
//                                 keep the order of members; those for nlohmann::json sort them.
//
// Errors are kInvalidArgument and name the place and what was expected there, for instance
// "/legs/2/price: expected integer, got string". Exceptions of adapters end here.
namespace holdfast::workflows {

// As the last parameter of a list: takes the named arguments that the call brought.
struct NamedArguments {
  Json values = Json::object();
  bool operator==(const NamedArguments&) const = default;
};

namespace internal {

// A place inside a value, as a chain on the stack: it costs nothing until there is an error.
struct JsonPlace {
  const JsonPlace* parent = nullptr;
  std::string_view name;  // of a member; else the index counts
  size_t index = 0;
  bool is_member = false;

  std::string Text() const;
};

// "PLACE: expected WHAT, got KIND".
absl::Status Expected(const JsonPlace& place, std::string_view what, const Json& got);
absl::Status AdapterFailed(const JsonPlace& place, const std::exception& error);

template <class T>
struct IsVector : std::false_type {};
template <class T, class A>
struct IsVector<std::vector<T, A>> : std::true_type {};
template <class T>
struct IsStdArray : std::false_type {};
template <class T, size_t N>
struct IsStdArray<std::array<T, N>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsTextMap : std::false_type {};
template <class T, class C, class A>
struct IsTextMap<std::map<std::string, T, C, A>> : std::true_type {};
template <class T, class H, class E, class A>
struct IsTextMap<std::unordered_map<std::string, T, H, E, A>> : std::true_type {};
template <class T>
struct IsTuple : std::false_type {};
template <class... T>
struct IsTuple<std::tuple<T...>> : std::true_type {};
template <class A, class B>
struct IsTuple<std::pair<A, B>> : std::true_type {};
template <class T>
struct IsParameterList : std::false_type {};
template <class... T>
struct IsParameterList<std::tuple<T...>> : std::true_type {};

// Adapters that are written for any JSON type keep the order of members.
template <class T>
concept OrderedAdapter = requires(Json& json, const T& value) {
  nlohmann::adl_serializer<T>::to_json(json, value);
};

template <class T>
absl::StatusOr<T> Read(const Json& json, const JsonPlace& place);

template <std::integral T>
absl::StatusOr<T> ReadInteger(const Json& json, const JsonPlace& place) {
  if (!json.is_number_integer()) return Expected(place, "integer", json);
  if (json.is_number_unsigned()) {
    const auto value = json.get<uint64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else {
    const auto value = json.get<int64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  }
  return Expected(place,
                  absl::StrCat("integer from ", std::numeric_limits<T>::min(), " to ",
                               std::numeric_limits<T>::max()),
                  json);
}

template <class Tuple, size_t... I>
absl::StatusOr<Tuple> ReadTuple(const Json& json, const JsonPlace& place,
                                std::index_sequence<I...>) {
  if (!json.is_array() || json.size() != sizeof...(I)) {
    return Expected(place, absl::StrCat("array of ", sizeof...(I)), json);
  }
  std::tuple<absl::StatusOr<std::tuple_element_t<I, Tuple>>...> elements{
      Read<std::tuple_element_t<I, Tuple>>(json[I], JsonPlace{&place, {}, I, false})...};
  absl::Status status;
  (status.Update(std::get<I>(elements).status()), ...);
  HF_RETURN_IF_ERROR(status);
  return Tuple{*std::move(std::get<I>(elements))...};
}

template <class T>
absl::StatusOr<T> ReadAdapted(const Json& json, const JsonPlace& place) {
  try {
    return json.get<T>();
  } catch (const std::exception& error) {
    return AdapterFailed(place, error);
  }
}

template <class T>
absl::StatusOr<T> ReadElements(const Json& json, const JsonPlace& place) {
  if (!json.is_array()) return Expected(place, "array", json);
  T values{};
  if constexpr (IsStdArray<T>::value) {
    if (json.size() != values.size()) {
      return Expected(place, absl::StrCat("array of ", values.size()), json);
    }
  } else {
    values.reserve(json.size());
  }
  for (size_t i = 0; i < json.size(); ++i) {
    HF_ASSIGN_OR_RETURN(typename T::value_type value,
                        Read<typename T::value_type>(json[i], JsonPlace{&place, {}, i, false}));
    if constexpr (IsStdArray<T>::value) {
      values[i] = std::move(value);
    } else {
      values.push_back(std::move(value));
    }
  }
  return values;
}

template <class T>
absl::StatusOr<T> ReadMembers(const Json& json, const JsonPlace& place) {
  if (!json.is_object()) return Expected(place, "object", json);
  T values;
  for (const auto& [name, member] : json.items()) {
    HF_ASSIGN_OR_RETURN(typename T::mapped_type value,
                        Read<typename T::mapped_type>(member, JsonPlace{&place, name, 0, true}));
    values.emplace(name, std::move(value));
  }
  return values;
}

template <class T>
absl::StatusOr<T> Read(const Json& json, const JsonPlace& place) {
  if constexpr (std::same_as<T, Json>) {
    return json;
  } else if constexpr (std::same_as<T, std::monostate>) {
    if (!json.is_null()) return Expected(place, "null", json);
    return std::monostate();
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) return Expected(place, "boolean", json);
    return json.get<bool>();
  } else if constexpr (std::integral<T>) {
    return ReadInteger<T>(json, place);
  } else if constexpr (std::floating_point<T>) {
    if (!json.is_number()) return Expected(place, "number", json);
    return json.get<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) return Expected(place, "string", json);
    return json.get<std::string>();
  } else if constexpr (IsOptional<T>::value) {
    if (json.is_null()) return T();
    HF_ASSIGN_OR_RETURN(typename T::value_type value, Read<typename T::value_type>(json, place));
    return T(std::move(value));
  } else if constexpr (IsVector<T>::value || IsStdArray<T>::value) {
    return ReadElements<T>(json, place);
  } else if constexpr (IsTextMap<T>::value) {
    return ReadMembers<T>(json, place);
  } else if constexpr (IsTuple<T>::value) {
    return ReadTuple<T>(json, place, std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    return ReadAdapted<T>(json, place);
  }
}

// Throws only what adapters throw.
template <class T>
Json Write(const T& value) {
  if constexpr (std::same_as<T, Json>) {
    return value;
  } else if constexpr (std::same_as<T, std::monostate>) {
    return Json(nullptr);
  } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
    return Json(value);
  } else if constexpr (IsOptional<T>::value) {
    return value.has_value() ? Write(*value) : Json(nullptr);
  } else if constexpr (IsVector<T>::value || IsStdArray<T>::value) {
    Json array = Json::array();
    for (const typename T::value_type& element : value) array.push_back(Write(element));
    return array;
  } else if constexpr (IsTextMap<T>::value) {
    // In the order of the names, so that equal maps have equal texts.
    std::map<std::string, const typename T::mapped_type*> sorted;
    for (const auto& [name, member] : value) sorted.emplace(name, &member);
    Json object = Json::object();
    auto& members = *object.get_ptr<Json::object_t*>();
    members.reserve(sorted.size());
    for (const auto& [name, member] : sorted) members.emplace_back(name, Write(*member));
    return object;
  } else if constexpr (IsTuple<T>::value) {
    Json array = Json::array();
    std::apply([&](const auto&... element) { (array.push_back(Write(element)), ...); }, value);
    return array;
  } else if constexpr (OrderedAdapter<T>) {
    return Json(value);
  } else {
    return Json(nlohmann::json(value));
  }
}

// Reads parameter I; `last` says whether a missing one may be left to its type.
template <class T>
absl::StatusOr<T> ReadParameter(const Arguments& arguments, size_t index) {
  const std::string name = absl::StrCat("argument ", index);
  const JsonPlace place{nullptr, name, 0, true};
  if constexpr (std::same_as<T, NamedArguments>) {
    return NamedArguments{arguments.named};
  } else {
    static const Json kMissing = nullptr;
    if (index < arguments.positional.size()) return Read<T>(arguments.positional[index], place);
    absl::StatusOr<T> value = Read<T>(kMissing, place);
    if (!value.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is missing: ", value.status().message()));
    }
    return value;
  }
}

absl::Status CheckCounts(const Arguments& arguments, size_t parameter_count, bool takes_named);

template <class... T, size_t... I>
absl::StatusOr<std::tuple<T...>> ReadParameters(const Arguments& arguments,
                                                std::type_identity<std::tuple<T...>>,
                                                std::index_sequence<I...>) {
  constexpr size_t kNamedCount = (size_t{0} + ... + (std::same_as<T, NamedArguments> ? 1 : 0));
  static_assert(kNamedCount <= 1, "one parameter takes the named arguments");
  if constexpr (kNamedCount == 1) {
    static_assert(
        std::same_as<std::tuple_element_t<sizeof...(T) - 1, std::tuple<T...>>, NamedArguments>,
        "NamedArguments is the last parameter");
  }
  HF_RETURN_IF_ERROR(CheckCounts(arguments, sizeof...(T) - kNamedCount, kNamedCount == 1));
  std::tuple<absl::StatusOr<T>...> values{ReadParameter<T>(arguments, I)...};
  absl::Status status;
  (status.Update(std::get<I>(values).status()), ...);
  HF_RETURN_IF_ERROR(status);
  return std::tuple<T...>(*std::move(std::get<I>(values))...);
}

}  // namespace internal

template <class T>
[[nodiscard]] absl::StatusOr<T> FromJson(const Json& json) {
  return internal::Read<T>(json, internal::JsonPlace{});
}
template <class T>
[[nodiscard]] absl::StatusOr<T> FromJson(const nlohmann::json& json) {
  return internal::Read<T>(Json(json), internal::JsonPlace{});
}

// Fails only when an adapter throws. What JSON cannot say (NaN, text that is not UTF-8) is refused
// when the value is written.
template <class T>
[[nodiscard]] absl::StatusOr<Json> ToJson(const T& value) {
  try {
    return internal::Write(value);
  } catch (const std::exception& error) {
    return internal::AdapterFailed(internal::JsonPlace{}, error);
  }
}

// What a call's arguments are for a workflow whose input is an `In`:
//
//   Arguments         as they are
//   std::monostate    there are none
//   std::tuple<T...>  a parameter list. A missing trailing argument is null to its parameter, so it
//                     may be missing where null is a value (optional, Json). A last parameter of
//                     type NamedArguments takes the named arguments
//   anything else     the one positional argument; or, when the call has named arguments only, the
//                     object that they make
//
// Arguments beyond the parameters are refused unless they are null, and so are named arguments that
// nothing takes: a call that says more than the workflow understands is a mistake.
template <class In>
[[nodiscard]] absl::StatusOr<In> InputFromArguments(const Arguments& arguments) {
  if constexpr (std::same_as<In, Arguments>) {
    return arguments;
  } else if constexpr (std::same_as<In, std::monostate>) {
    HF_RETURN_IF_ERROR(internal::CheckCounts(arguments, 0, /*takes_named=*/false));
    return std::monostate();
  } else if constexpr (internal::IsParameterList<In>::value) {
    return internal::ReadParameters(arguments, std::type_identity<In>(),
                                    std::make_index_sequence<std::tuple_size_v<In>>());
  } else {
    if (arguments.positional.empty() && !arguments.named.empty()) {
      return FromJson<In>(arguments.named);
    }
    HF_RETURN_IF_ERROR(internal::CheckCounts(arguments, 1, /*takes_named=*/false));
    return internal::ReadParameter<In>(arguments, 0);
  }
}

// The call that gives this input.
template <class In>
[[nodiscard]] absl::StatusOr<Arguments> ArgumentsFromInput(const In& input) {
  Arguments arguments;
  if constexpr (std::same_as<In, Arguments>) {
    return input;
  } else if constexpr (std::same_as<In, std::monostate>) {
    return arguments;
  } else if constexpr (internal::IsParameterList<In>::value) {
    try {
      std::apply(
          [&]<class... T>(const T&... parameter) {
            const auto add = [&]<class P>(const P& value) {
              if constexpr (std::same_as<P, NamedArguments>) {
                arguments.named = value.values;
              } else {
                arguments.positional.push_back(internal::Write(value));
              }
            };
            (add(parameter), ...);
          },
          input);
    } catch (const std::exception& error) {
      return internal::AdapterFailed(internal::JsonPlace{}, error);
    }
    return arguments;
  } else {
    HF_ASSIGN_OR_RETURN(Json value, ToJson(input));
    arguments.positional.push_back(std::move(value));
    return arguments;
  }
}

}  // namespace holdfast::workflows
