#include "tests/simulation/oracle.h"

#include <algorithm>

#include "services/rules/decide.h"

namespace denier::simulation {
namespace {

using events::v1::CreditKind;
using v1::Command;

constexpr Kind kBoth[] = {Kind::kAe, Kind::kCp};

Kind KindOf(CreditKind kind) { return kind == events::v1::CREDIT_KIND_AE ? Kind::kAe : Kind::kCp; }

v1::ErrorReason Exceeded(Kind kind) {
  return kind == Kind::kAe ? v1::ERROR_REASON_AE_EXCEEDED : v1::ERROR_REASON_CP_EXCEEDED;
}

bool IsDelivered(events::v1::PaymentType type) {
  return type == events::v1::PAYMENT_TYPE_SERVICE || type == events::v1::PAYMENT_TYPE_INSTALMENT;
}

bool IsWaiting(const Payment& payment) {
  return payment.state == v1::PAYMENT_STATE_REQUESTED ||
         payment.state == v1::PAYMENT_STATE_SUSPENDED ||
         payment.state == v1::PAYMENT_STATE_REQUISITIONED;
}

// Whether what was recovered or released meanwhile still stands without this request.
bool StandsWithout(const Line& line, const Payment& payment) {
  if (payment.type == events::v1::PAYMENT_TYPE_ADVANCE) return line.advance_open >= payment.gross;
  return line.retained_open >= payment.retained;
}

}  // namespace

// ------------------------------------------------------------------------------ What is shared

const std::string& Oracle::ManagerOf(const std::string& envelope, int day) const {
  static const std::string kDelegating = "DJEPVA";
  if (taken_over_day != 0 && day >= taken_over_day) return kDelegating;
  return envelopes.at(envelope).body;
}

void Oracle::CheckSpan(Span span) {
  const int year_of_day = now_.day / 10000;
  const int year = now_.year;
  bool fits = year == year_of_day;
  const bool found_late = now_.late && year < year_of_day;
  switch (span) {
    case Span::kOpenYear:
      break;
    case Span::kYearOfDay:
      fits = fits || found_late;
      break;
    case Span::kOrNext:
      fits = fits || found_late || year == year_of_day + 1;
      break;
    case Span::kOrBefore:
      fits = fits || found_late || year == year_of_day - 1;
      break;
    case Span::kRegularisation:  // until 31 January
      fits = fits || found_late || (year == year_of_day - 1 && now_.day % 10000 <= 131);
      break;
    case Span::kBegun:
      fits = fits || year < year_of_day;
      break;
  }
  Require(fits, v1::ERROR_REASON_WRONG_YEAR);
  const bool closed = years.contains(year) && years[year].closed;
  Require(!closed || now_.late, v1::ERROR_REASON_YEAR_CLOSED);
  Require(!closed || span != Span::kOpenYear, v1::ERROR_REASON_YEAR_CLOSED);
  Require(closed || !now_.late, v1::ERROR_REASON_INVALID_FIELD);
}

// After its end the delegate commits nothing more, and settles where the agreement says so.
void Oracle::CheckMandate(const Command& command, const std::string& body) {
  if (body != "DINUM" || now_.day <= mandate_until) return;
  Require(!command.has_engage() && delegate_settles, v1::ERROR_REASON_MANDATE_EXPIRED);
}

// Nothing may be taken that is not there.
void Oracle::CheckPots() {
  std::map<std::pair<int, Kind>, std::int64_t> allocated;
  for (const auto& [key, pot] : pots) {
    const auto& [envelope, year, kind] = key;
    Require(pot.available() >= 0 && pot.lapsed >= 0 && pot.held >= 0 &&
                pot.carryover_requested >= 0 && pot.carryover_granted >= 0,
            Exceeded(kind));
    Require(pot.frozen >= 0, v1::ERROR_REASON_FROZEN_EXCEEDED);
    allocated[{year, kind}] += pot.allocated;
  }
  for (const auto& [key, cents] : allocated) {
    if (cents <= 0) continue;
    if (!Require(ceilings.contains(key), v1::ERROR_REASON_CEILING_MISSING)) continue;
    Require(cents <= ceilings[key], v1::ERROR_REASON_CEILING_EXCEEDED);
  }
}

void Oracle::Use(const std::string& envelope, int year, Kind kind, std::int64_t cents) {
  Pot& pot = PotOf(envelope, year, kind);
  pot.consumed += cents;
  if (now_.late) pot.lapsed -= cents;
}

Line* Oracle::FindLine(const std::string& commitment, const std::string& line) {
  const auto it = lines.find({commitment, line});
  if (it != lines.end() && !it->second.reversed) return &it->second;
  Require(false, v1::ERROR_REASON_UNKNOWN_LINE);
  now_.broken.insert(v1::ERROR_REASON_UNKNOWN_COMMITMENT);
  return nullptr;
}

Payment* Oracle::FindPayment(const std::string& payment) {
  const auto it = payments.find(payment);
  if (it != payments.end()) return &it->second;
  Require(false, v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST);
  return nullptr;
}

// What a request (sign 1) asks of its line, or (-1) no longer does.
void Oracle::Bill(Line& line, const Payment& payment, int sign) {
  if (IsDelivered(payment.type)) {
    line.billed += sign * payment.gross;
    line.advance_open -= sign * payment.recovered;
    line.retained_open += sign * payment.retained;
  } else if (payment.type == events::v1::PAYMENT_TYPE_ADVANCE) {
    line.advance_open += sign * payment.gross;
  } else if (payment.type == events::v1::PAYMENT_TYPE_RETENTION_RELEASE) {
    line.retained_open -= sign * payment.gross;
  }
}

void Oracle::ReleaseHold(Payment& payment) {
  if (payment.hold_year != 0) {
    PotOf(payment.envelope, payment.hold_year, Kind::kCp).held -= payment.net;
  }
  payment.hold_year = 0;
}

// CP are consumed in the year in which the accountant pays.
void Oracle::ConsumeCp(Payment& payment) {
  ReleaseHold(payment);
  Use(payment.envelope, now_.year, Kind::kCp, payment.net);
  payment.state = v1::PAYMENT_STATE_PAID;
  payment.paid_year = now_.year;
}

// ------------------------------------------------------------------------------ Credits

// Credits reach the envelope (or leave it), from outside all envelopes where `allocated`.
void Oracle::MoveCredits(const std::string& envelope, Kind kind, std::int64_t cents,
                         bool allocated) {
  Pot& pot = PotOf(envelope, now_.year, kind);
  pot.opened += cents;
  if (allocated) pot.allocated += cents;
  if (now_.late) pot.lapsed += cents;
}

void Oracle::EnterGrant(const v1::GrantCarryoverRequest& request) {
  CheckSpan(Span::kYearOfDay);
  if (!Require(carryovers.contains(request.carryover_id()), v1::ERROR_REASON_UNKNOWN_CARRYOVER)) {
    return;
  }
  Carryover& carryover = carryovers[request.carryover_id()];
  Require(carryover.state == v1::CARRYOVER_STATE_REQUESTED, v1::ERROR_REASON_CARRYOVER_STATE);
  Require(now_.year == carryover.from_year + 1, v1::ERROR_REASON_WRONG_YEAR);
  Require(request.amount_cents() <= carryover.requested, v1::ERROR_REASON_CARRYOVER_EXCEEDED);
  const bool limited = !carryover.assigned_receipts && request.derogation_reference().empty();
  if (limited) {
    // LOLF art. 15: by 31 March, 3 % of the programme's CP; since the credits of 2022 by 15 March.
    const bool reformed = carryover.from_year >= 2022;
    Require(now_.day <= (carryover.from_year + 1) * 10000 + (reformed ? 315 : 331),
            v1::ERROR_REASON_CARRYOVER_TOO_LATE);
    if (carryover.kind == Kind::kCp && !reformed) {
      const Year& year = years[carryover.from_year];
      Require(year.programme_credits != 0, v1::ERROR_REASON_PROGRAMME_CREDITS_MISSING);
      Require(year.carried_under_cap + request.amount_cents() <= year.programme_credits * 30 / 1000,
              v1::ERROR_REASON_CARRYOVER_CAP_EXCEEDED);
    }
    if (carryover.kind == Kind::kCp) {
      years[carryover.from_year].carried_under_cap += request.amount_cents();
    }
  }
  carryover.state = v1::CARRYOVER_STATE_GRANTED;
  carryover.granted = request.amount_cents();
  Pot& pot = PotOf(carryover.envelope, carryover.from_year, carryover.kind);
  pot.carryover_requested -= carryover.requested;
  pot.carryover_granted += carryover.granted;
  pot.lapsed += carryover.requested - carryover.granted;
}

void Oracle::EnterClose() {
  CheckSpan(Span::kBegun);
  Require(now_.day >= now_.year * 10000 + 1231, v1::ERROR_REASON_CLOSING_ORDER);
  for (const auto& [number, year] : years) {
    Require(number >= now_.year || year.closed, v1::ERROR_REASON_CLOSING_ORDER);
  }
  years[now_.year].closed = true;
  for (auto& [envelope, ignored] : envelopes) {
    for (Kind kind : kBoth) {
      Pot& pot = PotOf(envelope, now_.year, kind);
      Require(pot.early == 0, v1::ERROR_REASON_CLOSING_ORDER);
      pot.lapsed_at_closing = pot.available() + pot.frozen + pot.held;
      pot.frozen = 0;
      pot.held = 0;
      pot.lapsed += pot.lapsed_at_closing;
    }
  }
  for (auto& [id, payment] : payments) {
    if (payment.hold_year == now_.year) payment.hold_year = 0;
  }
}

void Oracle::EnterReopen() {
  Require(now_.year <= now_.day / 10000, v1::ERROR_REASON_WRONG_YEAR);
  Require(years[now_.year].closed, v1::ERROR_REASON_CLOSING_ORDER);
  for (const auto& [number, year] : years) {
    Require(number <= now_.year || !year.closed, v1::ERROR_REASON_CLOSING_ORDER);
  }
  years[now_.year].closed = false;
  for (auto& [envelope, ignored] : envelopes) {
    for (Kind kind : kBoth) {
      Pot& pot = PotOf(envelope, now_.year, kind);
      pot.lapsed -= std::min(pot.lapsed, pot.lapsed_at_closing);
      pot.lapsed_at_closing = 0;
    }
  }
}

// ------------------------------------------------------------------------------ Commitments

void Oracle::EnterImport(const v1::ImportOpeningRequest& request) {
  CheckSpan(Span::kYearOfDay);
  Require(envelopes.contains(request.envelope_id()), v1::ERROR_REASON_UNKNOWN_ENVELOPE);
  const auto taken = lines.lower_bound({request.commitment_id(), ""});
  Require(taken == lines.end() || taken->first.first != request.commitment_id(),
          v1::ERROR_REASON_IDENTIFIER_TAKEN);
  for (const auto& opening : request.lines()) {
    Require(opening.origin_year() < now_.year, v1::ERROR_REASON_INVALID_FIELD);
    Require(!years[opening.origin_year()].closed, v1::ERROR_REASON_YEAR_CLOSED);
    Require(opening.product_id().empty() || products.contains(opening.product_id()),
            v1::ERROR_REASON_UNKNOWN_PRODUCT);
    Line line;
    line.envelope = request.envelope_id();
    line.product = opening.product_id();
    line.origin_year = opening.origin_year();
    line.engaged = opening.engaged_cents();
    line.withdrawn = opening.withdrawn_cents();
    line.certified = opening.certified_cents();
    line.imported = true;
    for (const auto& made : opening.payments()) {
      const int paid_year = made.paid_date() / 10000;
      Require(made.paid_date() <= now_.day && paid_year >= opening.origin_year(),
              v1::ERROR_REASON_INVALID_FIELD);
      Require(!years[paid_year].closed, v1::ERROR_REASON_YEAR_CLOSED);
      Require(!payments.contains(made.payment_id()), v1::ERROR_REASON_IDENTIFIER_TAKEN);
      line.paid += made.amount_cents();
      Payment& payment = payments[made.payment_id()];
      payment.state = v1::PAYMENT_STATE_IMPORTED;
      payment.type = events::v1::PAYMENT_TYPE_SERVICE;
      payment.commitment = request.commitment_id();
      payment.line = opening.line_id();
      payment.envelope = request.envelope_id();
      payment.net = payment.gross = made.amount_cents();
    }
    line.billed = line.paid;
    Require(line.certified <= line.owed() && line.paid <= line.certified,
            v1::ERROR_REASON_INVALID_FIELD);
    opening_outstanding += line.outstanding();
    opening_withdrawn += line.withdrawn;
    lines[{request.commitment_id(), opening.line_id()}] = line;
  }
}

void Oracle::EnterEngage(const v1::EngageRequest& request) {
  CheckSpan(Span::kOrNext);
  if (!Require(envelopes.contains(request.envelope_id()), v1::ERROR_REASON_UNKNOWN_ENVELOPE)) {
    return;
  }
  std::int64_t sum = 0;
  for (const auto& line : request.lines()) {
    Require(!lines.contains({request.commitment_id(), line.line_id()}),
            v1::ERROR_REASON_IDENTIFIER_TAKEN);
    Require(line.product_id().empty() || products.contains(line.product_id()),
            v1::ERROR_REASON_UNKNOWN_PRODUCT);
    Line& made = lines[{request.commitment_id(), line.line_id()}];
    made.envelope = request.envelope_id();
    made.product = line.product_id();
    made.origin_year = now_.year;
    made.engaged = line.amount_cents();
    sum += line.amount_cents();
  }
  Pot& pot = PotOf(request.envelope_id(), now_.year, Kind::kAe);
  const int current = now_.day / 10000;
  if (now_.year > current) {
    // From 1 November, a quarter of the year's credits at most, while the next year's are not open.
    const Pot& this_year = PotOf(request.envelope_id(), current, Kind::kAe);
    pot.early_so_far += sum;
    Require(now_.day % 10000 >= 1101, v1::ERROR_REASON_EARLY_COMMITMENT);
    Require(pot.allocated == 0, v1::ERROR_REASON_EARLY_COMMITMENT);
    Require(pot.early_so_far <= this_year.allocated / 4, v1::ERROR_REASON_EARLY_COMMITMENT);
    pot.early += sum;
    now_.entry->early = sum;
  }
  Use(request.envelope_id(), now_.year, Kind::kAe, sum);
}

void Oracle::EnterWithdraw(const v1::WithdrawRequest& request) {
  CheckSpan(Span::kRegularisation);
  Line* line = FindLine(request.commitment_id(), request.line_id());
  if (line == nullptr) return;
  Require(line->origin_year <= now_.year, v1::ERROR_REASON_WRONG_YEAR);
  const std::int64_t cents = request.amount_cents();
  Require(cents <= line->withdrawable(), v1::ERROR_REASON_REST_EXCEEDED);
  line->withdrawn += cents;
  now_.entry->line = *line;
  // An imported line consumed no AE here.
  if (line->origin_year == now_.year && !line->imported) {
    Pot& pot = PotOf(line->envelope, now_.year, Kind::kAe);
    now_.entry->early = std::min(pot.early, cents);
    now_.entry->freed = cents - now_.entry->early;
    pot.early -= now_.entry->early;
    pot.consumed -= now_.entry->early;
    Use(line->envelope, now_.year, Kind::kAe, -now_.entry->freed);
    return;
  }
  Year& year = years[now_.year];
  now_.entry->recycled = std::min(year.recycling_basis - year.recycling_used, cents);
  now_.entry->unavailable = cents - now_.entry->recycled;
  year.recycling_used += now_.entry->recycled;
  Use(line->envelope, now_.year, Kind::kAe, -now_.entry->recycled);
}

// ------------------------------------------------------------------------------ Payments

void Oracle::EnterRequest(const v1::RequestPaymentRequest& request) {
  CheckSpan(Span::kOpenYear);
  Require(!payments.contains(request.payment_request_id()), v1::ERROR_REASON_IDENTIFIER_TAKEN);
  if (!Require(envelopes.contains(request.paying_envelope_id()),
               v1::ERROR_REASON_UNKNOWN_ENVELOPE)) {
    return;
  }
  Payment payment;
  payment.state = v1::PAYMENT_STATE_REQUESTED;
  payment.type = request.type();
  payment.commitment = request.commitment_id();
  payment.line = request.line_id();
  payment.envelope = request.paying_envelope_id();
  payment.product = request.product_id();
  payment.gross = request.gross_cents();
  payment.recovered = request.recovered_cents();
  payment.retained = request.retained_cents();
  payment.net = request.net_cents();
  payment.hold_year = now_.year;
  Require(payment.net == payment.gross - payment.recovered - payment.retained,
          v1::ERROR_REASON_INVALID_FIELD);
  PotOf(payment.envelope, now_.year, Kind::kCp).held += payment.net;
  if (payment.type == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT) {
    Require(payment.product.empty() || products.contains(payment.product),
            v1::ERROR_REASON_UNKNOWN_PRODUCT);
  } else {
    Line* line = FindLine(payment.commitment, payment.line);
    if (line == nullptr) return;
    Require(envelopes[payment.envelope].payable_years.contains(line->origin_year),
            v1::ERROR_REASON_ORIGIN_NOT_PAYABLE);
    Require(payment.net <= line->rest(), v1::ERROR_REASON_REST_EXCEEDED);
    if (IsDelivered(payment.type)) {
      Require(payment.gross <= line->certified - line->billed,
              v1::ERROR_REASON_SERVICE_NOT_CERTIFIED);
      Require(payment.recovered <= line->advance_open, v1::ERROR_REASON_ADVANCE_EXCEEDED);
      Require(payment.retained <= payment.gross / 20, v1::ERROR_REASON_RETENTION_EXCEEDED);
    } else {
      Require(payment.net == payment.gross, v1::ERROR_REASON_INVALID_FIELD);
    }
    if (payment.type == events::v1::PAYMENT_TYPE_RETENTION_RELEASE) {
      Require(payment.gross <= line->retained_open, v1::ERROR_REASON_RETENTION_EXCEEDED);
    }
    payment.origin_year = line->origin_year;
    payment.product = line->product;
    line->requested += payment.net;
    Bill(*line, payment, 1);
  }
  payments[request.payment_request_id()] = payment;
}

void Oracle::EnterPay(const std::string& payment_request_id, bool without_commitment) {
  CheckSpan(Span::kYearOfDay);
  Require(now_.year == now_.day / 10000, v1::ERROR_REASON_WRONG_YEAR);
  Payment* payment = FindPayment(payment_request_id);
  if (payment == nullptr) return;
  Require(payment->state != v1::PAYMENT_STATE_SUSPENDED, v1::ERROR_REASON_PAYMENT_SUSPENDED);
  Require(IsWaiting(*payment), v1::ERROR_REASON_PAYMENT_STATE);
  if (!Require(without_commitment == (payment->type == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT),
               v1::ERROR_REASON_INVALID_FIELD)) {
    return;
  }
  ConsumeCp(*payment);
  if (without_commitment) {
    Use(payment->envelope, now_.year, Kind::kAe, payment->net);
  } else {
    Line* line = FindLine(payment->commitment, payment->line);
    if (line == nullptr) return;
    line->requested -= payment->net;
    line->paid += payment->net;
    payment->product = line->product;
    now_.entry->line = *line;
  }
  now_.entry->payment = *payment;
}

void Oracle::EnterReinstate(const v1::ReinstateRequest& request) {
  CheckSpan(Span::kYearOfDay);
  Require(now_.year == now_.day / 10000, v1::ERROR_REASON_WRONG_YEAR);
  Payment* payment = FindPayment(request.payment_request_id());
  if (payment == nullptr) return;
  const std::int64_t cents = request.amount_cents();
  const bool refundable = payment->state == v1::PAYMENT_STATE_PAID &&
                          now_.year >= payment->paid_year && now_.year <= payment->paid_year + 1 &&
                          cents <= payment->net - payment->reinstated;
  Require(refundable, v1::ERROR_REASON_NOT_REINSTATABLE);
  payment->reinstated += cents;
  std::string ae_envelope = payment->envelope;
  if (!payment->commitment.empty()) {
    Line* line = FindLine(payment->commitment, payment->line);
    if (line == nullptr) return;
    ae_envelope = line->envelope;
    line->engaged -= cents;
    line->paid -= cents;
    if (payment->type == events::v1::PAYMENT_TYPE_ADVANCE) {
      // What was delivered is due: it stays engaged.
      Require(cents <= line->advance_open && line->certified <= line->owed(),
              v1::ERROR_REASON_NOT_REINSTATABLE);
      line->advance_open -= cents;
    } else {
      line->certified -= cents;
      line->billed -= cents;
    }
    now_.entry->line = *line;
  }
  now_.entry->payment = *payment;
  Use(ae_envelope, now_.year, Kind::kAe, -cents);
  Use(payment->envelope, now_.year, Kind::kCp, -cents);
}

// ------------------------------------------------------------------------------ Corrections

void Oracle::EnterReimpute(const v1::ReimputeRequest& request) {
  CheckSpan(Span::kRegularisation);
  Entry& entry = *now_.entry;
  std::string from, from_product;
  int origin_year = 0;
  Kind kind = Kind::kAe;
  Line* line = nullptr;
  Payment* payment = nullptr;
  if (request.payment_request_id().empty()) {
    line = FindLine(request.commitment_id(), request.line_id());
    if (line == nullptr) return;
    from = line->envelope;
    from_product = line->product;
    origin_year = line->origin_year;
    entry.line = *line;
    entry.consumed = line->engaged - line->withdrawn;
    entry.outstanding = line->outstanding();
    entry.moves_available = line->origin_year == now_.year && !line->imported;
    Require(line->origin_year <= now_.year, v1::ERROR_REASON_NOT_REIMPUTABLE);
  } else {
    payment = FindPayment(request.payment_request_id());
    if (payment == nullptr) return;
    kind = Kind::kCp;
    from = payment->envelope;
    from_product = payment->product;
    origin_year = payment->origin_year;
    entry.payment = *payment;
    entry.consumed = payment->net - payment->reinstated;
    entry.moves_available = payment->paid_year == now_.year;
    Require(payment->state == v1::PAYMENT_STATE_PAID &&
                payment->type != events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT,
            v1::ERROR_REASON_NOT_REIMPUTABLE);
  }
  const std::string to = request.to_envelope_id().empty() ? from : request.to_envelope_id();
  const std::string to_product =
      request.to_product_id().empty() ? from_product : request.to_product_id();
  Require(to != from || to_product != from_product, v1::ERROR_REASON_NOT_REIMPUTABLE);
  if (!Require(envelopes.contains(to), v1::ERROR_REASON_UNKNOWN_ENVELOPE)) return;
  Require(to_product.empty() || products.contains(to_product), v1::ERROR_REASON_UNKNOWN_PRODUCT);
  Require(payment == nullptr || envelopes[to].payable_years.contains(origin_year),
          v1::ERROR_REASON_ORIGIN_NOT_PAYABLE);
  // What was engaged early is not covered yet: it cannot be given back.
  Require(!entry.moves_available || kind == Kind::kCp || from == to ||
              PotOf(from, now_.year, kind).early == 0,
          v1::ERROR_REASON_NOT_REIMPUTABLE);
  if (entry.moves_available) {
    Use(from, now_.year, kind, -entry.consumed);
    Use(to, now_.year, kind, entry.consumed);
  }
  if (line != nullptr) {
    line->envelope = to;
    line->product = to_product;
  } else {
    payment->envelope = to;
    payment->product = to_product;
  }
}

void Oracle::EnterReverse(const v1::ReverseRequest& request) {
  CheckSpan(Span::kRegularisation);
  const std::int64_t position = request.reversed_position();
  if (!Require(entries.contains(position), v1::ERROR_REASON_UNKNOWN_POSITION)) return;
  const Entry& undone = *entries[position];
  const auto possible = [this](bool holds) {
    return Require(holds, v1::ERROR_REASON_NOT_REVERSIBLE);
  };
  possible(reversed.insert(position).second);
  const bool any_year = undone.command.has_pay() || undone.command.has_request_payment() ||
                        undone.command.has_certify_service();
  possible(any_year ? now_.year >= undone.year : now_.year == undone.year);

  switch (undone.command.command_case()) {
    case Command::kAllocate:
    case Command::kDeallocate: {
      const bool was_allocated = undone.command.has_allocate();
      const auto& allocated = undone.command.allocate();
      const auto& taken = undone.command.deallocate();
      const std::string& envelope = was_allocated ? allocated.envelope_id() : taken.envelope_id();
      MoveCredits(envelope, Kind::kAe, was_allocated ? -allocated.ae_cents() : taken.ae_cents(),
                  true);
      MoveCredits(envelope, Kind::kCp, was_allocated ? -allocated.cp_cents() : taken.cp_cents(),
                  true);
      break;
    }
    case Command::kFreeze:
    case Command::kRelease: {
      const bool froze = undone.command.has_freeze();
      const auto& frozen = undone.command.freeze();
      const auto& released = undone.command.release();
      const std::string& envelope = froze ? frozen.envelope_id() : released.envelope_id();
      const std::int64_t ae = froze ? -frozen.ae_cents() : released.ae_cents();
      const std::int64_t cp = froze ? -frozen.cp_cents() : released.cp_cents();
      PotOf(envelope, now_.year, Kind::kAe).frozen += ae;
      PotOf(envelope, now_.year, Kind::kCp).frozen += cp;
      possible(!now_.late);  // a closed year has nothing frozen
      break;
    }
    case Command::kCancel: {
      const auto& cancelled = undone.command.cancel();
      Pot& ae = PotOf(cancelled.envelope_id(), now_.year, Kind::kAe);
      Pot& cp = PotOf(cancelled.envelope_id(), now_.year, Kind::kCp);
      ae.opened += cancelled.ae_cents();
      cp.opened += cancelled.cp_cents();
      if (now_.late) {
        // All of it is free of reserve in a closed year, and so lapses.
        ae.lapsed += cancelled.ae_cents();
        cp.lapsed += cancelled.cp_cents();
      } else {
        ae.frozen += undone.ae_from_frozen;
        cp.frozen += undone.cp_from_frozen;
      }
      break;
    }
    case Command::kTransfer: {
      const auto& moved = undone.command.transfer();
      MoveCredits(moved.from_envelope_id(), Kind::kAe, moved.ae_cents(), false);
      MoveCredits(moved.from_envelope_id(), Kind::kCp, moved.cp_cents(), false);
      MoveCredits(moved.to_envelope_id(), Kind::kAe, -moved.ae_cents(), false);
      MoveCredits(moved.to_envelope_id(), Kind::kCp, -moved.cp_cents(), false);
      break;
    }
    case Command::kRequestCarryover: {
      const auto& asked = undone.command.request_carryover();
      Carryover& carryover = carryovers[asked.carryover_id()];
      possible(carryover.state == v1::CARRYOVER_STATE_REQUESTED);
      carryover.state = v1::CARRYOVER_STATE_REVERSED;
      Pot& pot = PotOf(carryover.envelope, carryover.from_year, carryover.kind);
      pot.carryover_requested -= carryover.requested;
      if (now_.late) pot.lapsed += carryover.requested;
      break;
    }
    case Command::kEngage: {
      const auto& engaged = undone.command.engage();
      std::int64_t sum = 0;
      for (const auto& made : engaged.lines()) {
        Line* line = FindLine(engaged.commitment_id(), made.line_id());
        if (line == nullptr) return;
        possible(line->engaged == made.amount_cents() && line->withdrawn == 0 &&
                 line->corrected == 0 && line->certified == 0 && line->requested == 0 &&
                 line->paid == 0 && line->advance_open == 0 &&
                 line->envelope == engaged.envelope_id() && line->product == made.product_id());
        line->engaged -= made.amount_cents();
        line->reversed = true;
        sum += made.amount_cents();
      }
      Pot& pot = PotOf(engaged.envelope_id(), now_.year, Kind::kAe);
      if (undone.early != 0) pot.early_so_far -= sum;
      const std::int64_t early = std::min(pot.early, sum);
      pot.early -= early;
      pot.consumed -= early;
      Use(engaged.envelope_id(), now_.year, Kind::kAe, -(sum - early));
      break;
    }
    case Command::kWithdraw: {
      const auto& given_up = undone.command.withdraw();
      Line* line = FindLine(given_up.commitment_id(), given_up.line_id());
      if (line == nullptr) return;
      possible(line->envelope == undone.line.envelope && line->product == undone.line.product);
      line->withdrawn -= given_up.amount_cents();
      years[now_.year].recycling_used -= undone.recycled;
      Use(line->envelope, now_.year, Kind::kAe, undone.freed + undone.early + undone.recycled);
      break;
    }
    case Command::kCertifyService: {
      const auto& certified = undone.command.certify_service();
      Line* line = FindLine(certified.commitment_id(), certified.line_id());
      if (line == nullptr) return;
      possible(line->certified - line->billed >= certified.amount_cents());
      line->certified -= certified.amount_cents();
      break;
    }
    case Command::kRequestPayment: {
      Payment* payment = FindPayment(undone.command.request_payment().payment_request_id());
      if (payment == nullptr || !possible(IsWaiting(*payment))) return;
      if (!payment->commitment.empty()) {
        Line* line = FindLine(payment->commitment, payment->line);
        if (line == nullptr) return;
        possible(StandsWithout(*line, *payment));
        line->requested -= payment->net;
        Bill(*line, *payment, -1);
      }
      ReleaseHold(*payment);
      payment->state = v1::PAYMENT_STATE_REVERSED;
      break;
    }
    case Command::kPay: {
      Payment* payment = FindPayment(undone.command.pay().payment_request_id());
      if (payment == nullptr) return;
      possible(payment->state == v1::PAYMENT_STATE_PAID && payment->reinstated == 0 &&
               payment->envelope == undone.payment.envelope &&
               payment->product == undone.payment.product);
      Line* line = FindLine(payment->commitment, payment->line);
      if (line == nullptr) return;
      possible(line->envelope == undone.line.envelope && line->product == undone.line.product &&
               StandsWithout(*line, *payment));
      line->paid -= payment->net;
      Bill(*line, *payment, -1);
      Use(payment->envelope, now_.year, Kind::kCp, -payment->net);
      payment->state = v1::PAYMENT_STATE_REVERSED;
      break;
    }
    case Command::kPayWithoutCommitment: {
      Payment* payment = FindPayment(undone.command.pay_without_commitment().payment_request_id());
      if (payment == nullptr) return;
      possible(payment->state == v1::PAYMENT_STATE_PAID && payment->reinstated == 0);
      Use(payment->envelope, now_.year, Kind::kAe, -payment->net);
      Use(payment->envelope, now_.year, Kind::kCp, -payment->net);
      payment->state = v1::PAYMENT_STATE_REVERSED;
      break;
    }
    case Command::kReinstate: {
      const auto& refund = undone.command.reinstate();
      const std::int64_t cents = refund.amount_cents();
      Payment* payment = FindPayment(refund.payment_request_id());
      if (payment == nullptr) return;
      payment->reinstated -= cents;
      std::string ae_envelope = payment->envelope;
      if (!payment->commitment.empty()) {
        Line* line = FindLine(payment->commitment, payment->line);
        if (line == nullptr) return;
        ae_envelope = undone.line.envelope;
        line->engaged += cents;
        line->paid += cents;
        if (payment->type == events::v1::PAYMENT_TYPE_ADVANCE) {
          line->advance_open += cents;
        } else {
          line->certified += cents;
          line->billed += cents;
        }
      }
      Use(ae_envelope, now_.year, Kind::kAe, cents);
      Use(undone.payment.envelope, now_.year, Kind::kCp, cents);
      break;
    }
    case Command::kReimpute: {
      const auto& moved = undone.command.reimpute();
      Kind kind = Kind::kAe;
      std::string from, to;
      if (moved.payment_request_id().empty()) {
        Line* line = FindLine(moved.commitment_id(), moved.line_id());
        if (line == nullptr) return;
        from = undone.line.envelope;
        to = moved.to_envelope_id().empty() ? from : moved.to_envelope_id();
        const std::string product =
            moved.to_product_id().empty() ? undone.line.product : moved.to_product_id();
        possible(line->envelope == to && line->product == product &&
                 line->outstanding() == undone.outstanding &&
                 line->engaged - line->withdrawn == undone.consumed);
        line->envelope = from;
        line->product = undone.line.product;
      } else {
        kind = Kind::kCp;
        Payment* payment = FindPayment(moved.payment_request_id());
        if (payment == nullptr) return;
        from = undone.payment.envelope;
        to = moved.to_envelope_id().empty() ? from : moved.to_envelope_id();
        const std::string product =
            moved.to_product_id().empty() ? undone.payment.product : moved.to_product_id();
        possible(payment->state == v1::PAYMENT_STATE_PAID && payment->envelope == to &&
                 payment->product == product &&
                 payment->net - payment->reinstated == undone.consumed);
        payment->envelope = from;
        payment->product = undone.payment.product;
      }
      possible(!undone.moves_available || kind == Kind::kCp || from == to ||
               PotOf(to, now_.year, kind).early == 0);
      if (undone.moves_available) {
        Use(from, now_.year, kind, undone.consumed);
        Use(to, now_.year, kind, -undone.consumed);
      }
      break;
    }
    default:
      possible(false);
  }
}

// ------------------------------------------------------------------------------ All commands

void Oracle::Dispatch(const Command& command) {
  switch (command.command_case()) {
    case Command::kCreateAgreement: {
      const auto& request = command.create_agreement();
      mandate_until = request.term().valid_until();
      delegate_settles = request.after_term() != events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER;
      acts.insert(request.header().agreement_id());
      for (const auto& ceiling : request.ceilings()) {
        ceilings[{ceiling.fiscal_year(), Kind::kAe}] = ceiling.ae_cents();
        ceilings[{ceiling.fiscal_year(), Kind::kCp}] = ceiling.cp_cents();
      }
      for (const auto& product : request.products()) products.insert(product.product_id());
      break;
    }
    case Command::kAmendAgreement: {
      const auto& request = command.amend_agreement();
      CheckSpan(Span::kYearOfDay);
      Require(acts.insert(request.amendment_id()).second, v1::ERROR_REASON_IDENTIFIER_TAKEN);
      for (const auto& ceiling : request.ceilings()) {
        ceilings[{ceiling.fiscal_year(), Kind::kAe}] = ceiling.ae_cents();
        ceilings[{ceiling.fiscal_year(), Kind::kCp}] = ceiling.cp_cents();
      }
      break;
    }
    case Command::kRecordPublication:
      CheckSpan(Span::kYearOfDay);
      Require(acts.contains(command.record_publication().act_id()), v1::ERROR_REASON_UNKNOWN_ACT);
      break;
    case Command::kTakeOver:
      CheckSpan(Span::kYearOfDay);
      Require(!delegate_settles && now_.day > mandate_until && taken_over_day == 0,
              v1::ERROR_REASON_MANDATE_IN_FORCE);
      taken_over_day = now_.day;
      break;
    case Command::kCreateEnvelope: {
      const auto& request = command.create_envelope();
      CheckSpan(Span::kYearOfDay);
      Require(!envelopes.contains(request.envelope_id()), v1::ERROR_REASON_IDENTIFIER_TAKEN);
      envelopes[request.envelope_id()] = {
          request.managing_body_id(),
          {request.payable_origin_years().begin(), request.payable_origin_years().end()}};
      break;
    }
    case Command::kUpdateEnvelope: {
      const auto& request = command.update_envelope();
      CheckSpan(Span::kYearOfDay);
      if (!Require(envelopes.contains(request.envelope_id()), v1::ERROR_REASON_UNKNOWN_ENVELOPE)) {
        break;
      }
      envelopes[request.envelope_id()].payable_years = {request.payable_origin_years().begin(),
                                                        request.payable_origin_years().end()};
      break;
    }
    case Command::kRecordProgrammeCredits:
      Require(now_.year <= now_.day / 10000, v1::ERROR_REASON_WRONG_YEAR);
      years[now_.year].programme_credits = command.record_programme_credits().initial_cp_cents();
      break;
    case Command::kRecordRecyclingBasis:
      CheckSpan(Span::kYearOfDay);
      years[now_.year].recycling_basis += command.record_recycling_basis().amount_cents();
      break;
    case Command::kAllocate: {
      const auto& request = command.allocate();
      CheckSpan(Span::kYearOfDay);
      MoveCredits(request.envelope_id(), Kind::kAe, request.ae_cents(), true);
      MoveCredits(request.envelope_id(), Kind::kCp, request.cp_cents(), true);
      // What was engaged early takes the year's credits first.
      Pot& pot = PotOf(request.envelope_id(), now_.year, Kind::kAe);
      pot.early -= std::min(pot.early, request.ae_cents());
      break;
    }
    case Command::kDeallocate: {
      const auto& request = command.deallocate();
      CheckSpan(Span::kYearOfDay);
      MoveCredits(request.envelope_id(), Kind::kAe, -request.ae_cents(), true);
      MoveCredits(request.envelope_id(), Kind::kCp, -request.cp_cents(), true);
      break;
    }
    case Command::kFreeze:
      CheckSpan(Span::kOpenYear);
      PotOf(command.freeze().envelope_id(), now_.year, Kind::kAe).frozen +=
          command.freeze().ae_cents();
      PotOf(command.freeze().envelope_id(), now_.year, Kind::kCp).frozen +=
          command.freeze().cp_cents();
      break;
    case Command::kRelease:
      CheckSpan(Span::kOpenYear);
      PotOf(command.release().envelope_id(), now_.year, Kind::kAe).frozen -=
          command.release().ae_cents();
      PotOf(command.release().envelope_id(), now_.year, Kind::kCp).frozen -=
          command.release().cp_cents();
      break;
    case Command::kCancel: {
      const auto& request = command.cancel();
      CheckSpan(Span::kYearOfDay);
      for (Kind kind : kBoth) {
        const std::int64_t cents = kind == Kind::kAe ? request.ae_cents() : request.cp_cents();
        Pot& pot = PotOf(request.envelope_id(), now_.year, kind);
        const std::int64_t from_frozen = std::min(pot.frozen, cents);
        pot.frozen -= from_frozen;
        pot.opened -= cents;
        if (now_.late) pot.lapsed -= cents - from_frozen;
        (kind == Kind::kAe ? now_.entry->ae_from_frozen : now_.entry->cp_from_frozen) = from_frozen;
      }
      break;
    }
    case Command::kTransfer: {
      const auto& request = command.transfer();
      CheckSpan(Span::kOpenYear);
      Require(request.from_envelope_id() != request.to_envelope_id(),
              v1::ERROR_REASON_INVALID_FIELD);
      MoveCredits(request.from_envelope_id(), Kind::kAe, -request.ae_cents(), false);
      MoveCredits(request.from_envelope_id(), Kind::kCp, -request.cp_cents(), false);
      MoveCredits(request.to_envelope_id(), Kind::kAe, request.ae_cents(), false);
      MoveCredits(request.to_envelope_id(), Kind::kCp, request.cp_cents(), false);
      break;
    }
    case Command::kImportOpening:
      EnterImport(command.import_opening());
      break;
    case Command::kCorrectOpening: {
      const auto& request = command.correct_opening();
      CheckSpan(Span::kRegularisation);
      Line* line = FindLine(request.commitment_id(), request.line_id());
      if (line == nullptr) break;
      Require(line->origin_year < now_.year, v1::ERROR_REASON_NOT_CORRECTABLE);
      Require(-request.change_cents() <= line->withdrawable(), v1::ERROR_REASON_REST_EXCEEDED);
      line->corrected += request.change_cents();
      opening_outstanding += request.change_cents();
      break;
    }
    case Command::kImportPlan:
      CheckSpan(Span::kYearOfDay);
      for (const auto& line : command.import_plan().lines()) {
        years[line.fiscal_year()];
        PotOf(line.envelope_id(), line.fiscal_year(), Kind::kAe).planned = line.ae_cents();
        PotOf(line.envelope_id(), line.fiscal_year(), Kind::kCp).planned = line.cp_cents();
      }
      break;
    case Command::kRequestCarryover: {
      const auto& request = command.request_carryover();
      CheckSpan(Span::kOrBefore);
      Require(!carryovers.contains(request.carryover_id()), v1::ERROR_REASON_IDENTIFIER_TAKEN);
      Carryover& carryover = carryovers[request.carryover_id()];
      carryover.state = v1::CARRYOVER_STATE_REQUESTED;
      carryover.envelope = request.envelope_id();
      carryover.kind = KindOf(request.kind());
      carryover.from_year = now_.year;
      carryover.assigned_receipts = request.assigned_receipts();
      carryover.requested = request.amount_cents();
      Pot& pot = PotOf(carryover.envelope, now_.year, carryover.kind);
      pot.carryover_requested += carryover.requested;
      if (now_.late) pot.lapsed -= carryover.requested;
      break;
    }
    case Command::kGrantCarryover:
      EnterGrant(command.grant_carryover());
      break;
    case Command::kRefuseCarryover: {
      const auto& request = command.refuse_carryover();
      CheckSpan(Span::kYearOfDay);
      if (!Require(carryovers.contains(request.carryover_id()),
                   v1::ERROR_REASON_UNKNOWN_CARRYOVER)) {
        break;
      }
      Carryover& carryover = carryovers[request.carryover_id()];
      Require(carryover.state == v1::CARRYOVER_STATE_REQUESTED, v1::ERROR_REASON_CARRYOVER_STATE);
      Require(now_.year == carryover.from_year + 1, v1::ERROR_REASON_WRONG_YEAR);
      carryover.state = v1::CARRYOVER_STATE_REFUSED;
      Pot& pot = PotOf(carryover.envelope, carryover.from_year, carryover.kind);
      pot.carryover_requested -= carryover.requested;
      pot.lapsed += carryover.requested;
      break;
    }
    case Command::kMakeCarryoverAvailable: {
      const auto& request = command.make_carryover_available();
      CheckSpan(Span::kYearOfDay);
      if (!Require(carryovers.contains(request.carryover_id()),
                   v1::ERROR_REASON_UNKNOWN_CARRYOVER)) {
        break;
      }
      Carryover& carryover = carryovers[request.carryover_id()];
      Require(carryover.state == v1::CARRYOVER_STATE_GRANTED, v1::ERROR_REASON_CARRYOVER_STATE);
      Require(now_.year == carryover.from_year + 1, v1::ERROR_REASON_WRONG_YEAR);
      carryover.available += request.amount_cents();
      Require(carryover.available <= carryover.granted, v1::ERROR_REASON_CARRYOVER_EXCEEDED);
      if (carryover.available == carryover.granted) {
        carryover.state = v1::CARRYOVER_STATE_AVAILABLE;
      }
      Pot& pot = PotOf(carryover.envelope, carryover.from_year, carryover.kind);
      pot.carryover_granted -= request.amount_cents();
      pot.carried_out += request.amount_cents();
      MoveCredits(carryover.envelope, carryover.kind, request.amount_cents(), false);
      break;
    }
    case Command::kCloseYear:
      EnterClose();
      break;
    case Command::kReopenYear:
      EnterReopen();
      break;
    case Command::kEngage:
      EnterEngage(command.engage());
      break;
    case Command::kWithdraw:
      EnterWithdraw(command.withdraw());
      break;
    case Command::kCertifyService: {
      const auto& request = command.certify_service();
      CheckSpan(Span::kYearOfDay);
      Line* line = FindLine(request.commitment_id(), request.line_id());
      if (line == nullptr) break;
      line->certified += request.amount_cents();
      Require(line->certified <= line->owed(), v1::ERROR_REASON_CERTIFICATION_EXCEEDED);
      break;
    }
    case Command::kRequestPayment:
      EnterRequest(command.request_payment());
      break;
    case Command::kPay:
      EnterPay(command.pay().payment_request_id(), false);
      break;
    case Command::kPayWithoutCommitment:
      EnterPay(command.pay_without_commitment().payment_request_id(), true);
      break;
    case Command::kSuspendPayment:
    case Command::kResumePayment:
    case Command::kRejectPayment:
    case Command::kRequisitionPayment: {
      CheckSpan(Span::kOpenYear);
      const std::string& id =
          command.has_suspend_payment()  ? command.suspend_payment().payment_request_id()
          : command.has_resume_payment() ? command.resume_payment().payment_request_id()
          : command.has_reject_payment() ? command.reject_payment().payment_request_id()
                                         : command.requisition_payment().payment_request_id();
      Payment* payment = FindPayment(id);
      if (payment == nullptr) break;
      const bool suspended = payment->state == v1::PAYMENT_STATE_SUSPENDED;
      const bool requested = payment->state == v1::PAYMENT_STATE_REQUESTED;
      const bool fits = command.has_suspend_payment()  ? requested
                        : command.has_reject_payment() ? requested || suspended
                                                       : suspended;
      Require(fits, v1::ERROR_REASON_PAYMENT_STATE);
      Require(fits || !suspended, v1::ERROR_REASON_PAYMENT_SUSPENDED);
      if (command.has_suspend_payment()) payment->state = v1::PAYMENT_STATE_SUSPENDED;
      if (command.has_resume_payment()) payment->state = v1::PAYMENT_STATE_REQUESTED;
      if (command.has_requisition_payment()) payment->state = v1::PAYMENT_STATE_REQUISITIONED;
      if (!command.has_reject_payment()) break;
      ReleaseHold(*payment);
      payment->state = v1::PAYMENT_STATE_REJECTED;
      if (payment->commitment.empty()) break;
      Line* line = FindLine(payment->commitment, payment->line);
      if (line == nullptr) break;
      Require(StandsWithout(*line, *payment), v1::ERROR_REASON_PAYMENT_STATE);
      line->requested -= payment->net;
      Bill(*line, *payment, -1);
      break;
    }
    case Command::kReinstate:
      EnterReinstate(command.reinstate());
      break;
    case Command::kReimpute:
      EnterReimpute(command.reimpute());
      break;
    case Command::kReverse:
      EnterReverse(command.reverse());
      break;
    case Command::COMMAND_NOT_SET:
      Require(false, v1::ERROR_REASON_INVALID_FIELD);
  }
}

Oracle::Reasons Oracle::Enter(const Command& command, const std::string& body,
                              std::int64_t position) {
  const v1::CommandHeader& header = *rules::HeaderOf(command);
  now_ = Now();
  now_.day = header.effective_date();
  now_.year = header.fiscal_year() != 0 ? header.fiscal_year() : now_.day / 10000;
  now_.late = header.has_late_entry();
  now_.entry = std::make_shared<Entry>();
  now_.entry->command = command;
  now_.entry->year = now_.year;
  if (!command.has_create_agreement()) years[now_.year];
  CheckMandate(command, body);
  Dispatch(command);
  CheckPots();
  entries[position] = now_.entry;
  return std::move(now_.broken);
}

}  // namespace denier::simulation
