// Given / when / then in the words of a budget, for tests of the rules.
//
//   EXPECT_THAT(Given({Allocate(183'072'00)}).When(Engage(183'072'01)),
//               RefusedWith(kAeExceeded, Available(183'072'00)));
//
// A command is an Act: who does what, on a day. What a test does not care about has a value
// already: the agreement of the source document, the envelope "coaching", the commitment "ej-1",
// its line "1", the payment request "dp-1", 1 June 2022, a principal who may do it.
//
// Given holds the books. Whatever it accepts it folds, and then checks what must hold after every
// event: that it is decided the same twice, and again from the event alone, its postings balance,
// the trial balance is zero, no envelope is overdrawn, and the registers add up to the accounts. A
// breach fails the test.
#ifndef DENIER_TESTS_SERVICES_RULES_BUDGET_H_
#define DENIER_TESTS_SERVICES_RULES_BUDGET_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "services/rules/decide.h"

namespace denier::rules {

// How a refusal reads when a test fails.
void PrintTo(const Refusal& refusal, std::ostream* out);

}  // namespace denier::rules

namespace denier::budget {

using events::v1::Event;
using events::v1::Principal;
using projections::Account;
using projections::Ledger;
using rules::Decision;

inline constexpr const char* kAgreement = "engagement-civique";
inline constexpr int kDay = 20220601;

// ------------------------------------------------------------------------------- Who

Principal Who(std::string principal_id, std::string body_id, events::v1::Role role);
Principal Manager();                            // pm-1, of DJEPVA
Principal Officer(std::string body = "DINUM");  // ao-dinum or ao-djepva
Principal Accountant();                         // acc-1, assigned to every envelope

// ------------------------------------------------------------------------------ What

struct Act {
  v1::Command command;
  Principal by;

  Act On(int day) const;
  Act In(int fiscal_year) const;
  Act By(Principal other) const;
  // Let into a closed year.
  Act Late(std::string approved_by = "approver-1") const;
  // What has no word of its own: `change` gets the command.
  template <class Change>
  Act With(Change change) const {
    Act act = *this;
    change(act.command);
    return act;
  }

  v1::CommandHeader& header();
};

// Between DJEPVA and DINUM, from 20 January 2021 to 31 December 2022, with a ceiling in each year.
Act CreateAgreement();
Act Amend(std::string amendment_id = "avenant-1");
Act Renew(int valid_from, int valid_until, std::string amendment_id = "avenant-1");
Act SetCeiling(int fiscal_year, std::int64_t ae_cents, std::int64_t cp_cents,
               std::string amendment_id);
Act RecordPublication(std::string act_id = kAgreement);
Act TakeOver();
Act CreateEnvelope(std::string envelope_id, std::string managing_body = "DINUM",
                   std::vector<int> payable_origin_years = {2020, 2021, 2022});
Act UpdateEnvelope(std::string envelope_id, std::vector<std::string> accountants,
                   std::vector<int> payable_origin_years);
Act RecordProgrammeCredits(std::int64_t initial_cp_cents);
Act RecordRecyclingBasis(std::int64_t cents);
Act ImportPlan(std::int64_t ae_cents, std::int64_t cp_cents, std::string envelope_id = "coaching");

Act Allocate(std::int64_t ae_and_cp_cents);
Act Allocate(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents);
Act Deallocate(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents);
Act Freeze(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents);
Act Release(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents);
Act Cancel(std::string envelope_id, std::int64_t ae_cents, std::int64_t cp_cents);
Act Transfer(std::string from, std::string to, std::int64_t ae_cents, std::int64_t cp_cents);

// One line of an earlier year, certified for what was paid of it on 1 December of that year.
Act ImportOpening(int origin_year, std::int64_t engaged_cents, std::int64_t paid_cents = 0,
                  std::string commitment_id = "ej-old", std::string envelope_id = "commitments");
Act CorrectOpening(std::int64_t change_cents, std::string commitment_id = "ej-old");

Act RequestCarryover(events::v1::CreditKind kind, std::int64_t cents, int from_year,
                     std::string envelope_id = "coaching", std::string carryover_id = "report-1");
Act GrantCarryover(std::int64_t cents, std::string carryover_id = "report-1");
Act RefuseCarryover(std::string carryover_id = "report-1");
Act MakeCarryoverAvailable(std::int64_t cents, std::string carryover_id = "report-1");
// On 31 December.
Act CloseYear(int fiscal_year);
Act ReopenYear(int fiscal_year);

Act Engage(std::int64_t cents, std::string commitment_id = "ej-1",
           std::string envelope_id = "coaching", std::string line_id = "1");
Act Withdraw(std::int64_t cents, std::string commitment_id = "ej-1", std::string line_id = "1");
Act Certify(std::int64_t cents, std::string commitment_id = "ej-1", std::string line_id = "1");
Act RequestPayment(std::int64_t cents, std::string payment_request_id = "dp-1",
                   std::string commitment_id = "ej-1", std::string paying_envelope = "coaching");
// Gross, less what is recovered from an advance, less what is retained.
Act RequestNet(std::int64_t gross_cents, std::int64_t recovered_cents, std::int64_t retained_cents,
               std::string payment_request_id = "dp-1");
Act RequestAdvance(std::int64_t cents, std::string payment_request_id = "dp-1");
Act RequestInstalment(std::int64_t cents, std::string payment_request_id = "dp-1");
Act RequestRetention(std::int64_t cents, std::string payment_request_id = "dp-1");
Act RequestInterest(std::int64_t cents, std::string payment_request_id = "dp-1");
Act Pay(std::string payment_request_id = "dp-1");
Act PayWithoutCommitment(std::string payment_request_id = "dp-1");
Act Suspend(std::string payment_request_id = "dp-1");
Act Resume(std::string payment_request_id = "dp-1");
Act Reject(std::string payment_request_id = "dp-1");
Act Requisition(std::string payment_request_id = "dp-1");

Act Reinstate(std::int64_t cents, std::string payment_request_id = "dp-1");
Act ReimputeLine(std::string to_envelope, std::string to_product = "",
                 std::string commitment_id = "ej-1", std::string line_id = "1");
Act ReimputePayment(std::string to_envelope, std::string payment_request_id = "dp-1");
Act Reverse(std::int64_t position);

// ----------------------------------------------------------------------------- Given

class Given {
 public:
  // The agreement, its envelopes "coaching" and "commitments" (DINUM) and "djepva" (DJEPVA), and
  // `acts`, which are accepted.
  Given(std::initializer_list<Act> acts = {}) : Given(std::vector<Act>(acts)) {}
  explicit Given(const std::vector<Act>& acts);
  // Empty books.
  static Given Nothing() { return Given(Empty{}); }

