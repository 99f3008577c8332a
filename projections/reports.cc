#include "projections/reports.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "projections/cents.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using absl::int128;
using events::v1::Product;

constexpr std::size_t kRowsPerScan = 1'000;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Sums of balances, and of what the plans state, in one budget year.
class Sums {
 public:
  void Add(const Balances& balances) {
    for (const auto& [detail, cents] : balances.details()) {
      at_[Index(detail.ledger, detail.account, detail.basis)] += cents;
    }
  }
  void Add(const BodyYear& year) {
    for (std::size_t i = 0; i < at_.size(); ++i) {
      at_[i] += year.total(static_cast<Ledger>(i / (kBases * kAccounts)),
                           static_cast<Account>(i % kAccounts),
                           static_cast<Basis>(i / kAccounts % kBases));
    }
    has_plan_ |= year.has_plan();
    stated_ae_ += year.stated_ae();
    stated_cp_ += year.stated_cp();
    stated_outstanding_ += year.stated_outstanding();
  }
  void AddPlan(const events::v1::PlanLine& plan) {
    has_plan_ = true;
    stated_ae_ += plan.ae_cents();
    stated_cp_ += plan.cp_cents();
    stated_outstanding_ += plan.outstanding_cents();
  }

  int128 operator()(Ledger ledger, Account account, Basis basis = Basis::kActual) const {
    return at_[Index(ledger, account, basis)];
  }
  // Every ledger sums to zero, as executed and as planned.
  bool Balance() const {
    for (std::size_t ledger = 0; ledger < at_.size(); ledger += kAccounts) {
      const auto begin = at_.begin() + static_cast<std::ptrdiff_t>(ledger);
      if (std::accumulate(begin, begin + kAccounts, int128(0)) != 0) return false;
    }
    return true;
  }
  bool has_plan() const { return has_plan_; }
  int128 stated_ae() const { return stated_ae_; }
  int128 stated_cp() const { return stated_cp_; }
  int128 stated_outstanding() const { return stated_outstanding_; }

  bool operator==(const Sums&) const = default;

 private:
  static std::size_t Index(Ledger ledger, Account account, Basis basis) {
    return (static_cast<std::size_t>(ledger) * kBases + static_cast<std::size_t>(basis)) *
               kAccounts +
           static_cast<std::size_t>(account);
  }

  std::array<int128, kLedgers * kBases * kAccounts> at_{};
  bool has_plan_ = false;
  int128 stated_ae_ = 0, stated_cp_ = 0, stated_outstanding_ = 0;
};

using SumsByYear = std::map<int, Sums>;
using SumsByBody = std::map<std::string, SumsByYear>;

void AddEnvelope(const EnvelopeRows& envelope, SumsByYear& years) {
  for (const auto& [year, balances] : envelope.years) years[year].Add(balances);
  for (const auto& plan : envelope.envelope.plan()) years[plan.fiscal_year()].AddPlan(plan);
}

// Every body of whose envelopes there is something to say, with its sums.
SumsByBody SumUp(const AgreementRows& rows) {
  SumsByBody bodies;
  for (const EnvelopeRows& envelope : rows.envelopes) {
    AddEnvelope(envelope, bodies[envelope.envelope.managing_body_id()]);
  }
  std::erase_if(bodies, [](const auto& body) { return body.second.empty(); });
  return bodies;
}
SumsByBody SumUp(const YearRows& rows) {
  SumsByBody bodies;
  for (const auto& [body, years] : rows.bodies) {
    for (const auto& [year, sums] : years) bodies[body][year].Add(sums);
  }
  return bodies;
}

absl::Status Contradiction(const v1::ExecutionRow& row, std::string_view what) {
  return absl::DataLossError(absl::StrCat(View(what), " of ", row.managing_body(),
                                          row.envelope_id().empty() ? "" : ", ", row.envelope_id(),
                                          " in ", row.fiscal_year(), " contradict each other"));
}

