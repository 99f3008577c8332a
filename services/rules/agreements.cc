// Agreements, amendments, envelopes, and what is entered once a year.
#include <algorithm>
#include <set>

#include "projections/calendar.h"
#include "services/rules/case.h"

namespace denier::rules {
namespace {

// Products that are not the ceiling's sum to the cent are worth a remark, no more: budgets are
// estimates.
bool ProductsDiffer(const v1::Agreement* agreement, const auto& new_products,
                    const auto& new_ceilings) {
  std::set<int> years;
  for (const auto& product : new_products) years.insert(product.fiscal_year());
  return std::ranges::any_of(years, [&](int year) {
    std::int64_t budgets = 0;
    std::int64_t ceiling = 0;
    const auto add = [&](const auto& product) {
      if (product.fiscal_year() == year) budgets += product.budget_cents();
    };
    std::ranges::for_each(new_products, add);
    if (agreement != nullptr) {
      for (const auto& product : agreement->products()) {
        const bool replaced = std::ranges::any_of(new_products, [&](const auto& other) {
          return other.product_id() == product.product_id() &&
                 other.fiscal_year() == product.fiscal_year();
        });
        if (!replaced) add(product);
      }
      for (const auto& old : agreement->ceilings()) {
        if (old.fiscal_year() == year) ceiling = old.ae_cents();
      }
    }
    for (const auto& other : new_ceilings) {
      if (other.fiscal_year() == year) ceiling = other.ae_cents();
    }
    return ceiling != 0 && ceiling != budgets;
  });
}

Verdict CheckTerm(const events::v1::Term& term, std::string_view act_id) {
  if (term.act_id() != act_id) return InvalidField("term.act_id", "is not the act's identifier");
  if (term.valid_until() < term.valid_from()) {
    return InvalidField("term.valid_until", "is before valid_from");
  }
  return std::nullopt;
}

template <class Rows>
Verdict CheckOncePerYear(const Rows& rows, std::string_view field) {
  std::set<int> seen;
  for (const auto& row : rows) {
    if (!seen.insert(row.fiscal_year()).second) return InvalidField(field, "names a year twice");
  }
  return std::nullopt;
}

Verdict CheckProducts(const auto& products) {
  std::set<std::pair<std::string, int>> seen;
  for (const auto& product : products) {
    if (!seen.insert({product.product_id(), product.fiscal_year()}).second) {
      return InvalidField("products", "names a product twice for a year");
    }
  }
  return std::nullopt;
}

}  // namespace

Verdict CreateAgreement(Case& c, const v1::CreateAgreementRequest& request) {
  if (c.agreement != nullptr) return Taken("agreement_id", c.agreement_id());
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  if (request.delegating_body().body_id() == request.managing_body().body_id()) {
    return InvalidField("managing_body.body_id", "is the delegating body");
  }
  if (auto wrong = CheckTerm(request.term(), c.agreement_id())) return wrong;
  if (auto wrong = CheckOncePerYear(request.ceilings(), "ceilings")) return wrong;
  if (auto wrong = CheckProducts(request.products())) return wrong;

  auto& fact = *c.event.mutable_agreement_created();
  *fact.mutable_delegating_body() = request.delegating_body();
  *fact.mutable_managing_body() = request.managing_body();
  fact.set_programme(request.programme());
  fact.set_operational_budget(request.operational_budget());
  fact.set_operating_unit(request.operating_unit());
  fact.set_signed_date(request.signed_date());
  fact.set_published_date(request.published_date());
  *fact.mutable_term() = request.term();
  *fact.mutable_ceilings() = request.ceilings();
  *fact.mutable_products() = request.products();
  fact.set_after_term(request.after_term() == events::v1::AFTER_TERM_UNSPECIFIED
                          ? events::v1::AFTER_TERM_DELEGATE_SETTLES
                          : request.after_term());
  *fact.mutable_visa_thresholds() = request.visa_thresholds();
  if (ProductsDiffer(nullptr, request.products(), request.ceilings())) {
    c.event.add_warnings(events::v1::WARNING_PRODUCTS_DIFFER_FROM_CEILING);
  }
  return std::nullopt;
}

Verdict AmendAgreement(Case& c, const v1::AmendAgreementRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  if (std::ranges::any_of(c.agreement->acts(), [&](const auto& act) {
        return act.act_id() == request.amendment_id();
      })) {
    return Taken("amendment_id", request.amendment_id());
  }
  if (auto wrong = CheckOncePerYear(request.ceilings(), "ceilings")) return wrong;
  if (auto wrong = CheckProducts(request.products())) return wrong;
  for (const auto& ceiling : request.ceilings()) {
    for (const auto& opened : c.agreement->opened()) {
      if (opened.fiscal_year() == ceiling.fiscal_year() &&
          (opened.ae_cents() > ceiling.ae_cents() || opened.cp_cents() > ceiling.cp_cents())) {
        return Refuse(v1::ERROR_REASON_CEILING_EXCEEDED, "more is open than the new ceiling")
            .With("fiscal_year", ceiling.fiscal_year())
            .With("opened_ae_cents", opened.ae_cents())
            .With("opened_cp_cents", opened.cp_cents());
      }
    }
  }
  if (request.has_term()) {
    if (auto wrong = CheckTerm(request.term(), request.amendment_id())) return wrong;
    int until = 0;
    for (const auto& term : c.agreement->terms()) until = std::max(until, term.valid_until());
    if (request.term().valid_from() > projections::DayAfter(until)) {
      c.event.add_warnings(events::v1::WARNING_TERM_LEAVES_GAP);
    }
  }
  if (ProductsDiffer(c.agreement, request.products(), request.ceilings())) {
    c.event.add_warnings(events::v1::WARNING_PRODUCTS_DIFFER_FROM_CEILING);
  }

  auto& fact = *c.event.mutable_agreement_amended();
  fact.set_amendment_id(request.amendment_id());
  fact.set_signed_date(request.signed_date());
  fact.set_published_date(request.published_date());
  if (request.has_term()) *fact.mutable_term() = request.term();
  *fact.mutable_ceilings() = request.ceilings();
  *fact.mutable_products() = request.products();
  fact.set_after_term(request.after_term());
  *fact.mutable_visa_thresholds() = request.visa_thresholds();
  return std::nullopt;
}

Verdict RecordPublication(Case& c, const v1::RecordPublicationRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  if (std::ranges::none_of(c.agreement->acts(),
                           [&](const auto& act) { return act.act_id() == request.act_id(); })) {
    return Refuse(v1::ERROR_REASON_UNKNOWN_ACT, "no such act").With("act_id", request.act_id());
  }
  auto& fact = *c.event.mutable_publication_recorded();
  fact.set_act_id(request.act_id());
  fact.set_published_date(request.published_date());
  return std::nullopt;
}

Verdict TakeOver(Case& c, const v1::TakeOverRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  int until = 0;
  for (const auto& term : c.agreement->terms()) until = std::max(until, term.valid_until());
  if (c.agreement->after_term() != events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER ||
      c.day <= until || c.agreement->taken_over_date() != 0) {
    return Refuse(v1::ERROR_REASON_MANDATE_IN_FORCE, "there is nothing to take over")
        .With("valid_until", until);
  }
  c.event.mutable_management_taken_over()->set_act_reference(request.act_reference());
  return std::nullopt;
}

Verdict CreateEnvelope(Case& c, const v1::CreateEnvelopeRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  if (c.books.FindEnvelope(c.agreement_id(), request.envelope_id()) != nullptr) {
    return Taken("envelope_id", request.envelope_id());
  }
  if (request.managing_body_id() != c.agreement->delegating_body().body_id() &&
      request.managing_body_id() != c.agreement->managing_body().body_id()) {
    return InvalidField("managing_body_id", "is no party to the agreement");
  }
  auto& fact = *c.event.mutable_envelope_created();
  fact.set_envelope_id(request.envelope_id());
  fact.set_label(request.label());
  fact.set_managing_body_id(request.managing_body_id());
  *fact.mutable_accountant_ids() = request.accountant_ids();
  *fact.mutable_payable_origin_years() = request.payable_origin_years();
  return std::nullopt;
}

Verdict UpdateEnvelope(Case& c, const v1::UpdateEnvelopeRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  auto& fact = *c.event.mutable_envelope_updated();
  fact.set_envelope_id(request.envelope_id());
  *fact.mutable_accountant_ids() = request.accountant_ids();
  *fact.mutable_payable_origin_years() = request.payable_origin_years();
  return std::nullopt;
}

Verdict RecordProgrammeCredits(Case& c, const v1::RecordProgrammeCreditsRequest& request) {
  // The cap is judged when a carry-over is granted, which may come after the closing.
  if (c.year > projections::YearOf(c.day)) return CheckYear(c, Period::kOfDay);
  auto& fact = *c.event.mutable_programme_credits_recorded();
  fact.set_initial_cp_cents(request.initial_cp_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

Verdict RecordRecyclingBasis(Case& c, const v1::RecordRecyclingBasisRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  auto& fact = *c.event.mutable_recycling_basis_recorded();
  fact.set_amount_cents(request.amount_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

Verdict ImportPlan(Case& c, const v1::ImportPlanRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  auto& fact = *c.event.mutable_plan_imported();
  std::set<std::pair<std::string, int>> seen;
  for (const auto& line : request.lines()) {
    const v1::Envelope* envelope = nullptr;
    if (auto wrong = FindEnvelope(c, line.envelope_id(), envelope)) return wrong;
    if (!seen.insert({line.envelope_id(), line.fiscal_year()}).second) {
      return InvalidField("lines", "names an envelope twice for a year");
    }
    const projections::Balances& before = c.balances(line.envelope_id(), line.fiscal_year());
    *fact.add_lines() = line;
    fact.add_ae_change_cents(line.ae_cents() - before.total(Ledger::kAe, Account::kEngaged,
                                                            projections::Basis::kPlanned));
    fact.add_cp_change_cents(
        line.cp_cents() - before.total(Ledger::kCp, Account::kPaid, projections::Basis::kPlanned));
  }
  fact.set_source_reference(request.source_reference());
  return std::nullopt;
}

}  // namespace denier::rules
