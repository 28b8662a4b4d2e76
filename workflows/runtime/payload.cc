#include "workflows/runtime/payload.h"

#include <array>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "workflows/runtime/superjson.h"
#include "workflows/runtime/text.h"

namespace holdfast::workflows {
namespace {

constexpr std::string_view kDbosNil = "__DBOS_NIL";
constexpr std::string_view kStreamClosedText = "__DBOS_STREAM_CLOSED__";
// No spelling of the marker is longer, in any format.
constexpr size_t kStreamClosedBytesMax = 128;
constexpr size_t kBase64BytesMax = kJsonBytesMax / 3 * 4 + 8;

struct FormatName {
  PayloadFormat format;
  std::string_view name;
};
constexpr auto kFormatNames = std::to_array<FormatName>({
    {PayloadFormat::kPortableJson, "portable_json"},
    {PayloadFormat::kSuperjson, "js_superjson"},
    {PayloadFormat::kDbosJson, "DBOS_JSON"},
});

absl::StatusOr<std::string> WriteBase64(const Json& value) {
  HF_ASSIGN_OR_RETURN(const std::string text, WriteJson(value));
  return absl::Base64Escape(text);
}

absl::StatusOr<Json> ParseBase64(std::string_view text) {
  if (text.size() > kBase64BytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("DBOS_JSON: too long: size_bytes=", text.size()));
  }
  std::string json;
  if (!absl::Base64Unescape(AbslView(text), &json)) {
    return absl::InvalidArgumentError("DBOS_JSON: not base64");
  }
  return ParseJson(json);
}

absl::StatusOr<Arguments> ArgumentsFromList(Json list, absl::string_view format) {
  if (list.is_null()) return Arguments{};
  if (!list.is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(format, ": the arguments are not an array"));
  }
  Arguments arguments;
  arguments.positional = std::move(*list.get_ptr<Json::array_t*>());
  return arguments;
}

absl::StatusOr<Arguments> ArgumentsFromEnvelope(Json envelope) {
  if (envelope.is_null()) return Arguments{};
  if (!envelope.is_object()) {
    return absl::InvalidArgumentError("portable_json: the arguments are not an object");
  }
  Arguments arguments;
  if (const auto list = envelope.find("positionalArgs"); list != envelope.end()) {
    HF_ASSIGN_OR_RETURN(arguments, ArgumentsFromList(std::move(*list), "portable_json"));
  }
  if (const auto named = envelope.find("namedArgs"); named != envelope.end() && !named->is_null()) {
    if (!named->is_object()) {
      return absl::InvalidArgumentError("portable_json: the named arguments are not an object");
    }
    arguments.named = std::move(*named);
  }
  return arguments;
}

// ---- Errors ------------------------------------------------------------------------------------

// What only a C++ reader needs: present when the name does not say the status code, or the status
// had payloads of other owners.
constexpr const char* kOwnMember = "holdfast";

Json OwnMember(const WorkflowError& error) {
  Json own = Json::object();
  if (error.status_code != StatusCodeFromName(error.name)) {
    own["status"] = StatusCodeName(error.status_code);
  }
  if (!error.payloads.empty()) {
    Json& payloads = own["payloads"] = Json::object();
    for (const auto& [url, bytes] : error.payloads) payloads[url] = absl::Base64Escape(bytes);
  }
  return own;
}

Json RecordFromError(const WorkflowError& error, bool with_stack) {
  Json record = Json::object();
  record["name"] = error.name;
  record["message"] = error.message;
  // JavaScript prints an error by its stack, and makes up one of its own when there is none.
  if (with_stack) record["stack"] = absl::StrCat(error.name, ": ", error.message);
  if (const auto* number = std::get_if<int64_t>(&error.code)) record["code"] = *number;
  if (const auto* text = std::get_if<std::string>(&error.code)) record["code"] = *text;
  if (!error.data.is_null()) record["data"] = error.data;
  if (Json own = OwnMember(error); !own.empty()) record[kOwnMember] = std::move(own);
  return record;
}

