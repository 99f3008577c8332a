// The rows of the exports that are tables: a row a posting, a row an event. The values are here,
// their looks are in export_csv and export_xlsx.
#ifndef DENIER_SERVICES_CLI_EXPORT_ROWS_H_
#define DENIER_SERVICES_CLI_EXPORT_ROWS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "projections/posting.h"
#include "services/cli/exported_log.h"
#include "services/cli/values.h"

namespace denier::cli {

// What the cells of a column hold.
enum class CellKind : std::uint8_t {
  kText,     // as the books have it
  kWord,     // one of our own names: looked up for people, or as in the API
  kNumber,   // a position or a year; empty when there is none
  kDay,      // YYYYMMDD; empty when there is none
  kInstant,  // microseconds since 1970 UTC
  kEuros,    // cents
};

struct ExportColumn {
  std::string_view name;    // as in the API
  std::string_view french;  // heading
  CellKind kind;
};

struct ExportCell {
  std::string text = {};    // kText; kWord as in the API
  std::string word = {};    // kWord for people, in French
  std::int64_t number = 0;  // the others
  bool empty = false;
};

using ExportRow = std::vector<ExportCell>;  // a cell a column

const std::vector<ExportColumn>& PostingColumns();
const std::vector<ExportColumn>& EventColumns();

// Makes rows of the events in their order; it remembers which body manages which envelope.
class ExportRows {
 public:
  // The row of `exported`, in the columns of EventColumns.
  ExportRow OfEvent(const ExportedEvent& exported) const;

  // Calls `take` with each posting of `exported`, in the columns of PostingColumns.
  void OfPostings(const ExportedEvent& exported, const std::function<void(const ExportRow&)>& take);

 private:
  std::map<std::pair<std::string, std::string>, std::string> bodies_;  // by agreement, envelope
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORT_ROWS_H_
