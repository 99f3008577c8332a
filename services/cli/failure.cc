#include "services/cli/failure.h"

#include <grpcpp/support/status.h>

#include "denier/v1/error_reason.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

// What to do next, in English; the server's own French sentence says it in French. No default: a
// new reason does not compile without an answer.
std::string_view NextStep(v1::ErrorReason reason) {
  switch (reason) {
    case v1::ERROR_REASON_UNSPECIFIED:
    case v1::ErrorReason_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::ErrorReason_INT_MAX_SENTINEL_DO_NOT_USE_:
      return "";
    case v1::ERROR_REASON_INVALID_FIELD:
      return "Correct the field and send the command again.";
    case v1::ERROR_REASON_UNKNOWN_FIELDS:
      return "Update the server, or leave the fields out.";
    case v1::ERROR_REASON_UNKNOWN_PRINCIPAL:
      return "Say who you are: --as id@BODY:role, or a certificate with --cert and --key.";
    case v1::ERROR_REASON_WRONG_ROLE:
      return "Act as somebody who has the role: --as id@BODY:role.";
    case v1::ERROR_REASON_WRONG_BODY:
      return "Ask the body that manages it.";
    case v1::ERROR_REASON_NOT_ASSIGNED:
      return "Let an assigned accountant act, or have this one assigned (update-envelope).";
    case v1::ERROR_REASON_SAME_PERSON:
    case v1::ERROR_REASON_APPROVER_MISSING:
      return "Another person must do it.";
    case v1::ERROR_REASON_UNKNOWN_AGREEMENT:
    case v1::ERROR_REASON_UNKNOWN_ENVELOPE:
    case v1::ERROR_REASON_UNKNOWN_COMMITMENT:
    case v1::ERROR_REASON_UNKNOWN_LINE:
    case v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST:
    case v1::ERROR_REASON_UNKNOWN_CARRYOVER:
    case v1::ERROR_REASON_UNKNOWN_PRODUCT:
    case v1::ERROR_REASON_UNKNOWN_POSITION:
    case v1::ERROR_REASON_UNKNOWN_ACT:
      return "Check the identifier (denier list), or enter it first.";
    case v1::ERROR_REASON_UNKNOWN_FIGURE:
      return "Check the row and the column (denier report --format json names them).";
    case v1::ERROR_REASON_REQUEST_ID_REUSED:
      return "Take a new request id for a new command.";
    case v1::ERROR_REASON_IDENTIFIER_TAKEN:
      return "Choose another identifier.";
    case v1::ERROR_REASON_ETAG_MOVED:
      return "Read it again (denier get), then decide.";
    case v1::ERROR_REASON_GROUP_REFUSED:
      return "Correct the command that was refused and send the group again.";
    case v1::ERROR_REASON_AE_EXCEEDED:
      return "Lower the amount, or have AE opened in the envelope.";
    case v1::ERROR_REASON_CP_EXCEEDED:
      return "Lower the amount, have CP opened in the envelope, or wait for the next year.";
    case v1::ERROR_REASON_CEILING_EXCEEDED:
    case v1::ERROR_REASON_CEILING_MISSING:
      return "Have the ceiling set by an amendment (amend-agreement).";
    case v1::ERROR_REASON_FROZEN_EXCEEDED:
    case v1::ERROR_REASON_ADVANCE_EXCEEDED:
    case v1::ERROR_REASON_RETENTION_EXCEEDED:
    case v1::ERROR_REASON_CARRYOVER_EXCEEDED:
    case v1::ERROR_REASON_AMOUNT_OVERFLOW:
      return "Lower the amount.";
    case v1::ERROR_REASON_REST_EXCEEDED:
    case v1::ERROR_REASON_CERTIFICATION_EXCEEDED:
      return "Lower the amount, or engage a further line.";
    case v1::ERROR_REASON_MANDATE_EXPIRED:
      return "Renew the mandate by an amendment, or let the delegating body act.";
    case v1::ERROR_REASON_MANDATE_IN_FORCE:
      return "Wait for the end of the mandate.";
    case v1::ERROR_REASON_YEAR_CLOSED:
      return "Book in the open year, or give --late-reason and --late-approver.";
    case v1::ERROR_REASON_WRONG_YEAR:
      return "Correct --date or --year.";
    case v1::ERROR_REASON_SERVICE_NOT_CERTIFIED:
      return "Certify the service first (certify-service), or ask for an advance.";
    case v1::ERROR_REASON_ORIGIN_NOT_PAYABLE:
      return "Pay from another envelope, or extend its payable years (update-envelope).";
    case v1::ERROR_REASON_PAYMENT_STATE:
      return "Look at the request first (denier get payment).";
    case v1::ERROR_REASON_PAYMENT_SUSPENDED:
      return "Lift the suspension (resume-payment) or requisition (requisition-payment).";
    case v1::ERROR_REASON_CARRYOVER_STATE:
      return "Look at the carry-over first (denier get agreement).";
    case v1::ERROR_REASON_CARRYOVER_CAP_EXCEEDED:
    case v1::ERROR_REASON_CARRYOVER_TOO_LATE:
      return "Lower it, or cite the finance act that derogates (--derogation).";
    case v1::ERROR_REASON_PROGRAMME_CREDITS_MISSING:
      return "Enter them first (record-programme-credits).";
    case v1::ERROR_REASON_EARLY_COMMITMENT:
      return "Wait until 1 November, or lower the amount.";
    case v1::ERROR_REASON_VISA_MISSING:
      return "Obtain the visa and give its reference (--visa).";
    case v1::ERROR_REASON_NOT_REVERSIBLE:
      return "Reverse what rests on the entry first (denier events).";
    case v1::ERROR_REASON_NOT_REINSTATABLE:
      return "Book it as State revenue, or lower the amount.";
    case v1::ERROR_REASON_CLOSING_ORDER:
      return "Close years in their order, reopen them in the opposite order.";
    case v1::ERROR_REASON_NOT_REIMPUTABLE:
      return "Check the envelope and the product it is to move to.";
    case v1::ERROR_REASON_NOT_CORRECTABLE:
      return "Use withdraw or reverse.";
    case v1::ERROR_REASON_NO_CHECKPOINT_KEY:
      return "Start the server with --checkpoint-key.";
    case v1::ERROR_REASON_NO_BACKUP_FOLDER:
      return "Start the server with --backup-dir.";
    case v1::ERROR_REASON_OVERLOADED:
    case v1::ERROR_REASON_DISK_FULL:
    case v1::ERROR_REASON_STOPPING:
      return "Nothing was recorded. Send it again later, with the same request id.";
    case v1::ERROR_REASON_OUTCOME_UNKNOWN:
      return "Send the same command again with the same request id: it counts only once.";
    case v1::ERROR_REASON_DAMAGED:
      return "Tell the operator: the books must be checked before anybody relies on them.";
    case v1::ERROR_REASON_POSITION_NOT_REACHED:
    case v1::ERROR_REASON_DEADLINE_PASSED:
      return "Try again, or give it more time (--timeout).";
    case v1::ERROR_REASON_BACKUP_FAILED:
      return "Check the backup folder and its free space, then try again.";
  }
  return "";
}

