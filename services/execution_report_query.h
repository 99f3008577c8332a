// The compte rendu as GetExecutionReport answers it: read from the log, event by event.
#ifndef DENIER_SERVICES_EXECUTION_REPORT_QUERY_H_
#define DENIER_SERVICES_EXECUTION_REPORT_QUERY_H_

#include <functional>
#include <optional>

#include "denier/v1/query_service.pb.h"
#include "services/rules/refusal.h"
#include "services/visibility.h"
#include "store/log.h"
#include "store/position.h"

namespace denier::services {

// Fills in the report of `response` from the events [0, next) of `log`, without what `sight` does
// not see; the position is left to the caller. Reads the whole log up to there, and stops with
// nothing filled in as soon as `cancelled` says so. INVALID_FIELD: the period. UNKNOWN_AGREEMENT:
// none of the events made it. DAMAGED, AMOUNT_OVERFLOW.
std::optional<rules::Refusal> AnswerExecutionReport(const v1::GetExecutionReportRequest& request,
                                                    const Sight& sight, const store::Log& log,
                                                    store::Position next,
                                                    const std::function<bool()>& cancelled,
                                                    v1::GetExecutionReportResponse& response);

}  // namespace denier::services

#endif  // DENIER_SERVICES_EXECUTION_REPORT_QUERY_H_
