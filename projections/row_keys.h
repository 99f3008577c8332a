// The keys under which rows are stored in `views/`. Identifiers hold no '/', so keys are
// unambiguous and the rows of one agreement lie together, in the order of their identifiers. Kinds
// of which there are ever more rows stand in store::kGrowingKinds, too.
#ifndef DENIER_PROJECTIONS_ROW_KEYS_H_
#define DENIER_PROJECTIONS_ROW_KEYS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "store/position.h"

namespace denier::projections {

// What a row's key is made of: a kind, and for most kinds an agreement, something of it, and a
// budget year. Whether a key is the one that is meant can be asked without putting it together: a
// command asks for the same few rows again and again. Views of its parts, to be used at once.
class RowName {
 public:
  // A key that has been put together already.
  explicit RowName(std::string_view key) : kind_(key), parts_(1) {}
  RowName(std::string_view kind, std::string_view agreement_id)
      : kind_(kind), agreement_id_(agreement_id), parts_(2) {}
  RowName(std::string_view kind, std::string_view agreement_id, std::string_view id)
      : kind_(kind), agreement_id_(agreement_id), id_(id), parts_(3) {}
  RowName(std::string_view kind, std::string_view agreement_id, std::string_view id,
          int fiscal_year)
      : kind_(kind), agreement_id_(agreement_id), id_(id), fiscal_year_(fiscal_year), parts_(4) {}

  std::string Key() const;
  // Key() == key.
  bool Is(std::string_view key) const;

 private:
  std::string_view kind_;
  std::string_view agreement_id_;
  std::string_view id_;
  int fiscal_year_ = 0;
  int parts_;
};

inline RowName AgreementRow(std::string_view agreement_id) { return {"agreement", agreement_id}; }
inline RowName EnvelopeRow(std::string_view agreement_id, std::string_view envelope_id) {
  return {"envelope", agreement_id, envelope_id};
}
inline RowName BalancesRow(std::string_view agreement_id, std::string_view envelope_id,
                           int fiscal_year) {
  return {"balances", agreement_id, envelope_id, fiscal_year};
}
inline RowName BodyYearRow(std::string_view agreement_id, std::string_view body_id,
                           int fiscal_year) {
  return {"body", agreement_id, body_id, fiscal_year};
}
inline RowName CommitmentRow(std::string_view agreement_id, std::string_view commitment_id) {
  return {"commitment", agreement_id, commitment_id};
}
inline RowName PaymentRow(std::string_view agreement_id, std::string_view payment_request_id) {
  return {"payment", agreement_id, payment_request_id};
}
inline RowName ProgressRow(std::string_view agreement_id) { return {"progress", agreement_id}; }

// The keys of the same. Balances* are of a views::v1::EnvelopeYear, ReversalKey of a
// views::v1::Reversal, ProgressRow of a views::v1::AgreementProgress, the others of the resource
// that they name.
std::string AgreementKey(std::string_view agreement_id);
std::string EnvelopeKey(std::string_view agreement_id, std::string_view envelope_id);
std::string BalancesKey(std::string_view agreement_id, std::string_view envelope_id,
                        int fiscal_year);
std::string BodyYearKey(std::string_view agreement_id, std::string_view body_id, int fiscal_year);
std::string CommitmentKey(std::string_view agreement_id, std::string_view commitment_id);
std::string PaymentKey(std::string_view agreement_id, std::string_view payment_request_id);
std::string ReversalKey(std::int64_t position);
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
