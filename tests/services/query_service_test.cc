#include "services/query_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "projections/row_keys.h"
#include "tests/services/reading_server.h"

namespace denier::services {
namespace {

using projections::History;
using projections::kAgreement;
using projections::SourceDocument;
using testing::ElementsAre;
using testing::IsEmpty;

class QueryServiceTest : public testing::Test {
 protected:
  // The source document, with two lines of DJEPVA's that DINUM has no business with.
  void SetUp() override { server_.Append(SourceDocument()); }

  template <class Request>
  auto AskAuditor(const Request& request) {
    return Ask(server_, kAuditor, request);
  }

  ReadingServer server_;
};

template <class Request>
Request OfEnvelope(const std::string& envelope_id) {
  auto request = On<Request>();
  request.set_envelope_id(envelope_id);
  return request;
}
v1::GetCommitmentRequest OfCommitment(const std::string& commitment_id) {
  auto request = On<v1::GetCommitmentRequest>();
  request.set_commitment_id(commitment_id);
  return request;
}
v1::GetPaymentRequest OfPayment(const std::string& payment_request_id) {
  auto request = On<v1::GetPaymentRequest>();
  request.set_payment_request_id(payment_request_id);
  return request;
}

TEST_F(QueryServiceTest, EachReportHasTheFiguresOfTheSourceDocument) {
  const auto execution = AskAuditor(On<v1::GetYearlyExecutionRequest>());
  EXPECT_EQ(execution->totals(0).ae_engaged(), 3'688'325'32);
  const auto envelope = AskAuditor(OfEnvelope<v1::GetManagedEnvelopeRequest>("coaching-2022"));
  ASSERT_EQ(envelope->years_size(), 1);
  EXPECT_EQ(envelope->years(0).ae_engaged(), 183'072'00);
  EXPECT_EQ(envelope->years(0).ae_available(), 0);
  EXPECT_EQ(envelope->years(0).cp_available(), 0);
  ASSERT_EQ(envelope->commitments_size(), 1);
  EXPECT_EQ(envelope->commitments(0).commitment_id(), "ej-coach");
  ASSERT_EQ(envelope->payment_requests_size(), 1);
  EXPECT_EQ(envelope->payment_requests(0).payment_request_id(), "dp-coach");
  EXPECT_FALSE(envelope->truncated());
  EXPECT_EQ(AskAuditor(On<v1::GetOutstandingRequest>())->rows_size(), 6);
  EXPECT_EQ(AskAuditor(On<v1::GetProductBudgetsRequest>())->reconciliations(0).difference(), 80);
  EXPECT_EQ(AskAuditor(On<v1::GetPaymentFollowUpRequest>())->rows_size(), 4);
  EXPECT_EQ(AskAuditor(On<v1::GetTrialBalanceRequest>())->sum(), 0);
}

TEST_F(QueryServiceTest, EachAnswerNamesItsPosition) {
  const auto last = static_cast<std::int64_t>(SourceDocument().events().size()) - 1;
  EXPECT_EQ(AskAuditor(v1::ListAgreementsRequest())->position(), last);
  EXPECT_EQ(AskAuditor(On<v1::GetAgreementRequest>())->position(), last);
  EXPECT_EQ(AskAuditor(On<v1::GetYearlyExecutionRequest>())->position(), last);
  EXPECT_EQ(AskAuditor(On<v1::ListPaymentsRequest>())->position(), last);
  ReadingServer empty;
  EXPECT_EQ(Ask(empty, kAuditor, v1::ListAgreementsRequest())->position(), -1);
}

TEST_F(QueryServiceTest, WaitsForAPositionToReadItsOwnWrites) {
  History history = SourceDocument();
  const auto next = static_cast<std::int64_t>(history.events().size());
  auto request = OfEnvelope<v1::GetEnvelopeRequest>("coaching-2022");
  request.mutable_header()->set_min_position(next);
  auto answer = std::async(std::launch::async, [&] { return AskAuditor(request); });
  server_.books().Append(history.Allocate("coaching-2022", 5'00, 0));
  const auto envelope = answer.get();
  EXPECT_EQ(envelope->position(), next);
  EXPECT_EQ(envelope->years(0).ae_available(), 5'00);
}

TEST_F(QueryServiceTest, APositionThatIsNotReachedInTimeIsRefused) {
  auto request = On<v1::GetAgreementRequest>();
  request.mutable_header()->set_min_position(1'000'000);
  const auto answer = Ask(server_, kAuditor, request, std::chrono::milliseconds(500));
  EXPECT_EQ(OutcomeOf(answer), "POSITION_NOT_REACHED");
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(QueryServiceTest, NothingNeedsToBeWaitedForAfterADryRun) {
  auto request = On<v1::GetAgreementRequest>();
  request.mutable_header()->set_min_position(-1);
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "OK");
  request.mutable_header()->set_min_position(-2);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "header.min_position");
}

TEST_F(QueryServiceTest, ACancelledCallDoesNotHoldUpTheServer) {
  auto request = On<v1::GetAgreementRequest>();
  request.mutable_header()->set_min_position(1'000'000);
  const auto begun = std::chrono::steady_clock::now();
  auto answer = std::async(std::launch::async, [&] { return AskAuditor(request); });
  // Answered after the other one has been received, most of the time.
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetAgreementRequest>())), "OK");
  server_.Stop();
  EXPECT_FALSE(answer.get().status.ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

// ------------------------------------------------------------------------------------- two times

std::int64_t PositionOf(const History& history, events::v1::Event::FactCase fact,
                        const std::string& text) {
  const auto& events = history.events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].fact_case() == fact &&
        events[i].ShortDebugString().find(text) != std::string::npos) {
      return static_cast<std::int64_t>(i);
    }
  }
  ADD_FAILURE() << text << " is not there";
  return 0;
}

TEST_F(QueryServiceTest, EveryAnswerCanBeOfAnEarlierPosition) {
  const std::int64_t paid = PositionOf(SourceDocument(), events::v1::Event::kPaid, "dp-coach");
  auto envelope = OfEnvelope<v1::GetManagedEnvelopeRequest>("coaching-2022");
  envelope.mutable_header()->set_as_of_position(paid - 1);
  const auto before = AskAuditor(envelope);
  EXPECT_EQ(before->position(), paid - 1);
  EXPECT_EQ(before->years(0).cp_paid(), 0);
  EXPECT_EQ(before->years(0).cp_held(), 183'072'00);
  EXPECT_EQ(before->commitments(0).lines(0).paid_cents(), 0);
  EXPECT_EQ(before->payment_requests(0).state(), v1::PAYMENT_STATE_REQUESTED);
  envelope.mutable_header()->set_as_of_position(paid);
  EXPECT_EQ(AskAuditor(envelope)->years(0).cp_paid(), 183'072'00);

  auto list = On<v1::ListCommitmentsRequest>();
  list.mutable_header()->set_as_of_position(9);
  EXPECT_EQ(AskAuditor(list)->commitments_size(), 2);
  auto agreement = On<v1::GetAgreementRequest>();
  agreement.mutable_header()->set_as_of_position(-1);
  EXPECT_EQ(OutcomeOf(AskAuditor(agreement)), "UNKNOWN_AGREEMENT") << "nothing was known yet";
}

TEST_F(QueryServiceTest, AnEarlierMomentIsAPositionOrATime) {
  const auto last = static_cast<std::int64_t>(SourceDocument().events().size()) - 1;
  auto request = On<v1::GetYearlyExecutionRequest>();
  request.mutable_header()->set_as_of_position(12);
  const std::string by_position = AskAuditor(request)->SerializeAsString();
  // History records its n-th event, counted from 1, at the microsecond n.
  request.mutable_header()->set_as_of_time_us(13);
  EXPECT_EQ(AskAuditor(request)->SerializeAsString(), by_position);
  request.mutable_header()->set_as_of_time_us(1'000'000);
  EXPECT_EQ(AskAuditor(request)->position(), last);
  request.mutable_header()->set_as_of_position(last + 1);
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, request, std::chrono::milliseconds(300))),
            "POSITION_NOT_REACHED");
  request.mutable_header()->set_as_of_position(-2);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "header.as_of_position");
  request.mutable_header()->set_as_of_time_us(-1);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "header.as_of_time_us");
}