v1::ErrorReason ReasonOf(const Failure& failure) {
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  v1::ErrorReason_Parse("ERROR_REASON_" + failure.reason, &reason);
  return reason;
}

// The numbers behind a refusal, on one line.
std::string Numbers(const Failure& failure, Lang lang) {
  std::string line;
  for (const auto& [name, value] : failure.numbers) {
    std::string text = value;
    if (const auto number = ParseNumber(value)) {
      if (name.ends_with("_cents")) text = Euros(*number, lang);
      if (name.ends_with("_date") || name.ends_with("until")) {
        text = Day(static_cast<std::int32_t>(*number), lang);
      }
    }
    // As --as takes it.
    if (name.ends_with("role") && value.starts_with("ROLE_")) text = Lower(value.substr(5));
    if (HasWord(name + "." + value)) text = Word(name + "." + value, lang);
    line += " · " + Word(name, lang) + " " + text;
  }
  return line;
}

// Nothing came back from a Denier server: the transport's own words, and what to do.
std::string ExplainTransport(const Failure& failure, const std::string& server, Lang lang) {
  switch (failure.code) {
    case grpc::StatusCode::UNAVAILABLE: {
      // Somebody listens there, and hung up.
      const bool closed = failure.message.find("refused") == std::string::npos;
      return In(lang, "Le serveur ne répond pas à ", "No answer from the server at ") + server +
             (lang == Lang::kFrench ? "\u00a0: " : ": ") + failure.message + "\n" +
             In(lang,
                "Démarrez-en un (deploy/quickstart, ou denierd --help), ou indiquez un autre "
                "serveur avec --server HÔTE:PORT.\n",
                "Start one (deploy/quickstart, or denierd --help), or name another one with "
                "--server HOST:PORT.\n") +
             (closed ? In(lang, "S'il exige TLS\u00a0: --ca, --cert et --key.\n",
                          "If it asks for TLS: --ca, --cert and --key.\n")
                     : "");
    }
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return In(lang,
                "Le serveur n'a pas répondu à temps. Recommencez, ou accordez-lui plus de temps "
                "(--timeout).\n",
                "The server did not answer in time. Try again, or give it more time "
                "(--timeout).\n");
    case grpc::StatusCode::UNIMPLEMENTED:
      return In(lang, "Ce serveur ne connaît pas cet appel", "This server does not know the call") +
             (lang == Lang::kFrench ? "\u00a0: " : ": ") + failure.message + "\n" +
             In(lang, "Mettez à jour le serveur, ou vérifiez --server.\n",
                "Update the server, or check --server.\n");
    default:
      return In(lang, "L'appel a échoué", "The call failed") +
             (lang == Lang::kFrench ? "\u00a0: " : ": ") + failure.message + "\n";
  }
}

}  // namespace

