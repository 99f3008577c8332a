// The reports: pure functions from rows to the answers of denier/v1/query_service.proto, which says
// what each figure is. The same rows give the same report, to the byte.
//
//   absl::StatusOr<AgreementRows> rows = ReadAgreement(snapshot, "engagement-civique");
//   absl::StatusOr<v1::GetYearlyExecutionResponse> report = YearlyExecution(*rows);
//
// Whoever may not see an envelope's figures takes it out of the rows first. `position` of an answer
// is left to the caller. All sums are exact.
//
// Any thread. Errors of all reports: DATA_LOSS, a figure contradicts another: the rows are damaged.
// OUT_OF_RANGE: a total would pass 64 bits of cents.
#ifndef DENIER_PROJECTIONS_REPORTS_H_
#define DENIER_PROJECTIONS_REPORTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "denier/v1/query_service.pb.h"
#include "denier/v1/resources.pb.h"
#include "projections/body_year.h"
#include "projections/books.h"
#include "projections/query_rows.h"

namespace denier::projections {

// An envelope and its balances by budget year.
struct EnvelopeRows {
  v1::Envelope envelope;
  std::map<int, Balances> years;
};

// An agreement and its envelopes, by identifier.
struct AgreementRows {
  v1::Agreement agreement;
  std::vector<EnvelopeRows> envelopes;
};

// An agreement and the sums of its bodies, by body and budget year.
struct YearRows {
  v1::Agreement agreement;
  std::map<std::string, std::map<int, BodyYear>> bodies;
};

// NOT_FOUND: there is none. DATA_LOSS: damaged; also when what was engaged, withdrawn or paid in a
// year is not, over the whole agreement, what the restes à payer moved by, or when the balances of
// the envelopes do not add up to the sums of their bodies.
absl::StatusOr<AgreementRows> ReadAgreement(const QueryRows& rows, std::string_view agreement_id);
absl::StatusOr<EnvelopeRows> ReadEnvelope(const QueryRows& rows, std::string_view agreement_id,
                                          std::string_view envelope_id);

absl::StatusOr<YearRows> ReadYears(const QueryRows& rows, std::string_view agreement_id);

// A row for each year from the first to the last with a movement or a plan.
absl::StatusOr<std::vector<v1::ExecutionRow>> EnvelopeExecution(const v1::Agreement& agreement,
                                                                const EnvelopeRows& envelope);

// Exécution annuelle. `managing_body_id` empty: every body. The envelopes give the same one.
absl::StatusOr<v1::GetYearlyExecutionResponse> YearlyExecution(
    const YearRows& rows, std::string_view managing_body_id = {});
absl::StatusOr<v1::GetYearlyExecutionResponse> YearlyExecution(
    const AgreementRows& rows, std::string_view managing_body_id = {});

// Restes à payer.
absl::StatusOr<v1::GetOutstandingResponse> Outstanding(const AgreementRows& rows);

// Products, with the common costs split among them and the reconciliation line. `fiscal_year` 0:
// every year.
absl::StatusOr<v1::GetProductBudgetsResponse> ProductBudgets(const AgreementRows& rows,
                                                             int fiscal_year = 0);

// Suivi des CP associés à la consommation des AE.
absl::StatusOr<v1::GetPaymentFollowUpResponse> PaymentFollowUp(const AgreementRows& rows);

// Balance générale.
absl::StatusOr<v1::GetTrialBalanceResponse> TrialBalance(const AgreementRows& rows);

// Splits `cents` in proportion to `weights`, to the cent: each part is rounded down, and what is
// then left goes, a cent each, to the largest remainders, of equal ones to the first. The parts add
// up to `cents`; all are 0 when the weights are. Precondition: none is negative.
std::vector<std::int64_t> SplitByLargestRemainder(std::int64_t cents,
                                                  const std::vector<std::int64_t>& weights);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_REPORTS_H_
