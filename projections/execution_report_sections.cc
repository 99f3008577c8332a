#include "projections/execution_report_sections.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "projections/cents.h"
#include "projections/posting.h"
#include "projections/reports.h"

namespace denier::projections {
namespace {

using absl::int128;
using Debt = ReportTotals::Debt;
using Accounts = ReportTotals::Accounts;

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

// A row of envelopes, of a body, of all_.
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

class Writer {
 public:
  Writer(const ExecutionReportScope& scope, int until, const ReportRegisters& registers,
         const ReportTotals& totals, Written written);

  absl::StatusOr<v1::ExecutionReport> Write();

 private:
  void WriteHead();
  void WriteEnvelopes();
  void WriteMonths();
  void WriteCommitments();
  void WritePayments();
  void WriteProducts();
  void WriteLines();
  void WritePlans();
  void WriteReconciliations();
  void WriteCarryovers();
  void WriteChecks();

  const ReportTotals::Envelope& MovedOf(std::size_t envelope) const;
  // By body, then identifier.
  auto NameOf(std::size_t envelope) const {
    return std::tie(registers_.envelopes[envelope].body, registers_.envelopes[envelope].id);
  }

  const ExecutionReportScope& scope_;
  const int until_, first_year_, last_year_;
  const ReportRegisters& registers_;
  const ReportTotals& totals_;
  const Written written_;
  const v1::Agreement* const agreement_;
  std::vector<std::size_t> order_;  // of the envelopes
  Cents cents_;
  v1::ExecutionReport report_;