// "What did we know on that day about 31 December 2021?"
TEST_F(QueryServiceTest, TheTwoTimesGoAloneAndTogether) {
  const auto outstanding_2021 = [&](std::int64_t as_of, int effective_until) {
    auto request = On<v1::GetYearlyExecutionRequest>();
    if (as_of >= 0) request.mutable_header()->set_as_of_position(as_of);
    request.mutable_header()->set_effective_until(effective_until);
    const auto report = AskAuditor(request);
    for (const auto& row : report->rows()) {
      if (row.managing_body() == "DINUM" && row.fiscal_year() == 2021) return row.outstanding();
    }
    return std::int64_t{-1};
  };
  History history = SourceDocument();
  // Learnt late: in December 2021 a thousand euros more had been engaged.
  const auto known = static_cast<std::int64_t>(history.events().size()) - 1;
  history.On(20211215)
      .Allocate("engagements-2020-2021", 1'000'00, 0)
      .Engage("ej-late", "engagements-2020-2021", 1'000'00);
  server_.Append(history);
  EXPECT_EQ(outstanding_2021(-1, 20211231), 387'991'58);
  EXPECT_EQ(outstanding_2021(known, 20211231), 386'991'58);
  EXPECT_EQ(outstanding_2021(-1, 20211101), 386'991'58 + 1'622'482'74)
      << "the payment of 30 November counts from its day on";
  const std::int64_t engaged = PositionOf(history, events::v1::Event::kEngaged, "ej-2021");
  EXPECT_EQ(outstanding_2021(engaged, 20211231), 2'009'474'32 + 244'109'40)
      << "known then: the commitments, and none of the payments of 2021";

  auto request = On<v1::GetYearlyExecutionRequest>();
  request.mutable_header()->set_effective_until(20211301);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "header.effective_until");
}

TEST_F(QueryServiceTest, AFigureLeadsToItsEventsAndTheyAddUpToIt) {
  auto request = On<v1::ExplainFigureRequest>();
  auto& name = *request.mutable_name();
  name.set_report(v1::REPORT_YEARLY_EXECUTION);
  name.set_figure("outstanding");
  name.set_managing_body("DINUM");
  name.set_fiscal_year(2021);
  request.mutable_page()->set_page_size(2);
  std::int64_t sum = 0, figure = 0;
  std::vector<std::string> facts;
  do {
    const auto page = AskAuditor(request);
    if (request.page().page_token().empty()) figure = page->figure_cents();
    for (const auto& share : page->shares()) {
      sum += share.cents();
      facts.push_back(share.fact());
    }
    request.mutable_page()->set_page_token(page->next_page_token());
  } while (!request.page().page_token().empty());
  EXPECT_EQ(figure, 386'991'58);
  EXPECT_EQ(sum, figure);
  EXPECT_THAT(facts, ElementsAre("opening_imported", "engaged", "paid", "paid"));

  // Since the engagement: what the payments changed.
  request.clear_page();
  const std::int64_t engaged = PositionOf(SourceDocument(), events::v1::Event::kEngaged, "ej-2021");
  request.set_after_position(engaged);
  const auto since = AskAuditor(request);
  EXPECT_EQ(since->before_cents(), 2'009'474'32 + 244'109'40);
  EXPECT_EQ(since->shares_size(), 2);

  name.set_figure("no_such_figure");
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "UNKNOWN_FIGURE");
  name.set_figure("outstanding");
  name.set_fiscal_year(1999);
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "UNKNOWN_FIGURE");
  name.set_fiscal_year(2022);
  name.clear_managing_body();
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "name") << "two bodies have such a row";
  name.set_report(v1::REPORT_UNSPECIFIED);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "name.report");
}

