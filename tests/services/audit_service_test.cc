#include "services/audit_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "projections/event_version.h"
#include "store/merkle.h"
#include "tests/services/reading_server.h"

namespace denier::services {
namespace {

using events::v1::Event;
using projections::History;
using projections::kAgreement;
using projections::SourceDocument;
using testing::ElementsAre;
using testing::IsEmpty;

std::int64_t SizeOf(const History& history) {
  return static_cast<std::int64_t>(history.events().size());
}

// The source document, with a payment that is suspended on the way.
History WithASuspendedPayment() {
  History history = SourceDocument();
  history.On(20221001)
      .Allocate("coaching-2022", 100'00, 100'00)
      .Engage("ej-late", "coaching-2022", 50'00)
      .Request("dp-late", "ej-late", 20'00);
  auto& fact = *history.Add().mutable_payment_suspended();
  fact.set_payment_request_id("dp-late");
  fact.set_reason_reference("piece-manquante");
  return history;
}

class AuditServiceTest : public testing::Test {
 protected:
  void SetUp() override { server_.Append(SourceDocument()); }

  // Kinds of fact, by the names of their fields, of all events that fit.
  std::vector<std::string> List(const Caller& caller, const v1::EventFilter& filter) {
    v1::ListEventsRequest request;
    *request.mutable_filter() = filter;
    request.mutable_page()->set_page_size(7);
    std::vector<std::string> facts;
    do {
      const auto page = Ask(server_, caller, request);
      for (const auto& record : page->records()) facts.push_back(FactName(record.event()));
      request.mutable_page()->set_page_token(page->next_page_token());
    } while (!request.page().page_token().empty());
    return facts;
  }
  static std::string FactName(const Event& event) {
    return Event::descriptor()->FindFieldByNumber(event.fact_case())->name();
  }

  ReadingServer server_;
};

v1::GetEventRequest At(std::int64_t position) {
  v1::GetEventRequest request;
  request.set_position(position);
  return request;
}

// One StreamEvents call.
class Stream {
 public:
  Stream(ReadingServer& server, const Caller& caller, const v1::StreamEventsRequest& request) {
    Identify(context_, caller);
    context_.set_deadline(std::chrono::system_clock::now() + projections::kLong);
    reader_ = server.audits().StreamEvents(&context_, request);
  }
  ~Stream() { context_.TryCancel(); }

  // Positions, until there are `count`, or all. Remembers the largest message.
  std::vector<std::int64_t> Read(std::size_t count = SIZE_MAX) {
    std::vector<std::int64_t> positions;
    v1::StreamEventsResponse message;
    while (positions.size() < count && reader_->Read(&message)) {
      EXPECT_FALSE(message.records().empty());
      for (const auto& record : message.records()) positions.push_back(record.position());
      largest_ = std::max(largest_, message.ByteSizeLong());
      ++messages_;
    }
    return positions;
  }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }
  std::size_t largest() const { return largest_; }
  int messages() const { return messages_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamEventsResponse>> reader_;
  std::size_t largest_ = 0;
  int messages_ = 0;
};

v1::StreamEventsRequest From(std::int64_t position, bool follow = false) {
  v1::StreamEventsRequest request;
  request.set_from_position(position);
  request.set_follow(follow);
  return request;
}

// Positions first to last.
std::vector<std::int64_t> Range(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> range;
  for (std::int64_t i = first; i <= last; ++i) range.push_back(i);
  return range;
}

// --------------------------------------------------------------------------------- one event, and
// pages

TEST_F(AuditServiceTest, OneEventInTheCurrentForm) {
  const auto answer = Ask(server_, kAuditor, At(3));
  EXPECT_EQ(answer->record().position(), 3);
  events::v1::Event written = SourceDocument().events()[3];
  EXPECT_EQ(written.version(), 0);
  written.set_version(projections::kEventVersion);
  EXPECT_EQ(answer->record().event().SerializeAsString(), written.SerializeAsString());
}

TEST_F(AuditServiceTest, NoEventBeforeTheFirstOrAfterTheLast) {
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, At(-1))), "UNKNOWN_POSITION");
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, At(SizeOf(SourceDocument())))), "UNKNOWN_POSITION");
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, At(SizeOf(SourceDocument()) - 1))), "OK");
}

TEST_F(AuditServiceTest, PagesHoldEveryEventInTheOrderOfTheLog) {
  std::vector<std::string> all;
  for (const auto& event : SourceDocument().events()) all.push_back(FactName(event));
  EXPECT_EQ(List(kAuditor, {}), all);

  v1::ListEventsRequest request;
  request.set_from_position(30);
  const auto page = Ask(server_, kAuditor, request);
  EXPECT_EQ(page->records(0).position(), 30);
  EXPECT_EQ(page->head_position(), SizeOf(SourceDocument()) - 1);
  EXPECT_EQ(page->next_page_token(), "");
}

