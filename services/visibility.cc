#include "services/visibility.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "projections/row_keys.h"
#include "services/readers.h"

namespace denier::services {
namespace {

using events::v1::Principal;
using events::v1::Role;

bool Has(const Principal& principal, Role role) {
  return std::ranges::find(principal.roles(), role) != principal.roles().end();
}

// The roles that read figures; an operator's is not among them.
constexpr Role kReadingRoles[] = {events::v1::ROLE_PROGRAMME_MANAGER,
                                  events::v1::ROLE_AUTHORISING_OFFICER, events::v1::ROLE_ACCOUNTANT,
                                  events::v1::ROLE_AUDITOR};

constexpr std::size_t kEnvelopesPerScan = 1'000;

}  // namespace

std::optional<rules::Refusal> RefuseFigures(const Principal& principal) {
  if (std::ranges::any_of(kReadingRoles, [&](Role role) { return Has(principal, role); })) {
    return std::nullopt;
  }
  return rules::Refuse(v1::ERROR_REASON_WRONG_ROLE, "this role reads no figure")
      .With("role", events::v1::Role_Name(events::v1::ROLE_AUDITOR));
}

bool ReadsAllAgreements(const Principal& principal) {
  return Has(principal, events::v1::ROLE_AUDITOR);
}

rules::Refusal NotYours(std::string_view managing_body) {
  rules::Refusal refusal =
      rules::Refuse(v1::ERROR_REASON_WRONG_BODY, "another body's, which yours may not read");
  if (managing_body.empty()) return refusal;
  return std::move(refusal).With("managing_body", managing_body);
}

std::variant<Sight, rules::Refusal> Sight::OfBodies(const Principal& principal,
                                                    const v1::Agreement& agreement) {
  if (auto refusal = RefuseFigures(principal)) return *std::move(refusal);
  Sight sight;
  sight.body_id_ = principal.body_id();
  sight.everything_ =
      ReadsAllAgreements(principal) || principal.body_id() == agreement.delegating_body().body_id();
  if (!sight.everything_ && principal.body_id() != agreement.managing_body().body_id()) {
    return NotYours(agreement.managing_body().body_id());
  }
  return sight;
}

std::variant<Sight, rules::Refusal> Sight::Of(const Principal& principal,
                                              const v1::Agreement& agreement,
                                              const projections::QueryRows& rows) {
  auto of_bodies = OfBodies(principal, agreement);
  if (std::holds_alternative<rules::Refusal>(of_bodies)) return of_bodies;
  auto& sight = std::get<Sight>(of_bodies);
  if (sight.everything_) return sight;

  const std::string prefix = projections::EnvelopePrefix(agreement.agreement_id());
  std::string last;
  while (true) {
    absl::StatusOr<std::vector<projections::QueryRows::Row>> scanned =
        rows.Scan(prefix, last, kEnvelopesPerScan);
    if (!scanned.ok()) return Unreadable(scanned.status());
    for (const projections::QueryRows::Row& row : *scanned) {
      v1::Envelope envelope;
      if (!envelope.ParseFromString(row.value)) return Undecodable(row.key);
      if (sight.SeesBody(envelope.managing_body_id())) {
        sight.own_envelopes_.insert(envelope.envelope_id());
      }
    }
    if (scanned->size() < kEnvelopesPerScan) return sight;
    last = scanned->back().key;
  }
}

bool Sight::SeesBody(std::string_view body_id) const { return everything_ || body_id == body_id_; }

bool Sight::SeesEnvelope(std::string_view envelope_id) const {
  return everything_ || own_envelopes_.contains(envelope_id);
}

bool Sight::Sees(const v1::Commitment& commitment) const {
  return everything_ || std::ranges::any_of(commitment.lines(), [this](const auto& line) {
           return SeesEnvelope(line.envelope_id());
         });
}

bool Sight::Sees(const v1::PaymentRequest& payment) const {
  return SeesEnvelope(payment.paying_envelope_id());
}

void Sight::Narrow(v1::Agreement& agreement) const {
  if (everything_) return;
  v1::Agreement all = std::move(agreement);
  agreement = all;
  agreement.clear_carryovers();
  agreement.clear_envelope_ids();
  for (auto& carryover : *all.mutable_carryovers()) {
    if (SeesEnvelope(carryover.envelope_id())) {
      *agreement.add_carryovers() = std::move(carryover);
    }
  }
  for (auto& envelope_id : *all.mutable_envelope_ids()) {
    if (SeesEnvelope(envelope_id)) *agreement.add_envelope_ids() = std::move(envelope_id);
  }
}

void Sight::Narrow(projections::AgreementRows& rows) const {
  std::erase_if(rows.envelopes, [this](const projections::EnvelopeRows& envelope) {
    return !SeesEnvelope(envelope.envelope.envelope_id());
  });
}

void Sight::Narrow(projections::YearRows& rows) const {
  std::erase_if(rows.bodies, [this](const auto& body) { return !SeesBody(body.first); });
}

}  // namespace denier::services
