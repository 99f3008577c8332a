// Events as tests of the projections write them: a history of one agreement, in the order of the
// log, without the rules. What a test does not care about has a value already.
//
//   History history;
//   history.On(20220110).Agreement().Envelope("coaching-2022", "DINUM")
//       .Allocate("coaching-2022", 183'072'00, 183'072'00)
//       .Engage("ej-coach", "coaching-2022", 183'072'00)
//       .On(20220630).Pay("dp-1", "ej-coach", 91'536'00);
#ifndef DENIER_TESTS_PROJECTIONS_HISTORY_H_
#define DENIER_TESTS_PROJECTIONS_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "denier/events/v1/event.pb.h"

namespace denier::projections {

inline constexpr const char* kAgreement = "engagement-civique";

class History {
 public:
  using Event = events::v1::Event;

  const std::vector<Event>& events() const& { return events_; }
  std::vector<Event> events() && { return std::move(events_); }

  // What follows happens on this day, and counts in its year unless another is given.
  History& On(int day, int fiscal_year = 0) {
    day_ = day;
    year_ = fiscal_year == 0 ? day / 10000 : fiscal_year;
    return *this;
  }

  // Between DJEPVA and DINUM. Further products and ceilings: with Amend.
  History& Agreement(const std::string& agreement_id = kAgreement) {
    agreement_id_ = agreement_id;
    auto& fact = *Add().mutable_agreement_created();
    fact.mutable_delegating_body()->set_body_id("DJEPVA");
    fact.mutable_managing_body()->set_body_id("DINUM");
    fact.set_programme("163");
    fact.set_operating_unit("163-CDJE-STET");
    fact.mutable_term()->set_act_id(agreement_id);
    fact.mutable_term()->set_valid_from(20210120);
    fact.mutable_term()->set_valid_until(20221231);
    return *this;
  }
  History& Ceiling(std::int64_t ae_cents, std::int64_t cp_cents) {
    auto& ceiling = *Amendment().add_ceilings();
    ceiling.set_fiscal_year(year_);
    ceiling.set_ae_cents(ae_cents);
    ceiling.set_cp_cents(cp_cents);
    return *this;
  }
  History& Product(const std::string& product_id, std::int64_t budget_cents,
                   bool common_costs = false) {
    auto& product = *Amendment().add_products();
    product.set_product_id(product_id);
    product.set_label("Produit " + product_id);
    product.set_fiscal_year(year_);
    product.set_budget_cents(budget_cents);
    product.set_common_costs(common_costs);
    return *this;
  }
  History& Envelope(const std::string& envelope_id, const std::string& body_id) {
    auto& fact = *Add().mutable_envelope_created();
    fact.set_envelope_id(envelope_id);
    fact.set_managing_body_id(body_id);
    return *this;
  }

  History& Allocate(const std::string& envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
    return Credits(*Add().mutable_credits_allocated(), envelope_id, ae_cents, cp_cents);
  }
  History& Freeze(const std::string& envelope_id, std::int64_t ae_cents, std::int64_t cp_cents) {
    return Credits(*Add().mutable_credits_frozen(), envelope_id, ae_cents, cp_cents);
  }
  // From frozen credits alone.
  History& CancelFrozen(const std::string& envelope_id, std::int64_t ae_cents,
                        std::int64_t cp_cents) {
    auto& fact = *Add().mutable_credits_cancelled();
    fact.set_envelope_id(envelope_id);
    fact.set_ae_from_frozen_cents(ae_cents);
    fact.set_cp_from_frozen_cents(cp_cents);
    return *this;
  }
  History& Transfer(const std::string& from, const std::string& to, std::int64_t ae_cents,
                    std::int64_t cp_cents) {
    auto& fact = *Add().mutable_credits_transferred();
    fact.set_from_envelope_id(from);
    fact.set_to_envelope_id(to);
    fact.set_ae_cents(ae_cents);
    fact.set_cp_cents(cp_cents);
    return *this;
  }