// opened - consumed = carried over + lapsed + still there. Withdrawals on older lines that a
// recycling basis covered, early commitments and imported history add to what was opened;
// reimputations of older entries move what was consumed.
absl::Status CheckCredits(const v1::ExecutionRow& row, const Sums& sums) {
  const int128 ae_in = int128(row.ae_opened()) + row.ae_imported() + row.ae_early() +
                       row.ae_withdrawn_prior() - row.ae_unavailable();
  const int128 ae_out = int128(row.ae_consumed()) + row.ae_available() + row.ae_frozen() +
                        row.ae_carried_out() + row.ae_lapsed() +
                        sums(Ledger::kAe, Account::kReimputed);
  if (ae_in != ae_out) return Contradiction(row, "the AE");
  const int128 cp_in = int128(row.cp_opened()) + row.cp_imported();
  const int128 cp_out = int128(row.cp_paid()) + row.cp_held() + row.cp_available() +
                        row.cp_frozen() + row.cp_carryover_requested() +
                        row.cp_carryover_granted() + row.cp_lapsed() +
                        sums(Ledger::kCp, Account::kReimputed);
  if (cp_in != cp_out) return Contradiction(row, "the CP");
  return absl::OkStatus();
}

// outstanding(N) = outstanding(N-1) + corrections + engaged(N) - paid(N) - withdrawals(N), in the
// ledger of the restes à payer: an envelope may pay what another one owes.
absl::Status CheckOutstanding(const v1::ExecutionRow& row, const Sums& sums, int128 before) {
  const auto debt = [&](Account account) { return sums(Ledger::kOutstanding, account); };
  const int128 engaged = -debt(Account::kEngaged);
  const int128 withdrawn = debt(Account::kWithdrawn) + debt(Account::kWithdrawnPrior);
  const int128 after = before + row.opening_corrections() + engaged - debt(Account::kPaid) -
                       withdrawn - debt(Account::kReimputed);
  if (after != row.outstanding()) return Contradiction(row, "the restes à payer");
  return absl::OkStatus();
}

// What the books have as planned is what the plan's lines say.
absl::Status CheckPlan(const v1::ExecutionRow& row, const Sums& sums) {
  if (sums.stated_ae() == row.planned_ae() && sums.stated_cp() == row.planned_cp()) {
    return absl::OkStatus();
  }
  return Contradiction(row, "the planned figures");
}

