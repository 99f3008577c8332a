#include "tests/simulation/generator.h"

#include <algorithm>
#include <iterator>

#include "projections/calendar.h"
#include "tests/services/commands.h"

namespace denier::simulation {
namespace {

using services::Accountant;
using services::Header;
using services::kAgreement;
using services::Manager;
using services::Officer;
using v1::Command;

// Little enough that limits are met all the time.
constexpr std::int64_t kCeiling = 1'000'000'00;

}  // namespace

Generator::Generator(std::uint64_t seed, int first_year)
    : random_(seed), day_(first_year * 10000 + 101) {}

std::vector<Drawn> Generator::Opening() {
  const int year = day_ / 10000;
  std::vector<Drawn> opening;
  Drawn agreement{Manager(), services::CreateAgreement("a", year, year + 2, kCeiling)};
  auto& request = *agreement.command.mutable_create_agreement();
  for (const char* product : {"snu", "api"}) {
    auto& added = *request.add_products();
    added.set_product_id(product);
    added.set_label(product);
    added.set_fiscal_year(year);
    added.set_budget_cents(kCeiling / 2);
  }
  // Of every two runs, one ends with the delegate settling, one with the delegating body taking
  // over.
  request.set_after_term(Chance(50) ? events::v1::AFTER_TERM_DELEGATE_SETTLES
                                    : events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER);
  opening.push_back(agreement);
  const std::vector<int> years = {year - 2, year - 1, year, year + 1, year + 2, year + 3};
  for (const auto& [envelope, body] :
       {std::pair("coaching", "DINUM"), {"older", "DINUM"}, {"own", "DJEPVA"}}) {
    opening.push_back(
        {Manager(),
         services::Dated(
             services::CreateEnvelope(std::string("e-") + envelope, envelope, body, years), day_)});
  }
  return opening;
}

template <class Map>
const typename Map::value_type* Generator::Any(const Map& map) {
  if (map.empty()) return nullptr;
  // Mostly one of the last: old ones are settled.
  const std::size_t reach = Chance(70) ? std::min<std::size_t>(map.size(), 8) : map.size();
  return &*std::prev(map.end(), 1 + static_cast<std::ptrdiff_t>(Below(reach)));
}

std::int64_t Generator::Near(std::int64_t limit) {
  switch (Below(12)) {
    case 0:
    case 1:
      return std::max<std::int64_t>(1, limit);
    case 2:
      return limit + 1 > 0 ? limit + 1 : 1;
    case 3:
      return std::max<std::int64_t>(1, limit - 1);
    case 4:
      return 1;
    case 5:
      return 10'000'000'000'000;  // the most that a command may say
    default:
      return limit <= 1 ? 1
                        : 1 + static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(
                                  std::max<std::int64_t>(1, limit / (1 + Below(4))))));
  }
}

// Sorted in the order of their making, so that Any finds the last ones.
std::string Generator::Fresh(std::string_view prefix) {
  std::string number = std::to_string(drawn_);
  return std::string(prefix) + std::string(8 - number.size(), '0') + number;
}

std::string Generator::AnyEnvelope(const Oracle& oracle) {
  return std::next(oracle.envelopes.begin(),
                   static_cast<std::ptrdiff_t>(Below(oracle.envelopes.size())))
      ->first;
}

std::string Generator::AnyProduct(const Oracle& oracle) {
  if (Chance(40)) return "";
  if (Chance(2)) return "unknown";
  return *std::next(oracle.products.begin(),
                    static_cast<std::ptrdiff_t>(Below(oracle.products.size())));
}

const std::pair<const std::string, Payment>* Generator::AnyPayment(const Oracle& oracle,
                                                                   bool waiting) {
  const std::pair<const std::string, Payment>* found = nullptr;
  for (int i = 0; i < 6; ++i) {
    found = Any(oracle.payments);
    if (found == nullptr) return nullptr;
    const bool waits = found->second.state == v1::PAYMENT_STATE_REQUESTED ||
                       found->second.state == v1::PAYMENT_STATE_SUSPENDED ||
                       found->second.state == v1::PAYMENT_STATE_REQUISITIONED;
    if (waits == waiting) break;
  }
  return found;
}