TEST_F(QueryServiceTest, TheFiguresOfACommitmentAndOfAPaymentLeadToTheirEvents) {
  auto request = On<v1::ExplainFigureRequest>();
  request.mutable_name()->set_report(v1::REPORT_COMMITMENT);
  request.mutable_name()->set_commitment_id("ej-2021");
  request.mutable_name()->set_figure("paid_cents");
  const auto commitment = AskAuditor(request);
  EXPECT_EQ(commitment->figure_cents(), 2'009'474'32);
  ASSERT_EQ(commitment->shares_size(), 2);
  EXPECT_EQ(commitment->shares(0).cents(), 1'622'482'74);
  EXPECT_EQ(commitment->shares(1).cents(), 386'991'58);

  request.mutable_name()->Clear();
  request.mutable_name()->set_report(v1::REPORT_PAYMENT);
  request.mutable_name()->set_payment_request_id("ej-2020-1");
  request.mutable_name()->set_figure("net_cents");
  const auto imported = AskAuditor(request);
  ASSERT_EQ(imported->shares_size(), 1);
  EXPECT_EQ(imported->shares(0).fact(), "opening_imported");
}

TEST_F(QueryServiceTest, TheFiguresOfTheCompteRenduLeadToTheirEvents) {
  auto request = On<v1::ExplainFigureRequest>();
  auto& name = *request.mutable_name();
  name.set_report(v1::REPORT_EXECUTION_REPORT);
  name.set_figure("cp_paid");
  name.set_managing_body("DINUM");
  name.set_from_date(20220101);
  name.set_until_date(20221231);
  const auto body = AskAuditor(request);
  EXPECT_EQ(body->figure_cents(), 570'063'58);
  EXPECT_EQ(body->shares_size(), 2);
  name.set_envelope_id("coaching-2022");
  EXPECT_EQ(AskAuditor(request)->figure_cents(), 183'072'00);
  name.clear_envelope_id();
  name.clear_managing_body();
  EXPECT_EQ(AskAuditor(request)->figure_cents(), 570'063'58 + 2'916'347'20) << "the total";
  EXPECT_EQ(Ask(server_, kDelegate, request)->figure_cents(), 570'063'58) << "of what they see";
  name.set_until_date(20211231);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "name.from_date");
}

TEST_F(QueryServiceTest, NobodyIsExplainedWhatTheyMayNotSee) {
  auto request = On<v1::ExplainFigureRequest>();
  request.mutable_name()->set_report(v1::REPORT_YEARLY_EXECUTION);
  request.mutable_name()->set_figure("ae_engaged");
  request.mutable_name()->set_fiscal_year(2022);
  request.mutable_name()->set_managing_body("DJEPVA");
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "OK");
  EXPECT_EQ(OutcomeOf(Ask(server_, kDelegate, request)), "UNKNOWN_FIGURE");
  EXPECT_EQ(OutcomeOf(Ask(server_, kStranger, request)), "WRONG_BODY");
  EXPECT_EQ(OutcomeOf(Ask(server_, kOperator, request)), "WRONG_ROLE");
  request.mutable_name()->Clear();
  request.mutable_name()->set_report(v1::REPORT_COMMITMENT);
  request.mutable_name()->set_commitment_id("ej-snu");
  request.mutable_name()->set_figure("paid_cents");
  EXPECT_EQ(OutcomeOf(Ask(server_, kDelegate, request)), "WRONG_BODY");
}

// ----------------------------------------------------------------------------------- who reads
// what

TEST_F(QueryServiceTest, WhoReadsWhat) {
  const auto outcome = [&](const Caller& caller, const auto& request) {
    return OutcomeOf(Ask(server_, caller, request));
  };
  struct {
    const char* who;
    Caller caller;
    const char *agreement, *reports, *own_envelope, *other_envelope, *own_commitment,
        *other_commitment, *own_payment, *other_payment;
  } const kRows[] = {
      // clang-format off
      {"auditor",   kAuditor,   "OK", "OK", "OK", "OK",         "OK", "OK",         "OK", "OK"},
      {"delegator", kDelegator, "OK", "OK", "OK", "OK",         "OK", "OK",         "OK", "OK"},
      {"delegate",  kDelegate,  "OK", "OK", "OK", "WRONG_BODY", "OK", "WRONG_BODY", "OK", "WRONG_BODY"},
      {"stranger",  kStranger,  "WRONG_BODY", "WRONG_BODY", "WRONG_BODY", "WRONG_BODY", "WRONG_BODY",
                                "WRONG_BODY", "WRONG_BODY", "WRONG_BODY"},
      {"operator",  kOperator,  "WRONG_ROLE", "WRONG_ROLE", "WRONG_ROLE", "WRONG_ROLE", "WRONG_ROLE",
                                "WRONG_ROLE", "WRONG_ROLE", "WRONG_ROLE"},
      {"nobody",    kNobody,    "UNKNOWN_PRINCIPAL", "UNKNOWN_PRINCIPAL", "UNKNOWN_PRINCIPAL",
                                "UNKNOWN_PRINCIPAL", "UNKNOWN_PRINCIPAL", "UNKNOWN_PRINCIPAL",
                                "UNKNOWN_PRINCIPAL", "UNKNOWN_PRINCIPAL"},
      // clang-format on
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.who);
    EXPECT_EQ(outcome(row.caller, On<v1::GetAgreementRequest>()), row.agreement);
    EXPECT_EQ(outcome(row.caller, On<v1::GetYearlyExecutionRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::GetOutstandingRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::GetProductBudgetsRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::GetPaymentFollowUpRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::GetTrialBalanceRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::ListEnvelopesRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::ListCommitmentsRequest>()), row.reports);
    EXPECT_EQ(outcome(row.caller, On<v1::ListPaymentsRequest>()), row.reports);
    const std::string own = "coaching-2022", other = "djepva-2022";
    EXPECT_EQ(outcome(row.caller, OfEnvelope<v1::GetEnvelopeRequest>(own)), row.own_envelope);
    EXPECT_EQ(outcome(row.caller, OfEnvelope<v1::GetEnvelopeRequest>(other)), row.other_envelope);
    EXPECT_EQ(outcome(row.caller, OfEnvelope<v1::GetManagedEnvelopeRequest>(own)),
              row.own_envelope);
    EXPECT_EQ(outcome(row.caller, OfEnvelope<v1::GetManagedEnvelopeRequest>(other)),
              row.other_envelope);
    EXPECT_EQ(outcome(row.caller, OfEnvelope<v1::ListCommitmentsRequest>(other)),
              row.other_envelope);
    EXPECT_EQ(outcome(row.caller, OfCommitment("ej-coach")), row.own_commitment);
    EXPECT_EQ(outcome(row.caller, OfCommitment("ej-snu")), row.other_commitment);
    EXPECT_EQ(outcome(row.caller, OfPayment("dp-coach")), row.own_payment);
    EXPECT_EQ(outcome(row.caller, OfPayment("dp-snu")), row.other_payment);
  }
}

