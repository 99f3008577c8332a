#include "services/call_observer.h"

#include <string>
#include <string_view>
#include <variant>

#include "services/errors.h"

namespace denier::services {
namespace {

using grpc::experimental::InterceptionHookPoints;

class Observer final : public grpc::experimental::Interceptor {
 public:
  Observer(grpc::experimental::ServerRpcInfo& call, const PrincipalReader& principals,
           ServerLog& log, Metrics& metrics)
      : call_(call), principals_(principals), log_(log), metrics_(metrics) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      grpc::Status status = methods->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
          status.error_message().empty()) {
        status = StatusOf(rules::Refuse(v1::ERROR_REASON_INVALID_FIELD,
                                        "the request is not a well-formed message of its type"));
        methods->ModifySendStatus(status);
      }
      Ended(status);
    }
    methods->Proceed();
  }

 private:
  void Ended(const grpc::Status& status) {
    std::string_view rpc = call_.method();
    rpc.remove_prefix(rpc.rfind('/') + 1);
    if (status.ok()) {
      metrics_.CallAnswered(rpc, "OK");
      return;
    }
    const v1::ErrorReason reason = ReasonOf(status);
    const std::string result = reason == v1::ERROR_REASON_UNSPECIFIED
                                   ? "GRPC_" + std::to_string(status.error_code())
                                   : std::string(NameOf(reason));
    metrics_.CallAnswered(rpc, result);

    const Identified who = principals_.Read(*call_.server_context());
    const auto* principal = std::get_if<events::v1::Principal>(&who);
    const bool denied = status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
    log_.Write(denied ? ServerLog::Level::kWarning : ServerLog::Level::kInfo, "call_refused",
               {{"rpc", rpc},
                {"principal", principal == nullptr ? "" : principal->principal_id()},
                {"body", principal == nullptr ? "" : principal->body_id()},
                {"reason", result},
                {"message", status.error_message()}});
  }

  grpc::experimental::ServerRpcInfo& call_;
  const PrincipalReader& principals_;
  ServerLog& log_;
  Metrics& metrics_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Factory(const PrincipalReader& principals, ServerLog& log, Metrics& metrics)
      : principals_(principals), log_(log), metrics_(metrics) {}

  // gRPC owns the observer; nullptr: none. Health and reflection are no calls of ours, and a
  // command is not made to pay for what its service does by itself.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    const std::string_view method = call->method();
    if (!method.starts_with("/denier.") || method.starts_with("/denier.v1.CommandService/")) {
      return nullptr;
    }
    return new Observer(*call, principals_, log_, metrics_);
  }

 private:
  const PrincipalReader& principals_;
  ServerLog& log_;
  Metrics& metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallObserver(
    const PrincipalReader& principals, ServerLog& log, Metrics& metrics) {
  return std::make_unique<Factory>(principals, log, metrics);
}

}  // namespace denier::services
