// `denier export`: the log up to a position, in the forms that other tools read. The events are
// hashed here, and nothing is written unless the tree over them has the checkpoint's root.
#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/query_service.pb.h"
#include "services/cli/client.h"
#include "services/cli/export_csv.h"
#include "services/cli/export_journal.h"
#include "services/cli/export_jsonl.h"
#include "services/cli/export_xlsx.h"
#include "services/cli/exported_log.h"
#include "services/cli/failure.h"
#include "services/cli/verifier_key.h"
#include "services/cli/whole_file.h"
#include "store/checkpoint.h"
#include "store/sha256.h"

namespace denier::cli {
namespace {

constexpr char kAuditor[] = "auditor@AUDIT:auditor";

using google::protobuf::MethodDescriptor;

const MethodDescriptor& AuditMethod(const std::string& name) {
  return *v1::GetCheckpointRequest::descriptor()
              ->file()
              ->FindServiceByName("AuditService")
              ->FindMethodByName(name);
}

// Writes the whole export to a path, from where it is then moved into place.
using Writer = std::function<absl::Status(const Provenance&, ExportedLog&, const std::string&)>;

// A writer of text.
Writer Text(std::function<absl::Status(const Provenance&, ExportedLog&, std::ostream&)> write) {
  return [write = std::move(write)](const Provenance& provenance, ExportedLog& log,
                                    const std::string& path) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    if (!out) return absl::UnavailableError(path);
    absl::Status status = write(provenance, log, out);
    out.close();
    if (status.ok() && !out) status = absl::UnavailableError(path);
    return status;
  };
}

absl::StatusOr<store::Hash> Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  store::Sha256 hash;
  std::vector<char> piece(std::size_t{1} << 16);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash.Update({piece.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (!file.eof()) return absl::UnavailableError(path);
  return hash.Finish();
}

}  // namespace

// What `denier export` is asked for, and does. A friend of the client's: it speaks through it.
class Exporter {
 public:
  explicit Exporter(Client& client) : client_(client) {}

  void AddOptions(CLI::App* sub) {
    sub->add_option("--out", out_,
                    Say("Fichier à écrire ; « - » : la sortie standard",
                        "File to write; \"-\": standard output"))
        ->required()
        ->option_text(Say("FICHIER (obligatoire)", "FILE (required)"));
    auto* as_of = sub->add_option("--as-of", as_of_,
                                  Say("Jusqu'à cette écriture incluse ; sinon la dernière",
                                      "Up to this event, itself included; else the last one"))
                      ->check(CLI::NonNegativeNumber)
                      ->option_text("POSITION");
    sub->add_option("--checkpoint", checkpoint_file_,
                    Say("Au point de contrôle de ce fichier, et à nul autre (avec --verifier-key)",
                        "At the checkpoint in this file, and no other (with --verifier-key)"))
        ->excludes(as_of)
        ->option_text(Say("FICHIER", "FILE"));
    sub->add_option("--verifier-key", verifier_key_,
                    Say("Clé qui doit avoir signé le point de contrôle",
                        "Key that must have signed the checkpoint"))
        ->option_text(Say("CLÉ|FICHIER", "KEY|FILE"));
    sub->add_flag("--partial", partial_,
                  Say("Accepte un journal incomplet : les seules écritures que l'on peut lire",
                      "Takes an incomplete log: only the events that one may read"));
  }

  // What goes beside a file that cannot say itself where it comes from: its name and hash come in.
  using Note =
      std::function<std::string(const Provenance&, const std::string& file, const store::Hash&)>;

  // Returns an ExitCode.
  int Run(const Writer& write, const Note& note) {
    if (!ReadKey() || !client_.Connect(kAuditor) || !FindCheckpoint()) return client_.exit_code_;
    provenance_.agreement_id = client_.agreement_;
    WholeFile file(out_);
    absl::StatusOr<ExportedLog> log = ExportedLog::In(file.folder());
    if (!log.ok()) return Fail(kUsage, std::string(log.status().message()));
    if (!Fetch(*log) || !Check(*log)) return client_.exit_code_;
    absl::Status status = write(provenance_, *log, file.aside());
    if (status.ok() && note) status = PutBeside(file, note);
    if (status.ok()) status = file.Commit(client_.terminal_.out);
    if (!status.ok()) return Fail(kTrouble, std::string(status.message()));
    Tell(*log);
    return kDone;
  }

