#include "tests/simulation/invariants.h"

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "tests/services/commands.h"

namespace denier::simulation {
namespace {

using projections::Account;
using projections::Balances;
using projections::Basis;
using projections::Books;
using projections::Ledger;
using services::kAgreement;

constexpr Account kAllAccounts[] = {Account::kSource,
                                    Account::kImported,
                                    Account::kCarriedIn,
                                    Account::kTransferred,
                                    Account::kEarly,
                                    Account::kAvailable,
                                    Account::kFrozen,
                                    Account::kCarryoverRequested,
                                    Account::kCarryoverGranted,
                                    Account::kCarriedOut,
                                    Account::kEngaged,
                                    Account::kHeld,
                                    Account::kPaid,
                                    Account::kWithdrawn,
                                    Account::kWithdrawnPrior,
                                    Account::kUnavailable,
                                    Account::kReimputed,
                                    Account::kCancelled,
                                    Account::kLapsed,
                                    Account::kOutstanding,
                                    Account::kCorrected};
static_assert(std::size(kAllAccounts) == projections::kAccounts);

class Comparison {
 public:
  Comparison(const Books& books, const Oracle& oracle) : books_(books), oracle_(oracle) {}

  std::string Run() {
    for (const auto& [envelope, ignored] : oracle_.envelopes) {
      for (const auto& [year, status] : oracle_.years) {
        for (Kind kind : {Kind::kAe, Kind::kCp}) {
          const auto pot = oracle_.pots.find({envelope, year, kind});
          ComparePot(envelope, year, kind, pot == oracle_.pots.end() ? Pot() : pot->second);
        }
        AddUp(envelope, year);
      }
    }
    for (const auto& [key, line] : oracle_.lines) CompareLine(key, line);
    for (const auto& [id, payment] : oracle_.payments) ComparePayment(id, payment);
    CompareTotals();
    return fault_;
  }

 private:
  void Same(const std::string& what, std::int64_t of_books, std::int64_t of_oracle) {
    if (of_books == of_oracle || !fault_.empty()) return;
    fault_ = absl::StrCat(what, ": the books say ", of_books, ", the oracle ", of_oracle);
  }
  void Holds(const std::string& what, bool holds) {
    if (!holds && fault_.empty()) fault_ = what;
  }

  void ComparePot(const std::string& envelope, int year, Kind kind, const Pot& pot) {
    const Balances& balances = books_.BalancesOf(kAgreement, envelope, year);
    const Ledger ledger = kind == Kind::kAe ? Ledger::kAe : Ledger::kCp;
    const std::string here =
        absl::StrCat(kind == Kind::kAe ? "AE" : "CP", " of ", envelope, " in ", year, ", ");
    const auto total = [&](Account account) { return balances.total(ledger, account); };
    Same(here + "available", total(Account::kAvailable), pot.available());
    Same(here + "frozen", total(Account::kFrozen), pot.frozen);
    Same(here + "held", total(Account::kHeld), pot.held);
    Same(here + "lapsed", total(Account::kLapsed), pot.lapsed);
    Same(here + "early", -total(Account::kEarly), pot.early);
    Same(here + "allocated", -total(Account::kSource), pot.allocated);
    Same(here + "opened",
         -total(Account::kSource) - total(Account::kCarriedIn) - total(Account::kTransferred) -
             total(Account::kCancelled),
         pot.opened);
    Same(here + "carry-over requested", total(Account::kCarryoverRequested),
         pot.carryover_requested);
    Same(here + "carry-over granted", total(Account::kCarryoverGranted), pot.carryover_granted);
    Same(here + "carried out", total(Account::kCarriedOut), pot.carried_out);
    const Account planned = kind == Kind::kAe ? Account::kEngaged : Account::kPaid;
    Same(here + "planned", balances.total(ledger, planned, Basis::kPlanned), pot.planned);

    // Identity 8: opened - consumed = carried over + lapsed, once the year is closed.
    const auto status = oracle_.years.find(year);
    if (status != oracle_.years.end() && status->second.closed) {
      Same(here + "left in a closed year",
           total(Account::kAvailable) + total(Account::kFrozen) + total(Account::kHeld), 0);
    }
    for (Account account :
         {Account::kAvailable, Account::kFrozen, Account::kHeld, Account::kLapsed,
          Account::kCarryoverRequested, Account::kCarryoverGranted, Account::kCarriedOut}) {
      Holds(here + std::string(Name(account)) + " is below nothing", total(account) >= 0);
    }
    // The trial balance, and the sum of the details.
    for (Ledger each : {Ledger::kAe, Ledger::kCp, Ledger::kOutstanding}) {
      for (Basis basis : {Basis::kActual, Basis::kPlanned}) {
        absl::int128 sum = 0;
        for (Account account : kAllAccounts) sum += balances.total(each, account, basis);
        Holds(here + "the trial balance is not zero", sum == 0);
      }
    }
    absl::int128 details = 0;
    for (const auto& [detail, cents] : balances.details()) details += cents;
    Holds(here + "the details do not balance", details == 0);
  }

