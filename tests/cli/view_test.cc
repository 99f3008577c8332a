#include "services/cli/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "denier/v1/query_service.pb.h"

namespace denier::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Compares with tests/golden/cli/`name`. After a change that is meant, run the test with
// DENIER_UPDATE_GOLDENS=1 and read the difference.
void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = "tests/golden/cli/" + name;
  if (std::getenv("DENIER_UPDATE_GOLDENS") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << path;
}

v1::ExecutionRow Year(const char* body, int year, std::int64_t ae, std::int64_t cp,
                      std::int64_t outstanding) {
  v1::ExecutionRow row;
  row.set_managing_body(body);
  row.set_fiscal_year(year);
  row.set_closed(true);
  row.set_ae_opened(ae);
  row.set_ae_engaged(ae);
  row.set_ae_consumed(ae);
  row.set_cp_opened(cp);
  row.set_cp_paid(cp);
  row.set_outstanding_before_withdrawals(outstanding);
  row.set_outstanding(outstanding);
  return row;
}

// The source document's table; DJEPVA's 2022 is still planned.
v1::GetYearlyExecutionResponse Document() {
  v1::GetYearlyExecutionResponse response;
  response.set_position(412);
  *response.add_rows() = Year("DINUM", 2020, 149577900, 125166960, 24410940);
  *response.add_rows() = Year("DINUM", 2021, 200947432, 186659214, 38699158);
  *response.add_rows() = Year("DINUM", 2022, 18307200, 57006358, 0);
  *response.add_rows() = Year("DJEPVA", 2022, 0, 0, 0);
  response.mutable_rows(0)->set_ae_opened(0);
  response.mutable_rows(0)->set_ae_imported(149577900);
  response.mutable_rows(0)->set_cp_opened(0);
  response.mutable_rows(0)->set_cp_imported(125166960);
  response.mutable_rows(1)->set_cp_carryover_granted(38699158);
  response.mutable_rows(2)->set_cp_carried_in(38699158);
  v1::ExecutionRow* planned = response.mutable_rows(3);
  planned->set_closed(false);
  planned->set_ae_opened(291634720);
  planned->set_ae_available(291634720);
  planned->set_cp_opened(291634720);
  planned->set_cp_available(291634720);
  planned->set_has_plan(true);
  planned->set_planned_ae(291634720);
  planned->set_planned_cp(291634720);
  *response.add_totals() = Year("DINUM", 0, 368832532, 368832532, 0);
  *response.add_totals() = *planned;
  response.mutable_totals(1)->set_fiscal_year(0);
  return response;
}

TEST(YearlyExecutionTest, ReadsLikeTheAgreementsOwnTable) {
  ExpectGolden("yearly_execution.fr.txt", Show(Document(), "rows", {.width = 120}));
  ExpectGolden("yearly_execution.en.txt",
               Show(Document(), "rows", {.lang = Lang::kEnglish, .width = 120}));
  ExpectGolden("yearly_execution.wide.txt", Show(Document(), "rows", {}));
}

TEST(YearlyExecutionTest, FitsATerminalOf120Columns) {
  std::istringstream text(Show(Document(), "rows", {.width = 120}));
  for (std::string line; std::getline(text, line);) EXPECT_LE(DisplayWidth(line), 120u) << line;
}

TEST(YearlyExecutionTest, CsvHasARowPerYearAndBodyAndEveryColumn) {
  ExpectGolden("yearly_execution.csv", Show(Document(), "rows", {.format = Format::kCsv}));
}

TEST(YearlyExecutionTest, JsonHasEverything) {
  ExpectGolden("yearly_execution.json", Show(Document(), "rows", {.format = Format::kJson}));
}

TEST(YearlyExecutionTest, KeepsOneYearWithoutTheTotalsOfAll) {
  v1::GetYearlyExecutionResponse response = Document();
  KeepRows(&response, "fiscal_year", "2022");
  ASSERT_EQ(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).managing_body(), "DINUM");
  EXPECT_EQ(response.rows(1).managing_body(), "DJEPVA");
  EXPECT_EQ(response.totals_size(), 0);
}

v1::GetProductBudgetsResponse Products() {
  v1::GetProductBudgetsResponse response;
  const auto add = [&](const char* id, const char* label, std::int64_t budget, std::int64_t share,
                       bool common) {
    v1::ProductRow& row = *response.add_rows();
    row.set_product_id(id);
    row.set_label(label);
    row.set_fiscal_year(2022);
    row.set_budget(budget);
    row.set_common_share(share);
    row.set_common_costs(common);
  };
  add("snu", "Service National Universel", 137090000, 7236291, false);
  add("reserve-civique", "Réserve Civique (JeVeuxAider)", 132475000, 6992689, false);
  add("api", "API Engagement", 24837000, 1311020, false);
  add("common", "Coûts communs", 15540000, 0, true);
  v1::ProductReconciliation& year = *response.add_reconciliations();
  year.set_fiscal_year(2022);
  year.set_budgets(309942000);
  year.set_financing(309941920);
  year.set_difference(80);
  return response;
}

