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

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

 private:
  friend class ExecutionReportParts;

  // True when `event` is of another agreement, or takes effect too late.
  bool LeavesOut(const events::v1::Event& event) const;

  const ExecutionReportScope scope_;
  const int until_date_;  // where the period really ends
  const std::unique_ptr<ReportRegisters> registers_;
  const std::unique_ptr<ReportTotals> totals_;
  std::int64_t recorded_time_us_ = 0;
};

// What single events add to the figures of a report (explain.h). A figure is the sum, over the
// events, of what each moves, and of the differences that each makes to what was said without
// moving anything. In the parts the rows have the names that they have in the whole report, and a
// row that is missing has nothing. Instalments are no sum: theirs is the difference that an event
// makes to what the events of their commitment moved, all together.
//
// Not thread-safe.
class ExecutionReportParts {
 public:
  // `whole` has taken every event, and must outlive the parts. The events come again, in order.
  explicit ExecutionReportParts(const ExecutionReportMaker& whole);
  ~ExecutionReportParts();
  ExecutionReportParts(const ExecutionReportParts&) = delete;
  ExecutionReportParts& operator=(const ExecutionReportParts&) = delete;

  // What `event` moves. Errors of all as ExecutionReportMaker's.
  absl::StatusOr<v1::ExecutionReport> Moved(store::Position position,
                                            const events::v1::Event& event) const;

  // What has been said up to `event`; nothing: it says nothing.
  absl::StatusOr<std::optional<v1::ExecutionReport>> Said(store::Position position,
                                                          const events::v1::Event& event);

  // What the events of the commitment have moved up to `event`; nothing: it is not about it. To be
  // asked about one commitment alone.
  absl::StatusOr<std::optional<v1::ExecutionReport>> MovedOf(std::string_view commitment_id,
                                                             store::Position position,
                                                             const events::v1::Event& event);

 private:
  const ExecutionReportMaker& whole_;
  const std::unique_ptr<ReportRegisters> said_;     // what the events so far have named
  const std::unique_ptr<ReportTotals> nothing_;     // moved
  const std::unique_ptr<ReportTotals> commitment_;  // so far
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_H_