// A text as it is, anything else as JSON.
std::string AsText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return WriteJson(value).value_or("");
}

ErrorCode CodeFromJson(const Json& code) {
  if (code.is_null()) return {};
  constexpr auto kInt64Max = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const bool is_too_large = code.is_number_unsigned() && code.get<uint64_t>() > kInt64Max;
  if (code.is_number_integer() && !is_too_large) return code.get<int64_t>();
  return AsText(code);
}

void ReadOwnMember(const Json& own, WorkflowError& error) {
  if (!own.is_object()) return;
  if (const auto status = own.find("status"); status != own.end() && status->is_string()) {
    error.status_code = StatusCodeFromName(status->get_ref<const std::string&>());
  }
  const auto payloads = own.find("payloads");
  if (payloads == own.end() || !payloads->is_object()) return;
  for (const auto& [url, text] : payloads->items()) {
    std::string bytes;
    if (text.is_string() && absl::Base64Unescape(text.get_ref<const std::string&>(), &bytes)) {
      error.payloads.emplace_back(url, std::move(bytes));
    }
  }
}

WorkflowError ErrorFromRecord(const Json& record) {
  WorkflowError error;
  error.name = "Error";
  if (!record.is_object()) {
    error.message = AsText(record);
    return error;
  }
  if (const auto name = record.find("name"); name != record.end() && name->is_string()) {
    error.name = name->get<std::string>();
  }
  if (const auto message = record.find("message"); message != record.end()) {
    error.message = AsText(*message);
  }
  if (const auto code = record.find("code"); code != record.end()) {
    error.code = CodeFromJson(*code);
  }
  if (const auto data = record.find("data"); data != record.end()) error.data = *data;
  error.status_code = StatusCodeFromName(error.name);
  if (const auto own = record.find(kOwnMember); own != record.end()) ReadOwnMember(*own, error);
  return error;
}

absl::StatusOr<std::string> TryEncodeError(PayloadFormat format, const WorkflowError& error) {
  switch (format) {
    case PayloadFormat::kPortableJson:
      return WriteJson(RecordFromError(error, /*with_stack=*/false));
    case PayloadFormat::kSuperjson:
      return WriteSuperjson(RecordFromError(error, /*with_stack=*/true));
    case PayloadFormat::kDbosJson:
      break;
  }
  // A text column has no NUL bytes.
  std::string text = ValidUtf8(error.message);
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\xEF\xBF\xBD");
  }
  return text;
}

// A Go error is a plain text, the portable record, or an encoding of Go's own that stays as it is.
WorkflowError ErrorFromDbosJson(std::string_view text) {
  if (!text.empty() && text.front() == '{') {
    const absl::StatusOr<Json> record = ParseJson(text);
    if (record.ok() && (record->contains("name") || record->contains("message"))) {
      return ErrorFromRecord(*record);
    }
  }
  WorkflowError error;
  error.name = "Error";
  error.message = ValidUtf8(text);
  return error;
}

}  // namespace

std::string_view PayloadFormatName(PayloadFormat format) {
  return kFormatNames[static_cast<size_t>(format)].name;
}

absl::StatusOr<PayloadFormat> PayloadFormatFromColumn(std::optional<std::string_view> column) {
  if (!column.has_value() || column->empty()) return PayloadFormat::kSuperjson;
  for (const FormatName& entry : kFormatNames) {
    if (entry.name == *column) return entry.format;
  }
  return absl::UnimplementedError(absl::StrCat("payload format is not known here: serialization=",
                                               AbslView(column->substr(0, 64))));
}

absl::StatusOr<std::string> EncodeArguments(PayloadFormat format, const Arguments& arguments) {
  const bool has_named = !arguments.named.empty();
  if (has_named && format != PayloadFormat::kPortableJson) {
    return absl::UnimplementedError(
        absl::StrCat(AbslView(PayloadFormatName(format)), ": no place for named arguments"));
  }
  switch (format) {
    case PayloadFormat::kPortableJson: {
      Json envelope = Json::object();
      envelope["positionalArgs"] = arguments.positional;
      if (has_named) envelope["namedArgs"] = arguments.named;
      return WriteJson(envelope);
    }
    case PayloadFormat::kSuperjson:
      return WriteSuperjson(arguments.positional);
    case PayloadFormat::kDbosJson:
      break;
  }
  if (arguments.positional.empty()) return std::string(kDbosNil);
  if (arguments.positional.size() > 1) {
    return absl::UnimplementedError("DBOS_JSON: no place for more than one argument");
  }
  return WriteBase64(arguments.positional.front());
}

