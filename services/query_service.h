// The questions over gRPC. A handler says who calls, waits (without a thread) until the rows are as
// fresh as was asked, and hands over to the readers, where each answer is one function over the
// rows of one moment: all of its figures are of the position that it names.
#ifndef DENIER_SERVICES_QUERY_SERVICE_H_
#define DENIER_SERVICES_QUERY_SERVICE_H_

#include <grpcpp/server_context.h>

#include <variant>

#include "denier/v1/query_service.grpc.pb.h"
#include "projections/moment.h"
#include "projections/past.h"
#include "projections/query_rows.h"
#include "projections/runner.h"
#include "services/principal.h"
#include "services/readers.h"
#include "services/rules/refusal.h"
#include "store/log.h"

namespace denier::services {

#define DENIER_QUERIES(RPC) \
  RPC(GetAgreement)         \
  RPC(ListAgreements)       \
  RPC(GetEnvelope)          \
  RPC(ListEnvelopes)        \
  RPC(GetCommitment)        \
  RPC(ListCommitments)      \
  RPC(GetPayment)           \
  RPC(ListPayments)         \
  RPC(GetYearlyExecution)   \
  RPC(GetManagedEnvelope)   \
  RPC(GetOutstanding)       \
  RPC(GetProductBudgets)    \
  RPC(GetPaymentFollowUp)   \
  RPC(GetTrialBalance)      \
  RPC(ExplainFigure)        \
  RPC(GetExecutionReport)

// Any thread. What it is given must outlive it, and it the gRPC server. A cancelled call that waits
// for a position ends at once, so a server that shuts down need not wait for it.
class QueryService final : public v1::QueryService::CallbackService {
 public:
  QueryService(projections::Runner& runner, const store::Log& log,
               const PrincipalReader& principals)
      : runner_(runner), log_(log), principals_(principals), past_(log) {}

#define DENIER_RPC(Name)                                                                         \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,                           \
                                 const v1::Name##Request* request, v1::Name##Response* response) \
      override {                                                                                 \
    return Start(*context, *request, *response);                                                 \
  }
  DENIER_QUERIES(DENIER_RPC)
#undef DENIER_RPC

 private:
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext& context, const Request& request,
                                  Response& response);

  // The rows that `request` is answered from, and the moment that they are of.
  struct Answerable {
    projections::QueryRows rows;
    projections::Moment moment;
  };
  std::variant<Answerable, rules::Refusal> RowsFor(const v1::QueryHeader& header,
                                                   projections::Depth depth,
                                                   const grpc::CallbackServerContext& context);

  projections::Runner& runner_;
  const store::Log& log_;
  const PrincipalReader& principals_;
  projections::Past past_;
  Readers readers_{/*threads=*/4};
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_QUERY_SERVICE_H_