  // A commitment of one line, executed before the agreement; each payment a day and cents.
  History& Import(const std::string& commitment_id, const std::string& envelope_id, int origin_year,
                  std::int64_t engaged_cents,
                  const std::vector<std::pair<int, std::int64_t>>& payments,
                  std::int64_t withdrawn_cents = 0) {
    auto& fact = *Add().mutable_opening_imported();
    fact.set_envelope_id(envelope_id);
    fact.set_commitment_id(commitment_id);
    auto& line = *fact.add_lines();
    line.set_line_id("1");
    line.set_origin_year(origin_year);
    line.set_engaged_cents(engaged_cents);
    line.set_withdrawn_cents(withdrawn_cents);
    std::int64_t paid_cents = 0;
    for (const auto& [day, cents] : payments) {
      auto& payment = *line.add_payments();
      payment.set_payment_id(commitment_id + "-" + std::to_string(line.payments_size()));
      payment.set_paid_date(day);
      payment.set_amount_cents(cents);
      paid_cents += cents;
    }
    line.set_certified_cents(paid_cents);
    lines_[commitment_id] = {envelope_id, origin_year, ""};
    return *this;
  }
  History& Correct(const std::string& commitment_id, std::int64_t change_cents) {
    const Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_opening_corrected();
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_envelope_id(line.envelope_id);
    fact.set_origin_year(line.origin_year);
    fact.set_change_cents(change_cents);
    return *this;
  }

  History& Plan(const std::string& envelope_id, std::int64_t ae_cents, std::int64_t cp_cents,
                std::int64_t outstanding_cents) {
    auto& fact = *Add().mutable_plan_imported();
    auto& line = *fact.add_lines();
    line.set_envelope_id(envelope_id);
    line.set_fiscal_year(year_);
    line.set_ae_cents(ae_cents);
    line.set_cp_cents(cp_cents);
    line.set_outstanding_cents(outstanding_cents);
    fact.add_ae_change_cents(ae_cents);
    fact.add_cp_change_cents(cp_cents);
    return *this;
  }

  // A commitment of one line.
  History& Engage(const std::string& commitment_id, const std::string& envelope_id,
                  std::int64_t cents, const std::string& product_id = "", bool early = false) {
    auto& fact = *Add().mutable_engaged();
    fact.set_commitment_id(commitment_id);
    fact.set_envelope_id(envelope_id);
    fact.set_opens_commitment(true);
    fact.set_early(early);
    auto& line = *fact.add_lines();
    line.set_line_id("1");
    line.set_product_id(product_id);
    line.set_amount_cents(cents);
    lines_[commitment_id] = {envelope_id, year_, product_id};
    return *this;
  }
  // Of the line's year it frees AE; of an older line, what `recycled_cents` does not cover becomes
  // unavailable.
  History& Withdraw(const std::string& commitment_id, std::int64_t cents,
                    std::int64_t recycled_cents = 0) {
    const Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_withdrawn();
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_envelope_id(line.envelope_id);
    fact.set_origin_year(line.origin_year);
    fact.set_product_id(line.product_id);
    if (line.origin_year == year_) {
      fact.set_freed_cents(cents);
    } else {
      fact.set_recycled_cents(recycled_cents);
      fact.set_unavailable_cents(cents - recycled_cents);
    }
    return *this;
  }
  History& Certify(const std::string& commitment_id, std::int64_t cents) {
    auto& fact = *Add().mutable_service_certified();
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_amount_cents(cents);
    return *this;
  }
  // Service fait and payment request; `paying` empty: the line's own envelope pays.
  History& Request(const std::string& payment_request_id, const std::string& commitment_id,
                   std::int64_t cents, const std::string& paying = "") {
    Certify(commitment_id, cents);
    const Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_payment_requested();
    fact.set_payment_request_id(payment_request_id);
    fact.set_type(events::v1::PAYMENT_TYPE_SERVICE);
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_paying_envelope_id(paying.empty() ? line.envelope_id : paying);
    fact.set_gross_cents(cents);
    fact.set_net_cents(cents);
    return *this;
  }
  // Service fait, payment request and payment, all on the day.
  History& Pay(const std::string& payment_request_id, const std::string& commitment_id,
               std::int64_t cents, const std::string& paying = "") {
    Request(payment_request_id, commitment_id, cents, paying);
    const Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_paid();
    fact.set_payment_request_id(payment_request_id);
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_line_envelope_id(line.envelope_id);
    fact.set_origin_year(line.origin_year);
    fact.set_product_id(line.product_id);
    fact.set_paying_envelope_id(paying.empty() ? line.envelope_id : paying);
    fact.set_type(events::v1::PAYMENT_TYPE_SERVICE);
    fact.set_gross_cents(cents);
    fact.set_net_cents(cents);
    fact.set_hold_year(year_);
    return *this;
  }
  // Late interest, requested and paid on the day.
  History& PayLateInterest(const std::string& payment_request_id, const std::string& envelope_id,
                           std::int64_t cents) {
    auto& request = *Add().mutable_payment_requested();
    request.set_payment_request_id(payment_request_id);
    request.set_type(events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT);
    request.set_nature(events::v1::EXPENSE_NATURE_LATE_INTEREST);
    request.set_paying_envelope_id(envelope_id);
    request.set_gross_cents(cents);
    request.set_net_cents(cents);
    auto& fact = *Add().mutable_paid_without_commitment();
    fact.set_payment_request_id(payment_request_id);
    fact.set_envelope_id(envelope_id);
    fact.set_amount_cents(cents);
    fact.set_nature(events::v1::EXPENSE_NATURE_LATE_INTEREST);
    fact.set_hold_year(year_);
    return *this;
  }
  History& Reinstate(const std::string& payment_request_id, const std::string& commitment_id,
                     std::int64_t cents) {
    const Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_reinstated();
    fact.set_payment_request_id(payment_request_id);
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_ae_envelope_id(line.envelope_id);
    fact.set_cp_envelope_id(line.envelope_id);
    fact.set_origin_year(line.origin_year);
    fact.set_product_id(line.product_id);
    fact.set_amount_cents(cents);
    return *this;
  }
  // A whole line, with what is still to be paid of it.
  History& Reimpute(const std::string& commitment_id, const std::string& to_envelope_id,
                    std::int64_t engaged_cents, std::int64_t outstanding_cents) {
    Line& line = lines_.at(commitment_id);
    auto& fact = *Add().mutable_reimputed();
    fact.set_commitment_id(commitment_id);
    fact.set_line_id("1");
    fact.set_from_envelope_id(line.envelope_id);
    fact.set_to_envelope_id(to_envelope_id);
    fact.set_from_product_id(line.product_id);
    fact.set_to_product_id(line.product_id);
    fact.set_origin_year(line.origin_year);
    fact.set_consumed_cents(engaged_cents);
    fact.set_outstanding_cents(outstanding_cents);
    fact.set_moves_available(line.origin_year == year_);
    line.envelope_id = to_envelope_id;
    return *this;
  }
  // Undoes the last event.
  History& ReverseLast() {
    const Event last = events_.back();
    auto& fact = *Add().mutable_reversed();
    fact.set_reversed_position(static_cast<std::int64_t>(events_.size()) - 2);
    *fact.mutable_original() = last;
    return *this;
  }

