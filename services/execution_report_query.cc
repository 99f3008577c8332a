#include "services/execution_report_query.h"

#include <string>
#include <string_view>
#include <utility>

#include "projections/calendar.h"
#include "projections/event_version.h"
#include "projections/execution_report.h"
#include "services/readers.h"

namespace denier::services {
namespace {

using projections::ExecutionReportMaker;
using rules::Refusal;

std::optional<Refusal> RefusePeriod(const v1::GetExecutionReportRequest& request) {
  const int until = request.header().effective_until();
  if (!projections::IsDay(request.from_date())) {
    return rules::InvalidField("from_date", "want a day, YYYYMMDD");
  }
  if (!projections::IsDay(request.until_date())) {
    return rules::InvalidField("until_date", "want a day, YYYYMMDD");
  }
  if (request.until_date() < request.from_date()) {
    return rules::InvalidField("until_date", "is before from_date");
  }
  if (until != 0 && (!projections::IsDay(until) || until < request.from_date())) {
    return rules::InvalidField("header.effective_until", "want a day of the period or later");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> AnswerExecutionReport(const v1::GetExecutionReportRequest& request,
                                             const Sight& sight, const store::Log& log,
                                             store::Position next,
                                             const std::function<bool()>& cancelled,
                                             v1::GetExecutionReportResponse& response) {
  if (auto refusal = RefusePeriod(request)) return refusal;
  const v1::QueryHeader& header = request.header();
  projections::ExecutionReportScope scope{.agreement_id = header.agreement_id(),
                                          .from_date = request.from_date(),
                                          .until_date = request.until_date(),
                                          .effective_until = header.effective_until()};
  if (!sight.everything()) {
    scope.sees = [&sight](std::string_view envelope_id) { return sight.SeesEnvelope(envelope_id); };
  }
  ExecutionReportMaker maker(std::move(scope));
  store::Log::Reader reader = log.ReadFrom(0);
  store::Position position = 0;
  events::v1::Event event;
  while (position < next) {
    if (cancelled()) return std::nullopt;
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return Unreadable(batch.status());
    if (*batch == nullptr) {
      return rules::Refuse(v1::ERROR_REASON_DAMAGED, "the log ends before what is folded of it");
    }
    for (const std::string_view bytes : (*batch)->events) {
      const absl::Status decoded = projections::DecodeEvent(bytes, position, event);
      if (!decoded.ok()) return Unreadable(decoded);
      if (absl::Status added = maker.Add(position, event); !added.ok()) return Unreadable(added);
      if (++position == next) break;
    }
  }
  absl::StatusOr<v1::ExecutionReport> report = maker.Finish();
  if (absl::IsNotFound(report.status())) {
    return rules::Refuse(v1::ERROR_REASON_UNKNOWN_AGREEMENT, "no event made it")
        .With("agreement_id", header.agreement_id());
  }
  if (!report.ok()) return Unreadable(report.status());
  *response.mutable_report() = *std::move(report);
  return std::nullopt;
}

}  // namespace denier::services