TEST_F(AuditServiceTest, EventsAreFiltered) {
  server_.Append(WithASuspendedPayment());
  v1::EventFilter filter;
  filter.set_fact("carryover_granted");
  EXPECT_THAT(List(kAuditor, filter), ElementsAre("carryover_granted"));
  filter.Clear();
  filter.set_commitment_id("ej-late");
  EXPECT_THAT(List(kAuditor, filter),
              ElementsAre("engaged", "service_certified", "payment_requested", "payment_suspended"))
      << "what names only the payment request is found by its commitment too";
  filter.Clear();
  filter.set_envelope_id("coaching-2022");
  EXPECT_THAT(
      List(kAuditor, filter),
      ElementsAre("envelope_created", "plan_imported", "credits_allocated", "engaged",
                  "service_certified", "payment_requested", "paid", "credits_allocated", "engaged",
                  "service_certified", "payment_requested", "payment_suspended"));
  filter.set_fact("paid");
  EXPECT_THAT(List(kAuditor, filter), ElementsAre("paid"));
  filter.set_commitment_id("ej-snu");
  EXPECT_THAT(List(kAuditor, filter), IsEmpty());
  filter.Clear();
  filter.set_agreement_id(kAgreement);
  EXPECT_EQ(List(kAuditor, filter).size(), WithASuspendedPayment().events().size());
}

TEST_F(AuditServiceTest, EventsAreFilteredByWhoAndByEitherTime) {
  History history = SourceDocument();
  Event& last = history.Add();
  last.mutable_actor()->set_principal_id("p-2");
  last.mutable_actor()->set_body_id("DINUM");
  last.mutable_publication_recorded()->set_act_id("a-1");
  server_.Append(history);
  v1::EventFilter filter;
  filter.set_principal_id("p-2");
  EXPECT_THAT(List(kAuditor, filter), ElementsAre("publication_recorded"));
  filter.Clear();
  filter.set_body_id("DINUM");
  EXPECT_THAT(List(kAuditor, filter), ElementsAre("publication_recorded"));
  filter.Clear();
  // The n-th event, counted from 1, was recorded at the microsecond n.
  filter.set_recorded_from_us(3);
  filter.set_recorded_until_us(5);
  EXPECT_THAT(List(kAuditor, filter),
              ElementsAre("envelope_created", "envelope_created", "opening_imported"));
  filter.Clear();
  filter.set_effective_from(20210301);
  filter.set_effective_until(20210301);
  EXPECT_THAT(List(kAuditor, filter),
              ElementsAre("service_certified", "payment_requested", "paid"));
}

TEST_F(AuditServiceTest, MalformedFiltersAreRefused) {
  v1::ListEventsRequest request;
  request.mutable_filter()->set_fact("no_such_fact");
  EXPECT_EQ(FieldOf(Ask(server_, kAuditor, request).status), "filter.fact");
  request.mutable_filter()->set_fact("agreement_id");
  EXPECT_EQ(FieldOf(Ask(server_, kAuditor, request).status), "filter.fact");
  request.Clear();
  request.set_from_position(-1);
  EXPECT_EQ(FieldOf(Ask(server_, kAuditor, request).status), "from_position");
  request.Clear();
  request.mutable_page()->set_page_size(1);
  const std::string token = Ask(server_, kAuditor, request)->next_page_token();
  request.mutable_page()->set_page_token(token);
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, request)), "OK");
  request.mutable_filter()->set_fact("paid");
  EXPECT_EQ(FieldOf(Ask(server_, kAuditor, request).status), "page.page_token");
}

// ----------------------------------------------------------------------------------- who reads
// what

TEST_F(AuditServiceTest, TheManagingBodySeesWhatTouchesItsEnvelopesAndTheActsOfTheAgreement) {
  server_.Append(WithASuspendedPayment());
  const History history = WithASuspendedPayment();
  const auto others = [](const Event& event) {
    return event.ShortDebugString().find("djepva-2022") != std::string::npos ||
           event.ShortDebugString().find("\"ej-snu\"") != std::string::npos;
  };
  std::vector<std::string> own;
  std::int64_t hidden = 0;
  for (const auto& event : history.events()) {
    others(event) ? static_cast<void>(++hidden) : own.push_back(FactName(event));
  }
  ASSERT_EQ(hidden, 6) << "envelope, credits, commitment, service fait, request, payment";
  EXPECT_EQ(List(kDelegate, {}), own);
  EXPECT_EQ(List(kDelegator, {}).size(), history.events().size());
  EXPECT_THAT(List(kStranger, {}), IsEmpty());

  std::int64_t position = 0;
  for (const auto& event : history.events()) {
    EXPECT_EQ(OutcomeOf(Ask(server_, kDelegate, At(position++))),
              others(event) ? "WRONG_BODY" : "OK");
  }
  EXPECT_EQ(OutcomeOf(Ask(server_, kStranger, At(0))), "WRONG_BODY");
}

