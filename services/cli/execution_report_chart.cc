#include "services/cli/execution_report_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <string_view>

#include "services/cli/execution_report_page.h"

namespace denier::cli {
namespace {

using Month = v1::ExecutionReportMonth;

// Everything is drawn on a sheet this wide; it is as wide as the page's text.
constexpr double kWidth = 720;
constexpr double kLeft = 84;
constexpr double kRight = 708;

// "12.5": to a tenth, whatever the locale.
std::string Number(double value) {
  const long tenths = std::lround(value * 10);
  std::string text = std::to_string(std::labs(tenths) / 10);
  if (tenths % 10 != 0) text += "." + std::to_string(std::labs(tenths) % 10);
  return (tenths < 0 ? "-" : "") + text;
}

std::string Attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + Number(value) + "\"";
}

std::string Text(double x, double y, std::string_view anchor, std::string_view text,
                 std::string_view more = "") {
  return "<text" + Attribute("x", x) + Attribute("y", y) + " text-anchor=\"" + std::string(anchor) +
         "\"" + std::string(more) + ">" + Escaped(text) + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2, std::string_view look) {
  return "<line" + Attribute("x1", x1) + Attribute("y1", y1) + Attribute("x2", x2) +
         Attribute("y2", y2) + " " + std::string(look) + "/>\n";
}

// From (x1, y1) to (x2, y2), whichever is the upper left.
std::string Box(double x1, double y1, double x2, double y2, std::string_view look) {
  return "<rect" + Attribute("x", std::min(x1, x2)) + Attribute("y", std::min(y1, y2)) +
         Attribute("width", std::abs(x2 - x1)) + Attribute("height", std::abs(y2 - y1)) + " " +
         std::string(look) + "/>\n";
}

std::string Dot(double x, double y) {
  return "<circle" + Attribute("cx", x) + Attribute("cy", y) + " r=\"3\" fill=\"#000\"/>\n";
}

std::string Path(const std::string& points, std::string_view look) {
  return "<polyline points=\"" + points + "\" fill=\"none\" " + std::string(look) + "/>\n";
}

std::string Point(double x, double y) { return Number(x) + "," + Number(y) + " "; }

std::string Open(double height, std::string_view title) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + Number(kWidth) + " " +
         Number(height) + "\" role=\"img\" font-size=\"11.5\">\n<title>" + Escaped(title) +
         "</title>\n" + Text(0, 14, "start", title, " font-weight=\"bold\" font-size=\"13\"");
}

constexpr std::string_view kGrid = R"(stroke="#ccc" stroke-width="0.8")";
constexpr std::string_view kAxis = R"(stroke="#000" stroke-width="1.2")";
constexpr std::string_view kBar = R"(fill="#b8b8b8" stroke="#555" stroke-width="0.7")";
constexpr std::string_view kBefore = R"(fill="#fff" stroke="#000" stroke-width="1")";
constexpr std::string_view kAfter = R"(fill="#444" stroke="#000" stroke-width="1")";
constexpr std::string_view kSolid = R"(stroke="#000" stroke-width="1.8")";
constexpr std::string_view kDashed = R"(stroke="#000" stroke-width="1.6" stroke-dasharray="6 4")";

// Of words over the lines of a grid.
constexpr std::string_view kOverGrid = R"( paint-order="stroke" stroke="#fff" stroke-width="4")";

// Where cents stand between two ends.
struct Scale {
  std::vector<std::int64_t> ticks;
  double from, to;

  double At(std::int64_t cents) const {
    const auto low = static_cast<double>(ticks.front());
    const auto high = static_cast<double>(ticks.back());
    return from + (to - from) * (static_cast<double>(cents) - low) / (high - low);
  }
};

// "1,5 M€": a tick, in the unit that suits the greatest.
std::string TickText(std::int64_t cents, const std::vector<std::int64_t>& ticks, Lang lang) {
  if (cents == 0) return "0";
  const std::int64_t most = std::max(std::abs(ticks.front()), std::abs(ticks.back()));
  const auto [unit, name] = most >= 100'000'000 ? std::pair(100'000'000, "M€")
                            : most >= 100'000   ? std::pair(100'000, "k€")
                                                : std::pair(100, "€");
  const std::int64_t thousandths = std::abs(cents) * 1000 / unit;
  std::string text = Count(thousandths / 1000, lang);
  std::string rest = std::to_string(1000 + thousandths % 1000).substr(1);
  while (rest.ends_with('0')) rest.pop_back();
  if (!rest.empty()) text += In(lang, ",", ".") + rest;
  return (cents < 0 ? "-" : "") + text + "\u00a0" + name;
}