Failure FailureOf(const google::rpc::Status& status) {
  Failure failure{.code = status.code(), .message = status.message()};
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::LocalizedMessage localized;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      failure.reason = info.reason();
      failure.numbers.insert(info.metadata().begin(), info.metadata().end());
    } else if (detail.UnpackTo(&localized)) {
      if (localized.locale().starts_with("fr")) failure.french = localized.message();
    } else if (detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        failure.fields.emplace_back(violation.field(), violation.description());
      }
    } else if (detail.UnpackTo(&retry)) {
      failure.retry_after = std::chrono::milliseconds(retry.retry_delay().seconds() * 1000 +
                                                      retry.retry_delay().nanos() / 1'000'000);
    }
  }
  return failure;
}

ExitCode ExitCodeOf(const Failure& failure) {
  switch (failure.code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
      return kRefused;
    default:
      return kTrouble;
  }
}

bool IsOutcomeUnknown(const Failure& failure) {
  // A reason other than OUTCOME_UNKNOWN is the server's word that nothing was recorded.
  return failure.reason.empty() ? ExitCodeOf(failure) == kTrouble
                                : failure.reason == "OUTCOME_UNKNOWN";
}

std::string Explain(const Failure& failure, const std::string& server, Lang lang) {
  if (failure.reason.empty()) return ExplainTransport(failure, server, lang);

  const bool refused = ExitCodeOf(failure) == kRefused;
  std::string out =
      refused ? In(lang, "Refusé\u00a0: ", "Refused: ") : In(lang, "Échec\u00a0: ", "Failed: ");
  const bool french = lang == Lang::kFrench && !failure.french.empty();
  out += (french ? failure.french : failure.message) + "\n";
  out += "  " + failure.reason + Numbers(failure, lang) + "\n";
  for (const auto& [field, why] : failure.fields) out += "  " + field + ": " + why + "\n";
  const std::string_view next = french ? "" : NextStep(ReasonOf(failure));
  if (!next.empty()) out += "  " + std::string(next) + "\n";
  return out;
}

}  // namespace denier::cli
