#include "services/cli/execution_report_page.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "services/cli/execution_report_chart.h"
#include "services/cli/grid.h"

namespace denier::cli {
namespace {

using Kind = ReportCell::Kind;

// What stands side by side on A4 upright, in digits; and what a column takes of it where its words
// can be broken over lines.
constexpr std::size_t kMostUpright = 106;
constexpr std::size_t kWords = 12;

// Tables of so many rows are not broken over two pages.
constexpr std::size_t kMostKept = 16;

// A name as long as this stays on one line, whatever hyphens it has.
constexpr std::size_t kMostWhole = 20;

constexpr std::string_view kStyle = R"(
@page { size: A4; margin: 16mm 14mm 18mm 14mm; }
@page wide { size: A4 landscape; margin: 14mm 12mm 16mm 12mm; }
html { font: 9.5pt/1.35 "Liberation Sans", Arial, Helvetica, sans-serif; color: #000; background: #fff; }
body { margin: 0 auto; }
h1 { font-size: 21pt; line-height: 1.15; margin: 0 0 1mm; }
.subtitle { font-size: 11.5pt; margin: 0 0 5mm; }
h2 { font-size: 13pt; margin: 8mm 0 2mm; padding-bottom: 1mm; border-bottom: 0.5mm solid #000; break-after: avoid; }
h3 { font-size: 10pt; margin: 4mm 0 1.2mm; break-after: avoid; }
p { margin: 0 0 1.5mm; }
.note { color: #333; font-size: 8.5pt; max-width: 180mm; break-after: avoid; break-inside: avoid; }
.none { font-style: italic; margin: 1mm 0 2mm; }
table { border-collapse: collapse; width: 100%; font-size: 8pt; line-height: 1.25; }
table.kept { break-inside: avoid; }
table.statement td:first-child { white-space: nowrap; }
td.part:first-child { padding-left: 5mm; }
.w { white-space: nowrap; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { padding: 0.9mm 1.2mm; text-align: left; vertical-align: top; font-weight: normal; }
thead th { font-weight: bold; vertical-align: bottom; background: #e4e4e4; border-top: 0.3mm solid #000; border-bottom: 0.3mm solid #000; }
tbody tr { border-bottom: 0.15mm solid #bbb; }
th.amount, td.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead th.amount { white-space: normal; }
td.day, td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.total { border-top: 0.3mm solid #000; border-bottom: 0.3mm solid #000; break-before: avoid; }
tr.total td, tr.total th { font-weight: bold; }
tr.group { break-after: avoid; }
tr.group td { font-weight: bold; background: #f3f3f3; padding-top: 1.6mm; }
table.facts { font-size: 9.5pt; }
table.facts tr { border-bottom: 0.15mm solid #bbb; }
table.facts th { width: 38mm; font-weight: bold; }
table.facts td { overflow-wrap: anywhere; }
.wide { page: wide; }
figure { max-width: 182mm; margin: 2mm 0 3mm; break-inside: avoid; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: "Liberation Sans", Arial, Helvetica, sans-serif; }
pre { font: 8pt/1.35 "Liberation Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; border: 0.2mm solid #000; padding: 2mm; margin: 2mm 0 0; break-inside: avoid; }
.signatures { display: flex; gap: 8mm; margin: 10mm 0 4mm; break-inside: avoid; }
.signatures div { flex: 1; height: 34mm; border: 0.2mm solid #000; padding: 2mm; }
.signatures b { display: block; margin-bottom: 2mm; }
div.end { break-inside: avoid; }
@media screen {
  html { background: #ddd; }
  body { max-width: 190mm; padding: 14mm; background: #fff; }
  .wide { overflow-x: auto; }
}
)";

// `text` as the content of a string of CSS, and without what XML would take for its own.
std::string InCss(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x80 || (byte >= '0' && byte <= '9') || byte == ' ' ||
                       (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (plain) {
      out += c;
    } else {
      out += {'\\', kHex[byte >> 4], kHex[byte & 15], ' '};
    }
  }
  return out;
}

std::string_view ClassOf(Kind kind) {
  switch (kind) {
    case Kind::kText:
      return "text";
    case Kind::kCents:
      return "amount";
    case Kind::kDay:
      return "day";
    case Kind::kNumber:
      return "number";
  }
  return "";
}

std::string Element(std::string_view name, std::string_view style, std::string_view text) {
  const std::string element(name);
  return "<" + element + (style.empty() ? "" : " class=\"" + std::string(style) + "\"") + ">" +
         Escaped(text) + "</" + element + ">";
}

// Names such as EJ-2022-26 are broken at their hyphens only when they are long.
std::string WithWholeNames(std::string_view text) {
  std::string out;
  for (const std::string_view word : Split(text, ' ')) {
    if (word.data() != text.data()) out += ' ';
    if (word.size() <= kMostWhole && word.find('-') != std::string_view::npos) {
      out += "<span class=\"w\">" + Escaped(word) + "</span>";
    } else {
      out += Escaped(word);
    }
  }
  return out;
}

bool IsWide(const ReportSection& section, Lang lang) {
  for (const ReportTable& table : section.tables) {
    std::size_t width = 0;
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      std::size_t widest = table.columns[c].kind == Kind::kText ? kWords : 0;
      for (const auto& row : table.rows) {
        const ReportCell& cell = row[c];
        if (cell.kind != Kind::kText) widest = std::max(widest, DisplayWidth(TextOf(cell, lang)));
      }
      width += widest + 1;
    }
    if (!table.rows.empty() && width > kMostUpright) return true;
  }
  return false;
}

// How many columns the name of a row has: its own, and those without an amount and anything else.
std::size_t NameSpan(const ReportTable& table, std::size_t row) {
  std::size_t span = 1;
  while (span < table.columns.size() && table.columns[span].kind != Kind::kCents &&
         table.rows[row][span].kind == Kind::kText && table.rows[row][span].text.empty()) {
    ++span;
  }
  return span;
}

void AppendTable(std::string& out, const ReportTable& table, Lang lang) {
  if (!table.title.empty()) out += Element("h3", "", table.title) + "\n";
  if (table.rows.empty()) {
    out += Element("p", "none", table.none) + "\n";
    return;
  }
  bool statement = true;  // a name, and nothing but amounts
  for (std::size_t i = 1; i < table.columns.size(); ++i) {
    statement = statement && table.columns[i].kind == Kind::kCents;
  }
  out += "<table class=\"";
  out += statement ? "statement" : "list";
  out += table.rows.size() <= kMostKept ? " kept\">" : "\">";
  out += "\n<thead><tr>";
  for (const ReportTable::Column& column : table.columns) {
    out += Element("th", ClassOf(column.kind), column.heading);
  }
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.headings.contains(i)) {
      out += "<tr class=\"group\"><td colspan=\"" + std::to_string(table.columns.size()) + "\">" +
             Escaped(table.rows[i].front().text) + "</td></tr>\n";
      continue;
    }
    const bool total = table.totals.contains(i);
    out += total ? "<tr class=\"total\">" : "<tr>";
    for (std::size_t c = 0; c < table.rows[i].size(); ++c) {
      const ReportCell& cell = table.rows[i][c];
      // What stands in the place of an amount stands to the right too.
      std::string style(ClassOf(cell.kind == Kind::kText ? table.columns[c].kind : cell.kind));
      if (table.parts.contains(i)) style += " part";
      out += "<td class=\"" + style + "\"";
      // The name of a total takes what is empty behind it.
      if (const std::size_t span = total && c == 0 ? NameSpan(table, i) : 1; span > 1) {
        out += " colspan=\"" + std::to_string(span) + "\"";
        c += span - 1;
      }
      out += ">" + WithWholeNames(TextOf(cell, lang)) + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody>\n</table>\n";
}

void AppendFigure(std::string& out, const std::string& drawings) {
  if (!drawings.empty()) out += "<figure>\n" + drawings + "</figure>\n";
}

void AppendFacts(std::string& out, const ReportDocument::Facts& facts) {
  out += "<table class=\"facts\">\n<tbody>\n";
  for (const auto& [name, value] : facts) {
    out += "<tr>" + Element("th", "", name) + "<td>" + WithWholeNames(value) + "</td></tr>\n";
  }
  out += "</tbody>\n</table>\n";
}

}  // namespace

std::string MakePage(const ReportDocument& document, const v1::ExecutionReport& report, Lang lang) {
  std::string out = "<!DOCTYPE html>\n<html lang=\"";
  out += In(lang, "fr", "en");
  out +=
      "\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
  out += Element("title", "", document.title + " – " + document.subtitle) + "\n";
  out += "<style>";
  out += kStyle;
  for (const std::string_view page : {"@page", "@page wide"}) {
    out += std::string(page) +
           " {\n  @bottom-left { font: 7.5pt \"Liberation Sans\", Arial, sans-serif; content: \"" +
           InCss(document.footer) +
           "\"; }\n  @bottom-right { font: 7.5pt \"Liberation Sans\", Arial, sans-serif; content: "
           "counter(page) \" / \" counter(pages); }\n}\n";
  }
  out += "</style>\n</head>\n<body>\n<header>\n";
  out += Element("h1", "", document.title) + "\n";
  out += Element("p", "subtitle", document.subtitle) + "\n";
  AppendFacts(out, document.facts);
  out += "</header>\n";

  int number = 0;
  for (const ReportSection& section : document.sections) {
    out += IsWide(section, lang) ? "<section class=\"wide\">\n" : "<section>\n";
    out += Element("h2", "", std::to_string(++number) + ". " + section.title) + "\n";
    for (const std::string& note : section.notes) out += Element("p", "note", note) + "\n";
    switch (section.chart) {
      case ReportChart::kNone:
        break;
      case ReportChart::kMonths:
        AppendFigure(out, MonthsChart(report, lang));
        break;
      case ReportChart::kOrigins:
        AppendFigure(out, OriginsChart(report, lang));
        break;
    }
    for (const ReportTable& table : section.tables) AppendTable(out, table, lang);
    out += "</section>\n";
  }

  out += "<div class=\"end\">\n<section>\n";
  out += Element("h2", "", document.proof_title) + "\n";
  AppendFacts(out, document.proof);
  if (!document.checkpoint.empty()) {
    out += Element("h3", "", In(lang, "Point de contrôle signé", "Signed checkpoint")) + "\n" +
           Element("pre", "", document.checkpoint) + "\n";
  }
  out += "</section>\n<div class=\"signatures\">\n";
  for (const std::string& signature : document.signatures) {
    out += "<div><b>" + Escaped(signature) + "</b>" +
           Escaped(In(lang, "Date, nom, qualité et signature", "Date, name, title, signature")) +
           "</div>\n";
  }
  out += "</div>\n</div>\n</body>\n</html>\n";
  return out;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (byte < 0x20 && c != '\n' && c != '\t') {
      out += "\uFFFD";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace denier::cli