absl::StatusOr<Arguments> DecodeArguments(PayloadFormat format,
                                          std::optional<std::string_view> text) {
  if (!text.has_value()) return Arguments{};
  switch (format) {
    case PayloadFormat::kPortableJson: {
      HF_ASSIGN_OR_RETURN(Json envelope, ParseJson(*text));
      return ArgumentsFromEnvelope(std::move(envelope));
    }
    case PayloadFormat::kSuperjson: {
      HF_ASSIGN_OR_RETURN(Json list, ParseSuperjson(*text));
      return ArgumentsFromList(std::move(list), "js_superjson");
    }
    case PayloadFormat::kDbosJson:
      break;
  }
  Arguments arguments;
  if (*text == kDbosNil) return arguments;
  HF_ASSIGN_OR_RETURN(Json argument, ParseBase64(*text));
  arguments.positional.push_back(std::move(argument));
  return arguments;
}

absl::StatusOr<std::string> EncodeValue(PayloadFormat format, const Json& value) {
  switch (format) {
    case PayloadFormat::kPortableJson:
      return WriteJson(value);
    case PayloadFormat::kSuperjson:
      return WriteSuperjson(value);
    case PayloadFormat::kDbosJson:
      break;
  }
  if (value.is_null()) return std::string(kDbosNil);
  return WriteBase64(value);
}

absl::StatusOr<Json> DecodeValue(PayloadFormat format, std::optional<std::string_view> text) {
  if (!text.has_value()) return Json(nullptr);
  switch (format) {
    case PayloadFormat::kPortableJson:
      return ParseJson(*text);
    case PayloadFormat::kSuperjson:
      return ParseSuperjson(*text);
    case PayloadFormat::kDbosJson:
      break;
  }
  if (*text == kDbosNil) return Json(nullptr);
  return ParseBase64(*text);
}

std::string EncodeError(PayloadFormat format, const WorkflowError& error) {
  absl::StatusOr<std::string> text = TryEncodeError(format, error);
  if (text.ok()) return *std::move(text);
  // What an absl::Status was turned into never comes here; an error made by hand may.
  WorkflowError bare;
  bare.name = ValidUtf8(error.name.substr(0, kErrorMessageBytesMax));
  bare.message = ValidUtf8(error.message.substr(0, kErrorMessageBytesMax));
  bare.status_code = error.status_code;
  text = TryEncodeError(format, bare);
  return text.ok() ? *std::move(text) : std::string();
}

absl::StatusOr<WorkflowError> DecodeError(PayloadFormat format, std::string_view text) {
  switch (format) {
    case PayloadFormat::kPortableJson: {
      HF_ASSIGN_OR_RETURN(const Json record, ParseJson(text));
      return ErrorFromRecord(record);
    }
    case PayloadFormat::kSuperjson: {
      HF_ASSIGN_OR_RETURN(const Json record, ParseSuperjson(text));
      return ErrorFromRecord(record);
    }
    case PayloadFormat::kDbosJson:
      break;
  }
  if (text.size() > kBase64BytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("DBOS_JSON: too long: size_bytes=", text.size()));
  }
  return ErrorFromDbosJson(text);
}

bool IsStreamClosedMarker(PayloadFormat format, std::string_view text) {
  if (text.size() > kStreamClosedBytesMax) return false;
  if (text == kStreamClosedText) return true;
  const absl::StatusOr<Json> value = DecodeValue(format, text);
  return value.ok() && value->is_string() && *value == kStreamClosedText;
}

}  // namespace holdfast::workflows