  // What the rules answer; what they accept stands in the books from then on.
  Decision When(Act act);
  // Accepted, or the test fails.
  Given& And(const Act& act);

  // The opposite of the entry at `position`, or of the last one, by who made it, in its year.
  Act Undo() const { return Undo(static_cast<std::int64_t>(log_.size()) - 1); }
  Act Undo(std::int64_t position) const;

  const std::vector<Event>& log() const { return log_; }
  std::int64_t last() const { return static_cast<std::int64_t>(log_.size()) - 1; }
  const projections::Books& books() const { return books_; }

  std::int64_t Balance(Ledger ledger, Account account, std::string envelope_id = "coaching",
                       int fiscal_year = 2022) const;
  std::int64_t AeAvailable(const std::string& envelope_id = "coaching",
                           int fiscal_year = 2022) const {
    return Balance(Ledger::kAe, Account::kAvailable, envelope_id, fiscal_year);
  }
  std::int64_t CpAvailable(const std::string& envelope_id = "coaching",
                           int fiscal_year = 2022) const {
    return Balance(Ledger::kCp, Account::kAvailable, envelope_id, fiscal_year);
  }
  // Restes à payer of all envelopes at the end of the year.
  std::int64_t OutstandingAtTheEndOf(int fiscal_year) const;
  // Sum over both bodies' envelopes.
  std::int64_t Total(Ledger ledger, Account account, int fiscal_year) const;

  const v1::Agreement& agreement() const;
  const v1::CommitmentLineState& Line(std::string commitment_id = "ej-1",
                                      std::string line_id = "1") const;
  const v1::PaymentRequest& Payment(std::string payment_request_id = "dp-1") const;

  // Every row and balance as text, without etags, empty rows and what says that a reversal took
  // place: books that agree on it hold the same money.
  std::string Money() const;

 private:
  struct Empty {};
  explicit Given(Empty) {}

  Decision Ask(const Act& act) const;
  void CheckRedecided(const Act& act, Event event) const;
  void Enter(const Event& event);
  void CheckTrialBalance() const;
  void CheckRegisters() const;

