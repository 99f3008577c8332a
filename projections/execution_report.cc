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

bool IsOfCarryover(const Event& event) {
  return event.has_carryover_requested() || event.has_carryover_granted() ||
         event.has_carryover_refused() || event.has_carryover_made_available();
}

absl::Status At(store::Position position, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::DataLossError(
      absl::StrCat("the event at position ", position, ": ", status.message()));
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

bool ExecutionReportMaker::LeavesOut(const Event& event) const {
  if (event.agreement_id() != scope_.agreement_id) return true;
  const bool too_late =
      scope_.effective_until != 0 && event.effective_date() > scope_.effective_until;
  return too_late && !IsRegister(event);
}

absl::Status ExecutionReportMaker::Add(store::Position position, const Event& event) {
  recorded_time_us_ = event.recorded_time_us();
  if (LeavesOut(event)) return absl::OkStatus();
  absl::Status taken = registers_->Learn(event, position);
  if (taken.ok()) taken = totals_->Count(position, event, *registers_);
  return At(position, taken);
}

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::Finish() const {
  absl::StatusOr<v1::ExecutionReport> report =
      WriteReport(scope_, until_date_, *registers_, *totals_, Written::kWhole);
  if (report.ok()) report->set_recorded_time_us(recorded_time_us_);
  return report;
}

ExecutionReportParts::ExecutionReportParts(const ExecutionReportMaker& whole)
    : whole_(whole),
      said_(std::make_unique<ReportRegisters>(whole.scope_, whole.until_date_)),
      nothing_(std::make_unique<ReportTotals>(whole.scope_, whole.until_date_)),
      commitment_(std::make_unique<ReportTotals>(whole.scope_, whole.until_date_)) {}

ExecutionReportParts::~ExecutionReportParts() = default;

absl::StatusOr<v1::ExecutionReport> ExecutionReportParts::Moved(store::Position position,
                                                                const Event& event) const {
  ReportTotals totals(whole_.scope_, whole_.until_date_);
  if (!whole_.LeavesOut(event)) {
    absl::Status counted = At(position, totals.Count(position, event, *whole_.registers_));
    if (!counted.ok()) return counted;
  }
  return WriteReport(whole_.scope_, whole_.until_date_, *whole_.registers_, totals,
                     Written::kMoved);
}

absl::StatusOr<std::optional<v1::ExecutionReport>> ExecutionReportParts::Said(
    store::Position position, const Event& event) {
  if (whole_.LeavesOut(event)) return std::nullopt;
  if (!IsRegister(event) && !event.has_plan_imported() && !IsOfCarryover(event))
    return std::nullopt;
  if (absl::Status learnt = At(position, said_->Learn(event, position)); !learnt.ok())
    return learnt;
  return WriteReport(whole_.scope_, whole_.until_date_, *said_, *nothing_, Written::kSaid);
}

absl::StatusOr<std::optional<v1::ExecutionReport>> ExecutionReportParts::MovedOf(
    std::string_view commitment_id, store::Position position, const Event& event) {
  const ReportRegisters& names = *whole_.registers_;
  if (whole_.LeavesOut(event) || names.CommitmentOf(event) != commitment_id) return std::nullopt;
  absl::Status counted = At(position, commitment_->Count(position, event, names));
  if (!counted.ok()) return counted;
  return WriteReport(whole_.scope_, whole_.until_date_, names, *commitment_, Written::kMoved);
}

}  // namespace denier::projections
