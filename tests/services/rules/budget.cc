#include "tests/services/rules/budget.h"

#include <map>
#include <ostream>
#include <sstream>
#include <tuple>
#include <variant>

#include "projections/calendar.h"
#include "services/rules/redecide.h"
#include "store/sha256.h"

namespace denier::rules {

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << v1::ErrorReason_Name(refusal.reason) << " (" << refusal.message << ")";
  if (!refusal.field.empty()) *out << " field=" << refusal.field;
  for (const auto& [name, value] : refusal.facts) *out << " " << name << "=" << value;
}

}  // namespace denier::rules

namespace denier::budget {
namespace {

using projections::Balances;
using projections::Basis;
using rules::Refusal;

// ------------------------------------------------------------------------------ What

// A request of `act`, with the header that tests have unless they say otherwise.
template <class Request>
Request& Begin(Request* request) {
  request->mutable_header()->set_agreement_id(kAgreement);
  request->mutable_header()->set_effective_date(kDay);
  return *request;
}

// Allocate, Deallocate, Freeze, Release, Cancel.
template <class Request>
Request& BeginCredits(Request* request, std::string envelope_id, std::int64_t ae_cents,
                      std::int64_t cp_cents) {
  Begin(request).set_envelope_id(std::move(envelope_id));
  request->set_ae_cents(ae_cents);
  request->set_cp_cents(cp_cents);
  return *request;
}

// Suspend, Resume, Reject, ...
template <class Request>
Request& BeginPayment(Request* request, std::string payment_request_id) {
  Begin(request).set_payment_request_id(std::move(payment_request_id));
  return *request;
}

void AddProduct(v1::CreateAgreementRequest& request, std::string product_id,
                std::int64_t budget_cents, bool common_costs = false) {
  auto& product = *request.add_products();
  product.set_product_id(product_id);
  product.set_label(std::move(product_id));
  product.set_fiscal_year(2022);
  product.set_budget_cents(budget_cents);
  product.set_common_costs(common_costs);
}

}  // namespace

Principal Who(std::string principal_id, std::string body_id, events::v1::Role role) {
  Principal who;
  who.set_principal_id(std::move(principal_id));
  who.set_body_id(std::move(body_id));
  who.add_roles(role);
  return who;
}
Principal Manager() { return Who("pm-1", "DJEPVA", events::v1::ROLE_PROGRAMME_MANAGER); }
Principal Officer(std::string body) {
  return Who(body == "DINUM" ? "ao-dinum" : "ao-djepva", body,
             events::v1::ROLE_AUTHORISING_OFFICER);
}
Principal Accountant() { return Who("acc-1", "DCM", events::v1::ROLE_ACCOUNTANT); }

v1::CommandHeader& Act::header() {
  // The rules hand out the header of any command; a test's own may be changed.
  return const_cast<v1::CommandHeader&>(*rules::HeaderOf(command));
}
Act Act::On(int day) const {
  Act act = *this;
  act.header().set_effective_date(day);
  return act;
}
Act Act::In(int fiscal_year) const {
  Act act = *this;
  act.header().set_fiscal_year(fiscal_year);
  return act;
}
Act Act::By(Principal other) const {
  Act act = *this;
  act.by = std::move(other);
  return act;
}
Act Act::Late(std::string approved_by) const {
  Act act = *this;
  act.header().mutable_late_entry()->set_reason_reference("late-1");
  act.header().mutable_late_entry()->set_approved_by(std::move(approved_by));
  return act;
}

Act CreateAgreement() {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_create_agreement());
  request.mutable_header()->set_effective_date(20210120);
  request.mutable_delegating_body()->set_body_id("DJEPVA");
  request.mutable_managing_body()->set_body_id("DINUM");
  request.set_programme("163");
  request.set_operating_unit("163-CDJE-STET");
  request.set_signed_date(20210120);
  request.mutable_term()->set_act_id(kAgreement);
  request.mutable_term()->set_valid_from(20210120);
  request.mutable_term()->set_valid_until(20221231);
  for (int year = 2021; year <= 2024; ++year) {
    auto& ceiling = *request.add_ceilings();
    ceiling.set_fiscal_year(year);
    ceiling.set_ae_cents(3'099'419'20);
    ceiling.set_cp_cents(3'099'419'20);
  }
  AddProduct(request, "snu", 1'370'900'00);
  AddProduct(request, "jeveuxaider", 1'324'750'00);
  AddProduct(request, "api-engagement", 248'370'00);
  AddProduct(request, "common", 155'400'00, true);
  return act;
}

Act Amend(std::string amendment_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_amend_agreement());
  request.set_amendment_id(std::move(amendment_id));
  request.set_signed_date(kDay);
  return act;
}
Act Renew(int valid_from, int valid_until, std::string amendment_id) {
  return Amend(amendment_id).With([&](v1::Command& command) {
    auto& term = *command.mutable_amend_agreement()->mutable_term();
    term.set_act_id(amendment_id);
    term.set_valid_from(valid_from);
    term.set_valid_until(valid_until);
  });
}
Act SetCeiling(int fiscal_year, std::int64_t ae_cents, std::int64_t cp_cents,
               std::string amendment_id) {
  return Amend(std::move(amendment_id)).With([&](v1::Command& command) {
    auto& ceiling = *command.mutable_amend_agreement()->add_ceilings();
    ceiling.set_fiscal_year(fiscal_year);
    ceiling.set_ae_cents(ae_cents);
    ceiling.set_cp_cents(cp_cents);
  });
}
Act RecordPublication(std::string act_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_record_publication());
  request.set_act_id(std::move(act_id));
  request.set_published_date(20210201);
  return act;
}
Act TakeOver() {
  Act act{{}, Manager()};
  Begin(act.command.mutable_take_over()).set_act_reference("decision-1");
  return act;
}
Act CreateEnvelope(std::string envelope_id, std::string managing_body,
                   std::vector<int> payable_origin_years) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_create_envelope());
  request.mutable_header()->set_effective_date(20220101);
  request.set_envelope_id(std::move(envelope_id));
  request.set_managing_body_id(std::move(managing_body));
  request.add_accountant_ids("acc-1");
  for (int year : payable_origin_years) request.add_payable_origin_years(year);
  return act;
}
Act UpdateEnvelope(std::string envelope_id, std::vector<std::string> accountants,
                   std::vector<int> payable_origin_years) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_update_envelope());
  request.set_envelope_id(std::move(envelope_id));
  for (std::string& accountant : accountants) request.add_accountant_ids(std::move(accountant));
  for (int year : payable_origin_years) request.add_payable_origin_years(year);
  return act;
}
Act RecordProgrammeCredits(std::int64_t initial_cp_cents) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_record_programme_credits());
  request.set_initial_cp_cents(initial_cp_cents);
  request.set_act_reference("LFI");
  return act;
}
Act RecordRecyclingBasis(std::int64_t cents) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_record_recycling_basis());
  request.set_amount_cents(cents);
  request.set_act_reference("basis-1");
  return act;
}
Act ImportPlan(std::int64_t ae_cents, std::int64_t cp_cents, std::string envelope_id) {
  Act act{{}, Manager()};
  auto& line = *Begin(act.command.mutable_import_plan()).add_lines();
  line.set_envelope_id(std::move(envelope_id));
  line.set_fiscal_year(2022);
  line.set_ae_cents(ae_cents);
  line.set_cp_cents(cp_cents);
  return act;
}

