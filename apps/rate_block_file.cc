#include "apps/rate_block_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "apps/text.h"

namespace holdfast {

RateBlock LoadRateBlock(const std::string& path) {
  std::ifstream file(path);
  int64_t not_before_wall_ns = 0;
  int is_ban = 0;
  if (!(file >> not_before_wall_ns >> is_ban)) return {};
  return {.not_before_wall_ns = not_before_wall_ns, .is_ban = is_ban == 1};
}

absl::Status SaveRateBlock(const std::string& path, const RateBlock& block) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << block.not_before_wall_ns << ' ' << (block.is_ban ? 1 : 0) << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(
        Concat("rate block: cannot write: file=", path, " reason=", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace holdfast
