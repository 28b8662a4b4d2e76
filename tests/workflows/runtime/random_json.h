#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "engine/base/prng.h"
#include "workflows/runtime/json.h"

namespace holdfast::workflows {

inline std::string RandomText(Prng& prng) {
  static constexpr const char* kPieces[] = {"a", "key", "\"",   "\\",         "\n", "\x01",
                                            "ü", "世",  "🙂", "__DBOS_NIL", ".",  " "};
  std::string text;
  for (uint64_t i = prng.Below(6); i > 0; --i) text += kPieces[prng.Below(std::size(kPieces))];
  return text;
}

// A value that can be written, at most `depth` deep.
inline Json RandomJson(Prng& prng, int depth) {
  switch (prng.Below(depth > 0 ? 9 : 7)) {
    case 0:
      return nullptr;
    case 1:
      return prng.Chance(1, 2);
    case 2:
      return static_cast<int64_t>(prng.Next());
    case 3:
      return prng.Next();
    case 4:
      return prng.Between(-9, 9);
    case 5:
      return (prng.Unit() - 0.5) * static_cast<double>(uint64_t{1} << prng.Below(63));
    case 6:
      return RandomText(prng);
    case 7: {
      Json array = Json::array();
      for (uint64_t i = prng.Below(5); i > 0; --i) array.push_back(RandomJson(prng, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (uint64_t i = prng.Below(5); i > 0; --i) {
        object[RandomText(prng)] = RandomJson(prng, depth - 1);
      }
      return object;
    }
  }
}

}  // namespace holdfast::workflows
