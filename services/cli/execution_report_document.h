// The compte rendu as a document: what people read in it, in their language, in the order in which
// they read it. The terminal's table, the workbook and the page all show this one. Pure.
#ifndef DENIER_SERVICES_CLI_EXECUTION_REPORT_DOCUMENT_H_
#define DENIER_SERVICES_CLI_EXECUTION_REPORT_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "denier/v1/query_service.pb.h"
#include "services/cli/values.h"
#include "services/cli/view.h"

namespace denier::cli {

// What the report was made from, and what proves that.
struct ReportSource {
  std::string root = "";             // over all events up to the report's position, 32 bytes
  std::string note = "";             // the signed checkpoint; empty: the server has no key
  std::string verifier_key = "";     // of the checkpoint
  std::int32_t effective_until = 0;  // as in the request's header; 0: none
};

// A value of a table.
struct ReportCell {
  enum class Kind { kText, kCents, kDay, kNumber };
  Kind kind = Kind::kText;
  std::string text = "";
  std::int64_t value = 0;

  static ReportCell Text(std::string text) { return {.text = std::move(text)}; }
  static ReportCell Cents(std::int64_t cents) { return {.kind = Kind::kCents, .value = cents}; }
  static ReportCell Day(std::int32_t day) { return {.kind = Kind::kDay, .value = day}; }
  static ReportCell Number(std::int64_t number) { return {.kind = Kind::kNumber, .value = number}; }
};

// As people read it in `lang`; an amount of 0 in full, a day of 0 and nothing else empty.
std::string TextOf(const ReportCell& cell, Lang lang);

struct ReportTable {
  struct Column {
    std::string heading;
    ReportCell::Kind kind = ReportCell::Kind::kText;
  };

  std::string title = "";  // empty: the section's is enough
  std::vector<Column> columns = {};
  std::vector<std::vector<ReportCell>> rows = {};
  std::set<std::size_t> totals = {};    // rows that sum up what stands above them
  std::set<std::size_t> headings = {};  // rows of one text, over what stands below them
  std::set<std::size_t> parts = {};     // rows that are part of the one above
  std::size_t keys = 1;                 // the first columns name the row
  std::string none = "";                // what stands for no rows; "Néant"
};

// What is drawn above a section's tables, where there is something to draw with.
enum class ReportChart { kNone, kMonths, kOrigins };

struct ReportSection {
  std::string title;
  std::string sheet = "";  // its name in a workbook: short
  std::vector<std::string> notes = {};
  std::vector<ReportTable> tables = {};
  ReportChart chart = ReportChart::kNone;
};

struct ReportDocument {
  using Facts = std::vector<std::pair<std::string, std::string>>;  // names, values

  std::string title = "";
  std::string subtitle = "";
  std::string footer = "";            // what every page of it says: agreement, position, root
  std::int64_t recorded_time_us = 0;  // of the last event
  Facts facts = {};                   // who, what, when
  std::vector<ReportSection> sections = {};
  std::vector<std::string> signatures = {};  // who signs
  std::string proof_title = "";
  Facts proof = {};             // what it was made from
  std::string checkpoint = "";  // the signed note; empty: there is none, and `proof` says so
};

ReportDocument MakeDocument(const v1::GetExecutionReportResponse& response,
                            const ReportSource& source, Lang lang);

// The whole document for a terminal.
std::string ToText(const ReportDocument& document, const Style& style);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXECUTION_REPORT_DOCUMENT_H_
