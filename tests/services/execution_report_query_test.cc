// GetExecutionReport over gRPC: whose figures it gives to whom, as of when, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/services/reading_server.h"

namespace denier::services {
namespace {

v1::GetExecutionReportRequest OfYear(int year) {
  auto request = On<v1::GetExecutionReportRequest>();
  request.set_from_date(year * 10000 + 101);
  request.set_until_date(year * 10000 + 1231);
  return request;
}

TEST(ExecutionReportQueryTest, GivesTheManagingBodyItsOwnEnvelopesAndTheDelegatorAll) {
  ReadingServer server;
  const projections::History history = projections::SourceDocument();
  server.Append(history);
  const auto all = Ask(server, kDelegator, OfYear(2022));
  const auto own = Ask(server, kDelegate, OfYear(2022));
  EXPECT_EQ(all->report().total().cp_paid(), 3'486'410'78);
  EXPECT_EQ(all->report().envelopes_size(), 3);
  EXPECT_EQ(own->report().total().cp_paid(), 570'063'58);
  EXPECT_EQ(own->report().envelopes_size(), 2);
  EXPECT_EQ(all->position(), static_cast<std::int64_t>(history.events().size()) - 1);
  EXPECT_EQ(Ask(server, kAuditor, OfYear(2022))->report().SerializeAsString(),
            all->report().SerializeAsString());
  EXPECT_EQ(OutcomeOf(Ask(server, kStranger, OfYear(2022))), "WRONG_BODY");
  EXPECT_EQ(OutcomeOf(Ask(server, kOperator, OfYear(2022))), "WRONG_ROLE");
}

TEST(ExecutionReportQueryTest, IsOfTheMomentThatWasAsked) {
  ReadingServer server;
  projections::History history = projections::SourceDocument();
  server.Append(history);
  const auto before = Ask(server, kAuditor, OfYear(2022));
  const std::int64_t position = before->position();
  history.On(20221001).Allocate("djepva-2022", 1, 1);
  server.Append(history);
  auto request = OfYear(2022);
  request.mutable_header()->set_as_of_position(position);
  const auto then = Ask(server, kAuditor, request);
  EXPECT_EQ(then->position(), position);
  EXPECT_EQ(then->report().SerializeAsString(), before->report().SerializeAsString());

  auto earlier = OfYear(2022);
  earlier.mutable_header()->set_effective_until(20220630);
  const auto june = Ask(server, kAuditor, earlier);
  EXPECT_EQ(june->report().until_date(), 20220630);
  EXPECT_EQ(june->report().total().cp_paid(), 0);
  EXPECT_EQ(june->report().total().ae_engaged(), 3'099'419'20);
}

TEST(ExecutionReportQueryTest, RefusesWhatIsNoPeriod) {
  ReadingServer server;
  server.Append(projections::SourceDocument());
  auto request = OfYear(2022);
  request.set_from_date(20220230);
  EXPECT_EQ(FieldOf(Ask(server, kAuditor, request).status), "from_date");
  request = OfYear(2022);
  request.set_until_date(20211231);
  EXPECT_EQ(FieldOf(Ask(server, kAuditor, request).status), "until_date");
  request = OfYear(2022);
  request.mutable_header()->set_effective_until(20211231);
  EXPECT_EQ(FieldOf(Ask(server, kAuditor, request).status), "header.effective_until");
}

}  // namespace
}  // namespace denier::services