TEST_F(QueryServiceTest, TheManagingBodySeesItsOwnFiguresAndNoOthers) {
  const auto execution = Ask(server_, kDelegate, On<v1::GetYearlyExecutionRequest>());
  ASSERT_EQ(execution->totals_size(), 1);
  EXPECT_EQ(execution->totals(0).managing_body(), "DINUM");
  for (const auto& row : execution->rows()) EXPECT_EQ(row.managing_body(), "DINUM");
  const auto outstanding = Ask(server_, kDelegate, On<v1::GetOutstandingRequest>());
  for (const auto& row : outstanding->rows()) {
    EXPECT_EQ(row.managing_body(), "DINUM");
  }
  const auto balance = Ask(server_, kDelegate, On<v1::GetTrialBalanceRequest>());
  EXPECT_EQ(balance->sum(), 0);
  for (const auto& row : balance->rows()) EXPECT_NE(row.envelope_id(), "djepva-2022");
  const auto products = Ask(server_, kDelegate, On<v1::GetProductBudgetsRequest>());
  for (const auto& row : products->rows()) {
    if (row.product_id() == "snu") {
      EXPECT_EQ(row.engaged(), 0) << "DJEPVA engaged for it";
    }
  }
  const auto agreement = Ask(server_, kDelegate, On<v1::GetAgreementRequest>());
  EXPECT_THAT(agreement->agreement().envelope_ids(),
              ElementsAre("coaching-2022", "engagements-2020-2021"));
  EXPECT_EQ(agreement->agreement().carryovers_size(), 1);
  std::vector<std::string> payments;
  const auto listed = Ask(server_, kDelegate, On<v1::ListPaymentsRequest>());
  for (const auto& row : listed->payment_requests()) {
    payments.push_back(row.payment_request_id());
  }
  EXPECT_THAT(payments,
              ElementsAre("dp-2020-2", "dp-2021-1", "dp-2021-2", "dp-coach", "ej-2020-1"));

  auto of_other = On<v1::GetYearlyExecutionRequest>();
  of_other.set_managing_body_id("DJEPVA");
  EXPECT_EQ(OutcomeOf(Ask(server_, kDelegate, of_other)), "WRONG_BODY");
}

