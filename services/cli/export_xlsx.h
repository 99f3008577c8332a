// The export for people: a workbook with a cover, the yearly execution, the events, the postings.
#ifndef DENIER_SERVICES_CLI_EXPORT_XLSX_H_
#define DENIER_SERVICES_CLI_EXPORT_XLSX_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "denier/v1/query_service.pb.h"
#include "services/cli/exported_log.h"

namespace denier::cli {

// The yearly execution of each agreement, by identifier, at the export's position.
using ExecutionByAgreement = std::vector<std::pair<std::string, v1::GetYearlyExecutionResponse>>;

// Writes the workbook at `path`, in French. Amounts are numbers in euros (shown as `# ##0,00 €`),
// days and instants are dates; headings stay in sight and filter. Where a sheet is full (1,048,576
// rows) the next one goes on. The same input gives the same bytes: its dates are those of the last
// event.
// OUT_OF_RANGE: an amount that a spreadsheet's numbers (15 digits) cannot hold to the cent.
// UNAVAILABLE: the disk. Memory: bounded.
absl::Status WriteXlsx(const Provenance& provenance, const ExecutionByAgreement& execution,
                       ExportedLog& log, const std::string& path);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORT_XLSX_H_
