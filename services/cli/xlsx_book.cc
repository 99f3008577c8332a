#include "services/cli/xlsx_book.h"

#include <cstddef>
#include <ctime>

namespace denier::cli {
namespace {

// A cell takes 32,767 characters; a byte of UTF-8 is at most one.
constexpr std::size_t kMostCellBytes = 32'000;

constexpr lxw_color_t kBlue = 0x000091;
constexpr lxw_color_t kPaleBlue = 0xE3E3FD;
constexpr lxw_color_t kRed = 0xC9191E;

}  // namespace

char* Plain(const char* text) { return const_cast<char*>(text); }

std::string Clipped(std::string text) {
  if (text.size() <= kMostCellBytes) return text;
  std::size_t end = kMostCellBytes;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

lxw_datetime DateOf(std::int64_t day) {
  return {.year = static_cast<int>(day / 10000),
          .month = static_cast<int>(day / 100 % 100),
          .day = static_cast<int>(day % 100),
          .hour = 0,
          .min = 0,
          .sec = 0};
}

lxw_datetime InstantOf(std::int64_t microseconds) {
  const std::time_t seconds = microseconds / 1'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return {.year = utc.tm_year + 1900,
          .month = utc.tm_mon + 1,
          .day = utc.tm_mday,
          .hour = utc.tm_hour,
          .min = utc.tm_min,
          .sec = utc.tm_sec + static_cast<double>(microseconds % 1'000'000) / 1e6};
}

double EurosOf(std::int64_t cents) { return static_cast<double>(cents) / 100; }

Book::Book(lxw_workbook* of) : workbook(of) {
  const auto format = [this](bool bold = false, lxw_color_t color = LXW_COLOR_UNSET) {
    lxw_format* made = workbook_add_format(workbook);
    format_set_font_name(made, "Liberation Sans");
    format_set_font_size(made, 10);
    format_set_align(made, LXW_ALIGN_VERTICAL_CENTER);
    if (bold) format_set_bold(made);
    if (color != LXW_COLOR_UNSET) format_set_font_color(made, color);
    return made;
  };
  const auto shown = [](lxw_format* made, const char* as) {
    format_set_num_format(made, as);
    return made;
  };
  // In French whatever the reader's language, as far as the spreadsheet lets it.
  constexpr char kEuros[] = "[$-40C]#,##0.00\\ \"€\";[Red][$-40C]\\-#,##0.00\\ \"€\"";
  title = format(true, kBlue);
  format_set_font_size(title, 18);
  name = format(true);
  format_set_align(name, LXW_ALIGN_VERTICAL_TOP);
  text = format();
  format_set_text_wrap(text);
  format_set_align(text, LXW_ALIGN_LEFT);
  format_set_align(text, LXW_ALIGN_VERTICAL_TOP);
  note = format();
  format_set_text_wrap(note);
  format_set_align(note, LXW_ALIGN_VERTICAL_TOP);
  format_set_font_name(note, "Liberation Mono");
  format_set_font_size(note, 9);
  warning = format(true, kRed);
  format_set_text_wrap(warning);

  band = format(true, kBlue);
  format_set_bg_color(band, kPaleBlue);
  format_set_align(band, LXW_ALIGN_LEFT);
  heading = format(true, LXW_COLOR_WHITE);
  format_set_bg_color(heading, kBlue);
  format_set_text_wrap(heading);
  format_set_align(heading, LXW_ALIGN_CENTER);
  format_set_border(heading, LXW_BORDER_THIN);
  format_set_border_color(heading, LXW_COLOR_WHITE);

  words = format();
  number = shown(format(), "0");
  format_set_align(number, LXW_ALIGN_CENTER);
  day = shown(format(), "dd/mm/yyyy");
  format_set_align(day, LXW_ALIGN_CENTER);
  instant = shown(format(), "dd/mm/yyyy\\ hh:mm:ss");
  format_set_align(instant, LXW_ALIGN_CENTER);
  euros = shown(format(), kEuros);
  total_words = format(true);
  total_number = shown(format(true), "0");
  total_euros = shown(format(true), kEuros);
  for (lxw_format* total : {total_words, total_number, total_euros}) {
    format_set_top(total, LXW_BORDER_THIN);
    format_set_bg_color(total, kPaleBlue);
  }
}

}  // namespace denier::cli