TEST_F(AuditServiceTest, OperatorsAndStrangersAreToldWhy) {
  v1::ListEventsRequest request;
  EXPECT_EQ(OutcomeOf(Ask(server_, kOperator, request)), "WRONG_ROLE");
  EXPECT_EQ(OutcomeOf(Ask(server_, kOperator, At(0))), "WRONG_ROLE");
  EXPECT_EQ(OutcomeOf(Ask(server_, kNobody, request)), "UNKNOWN_PRINCIPAL");
  request.mutable_filter()->set_agreement_id(kAgreement);
  EXPECT_EQ(OutcomeOf(Ask(server_, kStranger, request)), "WRONG_BODY");
  request.mutable_filter()->set_agreement_id("none");
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, request)), "UNKNOWN_AGREEMENT");
  for (const Caller& caller : {kOperator, kNobody}) {
    Stream stream(server_, caller, From(0));
    EXPECT_THAT(stream.Read(), IsEmpty());
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
}

// -------------------------------------------------------------------------------------------
// streams

TEST_F(AuditServiceTest, AStreamThatDoesNotFollowEndsAtTheHead) {
  Stream stream(server_, kAuditor, From(5));
  EXPECT_EQ(stream.Read(), Range(5, SizeOf(SourceDocument()) - 1));
  EXPECT_TRUE(stream.Finish().ok());
  Stream beyond(server_, kAuditor, From(1'000));
  EXPECT_THAT(beyond.Read(), IsEmpty());
  EXPECT_TRUE(beyond.Finish().ok());
}

TEST_F(AuditServiceTest, AStreamThatFollowsGetsWhatIsAppended) {
  History history = SourceDocument();
  Stream stream(server_, kAuditor, From(0, /*follow=*/true));
  EXPECT_EQ(stream.Read(history.events().size()), Range(0, SizeOf(history) - 1));
  for (int i = 0; i < 20; ++i) {
    server_.books().Append(history.Allocate("coaching-2022", 1'00, 1'00));
    EXPECT_THAT(stream.Read(1), ElementsAre(SizeOf(history) - 1));
  }
  stream.Cancel();
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(AuditServiceTest, AStreamFromBeyondTheHeadWaitsForItsFirstEvent) {
  History history = SourceDocument();
  Stream stream(server_, kAuditor, From(SizeOf(history) + 2, /*follow=*/true));
  for (int i = 0; i < 4; ++i) history.Allocate("coaching-2022", 1'00, 1'00);
  server_.books().Append(history, 1);
  // Both in one message, where they were appended before the stream looked.
  EXPECT_THAT(stream.Read(2), ElementsAre(SizeOf(history) - 2, SizeOf(history) - 1));
}

TEST_F(AuditServiceTest, ManyFollowersAreAllWoken) {
  History history = SourceDocument();
  std::vector<std::unique_ptr<Stream>> streams;
  v1::StreamEventsRequest request = From(SizeOf(history), /*follow=*/true);
  for (int i = 0; i < 50; ++i) {
    if (i % 2 == 1) request.mutable_filter()->set_envelope_id("coaching-2022");
    streams.push_back(std::make_unique<Stream>(server_, kDelegate, request));
  }
  server_.books().Append(history.Allocate("coaching-2022", 1'00, 1'00));
  for (auto& stream : streams) EXPECT_THAT(stream->Read(1), ElementsAre(SizeOf(history) - 1));
}

TEST_F(AuditServiceTest, AStreamEndsWhereItWasAskedTo) {
  v1::StreamEventsRequest request = From(3, /*follow=*/true);
  request.set_until_position(6);
  Stream stream(server_, kAuditor, request);
  EXPECT_EQ(stream.Read(), Range(3, 6));
  EXPECT_TRUE(stream.Finish().ok());

  // What is recorded later ends one that is bounded by time, and not before.
  History history = SourceDocument();
  request = From(SizeOf(history), /*follow=*/true);
  request.mutable_filter()->set_recorded_until_us(SizeOf(history) + 2);
  Stream timed(server_, kAuditor, request);
  history.Allocate("coaching-2022", 1'00, 0).Allocate("coaching-2022", 1'00, 0);
  server_.books().Append(history);
  EXPECT_EQ(timed.Read(2), Range(SizeOf(history) - 2, SizeOf(history) - 1));
  server_.books().Append(history.Allocate("coaching-2022", 1'00, 0));
  EXPECT_THAT(timed.Read(), IsEmpty());
  EXPECT_TRUE(timed.Finish().ok());
}

TEST_F(AuditServiceTest, WhoAsksGetsTheBytesThatTheTreeHasHashed) {
  v1::StreamEventsRequest request = From(0);
  request.set_with_stored(true);
  grpc::ClientContext context;
  Identify(context, kAuditor);
  const auto reader = server_.audits().StreamEvents(&context, request);
  store::MerkleFrontier tree;
  for (v1::StreamEventsResponse message; reader->Read(&message);) {
    for (const auto& record : message.records()) tree.Append(store::LeafHash(record.stored()));
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(tree.size(), server_.books().log().head().next);
  EXPECT_EQ(tree.Root(), server_.books().log().head().root);
}

TEST_F(AuditServiceTest, AFollowingStreamSkipsWhatDoesNotFit) {
  History history = SourceDocument();
  v1::StreamEventsRequest request = From(SizeOf(history), /*follow=*/true);
  request.mutable_filter()->set_fact("credits_frozen");
  Stream stream(server_, kAuditor, request);
  for (int i = 0; i < 10; ++i) history.Allocate("coaching-2022", 1'00, 1'00);
  history.Freeze("coaching-2022", 1'00, 1'00);
  server_.books().Append(history, 1);
  EXPECT_THAT(stream.Read(1), ElementsAre(SizeOf(history) - 1));
}

TEST_F(AuditServiceTest, NoMessageIsMuchOverAMebibyte) {
  History history = SourceDocument();
  history.On(20221001).Allocate("djepva-2022", 20'000'00, 0);
  for (int i = 0; i < 20'000; ++i) {
    history.Engage("x-" + std::to_string(10'000 + i), "djepva-2022", 1'00);
  }
  server_.Append(history);
  Stream stream(server_, kAuditor, From(0));
  EXPECT_EQ(stream.Read(), Range(0, SizeOf(history) - 1));
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_GT(stream.messages(), 1);
  EXPECT_LT(stream.largest(), std::size_t{5} << 18) << "1.25 MiB";
}

TEST_F(AuditServiceTest, AReaderThatDoesNotReadHoldsUpNobody) {
  History history = SourceDocument();
  Stream stuck(server_, kAuditor, From(0, /*follow=*/true));
  history.On(20221001).Allocate("djepva-2022", 20'000'00, 0);
  for (int i = 0; i < 20'000; ++i) {
    history.Engage("x-" + std::to_string(10'000 + i), "djepva-2022", 1'00);
  }
  server_.Append(history);
  Stream other(server_, kAuditor, From(0));
  EXPECT_EQ(other.Read().size(), history.events().size());
  EXPECT_EQ(stuck.Read(history.events().size()), Range(0, SizeOf(history) - 1))
      << "and it has missed nothing";
}

TEST_F(AuditServiceTest, WhoFollowsIsToldThatTheServerStops) {
  Stream parked(server_, kAuditor, From(0, /*follow=*/true));
  EXPECT_EQ(parked.Read(SourceDocument().events().size()).size(), SourceDocument().events().size());
  server_.audit_service().Stop();
  EXPECT_THAT(parked.Read(), IsEmpty());
  EXPECT_EQ(ReasonOf(parked.Finish()), v1::ERROR_REASON_STOPPING);

  Stream late(server_, kAuditor, From(0, /*follow=*/true));
  EXPECT_EQ(late.Read().size(), SourceDocument().events().size());
  EXPECT_EQ(ReasonOf(late.Finish()), v1::ERROR_REASON_STOPPING);
}

TEST_F(AuditServiceTest, AFailedLogIsReportedToWhoFollows) {
  Stream stream(server_, kAuditor, From(0, /*follow=*/true));
  stream.Read(SourceDocument().events().size());
  store::Batch batch;
  batch.Add("\xff\xff\xff no event");
  server_.books().AppendBatch(batch);
  EXPECT_THAT(stream.Read(), IsEmpty());
  EXPECT_EQ(ReasonOf(stream.Finish()), v1::ERROR_REASON_DAMAGED);
  EXPECT_EQ(OutcomeOf(Ask(server_, kAuditor, v1::ListEventsRequest())), "DAMAGED");
}

}  // namespace
}  // namespace denier::services