TEST_F(QueryServiceTest, AgreementsAreListedForTheirPartiesAndForAuditors) {
  History other;
  other.On(20220110).Agreement("another");
  for (const auto& event : other.events()) {
    store::Batch batch;
    batch.Add(event.SerializeAsString());
    server_.books().AppendBatch(batch);
  }
  server_.books().AwaitHead();
  EXPECT_EQ(Ask(server_, kAuditor, v1::ListAgreementsRequest())->agreements_size(), 2);
  EXPECT_EQ(Ask(server_, kDelegate, v1::ListAgreementsRequest())->agreements_size(), 2);
  EXPECT_EQ(Ask(server_, kStranger, v1::ListAgreementsRequest())->agreements_size(), 0);
}

// ----------------------------------------------------------------------------------- malformed,
// unknown

TEST_F(QueryServiceTest, WhatDoesNotExistIsNotFound) {
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetAgreementRequest>("none"))), "UNKNOWN_AGREEMENT");
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetTrialBalanceRequest>("none"))), "UNKNOWN_AGREEMENT");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfEnvelope<v1::GetEnvelopeRequest>("none"))), "UNKNOWN_ENVELOPE");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfEnvelope<v1::GetManagedEnvelopeRequest>("none"))),
            "UNKNOWN_ENVELOPE");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfCommitment("none"))), "UNKNOWN_COMMITMENT");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfPayment("none"))), "UNKNOWN_PAYMENT_REQUEST");
}

