#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

enum class Style : uint8_t { kPlain, kDim, kBold, kBuy, kSell, kOurs, kGood, kBad, kTitle };

// A rectangle of character cells (ASCII). Writing outside is cut off, so that drawing code needs no
// size checks.
class Canvas {
 public:
  // REQUIRES: both positive.
  Canvas(int width, int height);

  int width() const { return width_; }
  int height() const { return height_; }

  // Writes from column `x` of row `y`, at most `max_width` cells; returns the column after it.
  int Put(int x, int y, std::string_view text, Style style = Style::kPlain,
          int max_width = 1 << 20);
  // Right-aligned: the last character lands in column `x_end - 1`.
  void PutRight(int x_end, int y, std::string_view text, Style style = Style::kPlain);
  void FillRow(int y, Style style);

  // Rows separated by line feeds, blanks at their ends cut off; no control sequences.
  std::string ToPlainText() const;
  // For a terminal: starts at the home position, full rows, colors as ANSI sequences.
  std::string ToAnsi() const;

 private:
  struct Cell {
    char character = ' ';
    Style style = Style::kPlain;
  };
  const Cell& At(int x, int y) const {
    return cells_[static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)];
  }
  Cell& At(int x, int y) { return const_cast<Cell&>(std::as_const(*this).At(x, y)); }

  int width_;
  int height_;
  std::vector<Cell> cells_;
};

}  // namespace holdfast