Act Allocate(std::int64_t ae_and_cp_cents) {
  return Allocate("coaching", ae_and_cp_cents, ae_and_cp_cents);
}
Act Allocate(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  auto& request =
      BeginCredits(act.command.mutable_allocate(), std::move(envelope_id), ae_cents, cp_cents);
  request.set_source(events::v1::CREDIT_SOURCE_INITIAL);
  request.set_act_reference("LFI");
  return act;
}
Act Deallocate(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  BeginCredits(act.command.mutable_deallocate(), std::move(envelope_id), ae_cents, cp_cents)
      .set_act_reference("act-1");
  return act;
}
Act Freeze(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  BeginCredits(act.command.mutable_freeze(), std::move(envelope_id), ae_cents, cp_cents)
      .set_act_reference("act-1");
  return act;
}
Act Release(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  BeginCredits(act.command.mutable_release(), std::move(envelope_id), ae_cents, cp_cents)
      .set_act_reference("act-1");
  return act;
}
Act Cancel(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  BeginCredits(act.command.mutable_cancel(), std::move(envelope_id), ae_cents, cp_cents)
      .set_decree_reference("decree-1");
  return act;
}
Act Transfer(std::string from, std::string to, std::int64_t ae_cents, std::int64_t cp_cents) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_transfer());
  request.set_from_envelope_id(std::move(from));
  request.set_to_envelope_id(std::move(to));
  request.set_ae_cents(ae_cents);
  request.set_cp_cents(cp_cents);
  request.set_act_reference("act-1");
  return act;
}

