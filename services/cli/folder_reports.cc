#include "services/cli/folder_reports.h"

#include <cstddef>
#include <ostream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/v1/resources.pb.h"
#include "projections/past.h"
#include "projections/reports.h"
#include "projections/row_keys.h"
#include "services/cli/client.h"
#include "services/cli/failure.h"

namespace denier::cli {
namespace {

using google::protobuf::MethodDescriptor;
using projections::AgreementRows;
using projections::Moment;
using store::Position;

constexpr std::size_t kMostAgreements = 1'000;

template <class Response>
absl::Status Fill(absl::StatusOr<Response> made, Message* response) {
  if (!made.ok()) return made.status();
  *static_cast<Response*>(response) = *std::move(made);
  return absl::OkStatus();
}

absl::Status Report(const AgreementRows& rows, const MethodDescriptor& method,
                    const Message& request, Message* response) {
  const std::string& name = method.name();
  if (name == "GetYearlyExecution") {
    const auto& of = static_cast<const v1::GetYearlyExecutionRequest&>(request);
    return Fill(projections::YearlyExecution(rows, of.managing_body_id()), response);
  }
  if (name == "GetProductBudgets") {
    const auto& of = static_cast<const v1::GetProductBudgetsRequest&>(request);
    return Fill(projections::ProductBudgets(rows, of.fiscal_year()), response);
  }
  if (name == "GetOutstanding") return Fill(projections::Outstanding(rows), response);
  if (name == "GetPaymentFollowUp") return Fill(projections::PaymentFollowUp(rows), response);
  if (name == "GetTrialBalance") return Fill(projections::TrialBalance(rows), response);
  return absl::UnimplementedError(absl::StrCat(name, " is not answered from a folder"));
}

absl::StatusOr<Moment> MomentOf(const v1::QueryHeader& header, const store::Log& log) {
  Moment moment{.next = log.head().next, .effective_until = header.effective_until()};
  if (header.has_as_of_time_us()) {
    const auto known = projections::EventsRecordedBy(log, header.as_of_time_us());
    if (!known.ok()) return known.status();
    moment.next = *known;
  } else if (header.has_as_of_position()) {
    const std::int64_t position = header.as_of_position();
    if (position < -1 || position >= static_cast<std::int64_t>(moment.next)) {
      return absl::OutOfRangeError(absl::StrCat("position ", position,
                                                " is not in the log, which "
                                                "has ",
                                                moment.next, " events"));
    }
    moment.next = static_cast<Position>(position + 1);
  }
  return moment;
}

}  // namespace

bool IsOfFolders(const MethodDescriptor& method) {
  for (const char* name : {"GetYearlyExecution", "GetProductBudgets", "GetOutstanding",
                           "GetPaymentFollowUp", "GetTrialBalance"}) {
    if (method.name() == name) return true;
  }
  return false;
}

FolderReports::FolderReports(ReadFolder folder, std::unique_ptr<store::Log> log,
                             const Moment& moment)
    : folder_(std::move(folder)), log_(std::move(log)), moment_(moment) {}

absl::StatusOr<std::unique_ptr<FolderReports>> FolderReports::Open(const std::string& data,
                                                                   const v1::QueryHeader& header) {
  absl::StatusOr<ReadFolder> folder = ReadFolder::Open(data);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::unique_ptr<store::Log>> log = store::Log::OpenReadOnly(folder->path());
  if (!log.ok()) return log.status();
  const absl::StatusOr<Moment> moment = MomentOf(header, **log);
  if (!moment.ok()) return moment.status();
  return std::unique_ptr<FolderReports>(
      new FolderReports(*std::move(folder), *std::move(log), *moment));
}

// Once: who does not name an agreement asks for all, to see whether there is only one, and then
// has its rows.
absl::Status FolderReports::Fold(const std::string& agreement_id) {
  if (rows_) return absl::OkStatus();
  projections::Past past(*log_);
  absl::StatusOr<projections::QueryRows> rows = past.At(
      agreement_id, moment_, projections::Depth::kTotals, /*stored=*/nullptr, [] { return false; });
  if (!rows.ok()) return rows.status();
  rows_ = *std::move(rows);
  return absl::OkStatus();
}

absl::Status FolderReports::Answer(const MethodDescriptor& method, const Message& request,
                                   Message* response) {
  if (method.name() == "ListAgreements") {
    if (absl::Status folded = Fold(""); !folded.ok()) return folded;
    const auto found = rows_->Scan(projections::AgreementPrefix(), "", kMostAgreements);
    if (!found.ok()) return found.status();
    for (const auto& row : *found) {
      auto& list = *static_cast<v1::ListAgreementsResponse*>(response);
      if (!list.add_agreements()->ParseFromString(row.value)) {
        return absl::DataLossError(absl::StrCat("the row ", row.key, " does not decode"));
      }
    }
    return absl::OkStatus();
  }
  const FieldDescriptor* header = method.input_type()->FindFieldByName("header");
  const auto& of =
      static_cast<const v1::QueryHeader&>(request.GetReflection()->GetMessage(request, header));
  if (absl::Status folded = Fold(of.agreement_id()); !folded.ok()) return folded;
  const absl::StatusOr<AgreementRows> rows = projections::ReadAgreement(*rows_, of.agreement_id());
  if (!rows.ok()) return rows.status();
  if (absl::Status made = Report(*rows, method, request, response); !made.ok()) return made;
  response->GetReflection()->SetInt64(response, method.output_type()->FindFieldByName("position"),
                                      static_cast<std::int64_t>(moment_.next) - 1);
  return absl::OkStatus();
}

void Client::AddData(CLI::App* sub) {
  sub->add_option(
         "--data", data_,
         Say("Sans serveur\u00a0: dossier d'un serveur arrêté, ou de sauvegardes, dont la plus "
             "récente compte\u00a0; rien n'y est écrit",
             "Without a server: folder of a stopped one, or of backups, of which the newest "
             "counts; nothing is written there"))
      ->option_text(Say("DOSSIER", "FOLDER"))
      ->excludes("--min-position")
      ->excludes("--compare");
  sub->footer(
      Say("Avec --data, l'état est fait des seules écritures du journal\u00a0; tout s'y lit, comme "
          "un contrôleur le lirait.\nCodes de sortie\u00a0: 0 fait, 1 convention inconnue, 3 "
          "dossier illisible ou en service, journal endommagé.",
          "With --data the report is made from the log's events alone; everything is read, as an "
          "auditor reads it.\nExit codes: 0 done, 1 unknown agreement, 3 folder unreadable or in "
          "use, log damaged."));
}

bool Client::OpenFolder() {
  v1::QueryHeader header;
  SetMoment(&header);
  absl::StatusOr<std::unique_ptr<FolderReports>> folder = FolderReports::Open(data_, header);
  if (folder.ok()) {
    folder_ = *std::move(folder);
    return true;
  }
  terminal_.err << "denier\u00a0: " << folder.status().message() << "\n";
  exit_code_ = kTrouble;
  return false;
}

bool Client::AskFolder(const MethodDescriptor& method, const Message& request, Message* response) {
  const absl::Status answered = folder_->Answer(method, request, response);
  if (answered.ok()) return true;
  if (absl::IsNotFound(answered)) {
    terminal_.err << Say("denier\u00a0: ce dossier n'a pas, à ce moment, de convention ",
                         "denier: at that moment this folder has no agreement ")
                  << agreement_ << "\n";
    exit_code_ = kRefused;
    return false;
  }
  terminal_.err << "denier\u00a0: " << answered.message() << "\n";
  exit_code_ = kTrouble;
  return false;
}

}  // namespace denier::cli