  // CP of the year of the day, asked for.
  History& RequestCarryover(const std::string& carryover_id, const std::string& envelope_id,
                            std::int64_t cents) {
    auto& fact = *Add().mutable_carryover_requested();
    Carryover(fact, carryover_id, envelope_id, year_);
    fact.set_amount_cents(cents);
    carryovers_[carryover_id] = {envelope_id, year_};
    return *this;
  }
  History& GrantCarryover(const std::string& carryover_id, std::int64_t granted_cents,
                          std::int64_t lapsed_cents = 0) {
    auto& fact = *Add().mutable_carryover_granted();
    const auto& [envelope_id, year] = carryovers_.at(carryover_id);
    Carryover(fact, carryover_id, envelope_id, year);
    fact.set_granted_cents(granted_cents);
    fact.set_lapsed_cents(lapsed_cents);
    return *this;
  }
  History& RefuseCarryover(const std::string& carryover_id, std::int64_t lapsed_cents) {
    auto& fact = *Add().mutable_carryover_refused();
    const auto& [envelope_id, year] = carryovers_.at(carryover_id);
    Carryover(fact, carryover_id, envelope_id, year);
    fact.set_lapsed_cents(lapsed_cents);
    return *this;
  }
  History& MakeCarryoverAvailable(const std::string& carryover_id, std::int64_t cents) {
    auto& fact = *Add().mutable_carryover_made_available();
    const auto& [envelope_id, year] = carryovers_.at(carryover_id);
    Carryover(fact, carryover_id, envelope_id, year);
    fact.set_amount_cents(cents);
    return *this;
  }
  // What each envelope has available lapses: envelope, AE, CP.
  History& Close(
      const std::vector<std::tuple<std::string, std::int64_t, std::int64_t>>& available) {
    auto& fact = *Add().mutable_year_closed();
    for (const auto& [envelope_id, ae_cents, cp_cents] : available) {
      auto& line = *fact.add_lines();
      line.set_envelope_id(envelope_id);
      line.set_ae_available_cents(ae_cents);
      line.set_cp_available_cents(cp_cents);
    }
    return *this;
  }

