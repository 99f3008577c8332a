// The command-line client: its command tree, and what each command does.
//
// A subcommand for every RPC of CommandService, whose options come from the fields of its request;
// reports and reads from a table of queries; `apply`, `events`, `status`, `rebuild`, `completion`.
#ifndef DENIER_SERVICES_CLI_CLIENT_H_
#define DENIER_SERVICES_CLI_CLIENT_H_

#include <CLI/CLI.hpp>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "denier/v1/query_service.pb.h"
#include "services/cli/connection.h"
#include "services/cli/failure.h"
#include "services/cli/folder_reports.h"
#include "services/cli/view.h"

namespace denier::cli {

// Where the client reads and writes; they outlive it.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  std::size_t width = 0;  // columns of a terminal at `out`; 0: it is none
  bool progress = false;  // `err` is a terminal
};

// The language that the arguments (`--lang en`) or DENIER_LANG ask for, before anything is parsed:
// help is in it too.
Lang LangOf(int argc, const char* const* argv);

// Whom one reads as, in development mode, unless --as says otherwise.
inline constexpr char kReader[] = "auditor@AUDIT:auditor";

// Whom one runs the server as.
inline constexpr char kOperator[] = "operator@OPS:operator";

// Not thread-safe. What explains figures is in explain.cc, all else in client.cc.
class Client {
 public:
  Client(Lang lang, Terminal terminal);

  // Parses the arguments and does what they say. Returns an ExitCode.
  int Run(int argc, const char* const* argv);

  CLI::App& app() { return app_; }

  // The request that the options of the subcommand of this method fill in; for tests.
  const Message& request(std::string_view method) const;

 private:
  friend class Exporter;

  class BackupCommand;  // backup_command.cc
  class Proof;          // proof_command.cc

  struct Query {
    const char* name;
    const char* method;
    const char* csv_field;
    v1::Report report = v1::REPORT_UNSPECIFIED;  // where its figures can be explained
  };

  void AddGeneralOptions();
  void AddCommands();
  void AddQueries(const char* name, const std::string& help, const std::vector<Query>& queries);
  void AddExplain();
  void AddEvents();
  void AddApply();
  void AddAdmin(const char* name, const char* method);
  void AddCompletion();
  void AddExport();           // export.cc
  void AddProofs();           // proof_command.cc
  void AddReplay();           // replay.cc
  void AddVerify();           // verify.cc
  void AddExecutionReport();  // execution_report.cc
  void AddBackup();           // backup_command.cc

  CLI::App* AddSubcommand(CLI::App* parent, const std::string& name, const std::string& help);
  Message* NewRequest(const google::protobuf::MethodDescriptor& method);
  CLI::Option* AddField(CLI::App* sub, Message* message, const FieldDescriptor& field,
                        const std::string& names);
  void AddFields(CLI::App* sub, Message* message, bool positionals);
  void AddAsOf(CLI::App* sub, const std::string& name, std::optional<AsOf>* as_of,
               const std::string& help);
  void AddMoment(CLI::App* sub);  // --as-of, --effective-until
  void AddData(CLI::App* sub);    // folder_reports.cc

  int RunCommand(const google::protobuf::MethodDescriptor& method, Message* request);
  int RunQuery(const google::protobuf::MethodDescriptor& method, const std::string& csv_field,
               Message* request);
  int RunCompare(v1::Report report, const google::protobuf::MethodDescriptor& method,
                 Message* request);
  int RunExplain(v1::ExplainFigureRequest* request);
  int RunEvents(const Message& request);
  int RunApply(const std::string& path, bool atomic);
  int RunReplay(const std::string& data);
  int RunCheckpoint(std::optional<std::int64_t> size, bool fresh, bool key_only,
                    const std::string& out_file);
  int RunProveInclusion(std::int64_t position, const std::string& checkpoint_file,
                        const std::string& key);
  int RunProveConsistency(const std::string& old_file, const std::string& new_file,
                          const std::string& key, const std::string& out_file);
  int RunVerify(const std::string& data, const std::string& checkpoint_file,
                const std::string& verifier_key);
  int RunAdmin(const google::protobuf::MethodDescriptor& method, const Message& request);

  // True, or the exit code is set and the reason told.
  bool Connect(std::string_view default_principal);
  bool Call(const google::protobuf::MethodDescriptor& method, const Message& request,
            Message* response);
  // The same without a server, from the folder data_.
  bool OpenFolder();
  bool AskFolder(const google::protobuf::MethodDescriptor& method, const Message& request,
                 Message* response);
  bool FindAgreement();
  // A query, all its pages, and the rows that were asked for. False: as above.
  bool Ask(const google::protobuf::MethodDescriptor& method, Message* request, Message* response);
  void SetMoment(v1::QueryHeader* header) const;
  CLI::ValidationError NotAMoment(const std::string& option, const std::string& text) const;

  std::string Say(std::string_view french, std::string_view english) const {
    return In(style_.lang, french, english);
  }

  Terminal terminal_;
  Style style_;
  CLI::App app_;

  Endpoint endpoint_;
  std::string as_;
  std::string agreement_;
  double timeout_s_ = 30;
  std::optional<std::int64_t> min_position_;
  std::optional<AsOf> as_of_, compare_;
  std::int32_t effective_until_ = 0;
  std::string year_, body_;  // row filters of reports

  std::vector<std::pair<std::string, std::unique_ptr<Message>>> requests_;
  std::function<int()> action_;
  Principal principal_;
  std::unique_ptr<Connection> connection_;
  std::string data_;
  std::unique_ptr<FolderReports> folder_;  // instead of a connection, where data_ is given
  int exit_code_ = kDone;
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_CLIENT_H_
