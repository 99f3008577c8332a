// The compte rendu as a workbook: a cover, and a sheet for each of its sections.
#ifndef DENIER_SERVICES_CLI_EXECUTION_REPORT_WORKBOOK_H_
#define DENIER_SERVICES_CLI_EXECUTION_REPORT_WORKBOOK_H_

#include <string>

#include "absl/status/status.h"
#include "services/cli/execution_report_document.h"
#include "services/cli/values.h"

namespace denier::cli {

// Writes it at `path`. Amounts are numbers in euros, days are dates; headings stay in sight, and
// come again on every printed page. The same document gives the same bytes: its date is that of
// the last event. OUT_OF_RANGE: an amount that a spreadsheet's numbers (15 digits) cannot hold to
// the cent, or more rows than a sheet has. UNAVAILABLE: the disk.
absl::Status WriteWorkbook(const ReportDocument& document, Lang lang, const std::string& path);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXECUTION_REPORT_WORKBOOK_H_
