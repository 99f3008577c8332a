// Who may read what, in one place (décret 2004-1085, art. 2): auditors and the delegating body read
// everything, the managing body its own envelopes, with the commitments that have a line on them
// and the payments that they make; a principal that is an operator and nothing else reads no
// figure.
#ifndef DENIER_SERVICES_VISIBILITY_H_
#define DENIER_SERVICES_VISIBILITY_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "denier/events/v1/types.pb.h"
#include "denier/v1/resources.pb.h"
#include "projections/query_rows.h"
#include "projections/reports.h"
#include "services/rules/refusal.h"

namespace denier::services {

// WRONG_ROLE: no role of the principal reads figures, of whatever agreement.
std::optional<rules::Refusal> RefuseFigures(const events::v1::Principal& principal);

// True for who reads everything of every agreement.
bool ReadsAllAgreements(const events::v1::Principal& principal);

// What a principal may read of one agreement. A plain value.
class Sight {
 public:
  // WRONG_ROLE, WRONG_BODY: nothing. DAMAGED: the envelopes cannot be read.
  static std::variant<Sight, rules::Refusal> Of(const events::v1::Principal& principal,
                                                const v1::Agreement& agreement,
                                                const projections::QueryRows& rows);

  // Likewise for who asks for the figures of whole bodies: of envelopes, commitments and payments
  // it says nothing.
  static std::variant<Sight, rules::Refusal> OfBodies(const events::v1::Principal& principal,
                                                      const v1::Agreement& agreement);

  bool everything() const { return everything_; }
  bool SeesBody(std::string_view body_id) const;
  bool SeesEnvelope(std::string_view envelope_id) const;
  bool Sees(const v1::Commitment& commitment) const;
  bool Sees(const v1::PaymentRequest& payment) const;

  // Takes out what may not be seen.
  void Narrow(v1::Agreement& agreement) const;
  void Narrow(projections::AgreementRows& rows) const;
  void Narrow(projections::YearRows& rows) const;

 private:
  bool everything_ = false;
  std::string body_id_;                               // the caller's
  std::set<std::string, std::less<>> own_envelopes_;  // none is listed where everything is seen
};

// The refusal of what Sight does not let through. `managing_body`: whose it is; empty: several's.
rules::Refusal NotYours(std::string_view managing_body);

}  // namespace denier::services

#endif  // DENIER_SERVICES_VISIBILITY_H_