  // The workbook, with the server's yearly execution at its position.
  absl::Status WriteWorkbook(ExportedLog& log, const std::string& path) {
    ExecutionByAgreement execution;
    if (const absl::Status status = log.Rewind(); !status.ok()) return status;
    while (true) {
      const absl::StatusOr<const ExportedEvent*> next = log.Next();
      if (!next.ok()) return next.status();
      if (*next == nullptr) break;
      const events::v1::Event& event = (*next)->event;
      if (!event.has_agreement_created()) continue;
      v1::GetYearlyExecutionRequest request;
      request.mutable_header()->set_agreement_id(event.agreement_id());
      request.mutable_header()->set_as_of_position(static_cast<std::int64_t>(provenance_.size) - 1);
      v1::GetYearlyExecutionResponse response;
      const Failure failure =
          FailureOf(client_.connection_->Call(*v1::QueryHeader::descriptor()
                                                   ->file()
                                                   ->FindServiceByName("QueryService")
                                                   ->FindMethodByName("GetYearlyExecution"),
                                              request, client_.principal_, &response));
      if (failure.code != 0) {
        return absl::UnavailableError(
            Explain(failure, client_.endpoint_.server, client_.style_.lang));
      }
      execution.emplace_back(event.agreement_id(), std::move(response));
    }
    std::sort(execution.begin(), execution.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return WriteXlsx(provenance_, execution, log, path);
  }

 private:
  std::string Say(std::string_view french, std::string_view english) const {
    return client_.Say(french, english);
  }

  int Fail(ExitCode code, const std::string& why) {
    client_.terminal_.err << Say("denier\u00a0: ", "denier: ") << why << "\n";
    return client_.exit_code_ = code;
  }

  bool ReadKey() {
    if (verifier_key_.empty()) {
      if (checkpoint_file_.empty()) return true;
      Fail(kUsage,
           Say("--checkpoint demande --verifier-key\u00a0: un point de contrôle ne vaut que "
               "par sa signature",
               "--checkpoint needs --verifier-key: a checkpoint is worth its signature"));
      return false;
    }
    absl::StatusOr<store::VerifierKey> key = ReadVerifierKey(verifier_key_);
    if (key.ok()) {
      key_ = *std::move(key);
      return true;
    }
    Fail(kUsage, "--verifier-key: " + std::string(key.status().message()));
    return false;
  }

  // The size to export at, and the checkpoint of it, if there is one.
  bool FindCheckpoint() {
    if (!checkpoint_file_.empty()) {
      const std::optional<std::string> note = ReadWholeFile(checkpoint_file_);
      if (!note.has_value()) {
        Fail(kUsage, Say("fichier illisible\u00a0: ", "unreadable file: ") + checkpoint_file_);
        return false;
      }
      std::int64_t head = 0;
      if (!TakeNote(*note) || !FindHead(&head)) return false;
      if (static_cast<std::uint64_t>(head) + 1 >= provenance_.size) return true;
      Fail(kTrouble,
           absl::StrCat(Say("le journal du serveur est plus court que le point de contrôle\u00a0: ",
                            "the server's log is shorter than the checkpoint: "),
                        head + 1, " < ", provenance_.size));
      return false;
    }
    v1::GetCheckpointRequest request;
    if (as_of_.has_value()) {
      request.set_size(*as_of_ + 1);
    } else {
      request.set_fresh(true);
    }
    v1::GetCheckpointResponse response;
    const Failure failure = FailureOf(client_.connection_->Call(
        AuditMethod("GetCheckpoint"), request, client_.principal_, &response));
    if (failure.code == 0) {
      provenance_.verifier_key = response.verifier_key();
      if (!TakeNote(response.note())) return false;
      if (provenance_.size == static_cast<std::uint64_t>(response.size()) &&
          (!as_of_.has_value() || response.size() == *as_of_ + 1)) {
        return true;
      }
      Fail(kTrouble, Say("le serveur a donné un point de contrôle d'une autre position",
                         "the server gave a checkpoint of another position"));
      return false;
    }
    if (failure.reason != "NO_CHECKPOINT_KEY") {
      client_.terminal_.err << Explain(failure, client_.endpoint_.server, client_.style_.lang);
      client_.exit_code_ = ExitCodeOf(failure);
      return false;
    }
    if (key_.has_value()) {
      Fail(kTrouble, Say("le serveur n'a pas de clé\u00a0: rien à vérifier avec --verifier-key",
                         "the server has no key: nothing to verify with --verifier-key"));
      return false;
    }
    std::int64_t head = 0;
    if (!FindHead(&head)) return false;
    if (as_of_.value_or(head) > head) {
      Fail(kRefused,
           absl::StrCat(Say("le journal finit à la position ", "the log ends at position "), head));
      return false;
    }
    provenance_.size = static_cast<std::uint64_t>(as_of_.value_or(head) + 1);
    return true;
  }

  // Takes size and root from a note, once its signature is known to be good, if there is a key.
  bool TakeNote(const std::string& note) {
    const absl::StatusOr<store::Checkpoint> checkpoint =
        key_.has_value() ? store::OpenCheckpoint(note, *key_)
                         : store::ReadUnverifiedCheckpoint(note);
    if (!checkpoint.ok()) {
      Fail(kTrouble, Say("point de contrôle refusé\u00a0: ", "checkpoint refused: ") +
                         std::string(checkpoint.status().message()));
      return false;
    }
    provenance_.size = checkpoint->head.next;
    provenance_.root = checkpoint->head.root;
    provenance_.checkpoint = note;
    if (key_.has_value()) provenance_.verifier_key = key_->ToString();
    return true;
  }

  bool FindHead(std::int64_t* head) {
    v1::ListEventsRequest request;
    request.mutable_page()->set_page_size(1);
    v1::ListEventsResponse response;
    if (!client_.Call(AuditMethod("ListEvents"), request, &response)) return false;
    *head = response.head_position();
    return true;
  }

  bool Fetch(ExportedLog& log) {
    if (provenance_.size == 0) return true;
    v1::StreamEventsRequest request;
    request.set_until_position(static_cast<std::int64_t>(provenance_.size) - 1);
    request.set_with_stored(true);
    grpc::ClientContext context;
    client_.connection_->Prepare(&context, client_.principal_, /*timeouts=*/0);
    const auto stream =
        v1::AuditService::NewStub(client_.connection_->channel())->StreamEvents(&context, request);
    absl::Status status;
    v1::StreamEventsResponse response;
    while (status.ok() && stream->Read(&response)) {
      for (const auto& record : response.records()) {
        const auto position = static_cast<std::uint64_t>(record.position());
        if (position >= provenance_.size) {
          status = absl::DataLossError(absl::StrCat("position ", position, " was not asked for"));
        } else {
          status = log.Add(position, record.stored(), provenance_.agreement_id);
        }
        if (!status.ok()) break;
      }
      if (client_.terminal_.progress) {
        client_.terminal_.err << "\r"
                              << Count(static_cast<std::int64_t>(log.added()), client_.style_.lang)
                              << " / "
                              << Count(static_cast<std::int64_t>(provenance_.size),
                                       client_.style_.lang)
                              << std::flush;
      }
    }
    if (client_.terminal_.progress) client_.terminal_.err << "\r\x1b[K";
    if (!status.ok()) {
      context.TryCancel();
      while (stream->Read(&response)) {
      }
      stream->Finish();
      Fail(kTrouble, std::string(status.message()));
      return false;
    }
    const Failure failure = FailureOf(RpcStatusOf(stream->Finish()));
    if (failure.code == 0) return true;
    client_.terminal_.err << Explain(failure, client_.endpoint_.server, client_.style_.lang);
    client_.exit_code_ = ExitCodeOf(failure);
    return false;
  }

  // Whether the events are those that the checkpoint is over.
  bool Check(const ExportedLog& log) {
    const bool whole = log.gapless() && log.added() == provenance_.size;
    provenance_.partial = !whole || log.kept() != log.added();
    provenance_.root_computed = whole;
    if (!whole) {
      if (partial_) return true;
      Fail(kTrouble,
           absl::StrCat(
               Say("le serveur n'a donné que ", "the server gave only "), log.added(),
               Say(" écritures sur ", " events of "), provenance_.size,
               Say("\u00a0: la racine ne peut pas être vérifiée.\n  Qui ne peut pas tout lire "
                   "demande un export partiel, et le dit\u00a0: --partial",
                   ": the root cannot be checked.\n  Who may not read everything asks for a "
                   "partial export, and says so: --partial")));
      return false;
    }
    const store::Hash root = log.Root();
    if (provenance_.root.has_value() && *provenance_.root != root) {
      Fail(kTrouble,
           Say("les écritures ne sont pas celles du point de contrôle\u00a0: leur racine est ",
               "the events are not those of the checkpoint: their root is ") +
               store::ToHex(root) + Say(", la sienne ", ", its own is ") +
               store::ToHex(*provenance_.root));
      return false;
    }
    provenance_.root = root;
    return true;
  }

  // In place before the file is, and bound to it by its hash; on stderr where that goes to stdout.
  absl::Status PutBeside(const WholeFile& file, const Note& note) {
    const absl::StatusOr<store::Hash> sha256 = Sha256OfFile(file.aside());
    if (!sha256.ok()) return sha256.status();
    const std::string name = out_.substr(out_.rfind('/') + 1);
    const std::string text = note(provenance_, name, *sha256);
    if (out_ == "-") {
      client_.terminal_.err << text << "\n";
      return absl::OkStatus();
    }
    WholeFile beside(out_ + ".provenance.txt");
    std::ofstream written(beside.aside(), std::ios::binary | std::ios::trunc);
    written << text;
    written.close();
    if (!written) return absl::UnavailableError(beside.aside());
    return beside.Commit(client_.terminal_.out);
  }

  // On stderr: the file may be standard output.
  void Tell(const ExportedLog& log) {
    std::ostream& err = client_.terminal_.err;
    err << Count(static_cast<std::int64_t>(log.kept()), client_.style_.lang)
        << Say(" écritures sur ", " events of ")
        << Count(static_cast<std::int64_t>(provenance_.size), client_.style_.lang)
        << Say(", racine ", ", root ") << (provenance_.root ? RootText(provenance_) : "?");
    if (!provenance_.root_computed) {
      err << Say(" (export partiel\u00a0: racine non vérifiée)",
                 " (partial export: root not checked)");
    } else if (provenance_.checkpoint.empty()) {
      err << Say(" (le serveur n'a pas de clé\u00a0: aucun point de contrôle)",
                 " (the server has no key: no checkpoint)");
    } else if (key_.has_value()) {
      err << Say(" (celle du point de contrôle, signature vérifiée)",
                 " (the checkpoint's, signature verified)");
    } else {
      err << Say(" (celle du point de contrôle, signature non vérifiée\u00a0: --verifier-key)",
                 " (the checkpoint's, signature not verified: --verifier-key)");
    }
    err << "\n";
  }

  Client& client_;
  std::string out_, checkpoint_file_, verifier_key_;
  std::optional<std::int64_t> as_of_;
  bool partial_ = false;
  std::optional<store::VerifierKey> key_;
  Provenance provenance_;
};

void Client::AddExport() {
  CLI::App* parent =
      AddSubcommand(&app_, "export",
                    Say("Exporte les écritures, vérifiées contre le point de contrôle du journal",
                        "Exports the events, checked against the log's checkpoint"));
  parent->group(Say("Consultation", "Reading"));
  parent->require_subcommand(1);
  const auto add = [this, parent](const char* name, const std::string& help,
                                  const std::function<Writer(Exporter&)>& writer,
                                  Exporter::Note note = nullptr) {
    CLI::App* sub = AddSubcommand(parent, name, help);
    sub->group(Say("Commandes", "Commands"));
    auto exporter = std::make_shared<Exporter>(*this);
    exporter->AddOptions(sub);
    sub->final_callback([this, exporter, write = writer(*exporter), note = std::move(note)] {
      action_ = [exporter, write, note] { return exporter->Run(write, note); };
    });
    return sub;
  };
  for (const auto& [name, journal] : {std::pair{"hledger", Journal::kHledger},
                                      {"ledger", Journal::kLedger},
                                      {"beancount", Journal::kBeancount}}) {
    add(name, Say("Journal pour ", "Journal for ") + name, [journal = journal](Exporter&) {
      return Text([journal](const Provenance& provenance, ExportedLog& log, std::ostream& out) {
        return WriteJournal(journal, provenance, log, out);
      });
    });
  }
  const auto dialect = std::make_shared<CsvDialect>(CsvDialect::kFrench);
  CLI::App* csv = add(
      "csv",
      Say("Tableau, un mouvement par ligne ; FICHIER.provenance.txt dit d'où il vient",
          "Table, a posting a line; FILE.provenance.txt says where it comes from"),
      [dialect](Exporter&) {
        return Text([dialect](const Provenance&, ExportedLog& log, std::ostream& out) {
          return WriteCsv(*dialect, log, out);
        });
      },
      [dialect](const Provenance& provenance, const std::string& file, const store::Hash& sha256) {
        return ProvenanceNote(*dialect, provenance, file, sha256);
      });
  csv->add_option_function<std::string>(
         "--dialect",
         [dialect](const std::string& name) {
           *dialect = name == "fr" ? CsvDialect::kFrench : CsvDialect::kRfc4180;
         },
         Say("fr : pour un tableur français ; rfc4180 : pour un programme ; sinon fr",
             "fr: for a French spreadsheet; rfc4180: for a program; else fr"))
      ->check(CLI::IsMember({"fr", "rfc4180"}))
      ->option_text("fr|rfc4180");
  add("xlsx",
      Say("Classeur : exécution annuelle, écritures, mouvements (en français)",
          "Workbook: yearly execution, events, postings (in French)"),
      [](Exporter& exporter) -> Writer {
        return [&exporter](const Provenance&, ExportedLog& log, const std::string& path) {
          return exporter.WriteWorkbook(log, path);
        };
      });
  add("jsonl",
      Say("JSON, une écriture par ligne, avec ses octets et son empreinte",
          "JSON, an event a line, with its bytes and its leaf hash"),
      [](Exporter&) { return Text(WriteJsonl); });
}

}  // namespace denier::cli