// "janv. 22".
std::string ShortMonth(const Month& month, Lang lang) {
  constexpr std::string_view kFrench[] = {"janv.", "févr.", "mars",  "avr.", "mai",  "juin",
                                          "juil.", "août",  "sept.", "oct.", "nov.", "déc."};
  constexpr std::string_view kEnglish[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto i = static_cast<std::size_t>(month.month() - 1);
  return In(lang, kFrench[i], kEnglish[i]) + "\u00a0" +
         std::to_string(100 + month.fiscal_year() % 100).substr(1);
}

// The figures of one drawing of months, and their words.
struct Series {
  std::string title, of_month, to_date, open;
  std::int64_t (Month::*month_figure)() const;
  std::int64_t (Month::*to_date_figure)() const;
  std::int64_t (Month::*open_figure)() const;
};

std::string DrawMonths(const v1::ExecutionReport& report, const Series& series, Lang lang) {
  constexpr double kTop = 28;
  constexpr double kBottom = 196;
  constexpr double kHeight = 250;
  std::int64_t low = 0;
  std::int64_t high = 0;
  for (const Month& month : report.months()) {
    for (const auto figure : {series.month_figure, series.to_date_figure, series.open_figure}) {
      low = std::min(low, (month.*figure)());
      high = std::max(high, (month.*figure)());
    }
  }
  const Scale y{.ticks = Ticks(low, high), .from = kBottom, .to = kTop};
  std::string out = Open(kHeight, series.title);
  for (const std::int64_t tick : y.ticks) {
    out += Line(kLeft, y.At(tick), kRight, y.At(tick), tick == 0 ? kAxis : kGrid);
    out += Text(kLeft - 8, y.At(tick) + 4, "end", TickText(tick, y.ticks, lang));
  }

  const int months = report.months_size();
  const double step = (kRight - kLeft) / months;
  const int labelled = (months + 11) / 12;  // a dozen labels have room
  std::string bars;
  std::string lines;
  std::string dots;
  std::string to_date;
  std::string open;
  for (int i = 0; i < months; ++i) {
    const Month& month = report.months(i);
    const double left = kLeft + step * i;
    const double middle = left + step / 2;
    if ((month.*series.month_figure)() != 0) {
      bars += Box(left + step * 0.2, y.At(0), left + step * 0.8,
                  y.At((month.*series.month_figure)()), kBar);
    }
    const double done = y.At((month.*series.to_date_figure)());
    const double opened = y.At((month.*series.open_figure)());
    to_date += Point(middle, done);
    open += Point(left, opened) + Point(left + step, opened);
    if (months <= 24) dots += Dot(middle, done);
    // Both begin again with the year.
    if (i + 1 == months || report.months(i + 1).fiscal_year() != month.fiscal_year()) {
      lines += Path(open, kDashed) + Path(to_date, kSolid);
      to_date.clear();
      open.clear();
      if (i + 1 != months) lines += Line(left + step, kTop, left + step, kBottom, kGrid);
    }
    if (i % labelled == 0) {
      out += Text(middle, kBottom + 18, "middle", ShortMonth(month, lang));
    }
  }
  out += bars + lines + dots;

  const double legend = kHeight - 12;
  out += Box(kLeft, legend - 9, kLeft + 22, legend, kBar);
  out += Text(kLeft + 28, legend, "start", series.of_month);
  out += Line(kLeft + 214, legend - 4, kLeft + 246, legend - 4, kSolid);
  out += Dot(kLeft + 230, legend - 4);
  out += Text(kLeft + 252, legend, "start", series.to_date);
  out += Line(kLeft + 432, legend - 4, kLeft + 464, legend - 4, kDashed);
  out += Text(kLeft + 470, legend, "start", series.open);
  return out + "</svg>\n";
}

}  // namespace

