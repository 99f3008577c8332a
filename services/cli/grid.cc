#include "services/cli/grid.h"

#include <algorithm>
#include <cstdint>

#include "services/cli/values.h"

namespace denier::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kHeadingLines = 3;

std::string Repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  while (times-- > 0) repeated += text;
  return repeated;
}

std::string Padded(std::string_view text, std::size_t width, bool right) {
  const std::size_t used = DisplayWidth(text);
  const std::string spaces(width > used ? width - used : 0, ' ');
  return right ? spaces + std::string(text) : std::string(text) + spaces;
}

void AppendLine(std::string* out, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  *out += line + "\n";
}

// A column with the width that it takes and its heading broken to it.
struct Laid {
  std::size_t index;
  std::size_t width;
  std::vector<std::string> heading;
};

Laid Lay(const Grid& grid, std::size_t index) {
  std::size_t width = 0;
  for (const auto& row : grid.rows) width = std::max(width, DisplayWidth(row[index]));
  const auto words = Split(grid.columns[index].heading, ' ');
  for (const std::string_view word : words) width = std::max(width, DisplayWidth(word));

  // Narrow figures under a long heading: wider beats taller.
  for (;; ++width) {
    std::vector<std::string> lines;
    for (const std::string_view word : words) {
      if (!lines.empty() && DisplayWidth(lines.back()) + 1 + DisplayWidth(word) <= width) {
        lines.back() += " " + std::string(word);
      } else {
        lines.emplace_back(word);
      }
    }
    if (lines.size() <= kHeadingLines) {
      return {.index = index, .width = width, .heading = std::move(lines)};
    }
  }
}

std::size_t WidthOf(const std::vector<Laid>& columns) {
  std::size_t width = 0;
  for (const Laid& c : columns) width += c.width + (width > 0 ? kGap : 0);
  return width;
}

std::string Block(const Grid& grid, const std::vector<Laid>& columns) {
  std::string out;
  std::size_t heading_lines = 0;
  for (const Laid& c : columns) heading_lines = std::max(heading_lines, c.heading.size());
  const std::string rule = Repeat("─", WidthOf(columns));
  const auto append = [&](const auto& cell) {
    std::string text;
    for (const Laid& c : columns) {
      text += Padded(cell(c), c.width, grid.columns[c.index].right) + std::string(kGap, ' ');
    }
    AppendLine(&out, std::move(text));
  };

  // Headings stand on the rule: a short one starts lower.
  for (std::size_t line = 0; line < heading_lines; ++line) {
    append([&](const Laid& c) -> std::string_view {
      const std::size_t skipped = heading_lines - c.heading.size();
      return line < skipped ? std::string_view() : c.heading[line - skipped];
    });
  }
  AppendLine(&out, rule);
  for (std::size_t r = 0; r < grid.rows.size(); ++r) {
    const bool total = grid.totals.contains(r);
    if (total && r > 0) AppendLine(&out, rule);
    append([&](const Laid& c) -> std::string_view { return grid.rows[r][c.index]; });
    if (total && r + 1 < grid.rows.size()) AppendLine(&out, "");
  }
  return out;
}

}  // namespace

std::size_t DisplayWidth(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    const int length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t code = length == 1 ? lead : lead & (0x7F >> length);
    for (int k = 1; k < length && i + k < utf8.size(); ++k) {
      code = code << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3F);
    }
    i += length;
    const bool combining = (code >= 0x0300 && code <= 0x036F) || code == 0x200B || code == 0x200D ||
                           (code >= 0xFE00 && code <= 0xFE0F);
    const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                      (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                      (code >= 0xFF00 && code <= 0xFF60) || (code >= 0x1F300 && code <= 0x1FAFF);
    width += combining ? 0 : wide ? 2 : 1;
  }
  return width;
}

std::string ToCsv(const Grid& grid) {
  std::string out;
  const auto append = [&out](std::string_view cell, bool first) {
    if (!first) out += ',';
    if (cell.find_first_of(",\"\r\n") == std::string_view::npos) {
      out += cell;
      return;
    }
    out += '"';
    for (const char c : cell) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  };
  for (std::size_t i = 0; i < grid.columns.size(); ++i) append(grid.columns[i].heading, i == 0);
  out += "\r\n";
  for (const auto& row : grid.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) append(row[i], i == 0);
    out += "\r\n";
  }
  return out;
}

std::string ToTable(const Grid& grid, std::size_t width, std::string_view none) {
  std::string out = grid.title.empty() ? "" : grid.title + "\n";
  if (grid.rows.empty()) return out + std::string(none) + "\n";

  const std::size_t keys = std::min(grid.keys, grid.columns.size());
  std::vector<Laid> columns;
  for (std::size_t i = 0; i < grid.columns.size(); ++i) columns.push_back(Lay(grid, i));

  // As few blocks as fit, each with about as many columns.
  const std::size_t others = grid.columns.size() - keys;
  std::vector<std::vector<Laid>> blocks;
  for (std::size_t count = 1; count <= std::max<std::size_t>(others, 1); ++count) {
    blocks.assign(count, {columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(keys)});
    for (std::size_t i = 0; i < others; ++i)
      blocks[i * count / others].push_back(columns[keys + i]);
    if (std::all_of(blocks.begin(), blocks.end(),
                    [&](const auto& block) { return width == 0 || WidthOf(block) <= width; })) {
      break;
    }
  }
  for (const auto& block : blocks) {
    out += (&block == &blocks.front() ? "" : "\n") + Block(grid, block);
  }
  return out;
}

std::string ToList(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::size_t width = 0;
  for (const auto& [name, value] : entries) width = std::max(width, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : entries) {
    AppendLine(&out, "  " + Padded(name, width + kGap, false) + value);
  }
  return out;
}

}  // namespace denier::cli