const std::pair<const std::pair<std::string, std::string>, Line>* Generator::AnyLine(
    const Oracle& oracle) {
  const std::pair<const std::pair<std::string, std::string>, Line>* found = nullptr;
  for (int i = 0; i < 3; ++i) {
    found = Any(oracle.lines);
    if (found == nullptr || found->second.outstanding() > 0) break;
  }
  return found;
}

void Generator::AdvanceDay() {
  if (!Chance(20)) return;
  for (std::uint64_t days = 1 + Below(18); days > 0; --days) day_ = projections::DayAfter(day_);
}

// The day, and now and then a budget year of its own.
void Generator::Date(v1::CommandHeader& header, const Oracle& oracle, const Command& command) {
  const int year = day_ / 10000;
  header.set_effective_date(day_);
  if (command.has_close_year() || command.has_reopen_year()) {
    // The first open year, or the last closed one, most of the time.
    int first_open = year, last_closed = year;
    for (const auto& [number, status] : oracle.years) {
      if (!status.closed) first_open = std::min(first_open, number);
      if (status.closed) last_closed = number;
    }
    const int likely = command.has_close_year() ? first_open : last_closed;
    header.set_fiscal_year(Chance(80) ? likely : year - static_cast<int>(Below(3)));
    return;
  }
  if (command.has_request_carryover() && Chance(60)) header.set_fiscal_year(year - 1);
  if (command.has_engage() && day_ % 10000 >= 1025 && Chance(50)) header.set_fiscal_year(year + 1);
  if (day_ % 10000 <= 210 && Chance(15)) header.set_fiscal_year(year - 1);
  if (Chance(1)) header.set_fiscal_year(year - 1 + static_cast<int>(Below(3)));
  const auto before = oracle.years.find(year - 1);
  if (before != oracle.years.end() && before->second.closed && Chance(12)) {
    header.set_fiscal_year(year - 1);
    header.mutable_late_entry()->set_reason_reference("late-1");
    header.mutable_late_entry()->set_approved_by("pm-2");
  }
}

// ------------------------------------------------------------------------------ One kind each

void Generator::DrawCredits(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const std::string envelope = AnyEnvelope(oracle);
  const int year = day_ / 10000;
  const auto pot_of = [&](Kind kind) {
    const auto it = oracle.pots.find({envelope, year, kind});
    return it == oracle.pots.end() ? Pot() : it->second;
  };
  const Pot ae = pot_of(Kind::kAe);
  const Pot cp = pot_of(Kind::kCp);
  // One of the two amounts may be nothing.
  const auto amounts = [&](auto& request, std::int64_t ae_limit, std::int64_t cp_limit) {
    const std::uint64_t which = Below(3);
    request.set_ae_cents(which == 0 ? 0 : Near(ae_limit));
    request.set_cp_cents(which == 1 ? 0 : Near(cp_limit));
  };
  switch (Below(10)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      std::int64_t ae_left = kCeiling, cp_left = kCeiling;
      for (const auto& [key, pot] : oracle.pots) {
        if (std::get<1>(key) != year) continue;
        (std::get<2>(key) == Kind::kAe ? ae_left : cp_left) -= pot.allocated;
      }
      command = services::Allocate(id, envelope, 0, 0);
      amounts(*command.mutable_allocate(), Chance(60) ? ae_left / 5 : ae_left,
              Chance(60) ? cp_left / 5 : cp_left);
      break;
    }
    case 4: {
      auto& request = services::Begin(*command.mutable_deallocate(), id);
      request.set_envelope_id(envelope);
      request.set_act_reference("act-1");
      amounts(request, ae.available() / 4, cp.available() / 4);
      break;
    }
    case 5:
    case 6: {
      auto& request = services::Begin(*command.mutable_freeze(), id);
      request.set_envelope_id(envelope);
      request.set_act_reference("act-1");
      amounts(request, ae.available() / 3, cp.available() / 3);
      break;
    }
    case 7: {
      auto& request = services::Begin(*command.mutable_release(), id);
      request.set_envelope_id(envelope);
      request.set_act_reference("act-1");
      amounts(request, ae.frozen, cp.frozen);
      break;
    }
    case 8: {
      auto& request = services::Begin(*command.mutable_cancel(), id);
      request.set_envelope_id(envelope);
      request.set_decree_reference("decree-1");
      amounts(request, ae.frozen + ae.available() / 8, cp.frozen + cp.available() / 8);
      break;
    }
    default: {
      auto& request = services::Begin(*command.mutable_transfer(), id);
      request.set_from_envelope_id(envelope);
      request.set_to_envelope_id(AnyEnvelope(oracle));
      request.set_act_reference("act-1");
      amounts(request, ae.available() / 3, cp.available() / 3);
      break;
    }
  }
}