std::string MonthsChart(const v1::ExecutionReport& report, Lang lang) {
  if (report.months().empty()) return "";
  return DrawMonths(report,
                    {.title = In(lang, "Autorisations d'engagement", "Commitment authority (AE)"),
                     .of_month = In(lang, "AE consommées dans le mois", "AE consumed in the month"),
                     .to_date = In(lang, "AE consommées, en cumul", "AE consumed to date"),
                     .open = In(lang, "AE ouvertes, en cumul", "AE opened to date"),
                     .month_figure = &Month::ae_consumed,
                     .to_date_figure = &Month::ae_consumed_to_date,
                     .open_figure = &Month::ae_opened_to_date},
                    lang) +
         DrawMonths(report,
                    {.title = In(lang, "Crédits de paiement", "Payment credits (CP)"),
                     .of_month = In(lang, "CP payés dans le mois", "CP paid in the month"),
                     .to_date = In(lang, "CP payés, en cumul", "CP paid to date"),
                     .open = In(lang, "CP ouverts, en cumul", "CP opened to date"),
                     .month_figure = &Month::cp_paid,
                     .to_date_figure = &Month::cp_paid_to_date,
                     .open_figure = &Month::cp_opened_to_date},
                    lang);
}

std::string OriginsChart(const v1::ExecutionReport& report, Lang lang) {
  struct Owed {
    std::int64_t before = 0, after = 0;
  };
  std::map<int, Owed> years;
  for (const auto& origin : report.origins()) {
    if (origin.outstanding_start() == 0 && origin.outstanding() == 0) continue;
    Owed& owed = years[origin.origin_year()];
    owed.before += origin.outstanding_start();
    owed.after += origin.outstanding();
  }
  if (years.empty()) return "";
  std::int64_t low = 0;
  std::int64_t high = 0;
  for (const auto& [year, owed] : years) {
    low = std::min({low, owed.before, owed.after});
    high = std::max({high, owed.before, owed.after});
  }

  constexpr double kTop = 26;
  constexpr double kStep = 44;
  const double bottom = kTop + kStep * static_cast<double>(years.size());
  const double height = bottom + 50;
  // The figures stand to the right of their bars.
  const Scale x{.ticks = Ticks(low, high), .from = kLeft, .to = kRight - 104};
  std::string out = Open(height, In(lang, "Restes à payer, en début et en fin de période",
                                    "Outstanding, at the start and at the end"));
  for (const std::int64_t tick : x.ticks) {
    out += Line(x.At(tick), kTop, x.At(tick), bottom, tick == 0 ? kAxis : kGrid);
    out += Text(x.At(tick), bottom + 15, "middle", TickText(tick, x.ticks, lang));
  }
  double top = kTop;
  for (const auto& [year, owed] : years) {
    out +=
        Text(kLeft - 10, top + kStep / 2 + 4, "end", std::to_string(year), " font-weight=\"bold\"");
    const auto bar = [&](double at, std::int64_t cents, std::string_view look) {
      if (cents != 0) out += Box(x.At(0), at, x.At(cents), at + 15, look);
      out +=
          Text(std::max(x.At(0), x.At(cents)) + 6, at + 12, "start", Euros(cents, lang), kOverGrid);
    };
    bar(top + 5, owed.before, kBefore);
    bar(top + 22, owed.after, kAfter);
    top += kStep;
  }
  const double legend = height - 8;
  out += Box(kLeft, legend - 9, kLeft + 22, legend, kBefore);
  out += Text(kLeft + 28, legend, "start", In(lang, "en début de période", "at the start"));
  out += Box(kLeft + 190, legend - 9, kLeft + 212, legend, kAfter);
  out += Text(kLeft + 218, legend, "start", In(lang, "en fin de période", "at the end"));
  return out + "</svg>\n";
}

std::vector<std::int64_t> Ticks(std::int64_t low, std::int64_t high) {
  constexpr std::int64_t kMost = 6;  // spaces between two ticks
  // Rounded away from 0.
  const auto steps = [](std::int64_t cents, std::int64_t step) {
    return cents / step + (cents % step == 0 ? 0 : 1);
  };
  std::int64_t step = 100;
  for (int i = 0; steps(high, step) + steps(-low, step) > kMost; ++i) {
    step = i % 3 == 1 ? step / 2 * 5 : step * 2;  // 1, 2, 5, 10 euros
  }
  std::vector<std::int64_t> ticks;
  const std::int64_t last = std::max<std::int64_t>(steps(high, step), low == 0 ? 1 : 0);
  for (std::int64_t i = -steps(-low, step); i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

}  // namespace denier::cli
