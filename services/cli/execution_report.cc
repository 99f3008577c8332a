// `denier report execution-report`: the compte rendu of a period, on the terminal, as a page to
// print and as a workbook. It names the position that it was made at, and what proves that.
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "denier/v1/audit_service.pb.h"
#include "denier/v1/execution_report.pb.h"
#include "denier/v1/query_service.pb.h"
#include "services/cli/client.h"
#include "services/cli/execution_report_document.h"
#include "services/cli/execution_report_page.h"
#include "services/cli/execution_report_workbook.h"
#include "services/cli/failure.h"
#include "services/cli/values.h"
#include "services/cli/view.h"
#include "services/cli/whole_file.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

using google::protobuf::MethodDescriptor;

const MethodDescriptor& ReportMethod() {
  return *v1::QueryHeader::descriptor()
              ->file()
              ->FindServiceByName("QueryService")
              ->FindMethodByName("GetExecutionReport");
}

const MethodDescriptor& AuditMethod(const std::string& name) {
  return *v1::GetCheckpointRequest::descriptor()
              ->file()
              ->FindServiceByName("AuditService")
              ->FindMethodByName(name);
}

// The tables of the report, as `--section` names them; "total" is the answer's one row.
std::vector<std::string> Sections() {
  std::vector<std::string> names;
  const Descriptor& report = *v1::ExecutionReport::descriptor();
  for (int i = 0; i < report.field_count(); ++i) {
    const FieldDescriptor& field = *report.field(i);
    if (field.is_repeated() && KindOf(field) == Kind::kMessage) names.push_back(field.name());
  }
  return names;
}

absl::Status WriteText(const std::string& text, const std::string& path, std::ostream& out) {
  WholeFile file(path);
  std::ofstream written(file.aside(), std::ios::binary | std::ios::trunc);
  written << text;
  written.close();
  if (!written) return absl::UnavailableError(file.aside());
  return file.Commit(out);
}

struct Options {
  std::string section = "envelopes";
  std::string html, xlsx;
};

}  // namespace

void Client::AddExecutionReport() {
  CLI::App* sub = AddSubcommand(app_.get_subcommand("report"), "execution-report",
                                Word("GetExecutionReport", style_.lang));
  sub->group(Say("Commandes", "Commands"));
  auto* request = static_cast<v1::GetExecutionReportRequest*>(NewRequest(ReportMethod()));
  const auto options = std::make_shared<Options>();
  AddField(sub, request, *request->GetDescriptor()->FindFieldByName("from_date"), "--from")
      ->required()
      ->description(Say("Premier jour de la période", "First day of the period"))
      ->option_text(Say("AAAA-MM-JJ (obligatoire)", "YYYY-MM-DD (required)"));
  AddField(sub, request, *request->GetDescriptor()->FindFieldByName("until_date"), "--until")
      ->required()
      ->description(Say("Dernier jour de la période", "Last day of the period"))
      ->option_text(Say("AAAA-MM-JJ (obligatoire)", "YYYY-MM-DD (required)"));
  sub->add_option("--html", options->html,
                  Say("Écrit la page à imprimer et à signer", "Writes the page to print and sign"))
      ->option_text(Say("FICHIER", "FILE"));
  sub->add_option("--xlsx", options->xlsx,
                  Say("Écrit le classeur, une feuille par rubrique",
                      "Writes the workbook, a sheet for each section"))
      ->option_text(Say("FICHIER", "FILE"));
  sub->add_option("--section", options->section,
                  Say("Avec --format csv : quelle table ; sinon envelopes",
                      "With --format csv: which table; else envelopes"))
      ->check(CLI::IsMember(Sections()))
      ->option_text(Say("TABLE", "TABLE"));
  AddMoment(sub);

  sub->final_callback([this, request, options] {
    action_ = [this, request, options] {
      v1::GetExecutionReportResponse response;
      if (!Connect(kReader) || !Ask(ReportMethod(), request, &response)) return exit_code_;

      // The checkpoint over exactly the events that the report reflects: the same position has the
      // same one for ever. Without a key the server still knows the root.
      ReportSource source{.effective_until = request->header().effective_until()};
      v1::GetCheckpointRequest at;
      at.set_size(response.position() + 1);
      v1::GetCheckpointResponse checkpoint;
      const Failure failure =
          FailureOf(connection_->Call(AuditMethod("GetCheckpoint"), at, principal_, &checkpoint));
      if (failure.code == 0) {
        source.root = checkpoint.root();
        source.note = checkpoint.note();
        source.verifier_key = checkpoint.verifier_key();
      } else if (failure.reason == "NO_CHECKPOINT_KEY") {
        v1::GetInclusionProofRequest last;
        last.set_position(response.position());
        last.set_size(response.position() + 1);
        v1::GetInclusionProofResponse inclusion;
        if (!Call(AuditMethod("GetInclusionProof"), last, &inclusion)) return exit_code_;
        source.root = inclusion.root();
      } else {
        terminal_.err << Explain(failure, endpoint_.server, style_.lang);
        return exit_code_ = ExitCodeOf(failure);
      }

      const ReportDocument document = MakeDocument(response, source, style_.lang);
      absl::Status status;
      if (!options->html.empty()) {
        status = WriteText(MakePage(document, response.report(), style_.lang), options->html,
                           terminal_.out);
      }
      if (status.ok() && !options->xlsx.empty()) {
        WholeFile file(options->xlsx);
        status = WriteWorkbook(document, style_.lang, file.aside());
        if (status.ok()) status = file.Commit(terminal_.out);
      }
      if (!status.ok()) {
        terminal_.err << Say("denier\u00a0: ", "denier: ") << status.message() << "\n";
        return exit_code_ = kTrouble;
      }
      // Who asked for a file has it.
      if (!options->html.empty() || !options->xlsx.empty()) return exit_code_;
      switch (style_.format) {
        case Format::kTable:
          terminal_.out << ToText(document, style_);
          break;
        case Format::kCsv:
          terminal_.out << Show(response.report(), options->section, style_);
          break;
        case Format::kJson:
          terminal_.out << Show(response, "", style_);
          break;
      }
      return exit_code_;
    };
  });
}

}  // namespace denier::cli
