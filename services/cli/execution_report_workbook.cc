#include "services/cli/execution_report_workbook.h"

#include <xlsxwriter.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/cli/grid.h"
#include "services/cli/xlsx_book.h"

namespace denier::cli {
namespace {

constexpr double kAmountWidth = 17;
constexpr double kMostTextWidth = 44;
constexpr double kLeastTextWidth = 12;

void SetPage(lxw_worksheet* sheet, const ReportDocument& document) {
  worksheet_set_paper(sheet, 9);  // A4
  worksheet_set_margins(sheet, 0.4, 0.4, 0.6, 0.6);
  std::string footer;
  for (const char c : document.footer) footer += c == '&' ? "&&" : std::string(1, c);
  // A footer takes 255 characters.
  if (footer.size() > 200) footer.clear();
  worksheet_set_footer(sheet, absl::StrCat("&L&8", footer, "&R&8&A, &P / &N").c_str());
}

class Sheet {
 public:
  Sheet(Book& book, const ReportDocument& document, const ReportSection& section, int number,
        Lang lang)
      : book_(book), lang_(lang) {
    sheet_ = workbook_add_worksheet(book.workbook, section.sheet.c_str());
    SetPage(sheet_, document);
    worksheet_set_landscape(sheet_);
    worksheet_fit_to_pages(sheet_, 1, 0);
    SetWidths(section);
    worksheet_set_row(sheet_, 0, 24, nullptr);
    worksheet_write_string(sheet_, 0, 0, absl::StrCat(number, ". ", section.title).c_str(),
                           book.title);
    row_ = 1;
    for (const std::string& note : section.notes) {
      worksheet_write_string(sheet_, row_++, 0, note.c_str(), book.words);
    }
    // Headings can stay in sight above one table only.
    const auto filled = [](const ReportTable& table) { return !table.rows.empty(); };
    const bool one = std::count_if(section.tables.begin(), section.tables.end(), filled) == 1;
    for (const ReportTable& table : section.tables) Add(table, one && filled(table));
    if (!one) worksheet_freeze_panes(sheet_, 1, 1);
  }

  const absl::Status& status() const { return status_; }

 private:
  // The widest of what stands in a column, in any of the tables.
  void SetWidths(const ReportSection& section) {
    std::vector<double> widths;
    for (const ReportTable& table : section.tables) {
      widths.resize(std::max(widths.size(), table.columns.size()), kLeastTextWidth);
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        if (table.columns[c].kind == ReportCell::Kind::kCents) {
          widths[c] = std::max(widths[c], kAmountWidth);
          continue;
        }
        for (std::size_t r = 0; r < table.rows.size(); ++r) {
          if (table.headings.contains(r)) continue;
          const auto width = static_cast<double>(DisplayWidth(TextOf(table.rows[r][c], lang_)) + 2);
          widths[c] = std::max(widths[c], std::min(width, kMostTextWidth));
        }
      }
    }
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const auto column = static_cast<lxw_col_t>(c);
      worksheet_set_column(sheet_, column, column, widths[c], nullptr);
    }
  }

  void Add(const ReportTable& table, bool freeze) {
    ++row_;
    if (!table.title.empty()) {
      for (std::size_t c = 0; c < std::max<std::size_t>(table.columns.size(), 1); ++c) {
        worksheet_write_string(sheet_, row_, static_cast<lxw_col_t>(c),
                               c == 0 ? table.title.c_str() : "", book_.band);
      }
      ++row_;
    }
    if (table.rows.empty()) {
      worksheet_write_string(sheet_, row_++, 0, table.none.c_str(), book_.words);
      return;
    }
    if (row_ + table.rows.size() >= LXW_ROW_MAX) {
      status_ = absl::OutOfRangeError(absl::StrCat(table.rows.size(), " rows in a sheet"));
      return;
    }
    worksheet_set_row(sheet_, row_, 32, nullptr);
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      worksheet_write_string(sheet_, row_, static_cast<lxw_col_t>(c),
                             table.columns[c].heading.c_str(), book_.heading);
    }
    if (freeze) {
      worksheet_freeze_panes(sheet_, row_ + 1, 1);
      worksheet_repeat_rows(sheet_, row_, row_);
    }
    ++row_;
    for (std::size_t r = 0; r < table.rows.size(); ++r, ++row_) {
      for (std::size_t c = 0; c < table.rows[r].size(); ++c) {
        Write(table.rows[r][c], static_cast<lxw_col_t>(c), table.totals.contains(r),
              table.headings.contains(r));
      }
    }
  }

  void Write(const ReportCell& cell, lxw_col_t column, bool total, bool heading) {
    lxw_format* words = heading ? book_.band : total ? book_.total_words : book_.words;
    switch (cell.kind) {
      case ReportCell::Kind::kText:
        worksheet_write_string(sheet_, row_, column, Clipped(cell.text).c_str(), words);
        break;
      case ReportCell::Kind::kCents:
        if (cell.value > kMostCents || cell.value < -kMostCents) {
          status_ = absl::OutOfRangeError(absl::StrCat("an amount of ", cell.value, " cents"));
          break;
        }
        worksheet_write_number(sheet_, row_, column, EurosOf(cell.value),
                               total ? book_.total_euros : book_.euros);
        break;
      case ReportCell::Kind::kDay: {
        if (cell.value == 0) break;
        lxw_datetime day = DateOf(cell.value);
        worksheet_write_datetime(sheet_, row_, column, &day, book_.day);
        break;
      }
      case ReportCell::Kind::kNumber:
        worksheet_write_number(sheet_, row_, column, static_cast<double>(cell.value),
                               total ? book_.total_number : book_.number);
        break;
    }
  }

  Book& book_;
  const Lang lang_;
  lxw_worksheet* sheet_ = nullptr;
  lxw_row_t row_ = 0;
  absl::Status status_;
};

