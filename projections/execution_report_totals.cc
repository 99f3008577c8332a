#include "projections/execution_report_totals.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "projections/calendar.h"

namespace denier::projections {
namespace {

using absl::int128;
using events::v1::Event;
using events::v1::PaymentType;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string FactName(const Event& event) {
  const auto* field = Event::descriptor()->FindFieldByNumber(event.fact_case());
  return field == nullptr ? "" : field->name();
}

// What of a delivered service a payment settles.
std::int64_t Settles(PaymentType type, std::int64_t gross_cents, std::int64_t retained_cents) {
  switch (type) {
    case events::v1::PAYMENT_TYPE_SERVICE:
    case events::v1::PAYMENT_TYPE_INSTALMENT:
      return gross_cents - retained_cents;
    case events::v1::PAYMENT_TYPE_RETENTION_RELEASE:
      return gross_cents;
    case events::v1::PAYMENT_TYPE_ADVANCE:
    case events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT:
    case events::v1::PAYMENT_TYPE_UNSPECIFIED:
    case events::v1::PaymentType_INT_MIN_SENTINEL_DO_NOT_USE_:
    case events::v1::PaymentType_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return 0;
}

}  // namespace

void ReportTotals::Debt::Add(const Posting& posting, bool in_period) {
  if (posting.account == Account::kOutstanding) {
    end += posting.cents;
    if (!in_period) start += posting.cents;
  }
  if (!in_period) return;
  if (posting.account == Account::kEngaged) engaged -= posting.cents;
  if (posting.account == Account::kCorrected) corrected -= posting.cents;
  if (posting.account == Account::kPaid) paid += posting.cents;
  if (posting.account == Account::kReimputed) reimputed -= posting.cents;
  if (posting.account == Account::kWithdrawnPrior) withdrawn_prior += posting.cents;
  if (posting.account == Account::kWithdrawn || posting.account == Account::kWithdrawnPrior) {
    withdrawn += posting.cents;
  }
}

void ReportTotals::Debt::Add(const Debt& part) {
  start += part.start;
  engaged += part.engaged;
  corrected += part.corrected;
  withdrawn += part.withdrawn;
  withdrawn_prior += part.withdrawn_prior;
  paid += part.paid;
  reimputed += part.reimputed;
  end += part.end;
}

void ReportTotals::Use::Add(const Posting& posting) {
  const bool ae = posting.ledger == Ledger::kAe;
  if (!ae && posting.ledger != Ledger::kCp) return;
  const Account account = posting.account;
  if (account == Account::kSource || account == Account::kCarriedIn ||
      account == Account::kTransferred || account == Account::kCancelled) {
    (ae ? ae_opened : cp_opened) -= posting.cents;
  }
  if (account == Account::kImported) (ae ? ae_imported : cp_imported) -= posting.cents;
  if (ae && (account == Account::kEngaged || account == Account::kWithdrawn)) {
    ae_consumed += posting.cents;
  }
  if (!ae && account == Account::kPaid) cp_paid += posting.cents;
}

absl::Status ReportTotals::Count(store::Position position, const Event& event,
                                 const ReportRegisters& registers) {
  if (event.has_opening_imported()) return CountImport(position, event, registers);
  const int day = DayWithin(event.fiscal_year(), event.effective_date());
  v1::ExecutionReportEntry entry;
  bool seen = false;
  absl::Status counted = CountMoves(position, event, day, registers, entry, seen);
  if (counted.ok()) counted = CountLines(event, day, registers);
  if (counted.ok() && InPeriod(day)) {
    CountEntry(position, event, registers, std::move(entry), seen);
  }
  return counted;
}

// An import is counted in parts, each on the day on which it was executed.
absl::Status ReportTotals::CountImport(store::Position position, const Event& event,
                                       const ReportRegisters& registers) {
  Event part;
  part.set_effective_date(event.effective_date());
  part.set_fiscal_year(event.fiscal_year());
  auto& fact = *part.mutable_opening_imported();
  fact.set_envelope_id(event.opening_imported().envelope_id());
  fact.set_commitment_id(event.opening_imported().commitment_id());
  auto& line = *fact.add_lines();
  const auto count = [&](int day) -> absl::Status {
    v1::ExecutionReportEntry entry;
    bool seen = false;
    absl::Status counted = CountMoves(position, part, day, registers, entry, seen);
    return counted.ok() ? CountLines(part, day, registers) : counted;
  };
  for (const auto& whole : event.opening_imported().lines()) {
    const auto begin = [&] {
      line.Clear();
      line.set_line_id(whole.line_id());
      line.set_product_id(whole.product_id());
      line.set_origin_year(whole.origin_year());
    };
    begin();
    line.set_engaged_cents(whole.engaged_cents());
    if (absl::Status ok = count(FirstDayOf(whole.origin_year())); !ok.ok()) return ok;
    begin();
    line.set_withdrawn_cents(whole.withdrawn_cents());
    if (absl::Status ok = count(LastDayOf(whole.origin_year())); !ok.ok()) return ok;
    std::int64_t uncertified = whole.certified_cents();
    for (const auto& payment : whole.payments()) {
      begin();
      *line.add_payments() = payment;
      line.set_certified_cents(payment.amount_cents());
      uncertified -= payment.amount_cents();
      if (absl::Status ok = count(payment.paid_date()); !ok.ok()) return ok;
    }
    // What was certified and not paid: the books know only that it was so on the day of the import.
    begin();
    line.set_certified_cents(uncertified);
    if (absl::Status ok = count(event.effective_date()); !ok.ok()) return ok;
  }
  return absl::OkStatus();
}

absl::Status ReportTotals::CountMoves(store::Position position, const Event& event, int day,
                                      const ReportRegisters& registers,
                                      v1::ExecutionReportEntry& entry, bool& entry_seen) {
  const PostingList postings = Postings(event);
  if (postings.empty()) return absl::OkStatus();
  const auto commitment = registers.FindCommitment(registers.CommitmentOf(event));
  if (!commitment) {
    return absl::DataLossError(absl::StrCat("the commitment ", View(registers.CommitmentOf(event)),
                                            " is named before it was made"));
  }
  std::map<std::size_t, int128> paid;  // by envelope
  Use use;
  int128 outstanding = 0;
  for (const Posting& posting : postings) {
    const auto index = registers.FindEnvelope(posting.envelope_id);
    if (!index) {
      return absl::DataLossError(
          absl::StrCat("the envelope ", View(posting.envelope_id), " is named before it was made"));
    }
    if (!registers.envelopes[*index].seen) continue;
    entry_seen = true;
    // An event may move something in another budget year than its own.
    const int posting_day =
        event.has_opening_imported() ? day : DayWithin(posting.fiscal_year, event.effective_date());
    if (posting_day > until_) continue;
    const bool in_period = InPeriod(posting_day);
    Envelope& envelope = envelopes[*index];
    Year& year = envelope.years[posting.fiscal_year];
    const bool outstanding_ledger = posting.ledger == Ledger::kOutstanding;
    if (posting.basis == Basis::kPlanned) {
      if (posting.account == Account::kEngaged) year.planned_ae += posting.cents;
      if (posting.account == Account::kPaid) year.planned_cp += posting.cents;
      continue;
    }

    if (in_period) envelope.flows.Add(posting);
    if (posting.fiscal_year == YearOf(until_)) envelope.balances.Add(posting);
    if (outstanding_ledger) {
      envelope.debt.Add(posting, in_period);
      envelope.origins[posting.origin_year].Add(posting, in_period);
      commitments[KeyOf(*commitment, *index)].Add(posting, in_period);
      if (posting.account == Account::kOutstanding) {
        year.outstanding += posting.cents;
        if (in_period) outstanding += posting.cents;
      }
    } else {
      if (posting.ledger == Ledger::kAe &&
          (posting.account == Account::kEngaged || posting.account == Account::kWithdrawn)) {
        year.ae_consumed += posting.cents;
      }
      if (posting.ledger == Ledger::kCp && posting.account == Account::kPaid) {
        year.cp_paid += posting.cents;
        if (in_period) paid[*index] += posting.cents;
      }
      if (posting_day >= FirstDayOf(YearOf(scope_.from_date))) {
        Month& month = months[posting_day / 100];
        month.all.Add(posting);
        if (in_period) month.period.Add(posting);
      }
      if (in_period) use.Add(posting);
    }

    const bool engaged = posting.ledger == Ledger::kAe && posting.account == Account::kEngaged;
    const bool withdrawn = posting.ledger == Ledger::kAe && posting.account == Account::kWithdrawn;
    const bool is_paid = posting.ledger == Ledger::kCp && posting.account == Account::kPaid;
    const bool owed = outstanding_ledger && posting.account == Account::kOutstanding;
    if (owed || (in_period && (engaged || withdrawn || is_paid))) {
      Product& product = products[{posting.fiscal_year, std::string(posting.product_id)}];
      if (owed) product.outstanding += posting.cents;
      if (engaged) product.engaged += posting.cents;
      if (withdrawn) product.withdrawn -= posting.cents;
      if (is_paid) product.paid += posting.cents;
    }
  }
  for (const auto& [envelope, cents] : paid) {
    if (cents != 0) CountPayment(position, event, day, envelope, cents, registers);
  }
  // A single event's postings fit in cents: what it moves was checked when it was decided.
  entry.set_ae_opened(static_cast<std::int64_t>(use.ae_opened));
  entry.set_ae_consumed(static_cast<std::int64_t>(use.ae_consumed));
  entry.set_cp_opened(static_cast<std::int64_t>(use.cp_opened));
  entry.set_cp_paid(static_cast<std::int64_t>(use.cp_paid));
  entry.set_outstanding(static_cast<std::int64_t>(outstanding));
  return absl::OkStatus();
}

std::vector<ReportTotals::LineMove> ReportTotals::MovesOf(const Event& event,
                                                          const ReportRegisters& registers) {
  switch (event.fact_case()) {
    case Event::kOpeningImported: {
      std::vector<LineMove> moves;
      for (const auto& line : event.opening_imported().lines()) {
        LineMove& move = moves.emplace_back(LineMove{.line_id = line.line_id()});
        for (const auto& payment : line.payments()) move.paid += payment.amount_cents();
        move.certified = line.certified_cents();
        move.settled = move.paid;
        move.outstanding = line.engaged_cents() - line.withdrawn_cents() - move.paid;
      }
      return moves;
    }
    case Event::kOpeningCorrected: {
      const auto& fact = event.opening_corrected();
      return {{.line_id = fact.line_id(), .outstanding = fact.change_cents()}};
    }
    case Event::kEngaged: {
      std::vector<LineMove> moves;
      for (const auto& line : event.engaged().lines()) {
        moves.push_back({.line_id = line.line_id(), .outstanding = line.amount_cents()});
      }
      return moves;
    }
    case Event::kWithdrawn: {
      const auto& fact = event.withdrawn();
      return {{.line_id = fact.line_id(),
               .outstanding = -(fact.freed_cents() + fact.early_cents() + fact.recycled_cents() +
                                fact.unavailable_cents())}};
    }
    case Event::kServiceCertified: {
      const auto& fact = event.service_certified();
      return {{.line_id = fact.line_id(), .certified = fact.amount_cents()}};
    }
    case Event::kPaid: {
      const auto& fact = event.paid();
      return {{.line_id = fact.line_id(),
               .outstanding = -fact.net_cents(),
               .paid = fact.net_cents(),
               .settled = Settles(fact.type(), fact.gross_cents(), fact.retained_cents())}};
    }
    case Event::kReinstated: {
      const auto& fact = event.reinstated();
      if (fact.commitment_id().empty()) return {};
      const ReportRegisters::Request* request = registers.FindRequest(fact.payment_request_id());
      const bool advance = request != nullptr && request->type == events::v1::PAYMENT_TYPE_ADVANCE;
      const std::int64_t delivered = advance ? 0 : fact.amount_cents();
      return {{.line_id = fact.line_id(),
               .paid = -fact.amount_cents(),
               .certified = -delivered,
               .settled = -delivered}};
    }
    case Event::kReversed: {
      std::vector<LineMove> moves = MovesOf(event.reversed().original(), registers);
      for (LineMove& move : moves) {
        move.outstanding = -move.outstanding;
        move.paid = -move.paid;
        move.certified = -move.certified;
        move.settled = -move.settled;
      }
      return moves;
    }
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kPlanImported:
    case Event::kCarryoverRequested:
    case Event::kCarryoverGranted:
    case Event::kCarryoverRefused:
    case Event::kCarryoverMadeAvailable:
    case Event::kYearClosed:
    case Event::kYearReopened:
    case Event::kPaymentRequested:
    case Event::kPaidWithoutCommitment:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReimputed:
    case Event::FACT_NOT_SET:
      break;
  }
  return {};
}

absl::Status ReportTotals::CountLines(const Event& event, int day,
                                      const ReportRegisters& registers) {
  if (day > until_) return absl::OkStatus();
  const std::vector<LineMove> moves = MovesOf(event, registers);
  if (moves.empty()) return absl::OkStatus();
  const std::string_view id = registers.CommitmentOf(event);
  const auto commitment = registers.FindCommitment(id);
  if (!commitment) {
    return absl::DataLossError(
        absl::StrCat("the commitment ", View(id), " is named before it was made"));
  }
  for (const LineMove& move : moves) {
    const auto index = ReportRegisters::FindLine(registers.commitments[*commitment], move.line_id);
    if (!index) {
      return absl::DataLossError(absl::StrCat("the line ", View(move.line_id), " of ", View(id),
                                              " is named before it was made"));
    }
    Line& line = lines[KeyOf(*commitment, *index)];
    line.outstanding += move.outstanding;
    line.paid += move.paid;
    line.certified += move.certified;
    line.settled += move.settled;
  }
  return absl::OkStatus();
}

void ReportTotals::CountPayment(store::Position position, const Event& event, int day,
                                std::size_t envelope, int128 cents,
                                const ReportRegisters& registers) {
  v1::ExecutionReportPayment& row = payments.emplace_back();
  row.set_position(static_cast<std::int64_t>(position));
  row.set_paid_date(day);
  row.set_fact(FactName(event));
  row.set_managing_body(registers.envelopes[envelope].body);
  row.set_paying_envelope_id(registers.envelopes[envelope].id);
  row.set_net_cents(static_cast<std::int64_t>(cents));
  row.set_gross_cents(row.net_cents());
  const bool reversed = event.has_reversed();
  const Event& entry = reversed ? event.reversed().original() : event;
  if (entry.has_paid()) {
    const auto& paid = entry.paid();
    const int sign = reversed ? -1 : 1;
    row.set_payment_request_id(paid.payment_request_id());
    row.set_gross_cents(sign * paid.gross_cents());
    row.set_recovered_cents(sign * paid.recovered_cents());
    row.set_retained_cents(sign * paid.retained_cents());
  } else if (entry.has_paid_without_commitment()) {
    row.set_payment_request_id(entry.paid_without_commitment().payment_request_id());
  } else if (entry.has_reinstated()) {
    row.set_payment_request_id(entry.reinstated().payment_request_id());
  } else if (entry.has_reimputed()) {
    row.set_payment_request_id(entry.reimputed().payment_request_id());
  } else if (entry.has_opening_imported()) {
    row.set_payment_request_id(
        entry.opening_imported().lines(0).payments(0).payment_id());  // a part: CountImport
  }
  if (const auto* request = registers.FindRequest(row.payment_request_id())) {
    *row.mutable_references() = request->references;
    row.set_type(request->type);
    row.set_nature(request->nature);
    row.set_commitment_id(request->commitment_id);
  }
  if (const auto commitment = registers.FindCommitment(row.commitment_id());
      commitment && *commitment != 0) {
    const auto& references = registers.commitments[*commitment].references;
    row.set_chorus_commitment(references.chorus_commitment());
    if (row.references().payee().empty()) {
      row.mutable_references()->set_payee(references.payee());
    }
  }
}

void ReportTotals::CountEntry(store::Position position, const Event& event,
                              const ReportRegisters& registers, v1::ExecutionReportEntry entry,
                              bool seen) {
  bool wanted = event.has_late_entry();
  const auto names = [&](const auto& fact) {
    wanted = true;
    entry.set_payment_request_id(fact.payment_request_id());
  };
  if (event.has_reversed()) {
    wanted = true;
    const Event& original = event.reversed().original();
    entry.set_reversed_position(event.reversed().reversed_position());
    entry.set_reversed_fact(FactName(original));
    if (original.has_paid()) names(original.paid());
    if (original.has_paid_without_commitment()) names(original.paid_without_commitment());
    if (original.has_payment_requested()) names(original.payment_requested());
    if (original.has_reinstated()) names(original.reinstated());
    if (original.has_reimputed()) names(original.reimputed());
  } else if (event.has_opening_corrected()) {
    wanted = true;
    entry.set_reason_reference(event.opening_corrected().reason_reference());
  } else if (event.has_withdrawn()) {
    wanted = true;
    entry.set_reason_reference(event.withdrawn().reason_reference());
  } else if (event.has_reinstated()) {
    names(event.reinstated());
    entry.set_reason_reference(event.reinstated().receipt_reference());
  } else if (event.has_reimputed()) {
    names(event.reimputed());
  } else if (event.has_payment_rejected()) {
    names(event.payment_rejected());
    entry.set_reason_reference(event.payment_rejected().reason_reference());
  } else if (event.has_payment_requisitioned()) {
    names(event.payment_requisitioned());
    entry.set_reason_reference(event.payment_requisitioned().order_reference());
  } else if (event.has_year_reopened()) {
    wanted = seen = true;
    entry.set_reason_reference(event.year_reopened().reason_reference());
    entry.set_approved_by(event.year_reopened().approved_by());
  } else if (event.has_paid()) {
    entry.set_payment_request_id(event.paid().payment_request_id());
  } else if (event.has_paid_without_commitment()) {
    entry.set_payment_request_id(event.paid_without_commitment().payment_request_id());
  }
  if (!wanted) return;
  entry.set_commitment_id(std::string(registers.CommitmentOf(event)));
  if (const auto commitment = registers.FindCommitment(entry.commitment_id());
      commitment && *commitment != 0) {
    for (const ReportRegisters::Line& line : registers.commitments[*commitment].lines) {
      seen = seen || registers.envelopes[line.envelope].seen;
    }
  }
  if (!seen && scope_.sees != nullptr) return;
  entry.set_position(static_cast<std::int64_t>(position));
  entry.set_recorded_time_us(event.recorded_time_us());
  entry.set_effective_date(event.effective_date());
  entry.set_fiscal_year(event.fiscal_year());
  entry.set_fact(FactName(event));
  entry.set_principal_id(event.actor().principal_id());
  entry.set_body_id(event.actor().body_id());
  if (event.has_late_entry()) {
    entry.set_late(true);
    entry.set_reason_reference(event.late_entry().reason_reference());
    entry.set_approved_by(event.late_entry().approved_by());
  }
  entries.push_back(std::move(entry));
}

}  // namespace denier::projections
