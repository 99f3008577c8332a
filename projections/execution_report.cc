#include "projections/execution_report.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "projections/books.h"
#include "projections/calendar.h"
#include "projections/cents.h"
#include "projections/posting.h"
#include "projections/reports.h"

namespace denier::projections {
namespace {

using absl::int128;
using events::v1::Event;
using events::v1::PaymentType;

constexpr int kFirstDay = 101;  // of a year
constexpr int kLastDay = 1231;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string FactName(const Event& event) {
  const auto* field = Event::descriptor()->FindFieldByNumber(event.fact_case());
  return field == nullptr ? "" : field->name();
}

// The fact that made the agreement, its envelopes, its terms or products: no money moves, and it is
// known whatever the day.
bool IsRegister(const Event& event) {
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
      return true;
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kOpeningImported:
    case Event::kOpeningCorrected:
    case Event::kPlanImported:
    case Event::kCarryoverRequested:
    case Event::kCarryoverGranted:
    case Event::kCarryoverRefused:
    case Event::kCarryoverMadeAvailable:
    case Event::kYearClosed:
    case Event::kYearReopened:
    case Event::kEngaged:
    case Event::kWithdrawn:
    case Event::kServiceCertified:
    case Event::kPaymentRequested:
    case Event::kPaid:
    case Event::kPaidWithoutCommitment:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReinstated:
    case Event::kReimputed:
    case Event::kReversed:
    case Event::FACT_NOT_SET:
      break;
  }
  return false;
}

// The day on which a movement of `fiscal_year` counts.
int CountingDay(int day, int fiscal_year) {
  return std::clamp(day, DayOf(fiscal_year, kFirstDay), DayOf(fiscal_year, kLastDay));
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

// What moved restes à payer, or what is left of them.
struct Debt {
  int128 start = 0, engaged = 0, corrected = 0, withdrawn = 0, withdrawn_prior = 0, paid = 0,
         reimputed = 0, end = 0;

  void Add(const Posting& posting, bool in_period) {
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
  bool Moved() const {
    return start != 0 || engaged != 0 || corrected != 0 || withdrawn != 0 || paid != 0 ||
           reimputed != 0 || end != 0;
  }
  // What the flows make of the start.
  int128 Computed() const { return start + engaged + corrected - withdrawn - paid + reimputed; }
};

void Add(Debt& sum, const Debt& part) {
  sum.start += part.start;
  sum.engaged += part.engaged;
  sum.corrected += part.corrected;
  sum.withdrawn += part.withdrawn;
  sum.withdrawn_prior += part.withdrawn_prior;
  sum.paid += part.paid;
  sum.reimputed += part.reimputed;
  sum.end += part.end;
}

template <class Row>
void SetDebt(Row& row, const Debt& debt, Cents& cents) {
  row.set_outstanding_start(cents(debt.start));
  row.set_outstanding_engaged(cents(debt.engaged));
  row.set_opening_corrections(cents(debt.corrected));
  row.set_outstanding_withdrawn(cents(debt.withdrawn));
  row.set_outstanding_paid(cents(debt.paid));
  row.set_outstanding_reimputed(cents(debt.reimputed));
  row.set_outstanding(cents(debt.end));
}

// Sums by account, AE and CP.
class Accounts {
 public:
  void Add(const Posting& posting) { at_[Index(posting.ledger, posting.account)] += posting.cents; }
  void Add(const Accounts& part) {
    for (std::size_t i = 0; i < at_.size(); ++i) at_[i] += part.at_[i];
  }
  int128 operator()(Ledger ledger, Account account) const { return at_[Index(ledger, account)]; }
  int128 opened(Ledger ledger) const {
    return -(*this)(ledger, Account::kSource) - (*this)(ledger, Account::kCarriedIn) -
           (*this)(ledger, Account::kTransferred) - (*this)(ledger, Account::kCancelled);
  }

 private:
  static std::size_t Index(Ledger ledger, Account account) {
    return static_cast<std::size_t>(ledger) * kAccounts + static_cast<std::size_t>(account);
  }
  std::array<int128, kLedgers * kAccounts> at_{};
};

// Opened, imported and consumed, AE and CP.
struct Use {
  int128 ae_opened = 0, ae_imported = 0, ae_consumed = 0, cp_opened = 0, cp_imported = 0,
         cp_paid = 0;

  void Add(const Posting& posting) {
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
};

}  // namespace

// What the events have named: everything but money.
class ExecutionReportMaker::Registers {
 public:
  struct Envelope {
    std::string id, body, label;
    bool seen = true;
  };
  struct Line {
    std::string id;
    std::size_t envelope = 0;
    int origin_year = 0;
    std::map<int, std::int64_t> schedule;  // by budget year
  };
  struct Commitment {
    std::string id;
    events::v1::CommitmentReferences references;
    bool imported = false;
    std::vector<Line> lines;
  };
  struct Request {
    events::v1::PaymentReferences references;
    PaymentType type = events::v1::PAYMENT_TYPE_UNSPECIFIED;
    events::v1::ExpenseNature nature = events::v1::EXPENSE_NATURE_UNSPECIFIED;
    std::string commitment_id;
  };
  struct Carryover {
    v1::Carryover carryover;
    std::int64_t lapsed_cents = 0;
    int requested_date = 0, decided_date = 0, available_date = 0;
    std::string derogation_reference;
  };

  explicit Registers(const ExecutionReportScope& scope, int until) : scope_(scope), until_(until) {
    commitments.emplace_back();  // the expenses without commitment
  }

  absl::Status Learn(const Event& event, store::Position position);

  std::optional<std::size_t> FindEnvelope(std::string_view id) const {
    const auto found = envelope_index_.find(View(id));
    if (found == envelope_index_.end()) return std::nullopt;
    return found->second;
  }
  // 0: there is no commitment.
  std::optional<std::size_t> FindCommitment(std::string_view id) const {
    if (id.empty()) return 0;
    const auto found = commitment_index_.find(View(id));
    if (found == commitment_index_.end()) return std::nullopt;
    return found->second;
  }
  static std::optional<std::size_t> FindLine(const Commitment& commitment, std::string_view id) {
    for (std::size_t i = 0; i < commitment.lines.size(); ++i) {
      if (commitment.lines[i].id == id) return i;
    }
    return std::nullopt;
  }
  const Request* FindRequest(std::string_view id) const {
    const auto found = requests_.find(View(id));
    return found == requests_.end() ? nullptr : &found->second;
  }
  // Commitment that the restes à payer of `event` are about; empty: none.
  std::string_view CommitmentOf(const Event& event) const;
  const v1::Agreement* agreement() const { return books_.FindAgreement(scope_.agreement_id); }

  std::vector<Envelope> envelopes;
  std::vector<Commitment> commitments;
  std::map<std::string, Carryover> carryovers;
  std::set<int> closed_years;
  std::map<std::pair<std::size_t, int>, events::v1::PlanLine> plans;  // by envelope and year

 private:
  absl::Status Unknown(std::string_view what, std::string_view id) const {
    return absl::DataLossError(
        absl::StrCat("the ", View(what), " ", View(id), " is named before it was made"));
  }
  Commitment& Make(const std::string& commitment_id,
                   const events::v1::CommitmentReferences& references);
  absl::Status MoveLine(const events::v1::Reimputed& fact, const std::string& envelope_id);
  absl::Status Undo(const Event& original);

  const ExecutionReportScope& scope_;
  const int until_;
  Books books_;  // of the register facts alone
  absl::node_hash_map<std::string, std::size_t> envelope_index_;
  absl::node_hash_map<std::string, std::size_t> commitment_index_;
  absl::node_hash_map<std::string, Request> requests_;
};

std::string_view ExecutionReportMaker::Registers::CommitmentOf(const Event& event) const {
  switch (event.fact_case()) {
    case Event::kOpeningImported:
      return event.opening_imported().commitment_id();
    case Event::kOpeningCorrected:
      return event.opening_corrected().commitment_id();
    case Event::kEngaged:
      return event.engaged().commitment_id();
    case Event::kWithdrawn:
      return event.withdrawn().commitment_id();
    case Event::kServiceCertified:
      return event.service_certified().commitment_id();
    case Event::kPaymentRequested:
      return event.payment_requested().commitment_id();
    case Event::kPaid:
      return event.paid().commitment_id();
    case Event::kReinstated:
      return event.reinstated().commitment_id();
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReimputed: {
      if (event.has_reimputed() && event.reimputed().payment_request_id().empty()) {
        return event.reimputed().commitment_id();
      }
      const std::string& id =
          event.has_reimputed()           ? event.reimputed().payment_request_id()
          : event.has_payment_suspended() ? event.payment_suspended().payment_request_id()
          : event.has_payment_resumed()   ? event.payment_resumed().payment_request_id()
          : event.has_payment_rejected()  ? event.payment_rejected().payment_request_id()
                                          : event.payment_requisitioned().payment_request_id();
      const Request* request = FindRequest(id);
      return request == nullptr ? std::string_view() : request->commitment_id;
    }
    case Event::kReversed:
      return CommitmentOf(event.reversed().original());
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
    case Event::kPaidWithoutCommitment:
    case Event::FACT_NOT_SET:
      break;
  }
  return {};
}

ExecutionReportMaker::Registers::Commitment& ExecutionReportMaker::Registers::Make(
    const std::string& commitment_id, const events::v1::CommitmentReferences& references) {
  const auto [entry, made] = commitment_index_.try_emplace(commitment_id, commitments.size());
  if (made) {
    Commitment& commitment = commitments.emplace_back();
    commitment.id = commitment_id;
    commitment.references = references;
  }
  return commitments[entry->second];
}

absl::Status ExecutionReportMaker::Registers::MoveLine(const events::v1::Reimputed& fact,
                                                       const std::string& envelope_id) {
  if (!fact.payment_request_id().empty()) return absl::OkStatus();
  const auto commitment = FindCommitment(fact.commitment_id());
  const auto envelope = FindEnvelope(envelope_id);
  if (!commitment) return Unknown("commitment", fact.commitment_id());
  if (!envelope) return Unknown("envelope", envelope_id);
  const auto line = FindLine(commitments[*commitment], fact.line_id());
  if (!line) return Unknown("line", fact.line_id());
  commitments[*commitment].lines[*line].envelope = *envelope;
  return absl::OkStatus();
}

absl::Status ExecutionReportMaker::Registers::Undo(const Event& original) {
  if (original.has_reimputed()) {
    return MoveLine(original.reimputed(), original.reimputed().from_envelope_id());
  }
  if (original.has_carryover_requested()) {
    carryovers[original.carryover_requested().carryover_id()].carryover.set_state(
        v1::CARRYOVER_STATE_REVERSED);
  }
  return absl::OkStatus();
}

absl::Status ExecutionReportMaker::Registers::Learn(const Event& event, store::Position position) {
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
      return books_.Fold(event, position);
    case Event::kEnvelopeCreated: {
      const auto& fact = event.envelope_created();
      envelope_index_.emplace(fact.envelope_id(), envelopes.size());
      envelopes.push_back({fact.envelope_id(), fact.managing_body_id(), fact.label(),
                           scope_.sees == nullptr || scope_.sees(fact.envelope_id())});
      return books_.Fold(event, position);
    }
    case Event::kOpeningImported: {
      const auto& fact = event.opening_imported();
      const auto envelope = FindEnvelope(fact.envelope_id());
      if (!envelope) return Unknown("envelope", fact.envelope_id());
      Commitment& commitment = Make(fact.commitment_id(), fact.references());
      commitment.imported = true;
      for (const auto& line : fact.lines()) {
        commitment.lines.push_back({line.line_id(), *envelope, line.origin_year(), {}});
        for (const auto& payment : line.payments()) {
          Request& request = requests_[payment.payment_id()];
          request.references.set_chorus_payment_request(payment.chorus_payment_request());
          request.type = events::v1::PAYMENT_TYPE_SERVICE;
          request.commitment_id = fact.commitment_id();
        }
      }
      return absl::OkStatus();
    }
    case Event::kEngaged: {
      const auto& fact = event.engaged();
      const auto envelope = FindEnvelope(fact.envelope_id());
      if (!envelope) return Unknown("envelope", fact.envelope_id());
      Commitment& commitment = Make(fact.commitment_id(), fact.references());
      for (const auto& engaged : fact.lines()) {
        Line line{engaged.line_id(), *envelope, event.fiscal_year(), {}};
        for (const auto& payment : engaged.schedule()) {
          line.schedule[payment.fiscal_year()] += payment.amount_cents();
        }
        commitment.lines.push_back(std::move(line));
      }
      return absl::OkStatus();
    }
    case Event::kPaymentRequested: {
      const auto& fact = event.payment_requested();
      requests_[fact.payment_request_id()] = {fact.references(), fact.type(), fact.nature(),
                                              fact.commitment_id()};
      return absl::OkStatus();
    }
    case Event::kPlanImported:
      for (const auto& line : event.plan_imported().lines()) {
        const auto envelope = FindEnvelope(line.envelope_id());
        if (!envelope) return Unknown("envelope", line.envelope_id());
        plans[{*envelope, line.fiscal_year()}] = line;
      }
      return absl::OkStatus();
    case Event::kCarryoverRequested: {
      const auto& fact = event.carryover_requested();
      Carryover& row = carryovers[fact.carryover_id()];
      row.requested_date = event.effective_date();
      row.carryover.set_carryover_id(fact.carryover_id());
      row.carryover.set_envelope_id(fact.envelope_id());
      row.carryover.set_kind(fact.kind());
      row.carryover.set_from_year(fact.from_year());
      row.carryover.set_state(v1::CARRYOVER_STATE_REQUESTED);
      row.carryover.set_requested_cents(fact.amount_cents());
      row.carryover.set_assigned_receipts(fact.assigned_receipts());
      return absl::OkStatus();
    }
    case Event::kCarryoverGranted: {
      const auto& fact = event.carryover_granted();
      Carryover& row = carryovers[fact.carryover_id()];
      row.decided_date = event.effective_date();
      row.lapsed_cents = fact.lapsed_cents();
      row.derogation_reference = fact.derogation_reference();
      row.carryover.set_state(v1::CARRYOVER_STATE_GRANTED);
      row.carryover.set_granted_cents(fact.granted_cents());
      row.carryover.set_order_reference(fact.order_reference());
      return absl::OkStatus();
    }
    case Event::kCarryoverRefused: {
      const auto& fact = event.carryover_refused();
      Carryover& row = carryovers[fact.carryover_id()];
      row.decided_date = event.effective_date();
      row.lapsed_cents = fact.lapsed_cents();
      row.carryover.set_state(v1::CARRYOVER_STATE_REFUSED);
      row.carryover.set_order_reference(fact.act_reference());
      return absl::OkStatus();
    }
    case Event::kCarryoverMadeAvailable: {
      const auto& fact = event.carryover_made_available();
      Carryover& row = carryovers[fact.carryover_id()];
      row.available_date = event.effective_date();
      row.carryover.set_available_cents(row.carryover.available_cents() + fact.amount_cents());
      row.carryover.set_act_reference(fact.act_reference());
      if (row.carryover.available_cents() == row.carryover.granted_cents()) {
        row.carryover.set_state(v1::CARRYOVER_STATE_AVAILABLE);
      }
      return absl::OkStatus();
    }
    case Event::kYearClosed:
      closed_years.insert(event.fiscal_year());
      return absl::OkStatus();
    case Event::kYearReopened:
      closed_years.erase(event.fiscal_year());
      return absl::OkStatus();
    case Event::kReimputed:
      // The line stands where it stood at the end of the period.
      if (CountingDay(event.effective_date(), event.fiscal_year()) > until_) {
        return absl::OkStatus();
      }
      return MoveLine(event.reimputed(), event.reimputed().to_envelope_id());
    case Event::kReversed:
      if (event.reversed().original().has_reimputed() &&
          CountingDay(event.effective_date(), event.fiscal_year()) > until_) {
        return absl::OkStatus();
      }
      return Undo(event.reversed().original());
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kOpeningCorrected:
    case Event::kWithdrawn:
    case Event::kServiceCertified:
    case Event::kPaid:
    case Event::kPaidWithoutCommitment:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReinstated:
    case Event::FACT_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

// What the events have moved: sums, each linear in the events.
class ExecutionReportMaker::Totals {
 public:
  // AE consumed, CP paid and restes à payer in a budget year, until the end of the period.
  struct Year {
    int128 ae_consumed = 0, cp_paid = 0, outstanding = 0, planned_ae = 0, planned_cp = 0;
  };
  struct Envelope {
    Accounts flows;     // of the period
    Accounts balances;  // of the last day's budget year, at the end
    Debt debt;
    std::map<int, Debt> origins;
    std::map<int, Year> years;
  };
  struct Line {
    int128 outstanding = 0, paid = 0, certified = 0, settled = 0;
  };
  struct Month {
    Use period;  // as far as the month lies in the period
    Use all;
  };
  struct Product {
    int128 engaged = 0, withdrawn = 0, paid = 0, outstanding = 0;
  };

  Totals(const ExecutionReportScope& scope, int until) : scope_(scope), until_(until) {}

  absl::Status Count(store::Position position, const Event& event, const Registers& registers);

  std::map<std::size_t, Envelope> envelopes;
  absl::node_hash_map<std::uint64_t, Debt> commitments;  // by commitment and envelope: KeyOf
  absl::node_hash_map<std::uint64_t, Line> lines;        // by commitment and line: KeyOf
  std::map<int, Month> months;                           // YYYYMM
  std::map<std::pair<int, std::string>, Product> products;
  std::vector<v1::ExecutionReportPayment> payments;
  std::vector<v1::ExecutionReportEntry> entries;

  static std::uint64_t KeyOf(std::size_t commitment, std::size_t within) {
    return (static_cast<std::uint64_t>(commitment) << 32) | within;
  }

 private:
  // What of an event is about one line.
  struct LineMove {
    std::string_view line_id;
    std::int64_t outstanding = 0, paid = 0, certified = 0, settled = 0;
  };

  absl::Status CountMoves(store::Position position, const Event& event, int day,
                          const Registers& registers, v1::ExecutionReportEntry& entry,
                          bool& entry_seen);
  absl::Status CountImport(store::Position position, const Event& event,
                           const Registers& registers);
  absl::Status CountLines(const Event& event, int day, const Registers& registers);
  static std::vector<LineMove> MovesOf(const Event& event, const Registers& registers);
  void CountPayment(store::Position position, const Event& event, int day, std::size_t envelope,
                    int128 cents, const Registers& registers);
  void CountEntry(store::Position position, const Event& event, const Registers& registers,
                  v1::ExecutionReportEntry entry, bool seen);
  bool InPeriod(int day) const { return scope_.from_date <= day && day <= until_; }

  const ExecutionReportScope& scope_;
  const int until_;
};

absl::Status ExecutionReportMaker::Totals::Count(store::Position position, const Event& event,
                                                 const Registers& registers) {
  if (event.has_opening_imported()) return CountImport(position, event, registers);
  const int day = CountingDay(event.effective_date(), event.fiscal_year());
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
absl::Status ExecutionReportMaker::Totals::CountImport(store::Position position, const Event& event,
                                                       const Registers& registers) {
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
    if (absl::Status ok = count(DayOf(whole.origin_year(), kFirstDay)); !ok.ok()) return ok;
    begin();
    line.set_withdrawn_cents(whole.withdrawn_cents());
    if (absl::Status ok = count(DayOf(whole.origin_year(), kLastDay)); !ok.ok()) return ok;
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

absl::Status ExecutionReportMaker::Totals::CountMoves(store::Position position, const Event& event,
                                                      int day, const Registers& registers,
                                                      v1::ExecutionReportEntry& entry,
                                                      bool& entry_seen) {
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
    const int posting_day = event.has_opening_imported()
                                ? day
                                : CountingDay(event.effective_date(), posting.fiscal_year);
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
      if (posting_day >= DayOf(YearOf(scope_.from_date), kFirstDay)) {
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

std::vector<ExecutionReportMaker::Totals::LineMove> ExecutionReportMaker::Totals::MovesOf(
    const Event& event, const Registers& registers) {
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
      const Registers::Request* request = registers.FindRequest(fact.payment_request_id());
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

absl::Status ExecutionReportMaker::Totals::CountLines(const Event& event, int day,
                                                      const Registers& registers) {
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
    const auto index = Registers::FindLine(registers.commitments[*commitment], move.line_id);
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

void ExecutionReportMaker::Totals::CountPayment(store::Position position, const Event& event,
                                                int day, std::size_t envelope, int128 cents,
                                                const Registers& registers) {
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

void ExecutionReportMaker::Totals::CountEntry(store::Position position, const Event& event,
                                              const Registers& registers,
                                              v1::ExecutionReportEntry entry, bool seen) {
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
    for (const Registers::Line& line : registers.commitments[*commitment].lines) {
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

ExecutionReportMaker::ExecutionReportMaker(ExecutionReportScope scope)
    : scope_(std::move(scope)),
      until_date_(scope_.effective_until == 0
                      ? scope_.until_date
                      : std::min(scope_.until_date, scope_.effective_until)),
      registers_(std::make_unique<Registers>(scope_, until_date_)),
      totals_(std::make_unique<Totals>(scope_, until_date_)) {}

ExecutionReportMaker::~ExecutionReportMaker() = default;

absl::Status ExecutionReportMaker::Add(store::Position position, const Event& event) {
  recorded_time_us_ = event.recorded_time_us();
  if (event.agreement_id() != scope_.agreement_id) return absl::OkStatus();
  const bool too_late =
      scope_.effective_until != 0 && event.effective_date() > scope_.effective_until;
  if (too_late && !IsRegister(event)) return absl::OkStatus();
  absl::Status taken = registers_->Learn(event, position);
  if (taken.ok()) taken = totals_->Count(position, event, *registers_);
  if (taken.ok()) return taken;
  return absl::DataLossError(
      absl::StrCat("the event at position ", position, ": ", taken.message()));
}

namespace {

// A row of envelopes, of a body, of all.
void SetRow(v1::ExecutionReportRow& row, const Accounts& flows, const Accounts& balances,
            const Debt& debt, Cents& cents) {
  const auto ae = [&](Account account) { return flows(Ledger::kAe, account); };
  const auto cp = [&](Account account) { return flows(Ledger::kCp, account); };
  row.set_ae_opened(cents(flows.opened(Ledger::kAe)));
  row.set_ae_carried_in(cents(-ae(Account::kCarriedIn)));
  row.set_ae_imported(cents(-ae(Account::kImported)));
  row.set_ae_engaged(cents(ae(Account::kEngaged)));
  row.set_ae_withdrawn_current(cents(-ae(Account::kWithdrawn)));
  row.set_ae_withdrawn_prior(cents(-ae(Account::kWithdrawnPrior)));
  row.set_ae_consumed(cents(ae(Account::kEngaged) + ae(Account::kWithdrawn)));
  row.set_ae_unavailable(cents(ae(Account::kUnavailable)));
  row.set_ae_carried_out(cents(ae(Account::kCarryoverRequested) + ae(Account::kCarryoverGranted) +
                               ae(Account::kCarriedOut)));
  row.set_ae_lapsed(cents(ae(Account::kLapsed)));
  row.set_ae_frozen(cents(balances(Ledger::kAe, Account::kFrozen)));
  row.set_ae_available(cents(balances(Ledger::kAe, Account::kAvailable)));
  row.set_cp_opened(cents(flows.opened(Ledger::kCp)));
  row.set_cp_carried_in(cents(-cp(Account::kCarriedIn)));
  row.set_cp_imported(cents(-cp(Account::kImported)));
  row.set_cp_paid(cents(cp(Account::kPaid)));
  row.set_cp_carryover_requested(cents(cp(Account::kCarryoverRequested)));
  row.set_cp_carryover_granted(cents(cp(Account::kCarryoverGranted) + cp(Account::kCarriedOut)));
  row.set_cp_lapsed(cents(cp(Account::kLapsed)));
  row.set_cp_frozen(cents(balances(Ledger::kCp, Account::kFrozen)));
  row.set_cp_held(cents(balances(Ledger::kCp, Account::kHeld)));
  row.set_cp_available(cents(balances(Ledger::kCp, Account::kAvailable)));
  SetDebt(row, debt, cents);
  row.set_outstanding_before_withdrawals(cents(debt.end + debt.withdrawn_prior));
}

// The products of one year, in the order of the agreement; what it does not know stands at the end.
struct ProductOrder {
  std::vector<std::string> ids;
  std::map<std::string, const events::v1::Product*> latest;
  std::map<std::pair<int, std::string>, const events::v1::Product*> budgeted;

  explicit ProductOrder(const v1::Agreement& agreement) {
    for (const auto& product : agreement.products()) {
      if (latest.emplace(product.product_id(), &product).second) {
        ids.push_back(product.product_id());
      }
      budgeted[{product.fiscal_year(), product.product_id()}] = &product;
    }
  }
  void Add(const std::string& id) {
    if (latest.emplace(id, nullptr).second) ids.push_back(id);
  }
};

}  // namespace

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::Finish() const {
  return Write(*totals_, /*whole=*/true);
}

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::SharesOf(store::Position position,
                                                                   const Event& event) const {
  Totals totals(scope_, until_date_);
  const bool too_late =
      scope_.effective_until != 0 && event.effective_date() > scope_.effective_until;
  if (event.agreement_id() == scope_.agreement_id && !too_late) {
    if (absl::Status counted = totals.Count(position, event, *registers_); !counted.ok()) {
      return counted;
    }
  }
  return Write(totals, /*whole=*/false);
}

absl::StatusOr<v1::ExecutionReport> ExecutionReportMaker::Write(const Totals& totals,
                                                                bool whole) const {
  const Registers& registers = *registers_;
  const v1::Agreement* agreement = registers.agreement();
  if (agreement == nullptr) return absl::NotFoundError("no event made the agreement");
  const int first_year = YearOf(scope_.from_date), last_year = YearOf(until_date_);
  Cents cents;
  v1::ExecutionReport report;

  if (whole) {
    report.set_from_date(scope_.from_date);
    report.set_until_date(until_date_);
    report.set_recorded_time_us(recorded_time_us_);
    report.set_agreement_id(scope_.agreement_id);
    *report.mutable_delegating_body() = agreement->delegating_body();
    *report.mutable_managing_body() = agreement->managing_body();
    report.set_programme(agreement->programme());
    report.set_operational_budget(agreement->operational_budget());
    report.set_operating_unit(agreement->operating_unit());
    *report.mutable_acts() = agreement->acts();
    *report.mutable_terms() = agreement->terms();
    for (const auto& gap : agreement->gaps()) {
      if (gap.valid_from() <= until_date_ && gap.valid_until() >= scope_.from_date) {
        *report.add_gaps() = gap;
      }
    }
    for (const int year : registers.closed_years) {
      if (first_year <= year && year <= last_year) report.add_closed_years(year);
    }
  }

  // Envelopes that may be seen, by body, then identifier; only those that moved in a share.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < registers.envelopes.size(); ++i) {
    if (registers.envelopes[i].seen && (whole || totals.envelopes.contains(i))) order.push_back(i);
  }
  const auto name_of = [&](std::size_t i) {
    return std::tie(registers.envelopes[i].body, registers.envelopes[i].id);
  };
  std::ranges::sort(order, {}, name_of);
  static const Totals::Envelope nothing;
  const auto of = [&](std::size_t i) -> const Totals::Envelope& {
    const auto found = totals.envelopes.find(i);
    return found == totals.envelopes.end() ? nothing : found->second;
  };

  struct Sum {
    Accounts flows, balances;
    Debt debt;
    std::map<int, Debt> origins;
  };
  std::map<std::string, Sum> bodies;
  Sum all;
  for (const std::size_t i : order) {
    const Totals::Envelope& envelope = of(i);
    v1::ExecutionReportRow& row = *report.add_envelopes();
    row.set_managing_body(registers.envelopes[i].body);
    row.set_envelope_id(registers.envelopes[i].id);
    row.set_label(registers.envelopes[i].label);
    SetRow(row, envelope.flows, envelope.balances, envelope.debt, cents);
    Sum& body = bodies[registers.envelopes[i].body];
    for (Sum* sum : {&body, &all}) {
      sum->flows.Add(envelope.flows);
      sum->balances.Add(envelope.balances);
      projections::Add(sum->debt, envelope.debt);
    }
    for (const auto& [origin, debt] : envelope.origins) {
      projections::Add(body.origins[origin], debt);
    }
  }
  int128 of_origins = 0;
  for (const auto& [body, sum] : bodies) {
    v1::ExecutionReportRow& row = *report.add_bodies();
    row.set_managing_body(body);
    SetRow(row, sum.flows, sum.balances, sum.debt, cents);
    for (const auto& [origin, debt] : sum.origins) {
      of_origins += debt.end;
      if (!debt.Moved()) continue;
      v1::ExecutionReportOrigin& line = *report.add_origins();
      line.set_managing_body(body);
      line.set_origin_year(origin);
      SetDebt(line, debt, cents);
    }
  }
  SetRow(*report.mutable_total(), all.flows, all.balances, all.debt, cents);

  // Every month of the period; in a share those that moved.
  int128 months_ae = 0, months_cp = 0;
  {
    Use to_date;
    for (int month = first_year * 100 + 1; month <= until_date_ / 100;
         month += month % 100 == 12 ? 89 : 1) {
      if (month % 100 == 1) to_date = {};
      const auto found = totals.months.find(month);
      const Totals::Month moved = found == totals.months.end() ? Totals::Month() : found->second;
      to_date.ae_opened += moved.all.ae_opened + moved.all.ae_imported;
      to_date.ae_consumed += moved.all.ae_consumed;
      to_date.cp_opened += moved.all.cp_opened + moved.all.cp_imported;
      to_date.cp_paid += moved.all.cp_paid;
      if (month < scope_.from_date / 100) continue;
      months_ae += moved.period.ae_consumed;
      months_cp += moved.period.cp_paid;
      v1::ExecutionReportMonth& row = *report.add_months();
      row.set_fiscal_year(month / 100);
      row.set_month(month % 100);
      row.set_ae_opened(cents(moved.period.ae_opened));
      row.set_ae_imported(cents(moved.period.ae_imported));
      row.set_ae_consumed(cents(moved.period.ae_consumed));
      row.set_cp_opened(cents(moved.period.cp_opened));
      row.set_cp_imported(cents(moved.period.cp_imported));
      row.set_cp_paid(cents(moved.period.cp_paid));
      row.set_ae_opened_to_date(cents(to_date.ae_opened));
      row.set_ae_consumed_to_date(cents(to_date.ae_consumed));
      row.set_cp_opened_to_date(cents(to_date.cp_opened));
      row.set_cp_paid_to_date(cents(to_date.cp_paid));
    }
  }

  // Commitments, in the order of their envelopes.
  int128 of_commitments = 0;
  {
    struct Entry {
      std::size_t envelope, commitment;
      const Debt* debt;
    };
    std::vector<Entry> entries;
    for (const auto& [key, debt] : totals.commitments) {
      of_commitments += debt.end;
      if (debt.Moved()) {
        entries.push_back({static_cast<std::size_t>(key & 0xffffffffU),
                           static_cast<std::size_t>(key >> 32), &debt});
      }
    }
    std::ranges::sort(entries, {}, [&](const Entry& entry) {
      return std::tuple_cat(name_of(entry.envelope),
                            std::tie(registers.commitments[entry.commitment].id));
    });
    for (const Entry& entry : entries) {
      const Registers::Commitment& commitment = registers.commitments[entry.commitment];
      v1::ExecutionReportCommitment& row = *report.add_commitments();
      row.set_managing_body(registers.envelopes[entry.envelope].body);
      row.set_envelope_id(registers.envelopes[entry.envelope].id);
      row.set_commitment_id(commitment.id);
      *row.mutable_references() = commitment.references;
      row.set_imported(commitment.imported);
      SetDebt(row, *entry.debt, cents);
    }
  }

  int128 of_payments = 0;
  report.mutable_payments()->Add(totals.payments.begin(), totals.payments.end());
  std::ranges::stable_sort(*report.mutable_payments(), {}, [](const auto& row) {
    return std::pair(row.paid_date(), row.position());
  });
  for (const auto& row : report.payments()) of_payments += row.net_cents();

  // Products: a row a year of the period, with what is still owed.
  int128 products_ae = 0, products_cp = 0;
  {
    ProductOrder products(*agreement);
    for (const auto& [key, moved] : totals.products) products.Add(key.second);
    std::map<std::string, int128> owed;
    for (const auto& [key, moved] : totals.products) {
      if (key.first < first_year) owed[key.second] += moved.outstanding;
    }
    for (int year = first_year; year <= last_year; ++year) {
      int128 budgets = 0, common_costs = 0;
      bool budgeted = false;
      std::vector<v1::ExecutionReportProduct*> sharing;
      std::vector<std::int64_t> weights;
      for (const std::string& id : products.ids) {
        const auto found = totals.products.find({year, id});
        const Totals::Product moved =
            found == totals.products.end() ? Totals::Product() : found->second;
        owed[id] += moved.outstanding;
        const auto plan = products.budgeted.find({year, id});
        const auto* product = plan == products.budgeted.end() ? products.latest[id] : plan->second;
        const bool has_budget = whole && plan != products.budgeted.end();
        if (!has_budget && moved.engaged == 0 && moved.withdrawn == 0 && moved.paid == 0 &&
            owed[id] == 0) {
          continue;
        }
        products_ae += moved.engaged;
        products_cp += moved.paid;
        v1::ExecutionReportProduct& row = *report.add_products();
        row.set_fiscal_year(year);
        row.set_product_id(id);
        if (product != nullptr) {
          row.set_label(product->label());
          row.set_common_costs(product->common_costs());
        }
        row.set_ae_engaged(cents(moved.engaged));
        row.set_ae_withdrawn_current(cents(moved.withdrawn));
        row.set_cp_paid(cents(moved.paid));
        row.set_outstanding(cents(owed[id]));
        if (!has_budget) continue;
        budgeted = true;
        row.set_budget(product->budget_cents());
        row.set_budget_difference(
            cents(int128(product->budget_cents()) - moved.engaged + moved.withdrawn));
        budgets += product->budget_cents();
        if (product->common_costs()) {
          common_costs += product->budget_cents();
        } else {
          sharing.push_back(&row);
          weights.push_back(product->budget_cents());
        }
      }
      if (!budgeted) continue;
      const std::vector<std::int64_t> shares =
          SplitByLargestRemainder(cents(common_costs), weights);
      for (std::size_t i = 0; i < shares.size(); ++i) sharing[i]->set_common_share(shares[i]);
      int128 financing = 0;
      for (const auto& ceiling : agreement->ceilings()) {
        if (ceiling.fiscal_year() == year) financing = ceiling.ae_cents();
      }
      v1::ExecutionReportReconciliation& line = *report.add_reconciliations();
      line.set_kind(v1::RECONCILIATION_KIND_PRODUCTS);
      line.set_fiscal_year(year);
      line.set_left_cents(cents(budgets));
      line.set_right_cents(cents(financing));
      line.set_difference_cents(cents(budgets - financing));
    }
  }

  // Lines: what is certified and unpaid, and when what is owed was to be paid.
  int128 of_schedule = 0;
  {
    struct Entry {
      std::size_t commitment, line;
      const Totals::Line* totals;
    };
    std::vector<Entry> entries;
    for (const auto& [key, moved] : totals.lines) {
      const auto commitment = static_cast<std::size_t>(key >> 32);
      const auto line = static_cast<std::size_t>(key & 0xffffffffU);
      if (registers.envelopes[registers.commitments[commitment].lines[line].envelope].seen) {
        entries.push_back({commitment, line, &moved});
      }
    }
    std::ranges::sort(entries, {}, [&](const Entry& entry) {
      const Registers::Commitment& commitment = registers.commitments[entry.commitment];
      return std::tuple_cat(name_of(commitment.lines[entry.line].envelope),
                            std::tie(commitment.id, entry.line));
    });
    const bool last_day = until_date_ % 10000 == kLastDay;
    for (const auto& [commitment_index, line_index, moved] : entries) {
      const Registers::Commitment& commitment = registers.commitments[commitment_index];
      const Registers::Line& line = commitment.lines[line_index];
      const Registers::Envelope& envelope = registers.envelopes[line.envelope];
      const auto name = [&](auto& row) {
        row.set_managing_body(envelope.body);
        row.set_envelope_id(envelope.id);
        row.set_commitment_id(commitment.id);
        row.set_line_id(line.id);
        *row.mutable_references() = commitment.references;
        row.set_origin_year(line.origin_year);
      };
      if (moved->certified != moved->settled ||
          (!whole && (moved->certified != 0 || moved->settled != 0))) {
        v1::ExecutionReportAccrual& row = *report.add_accruals();
        name(row);
        row.set_certified_cents(cents(moved->certified));
        row.set_settled_cents(cents(moved->settled));
        row.set_accrued_cents(cents(moved->certified - moved->settled));
      }
      of_schedule += moved->outstanding;
      if (!whole) continue;

      struct Due {
        int year;
        int128 scheduled, covered, unpaid;
      };
      std::vector<Due> dues;
      int128 paid = moved->paid, unpaid = 0;
      for (const auto& [year, scheduled] : line.schedule) {
        const int128 covered = std::clamp<int128>(paid, 0, scheduled);
        paid -= covered;
        dues.push_back({year, scheduled, covered, scheduled - covered});
        unpaid += scheduled - covered;
      }
      for (auto due = dues.rbegin(); due != dues.rend() && unpaid > moved->outstanding; ++due) {
        const int128 gone = std::min(due->unpaid, unpaid - moved->outstanding);
        due->unpaid -= gone;
        unpaid -= gone;
      }
      if (unpaid != moved->outstanding) dues.push_back({0, 0, 0, moved->outstanding - unpaid});
      for (const Due& due : dues) {
        const bool of_period = first_year <= due.year && due.year <= last_year;
        if (due.unpaid == 0 && !of_period) continue;
        v1::ExecutionReportInstalment& row = *report.add_instalments();
        name(row);
        row.set_fiscal_year(due.year);
        row.set_scheduled_cents(cents(due.scheduled));
        row.set_covered_cents(cents(due.covered));
        row.set_unpaid_cents(cents(due.unpaid));
        row.set_overdue(due.year != 0 && due.unpaid > 0 &&
                        (due.year < last_year || (due.year == last_year && last_day)));
      }
    }
  }

  // Plans: planned restes à payer go on from those of the year before, as far as it had a plan.
  for (const std::size_t i : order) {
    const Totals::Envelope& envelope = of(i);
    int begin = last_year;
    if (!envelope.years.empty()) begin = std::min(begin, envelope.years.begin()->first);
    int128 outstanding = 0, planned_outstanding = 0;
    for (int year = begin; year <= last_year; ++year) {
      const auto found = envelope.years.find(year);
      const Totals::Year moved = found == envelope.years.end() ? Totals::Year() : found->second;
      const auto plan = registers.plans.find({i, year});
      const bool has_plan = plan != registers.plans.end();
      const int128 planned = planned_outstanding + moved.planned_ae - moved.planned_cp;
      outstanding += moved.outstanding;
      planned_outstanding = has_plan ? planned : outstanding;
      if (!has_plan || year < first_year) continue;
      v1::ExecutionReportPlan& row = *report.add_plans();
      row.set_fiscal_year(year);
      row.set_managing_body(registers.envelopes[i].body);
      row.set_envelope_id(registers.envelopes[i].id);
      row.set_planned_ae(cents(moved.planned_ae));
      row.set_ae_consumed(cents(moved.ae_consumed));
      row.set_ae_difference(cents(moved.ae_consumed - moved.planned_ae));
      row.set_planned_cp(cents(moved.planned_cp));
      row.set_cp_paid(cents(moved.cp_paid));
      row.set_cp_difference(cents(moved.cp_paid - moved.planned_cp));
      row.set_outstanding(cents(outstanding));
      if (!whole) continue;
      const int128 stated = plan->second.outstanding_cents();
      row.set_planned_outstanding(cents(planned));
      row.set_outstanding_difference(cents(outstanding - planned));
      row.set_planned_difference(cents(stated - planned));
    }
  }
  std::ranges::stable_sort(*report.mutable_plans(), {},
                           [](const auto& row) { return row.fiscal_year(); });

  if (!whole) {
    report.clear_reconciliations();
    if (!cents.status().ok()) return cents.status();
    return report;
  }

  for (const auto& plan : report.plans()) {
    if (plan.planned_difference() == 0) continue;
    v1::ExecutionReportReconciliation& line = *report.add_reconciliations();
    line.set_kind(v1::RECONCILIATION_KIND_PLAN);
    line.set_fiscal_year(plan.fiscal_year());
    line.set_managing_body(plan.managing_body());
    line.set_envelope_id(plan.envelope_id());
    line.set_left_cents(cents(int128(plan.planned_outstanding()) + plan.planned_difference()));
    line.set_right_cents(plan.planned_outstanding());
    line.set_difference_cents(plan.planned_difference());
  }
  for (const auto& row : report.envelopes()) {
    if (row.cp_paid() == row.outstanding_paid()) continue;
    v1::ExecutionReportReconciliation& line = *report.add_reconciliations();
    line.set_kind(v1::RECONCILIATION_KIND_PAYING);
    line.set_managing_body(row.managing_body());
    line.set_envelope_id(row.envelope_id());
    line.set_left_cents(row.cp_paid());
    line.set_right_cents(row.outstanding_paid());
    line.set_difference_cents(cents(int128(row.cp_paid()) - row.outstanding_paid()));
  }

  for (const auto& [id, entry] : registers.carryovers) {
    const auto envelope = registers.FindEnvelope(entry.carryover.envelope_id());
    if (!envelope || !registers.envelopes[*envelope].seen) continue;
    const auto in_period = [&](int day) { return scope_.from_date <= day && day <= until_date_; };
    if (!in_period(entry.requested_date) && !in_period(entry.decided_date) &&
        !in_period(entry.available_date) &&
        !in_period(DayOf(entry.carryover.from_year(), kLastDay))) {
      continue;
    }
    v1::ExecutionReportCarryover& row = *report.add_carryovers();
    row.set_managing_body(registers.envelopes[*envelope].body);
    *row.mutable_carryover() = entry.carryover;
    row.set_lapsed_cents(entry.lapsed_cents);
    row.set_requested_date(entry.requested_date);
    row.set_decided_date(entry.decided_date);
    row.set_available_date(entry.available_date);
    row.set_derogation_reference(entry.derogation_reference);
  }
  report.mutable_entries()->Add(totals.entries.begin(), totals.entries.end());

  const auto check = [&](v1::ReportCheckKind kind, int128 left, int128 right) {
    v1::ExecutionReportCheck& row = *report.add_checks();
    row.set_kind(kind);
    row.set_left_cents(cents(left));
    row.set_right_cents(cents(right));
    return left == right;
  };
  const int128 engaged = all.flows(Ledger::kAe, Account::kEngaged);
  const int128 consumed = engaged + all.flows(Ledger::kAe, Account::kWithdrawn);
  const int128 paid = all.flows(Ledger::kCp, Account::kPaid);
  bool agree = check(v1::REPORT_CHECK_KIND_OUTSTANDING, all.debt.Computed(), all.debt.end);
  agree &= check(v1::REPORT_CHECK_KIND_COMMITMENTS, of_commitments, all.debt.end);
  agree &= check(v1::REPORT_CHECK_KIND_ORIGINS, of_origins, all.debt.end);
  agree &= check(v1::REPORT_CHECK_KIND_SCHEDULE, of_schedule, all.debt.end);
  agree &= check(v1::REPORT_CHECK_KIND_MONTHS_AE, months_ae, consumed);
  agree &= check(v1::REPORT_CHECK_KIND_MONTHS_CP, months_cp, paid);
  agree &= check(v1::REPORT_CHECK_KIND_PRODUCTS_AE, products_ae, engaged);
  agree &= check(v1::REPORT_CHECK_KIND_PRODUCTS_CP, products_cp, paid);
  agree &= check(v1::REPORT_CHECK_KIND_PAYMENTS, of_payments, paid);
  if (scope_.sees == nullptr) {
    agree &= check(v1::REPORT_CHECK_KIND_LEDGER_AE, engaged, all.debt.engaged);
    agree &= check(v1::REPORT_CHECK_KIND_LEDGER_CP, paid, all.debt.paid);
  }
  if (!cents.status().ok()) return cents.status();
  if (!agree) {
    std::string which;
    for (const auto& row : report.checks()) {
      if (row.left_cents() != row.right_cents()) {
        absl::StrAppend(&which, " ", v1::ReportCheckKind_Name(row.kind()));
      }
    }
    return absl::DataLossError(absl::StrCat("figures of the execution report of ",
                                            scope_.agreement_id, " contradict each other:", which));
  }
  return report;
}

}  // namespace denier::projections
