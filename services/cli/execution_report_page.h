// The compte rendu as a page: one file that needs no other, to read, to print on A4 and to sign.
#ifndef DENIER_SERVICES_CLI_EXECUTION_REPORT_PAGE_H_
#define DENIER_SERVICES_CLI_EXECUTION_REPORT_PAGE_H_

#include <string>
#include <string_view>

#include "denier/v1/execution_report.pb.h"
#include "services/cli/execution_report_document.h"
#include "services/cli/values.h"

namespace denier::cli {

// HTML that is XML too, in UTF-8, without scripts, fonts, pictures or links of others. Tables too
// wide for A4 upright are printed on A4 lying. The charts are drawn from `report`. The same input
// gives the same bytes. Pure.
std::string MakePage(const ReportDocument& document, const v1::ExecutionReport& report, Lang lang);

// `text` inside an element or an attribute of it; what XML cannot hold becomes U+FFFD.
std::string Escaped(std::string_view text);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXECUTION_REPORT_PAGE_H_
