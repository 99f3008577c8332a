#include "projections/execution_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "projections/execution_report_registers.h"
#include "projections/execution_report_sections.h"
#include "projections/execution_report_totals.h"

namespace denier::projections {
namespace {

using events::v1::Event;

// The fact that made the agreement, its envelopes, its terms or products: no money moves, and it is
// known whatever the day.
bool IsRegister(const Event& event) {
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
      return true;
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kOpeningImported:
    case Event::kOpeningCorrected:
    case Event::kPlanImported:
    case Event::kCarryoverRequested:
    case Event::kCarryoverGranted:
    case Event::kCarryoverRefused:
    case Event::kCarryoverMadeAvailable:
    case Event::kYearClosed:
    case Event::kYearReopened:
    case Event::kEngaged:
    case Event::kWithdrawn:
    case Event::kServiceCertified:
    case Event::kPaymentRequested:
    case Event::kPaid:
    case Event::kPaidWithoutCommitment:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReinstated:
    case Event::kReimputed:
    case Event::kReversed:
    case Event::FACT_NOT_SET:
      break;
  }
  return false;
}

}  // namespace

ExecutionReportMaker::ExecutionReportMaker(ExecutionReportScope scope)
    : scope_(std::move(scope)),
      until_date_(scope_.effective_until == 0
                      ? scope_.until_date
                      : std::min(scope_.until_date, scope_.effective_until)),
      registers_(std::make_unique<ReportRegisters>(scope_, until_date_)),
      totals_(std::make_unique<ReportTotals>(scope_, until_date_)) {}

ExecutionReportMaker::~ExecutionReportMaker() = default;

absl::Status ExecutionReportMaker::Add(store::Position position, const Event& event) {
  recorded_time_us_ = event.recorded_time_us();
  if (event.agreement_id() != scope_.agreement_id) return absl::OkStatus();
  const bool too_late =
      scope_.effective_until != 0 && event.effective_date() > scope_.effective_until;
  if (too_late && !IsRegister(event)) return absl::OkStatus();
  absl::Status taken = registers_->Learn(event, position);
  if (taken.ok()) taken = totals_->Count(position, event, *registers_);
  if (taken.ok()) return taken;
  return absl::DataLossError(
      absl::StrCat("the event at position ", position, ": ", taken.message()));
}

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::Finish() const {
  absl::StatusOr<v1::ExecutionReport> report =
      WriteReport(scope_, until_date_, *registers_, *totals_, /*whole=*/true);
  if (report.ok()) report->set_recorded_time_us(recorded_time_us_);
  return report;
}

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::SharesOf(store::Position position,
                                                                   const Event& event) const {
  ReportTotals totals(scope_, until_date_);
  const bool too_late =
      scope_.effective_until != 0 && event.effective_date() > scope_.effective_until;
  if (event.agreement_id() == scope_.agreement_id && !too_late) {
    if (absl::Status counted = totals.Count(position, event, *registers_); !counted.ok()) {
      return counted;
    }
  }
  return WriteReport(scope_, until_date_, *registers_, totals, /*whole=*/false);
}

}  // namespace denier::projections
