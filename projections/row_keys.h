// The keys under which rows are stored in `views/`. Identifiers hold no '/', so keys are
// unambiguous and the rows of one agreement lie together, in the order of their identifiers.
#ifndef DENIER_PROJECTIONS_ROW_KEYS_H_
#define DENIER_PROJECTIONS_ROW_KEYS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "store/position.h"

namespace denier::projections {

// v1::Agreement
std::string AgreementKey(std::string_view agreement_id);
// v1::Envelope
std::string EnvelopeKey(std::string_view agreement_id, std::string_view envelope_id);
// views::v1::EnvelopeYear
std::string BalancesKey(std::string_view agreement_id, std::string_view envelope_id,
                        int fiscal_year);
// views::v1::BodyYear
std::string BodyYearKey(std::string_view agreement_id, std::string_view body_id, int fiscal_year);
// v1::Commitment
std::string CommitmentKey(std::string_view agreement_id, std::string_view commitment_id);
// v1::PaymentRequest
std::string PaymentKey(std::string_view agreement_id, std::string_view payment_request_id);
// views::v1::Reversal
std::string ReversalKey(std::int64_t position);
// views::v1::AgreementProgress
std::string ProgressKey(std::string_view agreement_id);
// views::v1::TotalsSnapshot after the events [0, next), of all totals and of those of the bodies
std::string SnapshotKey(std::string_view agreement_id, store::Position next);
std::string YearsSnapshotKey(std::string_view agreement_id, store::Position next);

// What all keys of a kind begin with. An empty `envelope_id` means all envelopes.
std::string AgreementPrefix();
std::string EnvelopePrefix(std::string_view agreement_id);
std::string BalancesPrefix(std::string_view agreement_id, std::string_view envelope_id = {});
std::string BodyYearPrefix(std::string_view agreement_id);
std::string CommitmentPrefix(std::string_view agreement_id);
std::string PaymentPrefix(std::string_view agreement_id);
std::string SnapshotPrefix(std::string_view agreement_id);
std::string YearsSnapshotPrefix(std::string_view agreement_id);

// Whether a key is an AgreementKey, an EnvelopeKey, a BodyYearKey, a CommitmentKey, a PaymentKey, a
// ReversalKey.
bool IsAgreementKey(std::string_view key);
bool IsEnvelopeKey(std::string_view key);
bool IsBodyYearKey(std::string_view key);
bool IsCommitmentKey(std::string_view key);
bool IsPaymentKey(std::string_view key);
bool IsReversalKey(std::string_view key);

// The year at the end of a BalancesKey or a BodyYearKey.
int YearOfKey(std::string_view key);

// The body in a BodyYearKey.
std::string_view BodyOfKey(std::string_view body_year_key);

// The position at the end of a SnapshotKey or a YearsSnapshotKey.
store::Position NextOfKey(std::string_view snapshot_key);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_ROW_KEYS_H_