void Generator::DrawCarryover(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const auto* known = Any(oracle.carryovers);
  const std::string carryover_id = known == nullptr ? "none" : known->first;
  const Carryover carryover = known == nullptr ? Carryover() : known->second;
  switch (Below(5)) {
    case 0: {
      auto& request = services::Begin(*command.mutable_refuse_carryover(), id);
      request.set_carryover_id(carryover_id);
      request.set_act_reference("act-1");
      break;
    }
    case 1:
    case 2: {
      auto& request = services::Begin(*command.mutable_grant_carryover(), id);
      request.set_carryover_id(carryover_id);
      request.set_amount_cents(Near(carryover.requested));
      request.set_order_reference("order-1");
      if (Chance(20)) request.set_derogation_reference("lf-1");
      break;
    }
    default: {
      auto& request = services::Begin(*command.mutable_make_carryover_available(), id);
      request.set_carryover_id(carryover_id);
      request.set_amount_cents(Near(carryover.granted - carryover.available));
      request.set_act_reference("act-1");
      break;
    }
  }
}

// What moves no money, or seldom comes.
void Generator::DrawRegister(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const int year = day_ / 10000;
  switch (Below(12)) {
    case 0: {
      auto& request = services::Begin(*command.mutable_record_programme_credits(), id);
      request.set_initial_cp_cents(1 + static_cast<std::int64_t>(Below(kCeiling * 5)));
      request.set_act_reference("lfi");
      break;
    }
    case 1: {
      auto& request = services::Begin(*command.mutable_record_recycling_basis(), id);
      request.set_amount_cents(1 + static_cast<std::int64_t>(Below(kCeiling / 20)));
      request.set_act_reference("act-1");
      break;
    }
    case 2: {
      auto& request = services::Begin(*command.mutable_import_plan(), id);
      auto& line = *request.add_lines();
      line.set_envelope_id(AnyEnvelope(oracle));
      line.set_fiscal_year(year + static_cast<int>(Below(2)));
      line.set_ae_cents(static_cast<std::int64_t>(Below(kCeiling)));
      line.set_cp_cents(static_cast<std::int64_t>(Below(kCeiling)));
      break;
    }
    case 3: {
      auto& request = services::Begin(*command.mutable_record_publication(), id);
      request.set_act_id(Chance(80) ? std::string(kAgreement) : "none");
      request.set_published_date(day_);
      break;
    }
    case 4: {
      auto& request = services::Begin(*command.mutable_update_envelope(), id);
      const std::string envelope = AnyEnvelope(oracle);
      request.set_envelope_id(envelope);
      request.add_accountant_ids("acc-1");
      for (int origin = year - 3; origin <= year + 1; ++origin) {
        if (Chance(95)) request.add_payable_origin_years(origin);
      }
      break;
    }
    case 5: {
      services::Begin(*command.mutable_take_over(), id).set_act_reference("act-1");
      break;
    }
    case 6: {
      auto& request = services::Begin(*command.mutable_amend_agreement(), id);
      request.set_amendment_id(Chance(90) ? id : std::string(kAgreement));
      request.set_signed_date(day_);
      break;
    }
    case 7: {
      if (Chance(50)) return DrawRegister(command, oracle);
      auto& request = services::Begin(*command.mutable_reopen_year(), id);
      request.set_approved_by("pm-2");
      request.set_reason_reference("reason-1");
      break;
    }
    default:
      services::Begin(*command.mutable_close_year(), id).set_approved_by("pm-2");
      break;
  }
}