TEST(ProductsTest, ShowsTheSharesAndTheEightyCents) {
  ExpectGolden("products.fr.txt", Show(Products(), "rows", {.width = 120}));
  const std::string csv = Show(Products(), "rows", {.format = Format::kCsv});
  EXPECT_THAT(csv, HasSubstr("budgets,financing,difference\r\n"));
  EXPECT_THAT(csv, HasSubstr("1370900.00,72362.91,0.00,0.00,false,3099420.00,3099419.20,0.80\r\n"));
}

v1::GetManagedEnvelopeResponse Coaching() {
  v1::GetManagedEnvelopeResponse response;
  response.set_position(412);
  v1::Envelope& envelope = *response.mutable_envelope();
  envelope.set_agreement_id("CONV-2021");
  envelope.set_envelope_id("COACHING-2022");
  envelope.set_label("Coaching 2022");
  envelope.set_managing_body_id("DINUM");
  envelope.add_accountant_ids("acc-1");
  envelope.add_payable_origin_years(2022);
  v1::ExecutionRow& year = *response.add_years();
  year = Year("DINUM", 2022, 18307200, 9000000, 9307200);
  year.set_envelope_id("COACHING-2022");
  year.set_cp_opened(18307200);
  year.set_cp_available(9307200);
  v1::Commitment& commitment = *response.add_commitments();
  commitment.set_commitment_id("EJ-COACH");
  v1::CommitmentLineState& line = *commitment.add_lines();
  line.set_line_id("L1");
  line.set_envelope_id("COACHING-2022");
  line.set_origin_year(2022);
  line.set_engaged_cents(18307200);
  line.set_paid_cents(9000000);
  line.set_outstanding_cents(9307200);
  v1::PaymentRequest& payment = *response.add_payment_requests();
  payment.set_payment_request_id("DP-1");
  payment.set_commitment_id("EJ-COACH");
  payment.set_line_id("L1");
  payment.set_origin_year(2022);
  payment.set_paying_envelope_id("COACHING-2022");
  payment.set_type(events::v1::PAYMENT_TYPE_INSTALMENT);
  payment.set_state(v1::PAYMENT_STATE_PAID);
  payment.set_net_cents(9000000);
  payment.set_paid_date(20220630);
  return response;
}

TEST(EnvelopeTest, ShowsWhatIsLeftEachCommitmentAndEachPayment) {
  ExpectGolden("envelope.fr.txt", Show(Coaching(), "years", {.width = 120}));
  const std::string csv = Show(Coaching(), "years", {.format = Format::kCsv});
  EXPECT_THAT(csv, HasSubstr("ae_available"));
  EXPECT_THAT(csv, HasSubstr("cp_available"));
}

TEST(CommitmentsTest, CsvHasARowForEachLine) {
  const std::string csv = Show(Coaching(), "commitments", {.format = Format::kCsv});
  EXPECT_THAT(csv, HasSubstr("commitment_id"));
  EXPECT_THAT(csv, HasSubstr("EJ-COACH"));
  EXPECT_THAT(csv, HasSubstr("183072.00"));
}

v1::EventRecord Allocation() {
  v1::EventRecord record;
  record.set_position(7);
  events::v1::Event& event = *record.mutable_event();
  event.set_recorded_time_us(1641376800000001);
  event.set_effective_date(20220105);
  event.set_fiscal_year(2022);
  event.set_agreement_id("CONV-2021");
  event.set_request_id("r-7");
  event.mutable_actor()->set_principal_id("pm-1");
  event.mutable_actor()->set_body_id("DJEPVA");
  events::v1::CreditsAllocated& fact = *event.mutable_credits_allocated();
  fact.set_envelope_id("COACHING-2022");
  fact.set_ae_cents(18307200);
  fact.set_cp_cents(18307200);
  fact.set_source(events::v1::CREDIT_SOURCE_INITIAL);
  return record;
}

TEST(EventsTest, AreALineAndWhatTheFactSays) {
  const Style french;
  ExpectGolden("events.fr.txt", ShowEventHeading(french) + ShowEvent(Allocation(), french));
  const Style csv{.format = Format::kCsv};
  ExpectGolden("events.csv", ShowEventHeading(csv) + ShowEvent(Allocation(), csv));
  const std::string json = ShowEvent(Allocation(), {.format = Format::kJson});
  EXPECT_THAT(json, HasSubstr(R"("ae":"183072.00")"));
  EXPECT_EQ(json.find('\n'), json.size() - 1);
}

}  // namespace
}  // namespace denier::cli
