#include "connectors/sim/capture_reader.h"

#include <simdjson.h>
#include <zlib.h>

#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr size_t kChunkBytes = 1 << 18;

}  // namespace

// --- lines --------------------------------------------------------------------------------------

struct CaptureLines::GzipFile {
  explicit GzipFile(const std::string& path) : handle(gzopen(path.c_str(), "rb")) {}
  ~GzipFile() {
    if (handle != nullptr) gzclose(handle);
  }
  gzFile handle;
};

CaptureLines::CaptureLines(std::vector<std::string> files) : files_(std::move(files)) {}
CaptureLines::~CaptureLines() = default;

const std::string& CaptureLines::file() const {
  static const std::string kNone;
  return file_index_ < files_.size() ? files_[file_index_] : kNone;
}

void CaptureLines::Rewind() {
  open_.reset();
  buffer_.clear();
  begin_ = 0;
  line_ = 0;
  file_index_ = 0;
  is_end_of_file_ = false;
}

absl::Status CaptureLines::Fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  if (buffer_.size() > kMaxLineBytes) return absl::OutOfRangeError("capture: line too long");
  const size_t size = buffer_.size();
  buffer_.resize(size + kChunkBytes);
  const int count = gzread(open_->handle, buffer_.data() + size, kChunkBytes);
  buffer_.resize(size + static_cast<size_t>(std::max(count, 0)));
  if (count > 0) return absl::OkStatus();
  is_end_of_file_ = true;
  int code = Z_OK;
  const char* reason = gzerror(open_->handle, &code);
  if (count < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    return absl::DataLossError(absl::StrCat("capture: damaged file: ", reason));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string_view>> CaptureLines::Next() {
  while (file_index_ < files_.size()) {
    if (open_ == nullptr) {
      open_ = std::make_unique<GzipFile>(files_[file_index_]);
      buffer_.clear();
      begin_ = 0;
      line_ = 0;
      is_end_of_file_ = false;
    }
    absl::Status status;
    if (open_->handle == nullptr) {
      status = absl::NotFoundError("capture: cannot open");
    } else {
      size_t search_from = begin_;
      while (true) {
        const size_t end = buffer_.find('\n', search_from);
        if (end != std::string::npos) {
          const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
          begin_ = end + 1;
          ++line_;
          return std::optional(line);
        }
        if (is_end_of_file_) break;
        const size_t searched = buffer_.size() - begin_;
        status = Fill();
        if (!status.ok()) break;
        search_from = searched;
      }
      if (status.ok() && begin_ < buffer_.size()) {  // a last line without a newline
        const std::string_view line = std::string_view(buffer_).substr(begin_);
        begin_ = buffer_.size();
        ++line_;
        return std::optional(line);
      }
    }
    if (!status.ok()) {
      const absl::Status error =
          WithContext(status, absl::StrCat(files_[file_index_], ":", line_ + 1));
      open_.reset();
      ++file_index_;
      return error;
    }
    open_.reset();
    ++file_index_;
  }
  return std::optional<std::string_view>();
}

// --- messages -----------------------------------------------------------------------------------

struct CaptureDecoder::Parser {
  simdjson::dom::parser parser;
  std::string padded;
};

CaptureDecoder::CaptureDecoder() : parser_(std::make_unique<Parser>()) {}
CaptureDecoder::~CaptureDecoder() = default;

namespace {

using simdjson::dom::element;

absl::Status Bad(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("capture line: ", what));
}

absl::Status ReadInteger(element object, const char* key, int64_t& out) {
  if (object[key].get_int64().get(out) != simdjson::SUCCESS) return Bad(key);
  return absl::OkStatus();
}

absl::Status ReadDecimal(const simdjson::simdjson_result<element>& value, const char* what,
                         Decimal& out) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return Bad(what);
  const absl::StatusOr<Decimal> parsed = Decimal::Parse(text);
  if (!parsed.ok() || parsed->is_negative()) return Bad(what);
  out = *parsed;
  return absl::OkStatus();
}