// The envelope whose body acts.
std::string Generator::DrawOpening(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const std::string envelope = AnyEnvelope(oracle);
  const int year = day_ / 10000;
  if (Chance(50)) {
    auto& request = services::Begin(*command.mutable_import_opening(), id);
    request.set_envelope_id(envelope);
    request.set_commitment_id(Fresh("ec"));
    auto& line = *request.add_lines();
    line.set_line_id("l1");
    line.set_product_id(AnyProduct(oracle));
    line.set_origin_year(year - 1 - static_cast<int>(Below(2)));
    line.set_engaged_cents(2 + static_cast<std::int64_t>(Below(kCeiling / 10)));
    line.set_withdrawn_cents(Chance(20) ? line.engaged_cents() / 10 : 0);
    line.set_certified_cents(line.engaged_cents() / 2);
    if (Chance(70)) {
      auto& payment = *line.add_payments();
      payment.set_payment_id(Fresh("dp"));
      payment.set_paid_date(line.origin_year() * 10000 + 1001);
      payment.set_amount_cents(Near(line.certified_cents()));
    }
    return envelope;
  }
  auto& request = services::Begin(*command.mutable_correct_opening(), id);
  const auto* line = AnyLine(oracle);
  request.set_commitment_id(line == nullptr ? "none" : line->first.first);
  request.set_line_id(line == nullptr ? "none" : line->first.second);
  request.set_reason_reference("reason-1");
  const std::int64_t cents = Near(line == nullptr ? 1 : line->second.withdrawable() / 4);
  request.set_change_cents(Chance(70) ? -cents : std::min<std::int64_t>(cents, kCeiling / 10));
  return envelope;
}

std::string Generator::DrawCommitment(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const auto* line = AnyLine(oracle);
  const std::uint64_t which = line == nullptr ? 0 : Below(10);
  if (which < 5) {
    const std::string envelope = AnyEnvelope(oracle);
    const auto pot = oracle.pots.find({envelope, day_ / 10000, Kind::kAe});
    const std::int64_t available = pot == oracle.pots.end() ? 0 : pot->second.available();
    auto& request = services::Begin(*command.mutable_engage(), id);
    request.set_envelope_id(envelope);
    const bool complementary = line != nullptr && Chance(20);
    request.set_commitment_id(complementary ? line->first.first : Fresh("ec"));
    for (std::uint64_t i = 0; i <= Below(2); ++i) {
      auto& made = *request.add_lines();
      made.set_line_id(Fresh("l") + std::to_string(i));
      made.set_product_id(AnyProduct(oracle));
      made.set_amount_cents(Near(Chance(50) ? available / 4 : available));
    }
    return envelope;
  }
  if (which < 8) {
    auto& request = services::Begin(*command.mutable_certify_service(), id);
    request.set_commitment_id(line->first.first);
    request.set_line_id(line->first.second);
    request.set_amount_cents(Near(line->second.owed() - line->second.certified));
    return line->second.envelope;
  }
  auto& request = services::Begin(*command.mutable_withdraw(), id);
  request.set_commitment_id(line->first.first);
  request.set_line_id(line->first.second);
  request.set_amount_cents(Near(line->second.withdrawable()));
  request.set_reason_reference("reason-1");
  return line->second.envelope;
}

