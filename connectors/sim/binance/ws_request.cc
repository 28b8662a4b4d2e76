#include "connectors/sim/binance/ws_request.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "connectors/sim/binance/json_writer.h"

namespace holdfast::sim {
namespace {

using nlohmann::json;

// Reads {"id":..., "method":"...", "params":{...}} in one pass, without a document tree.
class RequestReader final : public nlohmann::json_sax<json> {
 public:
  WsRequest request;
  bool is_id_bad = false;
  bool is_bad = false;  // another shape than the above

  bool null() override { return Scalar("null", "null"); }
  bool boolean(bool value) override { return Scalar(value ? "true" : "false", nullptr); }
  bool number_integer(number_integer_t value) override {
    const std::string text = std::to_string(value);
    return Scalar(text, text.c_str());
  }
  bool number_unsigned(number_unsigned_t value) override {
    const std::string text = std::to_string(value);
    return Scalar(text, text.c_str());
  }
  bool number_float(number_float_t, const string_t& text) override { return Scalar(text, nullptr); }
  bool string(string_t& value) override {
    if (depth_ == 1 && key_ == "id") {
      if (value.size() > 64) is_id_bad = true;
      request.id_json.clear();
      JsonWriter(request.id_json).String(value);
      return true;
    }
    if (depth_ == 1 && key_ == "method") {
      request.method = value;
      return true;
    }
    if (array_depth_ > 0) {
      JsonWriter writer(array_);
      SeparateElement();
      writer.String(value);
      return true;
    }
    return Scalar(value, nullptr);
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    const bool is_legal = array_depth_ == 0 && (depth_ == 0 || (depth_ == 1 && key_ == "params"));
    if (!is_legal) return Bad();
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || array_depth_ > 0) return Bad();
    ++array_depth_;
    array_ = "[";
    return true;
  }
  bool end_array() override {
    --array_depth_;
    array_ += ']';
    return AddParameter(std::move(array_));
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return Bad();
  }

 private:
  bool Bad() {
    is_bad = true;
    return false;
  }
  void SeparateElement() {
    if (array_.size() > 1) array_ += ',';
  }
  // `id_json` is null when the value may not be an id.
  bool Scalar(std::string_view text, const char* id_json) {
    if (array_depth_ > 0) {
      SeparateElement();
      array_ += text;
      return true;
    }
    if (depth_ == 2) return AddParameter(std::string(text));
    if (depth_ == 1 && key_ == "id") {
      if (id_json == nullptr) is_id_bad = true;
      if (id_json != nullptr) request.id_json = id_json;
      return true;
    }
    if (depth_ == 1 && key_ == "method") return Bad();
    return depth_ == 1 ? true : Bad();
  }
  bool AddParameter(std::string value) {
    if (request.parameters.Has(key_)) return Bad();
    request.parameters.Add(key_, std::move(value));
    return true;
  }

  int depth_ = 0;
  int array_depth_ = 0;
  std::string key_;
  std::string array_;
};

}  // namespace

WsParseResult ParseWsRequest(std::string_view text) {
  RequestReader reader;
  const bool is_parsed = json::sax_parse(text.begin(), text.end(), &reader);
  WsParseResult result;
  result.request = std::move(reader.request);
  if (!is_parsed || reader.is_bad || reader.is_id_bad || result.request.method.empty()) {
    if (reader.is_id_bad) result.request.id_json = "null";
    result.error = errors::InvalidJson();
  }
  return result;
}

}  // namespace holdfast::sim