  void CompareLine(const std::pair<std::string, std::string>& key, const Line& line) {
    const std::string here = absl::StrCat("line ", key.first, "/", key.second, ", ");
    const v1::Commitment* commitment = books_.FindCommitment(kAgreement, key.first);
    const v1::CommitmentLineState* row =
        commitment == nullptr ? nullptr : projections::FindLine(*commitment, key.second);
    Holds(here + "is not there", row != nullptr);
    if (row == nullptr) return;
    Same(here + "engaged", row->engaged_cents(), line.engaged);
    Same(here + "withdrawn", row->withdrawn_cents(), line.withdrawn);
    Same(here + "corrected", row->corrected_cents(), line.corrected);
    Same(here + "certified", row->certified_cents(), line.certified);
    Same(here + "requested", row->requested_cents(), line.requested);
    Same(here + "paid", row->paid_cents(), line.paid);
    Same(here + "billed", row->billed_cents(), line.billed);
    Same(here + "advance", row->advance_open_cents(), line.advance_open);
    Same(here + "retained", row->retained_open_cents(), line.retained_open);
    Same(here + "outstanding", row->outstanding_cents(), line.outstanding());
    Same(here + "origin", row->origin_year(), line.origin_year);
    Holds(here + "is elsewhere",
          row->envelope_id() == line.envelope && row->product_id() == line.product);
    Holds(here + "paid is more than is owed", row->paid_cents() <= line.owed());
    Holds(here + "outstanding is below nothing", row->outstanding_cents() >= 0);
  }

  void ComparePayment(const std::string& id, const Payment& payment) {
    const std::string here = absl::StrCat("payment ", id, ", ");
    const v1::PaymentRequest* row = books_.FindPayment(kAgreement, id);
    Holds(here + "is not there", row != nullptr);
    if (row == nullptr) return;
    Same(here + "state", row->state(), payment.state);
    Same(here + "net", row->net_cents(), payment.net);
    Same(here + "reinstated", row->reinstated_cents(), payment.reinstated);
    Same(here + "paid year", payment.paid_year == 0 ? 0 : row->paid_year(), payment.paid_year);
    Holds(here + "is elsewhere", row->paying_envelope_id() == payment.envelope);
  }

  void AddUp(const std::string& envelope, int year) {
    const Balances& balances = books_.BalancesOf(kAgreement, envelope, year);
    outstanding_[envelope] += balances.total(Ledger::kOutstanding, Account::kOutstanding);
    engaged_ += balances.total(Ledger::kAe, Account::kEngaged);
    engaged_ += balances.total(Ledger::kAe, Account::kImported);
    paid_ += balances.total(Ledger::kCp, Account::kPaid);
    paid_ += balances.total(Ledger::kCp, Account::kImported);
  }

  void CompareTotals() {
    std::map<std::string, std::int64_t> of_lines;
    for (const auto& [key, line] : oracle_.lines) of_lines[line.envelope] += line.outstanding();
    for (const auto& [envelope, ignored] : oracle_.envelopes) {
      Same("outstanding of " + envelope, outstanding_[envelope], of_lines[envelope]);
      Holds("outstanding of " + envelope + " is below nothing", outstanding_[envelope] >= 0);
    }
    // Identity 5, over the agreement.
    Holds("more CP were paid than the opening and all AE allow",
          paid_ <= engaged_ - oracle_.opening_withdrawn + oracle_.opening_outstanding);
  }

  const Books& books_;
  const Oracle& oracle_;
  std::string fault_;
  std::map<std::string, std::int64_t> outstanding_;
  absl::int128 engaged_ = 0;
  absl::int128 paid_ = 0;
};

}  // namespace

std::string FirstFault(const Books& books, const Oracle& oracle) {
  return Comparison(books, oracle).Run();
}

}  // namespace denier::simulation
