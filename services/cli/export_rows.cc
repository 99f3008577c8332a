#include "services/cli/export_rows.h"

#include <algorithm>

#include "projections/touched.h"
#include "services/cli/view.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

using events::v1::Event;
using projections::Basis;
using projections::Posting;

ExportCell Text(std::string_view text) {
  return {.text = std::string(text), .empty = text.empty()};
}

ExportCell Number(std::int64_t number) { return {.number = number}; }

// Years and days: 0 is none.
ExportCell NumberOrNone(std::int64_t number) { return {.number = number, .empty = number == 0}; }

ExportCell Named(std::string_view name, std::string_view entry) {
  return {.text = std::string(name), .word = Word(entry, Lang::kFrench)};
}

ExportCell Fact(const Event& event) {
  const auto* facts = event.GetDescriptor()->FindOneofByName("fact");
  const FieldDescriptor& field = *event.GetReflection()->GetOneofFieldDescriptor(event, facts);
  return {.text = field.name(), .word = FieldWord(field, Lang::kFrench)};
}

ExportCell LedgerCell(const Posting& posting) {
  const std::string name(Name(posting.ledger));
  const std::string entry = "ledger." + name;
  return {.text = name, .word = HasWord(entry) ? Word(entry, Lang::kFrench) : name};
}

ExportCell BasisCell(const Posting& posting) {
  return posting.basis == Basis::kPlanned ? ExportCell{.text = "planned", .word = "prévu"}
                                          : ExportCell{.text = "actual", .word = "exécuté"};
}

}  // namespace

const std::vector<ExportColumn>& PostingColumns() {
  static const auto* columns = new std::vector<ExportColumn>{
      {"position", "Position", CellKind::kNumber},
      {"recorded_time", "Enregistré le (UTC)", CellKind::kInstant},
      {"effective_date", "Date d'effet", CellKind::kDay},
      {"fact", "Fait", CellKind::kWord},
      {"principal_id", "Auteur", CellKind::kText},
      {"body_id", "Service de l'auteur", CellKind::kText},
      {"agreement_id", "Convention", CellKind::kText},
      {"envelope_id", "Enveloppe", CellKind::kText},
      {"managing_body_id", "Service gestionnaire", CellKind::kText},
      {"fiscal_year", "Exercice", CellKind::kNumber},
      {"ledger", "Livre", CellKind::kWord},
      {"basis", "Base", CellKind::kWord},
      {"account", "Compte", CellKind::kWord},
      {"origin_year", "Année d'origine", CellKind::kNumber},
      {"product_id", "Produit", CellKind::kText},
      {"commitment_id", "Engagement", CellKind::kText},
      {"payment_request_id", "Demande de paiement", CellKind::kText},
      {"request_id", "Identifiant de demande", CellKind::kText},
      {"amount", "Montant", CellKind::kEuros},
  };
  return *columns;
}

const std::vector<ExportColumn>& EventColumns() {
  static const auto* columns = new std::vector<ExportColumn>{
      {"position", "Position", CellKind::kNumber},
      {"recorded_time", "Enregistré le (UTC)", CellKind::kInstant},
      {"effective_date", "Date d'effet", CellKind::kDay},
      {"fiscal_year", "Exercice", CellKind::kNumber},
      {"fact", "Fait", CellKind::kWord},
      {"principal_id", "Auteur", CellKind::kText},
      {"body_id", "Service de l'auteur", CellKind::kText},
      {"agreement_id", "Convention", CellKind::kText},
      {"envelope_ids", "Enveloppes", CellKind::kText},
      {"commitment_id", "Engagement", CellKind::kText},
      {"line_id", "Ligne", CellKind::kText},
      {"payment_request_id", "Demande de paiement", CellKind::kText},
      {"late_reason", "Motif d'écriture tardive", CellKind::kText},
      {"request_id", "Identifiant de demande", CellKind::kText},
      {"detail", "Contenu", CellKind::kText},
      {"leaf_hash", "Empreinte (RFC 6962)", CellKind::kText},
  };
  return *columns;
}

ExportRow ExportRows::OfEvent(const ExportedEvent& exported) const {
  const Event& event = exported.event;
  const projections::Touched touched = projections::TouchedBy(event);
  std::string envelopes;
  for (auto it = touched.envelopes.begin(); it != touched.envelopes.end(); ++it) {
    if (std::find(touched.envelopes.begin(), it, *it) != it) continue;  // named before
    envelopes += (envelopes.empty() ? "" : ", ") + std::string(*it);
  }
  return {
      Number(static_cast<std::int64_t>(exported.position)),
      Number(event.recorded_time_us()),
      NumberOrNone(event.effective_date()),
      NumberOrNone(event.fiscal_year()),
      Fact(event),
      Text(event.actor().principal_id()),
      Text(event.actor().body_id()),
      Text(event.agreement_id()),
      Text(envelopes),
      Text(touched.commitment_id),
      Text(touched.line_id),
      Text(touched.payment_request_id),
      Text(event.late_entry().reason_reference()),
      Text(event.request_id()),
      Text(FactSentence(event, Lang::kFrench)),
      Text(store::ToHex(exported.leaf_hash)),
  };
}

void ExportRows::OfPostings(const ExportedEvent& exported,
                            const std::function<void(const ExportRow&)>& take) {
  const Event& event = exported.event;
  if (event.has_envelope_created()) {
    bodies_[{event.agreement_id(), event.envelope_created().envelope_id()}] =
        event.envelope_created().managing_body_id();
  }
  const projections::PostingList postings = projections::Postings(event);
  if (postings.empty()) return;
  const projections::Touched touched = projections::TouchedBy(event);
  for (const Posting& posting : postings) {
    const auto body = bodies_.find({event.agreement_id(), std::string(posting.envelope_id)});
    const std::string account(Name(posting.account));
    take({
        Number(static_cast<std::int64_t>(exported.position)),
        Number(event.recorded_time_us()),
        NumberOrNone(event.effective_date()),
        Fact(event),
        Text(event.actor().principal_id()),
        Text(event.actor().body_id()),
        Text(event.agreement_id()),
        Text(posting.envelope_id),
        Text(body == bodies_.end() ? "" : body->second),
        NumberOrNone(posting.fiscal_year),
        LedgerCell(posting),
        BasisCell(posting),
        Named(account, "account." + account),
        NumberOrNone(posting.origin_year),
        Text(posting.product_id),
        Text(touched.commitment_id),
        Text(touched.payment_request_id),
        Text(event.request_id()),
        Number(posting.cents),
    });
  }
}

}  // namespace denier::cli
