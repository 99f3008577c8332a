// The charts of the compte rendu, as SVG that is to be put into a page. They are told apart by
// form, not by colour: they may be printed in black and white. Pure.
#ifndef DENIER_SERVICES_CLI_EXECUTION_REPORT_CHART_H_
#define DENIER_SERVICES_CLI_EXECUTION_REPORT_CHART_H_

#include <cstdint>
#include <string>
#include <vector>

#include "denier/v1/execution_report.pb.h"
#include "services/cli/values.h"

namespace denier::cli {

// What AE were consumed and what CP were paid in each month and since 1 January, against what was
// open: one drawing each. Empty where the period has no month.
std::string MonthsChart(const v1::ExecutionReport& report, Lang lang);

// Restes à payer by year of origin, before the period and at its end, all bodies together. Empty
// where there is nothing to show.
std::string OriginsChart(const v1::ExecutionReport& report, Lang lang);

// Round figures, evenly spaced, from at most `low` to at least `high`, 0 among them; at least two.
// In cents, as are the arguments; `low` is at most 0 and `high` at least 0.
std::vector<std::int64_t> Ticks(std::int64_t low, std::int64_t high);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXECUTION_REPORT_CHART_H_