// The figures of one year. `before`: outstanding at the end of the year before, as executed and as
// planned (the executed one where that year has no plan).
absl::StatusOr<v1::ExecutionRow> MakeRow(int year, std::string_view body,
                                         std::string_view envelope_id, const Sums& sums,
                                         int128 before, int128 planned_before) {
  const auto ae = [&](Account account) { return sums(Ledger::kAe, account); };
  const auto cp = [&](Account account) { return sums(Ledger::kCp, account); };
  const auto debt = [&](Account account) { return sums(Ledger::kOutstanding, account); };
  const auto opened = [](const auto& ledger) {
    return -ledger(Account::kSource) - ledger(Account::kCarriedIn) - ledger(Account::kTransferred) -
           ledger(Account::kCancelled);
  };
  Cents cents;
  v1::ExecutionRow row;
  row.set_fiscal_year(year);
  row.set_managing_body(std::string(body));
  row.set_envelope_id(std::string(envelope_id));

  row.set_ae_opened(cents(opened(ae)));
  row.set_ae_carried_in(cents(-ae(Account::kCarriedIn)));
  row.set_ae_imported(cents(-ae(Account::kImported)));
  row.set_ae_frozen(cents(ae(Account::kFrozen)));
  row.set_ae_engaged(cents(ae(Account::kEngaged)));
  row.set_ae_withdrawn_current(cents(-ae(Account::kWithdrawn)));
  row.set_ae_withdrawn_prior(cents(-ae(Account::kWithdrawnPrior)));
  row.set_ae_consumed(cents(ae(Account::kEngaged) + ae(Account::kWithdrawn)));
  row.set_ae_unavailable(cents(ae(Account::kUnavailable)));
  row.set_ae_available(cents(ae(Account::kAvailable)));
  row.set_ae_carried_out(cents(ae(Account::kCarryoverRequested) + ae(Account::kCarryoverGranted) +
                               ae(Account::kCarriedOut)));
  row.set_ae_lapsed(cents(ae(Account::kLapsed)));
  row.set_ae_early(cents(-ae(Account::kEarly)));

  row.set_cp_opened(cents(opened(cp)));
  row.set_cp_carried_in(cents(-cp(Account::kCarriedIn)));
  row.set_cp_imported(cents(-cp(Account::kImported)));
  row.set_cp_frozen(cents(cp(Account::kFrozen)));
  row.set_cp_held(cents(cp(Account::kHeld)));
  row.set_cp_paid(cents(cp(Account::kPaid)));
  row.set_cp_available(cents(cp(Account::kAvailable)));
  row.set_cp_carryover_requested(cents(cp(Account::kCarryoverRequested)));
  row.set_cp_carryover_granted(cents(cp(Account::kCarryoverGranted) + cp(Account::kCarriedOut)));
  row.set_cp_lapsed(cents(cp(Account::kLapsed)));

  const int128 outstanding = before + debt(Account::kOutstanding);
  row.set_opening_corrections(cents(-debt(Account::kCorrected)));
  row.set_outstanding_before_withdrawals(cents(outstanding + debt(Account::kWithdrawnPrior)));
  row.set_outstanding(cents(outstanding));

  const int128 planned_ae = sums(Ledger::kAe, Account::kEngaged, Basis::kPlanned);
  const int128 planned_cp = sums(Ledger::kCp, Account::kPaid, Basis::kPlanned);
  row.set_planned_ae(cents(planned_ae));
  row.set_planned_cp(cents(planned_cp));
  row.set_has_plan(sums.has_plan());
  if (sums.has_plan()) {
    const int128 planned = planned_before + planned_ae - planned_cp;
    row.set_planned_outstanding(cents(planned));
    row.set_planned_difference(cents(sums.stated_outstanding() - planned));
  }

  if (!cents.status().ok()) return cents.status();
  if (absl::Status ok = CheckCredits(row, sums); !ok.ok()) return ok;
  if (absl::Status ok = CheckOutstanding(row, sums, before); !ok.ok()) return ok;
  if (absl::Status ok = CheckPlan(row, sums); !ok.ok()) return ok;
  if (!sums.Balance()) return Contradiction(row, "the accounts");
  return row;
}

// A row for each year from the first to the last, those without a movement too: what is still to be
// paid stands in them.
absl::StatusOr<std::vector<v1::ExecutionRow>> MakeRows(const v1::Agreement& agreement,
                                                       std::string_view body,
                                                       std::string_view envelope_id,
                                                       const SumsByYear& years) {
  std::vector<v1::ExecutionRow> rows;
  if (years.empty()) return rows;
  const Sums nothing;
  int128 outstanding = 0, planned_outstanding = 0;
  for (int year = years.begin()->first; year <= years.rbegin()->first; ++year) {
    const auto found = years.find(year);
    absl::StatusOr<v1::ExecutionRow> row =
        MakeRow(year, body, envelope_id, found == years.end() ? nothing : found->second,
                outstanding, planned_outstanding);
    if (!row.ok()) return row.status();
    row->set_closed(IsClosed(agreement, year));
    outstanding = row->outstanding();
    planned_outstanding = row->has_plan() ? row->planned_outstanding() : row->outstanding();
    rows.push_back(*std::move(row));
  }
  return rows;
}