absl::Status ReadLevels(element object, const char* key, std::vector<CaptureLevel>& out) {
  out.clear();
  simdjson::dom::array levels;
  if (object[key].get_array().get(levels) != simdjson::SUCCESS) return Bad(key);
  for (const element level : levels) {
    simdjson::dom::array pair;
    if (level.get_array().get(pair) != simdjson::SUCCESS || pair.size() < 2) return Bad(key);
    CaptureLevel row;
    HF_RETURN_IF_ERROR(ReadDecimal(pair.at(0), key, row.price));
    HF_RETURN_IF_ERROR(ReadDecimal(pair.at(1), key, row.quantity));
    if (!row.price.is_positive()) return Bad(key);
    out.push_back(row);
  }
  return absl::OkStatus();
}

absl::Status ReadBookTop(element object, CaptureMessage& message) {
  message.kind = CaptureKind::kBookTop;
  HF_RETURN_IF_ERROR(ReadInteger(object, "u", message.last_update_id));
  message.bids.resize(1);
  message.asks.resize(1);
  HF_RETURN_IF_ERROR(ReadDecimal(object["b"], "b", message.bids[0].price));
  HF_RETURN_IF_ERROR(ReadDecimal(object["B"], "B", message.bids[0].quantity));
  HF_RETURN_IF_ERROR(ReadDecimal(object["a"], "a", message.asks[0].price));
  return ReadDecimal(object["A"], "A", message.asks[0].quantity);
}

absl::Status ReadTrade(element object, CaptureMessage& message) {
  message.kind = CaptureKind::kTrade;
  bool is_buyer_maker = false;
  if (object["m"].get_bool().get(is_buyer_maker) != simdjson::SUCCESS) return Bad("m");
  message.aggressor = is_buyer_maker ? Side::kSell : Side::kBuy;
  HF_RETURN_IF_ERROR(ReadDecimal(object["p"], "p", message.price));
  HF_RETURN_IF_ERROR(ReadDecimal(object["q"], "q", message.quantity));
  if (!message.price.is_positive()) return Bad("p");
  if (!message.quantity.is_positive()) return Bad("q");
  return absl::OkStatus();
}

absl::Status ReadDepth(element object, CaptureMessage& message) {
  message.kind = CaptureKind::kDepth;
  HF_RETURN_IF_ERROR(ReadInteger(object, "U", message.first_update_id));
  HF_RETURN_IF_ERROR(ReadInteger(object, "u", message.last_update_id));
  if (message.first_update_id > message.last_update_id) return Bad("U");
  HF_RETURN_IF_ERROR(ReadLevels(object, "b", message.bids));
  return ReadLevels(object, "a", message.asks);
}

}  // namespace

absl::Status CaptureDecoder::Decode(std::string_view line, CaptureMessage& message) {
  message.kind = CaptureKind::kOther;
  message.symbol.clear();
  const auto [end, error] =
      std::from_chars(line.data(), line.data() + line.size(), message.receive_time_ns);
  const auto digit_count = static_cast<size_t>(end - line.data());
  if (error != std::errc() || message.receive_time_ns <= 0 || digit_count >= line.size() ||
      line[digit_count] != ' ') {
    return Bad("receive time");
  }
  const std::string_view json = line.substr(digit_count + 1);
  parser_->padded.assign(json);
  parser_->padded.resize(json.size() + simdjson::SIMDJSON_PADDING);
  element root;
  if (parser_->parser.parse(parser_->padded.data(), json.size(), /*realloc_if_needed=*/false)
              .get(root) != simdjson::SUCCESS ||
      !root.is_object()) {
    return Bad("not a JSON object");
  }
  element data;
  if (root["data"].get(data) == simdjson::SUCCESS) {
    if (!data.is_object()) return Bad("data");
    root = data;
  }
  std::string_view symbol;
  if (root["s"].get_string().get(symbol) == simdjson::SUCCESS) message.symbol.assign(symbol);
  std::string_view event;
  if (root["e"].get_string().get(event) == simdjson::SUCCESS) {
    if (event == "depthUpdate") return ReadDepth(root, message);
    if (event == "trade") return ReadTrade(root, message);
    if (event != "bookTicker") return absl::OkStatus();
  }
  if (root["lastUpdateId"].get_int64().get(message.last_update_id) == simdjson::SUCCESS) {
    message.kind = CaptureKind::kSnapshot;
    HF_RETURN_IF_ERROR(ReadLevels(root, "bids", message.bids));
    return ReadLevels(root, "asks", message.asks);
  }
  if (root["B"].error() == simdjson::SUCCESS || root["A"].error() == simdjson::SUCCESS) {
    return ReadBookTop(root, message);
  }
  return absl::OkStatus();
}

}  // namespace holdfast