Act ImportOpening(int origin_year, std::int64_t engaged_cents, std::int64_t paid_cents,
                  std::string commitment_id, std::string envelope_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_import_opening());
  request.set_envelope_id(std::move(envelope_id));
  request.set_commitment_id(commitment_id);
  auto& line = *request.add_lines();
  line.set_line_id("1");
  line.set_origin_year(origin_year);
  line.set_engaged_cents(engaged_cents);
  line.set_certified_cents(paid_cents);
  if (paid_cents != 0) {
    auto& payment = *line.add_payments();
    payment.set_payment_id("paid-" + commitment_id);
    payment.set_paid_date(origin_year * 10000 + 1201);
    payment.set_amount_cents(paid_cents);
  }
  return act;
}
Act CorrectOpening(std::int64_t change_cents, std::string commitment_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_correct_opening());
  request.set_commitment_id(std::move(commitment_id));
  request.set_line_id("1");
  request.set_change_cents(change_cents);
  request.set_reason_reference("reason-1");
  return act;
}

Act RequestCarryover(events::v1::CreditKind kind, std::int64_t cents, int from_year,
                     std::string envelope_id, std::string carryover_id) {
  Act act{{}, Officer()};
  auto& request = Begin(act.command.mutable_request_carryover());
  request.mutable_header()->set_effective_date(from_year * 10000 + 1231);
  request.set_carryover_id(std::move(carryover_id));
  request.set_envelope_id(std::move(envelope_id));
  request.set_kind(kind);
  request.set_amount_cents(cents);
  return act;
}
Act GrantCarryover(std::int64_t cents, std::string carryover_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_grant_carryover());
  request.mutable_header()->set_effective_date(20220301);
  request.set_carryover_id(std::move(carryover_id));
  request.set_amount_cents(cents);
  request.set_order_reference("order-1");
  return act;
}
Act RefuseCarryover(std::string carryover_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_refuse_carryover());
  request.mutable_header()->set_effective_date(20220301);
  request.set_carryover_id(std::move(carryover_id));
  request.set_act_reference("act-1");
  return act;
}
Act MakeCarryoverAvailable(std::int64_t cents, std::string carryover_id) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_make_carryover_available());
  request.mutable_header()->set_effective_date(20220302);
  request.set_carryover_id(std::move(carryover_id));
  request.set_amount_cents(cents);
  request.set_act_reference("act-1");
  return act;
}
Act CloseYear(int fiscal_year) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_close_year());
  request.mutable_header()->set_effective_date(fiscal_year * 10000 + 1231);
  request.set_approved_by("approver-1");
  return act;
}
Act ReopenYear(int fiscal_year) {
  Act act{{}, Manager()};
  auto& request = Begin(act.command.mutable_reopen_year());
  request.mutable_header()->set_effective_date(fiscal_year * 10000 + 1231);
  request.set_approved_by("approver-1");
  request.set_reason_reference("reason-1");
  return act;
}

