// How a compte rendu is written: its sections, out of what the events named and what they moved. A
// part of execution_report.h.
#ifndef DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_
#define DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "denier/v1/execution_report.pb.h"
#include "projections/execution_report.h"
#include "projections/execution_report_registers.h"
#include "projections/execution_report_totals.h"

namespace denier::projections {

// How much of a report is written: the whole, or one of the two parts that it is the sum of.
enum class Written : std::uint8_t {
  kWhole,
  // What `totals` moved, be they those of a single event: without what was only said. No figure of
  // a row that the whole has is missing.
  kMoved,
  // What was said and moved nothing: budgets, plans as stated, carry-overs. `totals` are empty.
  kSaid,
};

// `until`: where the period really ends. When the report was recorded is left to the caller. Errors
// as ExecutionReportMaker::Finish's; of a part no check is made.
absl::StatusOr<v1::ExecutionReport> WriteReport(const ExecutionReportScope& scope, int until,
                                                const ReportRegisters& registers,
                                                const ReportTotals& totals, Written written);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_
