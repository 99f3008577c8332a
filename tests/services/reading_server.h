// The two services that read, over rows of a history that a test writes: no rules, no sequencer.
#ifndef DENIER_TESTS_SERVICES_READING_SERVER_H_
#define DENIER_TESTS_SERVICES_READING_SERVER_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/query_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/audit_service.h"
#include "services/errors.h"
#include "services/query_service.h"
#include "tests/projections/bookkeeping.h"
#include "tests/projections/history.h"

namespace denier::services {

// Who asks, as development mode is told it.
struct Caller {
  std::string principal_id, body, roles;
};
inline const Caller kAuditor{"aud-1", "COUR", "auditor"};
inline const Caller kDelegator{"pm-1", "DJEPVA", "programme_manager"};
inline const Caller kDelegate{"ao-1", "DINUM", "authorising_officer"};
inline const Caller kStranger{"ao-9", "ANCT", "authorising_officer"};
inline const Caller kOperator{"op-1", "DJEPVA", "operator"};
inline const Caller kNobody{"", "", ""};

inline void Identify(grpc::ClientContext& context, const Caller& caller) {
  context.AddMetadata("denier-principal", caller.principal_id);
  context.AddMetadata("denier-body", caller.body);
  context.AddMetadata("denier-roles", caller.roles);
}

class ReadingServer {
 public:
  ReadingServer() { Start(); }
  ~ReadingServer() { Stop(); }

  projections::Bookkeeping& books() { return books_; }
  v1::QueryService::Stub& queries() { return *queries_; }
  v1::AuditService::Stub& audits() { return *audits_; }
  AuditService& audit_service() { return *audit_service_; }

  // Appends the rest of `history`, and waits until it is folded.
  void Append(const projections::History& history) {
    books_.Append(history);
    books_.AwaitHead();
  }

  void Start() {
    if (books_.TryStart().ok()) {
      query_service_ = std::make_unique<QueryService>(books_.runner(), books_.log(), principals_);
      audit_service_ = std::make_unique<AuditService>(books_.log(), books_.runner(), principals_);
      grpc::ServerBuilder builder;
      builder.RegisterService(query_service_.get());
      builder.RegisterService(audit_service_.get());
      int port = 0;
      builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
      server_ = builder.BuildAndStart();
      channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                     grpc::InsecureChannelCredentials());
      queries_ = v1::QueryService::NewStub(channel_);
      audits_ = v1::AuditService::NewStub(channel_);
    } else {
      ADD_FAILURE() << "the runner does not start";
    }
  }
  // Ends every call at once.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_ = nullptr;
    query_service_ = nullptr;
    audit_service_ = nullptr;
    books_.Stop();
  }

 private:
  const PrincipalReader principals_{PrincipalReader::Source::kMetadata};
  projections::Bookkeeping books_;
  std::unique_ptr<QueryService> query_service_;
  std::unique_ptr<AuditService> audit_service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::QueryService::Stub> queries_;
  std::unique_ptr<v1::AuditService::Stub> audits_;
};

// What a call came to: its answer, or why there is none.
template <class Response>
struct Answer {
  grpc::Status status;
  Response response;

  const Response* operator->() const {
    EXPECT_TRUE(status.ok()) << status.error_message();
    return &response;
  }
};

// "OK", or the reason of the refusal.
template <class Response>
std::string OutcomeOf(const Answer<Response>& answer) {
  return answer.status.ok() ? "OK" : std::string(NameOf(ReasonOf(answer.status)));
}

// The field at fault.
inline std::string FieldOf(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  google::rpc::BadRequest bad_request;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&bad_request)) return bad_request.field_violations(0).field();
  }
  return "";
}

#define DENIER_ASK(stub, Name)                                                                    \
  inline Answer<v1::Name##Response> Ask(ReadingServer& server, const Caller& caller,              \
                                        const v1::Name##Request& request,                         \
                                        std::chrono::milliseconds timeout = projections::kLong) { \
    grpc::ClientContext context;                                                                  \
    Identify(context, caller);                                                                    \
    context.set_deadline(std::chrono::system_clock::now() + timeout);                             \
    Answer<v1::Name##Response> answer;                                                            \
    answer.status = server.stub().Name(&context, request, &answer.response);                      \
    return answer;                                                                                \
  }
DENIER_ASK(queries, GetAgreement)
DENIER_ASK(queries, ListAgreements)
DENIER_ASK(queries, GetEnvelope)
DENIER_ASK(queries, ListEnvelopes)
DENIER_ASK(queries, GetCommitment)
DENIER_ASK(queries, ListCommitments)
DENIER_ASK(queries, GetPayment)
DENIER_ASK(queries, ListPayments)
DENIER_ASK(queries, GetYearlyExecution)
DENIER_ASK(queries, GetManagedEnvelope)
DENIER_ASK(queries, GetOutstanding)
DENIER_ASK(queries, GetProductBudgets)
DENIER_ASK(queries, GetPaymentFollowUp)
DENIER_ASK(queries, GetTrialBalance)
DENIER_ASK(queries, ExplainFigure)
DENIER_ASK(queries, GetExecutionReport)
DENIER_ASK(audits, GetEvent)
DENIER_ASK(audits, ListEvents)
#undef DENIER_ASK

// A request on the tests' agreement.
template <class Request>
Request On(const std::string& agreement_id = projections::kAgreement) {
  Request request;
  request.mutable_header()->set_agreement_id(agreement_id);
  return request;
}

}  // namespace denier::services

#endif  // DENIER_TESTS_SERVICES_READING_SERVER_H_