std::string Generator::DrawRequest(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  auto& request = services::Begin(*command.mutable_request_payment(), id);
  request.set_payment_request_id(Fresh("dp"));
  const auto* line = AnyLine(oracle);
  if (line == nullptr || Chance(12)) {
    const std::string envelope = AnyEnvelope(oracle);
    request.set_type(events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT);
    request.set_nature(events::v1::EXPENSE_NATURE_LATE_INTEREST);
    request.set_product_id(AnyProduct(oracle));
    request.set_paying_envelope_id(envelope);
    request.set_gross_cents(Chance(80) ? 40'00 : Near(kCeiling / 100));
    request.set_net_cents(request.gross_cents());
    return envelope;
  }
  const Line& owed = line->second;
  request.set_commitment_id(line->first.first);
  request.set_line_id(line->first.second);
  // Another envelope of the same body, now and then.
  request.set_paying_envelope_id(owed.envelope);
  const std::string other = AnyEnvelope(oracle);
  if (oracle.ManagerOf(other, day_) == oracle.ManagerOf(owed.envelope, day_)) {
    request.set_paying_envelope_id(other);
  }
  if (owed.retained_open > 0 && Chance(20)) {
    request.set_type(events::v1::PAYMENT_TYPE_RETENTION_RELEASE);
    request.set_gross_cents(Near(owed.retained_open));
  } else if (Chance(12)) {
    request.set_type(events::v1::PAYMENT_TYPE_ADVANCE);
    request.set_gross_cents(Near(owed.rest() / 5));
  } else {
    request.set_type(Chance(70) ? events::v1::PAYMENT_TYPE_SERVICE
                                : events::v1::PAYMENT_TYPE_INSTALMENT);
    request.set_gross_cents(Near(owed.certified - owed.billed));
    if (owed.advance_open > 0 && Chance(60)) {
      request.set_recovered_cents(
          std::min(Near(owed.advance_open), std::max<std::int64_t>(0, request.gross_cents() - 1)));
    }
    if (Chance(25)) request.set_retained_cents(request.gross_cents() / (Chance(90) ? 20 : 19));
  }
  request.set_net_cents(std::max<std::int64_t>(
      1, request.gross_cents() - request.recovered_cents() - request.retained_cents()));
  return owed.envelope;
}

std::string Generator::DrawOfPayment(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const std::uint64_t which = Below(12);
  const auto* payment = AnyPayment(oracle, which != 11);
  const std::string request_id = payment == nullptr ? "none" : payment->first;
  const std::string envelope = payment == nullptr ? "coaching" : payment->second.envelope;
  const bool without =
      payment != nullptr && payment->second.type == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT;
  if (which < 7) {
    if (without != Chance(2)) {
      services::Begin(*command.mutable_pay_without_commitment(), id)
          .set_payment_request_id(request_id);
    } else {
      services::Begin(*command.mutable_pay(), id).set_payment_request_id(request_id);
    }
    return envelope;
  }
  switch (which) {
    case 7: {
      auto& request = services::Begin(*command.mutable_suspend_payment(), id);
      request.set_payment_request_id(request_id);
      request.set_reason_reference("reason-1");
      break;
    }
    case 8:
      services::Begin(*command.mutable_resume_payment(), id).set_payment_request_id(request_id);
      break;
    case 9: {
      auto& request = services::Begin(*command.mutable_reject_payment(), id);
      request.set_payment_request_id(request_id);
      request.set_reason_reference("reason-1");
      break;
    }
    case 10: {
      auto& request = services::Begin(*command.mutable_requisition_payment(), id);
      request.set_payment_request_id(request_id);
      request.set_order_reference("order-1");
      break;
    }
    default: {
      auto& request = services::Begin(*command.mutable_reinstate(), id);
      request.set_payment_request_id(request_id);
      request.set_receipt_reference("receipt-1");
      request.set_amount_cents(
          Near(payment == nullptr ? 1 : payment->second.net - payment->second.reinstated));
      break;
    }
  }
  return envelope;
}

std::string Generator::DrawCorrection(Command& command, const Oracle& oracle) {
  const std::string id = Fresh("r");
  const auto* line = Any(oracle.lines);
  const auto* payment = AnyPayment(oracle, false);
  auto& request = services::Begin(*command.mutable_reimpute(), id);
  std::string from = "coaching";
  if (line != nullptr && (payment == nullptr || Chance(50))) {
    request.set_commitment_id(line->first.first);
    request.set_line_id(line->first.second);
    from = line->second.envelope;
  } else {
    request.set_payment_request_id(payment == nullptr ? "none" : payment->first);
    if (payment != nullptr) from = payment->second.envelope;
  }
  const std::string to = AnyEnvelope(oracle);
  if (Chance(70) && oracle.ManagerOf(to, day_) == oracle.ManagerOf(from, day_)) {
    request.set_to_envelope_id(to);
  }
  const std::string product = AnyProduct(oracle);
  if (Chance(70)) request.set_to_product_id(product);
  return from;
}

// ------------------------------------------------------------------------------ Any kind

Drawn Generator::Next(const Oracle& oracle) {
  AdvanceDay();
  ++drawn_;
  Drawn drawn;
  Command& command = drawn.command;
  drawn.actor = Manager();
  const auto by_officer_of = [&](const std::string& envelope) {
    drawn.actor = Officer(oracle.ManagerOf(envelope, day_));
  };
  const std::uint64_t which = Below(100);
  if (which < 18) {
    DrawCredits(command, oracle);
  } else if (which < 22) {
    DrawCarryover(command, oracle);
  } else if (which < 27) {
    DrawRegister(command, oracle);
  } else if (which < 30) {
    DrawOpening(command, oracle);
  } else if (which < 33) {
    const std::string envelope = AnyEnvelope(oracle);
    auto& request = services::Begin(*command.mutable_request_carryover(), Fresh("r"));
    request.set_carryover_id(Fresh("co"));
    request.set_envelope_id(envelope);
    const Kind kind = Chance(50) ? Kind::kAe : Kind::kCp;
    request.set_kind(kind == Kind::kAe ? events::v1::CREDIT_KIND_AE : events::v1::CREDIT_KIND_CP);
    const auto pot = oracle.pots.find({envelope, day_ / 10000 - 1, kind});
    const Pot last = pot == oracle.pots.end() ? Pot() : pot->second;
    request.set_amount_cents(Near((last.available() + last.lapsed) / 2));
    request.set_assigned_receipts(Chance(30));
    by_officer_of(envelope);
  } else if (which < 58) {
    by_officer_of(DrawCommitment(command, oracle));
  } else if (which < 73) {
    by_officer_of(DrawRequest(command, oracle));
  } else if (which < 90) {
    const std::string envelope = DrawOfPayment(command, oracle);
    if (command.has_requisition_payment()) {
      by_officer_of(envelope);
    } else {
      drawn.actor = Accountant();
    }
  } else if (which < 94) {
    by_officer_of(DrawCorrection(command, oracle));
  } else {
    // Mostly one of the last entries; the role is that of the entry.
    const auto* entry = Any(oracle.entries);
    command = services::Reverse(Fresh("r"), entry->first);
    const Command& undone = entry->second->command;
    const auto line_envelope = [&](const std::string& commitment, const std::string& line) {
      const auto it = oracle.lines.find({commitment, line});
      return it == oracle.lines.end() ? std::string("coaching") : it->second.envelope;
    };
    const auto payment_envelope = [&](const std::string& id) {
      const auto it = oracle.payments.find(id);
      return it == oracle.payments.end() ? std::string("coaching") : it->second.envelope;
    };
    if (undone.has_engage()) by_officer_of(undone.engage().envelope_id());
    if (undone.has_request_carryover()) by_officer_of(undone.request_carryover().envelope_id());
    if (undone.has_withdraw()) {
      by_officer_of(line_envelope(undone.withdraw().commitment_id(), undone.withdraw().line_id()));
    }
    if (undone.has_certify_service()) {
      by_officer_of(line_envelope(undone.certify_service().commitment_id(),
                                  undone.certify_service().line_id()));
    }
    if (undone.has_request_payment()) {
      by_officer_of(payment_envelope(undone.request_payment().payment_request_id()));
    }
    if (undone.has_requisition_payment()) {
      by_officer_of(payment_envelope(undone.requisition_payment().payment_request_id()));
    }
    if (undone.has_reimpute()) {
      by_officer_of(
          undone.reimpute().payment_request_id().empty()
              ? line_envelope(undone.reimpute().commitment_id(), undone.reimpute().line_id())
              : payment_envelope(undone.reimpute().payment_request_id()));
    }
    if (undone.has_pay() || undone.has_pay_without_commitment() || undone.has_reinstate() ||
        undone.has_suspend_payment() || undone.has_resume_payment() ||
        undone.has_reject_payment()) {
      drawn.actor = Accountant();
    }
  }
  Date(Header(command), oracle, command);
  return drawn;
}

}  // namespace denier::simulation
