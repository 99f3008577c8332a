// How a compte rendu is written: its sections, out of what the events named and what they moved. A
// part of execution_report.h.
#ifndef DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_
#define DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_

#include "absl/status/statusor.h"
#include "denier/v1/execution_report.pb.h"
#include "projections/execution_report.h"
#include "projections/execution_report_registers.h"
#include "projections/execution_report_totals.h"

namespace denier::projections {

// `until`: where the period really ends. `whole` is false when `totals` are those of a single
// event: what is not additive, and what is no figure, is then left out. When the report was
// recorded is left to the caller. Errors as ExecutionReportMaker::Finish's.
absl::StatusOr<v1::ExecutionReport> WriteReport(const ExecutionReportScope& scope, int until,
                                                const ReportRegisters& registers,
                                                const ReportTotals& totals, bool whole);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_SECTIONS_H_
