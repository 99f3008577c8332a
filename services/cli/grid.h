// A table of text: as csv, or for people. Pure.
#ifndef DENIER_SERVICES_CLI_GRID_H_
#define DENIER_SERVICES_CLI_GRID_H_

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace denier::cli {

// Every row has as many cells as there are columns. Text is UTF-8.
struct Grid {
  struct Column {
    std::string heading;
    bool right = false;  // numbers stand to the right
  };

  std::string title = "";  // empty: none
  std::vector<Column> columns = {};
  std::vector<std::vector<std::string>> rows = {};
  // The first columns name the row: they come again where a table is split for a narrow terminal.
  std::size_t keys = 1;
  // Rows that close what stands above them (totals): a rule before, an empty line after.
  std::set<std::size_t> totals = {};
};

// Columns of a terminal that `utf8` takes: combining marks none, wide characters two.
std::size_t DisplayWidth(std::string_view utf8);

// RFC 4180: a header line, CRLF, quotes only where they are needed. No byte order mark.
std::string ToCsv(const Grid& grid);

// An aligned table; headings break over lines so that amounts give the width. One that is wider
// than `width` is split into several; 0: as wide as it needs. `none` stands for no rows.
std::string ToTable(const Grid& grid, std::size_t width, std::string_view none);

// Names and values below each other, values aligned.
std::string ToList(const std::vector<std::pair<std::string, std::string>>& entries);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_GRID_H_