Act Engage(std::int64_t cents, std::string commitment_id, std::string envelope_id,
           std::string line_id) {
  Act act{{}, Officer(envelope_id == "djepva" ? "DJEPVA" : "DINUM")};
  auto& request = Begin(act.command.mutable_engage());
  request.set_commitment_id(std::move(commitment_id));
  request.set_envelope_id(std::move(envelope_id));
  auto& line = *request.add_lines();
  line.set_line_id(std::move(line_id));
  line.set_amount_cents(cents);
  return act;
}
Act Withdraw(std::int64_t cents, std::string commitment_id, std::string line_id) {
  Act act{{}, Officer()};
  auto& request = Begin(act.command.mutable_withdraw());
  request.set_commitment_id(std::move(commitment_id));
  request.set_line_id(std::move(line_id));
  request.set_amount_cents(cents);
  request.set_reason_reference("reason-1");
  return act;
}
Act Certify(std::int64_t cents, std::string commitment_id, std::string line_id) {
  Act act{{}, Officer()};
  auto& request = Begin(act.command.mutable_certify_service());
  request.set_commitment_id(std::move(commitment_id));
  request.set_line_id(std::move(line_id));
  request.set_amount_cents(cents);
  return act;
}
Act RequestPayment(std::int64_t cents, std::string payment_request_id, std::string commitment_id,
                   std::string paying_envelope) {
  Act act{{}, Officer(paying_envelope == "djepva" ? "DJEPVA" : "DINUM")};
  auto& request =
      BeginPayment(act.command.mutable_request_payment(), std::move(payment_request_id));
  request.set_type(events::v1::PAYMENT_TYPE_SERVICE);
  request.set_commitment_id(std::move(commitment_id));
  request.set_line_id("1");
  request.set_paying_envelope_id(std::move(paying_envelope));
  request.set_gross_cents(cents);
  request.set_net_cents(cents);
  return act;
}
Act RequestNet(std::int64_t gross_cents, std::int64_t recovered_cents, std::int64_t retained_cents,
               std::string payment_request_id) {
  return RequestPayment(gross_cents, std::move(payment_request_id)).With([&](v1::Command& command) {
    auto& request = *command.mutable_request_payment();
    request.set_recovered_cents(recovered_cents);
    request.set_retained_cents(retained_cents);
    request.set_net_cents(gross_cents - recovered_cents - retained_cents);
  });
}
Act RequestAdvance(std::int64_t cents, std::string payment_request_id) {
  return RequestPayment(cents, std::move(payment_request_id)).With([](v1::Command& command) {
    command.mutable_request_payment()->set_type(events::v1::PAYMENT_TYPE_ADVANCE);
  });
}
Act RequestInstalment(std::int64_t cents, std::string payment_request_id) {
  return RequestPayment(cents, std::move(payment_request_id)).With([](v1::Command& command) {
    command.mutable_request_payment()->set_type(events::v1::PAYMENT_TYPE_INSTALMENT);
  });
}
Act RequestRetention(std::int64_t cents, std::string payment_request_id) {
  return RequestPayment(cents, std::move(payment_request_id)).With([](v1::Command& command) {
    command.mutable_request_payment()->set_type(events::v1::PAYMENT_TYPE_RETENTION_RELEASE);
  });
}
Act RequestInterest(std::int64_t cents, std::string payment_request_id) {
  return RequestPayment(cents, std::move(payment_request_id)).With([](v1::Command& command) {
    auto& request = *command.mutable_request_payment();
    request.set_type(events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT);
    request.set_nature(events::v1::EXPENSE_NATURE_LATE_INTEREST);
    request.clear_commitment_id();
    request.clear_line_id();
  });
}
Act Pay(std::string payment_request_id) {
  Act act{{}, Accountant()};
  BeginPayment(act.command.mutable_pay(), std::move(payment_request_id));
  return act;
}
Act PayWithoutCommitment(std::string payment_request_id) {
  Act act{{}, Accountant()};
  BeginPayment(act.command.mutable_pay_without_commitment(), std::move(payment_request_id));
  return act;
}
Act Suspend(std::string payment_request_id) {
  Act act{{}, Accountant()};
  BeginPayment(act.command.mutable_suspend_payment(), std::move(payment_request_id))
      .set_reason_reference("reason-1");
  return act;
}
Act Resume(std::string payment_request_id) {
  Act act{{}, Accountant()};
  BeginPayment(act.command.mutable_resume_payment(), std::move(payment_request_id));
  return act;
}
Act Reject(std::string payment_request_id) {
  Act act{{}, Accountant()};
  BeginPayment(act.command.mutable_reject_payment(), std::move(payment_request_id))
      .set_reason_reference("reason-1");
  return act;
}
Act Requisition(std::string payment_request_id) {
  Act act{{}, Officer()};
  BeginPayment(act.command.mutable_requisition_payment(), std::move(payment_request_id))
      .set_order_reference("order-1");
  return act;
}

