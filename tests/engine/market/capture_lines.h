#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::testing {

// Recorded market data for tests and benchmarks: gzip, one message a line,
// `<local receive time, ns> <raw JSON>`.
struct CaptureLine {
  int64_t receive_time_ns = 0;
  std::string text;
};

// $HOLDFAST_CAPTURES, or the folder beside the project. The files are not part of the project.
inline std::filesystem::path CaptureFolder() {
  const char* folder = std::getenv("HOLDFAST_CAPTURES");
  return folder != nullptr ? folder : HOLDFAST_DEFAULT_CAPTURES;
}

// Where the files are missing tests are skipped with a reason, except in CI.
inline bool AreCapturesRequired() { return std::getenv("CI") != nullptr; }

inline bool HasCapture(std::string_view name) {
  return std::filesystem::exists(CaptureFolder() / name);
}

inline std::vector<CaptureLine> ReadCapture(std::string_view name) {
  const std::string path = (CaptureFolder() / name).string();
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::string content;
  std::vector<char> buffer(1 << 20);
  int size = 0;
  while ((size = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    content.append(buffer.data(), static_cast<size_t>(size));
  }
  gzclose(file);
  if (size < 0) throw std::runtime_error("cannot read " + path);

  std::vector<CaptureLine> lines;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line = std::string_view(content).substr(begin, end - begin);
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) throw std::runtime_error("no time in a line of " + path);
    lines.push_back(
        {std::stoll(std::string(line.substr(0, blank))), std::string(line.substr(blank + 1))});
    begin = end + 1;
  }
  return lines;
}

}  // namespace holdfast::testing
