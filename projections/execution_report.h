// The compte rendu: one pass over the events, in the order of the log. What each figure is, and on
// which day an entry counts, says denier/v1/execution_report.proto.
//
//   ExecutionReportMaker maker({.agreement_id = "engagement-civique",
//                               .from_date = 20220101, .until_date = 20221231});
//   for (...) if (absl::Status added = maker.Add(position, event); !added.ok()) return added;
//   absl::StatusOr<v1::ExecutionReport> report = maker.Finish();
//
// Amounts come from the events' postings (posting.h), names from the events' own fields. Memory
// grows with the commitments and payment requests of the agreement, not with its events.
#ifndef DENIER_PROJECTIONS_EXECUTION_REPORT_H_
#define DENIER_PROJECTIONS_EXECUTION_REPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/execution_report.pb.h"
#include "store/position.h"

namespace denier::projections {

class ReportRegisters;
class ReportTotals;

// Which report.
struct ExecutionReportScope {
  std::string agreement_id;
  int from_date = 0;   // first day of the period
  int until_date = 0;  // its last
  // Entries that take effect later are left out, and the period ends there; 0: none are.
  int effective_until = 0;
  // Whether an envelope's figures may be shown; empty: every one's.
  std::function<bool(std::string_view envelope_id)> sees = nullptr;
};

// Not thread-safe.
class ExecutionReportMaker {
 public:
  // Precondition: the days exist, and from_date <= until_date.
  explicit ExecutionReportMaker(ExecutionReportScope scope);
  ~ExecutionReportMaker();
  ExecutionReportMaker(const ExecutionReportMaker&) = delete;
  ExecutionReportMaker& operator=(const ExecutionReportMaker&) = delete;

  // Takes the event at `position`; those of other agreements are passed over. All events of the
  // agreement from the first on are needed, in their order. `event` is not retained.
  // DATA_LOSS: it names something that no event before it has made.
  absl::Status Add(store::Position position, const events::v1::Event& event);

  // The report of the events so far. The same events give the same report, to the byte.
  // NOT_FOUND: none of them made the agreement. DATA_LOSS: two ways to a figure that must agree do
  // not. OUT_OF_RANGE: a figure would pass 64 bits of cents.
  absl::StatusOr<v1::ExecutionReport> Finish() const;

  // The report as if `event`, which was the last that Add took, had been the only one that moved
  // anything: what it adds to each additive figure. Figures that are not additive, and what is no
  // figure, are left out. Errors as Finish's.
  absl::StatusOr<v1::ExecutionReport> SharesOf(store::Position position,
                                               const events::v1::Event& event) const;

 private:
  const ExecutionReportScope scope_;
  const int until_date_;  // where the period really ends
  const std::unique_ptr<ReportRegisters> registers_;
  const std::unique_ptr<ReportTotals> totals_;
  std::int64_t recorded_time_us_ = 0;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_H_
