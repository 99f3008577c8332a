#include "services/rules/dated_rules.h"

#include <array>

namespace denier::rules {
namespace {

constexpr std::array<DatedRules, 2> kTable = {{
    {.first_year = 2000,
     .carryover_until = 331,
     .carryover_cap_per_mille = 30,
     .carryover_source = "LOLF art. 15, II (LO 2001-692)",
     .early_from = 1101,
     .early_cap_per_mille = 250,
     .early_source = "GBCP, arrêté: from 1 November, a quarter of the year's credits",
     .regularisation_until = 131,
     .regularisation_source = "RRCBE: complementary period of accounting regularisations",
     .retention_cap_per_mille = 50,
     .retention_source = "Code de la commande publique, R2191-33"},
    // Credits of 2022 are the first carried over under the reform.
    {.first_year = 2022,
     .carryover_until = 315,
     .carryover_cap_per_mille = 0,
     .carryover_source = "LOLF art. 15, II (LO 2021-1836): 15 March, one overall cap",
     .early_from = 1101,
     .early_cap_per_mille = 250,
     .early_source = "GBCP, arrêté: from 1 November, a quarter of the year's credits",
     .regularisation_until = 131,
     .regularisation_source = "RRCBE: complementary period of accounting regularisations",
     .retention_cap_per_mille = 50,
     .retention_source = "Code de la commande publique, R2191-33"},
}};

}  // namespace

const DatedRules& RulesOf(int fiscal_year) {
  const DatedRules* found = &kTable.front();
  for (const DatedRules& row : kTable) {
    if (row.first_year <= fiscal_year) found = &row;
  }
  return *found;
}

}  // namespace denier::rules