// Sums over the years of one body's rows; what is a balance at a date comes from the last one.
absl::StatusOr<v1::ExecutionRow> TotalOf(const std::vector<v1::ExecutionRow>& rows) {
  v1::ExecutionRow total = rows.back();
  total.clear_fiscal_year();
  total.clear_closed();
  Cents cents;
  const auto sum = [&](auto get, auto set) {
    int128 over_the_years = 0;
    for (const v1::ExecutionRow& row : rows) over_the_years += (row.*get)();
    (total.*set)(cents(over_the_years));
  };
  using Row = v1::ExecutionRow;
  sum(&Row::ae_opened, &Row::set_ae_opened);
  sum(&Row::ae_carried_in, &Row::set_ae_carried_in);
  sum(&Row::ae_imported, &Row::set_ae_imported);
  sum(&Row::ae_engaged, &Row::set_ae_engaged);
  sum(&Row::ae_withdrawn_current, &Row::set_ae_withdrawn_current);
  sum(&Row::ae_withdrawn_prior, &Row::set_ae_withdrawn_prior);
  sum(&Row::ae_consumed, &Row::set_ae_consumed);
  sum(&Row::ae_unavailable, &Row::set_ae_unavailable);
  sum(&Row::ae_carried_out, &Row::set_ae_carried_out);
  sum(&Row::ae_lapsed, &Row::set_ae_lapsed);
  sum(&Row::cp_opened, &Row::set_cp_opened);
  sum(&Row::cp_carried_in, &Row::set_cp_carried_in);
  sum(&Row::cp_imported, &Row::set_cp_imported);
  sum(&Row::cp_paid, &Row::set_cp_paid);
  sum(&Row::cp_carryover_requested, &Row::set_cp_carryover_requested);
  sum(&Row::cp_carryover_granted, &Row::set_cp_carryover_granted);
  sum(&Row::cp_lapsed, &Row::set_cp_lapsed);
  sum(&Row::opening_corrections, &Row::set_opening_corrections);
  sum(&Row::planned_ae, &Row::set_planned_ae);
  sum(&Row::planned_cp, &Row::set_planned_cp);
  total.set_has_plan(std::ranges::any_of(rows, &Row::has_plan));
  if (!cents.status().ok()) return cents.status();
  return total;
}

// By year, then body, from rows that are by body.
template <class Row>
void SortByYear(google::protobuf::RepeatedPtrField<Row>& rows) {
  std::ranges::stable_sort(rows, {}, [](const Row& row) { return row.fiscal_year(); });
}

template <class Message>
absl::StatusOr<Message> Parse(const QueryRows::Row& row) {
  Message message;
  if (message.ParseFromString(row.value)) return message;
  return absl::DataLossError(absl::StrCat("the row ", row.key, " does not decode"));
}

// Calls `take` for every row whose key begins with `prefix`, until it fails.
absl::Status ForEachRow(const QueryRows& snapshot, const std::string& prefix,
                        absl::FunctionRef<absl::Status(const QueryRows::Row&)> take) {
  std::string last;
  while (true) {
    absl::StatusOr<std::vector<QueryRows::Row>> rows = snapshot.Scan(prefix, last, kRowsPerScan);
    if (!rows.ok()) return rows.status();
    for (const auto& row : *rows) {
      if (absl::Status taken = take(row); !taken.ok()) return taken;
    }
    if (rows->size() < kRowsPerScan) return absl::OkStatus();
    last = rows->back().key;
  }
}

absl::Status ReadBalances(const QueryRows& snapshot, const std::string& prefix,
                          EnvelopeRows& envelope) {
  return ForEachRow(snapshot, prefix, [&](const QueryRows::Row& row) -> absl::Status {
    const int year = YearOfKey(row.key);
    if (!IsFiscalYear(year) || !envelope.years[year].Parse(row.value)) {
      return absl::DataLossError(absl::StrCat("the row ", row.key, " does not decode"));
    }
    return absl::OkStatus();
  });
}

absl::Status ReadAgreementRow(const QueryRows& snapshot, std::string_view agreement_id,
                              v1::Agreement& agreement) {
  absl::StatusOr<std::optional<std::string>> bytes = snapshot.Get(AgreementKey(agreement_id));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return absl::NotFoundError("no such agreement");
  if (agreement.ParseFromString(**bytes)) return absl::OkStatus();
  return absl::DataLossError("the agreement's row does not decode");
}