TEST_F(QueryServiceTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(FieldOf(AskAuditor(v1::GetAgreementRequest()).status), "header.agreement_id");
  EXPECT_EQ(FieldOf(AskAuditor(OfEnvelope<v1::GetEnvelopeRequest>("")).status), "envelope_id");
  EXPECT_EQ(FieldOf(AskAuditor(OfCommitment("")).status), "commitment_id");
  EXPECT_EQ(FieldOf(AskAuditor(OfPayment("")).status), "payment_request_id");
}

TEST_F(QueryServiceTest, AFilterThatTheServerDoesNotKnowIsNotIgnored) {
  auto request = On<v1::ListPaymentsRequest>();
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(99, 1);
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "UNKNOWN_FIELDS");
  request = On<v1::ListPaymentsRequest>();
  auto& header = *request.mutable_header();
  header.GetReflection()->MutableUnknownFields(&header)->AddVarint(99, 1);
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "UNKNOWN_FIELDS");
}

// A cent too much where the stored row `key` says what is engaged.
template <class Row>
void AddACent(std::map<std::string, std::string>& rows, const std::string& key) {
  Row row;
  ASSERT_TRUE(row.Parse(rows.at(key)));
  projections::Posting cent;
  cent.account = projections::Account::kEngaged;
  cent.origin_year = 2022;
  cent.cents = 1;
  ASSERT_TRUE(row.Add(cent).ok());
  rows[key] = row.Serialize();
}

TEST_F(QueryServiceTest, DamageIsAnErrorAndNeverAnotherFigure) {
  const auto right = AskAuditor(On<v1::GetYearlyExecutionRequest>());
  server_.Stop();
  server_.books().Replace([](auto& rows) {
    AddACent<projections::Balances>(rows,
                                    projections::BalancesKey(kAgreement, "coaching-2022", 2022));
  });
  server_.Start();
  // That is made from the sums of the bodies alone.
  EXPECT_EQ(AskAuditor(On<v1::GetYearlyExecutionRequest>())->SerializeAsString(),
            right->SerializeAsString());
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetOutstandingRequest>())), "DAMAGED");
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetTrialBalanceRequest>())), "DAMAGED");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfEnvelope<v1::GetEnvelopeRequest>("coaching-2022"))), "DAMAGED");
  EXPECT_EQ(OutcomeOf(AskAuditor(OfEnvelope<v1::GetEnvelopeRequest>("djepva-2022"))), "OK");
}

