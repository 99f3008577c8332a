#include "projections/posting.h"

#include <array>

namespace denier::projections {
namespace {

using events::v1::CreditKind;
using events::v1::Event;

// Where a movement takes place: everything of a posting but account and amount.
struct Place {
  std::string_view envelope_id;
  int fiscal_year;
  Ledger ledger;
  int origin_year = 0;
  std::string_view product_id = {};
  Basis basis = Basis::kActual;
};

// Moves `cents` from one account to another at one place: the only way to make postings, so that
// they cannot but balance.
void Move(PostingList& list, const Place& at, Account from, Account to, std::int64_t cents) {
  if (cents == 0) return;
  list.push_back({at.envelope_id, at.fiscal_year, at.ledger, at.basis, from, at.origin_year,
                  at.product_id, -cents});
  list.push_back({at.envelope_id, at.fiscal_year, at.ledger, at.basis, to, at.origin_year,
                  at.product_id, cents});
}

Ledger LedgerOf(CreditKind kind) {
  return kind == events::v1::CREDIT_KIND_AE ? Ledger::kAe : Ledger::kCp;
}

// What an entry draws on: the available credits; in a closed year what had lapsed there.
Account PoolOf(bool late) { return late ? Account::kLapsed : Account::kAvailable; }
Account PoolOf(const Event& event) { return PoolOf(event.has_late_entry()); }

// AE and CP of one envelope and year, from one account to another.
void MoveBoth(PostingList& list, std::string_view envelope_id, int year, Account from, Account to,
              std::int64_t ae_cents, std::int64_t cp_cents) {
  Move(list, {envelope_id, year, Ledger::kAe}, from, to, ae_cents);
  Move(list, {envelope_id, year, Ledger::kCp}, from, to, cp_cents);
}

void PostOpening(PostingList& list, const events::v1::OpeningImported& fact) {
  for (const auto& line : fact.lines()) {
    const Place ae{fact.envelope_id(), line.origin_year(), Ledger::kAe, line.origin_year(),
                   line.product_id()};
    Place cp = ae, debt = ae;
    cp.ledger = Ledger::kCp;
    debt.ledger = Ledger::kOutstanding;
    Move(list, ae, Account::kImported, Account::kEngaged, line.engaged_cents());
    Move(list, ae, Account::kWithdrawn, Account::kImported, line.withdrawn_cents());
    Move(list, debt, Account::kEngaged, Account::kOutstanding, line.engaged_cents());
    Move(list, debt, Account::kOutstanding, Account::kWithdrawn, line.withdrawn_cents());
    for (const auto& payment : line.payments()) {
      cp.fiscal_year = debt.fiscal_year = payment.paid_date() / 10000;
      Move(list, cp, Account::kImported, Account::kPaid, payment.amount_cents());
      Move(list, debt, Account::kOutstanding, Account::kPaid, payment.amount_cents());
    }
  }
}

void PostPlan(PostingList& list, const events::v1::PlanImported& fact) {
  for (int i = 0; i < fact.lines_size(); ++i) {
    const auto& line = fact.lines(i);
    Place at{line.envelope_id(), line.fiscal_year(), Ledger::kAe, 0, {}, Basis::kPlanned};
    Move(list, at, Account::kSource, Account::kEngaged, fact.ae_change_cents(i));
    at.ledger = Ledger::kCp;
    Move(list, at, Account::kSource, Account::kPaid, fact.cp_change_cents(i));
  }
}

void PostClosing(PostingList& list, int year, const events::v1::ClosingLine& line) {
  MoveBoth(list, line.envelope_id(), year, Account::kAvailable, Account::kLapsed,
           line.ae_available_cents(), line.cp_available_cents());
  MoveBoth(list, line.envelope_id(), year, Account::kFrozen, Account::kLapsed,
           line.ae_frozen_cents(), line.cp_frozen_cents());
  MoveBoth(list, line.envelope_id(), year, Account::kHeld, Account::kLapsed, 0,
           line.cp_held_cents());
}

void PostWithdrawn(PostingList& list, const Event& event, const events::v1::Withdrawn& fact) {
  Place at{fact.envelope_id(), event.fiscal_year(), Ledger::kAe, fact.origin_year(),
           fact.product_id()};
  Move(list, at, Account::kWithdrawn, PoolOf(event), fact.freed_cents());
  Move(list, at, Account::kWithdrawn, Account::kEarly, fact.early_cents());
  Move(list, at, Account::kWithdrawnPrior, PoolOf(event), fact.recycled_cents());
  Move(list, at, Account::kWithdrawnPrior, Account::kUnavailable, fact.unavailable_cents());
  at.ledger = Ledger::kOutstanding;
  Move(list, at, Account::kOutstanding, Account::kWithdrawn,
       fact.freed_cents() + fact.early_cents());
  Move(list, at, Account::kOutstanding, Account::kWithdrawnPrior,
       fact.recycled_cents() + fact.unavailable_cents());
}

// CP leave the request's hold, or (when the hold was of another year, or gone) the year's own
// credits, which are in `pool`.
void PostConsumedCp(PostingList& list, const Place& cp, Account pool, int hold_year,
                    std::int64_t cents) {
  if (hold_year == cp.fiscal_year) {
    Move(list, cp, Account::kHeld, Account::kPaid, cents);
    return;
  }
  if (hold_year != 0) {
    Move(list, {cp.envelope_id, hold_year, Ledger::kCp}, Account::kHeld, Account::kAvailable,
         cents);
  }
  Move(list, cp, pool, Account::kPaid, cents);
}

void PostPaidWithoutCommitment(PostingList& list, const Event& event,
                               const events::v1::PaidWithoutCommitment& fact) {
  Place at{fact.envelope_id(), event.fiscal_year(), Ledger::kAe, event.fiscal_year(),
           fact.product_id()};
  Move(list, at, PoolOf(event), Account::kEngaged, fact.amount_cents());
  at.ledger = Ledger::kCp;
  PostConsumedCp(list, at, PoolOf(event), fact.hold_year(), fact.amount_cents());
  at.ledger = Ledger::kOutstanding;
  Move(list, at, Account::kEngaged, Account::kPaid, fact.amount_cents());
}

// AE and CP of the event's year rise; the outstanding stays, since engaged and paid fall alike.
void PostReinstated(PostingList& list, const Event& event, const events::v1::Reinstated& fact) {
  const int year = event.fiscal_year();
  Move(list, {fact.ae_envelope_id(), year, Ledger::kAe, fact.origin_year(), fact.product_id()},
       Account::kEngaged, PoolOf(event), fact.amount_cents());
  Move(list, {fact.cp_envelope_id(), year, Ledger::kCp, fact.origin_year(), fact.product_id()},
       Account::kPaid, PoolOf(event), fact.amount_cents());
  Move(list,
       {fact.ae_envelope_id(), year, Ledger::kOutstanding, fact.origin_year(), fact.product_id()},
       Account::kPaid, Account::kEngaged, fact.amount_cents());
}

void PostReimputed(PostingList& list, const Event& event, const events::v1::Reimputed& fact) {
  const bool line_moves = fact.payment_request_id().empty();
  const Account used = line_moves ? Account::kEngaged : Account::kPaid;
  const Account between = fact.moves_available() ? PoolOf(event) : Account::kReimputed;
  Place from{fact.from_envelope_id(), event.fiscal_year(), line_moves ? Ledger::kAe : Ledger::kCp,
             fact.origin_year(), fact.from_product_id()};
  Place to = from;
  to.envelope_id = fact.to_envelope_id();
  to.product_id = fact.to_product_id();
  Move(list, from, used, between, fact.consumed_cents());
  Move(list, to, between, used, fact.consumed_cents());
  from.ledger = to.ledger = Ledger::kOutstanding;
  Move(list, from, Account::kOutstanding, Account::kReimputed, fact.outstanding_cents());
  Move(list, to, Account::kReimputed, Account::kOutstanding, fact.outstanding_cents());
}

// The opposite of the original's postings, in the reversal's year. It gives back to, or takes from,
// the credits that are open now: the year's available ones, or in a closed year what had lapsed.
void PostReversed(PostingList& list, const Event& event, const events::v1::Reversed& fact) {
  const Event& original = fact.original();
  if (original.has_payment_requested()) {
    if (fact.hold_year() == 0) return;
    const auto& request = original.payment_requested();
    Move(list, {request.paying_envelope_id(), fact.hold_year(), Ledger::kCp}, Account::kHeld,
         Account::kAvailable, request.net_cents());
    return;
  }
  std::int64_t early_cents = fact.early_cents();
  for (Posting posting : Postings(original)) {
    // A hold that a payment used up does not come back: its CP are available again.
    if (posting.account == Account::kHeld) {
      if (posting.fiscal_year != original.fiscal_year()) continue;
      posting.account = Account::kAvailable;
    } else if (posting.ledger == Ledger::kCp && posting.fiscal_year != original.fiscal_year()) {
      continue;  // the other leg of a hold of an earlier year
    }
    posting.fiscal_year = event.fiscal_year();
    posting.cents = -posting.cents;
    // In a closed year frozen credits have lapsed like the others.
    const bool from_pool = posting.account == Account::kAvailable ||
                           posting.account == Account::kLapsed ||
                           posting.account == Account::kEarly ||
                           (posting.account == Account::kFrozen && event.has_late_entry());
    if (!from_pool) {
      list.push_back(posting);
      continue;
    }
    if (posting.ledger == Ledger::kAe && early_cents > 0 && posting.cents > 0) {
      Posting early = posting;
      early.account = Account::kEarly;
      early.cents = std::min(early_cents, posting.cents);
      early_cents -= early.cents;
      posting.cents -= early.cents;
      list.push_back(early);
    }
    posting.account = PoolOf(event);
    if (posting.cents != 0) list.push_back(posting);
  }
}

}  // namespace

std::string_view Name(Ledger ledger) {
  switch (ledger) {
    case Ledger::kAe:
      return "AE";
    case Ledger::kCp:
      return "CP";
    case Ledger::kOutstanding:
      return "OUTSTANDING";
  }
  return "";
}

std::string_view Name(Account account) {
  static constexpr std::array<std::string_view, kAccounts> kNames = {"source",
                                                                     "imported",
                                                                     "carried_in",
                                                                     "transferred",
                                                                     "early",
                                                                     "available",
                                                                     "frozen",
                                                                     "carryover_requested",
                                                                     "carryover_granted",
                                                                     "carried_out",
                                                                     "engaged",
                                                                     "held",
                                                                     "paid",
                                                                     "withdrawn",
                                                                     "withdrawn_prior",
                                                                     "unavailable",
                                                                     "reimputed",
                                                                     "cancelled",
                                                                     "lapsed",
                                                                     "outstanding",
                                                                     "corrected"};
  return kNames[static_cast<std::size_t>(account)];
}

void Post(const MovedAmount& amount, PostingList& list) {
  Place at{amount.envelope_id, amount.fiscal_year, Ledger::kAe, amount.fiscal_year,
           amount.product_id};
  switch (amount.kind) {
    case MovedAmount::Kind::kEngaged:
    case MovedAmount::Kind::kEngagedEarly: {
      const bool early = amount.kind == MovedAmount::Kind::kEngagedEarly;
      Move(list, at, early ? Account::kEarly : PoolOf(amount.late), Account::kEngaged,
           amount.cents);
      at.ledger = Ledger::kOutstanding;
      Move(list, at, Account::kEngaged, Account::kOutstanding, amount.cents);
      break;
    }
    case MovedAmount::Kind::kRequested:
      Move(list, {amount.paying_envelope_id, amount.fiscal_year, Ledger::kCp}, PoolOf(amount.late),
           Account::kHeld, amount.cents);
      break;
    case MovedAmount::Kind::kPaid:
      at.envelope_id = amount.paying_envelope_id;
      at.ledger = Ledger::kCp;
      at.origin_year = amount.origin_year;
      PostConsumedCp(list, at, PoolOf(amount.late), amount.hold_year, amount.cents);
      at.envelope_id = amount.envelope_id;
      at.ledger = Ledger::kOutstanding;
      Move(list, at, Account::kOutstanding, Account::kPaid, amount.cents);
      break;
  }
}

PostingList Postings(const Event& event) {
  PostingList list;
  const int year = event.fiscal_year();
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
    case Event::kServiceCertified:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRequisitioned:
      break;
    case Event::kCreditsAllocated: {
      const auto& fact = event.credits_allocated();
      const std::int64_t covering = fact.ae_covering_early_cents();
      Move(list, {fact.envelope_id(), year, Ledger::kAe}, Account::kSource, Account::kEarly,
           covering);
      MoveBoth(list, fact.envelope_id(), year, Account::kSource, PoolOf(event),
               fact.ae_cents() - covering, fact.cp_cents());
      break;
    }
    case Event::kCreditsDeallocated: {
      const auto& fact = event.credits_deallocated();
      MoveBoth(list, fact.envelope_id(), year, PoolOf(event), Account::kSource, fact.ae_cents(),
               fact.cp_cents());
      break;
    }
    case Event::kCreditsFrozen: {
      const auto& fact = event.credits_frozen();
      MoveBoth(list, fact.envelope_id(), year, PoolOf(event), Account::kFrozen, fact.ae_cents(),
               fact.cp_cents());
      break;
    }
    case Event::kCreditsReleased: {
      const auto& fact = event.credits_released();
      MoveBoth(list, fact.envelope_id(), year, Account::kFrozen, PoolOf(event), fact.ae_cents(),
               fact.cp_cents());
      break;
    }
    case Event::kCreditsCancelled: {
      const auto& fact = event.credits_cancelled();
      MoveBoth(list, fact.envelope_id(), year, Account::kFrozen, Account::kCancelled,
               fact.ae_from_frozen_cents(), fact.cp_from_frozen_cents());
      MoveBoth(list, fact.envelope_id(), year, PoolOf(event), Account::kCancelled,
               fact.ae_from_available_cents(), fact.cp_from_available_cents());
      break;
    }
    case Event::kCreditsTransferred: {
      const auto& fact = event.credits_transferred();
      MoveBoth(list, fact.from_envelope_id(), year, PoolOf(event), Account::kTransferred,
               fact.ae_cents(), fact.cp_cents());
      MoveBoth(list, fact.to_envelope_id(), year, Account::kTransferred, PoolOf(event),
               fact.ae_cents(), fact.cp_cents());
      break;
    }
    case Event::kOpeningImported:
      PostOpening(list, event.opening_imported());
      break;
    case Event::kOpeningCorrected: {
      const auto& fact = event.opening_corrected();
      Move(list,
           {fact.envelope_id(), year, Ledger::kOutstanding, fact.origin_year(), fact.product_id()},
           Account::kCorrected, Account::kOutstanding, fact.change_cents());
      break;
    }
    case Event::kPlanImported:
      PostPlan(list, event.plan_imported());
      break;
    case Event::kCarryoverRequested: {
      const auto& fact = event.carryover_requested();
      Move(list, {fact.envelope_id(), fact.from_year(), LedgerOf(fact.kind())}, PoolOf(event),
           Account::kCarryoverRequested, fact.amount_cents());
      break;
    }
    case Event::kCarryoverGranted: {
      const auto& fact = event.carryover_granted();
      const Place at{fact.envelope_id(), fact.from_year(), LedgerOf(fact.kind())};
      Move(list, at, Account::kCarryoverRequested, Account::kCarryoverGranted,
           fact.granted_cents());
      Move(list, at, Account::kCarryoverRequested, Account::kLapsed, fact.lapsed_cents());
      break;
    }
    case Event::kCarryoverRefused: {
      const auto& fact = event.carryover_refused();
      Move(list, {fact.envelope_id(), fact.from_year(), LedgerOf(fact.kind())},
           Account::kCarryoverRequested, Account::kLapsed, fact.lapsed_cents());
      break;
    }
    case Event::kCarryoverMadeAvailable: {
      const auto& fact = event.carryover_made_available();
      Place at{fact.envelope_id(), fact.from_year(), LedgerOf(fact.kind())};
      Move(list, at, Account::kCarryoverGranted, Account::kCarriedOut, fact.amount_cents());
      at.fiscal_year = fact.from_year() + 1;
      Move(list, at, Account::kCarriedIn, PoolOf(event), fact.amount_cents());
      break;
    }
    case Event::kYearClosed:
      for (const auto& line : event.year_closed().lines()) PostClosing(list, year, line);
      break;
    case Event::kYearReopened:
      for (const auto& line : event.year_reopened().lines()) {
        MoveBoth(list, line.envelope_id(), year, Account::kLapsed, Account::kAvailable,
                 line.ae_available_cents(), line.cp_available_cents());
      }
      break;
    case Event::kEngaged: {
      const auto& fact = event.engaged();
      for (const auto& line : fact.lines()) {
        Post({.kind = fact.early() ? MovedAmount::Kind::kEngagedEarly : MovedAmount::Kind::kEngaged,
              .late = event.has_late_entry(),
              .fiscal_year = year,
              .envelope_id = fact.envelope_id(),
              .product_id = line.product_id(),
              .cents = line.amount_cents()},
             list);
      }
      break;
    }
    case Event::kWithdrawn:
      PostWithdrawn(list, event, event.withdrawn());
      break;
    case Event::kPaymentRequested: {
      const auto& fact = event.payment_requested();
      Post({.kind = MovedAmount::Kind::kRequested,
            .late = event.has_late_entry(),
            .fiscal_year = year,
            .paying_envelope_id = fact.paying_envelope_id(),
            .cents = fact.net_cents()},
           list);
      break;
    }
    case Event::kPaid: {
      const auto& fact = event.paid();
      Post({.kind = MovedAmount::Kind::kPaid,
            .late = event.has_late_entry(),
            .fiscal_year = year,
            .origin_year = fact.origin_year(),
            .hold_year = fact.hold_year(),
            .envelope_id = fact.line_envelope_id(),
            .paying_envelope_id = fact.paying_envelope_id(),
            .product_id = fact.product_id(),
            .cents = fact.net_cents()},
           list);
      break;
    }
    case Event::kPaidWithoutCommitment:
      PostPaidWithoutCommitment(list, event, event.paid_without_commitment());
      break;
    case Event::kPaymentRejected: {
      const auto& fact = event.payment_rejected();
      if (fact.hold_year() != 0) {
        Move(list, {fact.paying_envelope_id(), fact.hold_year(), Ledger::kCp}, Account::kHeld,
             Account::kAvailable, fact.net_cents());
      }
      break;
    }
    case Event::kReinstated:
      PostReinstated(list, event, event.reinstated());
      break;
    case Event::kReimputed:
      PostReimputed(list, event, event.reimputed());
      break;
    case Event::kReversed:
      PostReversed(list, event, event.reversed());
      break;
    case Event::FACT_NOT_SET:
      break;
  }
  return list;
}

}  // namespace denier::projections