// Over the agreement, the three ledgers tell one story: what was engaged or withdrawn in AE, and
// what was paid in CP, moved the restes à payer by as much.
absl::Status CheckLedgers(std::string_view agreement_id, const SumsByBody& bodies) {
  std::set<int> years;
  for (const auto& [body, of_body] : bodies) {
    for (const auto& [year, sums] : of_body) years.insert(year);
  }
  for (const int year : years) {
    const auto sum = [&](Ledger ledger, Account account) {
      int128 over_the_bodies = 0;
      for (const auto& [body, of_body] : bodies) {
        const auto found = of_body.find(year);
        if (found != of_body.end()) over_the_bodies += found->second(ledger, account);
      }
      return over_the_bodies;
    };
    const auto debt = [&](Account account) { return sum(Ledger::kOutstanding, account); };
    const bool agree =
        sum(Ledger::kAe, Account::kEngaged) == -debt(Account::kEngaged) &&
        sum(Ledger::kAe, Account::kWithdrawn) == -debt(Account::kWithdrawn) &&
        sum(Ledger::kAe, Account::kWithdrawnPrior) == -debt(Account::kWithdrawnPrior) &&
        sum(Ledger::kCp, Account::kPaid) == debt(Account::kPaid);
    if (!agree) {
      return absl::DataLossError(absl::StrCat("AE, CP and restes à payer of ", View(agreement_id),
                                              " in ", year, " contradict each other"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgreementRows> ReadAgreement(const QueryRows& snapshot,
                                            std::string_view agreement_id) {
  const absl::StatusOr<YearRows> years = ReadYears(snapshot, agreement_id);
  if (!years.ok()) return years.status();
  AgreementRows rows{.agreement = years->agreement, .envelopes = {}};
  absl::Status status = ForEachRow(
      snapshot, EnvelopePrefix(agreement_id), [&](const QueryRows::Row& row) -> absl::Status {
        absl::StatusOr<v1::Envelope> envelope = Parse<v1::Envelope>(row);
        if (!envelope.ok()) return envelope.status();
        EnvelopeRows& added = rows.envelopes.emplace_back();
        added.envelope = *std::move(envelope);
        return ReadBalances(snapshot, BalancesPrefix(agreement_id, added.envelope.envelope_id()),
                            added);
      });
  if (!status.ok()) return status;
  if (SumUp(rows) != SumUp(*years)) {
    return absl::DataLossError(absl::StrCat("the balances of the envelopes of ", View(agreement_id),
                                            " and the sums of their bodies",
                                            " contradict each other"));
  }
  return rows;
}

absl::StatusOr<YearRows> ReadYears(const QueryRows& snapshot, std::string_view agreement_id) {
  YearRows rows;
  absl::Status status = ReadAgreementRow(snapshot, agreement_id, rows.agreement);
  if (status.ok()) {
    status = ForEachRow(snapshot, BodyYearPrefix(agreement_id), [&](const QueryRows::Row& row) {
      const int year = YearOfKey(row.key);
      const bool parsed =
          IsFiscalYear(year) && rows.bodies[std::string(BodyOfKey(row.key))][year].Parse(row.value);
      return parsed ? absl::OkStatus()
                    : absl::DataLossError(absl::StrCat("the row ", row.key, " does not decode"));
    });
  }
  if (status.ok()) status = CheckLedgers(agreement_id, SumUp(rows));
  if (!status.ok()) return status;
  return rows;
}

absl::StatusOr<EnvelopeRows> ReadEnvelope(const QueryRows& snapshot, std::string_view agreement_id,
                                          std::string_view envelope_id) {
  EnvelopeRows rows;
  absl::StatusOr<std::optional<std::string>> bytes =
      snapshot.Get(EnvelopeKey(agreement_id, envelope_id));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return absl::NotFoundError("no such envelope");
  if (!rows.envelope.ParseFromString(**bytes)) {
    return absl::DataLossError("the envelope's row does not decode");
  }
  absl::Status status = ReadBalances(snapshot, BalancesPrefix(agreement_id, envelope_id), rows);
  if (!status.ok()) return status;
  return rows;
}

absl::StatusOr<std::vector<v1::ExecutionRow>> EnvelopeExecution(const v1::Agreement& agreement,
                                                                const EnvelopeRows& envelope) {
  SumsByYear years;
  AddEnvelope(envelope, years);
  return MakeRows(agreement, envelope.envelope.managing_body_id(), envelope.envelope.envelope_id(),
                  years);
}

namespace {

absl::StatusOr<v1::GetYearlyExecutionResponse> MakeYearlyExecution(
    const v1::Agreement& agreement, const SumsByBody& bodies, std::string_view managing_body_id) {
  v1::GetYearlyExecutionResponse report;
  for (const auto& [body, years] : bodies) {
    if (!managing_body_id.empty() && body != managing_body_id) continue;
    absl::StatusOr<std::vector<v1::ExecutionRow>> made = MakeRows(agreement, body, {}, years);
    if (!made.ok()) return made.status();
    absl::StatusOr<v1::ExecutionRow> total = TotalOf(*made);
    if (!total.ok()) return total.status();
    for (v1::ExecutionRow& row : *made) *report.add_rows() = std::move(row);
    *report.add_totals() = *std::move(total);
  }
  SortByYear(*report.mutable_rows());
  return report;
}

}  // namespace

absl::StatusOr<v1::GetYearlyExecutionResponse> YearlyExecution(const YearRows& rows,
                                                               std::string_view managing_body_id) {
  return MakeYearlyExecution(rows.agreement, SumUp(rows), managing_body_id);
}

absl::StatusOr<v1::GetYearlyExecutionResponse> YearlyExecution(const AgreementRows& rows,
                                                               std::string_view managing_body_id) {
  return MakeYearlyExecution(rows.agreement, SumUp(rows), managing_body_id);
}

absl::StatusOr<v1::GetOutstandingResponse> Outstanding(const AgreementRows& rows) {
  using Movements = std::map<Account, int128>;
  std::map<std::string, int> last_years;                                  // by body
  std::map<std::pair<std::string, int>, std::map<int, Movements>> debts;  // by body and origin
  for (const EnvelopeRows& envelope : rows.envelopes) {
    const std::string& body = envelope.envelope.managing_body_id();
    for (const auto& [year, balances] : envelope.years) {
      last_years[body] = std::max(last_years[body], year);
      for (const auto& [detail, cents] : balances.details()) {
        if (detail.ledger != Ledger::kOutstanding || detail.basis != Basis::kActual) continue;
        debts[{body, detail.origin_year}][year][detail.account] += cents;
      }
    }
  }

  v1::GetOutstandingResponse report;
  Cents cents;
  for (auto& [debt, years] : debts) {
    const auto& [body, origin_year] = debt;
    int128 opening = 0;
    for (int year = years.begin()->first; year <= last_years[body]; ++year) {
      const auto found = years.find(year);
      if (found == years.end() && opening == 0) continue;
      Movements moved = found == years.end() ? Movements() : found->second;
      v1::OutstandingRow& row = *report.add_rows();
      row.set_managing_body(body);
      row.set_origin_year(origin_year);
      row.set_fiscal_year(year);
      row.set_opening(cents(opening));
      row.set_corrections(cents(-moved[Account::kCorrected]));
      row.set_engaged(cents(-moved[Account::kEngaged]));
      row.set_paid(cents(moved[Account::kPaid]));
      row.set_withdrawn(cents(moved[Account::kWithdrawn] + moved[Account::kWithdrawnPrior]));
      row.set_reimputed(cents(-moved[Account::kReimputed]));
      opening += moved[Account::kOutstanding];
      row.set_outstanding(cents(opening));
      const int128 after = int128(row.opening()) + row.corrections() + row.engaged() - row.paid() -
                           row.withdrawn() + row.reimputed();
      if (after != opening && cents.status().ok()) {
        return absl::DataLossError(absl::StrCat("the restes à payer of ", body, " of origin ",
                                                origin_year, " in ", year,
                                                " contradict each other"));
      }
    }
  }
  if (!cents.status().ok()) return cents.status();
  return report;
}

absl::StatusOr<v1::GetProductBudgetsResponse> ProductBudgets(const AgreementRows& rows,
                                                             int fiscal_year) {
  struct Use {
    int128 engaged = 0;
    int128 paid = 0;
  };
  std::map<int, std::map<std::string, Use>> used;  // by year and product
  for (const EnvelopeRows& envelope : rows.envelopes) {
    for (const auto& [year, balances] : envelope.years) {
      for (const auto& [detail, cents] : balances.details()) {
        if (detail.basis != Basis::kActual) continue;
        if (detail.ledger == Ledger::kAe && detail.account == Account::kEngaged) {
          used[year][detail.product_id].engaged += cents;
        }
        if (detail.ledger == Ledger::kCp && detail.account == Account::kPaid) {
          used[year][detail.product_id].paid += cents;
        }
      }
    }
  }

  // The order of the agreement, and what it says of each product in each year.
  std::vector<std::string> order;
  std::map<std::string, const Product*> latest;
  std::map<int, std::map<std::string, const Product*>> budgeted;
  std::set<int> years;
  for (const Product& product : rows.agreement.products()) {
    if (latest.emplace(product.product_id(), &product).second) {
      order.push_back(product.product_id());
    }
    budgeted[product.fiscal_year()][product.product_id()] = &product;
    years.insert(product.fiscal_year());
  }
  for (auto& [year, products] : used) {
    years.insert(year);
    // What serves no product, or one that the agreement does not know, stands at the end.
    for (const auto& [product_id, use] : products) {
      if (latest.emplace(product_id, nullptr).second) order.push_back(product_id);
    }
  }

  v1::GetProductBudgetsResponse report;
  Cents cents;
  for (const int year : years) {
    if (fiscal_year != 0 && year != fiscal_year) continue;
    std::vector<v1::ProductRow*> sharing;
    std::vector<std::int64_t> weights;
    int128 budgets = 0, common_costs = 0;
    for (const std::string& product_id : order) {
      const auto in_plan = budgeted[year].find(product_id);
      const Use& use = used[year][product_id];
      const bool has_budget = in_plan != budgeted[year].end();
      if (!has_budget && use.engaged == 0 && use.paid == 0) continue;
      const Product* product = has_budget ? in_plan->second : latest[product_id];
      v1::ProductRow& row = *report.add_rows();
      row.set_product_id(product_id);
      row.set_fiscal_year(year);
      row.set_engaged(cents(use.engaged));
      row.set_paid(cents(use.paid));
      if (product != nullptr) {
        row.set_label(product->label());
        row.set_common_costs(product->common_costs());
      }
      if (!has_budget) continue;
      row.set_budget(product->budget_cents());
      budgets += product->budget_cents();
      if (product->common_costs()) {
        common_costs += product->budget_cents();
      } else {
        sharing.push_back(&row);
        weights.push_back(product->budget_cents());
      }
    }
    const std::vector<std::int64_t> shares = SplitByLargestRemainder(cents(common_costs), weights);
    for (std::size_t i = 0; i < sharing.size(); ++i) sharing[i]->set_common_share(shares[i]);

    if (budgeted[year].empty()) continue;
    v1::ProductReconciliation& line = *report.add_reconciliations();
    const auto ceiling = std::ranges::find(
        rows.agreement.ceilings(), year, [](const auto& ceiling) { return ceiling.fiscal_year(); });
    line.set_fiscal_year(year);
    line.set_budgets(cents(budgets));
    line.set_financing(ceiling == rows.agreement.ceilings().end() ? 0 : ceiling->ae_cents());
    line.set_difference(cents(budgets - line.financing()));
  }
  if (!cents.status().ok()) return cents.status();
  return report;
}

absl::StatusOr<v1::GetPaymentFollowUpResponse> PaymentFollowUp(const AgreementRows& rows) {
  struct Prior {
    int128 paid = 0;
    int128 corrections = 0;
  };
  std::map<std::pair<std::string, int>, Prior> priors;  // by body and year
  for (const EnvelopeRows& envelope : rows.envelopes) {
    for (const auto& [year, balances] : envelope.years) {
      Prior& prior = priors[{envelope.envelope.managing_body_id(), year}];
      for (const auto& [detail, cents] : balances.details()) {
        if (detail.basis != Basis::kActual || detail.origin_year >= year) continue;
        if (detail.ledger == Ledger::kCp && detail.account == Account::kPaid) prior.paid += cents;
        if (detail.ledger == Ledger::kOutstanding &&
            (detail.account == Account::kCorrected || detail.account == Account::kWithdrawnPrior ||
             detail.account == Account::kReimputed)) {
          prior.corrections -= cents;
        }
      }
    }
  }

  absl::StatusOr<v1::GetYearlyExecutionResponse> execution = YearlyExecution(rows);
  if (!execution.ok()) return execution.status();
  std::map<std::string, std::int64_t> before;  // outstanding at the end of the last row, by body
  v1::GetPaymentFollowUpResponse report;
  Cents cents;
  for (const v1::ExecutionRow& year : execution->rows()) {
    const Prior& prior = priors[{year.managing_body(), year.fiscal_year()}];
    std::int64_t& uncovered = before[year.managing_body()];
    v1::PaymentFollowUpRow& row = *report.add_rows();
    row.set_fiscal_year(year.fiscal_year());
    row.set_managing_body(year.managing_body());
    row.set_ae_opened(year.ae_opened());
    row.set_ae_engaged(year.ae_engaged());
    row.set_cp_opened(year.cp_opened());
    row.set_cp_paid(year.cp_paid());
    row.set_cp_paid_on_prior(cents(prior.paid));
    row.set_cp_paid_on_current(cents(year.cp_paid() - prior.paid));
    row.set_uncovered_before(uncovered);
    row.set_corrections(cents(prior.corrections));
    row.set_uncovered_after(year.outstanding());
    uncovered = year.outstanding();
  }
  if (!cents.status().ok()) return cents.status();
  return report;
}

absl::StatusOr<v1::GetTrialBalanceResponse> TrialBalance(const AgreementRows& rows) {
  v1::GetTrialBalanceResponse report;
  int128 sum = 0;
  for (const EnvelopeRows& envelope : rows.envelopes) {
    for (const auto& [year, balances] : envelope.years) {
      std::map<std::tuple<Ledger, Basis, Account>, int128> accounts;
      for (const auto& [detail, cents] : balances.details()) {
        accounts[{detail.ledger, detail.basis, detail.account}] += cents;
      }
      Cents cents;
      for (const auto& [account, balance] : accounts) {
        if (balance == 0) continue;
        v1::TrialBalanceRow& row = *report.add_rows();
        row.set_envelope_id(envelope.envelope.envelope_id());
        row.set_fiscal_year(year);
        row.set_ledger(std::string(Name(std::get<Ledger>(account))));
        row.set_planned(std::get<Basis>(account) == Basis::kPlanned);
        row.set_account(std::string(Name(std::get<Account>(account))));
        row.set_balance(cents(balance));
        sum += balance;
      }
      if (!cents.status().ok()) return cents.status();
    }
  }
  Cents cents;
  report.set_sum(cents(sum));
  if (!cents.status().ok()) return cents.status();
  return report;
}

std::vector<std::int64_t> SplitByLargestRemainder(std::int64_t cents,
                                                  const std::vector<std::int64_t>& weights) {
  std::vector<std::int64_t> parts(weights.size(), 0);
  const int128 whole = std::accumulate(weights.begin(), weights.end(), int128(0));
  if (whole == 0) return parts;
  std::vector<int128> remainders;
  std::int64_t left = cents;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    assert(weights[i] >= 0);
    const int128 share = int128(cents) * weights[i];
    parts[i] = static_cast<std::int64_t>(share / whole);
    remainders.push_back(share % whole);
    left -= parts[i];
  }
  std::vector<std::size_t> by_remainder(weights.size());
  std::iota(by_remainder.begin(), by_remainder.end(), std::size_t{0});
  std::ranges::stable_sort(
      by_remainder, [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  // Fewer cents are left than there are parts.
  for (std::size_t i = 0; left > 0; ++i, --left) ++parts[by_remainder[i]];
  return parts;
}

}  // namespace denier::projections
