// `denier report … --data`: reports of a stopped server's folder, or of the newest backup, made
// from the events of its log alone.
#ifndef DENIER_SERVICES_CLI_FOLDER_REPORTS_H_
#define DENIER_SERVICES_CLI_FOLDER_REPORTS_H_

#include <google/protobuf/descriptor.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/v1/query_service.pb.h"
#include "projections/moment.h"
#include "projections/query_rows.h"
#include "services/cli/fields.h"
#include "services/cli/offline.h"
#include "store/log.h"

namespace denier::cli {

// True for the reports that are made from totals: those a folder can be asked for. Their rows are
// folded from the log as a server folds them for a past moment (projections/past.h).
bool IsOfFolders(const google::protobuf::MethodDescriptor& method);

// Not thread-safe. No server starts on the folder meanwhile.
class FolderReports {
 public:
  // Opens the folder `data` (ReadFolder), in which nothing is written; `views/` need not be there.
  // The reports are as of the moment that `header` says. Errors of the folder as ReadFolder's and
  // Log's. OUT_OF_RANGE: the log ends before it.
  static absl::StatusOr<std::unique_ptr<FolderReports>> Open(const std::string& data,
                                                             const v1::QueryHeader& header);

  // Fills in the response as a server would for an auditor, who reads everything. `method` is one
  // of folders, or ListAgreements, which lists all on one page.
  // NOT_FOUND: there is no such agreement. DATA_LOSS: the log is damaged, or an event does not
  // decode or fold; the message names the position.
  absl::Status Answer(const google::protobuf::MethodDescriptor& method, const Message& request,
                      Message* response);

 private:
  FolderReports(ReadFolder folder, std::unique_ptr<store::Log> log,
                const projections::Moment& moment);

  absl::Status Fold(const std::string& agreement_id);

  const ReadFolder folder_;
  const std::unique_ptr<store::Log> log_;
  const projections::Moment moment_;
  std::optional<projections::QueryRows> rows_;  // of the agreement first asked for, or of all
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_FOLDER_REPORTS_H_