  // An event without its fact.
  Event& Add() {
    Event& event = events_.emplace_back();
    event.set_agreement_id(agreement_id_);
    event.set_effective_date(day_);
    event.set_fiscal_year(year_);
    event.set_recorded_time_us(static_cast<std::int64_t>(events_.size()));
    event.set_request_id("r-" + std::to_string(events_.size()));
    event.mutable_actor()->set_principal_id("p-1");
    event.mutable_actor()->set_body_id("DJEPVA");
    return event;
  }

 private:
  struct Line {
    std::string envelope_id;
    int origin_year = 0;
    std::string product_id;
  };

  events::v1::AgreementAmended& Amendment() {
    auto& fact = *Add().mutable_agreement_amended();
    fact.set_amendment_id("a-" + std::to_string(events_.size()));
    return fact;
  }
  History& Credits(auto& fact, const std::string& envelope_id, std::int64_t ae_cents,
                   std::int64_t cp_cents) {
    fact.set_envelope_id(envelope_id);
    fact.set_ae_cents(ae_cents);
    fact.set_cp_cents(cp_cents);
    return *this;
  }
  static void Carryover(auto& fact, const std::string& carryover_id, const std::string& envelope_id,
                        int year) {
    fact.set_carryover_id(carryover_id);
    fact.set_envelope_id(envelope_id);
    fact.set_kind(events::v1::CREDIT_KIND_CP);
    fact.set_from_year(year);
  }

  std::string agreement_id_ = kAgreement;
  int day_ = 20220601;
  int year_ = 2022;
  std::vector<Event> events_;
  std::map<std::string, Line> lines_;  // by commitment
  std::map<std::string, std::pair<std::string, int>> carryovers_;
};

// The source document executed to the end: 2020 imported, 2021 executed by DINUM, its unspent CP
// carried over, 2022 as it was planned. DJEPVA spends all of its own.
inline History SourceDocument() {
  History history;
  history.On(20210120)
      .Agreement()
      .Envelope("coaching-2022", "DINUM")
      .Envelope("djepva-2022", "DJEPVA")
      .Envelope("engagements-2020-2021", "DINUM")
      .Import("ej-2020", "engagements-2020-2021", 2020, 1'495'779'00, {{20201215, 1'251'669'60}})
      .Allocate("engagements-2020-2021", 2'009'474'32, 2'253'583'72)
      .Engage("ej-2021", "engagements-2020-2021", 2'009'474'32)
      .On(20210301)
      .Pay("dp-2020-2", "ej-2020", 244'109'40)
      .On(20211130)
      .Pay("dp-2021-1", "ej-2021", 1'622'482'74)
      .RequestCarryover("report-2021", "engagements-2020-2021", 386'991'58)
      .On(20211231)
      .Close({})
      .On(20220120)
      .Ceiling(3'099'419'20, 3'099'419'20)
      .Product("snu", 1'370'900'00)
      .Product("jeveuxaider", 1'324'750'00)
      .Product("api-engagement", 248'370'00)
      .Product("communs", 155'400'00, /*common_costs=*/true)
      .Plan("coaching-2022", 183'072'00, 183'072'00, 0)
      .Plan("engagements-2020-2021", 0, 386'991'58, 0)
      .Allocate("coaching-2022", 183'072'00, 183'072'00)
      .Allocate("djepva-2022", 2'916'347'20, 2'916'347'20)
      .On(20220301)
      .GrantCarryover("report-2021", 386'991'58)
      .MakeCarryoverAvailable("report-2021", 386'991'58)
      .Engage("ej-coach", "coaching-2022", 183'072'00)
      .Engage("ej-snu", "djepva-2022", 2'916'347'20, "snu")
      .On(20220915)
      .Pay("dp-2021-2", "ej-2021", 386'991'58)
      .Pay("dp-coach", "ej-coach", 183'072'00)
      .Pay("dp-snu", "ej-snu", 2'916'347'20);
  return history;
}

}  // namespace denier::projections

#endif  // DENIER_TESTS_PROJECTIONS_HISTORY_H_