Act Reinstate(std::int64_t cents, std::string payment_request_id) {
  Act act{{}, Accountant()};
  auto& request = BeginPayment(act.command.mutable_reinstate(), std::move(payment_request_id));
  request.set_amount_cents(cents);
  request.set_receipt_reference("receipt-1");
  return act;
}
Act ReimputeLine(std::string to_envelope, std::string to_product, std::string commitment_id,
                 std::string line_id) {
  Act act{{}, Officer()};
  auto& request = Begin(act.command.mutable_reimpute());
  request.set_commitment_id(std::move(commitment_id));
  request.set_line_id(std::move(line_id));
  request.set_to_envelope_id(std::move(to_envelope));
  request.set_to_product_id(std::move(to_product));
  return act;
}
Act ReimputePayment(std::string to_envelope, std::string payment_request_id) {
  Act act{{}, Officer()};
  auto& request = BeginPayment(act.command.mutable_reimpute(), std::move(payment_request_id));
  request.set_to_envelope_id(std::move(to_envelope));
  return act;
}
Act Reverse(std::int64_t position) {
  Act act{{}, Manager()};
  Begin(act.command.mutable_reverse()).set_reversed_position(position);
  return act;
}

// ----------------------------------------------------------------------------- Given

Given::Given(const std::vector<Act>& acts) {
  And(CreateAgreement());
  And(CreateEnvelope("coaching"));
  And(CreateEnvelope("commitments"));
  And(CreateEnvelope("djepva", "DJEPVA"));
  for (const Act& act : acts) And(act);
}

Given& Given::And(const Act& act) {
  EXPECT_THAT(When(act), Accepted()) << "given: " << act.command.ShortDebugString();
  return *this;
}

Decision Given::When(Act act) {
  if (act.header().request_id().empty()) {
    act.header().set_request_id("request-" + std::to_string(log_.size()));
  }
  Decision decision = Ask(act);
  if (const Event* event = std::get_if<Event>(&decision)) {
    const Decision again = Ask(act);
    EXPECT_TRUE(std::holds_alternative<Event>(again) &&
                std::get<Event>(again).SerializeAsString() == event->SerializeAsString())
        << "decided otherwise the second time";
    CheckRedecided(act, *event);
    Enter(*event);
  }
  return decision;
}

// The order of the checks is the sequencer's.
Decision Given::Ask(const Act& act) const {
  if (auto refusal = rules::CheckForm(act.command)) return *std::move(refusal);
  const Event* original = nullptr;
  if (act.command.has_reverse()) {
    const auto position = static_cast<std::size_t>(act.command.reverse().reversed_position());
    if (position < log_.size()) original = &log_[position];
  }
  if (auto refusal = rules::Authorise(books_, act.by, act.command, original)) {
    return *std::move(refusal);
  }
  if (auto refusal = rules::CheckEtag(books_, act.command)) return *std::move(refusal);
  return rules::Decide(books_, act.by, act.command, original);
}

// What was accepted can be decided again from its event alone (redecide.h).
void Given::CheckRedecided(const Act& act, Event event) const {
  const auto hash = [](const v1::Command& command) {
    return std::string(store::AsBytes(store::Sha256Of(command.SerializeAsString())));
  };
  event.set_request_sha256(hash(act.command));
  const Event* original = nullptr;
  if (event.has_reversed()) {
    original = &log_.at(static_cast<std::size_t>(event.reversed().reversed_position()));
  }
  const auto wrong =
      rules::Redecide(books_, static_cast<std::int64_t>(log_.size()), event, original, hash);
  EXPECT_FALSE(wrong.has_value()) << rules::Describe(*wrong);
}

void Given::Enter(const Event& event) {
  std::map<std::tuple<std::string_view, int, Ledger, Basis>, std::int64_t> sums;
  for (const projections::Posting& leg : projections::Postings(event)) {
    sums[{leg.envelope_id, leg.fiscal_year, leg.ledger, leg.basis}] += leg.cents;
  }
  for (const auto& [place, sum] : sums) EXPECT_EQ(sum, 0) << event.ShortDebugString();

  const absl::Status folded = books_.Fold(event, log_.size());
  ASSERT_TRUE(folded.ok()) << folded << "\n" << event.ShortDebugString();
  log_.push_back(event);
  if (event.has_engaged()) commitments_.insert(event.engaged().commitment_id());
  if (event.has_payment_requested()) {
    payments_.insert(event.payment_requested().payment_request_id());
  }
  if (event.has_opening_imported()) {
    commitments_.insert(event.opening_imported().commitment_id());
    for (const auto& line : event.opening_imported().lines()) {
      for (const auto& payment : line.payments()) payments_.insert(payment.payment_id());
    }
  }
  CheckTrialBalance();
  CheckRegisters();
}