  // What the checks compare.
  struct Sum {
    Accounts flows, balances;
    Debt debt;
    std::map<int, Debt> origins;
  };
  Sum all_;
  struct {
    int128 of_commitments = 0, of_origins = 0, of_schedule = 0, of_payments = 0, months_ae = 0,
           months_cp = 0, products_ae = 0, products_cp = 0;
  } sums_;
};

Writer::Writer(const ExecutionReportScope& scope, int until, const ReportRegisters& registers,
               const ReportTotals& totals, Written written)
    : scope_(scope),
      until_(until),
      first_year_(YearOf(scope.from_date)),
      last_year_(YearOf(until)),
      registers_(registers),
      totals_(totals),
      written_(written),
      agreement_(registers.agreement()) {}

absl::StatusOr<v1::ExecutionReport> Writer::Write() {
  if (agreement_ == nullptr) return absl::NotFoundError("no event made the agreement");
  // Envelopes that may be seen, by body, then identifier; in a part that moved only those that did.
  for (std::size_t i = 0; i < registers_.envelopes.size(); ++i) {
    if (registers_.envelopes[i].seen &&
        (written_ != Written::kMoved || totals_.envelopes.contains(i))) {
      order_.push_back(i);
    }
  }
  std::ranges::sort(order_, {}, [this](std::size_t i) { return NameOf(i); });

  if (written_ == Written::kWhole) WriteHead();
  WriteEnvelopes();
  WriteMonths();
  WriteCommitments();
  WritePayments();
  WriteProducts();
  WriteLines();
  WritePlans();
  WriteReconciliations();
  if (written_ != Written::kMoved) WriteCarryovers();
  report_.mutable_entries()->Add(totals_.entries.begin(), totals_.entries.end());
  WriteChecks();
  if (!cents_.status().ok()) return cents_.status();
  if (written_ != Written::kWhole) return std::move(report_);
  std::string contradictions;
  for (const auto& check : report_.checks()) {
    if (check.left_cents() != check.right_cents()) {
      absl::StrAppend(&contradictions, " ", v1::ReportCheckKind_Name(check.kind()));
    }
  }
  if (contradictions.empty()) return std::move(report_);
  return absl::DataLossError(absl::StrCat("figures of the execution report of ",
                                          scope_.agreement_id,
                                          " contradict each other:", contradictions));
}

const ReportTotals::Envelope& Writer::MovedOf(std::size_t envelope) const {
  static const ReportTotals::Envelope nothing;
  const auto found = totals_.envelopes.find(envelope);
  return found == totals_.envelopes.end() ? nothing : found->second;
}

void Writer::WriteHead() {
  report_.set_from_date(scope_.from_date);
  report_.set_until_date(until_);
  report_.set_agreement_id(scope_.agreement_id);
  *report_.mutable_delegating_body() = agreement_->delegating_body();
  *report_.mutable_managing_body() = agreement_->managing_body();
  report_.set_programme(agreement_->programme());
  report_.set_operational_budget(agreement_->operational_budget());
  report_.set_operating_unit(agreement_->operating_unit());
  *report_.mutable_acts() = agreement_->acts();
  *report_.mutable_terms() = agreement_->terms();
  for (const auto& gap : agreement_->gaps()) {
    if (gap.valid_from() <= until_ && gap.valid_until() >= scope_.from_date) {
      *report_.add_gaps() = gap;
    }
  }
  for (const int year : registers_.closed_years) {
    if (first_year_ <= year && year <= last_year_) report_.add_closed_years(year);
  }
}

void Writer::WriteEnvelopes() {
  std::map<std::string, Sum> bodies;
  for (const std::size_t i : order_) {
    const ReportTotals::Envelope& envelope = MovedOf(i);
    v1::ExecutionReportRow& row = *report_.add_envelopes();
    row.set_managing_body(registers_.envelopes[i].body);
    row.set_envelope_id(registers_.envelopes[i].id);
    row.set_label(registers_.envelopes[i].label);
    SetRow(row, envelope.flows, envelope.balances, envelope.debt, cents_);
    Sum& body = bodies[registers_.envelopes[i].body];
    for (Sum* sum : {&body, &all_}) {
      sum->flows.Add(envelope.flows);
      sum->balances.Add(envelope.balances);
      sum->debt.Add(envelope.debt);
    }
    for (const auto& [origin, debt] : envelope.origins) {
      body.origins[origin].Add(debt);
    }
  }
  for (const auto& [body, sum] : bodies) {
    v1::ExecutionReportRow& row = *report_.add_bodies();
    row.set_managing_body(body);
    SetRow(row, sum.flows, sum.balances, sum.debt, cents_);
    for (const auto& [origin, debt] : sum.origins) {
      sums_.of_origins += debt.end;
      if (!debt.Moved()) continue;
      v1::ExecutionReportOrigin& line = *report_.add_origins();
      line.set_managing_body(body);
      line.set_origin_year(origin);
      SetDebt(line, debt, cents_);
    }
  }
  SetRow(*report_.mutable_total(), all_.flows, all_.balances, all_.debt, cents_);
}

void Writer::WriteMonths() {
  ReportTotals::Use to_date;
  for (int month = first_year_ * 100 + 1; month <= until_ / 100;
       month += month % 100 == 12 ? 89 : 1) {
    if (month % 100 == 1) to_date = {};
    const auto found = totals_.months.find(month);
    const ReportTotals::Month moved =
        found == totals_.months.end() ? ReportTotals::Month() : found->second;
    to_date.ae_opened += moved.all.ae_opened + moved.all.ae_imported;
    to_date.ae_consumed += moved.all.ae_consumed;
    to_date.cp_opened += moved.all.cp_opened + moved.all.cp_imported;
    to_date.cp_paid += moved.all.cp_paid;
    if (month < scope_.from_date / 100) continue;
    sums_.months_ae += moved.period.ae_consumed;
    sums_.months_cp += moved.period.cp_paid;
    v1::ExecutionReportMonth& row = *report_.add_months();
    row.set_fiscal_year(month / 100);
    row.set_month(month % 100);
    row.set_ae_opened(cents_(moved.period.ae_opened));
    row.set_ae_imported(cents_(moved.period.ae_imported));
    row.set_ae_consumed(cents_(moved.period.ae_consumed));
    row.set_cp_opened(cents_(moved.period.cp_opened));
    row.set_cp_imported(cents_(moved.period.cp_imported));
    row.set_cp_paid(cents_(moved.period.cp_paid));
    row.set_ae_opened_to_date(cents_(to_date.ae_opened));
    row.set_ae_consumed_to_date(cents_(to_date.ae_consumed));
    row.set_cp_opened_to_date(cents_(to_date.cp_opened));
    row.set_cp_paid_to_date(cents_(to_date.cp_paid));
  }
}

void Writer::WriteCommitments() {
  struct Entry {
    std::size_t envelope, commitment;
    const ReportTotals::Debt* debt;
  };
  std::vector<Entry> entries;
  for (const auto& [key, debt] : totals_.commitments) {
    sums_.of_commitments += debt.end;
    if (debt.Moved()) {
      entries.push_back({static_cast<std::size_t>(key & 0xffffffffU),
                         static_cast<std::size_t>(key >> 32), &debt});
    }
  }
  std::ranges::sort(entries, {}, [&](const Entry& entry) {
    return std::tuple_cat(NameOf(entry.envelope),
                          std::tie(registers_.commitments[entry.commitment].id));
  });
  for (const Entry& entry : entries) {
    const ReportRegisters::Commitment& commitment = registers_.commitments[entry.commitment];
    v1::ExecutionReportCommitment& row = *report_.add_commitments();
    row.set_managing_body(registers_.envelopes[entry.envelope].body);
    row.set_envelope_id(registers_.envelopes[entry.envelope].id);
    row.set_commitment_id(commitment.id);
    *row.mutable_references() = commitment.references;
    row.set_imported(commitment.imported);
    SetDebt(row, *entry.debt, cents_);
  }
}

void Writer::WritePayments() {
  report_.mutable_payments()->Add(totals_.payments.begin(), totals_.payments.end());
  std::ranges::stable_sort(*report_.mutable_payments(), {}, [](const auto& row) {
    return std::pair(row.paid_date(), row.position());
  });
  for (const auto& row : report_.payments()) sums_.of_payments += row.net_cents();
}

void Writer::WriteProducts() {
  ProductOrder products(*agreement_);
  for (const auto& [key, moved] : totals_.products) products.Add(key.second);
  std::map<std::string, int128> owed;
  for (const auto& [key, moved] : totals_.products) {
    if (key.first < first_year_) owed[key.second] += moved.outstanding;
  }
  for (int year = first_year_; year <= last_year_; ++year) {
    int128 budgets = 0, common_costs = 0;
    bool budgeted = false;
    std::vector<v1::ExecutionReportProduct*> sharing;
    std::vector<std::int64_t> weights;
    for (const std::string& id : products.ids) {
      const auto found = totals_.products.find({year, id});
      const ReportTotals::Product moved =
          found == totals_.products.end() ? ReportTotals::Product() : found->second;
      owed[id] += moved.outstanding;
      const auto plan = products.budgeted.find({year, id});
      const auto* product = plan == products.budgeted.end() ? products.latest[id] : plan->second;
      const bool has_budget = plan != products.budgeted.end();
      const bool said = has_budget && written_ != Written::kMoved;
      if (!said && moved.engaged == 0 && moved.withdrawn == 0 && moved.paid == 0 && owed[id] == 0) {
        continue;
      }
      sums_.products_ae += moved.engaged;
      sums_.products_cp += moved.paid;
      v1::ExecutionReportProduct& row = *report_.add_products();
      row.set_fiscal_year(year);
      row.set_product_id(id);
      if (product != nullptr) {
        row.set_label(product->label());
        row.set_common_costs(product->common_costs());
      }
      row.set_ae_engaged(cents_(moved.engaged));
      row.set_ae_withdrawn_current(cents_(moved.withdrawn));
      row.set_cp_paid(cents_(moved.paid));
      row.set_outstanding(cents_(owed[id]));
      if (!has_budget) continue;
      const int128 budget = said ? product->budget_cents() : 0;
      row.set_budget_difference(cents_(budget - moved.engaged + moved.withdrawn));
      if (!said) continue;
      budgeted = true;
      row.set_budget(product->budget_cents());
      budgets += product->budget_cents();
      if (product->common_costs()) {
        common_costs += product->budget_cents();
      } else {
        sharing.push_back(&row);
        weights.push_back(product->budget_cents());
      }
    }
    if (!budgeted) continue;
    const std::vector<std::int64_t> shares = SplitByLargestRemainder(cents_(common_costs), weights);
    for (std::size_t i = 0; i < shares.size(); ++i) sharing[i]->set_common_share(shares[i]);
    int128 financing = 0;
    for (const auto& ceiling : agreement_->ceilings()) {
      if (ceiling.fiscal_year() == year) financing = ceiling.ae_cents();
    }
    v1::ExecutionReportReconciliation& line = *report_.add_reconciliations();
    line.set_kind(v1::RECONCILIATION_KIND_PRODUCTS);
    line.set_fiscal_year(year);
    line.set_left_cents(cents_(budgets));
    line.set_right_cents(cents_(financing));
    line.set_difference_cents(cents_(budgets - financing));
  }
}

void Writer::WriteLines() {
  struct Entry {
    std::size_t commitment, line;
    const ReportTotals::Line* totals;
  };
  std::vector<Entry> entries;
  for (const auto& [key, moved] : totals_.lines) {
    const auto commitment = static_cast<std::size_t>(key >> 32);
    const auto line = static_cast<std::size_t>(key & 0xffffffffU);
    if (registers_.envelopes[registers_.commitments[commitment].lines[line].envelope].seen) {
      entries.push_back({commitment, line, &moved});
    }
  }
  std::ranges::sort(entries, {}, [&](const Entry& entry) {
    const ReportRegisters::Commitment& commitment = registers_.commitments[entry.commitment];
    return std::tuple_cat(NameOf(commitment.lines[entry.line].envelope),
                          std::tie(commitment.id, entry.line));
  });
  const bool last_day = until_ == LastDayOf(last_year_);
  for (const auto& [commitment_index, line_index, moved] : entries) {
    const ReportRegisters::Commitment& commitment = registers_.commitments[commitment_index];
    const ReportRegisters::Line& line = commitment.lines[line_index];
    const ReportRegisters::Envelope& envelope = registers_.envelopes[line.envelope];
    const auto name = [&](auto& row) {
      row.set_managing_body(envelope.body);
      row.set_envelope_id(envelope.id);
      row.set_commitment_id(commitment.id);
      row.set_line_id(line.id);
      *row.mutable_references() = commitment.references;
      row.set_origin_year(line.origin_year);
    };
    if (moved->certified != moved->settled ||
        (written_ == Written::kMoved && moved->certified != 0)) {
      v1::ExecutionReportAccrual& row = *report_.add_accruals();
      name(row);
      row.set_certified_cents(cents_(moved->certified));
      row.set_settled_cents(cents_(moved->settled));
      row.set_accrued_cents(cents_(moved->certified - moved->settled));
    }
    sums_.of_schedule += moved->outstanding;

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
      const bool of_period = first_year_ <= due.year && due.year <= last_year_;
      if (due.unpaid == 0 && !of_period && written_ == Written::kWhole) continue;
      v1::ExecutionReportInstalment& row = *report_.add_instalments();
      name(row);
      row.set_fiscal_year(due.year);
      row.set_scheduled_cents(cents_(due.scheduled));
      row.set_covered_cents(cents_(due.covered));
      row.set_unpaid_cents(cents_(due.unpaid));
      row.set_overdue(due.year != 0 && due.unpaid > 0 &&
                      (due.year < last_year_ || (due.year == last_year_ && last_day)));
    }
  }
}

void Writer::WritePlans() {
  for (const std::size_t i : order_) {
    const ReportTotals::Envelope& envelope = MovedOf(i);
    int begin = first_year_;
    if (!envelope.years.empty()) begin = std::min(begin, envelope.years.begin()->first);
    int128 outstanding = 0, planned_outstanding = 0;
    for (int year = begin; year <= last_year_; ++year) {
      const auto found = envelope.years.find(year);
      const ReportTotals::Year moved =
          found == envelope.years.end() ? ReportTotals::Year() : found->second;
      const auto plan = registers_.plans.find({i, year});
      const bool has_plan = plan != registers_.plans.end();
      const int128 planned = planned_outstanding + moved.planned_ae - moved.planned_cp;
      outstanding += moved.outstanding;
      planned_outstanding = has_plan ? planned : outstanding;
      if (!has_plan || year < first_year_) continue;
      v1::ExecutionReportPlan& row = *report_.add_plans();
      row.set_fiscal_year(year);
      row.set_managing_body(registers_.envelopes[i].body);
      row.set_envelope_id(registers_.envelopes[i].id);
      row.set_planned_ae(cents_(moved.planned_ae));
      row.set_ae_consumed(cents_(moved.ae_consumed));
      row.set_ae_difference(cents_(moved.ae_consumed - moved.planned_ae));
      row.set_planned_cp(cents_(moved.planned_cp));
      row.set_cp_paid(cents_(moved.cp_paid));
      row.set_cp_difference(cents_(moved.cp_paid - moved.planned_cp));
      row.set_outstanding(cents_(outstanding));
      const int128 stated = written_ == Written::kMoved ? 0 : plan->second.outstanding_cents();
      row.set_planned_outstanding(cents_(planned));
      row.set_outstanding_difference(cents_(outstanding - planned));
      row.set_planned_difference(cents_(stated - planned));
    }
  }
  std::ranges::stable_sort(*report_.mutable_plans(), {},
                           [](const auto& row) { return row.fiscal_year(); });
}

void Writer::WriteReconciliations() {
  for (const auto& plan : report_.plans()) {
    if (plan.planned_difference() == 0 && written_ == Written::kWhole) continue;
    v1::ExecutionReportReconciliation& line = *report_.add_reconciliations();
    line.set_kind(v1::RECONCILIATION_KIND_PLAN);
    line.set_fiscal_year(plan.fiscal_year());
    line.set_managing_body(plan.managing_body());
    line.set_envelope_id(plan.envelope_id());
    line.set_left_cents(cents_(int128(plan.planned_outstanding()) + plan.planned_difference()));
    line.set_right_cents(plan.planned_outstanding());
    line.set_difference_cents(plan.planned_difference());
  }
  for (const auto& row : report_.envelopes()) {
    if (row.cp_paid() == row.outstanding_paid() && written_ == Written::kWhole) continue;
    v1::ExecutionReportReconciliation& line = *report_.add_reconciliations();
    line.set_kind(v1::RECONCILIATION_KIND_PAYING);
    line.set_managing_body(row.managing_body());
    line.set_envelope_id(row.envelope_id());
    line.set_left_cents(row.cp_paid());
    line.set_right_cents(row.outstanding_paid());
    line.set_difference_cents(cents_(int128(row.cp_paid()) - row.outstanding_paid()));
  }
}

void Writer::WriteCarryovers() {
  for (const auto& [id, entry] : registers_.carryovers) {
    const auto envelope = registers_.FindEnvelope(entry.carryover.envelope_id());
    if (!envelope || !registers_.envelopes[*envelope].seen) continue;
    const auto in_period = [&](int day) { return scope_.from_date <= day && day <= until_; };
    if (written_ == Written::kWhole && !in_period(entry.requested_date) &&
        !in_period(entry.decided_date) && !in_period(entry.available_date) &&
        !in_period(LastDayOf(entry.carryover.from_year()))) {
      continue;
    }
    v1::ExecutionReportCarryover& row = *report_.add_carryovers();
    row.set_managing_body(registers_.envelopes[*envelope].body);
    *row.mutable_carryover() = entry.carryover;
    row.set_lapsed_cents(entry.lapsed_cents);
    row.set_requested_date(entry.requested_date);
    row.set_decided_date(entry.decided_date);
    row.set_available_date(entry.available_date);
    row.set_derogation_reference(entry.derogation_reference);
  }
}

void Writer::WriteChecks() {
  const auto check = [&](v1::ReportCheckKind kind, int128 left, int128 right) {
    v1::ExecutionReportCheck& row = *report_.add_checks();
    row.set_kind(kind);
    row.set_left_cents(cents_(left));
    row.set_right_cents(cents_(right));
  };
  const int128 engaged = all_.flows(Ledger::kAe, Account::kEngaged);
  const int128 consumed = engaged + all_.flows(Ledger::kAe, Account::kWithdrawn);
  const int128 paid = all_.flows(Ledger::kCp, Account::kPaid);
  check(v1::REPORT_CHECK_KIND_OUTSTANDING, all_.debt.Computed(), all_.debt.end);
  check(v1::REPORT_CHECK_KIND_COMMITMENTS, sums_.of_commitments, all_.debt.end);
  check(v1::REPORT_CHECK_KIND_ORIGINS, sums_.of_origins, all_.debt.end);
  check(v1::REPORT_CHECK_KIND_SCHEDULE, sums_.of_schedule, all_.debt.end);
  check(v1::REPORT_CHECK_KIND_MONTHS_AE, sums_.months_ae, consumed);
  check(v1::REPORT_CHECK_KIND_MONTHS_CP, sums_.months_cp, paid);
  check(v1::REPORT_CHECK_KIND_PRODUCTS_AE, sums_.products_ae, engaged);
  check(v1::REPORT_CHECK_KIND_PRODUCTS_CP, sums_.products_cp, paid);
  check(v1::REPORT_CHECK_KIND_PAYMENTS, sums_.of_payments, paid);
  if (scope_.sees == nullptr) {
    check(v1::REPORT_CHECK_KIND_LEDGER_AE, engaged, all_.debt.engaged);
    check(v1::REPORT_CHECK_KIND_LEDGER_CP, paid, all_.debt.paid);
  }
}

}  // namespace

absl::StatusOr<v1::ExecutionReport> WriteReport(const ExecutionReportScope& scope, int until,
                                                const ReportRegisters& registers,
                                                const ReportTotals& totals, Written written) {
  return Writer(scope, until, registers, totals, written).Write();
}

}  // namespace denier::projections
