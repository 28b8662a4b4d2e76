#include "apps/canvas.h"

#include <algorithm>

#include "apps/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

std::string_view AnsiOf(Style style) {
  switch (style) {
    case Style::kPlain:
      return "\x1b[0m";
    case Style::kDim:
      return "\x1b[0;90m";
    case Style::kBold:
      return "\x1b[0;1m";
    case Style::kBuy:
      return "\x1b[0;32m";
    case Style::kSell:
      return "\x1b[0;31m";
    case Style::kOurs:
      return "\x1b[0;1;33m";
    case Style::kGood:
      return "\x1b[0;1;32m";
    case Style::kBad:
      return "\x1b[0;1;31m";
    case Style::kTitle:
      return "\x1b[0;1;7m";
  }
  return "";
}

}  // namespace

Canvas::Canvas(int width, int height) : width_(width), height_(height) {
  HF_ASSERT(width > 0);
  HF_ASSERT(height > 0);
  cells_.resize(static_cast<size_t>(width) * static_cast<size_t>(height));
}

int Canvas::Put(int x, int y, std::string_view text, Style style, int max_width) {
  int column = x;
  for (const char c : text) {
    if (column - x >= max_width) break;
    if (y >= 0 && y < height_ && column >= 0 && column < width_) {
      // Text of foreign origin must not steer the terminal.
      At(column, y) = {.character = c >= ' ' && c < 0x7f ? c : '?', .style = style};
    }
    ++column;
  }
  return column;
}

void Canvas::PutRight(int x_end, int y, std::string_view text, Style style) {
  Put(x_end - static_cast<int>(text.size()), y, text, style);
}

void Canvas::FillRow(int y, Style style) {
  for (int x = 0; x < width_ && y >= 0 && y < height_; ++x) At(x, y).style = style;
}

std::string Canvas::ToPlainText() const {
  std::string out;
  for (int y = 0; y < height_; ++y) {
    std::string row;
    for (int x = 0; x < width_; ++x) row += At(x, y).character;
    row.erase(row.find_last_not_of(' ') + 1);
    AppendTo(out, row, "\n");
  }
  return out;
}

std::string Canvas::ToAnsi() const {
  std::string out = "\x1b[H";
  for (int y = 0; y < height_; ++y) {
    Style style = Style::kPlain;
    out += AnsiOf(style);
    for (int x = 0; x < width_; ++x) {
      const Cell& cell = At(x, y);
      if (cell.style != style) out += AnsiOf(style = cell.style);
      out += cell.character;
    }
    out += "\x1b[0m";
    if (y + 1 < height_) out += "\r\n";
  }
  return out;
}

}  // namespace holdfast
