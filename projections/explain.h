// From a figure of a report to the events that it comes from, and what each adds to it.
//
// How a report sums is written once, in reports.cc. What an event adds to a figure is therefore
// that report made of this event alone: every figure is a sum of postings. What an agreement says
// without moving money (budgets, their shares, the financing) is not; there it is the difference
// that the event makes. Together they give the figure, to the cent, and Explain checks that they
// do. The compte rendu, which is made of more than postings, has ExecutionReportParts.
#ifndef DENIER_PROJECTIONS_EXPLAIN_H_
#define DENIER_PROJECTIONS_EXPLAIN_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/query_service.pb.h"
#include "google/protobuf/message.h"
#include "projections/execution_report.h"
#include "projections/moment.h"
#include "projections/reports.h"
#include "store/log.h"

namespace denier::projections {

// A figure, in cents, and its full name: with all that identifies its row.
struct Figure {
  v1::FigureName name;
  std::int64_t cents = 0;
};

// Calls `visit` for each figure in the rows of `report`, a response of the query service; of
// GetExecutionReport's the report in it.
void ForEachFigure(const google::protobuf::Message& report, v1::Report kind,
                   absl::FunctionRef<void(const Figure& figure)> visit);

// What an identifier that a name leaves empty may be.
enum class Empty : std::uint8_t {
  kAnything,  // if only one row is left
  kNothing,   // only empty: the name is a Figure's
};

// The figure that `name` means in the rows of `report`, a response of the query service, or in its
// own fields.
// NOT_FOUND: no such row or column. INVALID_ARGUMENT: several rows fit.
absl::StatusOr<Figure> FindFigure(const google::protobuf::Message& report,
                                  const v1::FigureName& name, Empty empty = Empty::kAnything);

// Makes the report that `name` is about and finds the figure. Errors: FindFigure's and the
// report's.
absl::StatusOr<Figure> FigureOf(const AgreementRows& rows, const v1::FigureName& name,
                                Empty empty = Empty::kAnything);

// One event's part in a figure.
struct Share {
  store::Position position;
  const events::v1::Event& event;
  std::int64_t cents;  // never 0
};
// False: enough.
using TakeShare = absl::FunctionRef<bool(const Share& share)>;

// Calls `take` for each event of [from, moment.next) that adds to `figure`, in the order of the
// log. `rows` are those of the moment, without what the caller may not see; `figure` is FigureOf
// them. With `from` 0 and every share taken, the shares add up to the figure. `cancelled` is asked
// now and then. Any thread. DATA_LOSS: an event does not decode, or the shares do not add up.
// CANCELLED.
absl::Status Explain(const store::Log& log, const AgreementRows& rows, const Moment& moment,
                     const Figure& figure, store::Position from, TakeShare take,
                     absl::FunctionRef<bool()> cancelled);

// The same for a figure of a commitment's line, or of a payment request: FindFigure of the row.
absl::Status ExplainRegister(const store::Log& log, const std::string& agreement_id,
                             const Moment& moment, const Figure& figure, store::Position from,
                             TakeShare take, absl::FunctionRef<bool()> cancelled);

// The same for a figure of any row of the compte rendu. `figure` has the name alone, and gets the
// rest. Reads the agreement's events twice. Errors also as ExecutionReportMaker's and FindFigure's.
absl::Status ExplainExecutionReport(const store::Log& log, const ExecutionReportScope& scope,
                                    const Moment& moment, store::Position from, Figure& figure,
                                    TakeShare take, absl::FunctionRef<bool()> cancelled);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXPLAIN_H_
