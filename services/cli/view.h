// How the answers of queries are shown. Pure: a message in, text out.
#ifndef DENIER_SERVICES_CLI_VIEW_H_
#define DENIER_SERVICES_CLI_VIEW_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "denier/v1/audit_service.pb.h"
#include "services/cli/fields.h"

namespace denier::cli {

enum class Format { kTable, kCsv, kJson };

// For whom an answer is written.
struct Style {
  Lang lang = Lang::kFrench;
  Format format = Format::kTable;
  std::size_t width = 0;  // columns of the terminal; 0: as wide as it needs
};

// A query's answer. Table: everything, in blocks, the position last. Json: everything. Csv is one
// table, of `csv_field` ("rows", "commitments"; empty: the answer's own fields): a row for each,
// and for a commitment one for each of its lines; product rows carry their year's reconciliation.
std::string Show(const Message& response, std::string_view csv_field, const Style& style);

// Keeps only the rows of a report (fields `rows` and `years`) whose `field` is `value`; totals go,
// for they would be those of all rows.
void KeepRows(Message* response, std::string_view field, std::string_view value);

// An event: csv and json one line each, a table's line is followed by what the fact says.
std::string ShowEvent(const v1::EventRecord& record, const Style& style);

// What an event's fact says, on one line: labels and values of all that is set.
std::string FactSentence(const events::v1::Event& event, Lang lang);

// What stands above the events.
std::string ShowEventHeading(const Style& style);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_VIEW_H_