// Every envelope and year: each ledger sums to zero, no pot of credits is overdrawn, and a closed
// year holds nothing that could still be consumed.
void Given::CheckTrialBalance() const {
  const v1::Agreement& agreement = this->agreement();
  for (const std::string& envelope_id : agreement.envelope_ids()) {
    for (const auto& year : agreement.years()) {
      SCOPED_TRACE(envelope_id + " " + std::to_string(year.fiscal_year()));
      const Balances& balances = books_.BalancesOf(kAgreement, envelope_id, year.fiscal_year());
      for (Ledger ledger : {Ledger::kAe, Ledger::kCp, Ledger::kOutstanding}) {
        for (Basis basis : {Basis::kActual, Basis::kPlanned}) {
          std::int64_t sum = 0;
          for (std::size_t account = 0; account < projections::kAccounts; ++account) {
            sum += balances.total(ledger, static_cast<Account>(account), basis);
          }
          EXPECT_EQ(sum, 0) << Name(ledger);
        }
      }
      for (Ledger ledger : {Ledger::kAe, Ledger::kCp}) {
        for (Account pot :
             {Account::kAvailable, Account::kFrozen, Account::kHeld, Account::kCarryoverRequested,
              Account::kCarryoverGranted, Account::kUnavailable, Account::kLapsed}) {
          EXPECT_GE(balances.total(ledger, pot), 0) << Name(ledger) << " " << Name(pot);
        }
        for (Account open : {Account::kAvailable, Account::kFrozen, Account::kHeld}) {
          EXPECT_TRUE(!year.closed() || balances.total(ledger, open) == 0) << Name(open);
        }
      }
    }
  }
}

// What the rows of commitments, payments and the agreement say is what the accounts say.
void Given::CheckRegisters() const {
  const v1::Agreement& agreement = this->agreement();
  std::map<std::string, std::int64_t> outstanding, engaged, paid, held;
  for (const std::string& commitment_id : commitments_) {
    for (const auto& line : books_.FindCommitment(kAgreement, commitment_id)->lines()) {
      const std::int64_t owed =
          line.engaged_cents() + line.corrected_cents() - line.withdrawn_cents();
      EXPECT_LE(line.paid_cents(), owed) << line.ShortDebugString();
      EXPECT_EQ(line.outstanding_cents(), owed - line.paid_cents()) << line.ShortDebugString();
      outstanding[line.envelope_id()] += line.outstanding_cents();
      engaged[line.envelope_id()] += line.engaged_cents() - line.withdrawn_cents();
    }
  }
  for (const std::string& payment_request_id : payments_) {
    const v1::PaymentRequest& payment = *books_.FindPayment(kAgreement, payment_request_id);
    const std::int64_t net = payment.net_cents() - payment.reinstated_cents();
    switch (payment.state()) {
      case v1::PAYMENT_STATE_PAID:
        if (payment.commitment_id().empty()) engaged[payment.paying_envelope_id()] += net;
        [[fallthrough]];
      case v1::PAYMENT_STATE_IMPORTED:
        paid[payment.paying_envelope_id()] += net;
        break;
      case v1::PAYMENT_STATE_REQUESTED:
      case v1::PAYMENT_STATE_SUSPENDED:
      case v1::PAYMENT_STATE_REQUISITIONED:
        if (projections::HoldYear(agreement, payment) != 0) {
          held[payment.paying_envelope_id()] += net;
        }
        break;
      default:
        break;
    }
  }
  std::int64_t carried_in = 0, carried_out = 0, transferred = 0, reimputed = 0;
  for (const std::string& envelope_id : agreement.envelope_ids()) {
    SCOPED_TRACE(envelope_id);
    std::map<std::pair<Ledger, Account>, std::int64_t> sums;
    for (const auto& year : agreement.years()) {
      const Balances& balances = books_.BalancesOf(kAgreement, envelope_id, year.fiscal_year());
      for (Ledger ledger : {Ledger::kAe, Ledger::kCp, Ledger::kOutstanding}) {
        for (std::size_t i = 0; i < projections::kAccounts; ++i) {
          const auto account = static_cast<Account>(i);
          sums[{ledger, account}] += balances.total(ledger, account);
        }
        carried_in += balances.total(ledger, Account::kCarriedIn);
        carried_out += balances.total(ledger, Account::kCarriedOut);
        transferred += balances.total(ledger, Account::kTransferred);
        reimputed += balances.total(ledger, Account::kReimputed);
      }
    }
    const auto sum = [&](Ledger ledger, Account account) { return sums[{ledger, account}]; };
    EXPECT_EQ(sum(Ledger::kOutstanding, Account::kOutstanding), outstanding[envelope_id]);
    EXPECT_EQ(sum(Ledger::kAe, Account::kEngaged) + sum(Ledger::kAe, Account::kWithdrawn) +
                  sum(Ledger::kAe, Account::kWithdrawnPrior),
              engaged[envelope_id]);
    EXPECT_EQ(sum(Ledger::kCp, Account::kPaid), paid[envelope_id]);
    EXPECT_EQ(sum(Ledger::kCp, Account::kHeld), held[envelope_id]);
  }
  EXPECT_EQ(carried_in + carried_out, 0);
  EXPECT_EQ(transferred, 0);
  EXPECT_EQ(reimputed, 0);

  for (const auto& opened : agreement.opened()) {
    EXPECT_EQ(opened.ae_cents(), -Total(Ledger::kAe, Account::kSource, opened.fiscal_year()));
    EXPECT_EQ(opened.cp_cents(), -Total(Ledger::kCp, Account::kSource, opened.fiscal_year()));
    for (const auto& ceiling : agreement.ceilings()) {
      if (ceiling.fiscal_year() != opened.fiscal_year()) continue;
      EXPECT_LE(opened.ae_cents(), ceiling.ae_cents()) << opened.fiscal_year();
      EXPECT_LE(opened.cp_cents(), ceiling.cp_cents()) << opened.fiscal_year();
    }
  }
  for (const auto& year : agreement.years()) {
    EXPECT_GE(year.recycling_used_cents(), 0);
    EXPECT_LE(year.recycling_used_cents(), year.recycling_basis_cents());
  }
}

