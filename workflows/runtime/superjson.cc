#include "workflows/runtime/superjson.h"

#include <charconv>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/base/status_macros.h"

namespace holdfast::workflows {
namespace {

constexpr std::string_view kMarkerKey = "__dbos_serializer";
constexpr std::string_view kMarkerValue = "superjson";

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("js_superjson: ", what));
}
absl::Status Unrepresentable(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat("js_superjson: no JSON form of ", what));
}

// Splits off the first segment of a path: segments end at a dot, a dot inside one is "\.".
std::string TakeSegment(std::string_view& path, bool& is_last) {
  std::string segment;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size() && path[i + 1] == '.') {
      segment.push_back('.');
      ++i;
    } else if (path[i] == '.') {
      path.remove_prefix(i + 1);
      is_last = false;
      return segment;
    } else {
      segment.push_back(path[i]);
    }
  }
  path = {};
  is_last = true;
  return segment;
}

// The value at `path` below `node`, or null when there is none.
Json* Follow(Json* node, std::string_view path) {
  bool is_last = false;
  while (!is_last && node != nullptr) {
    const std::string segment = TakeSegment(path, is_last);
    if (node->is_object()) {
      const auto member = node->find(segment);
      node = member == node->end() ? nullptr : &*member;
    } else if (node->is_array()) {
      size_t index = 0;
      const char* end = segment.data() + segment.size();
      const auto [stop, error] = std::from_chars(segment.data(), end, index);
      const bool is_index = error == std::errc() && stop == end && index < node->size();
      node = is_index ? &(*node)[index] : nullptr;
    } else {
      node = nullptr;
    }
  }
  return node;
}

absl::Status MapToObject(Json& node) {
  if (!node.is_array()) return Malformed("a map is not an array of pairs");
  Json object = Json::object();
  auto& members = *object.get_ptr<Json::object_t*>();
  members.reserve(node.size());
  absl::flat_hash_set<std::string> names;
  for (Json& pair : node) {
    if (!pair.is_array() || pair.size() != 2) return Malformed("a map is not an array of pairs");
    if (!pair[0].is_string()) return Unrepresentable("a map whose keys are not text");
    if (!names.insert(pair[0].get<std::string>()).second) return Malformed("a map repeats a key");
    members.emplace_back(pair[0].get<std::string>(), std::move(pair[1]));
  }
  node = std::move(object);
  return absl::OkStatus();
}

absl::Status Convert(const Json& type, Json& node) {
  if (type.is_array()) {
    const bool is_named = !type.empty() && type[0].is_string();
    return is_named ? Unrepresentable(type[0].get<std::string>()) : Malformed("a type has no name");
  }
  if (!type.is_string()) return Malformed("a type has no name");
  const std::string name = type.get<std::string>();
  if (name == "undefined") {
    node = nullptr;
    return absl::OkStatus();
  }
  if (name == "Date" || name == "bigint" || name == "URL") {
    return node.is_string() ? absl::OkStatus() : Malformed(absl::StrCat(name, " is not a text"));
  }
  if (name == "set") {
    return node.is_array() ? absl::OkStatus() : Malformed("a set is not an array");
  }
  if (name == "Error") {
    return node.is_object() ? absl::OkStatus() : Malformed("an error is not an object");
  }
  if (name == "map") return MapToObject(node);
  if (name == "number") {
    if (!node.is_string() || node != "-0") return Unrepresentable("a number that is not finite");
    node = -0.0;
    return absl::OkStatus();
  }
  return Unrepresentable(name);
}

// A tree is [type] for the node itself, [type, children] when it has annotated children, or just
// children: an object from paths to trees. Children first: a path leads through the plain form.
absl::Status Annotate(const Json& tree, Json& node) {
  const bool has_type = tree.is_array();
  if (has_type && (tree.empty() || tree.size() > 2)) return Malformed("meta: a node has no type");
  const Json* children = !has_type ? &tree : tree.size() == 2 ? &tree[1] : nullptr;
  if (children != nullptr) {
    if (!children->is_object()) return Malformed("meta: children are not an object");
    for (const auto& [path, subtree] : children->items()) {
      Json* child = Follow(&node, path);
      if (child == nullptr) return Malformed("meta: a path leads nowhere");
      HF_RETURN_IF_ERROR(Annotate(subtree, *child));
    }
  }
  return has_type ? Convert(tree[0], node) : absl::OkStatus();
}

bool IsInside(std::string_view inner, std::string_view outer) {
  return inner.size() > outer.size() && inner[outer.size()] == '.' && inner.starts_with(outer);
}

// Places that were one object in JavaScript. Each has its own copy of the value, so this is news
// only when an object is inside itself: then the copy was cut off.
absl::Status CheckNoCycles(const Json& equalities) {
  // The array form exists only for the root being somewhere inside the value.
  if (equalities.is_array()) return Unrepresentable("a value that contains itself");
  if (!equalities.is_object()) return Malformed("meta: equalities are not an object");
  for (const auto& [first, others] : equalities.items()) {
    if (!others.is_array()) return Malformed("meta: equalities are not lists");
    for (const Json& other : others) {
      if (!other.is_string()) return Malformed("meta: a path is not a text");
      const auto& path = other.get_ref<const std::string&>();
      if (IsInside(path, first) || IsInside(first, path)) {
        return Unrepresentable("a value that contains itself");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> ParseSuperjson(std::string_view text) {
  HF_ASSIGN_OR_RETURN(Json envelope, ParseJson(text));
  const bool is_marked = envelope.is_object() && envelope.contains(kMarkerKey) &&
                         envelope[std::string(kMarkerKey)] == kMarkerValue;
  if (!is_marked || !envelope.contains("json")) return Malformed("the text has no marker");
  Json value = std::move(envelope["json"]);
  if (const auto meta = envelope.find("meta"); meta != envelope.end() && !meta->is_null()) {
    if (!meta->is_object()) return Malformed("meta is not an object");
    if (const auto equalities = meta->find("referentialEqualities"); equalities != meta->end()) {
      HF_RETURN_IF_ERROR(CheckNoCycles(*equalities));
    }
    if (const auto values = meta->find("values"); values != meta->end()) {
      HF_RETURN_IF_ERROR(Annotate(*values, value));
    }
  }
  return value;
}

absl::StatusOr<std::string> WriteSuperjson(Json value) {
  Json envelope = Json::object();
  envelope["json"] = std::move(value);
  envelope[std::string(kMarkerKey)] = kMarkerValue;
  return WriteJson(envelope);
}

}  // namespace holdfast::workflows