void WriteCover(Book& book, const ReportDocument& document, Lang lang) {
  lxw_worksheet* sheet =
      workbook_add_worksheet(book.workbook, In(lang, "Compte rendu", "Report").c_str());
  SetPage(sheet, document);
  worksheet_fit_to_pages(sheet, 1, 1);
  worksheet_gridlines(sheet, LXW_HIDE_ALL_GRIDLINES);
  worksheet_set_column(sheet, 0, 0, 2, nullptr);
  worksheet_set_column(sheet, 1, 1, 22, nullptr);
  worksheet_set_column(sheet, 2, 2, 82, nullptr);
  lxw_row_t row = 1;
  worksheet_set_row(sheet, row, 28, nullptr);
  worksheet_write_string(sheet, row++, 1, document.title.c_str(), book.title);
  worksheet_write_string(sheet, row, 1, document.subtitle.c_str(), book.words);
  row += 2;
  const auto line = [&](const std::string& name, const std::string& text, lxw_format* format,
                        double width) {
    // As many lines as its own, and as its words take when they are broken.
    const double lines = static_cast<double>(std::count(text.begin(), text.end(), '\n')) + 1 +
                         static_cast<double>(DisplayWidth(text)) / width;
    worksheet_set_row(sheet, row, 6 + 13 * static_cast<double>(static_cast<int>(lines)), nullptr);
    worksheet_write_string(sheet, row, 1, name.c_str(), book.name);
    worksheet_write_string(sheet, row++, 2, Clipped(text).c_str(), format);
  };
  for (const auto& [name, value] : document.facts) line(name, value, book.text, 80);
  ++row;
  worksheet_write_string(sheet, row++, 1, document.proof_title.c_str(), book.name);
  for (const auto& [name, value] : document.proof) line(name, value, book.note, 80);
  if (document.checkpoint.empty()) return;
  std::string note = document.checkpoint;
  while (note.ends_with('\n')) note.pop_back();
  line(In(lang, "Point de contrôle", "Checkpoint"), note, book.note, 200);
}

}  // namespace

absl::Status WriteWorkbook(const ReportDocument& document, Lang lang, const std::string& path) {
  lxw_workbook* workbook = workbook_new(path.c_str());
  if (workbook == nullptr) return absl::UnavailableError(path);
  lxw_doc_properties properties{};
  const std::string title = absl::StrCat(document.title, " – ", document.subtitle);
  properties.title = Plain(title.c_str());
  properties.author = Plain("Denier");
  // 0 would be now.
  properties.created = std::max<std::int64_t>(document.recorded_time_us / 1'000'000, 1);
  workbook_set_properties(workbook, &properties);

  Book book(workbook);
  WriteCover(book, document, lang);
  absl::Status status;
  int number = 0;
  for (const ReportSection& section : document.sections) {
    status.Update(Sheet(book, document, section, ++number, lang).status());
  }
  const lxw_error closed = workbook_close(workbook);
  if (!status.ok()) return status;
  if (closed == LXW_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": ", lxw_strerror(closed)));
}

}  // namespace denier::cli
