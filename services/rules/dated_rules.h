// What the law dates: figures that changed, or may change, with the year. One table; a new figure
// is a new row, so that a rule is applied as it stood on the day, for ever.
#ifndef DENIER_SERVICES_RULES_DATED_RULES_H_
#define DENIER_SERVICES_RULES_DATED_RULES_H_

namespace denier::rules {

struct DatedRules {
  int first_year;  // budget year from which the row applies

  // Credits of the year carried over to the next (LOLF art. 15): the order comes by this day (MMDD)
  // of the next year, and CP outside personnel and assigned receipts are capped.
  int carryover_until;
  // Share of the programme's initial CP that may be carried over, in thousandths; 0: the cap is
  // over the whole budget, which books of one agreement cannot judge.
  int carryover_cap_per_mille;
  const char* carryover_source;

  // Early commitments on the next year's credits: first day (MMDD), and the share of the year's
  // opened AE that they may reach, in thousandths.
  int early_from;
  int early_cap_per_mille;
  const char* early_source;

  // Accounting regularisations (corrections, withdrawals, reversals, reimputations) may still be
  // booked in the year until this day (MMDD) of the next. Payments have no such period.
  int regularisation_until;
  const char* regularisation_source;

  // Retenue de garantie, in thousandths of the gross.
  int retention_cap_per_mille;
  const char* retention_source;
};

// The row for a budget year: the last one whose first year is not after it.
const DatedRules& RulesOf(int fiscal_year);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_DATED_RULES_H_