TEST_F(QueryServiceTest, DamageOfASumIsAnErrorToo) {
  server_.Stop();
  server_.books().Replace([](auto& rows) {
    AddACent<projections::BodyYear>(rows, projections::BodyYearKey(kAgreement, "DINUM", 2022));
  });
  server_.Start();
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetYearlyExecutionRequest>())), "DAMAGED");
  EXPECT_EQ(OutcomeOf(AskAuditor(On<v1::GetTrialBalanceRequest>())), "DAMAGED");
}

// ------------------------------------------------------------------------------------------------
// lists

TEST_F(QueryServiceTest, CommitmentsAreFiltered) {
  History history = SourceDocument();
  history.On(20221001).Allocate("coaching-2022", 100'00, 0);
  history.Engage("ej-open", "coaching-2022", 10'00, "snu");
  server_.Append(history);
  const auto ids = [&](auto set) {
    auto request = On<v1::ListCommitmentsRequest>();
    set(request);
    std::vector<std::string> ids;
    const auto answer = AskAuditor(request);
    for (const auto& row : answer->commitments()) ids.push_back(row.commitment_id());
    return ids;
  };
  EXPECT_THAT(ids([](auto&) {}),
              ElementsAre("ej-2020", "ej-2021", "ej-coach", "ej-open", "ej-snu"));
  EXPECT_THAT(ids([](auto& request) { request.set_envelope_id("coaching-2022"); }),
              ElementsAre("ej-coach", "ej-open"));
  EXPECT_THAT(ids([](auto& request) { request.set_product_id("snu"); }),
              ElementsAre("ej-open", "ej-snu"));
  EXPECT_THAT(ids([](auto& request) { request.set_origin_year(2021); }), ElementsAre("ej-2021"));
  EXPECT_THAT(ids([](auto& request) { request.set_open_only(true); }), ElementsAre("ej-open"));
  EXPECT_THAT(ids([](auto& request) {
                request.set_product_id("snu");
                request.set_envelope_id("djepva-2022");
              }),
              ElementsAre("ej-snu"));
}

TEST_F(QueryServiceTest, PaymentsAreFiltered) {
  const auto ids = [&](auto set) {
    auto request = On<v1::ListPaymentsRequest>();
    set(request);
    std::vector<std::string> ids;
    const auto answer = AskAuditor(request);
    for (const auto& row : answer->payment_requests()) {
      ids.push_back(row.payment_request_id());
    }
    return ids;
  };
  EXPECT_THAT(ids([](auto& request) { request.set_paying_envelope_id("djepva-2022"); }),
              ElementsAre("dp-snu"));
  EXPECT_THAT(ids([](auto& request) { request.set_commitment_id("ej-2021"); }),
              ElementsAre("dp-2021-1", "dp-2021-2"));
  EXPECT_THAT(ids([](auto& request) { request.set_paid_year(2020); }), ElementsAre("ej-2020-1"));
  EXPECT_THAT(ids([](auto& request) { request.set_state(v1::PAYMENT_STATE_IMPORTED); }),
              ElementsAre("ej-2020-1"));
  EXPECT_THAT(ids([](auto& request) { request.set_state(v1::PAYMENT_STATE_REJECTED); }), IsEmpty());
  auto request = On<v1::ListPaymentsRequest>();
  request.set_state(static_cast<v1::PaymentState>(99));
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "state");
}

TEST_F(QueryServiceTest, EnvelopesAreFilteredByTheirBody) {
  auto request = On<v1::ListEnvelopesRequest>();
  EXPECT_EQ(AskAuditor(request)->envelopes_size(), 3);
  request.set_managing_body_id("DJEPVA");
  ASSERT_EQ(AskAuditor(request)->envelopes_size(), 1);
  EXPECT_EQ(AskAuditor(request)->envelopes(0).envelope_id(), "djepva-2022");
  EXPECT_EQ(OutcomeOf(Ask(server_, kDelegate, request)), "WRONG_BODY");
}

TEST_F(QueryServiceTest, PagesFollowEachOtherToTheEnd) {
  History history = SourceDocument();
  history.On(20221001).Allocate("djepva-2022", 1'203'00, 0);
  for (int i = 0; i < 1'203; ++i) {
    history.Engage("x-" + std::to_string(10'000 + i), "djepva-2022", 1'00);
  }
  server_.Append(history);
  const auto sizes = [&](int page_size, bool restricted) {
    auto request = On<v1::ListCommitmentsRequest>();
    if (restricted) request.set_product_id("snu");
    request.mutable_page()->set_page_size(page_size);
    std::vector<int> sizes;
    std::vector<std::string> ids;
    do {
      const auto page = AskAuditor(request);
      sizes.push_back(page->commitments_size());
      for (const auto& row : page->commitments()) ids.push_back(row.commitment_id());
      request.mutable_page()->set_page_token(page->next_page_token());
    } while (!request.page().page_token().empty());
    EXPECT_TRUE(std::ranges::is_sorted(ids));
    EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end()) << "none comes twice";
    return sizes;
  };
  EXPECT_THAT(sizes(500, false), ElementsAre(500, 500, 207));
  EXPECT_THAT(sizes(5'000, false), ElementsAre(1'000, 207)) << "at most 1000";
  EXPECT_EQ(sizes(0, false).front(), 50) << "as many as usual";
  EXPECT_THAT(sizes(1'000, true), ElementsAre(1));
}

TEST_F(QueryServiceTest, ThePageOfExactlyTheLastRowHasNoNext) {
  auto request = On<v1::ListEnvelopesRequest>();
  request.mutable_page()->set_page_size(3);
  EXPECT_EQ(AskAuditor(request)->envelopes_size(), 3);
  EXPECT_EQ(AskAuditor(request)->next_page_token(), "");
}

TEST_F(QueryServiceTest, APageTokenIsGoodForItsOwnListOnly) {
  auto request = On<v1::ListEnvelopesRequest>();
  request.mutable_page()->set_page_size(1);
  const std::string token = AskAuditor(request)->next_page_token();
  request.mutable_page()->set_page_token(token);
  request.mutable_header()->set_min_position(0);
  request.mutable_page()->set_page_size(2);
  EXPECT_EQ(OutcomeOf(AskAuditor(request)), "OK") << "size and freshness may change";

  request.set_managing_body_id("DINUM");
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "page.page_token") << "other filters";
  auto other = On<v1::ListCommitmentsRequest>();
  other.mutable_page()->set_page_token(token);
  EXPECT_EQ(FieldOf(AskAuditor(other).status), "page.page_token") << "another list";
  for (const std::string& bad :
       {std::string("x"), std::string("@@@@"), token.substr(4), token + "AA"}) {
    request = On<v1::ListEnvelopesRequest>();
    request.mutable_page()->set_page_token(bad);
    EXPECT_EQ(FieldOf(AskAuditor(request).status), "page.page_token") << bad;
  }
  request = On<v1::ListEnvelopesRequest>();
  request.mutable_page()->set_page_size(-1);
  EXPECT_EQ(FieldOf(AskAuditor(request).status), "page.page_size");
}

TEST_F(QueryServiceTest, AnEnvelopesReportIsCutBeforeItIsTooLargeToReceive) {
  History history = SourceDocument();
  history.On(20221001).Allocate("djepva-2022", 10'001'00, 0);
  for (int i = 0; i < 10'001; ++i) {
    history.Engage("x-" + std::to_string(10'000 + i), "djepva-2022", 1'00);
  }
  server_.Append(history);
  const auto envelope = AskAuditor(OfEnvelope<v1::GetManagedEnvelopeRequest>("djepva-2022"));
  EXPECT_TRUE(envelope->truncated());
  EXPECT_LE(envelope->commitments_size(), 10'000);
  EXPECT_GT(envelope->commitments_size(), 5'000);
  EXPECT_EQ(envelope->payment_requests_size(), 1);
}

}  // namespace
}  // namespace denier::services