Act Given::Undo(std::int64_t position) const {
  const Event& event = log_.at(static_cast<std::size_t>(position));
  return Reverse(position).By(event.actor()).On(event.effective_date()).In(event.fiscal_year());
}

std::int64_t Given::Balance(Ledger ledger, Account account, std::string envelope_id,
                            int fiscal_year) const {
  return books_.BalancesOf(kAgreement, envelope_id, fiscal_year).total(ledger, account);
}

std::int64_t Given::Total(Ledger ledger, Account account, int fiscal_year) const {
  std::int64_t sum = 0;
  for (const std::string& envelope_id : agreement().envelope_ids()) {
    sum += Balance(ledger, account, envelope_id, fiscal_year);
  }
  return sum;
}

std::int64_t Given::OutstandingAtTheEndOf(int fiscal_year) const {
  std::int64_t sum = 0;
  for (const auto& year : agreement().years()) {
    if (year.fiscal_year() > fiscal_year) break;
    sum += Total(Ledger::kOutstanding, Account::kOutstanding, year.fiscal_year());
  }
  return sum;
}

const v1::Agreement& Given::agreement() const { return *books_.FindAgreement(kAgreement); }
const v1::CommitmentLineState& Given::Line(std::string commitment_id, std::string line_id) const {
  return *projections::FindLine(*books_.FindCommitment(kAgreement, commitment_id), line_id);
}
const v1::PaymentRequest& Given::Payment(std::string payment_request_id) const {
  return *books_.FindPayment(kAgreement, payment_request_id);
}

