// The looks of the workbooks that we write, and how our values become theirs.
#ifndef DENIER_SERVICES_CLI_XLSX_BOOK_H_
#define DENIER_SERVICES_CLI_XLSX_BOOK_H_

#include <xlsxwriter.h>

#include <cstdint>
#include <string>

namespace denier::cli {

// Digits that a spreadsheet's number keeps: an amount beyond them would be rounded.
inline constexpr std::int64_t kMostCents = 999'999'999'999'999;

// libxlsxwriter takes what it does not change without const.
char* Plain(const char* text);

// What fits into a cell.
std::string Clipped(std::string text);

// Of a day YYYYMMDD.
lxw_datetime DateOf(std::int64_t day);

// Of microseconds since 1970, in UTC.
lxw_datetime InstantOf(std::int64_t microseconds);

// As a spreadsheet's number; exact to the cent up to kMostCents.
double EurosOf(std::int64_t cents);

// A workbook and the looks of its cells.
struct Book {
  lxw_workbook* workbook;
  lxw_format *title, *name, *text, *note, *warning;      // the cover
  lxw_format *band, *heading;                            // above a table
  lxw_format *words, *number, *day, *instant, *euros;    // in a table
  lxw_format *total_words, *total_number, *total_euros;  // rows that close it

  explicit Book(lxw_workbook* of);
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_XLSX_BOOK_H_