  projections::Books books_;
  std::vector<Event> log_;
  std::set<std::string> commitments_;
  std::set<std::string> payments_;
};

// ------------------------------------------------------------------------------ Then

// A number or name that a refusal carries.
using Fact = std::pair<std::string, std::string>;
Fact Available(std::int64_t cents);
Fact Rest(std::int64_t cents);
Fact ManagedBy(std::string body_id);
// The field that an INVALID_FIELD names.
Fact Field(std::string path);

testing::Matcher<const Decision&> Accepted();
testing::Matcher<const Decision&> RefusedWith(v1::ErrorReason reason, std::vector<Fact> facts);
template <class... Facts>
testing::Matcher<const Decision&> RefusedWith(v1::ErrorReason reason, Facts... facts) {
  return RefusedWith(reason, std::vector<Fact>{facts...});
}
// An accepted event with this remark.
testing::Matcher<const Decision&> AcceptedRemarking(events::v1::Warning warning);

inline constexpr auto kInvalidField = v1::ERROR_REASON_INVALID_FIELD;
inline constexpr auto kWrongRole = v1::ERROR_REASON_WRONG_ROLE;
inline constexpr auto kWrongBody = v1::ERROR_REASON_WRONG_BODY;
inline constexpr auto kNotAssigned = v1::ERROR_REASON_NOT_ASSIGNED;
inline constexpr auto kSamePerson = v1::ERROR_REASON_SAME_PERSON;
inline constexpr auto kApproverMissing = v1::ERROR_REASON_APPROVER_MISSING;
inline constexpr auto kUnknownAgreement = v1::ERROR_REASON_UNKNOWN_AGREEMENT;
inline constexpr auto kUnknownEnvelope = v1::ERROR_REASON_UNKNOWN_ENVELOPE;
inline constexpr auto kUnknownCommitment = v1::ERROR_REASON_UNKNOWN_COMMITMENT;
inline constexpr auto kUnknownLine = v1::ERROR_REASON_UNKNOWN_LINE;
inline constexpr auto kUnknownPaymentRequest = v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST;
inline constexpr auto kUnknownCarryover = v1::ERROR_REASON_UNKNOWN_CARRYOVER;
inline constexpr auto kUnknownProduct = v1::ERROR_REASON_UNKNOWN_PRODUCT;
inline constexpr auto kUnknownPosition = v1::ERROR_REASON_UNKNOWN_POSITION;
inline constexpr auto kUnknownAct = v1::ERROR_REASON_UNKNOWN_ACT;
inline constexpr auto kIdentifierTaken = v1::ERROR_REASON_IDENTIFIER_TAKEN;
inline constexpr auto kEtagMoved = v1::ERROR_REASON_ETAG_MOVED;
inline constexpr auto kAeExceeded = v1::ERROR_REASON_AE_EXCEEDED;
inline constexpr auto kCpExceeded = v1::ERROR_REASON_CP_EXCEEDED;
inline constexpr auto kCeilingExceeded = v1::ERROR_REASON_CEILING_EXCEEDED;
inline constexpr auto kCeilingMissing = v1::ERROR_REASON_CEILING_MISSING;
inline constexpr auto kFrozenExceeded = v1::ERROR_REASON_FROZEN_EXCEEDED;
inline constexpr auto kRestExceeded = v1::ERROR_REASON_REST_EXCEEDED;
inline constexpr auto kMandateExpired = v1::ERROR_REASON_MANDATE_EXPIRED;
inline constexpr auto kMandateInForce = v1::ERROR_REASON_MANDATE_IN_FORCE;
inline constexpr auto kYearClosed = v1::ERROR_REASON_YEAR_CLOSED;
inline constexpr auto kWrongYear = v1::ERROR_REASON_WRONG_YEAR;
inline constexpr auto kServiceNotCertified = v1::ERROR_REASON_SERVICE_NOT_CERTIFIED;
inline constexpr auto kCertificationExceeded = v1::ERROR_REASON_CERTIFICATION_EXCEEDED;
inline constexpr auto kAdvanceExceeded = v1::ERROR_REASON_ADVANCE_EXCEEDED;
inline constexpr auto kRetentionExceeded = v1::ERROR_REASON_RETENTION_EXCEEDED;
inline constexpr auto kOriginNotPayable = v1::ERROR_REASON_ORIGIN_NOT_PAYABLE;
inline constexpr auto kPaymentState = v1::ERROR_REASON_PAYMENT_STATE;
inline constexpr auto kPaymentSuspended = v1::ERROR_REASON_PAYMENT_SUSPENDED;
inline constexpr auto kCarryoverState = v1::ERROR_REASON_CARRYOVER_STATE;
inline constexpr auto kCarryoverExceeded = v1::ERROR_REASON_CARRYOVER_EXCEEDED;
inline constexpr auto kCarryoverCapExceeded = v1::ERROR_REASON_CARRYOVER_CAP_EXCEEDED;
inline constexpr auto kCarryoverTooLate = v1::ERROR_REASON_CARRYOVER_TOO_LATE;
inline constexpr auto kProgrammeCreditsMissing = v1::ERROR_REASON_PROGRAMME_CREDITS_MISSING;
inline constexpr auto kEarlyCommitment = v1::ERROR_REASON_EARLY_COMMITMENT;
inline constexpr auto kVisaMissing = v1::ERROR_REASON_VISA_MISSING;
inline constexpr auto kNotReversible = v1::ERROR_REASON_NOT_REVERSIBLE;
inline constexpr auto kNotReinstatable = v1::ERROR_REASON_NOT_REINSTATABLE;
inline constexpr auto kClosingOrder = v1::ERROR_REASON_CLOSING_ORDER;
inline constexpr auto kNotReimputable = v1::ERROR_REASON_NOT_REIMPUTABLE;
inline constexpr auto kNotCorrectable = v1::ERROR_REASON_NOT_CORRECTABLE;
inline constexpr auto kAmountOverflow = v1::ERROR_REASON_AMOUNT_OVERFLOW;

}  // namespace denier::budget

#endif  // DENIER_TESTS_SERVICES_RULES_BUDGET_H_