std::string Given::Money() const {
  std::ostringstream out;
  const v1::Agreement& agreement = this->agreement();
  for (const auto& opened : agreement.opened()) {
    if (opened.ae_cents() == 0 && opened.cp_cents() == 0) continue;
    out << "opened " << opened.ShortDebugString() << "\n";
  }
  for (const auto& year : agreement.years()) out << "year " << year.ShortDebugString() << "\n";
  for (const auto& carryover : agreement.carryovers()) {
    if (carryover.state() == v1::CARRYOVER_STATE_REVERSED) continue;
    out << "carryover " << carryover.ShortDebugString() << "\n";
  }
  for (const std::string& envelope_id : agreement.envelope_ids()) {
    const v1::Envelope& envelope = *books_.FindEnvelope(kAgreement, envelope_id);
    for (const auto& early : envelope.early()) {
      if (early.amount_cents() == 0) continue;
      out << envelope_id << " early " << early.ShortDebugString() << "\n";
    }
    for (const auto& closed : envelope.closed()) {
      out << envelope_id << " closed " << closed.ShortDebugString() << "\n";
    }
    for (const auto& year : agreement.years()) {
      // A pot of credits is one, whatever line or product drew on it.
      std::map<Balances::Detail, std::int64_t> cells;
      for (const auto& [cell, cents] :
           books_.BalancesOf(kAgreement, envelope_id, year.fiscal_year()).details()) {
        Balances::Detail detail = cell;
        if (detail.account == Account::kAvailable || detail.account == Account::kHeld) {
          detail.origin_year = 0;
          detail.product_id.clear();
        }
        cells[detail] += cents;
      }
      for (const auto& [detail, cents] : cells) {
        if (cents == 0) continue;
        out << envelope_id << " " << year.fiscal_year() << " " << Name(detail.ledger) << " "
            << Name(detail.account) << (detail.basis == Basis::kPlanned ? " planned" : "") << " of "
            << detail.origin_year << " " << detail.product_id << ": " << cents << "\n";
      }
    }
  }
  for (const std::string& commitment_id : commitments_) {
    for (const auto& line : books_.FindCommitment(kAgreement, commitment_id)->lines()) {
      if (line.reversed()) continue;
      out << commitment_id << " " << line.ShortDebugString() << "\n";
    }
  }
  for (const std::string& payment_request_id : payments_) {
    v1::PaymentRequest payment = *books_.FindPayment(kAgreement, payment_request_id);
    if (payment.state() == v1::PAYMENT_STATE_REVERSED) continue;
    payment.clear_etag();
    out << payment.ShortDebugString() << "\n";
  }
  return out.str();
}

// ------------------------------------------------------------------------------ Then

namespace {

class DecisionIs : public testing::MatcherInterface<const Decision&> {
 public:
  DecisionIs(v1::ErrorReason reason, std::vector<Fact> facts)
      : reason_(reason), facts_(std::move(facts)) {}

  bool MatchAndExplain(const Decision& decision,
                       testing::MatchResultListener* listener) const override {
    const auto* refusal = std::get_if<Refusal>(&decision);
    if (refusal == nullptr) return reason_ == v1::ERROR_REASON_UNSPECIFIED;
    if (listener->IsInterested()) PrintTo(*refusal, listener->stream());
    if (refusal->reason != reason_) return false;
    for (const Fact& fact : facts_) {
      if (fact == Fact("field", refusal->field)) continue;
      if (std::find(refusal->facts.begin(), refusal->facts.end(), fact) == refusal->facts.end()) {
        return false;
      }
    }
    return true;
  }
  void DescribeTo(std::ostream* out) const override {
    if (reason_ == v1::ERROR_REASON_UNSPECIFIED) {
      *out << "is accepted";
      return;
    }
    *out << "is refused with " << v1::ErrorReason_Name(reason_);
    for (const auto& [name, value] : facts_) *out << " " << name << "=" << value;
  }

 private:
  const v1::ErrorReason reason_;
  const std::vector<Fact> facts_;
};

}  // namespace

Fact Available(std::int64_t cents) { return {"available_cents", std::to_string(cents)}; }
Fact Rest(std::int64_t cents) { return {"rest_cents", std::to_string(cents)}; }
Fact ManagedBy(std::string body_id) { return {"managing_body", std::move(body_id)}; }
Fact Field(std::string path) { return {"field", std::move(path)}; }

testing::Matcher<const Decision&> Accepted() {
  return testing::MakeMatcher(new DecisionIs(v1::ERROR_REASON_UNSPECIFIED, {}));
}
testing::Matcher<const Decision&> RefusedWith(v1::ErrorReason reason, std::vector<Fact> facts) {
  return testing::MakeMatcher(new DecisionIs(reason, std::move(facts)));
}
testing::Matcher<const Decision&> AcceptedRemarking(events::v1::Warning warning) {
  return testing::ResultOf(
      [](const Decision& decision) {
        const Event* event = std::get_if<Event>(&decision);
        return event == nullptr
                   ? std::vector<int>{}
                   : std::vector<int>(event->warnings().begin(), event->warnings().end());
      },
      testing::ElementsAre(warning));
}

}  // namespace denier::budget
