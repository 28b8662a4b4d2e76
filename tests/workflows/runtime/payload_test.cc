// Proves that payloads are those of DBOS's other runtimes: texts that its TypeScript SDK wrote are
// read as what was meant, plain ones are written with the same bytes, and what JSON cannot say is
// refused; written_here.json holds texts of ours that the SDK has read (fixtures/generate.mjs).
#include "workflows/runtime/payload.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "fixture.h"
#include "random_json.h"
#include "workflows/runtime/superjson.h"

namespace holdfast::workflows {
namespace {

constexpr PayloadFormat kFormats[] = {PayloadFormat::kPortableJson, PayloadFormat::kSuperjson,
                                      PayloadFormat::kDbosJson};

PayloadFormat FormatOf(const Json& row) {
  const auto format = PayloadFormatFromColumn(row["serialization"].get<std::string>());
  REQUIRE(format.ok());
  return *format;
}
Json Parsed(std::string_view text) {
  const absl::StatusOr<Json> value = ParseJson(text);
  REQUIRE(value.ok());
  return *value;
}
Arguments List(const Json& list) {
  Arguments arguments;
  for (const Json& argument : list) arguments.positional.push_back(argument);
  return arguments;
}
Json Shown(const WorkflowError& error) {
  Json shown = Json::object();
  shown["name"] = error.name;
  shown["message"] = error.message;
  shown["code"] = nullptr;
  if (const auto* number = std::get_if<int64_t>(&error.code)) shown["code"] = *number;
  if (const auto* text = std::get_if<std::string>(&error.code)) shown["code"] = *text;
  shown["data"] = error.data;
  return shown;
}
WorkflowError ErrorOf(const Json& shown) {
  WorkflowError error;
  error.name = shown["name"].get<std::string>();
  error.message = shown["message"].get<std::string>();
  if (shown["code"].is_number()) error.code = shown["code"].get<int64_t>();
  if (shown["code"].is_string()) error.code = shown["code"].get<std::string>();
  error.data = shown["data"];
  error.status_code = StatusCodeFromName(error.name);
  return error;
}

TEST_CASE("payload: every format has its name, and other names are refused",
          "[workflows][payload]") {
  for (const PayloadFormat format : kFormats) {
    CHECK(*PayloadFormatFromColumn(PayloadFormatName(format)) == format);
  }
  CHECK(PayloadFormatName(PayloadFormat::kPortableJson) == "portable_json");
  CHECK(*PayloadFormatFromColumn(std::nullopt) == PayloadFormat::kSuperjson);
  CHECK(*PayloadFormatFromColumn("") == PayloadFormat::kSuperjson);
  for (const char* name :
       {"py_pickle", "DBOS_GOB", "PORTABLE_JSON", "portable", " ", "js_legacy"}) {
    CHECK(PayloadFormatFromColumn(name).status().code() == absl::StatusCode::kUnimplemented);
  }
  const absl::Status refused = PayloadFormatFromColumn(std::string(9000, 'x')).status();
  CHECK(refused.message().size() < 200);
}

TEST_CASE("payload: what the SDK wrote is read, and plain values are written like it",
          "[workflows][payload]") {
  for (const Json& row : ReadFixture("sdk_payloads.json")) {
    const auto name = row["name"].get<std::string>();
    const auto kind = row["kind"].get<std::string>();
    const auto text = row["text"].get<std::string>();
    const PayloadFormat format = FormatOf(row);
    CAPTURE(name, kind, text);
    if (kind == "refused") {
      CHECK(DecodeValue(format, text).status().code() == absl::StatusCode::kUnimplemented);
      continue;
    }
    const Json value = Parsed(row["value"].get<std::string>());
    if (kind == "arguments") {
      REQUIRE(DecodeArguments(format, text).ok());
      CHECK(*DecodeArguments(format, text) == List(value));
      CHECK(*EncodeArguments(format, List(value)) == text);
    } else if (kind == "error") {
      REQUIRE(DecodeError(format, text).ok());
      CHECK(Shown(*DecodeError(format, text)) == value);
      CHECK(EncodeError(format, ErrorOf(value)).size() >= text.size() - 20);
      if (format == PayloadFormat::kPortableJson)
        CHECK(EncodeError(format, ErrorOf(value)) == text);
    } else {
      REQUIRE(DecodeValue(format, text).ok());
      CHECK(*DecodeValue(format, text) == value);
      CHECK(WriteJson(*DecodeValue(format, text)) == WriteJson(value));
      // Exponents are written in another way, with the same value.
      const bool is_same_text = kind == "value" && text.find("e+") == std::string::npos &&
                                text.find("1e-7") == std::string::npos && name != "a large number";
      if (is_same_text) CHECK(*EncodeValue(format, value) == text);
    }
  }
}

TEST_CASE("payload: our texts are those that the SDK has read", "[workflows][payload]") {
  for (const Json& row : ReadFixture("written_here.json")) {
    const auto kind = row["kind"].get<std::string>();
    const auto text = row["text"].get<std::string>();
    const Json value = Parsed(row["value"].get<std::string>());
    const PayloadFormat format = FormatOf(row);
    CAPTURE(text);
    if (kind == "arguments") {
      CHECK(*EncodeArguments(format, List(value)) == text);
      CHECK(*DecodeArguments(format, text) == List(value));
    } else if (kind == "error") {
      CHECK(EncodeError(format, ErrorOf(value)) == text);
      CHECK(*DecodeError(format, text) == ErrorOf(value));
    } else {
      CHECK(*EncodeValue(format, value) == text);
      CHECK(*DecodeValue(format, text) == value);
    }
  }
}

TEST_CASE("payload: arguments of the portable form may lack either part, in any spacing",
          "[workflows][payload]") {
  const auto decode = [](const char* text) {
    return DecodeArguments(PayloadFormat::kPortableJson, text);
  };
  Arguments both = List(Parsed(R"([1,"b"])"));
  both.named["k"] = true;
  CHECK(*decode(R"({"namedArgs": {"k" : true}, "positionalArgs" : [1, "b"]})") == both);
  CHECK(*EncodeArguments(PayloadFormat::kPortableJson, both) ==
        R"({"positionalArgs":[1,"b"],"namedArgs":{"k":true}})");
  for (const char* empty : {"{}", "null", R"({"positionalArgs":null,"namedArgs":null})",
                            R"({"positionalArgs":[]})", R"({"namedArgs":{}})", R"({"other":1})"}) {
    CAPTURE(empty);
    REQUIRE(decode(empty).ok());
    CHECK(*decode(empty) == Arguments());
  }
  CHECK(*DecodeArguments(PayloadFormat::kPortableJson, std::nullopt) == Arguments());
  for (const char* bad : {"", "[]", "1", R"({"positionalArgs":{}})", R"({"positionalArgs":1})",
                          R"({"namedArgs":[]})", R"({"namedArgs":"a"})"}) {
    CAPTURE(bad);
    CHECK(decode(bad).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("payload: a format without a place for some arguments refuses them",
          "[workflows][payload]") {
  Arguments named;
  named.named["a"] = 1;
  const Arguments two = List(Parsed("[1,2]"));
  for (const PayloadFormat format : {PayloadFormat::kSuperjson, PayloadFormat::kDbosJson}) {
    CHECK(EncodeArguments(format, named).status().code() == absl::StatusCode::kUnimplemented);
  }
  CHECK(EncodeArguments(PayloadFormat::kDbosJson, two).status().code() ==
        absl::StatusCode::kUnimplemented);
}

TEST_CASE("payload: a text of another format is refused, not misread", "[workflows][payload]") {
  const auto code = [](PayloadFormat format, const char* text) {
    return DecodeValue(format, text).status().code();
  };
  for (const char* text :
       {"{}", "null", "[1]", R"({"json":1})", R"({"json":1,"__dbos_serializer":"other"})",
        R"({"__dbos_serializer":"superjson"})", "gASVBQ==", "__DBOS_NIL"}) {
    CAPTURE(text);
    CHECK(code(PayloadFormat::kSuperjson, text) == absl::StatusCode::kInvalidArgument);
  }
  for (const char* text : {"{}", "[1]", "e30", "#", "gASVBQ==", "bnVs"}) {
    CAPTURE(text);
    if (std::string_view(text) == "e30") continue;  // {} without its padding: taken
    CHECK(code(PayloadFormat::kDbosJson, text) == absl::StatusCode::kInvalidArgument);
  }
  CHECK(*DecodeValue(PayloadFormat::kDbosJson, "bnVsbA==") == Json(nullptr));
  for (const PayloadFormat format : kFormats) {
    CHECK(*DecodeValue(format, std::nullopt) == Json(nullptr));
  }
}

TEST_CASE("payload: broken notes of superjson are refused", "[workflows][payload]") {
  for (const char* meta : {"1",
                           "[]",
                           R"({"values":1})",
                           R"({"values":[]})",
                           R"({"values":["Date",{},1]})",
                           R"({"values":[1]})",
                           R"({"values":["Date",{"a":["Date"]}]})",
                           R"({"values":{"a":["Date"]}})",
                           R"({"values":{"9":["Date"]}})",
                           R"({"values":{"-1":["Date"]}})",
                           R"({"values":{"0":"Date"}})",
                           R"({"values":{"0":["Date"]}})",
                           R"({"values":{"1":["set"]}})",
                           R"({"values":{"1":["map"]}})",
                           R"({"values":{"1":["Error"]}})",
                           R"({"values":["bigint"]})",
                           R"({"values":{"2":["map"]}})",
                           R"({"values":{"0.0":["Date"]}})",
                           R"({"values":[[]]})",
                           R"({"referentialEqualities":1})",
                           R"({"referentialEqualities":{"a":1}})",
                           R"({"referentialEqualities":{"a":[1]}})"}) {
    const std::string text = std::string(R"({"json":[1,"a",[["k",1],["k",2]]],"meta":)") + meta +
                             R"(,"__dbos_serializer":"superjson"})";
    CAPTURE(text);
    CHECK(ParseSuperjson(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
  for (const char* meta :
       {R"({"values":{"0":["number"]}})", R"({"values":{"1":["regexp"]}})",
        R"({"values":{"1":[["class","X"]]}})", R"({"values":{"1":["unheard of"]}})",
        R"({"referentialEqualities":[["a"]]})", R"({"referentialEqualities":{"a":["a.b"]}})"}) {
    const std::string text =
        std::string(R"({"json":[1,"a"],"meta":)") + meta + R"(,"__dbos_serializer":"superjson"})";
    CAPTURE(text);
    CHECK(ParseSuperjson(text).status().code() == absl::StatusCode::kUnimplemented);
  }
  CHECK(ParseSuperjson(R"({"json":1,"meta":null,"__dbos_serializer":"superjson"})").ok());
}

TEST_CASE("payload: random values pass through every format", "[workflows][payload]") {
  const uint64_t seed = 5303;
  CAPTURE(seed);
  Prng prng(seed);
  for (int i = 0; i < 1500; ++i) {
    const Json value = RandomJson(prng, 4);
    for (const PayloadFormat format : kFormats) {
      const absl::StatusOr<std::string> text = EncodeValue(format, value);
      REQUIRE(text.ok());
      CHECK(*DecodeValue(format, *text) == value);
      Arguments one;
      one.positional.push_back(value);
      CHECK(*DecodeArguments(format, *EncodeArguments(format, one)) == one);
    }
    Arguments many;
    for (uint64_t n = prng.Below(4); n > 0; --n) many.positional.push_back(RandomJson(prng, 3));
    CHECK(*DecodeArguments(PayloadFormat::kSuperjson,
                           *EncodeArguments(PayloadFormat::kSuperjson, many)) == many);
    for (uint64_t n = prng.Below(4); n > 0; --n) many.named[RandomText(prng)] = n;
    CHECK(*DecodeArguments(PayloadFormat::kPortableJson,
                           *EncodeArguments(PayloadFormat::kPortableJson, many)) == many);
  }
}

TEST_CASE("payload: an error column is read, however odd its shape", "[workflows][payload]") {
  const auto read = [](const char* text) {
    const auto error = DecodeError(PayloadFormat::kPortableJson, text);
    REQUIRE(error.ok());
    return WriteJson(Shown(*error)).value();
  };
  CHECK(read("{}") == R"({"name":"Error","message":"","code":null,"data":null})");
  CHECK(read("\"abc\"") == R"({"name":"Error","message":"abc","code":null,"data":null})");
  CHECK(read("[1]") == R"({"name":"Error","message":"[1]","code":null,"data":null})");
  CHECK(read(R"({"name":1,"message":{"a":1},"code":1.5})") ==
        R"({"name":"Error","message":"{\"a\":1}","code":"1.5","data":null})");
  CHECK(read(R"({"code":18446744073709551615,"data":[0]})") ==
        R"({"name":"Error","message":"","code":"18446744073709551615","data":[0]})");
  CHECK(read(R"({"holdfast":{"status":"OK","payloads":{"u":"#","v":1}}})") ==
        R"({"name":"Error","message":"","code":null,"data":null})");
  CHECK(DecodeError(PayloadFormat::kPortableJson, "it failed").status().code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(DecodeError(PayloadFormat::kSuperjson, R"({"name":"E","message":"m"})").status().code() ==
        absl::StatusCode::kInvalidArgument);
}

TEST_CASE("payload: Go's errors are texts, the portable record among them",
          "[workflows][payload]") {
  const auto read = [](const char* text) {
    return WriteJson(Shown(*DecodeError(PayloadFormat::kDbosJson, text))).value();
  };
  CHECK(read("it failed") == R"({"name":"Error","message":"it failed","code":null,"data":null})");
  CHECK(read("") == R"({"name":"Error","message":"","code":null,"data":null})");
  CHECK(read("{oops") == R"({"name":"Error","message":"{oops","code":null,"data":null})");
  CHECK(read(R"({"name":"E","message":"m","code":7})") ==
        R"({"name":"E","message":"m","code":7,"data":null})");
  WorkflowError error;
  error.name = "E";
  error.message = std::string("a\0b\xff", 4);
  CHECK(EncodeError(PayloadFormat::kDbosJson, error) ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD");
}

TEST_CASE("payload: an error that cannot be written is recorded without its details",
          "[workflows][payload]") {
  WorkflowError error;
  error.name = "E";
  error.message = "m\xff";
  error.data = std::numeric_limits<double>::infinity();
  CHECK(EncodeError(PayloadFormat::kPortableJson, error) ==
        "{\"name\":\"E\",\"message\":\"m\xEF\xBF\xBD\"}");
  CHECK(DecodeError(PayloadFormat::kSuperjson, EncodeError(PayloadFormat::kSuperjson, error)).ok());
}

TEST_CASE("payload: the end of a stream is known in every format", "[workflows][payload]") {
  const Json marker = "__DBOS_STREAM_CLOSED__";
  for (const PayloadFormat format : kFormats) {
    CHECK(IsStreamClosedMarker(format, *EncodeValue(format, marker)));
    CHECK(IsStreamClosedMarker(format, "__DBOS_STREAM_CLOSED__"));
    CHECK_FALSE(IsStreamClosedMarker(format, *EncodeValue(format, Json("other"))));
    CHECK_FALSE(IsStreamClosedMarker(format, *EncodeValue(format, Json(nullptr))));
    CHECK_FALSE(IsStreamClosedMarker(format, std::string(500, '"')));
  }
}

}  // namespace
}  // namespace holdfast::workflows
