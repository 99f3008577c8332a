#include "services/cli/replay.h"

#include <memory>
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/rows.h"
#include "services/cli/client.h"
#include "store/log.h"
#include "store/views.h"

namespace denier::cli {
namespace {

using store::Position;
using store::Views;

// The stored rows, if they can be compared with those of `log`.
absl::StatusOr<std::shared_ptr<Views>> OpenComparableRows(const std::string& views_path,
                                                          bool readable, const store::Log& log) {
  if (!readable) return absl::DataLossError("the process that opened them died of it");
  absl::StatusOr<std::shared_ptr<Views>> stored = OpenStoredRows(views_path);
  if (!stored.ok()) return stored;
  if (absl::Status format = projections::CheckRowFormat(**stored); !format.ok()) return format;
  const store::Cursor cursor = (*stored)->cursor();
  const absl::StatusOr<store::Head> head = log.HeadAt(cursor.next);
  if (!head.ok() && absl::IsDataLoss(head.status())) return head.status();
  if (!head.ok() || *head != cursor) {
    return absl::DataLossError(
        absl::StrCat("they stand after ", cursor.next, " events of another log than this one"));
  }
  return stored;
}

}  // namespace

absl::StatusOr<Replayed> Replay(const std::string& data, std::ostream* progress, Lang lang) {
  const absl::StatusOr<ReadFolder> folder = ReadFolder::Open(data);
  if (!folder.ok()) return folder.status();
  const bool readable =
      Survives([&] { OpenStoredRows(folder->views_path()).status().IgnoreError(); });
  const absl::StatusOr<std::unique_ptr<store::Log>> log = store::Log::OpenReadOnly(folder->path());
  if (!log.ok()) return log.status();
  absl::StatusOr<std::unique_ptr<ScratchFolder>> scratch = ScratchFolder::Make();
  if (!scratch.ok()) return scratch.status();
  absl::StatusOr<std::shared_ptr<Views>> views = Views::Open((*scratch)->path() + "/rows");
  if (!views.ok()) return views.status();

  Replayed replayed;
  replayed.head = (*log)->head();
  const absl::StatusOr<std::shared_ptr<Views>> stored =
      OpenComparableRows(folder->views_path(), readable, **log);
  if (absl::IsUnavailable(stored.status())) return stored.status();
  replayed.no_rows = stored.status();

  Meter meter(progress, lang, replayed.head.next);
  projections::Rows rows(**log, *std::move(views));
  const auto fold_to = [&](Position until) -> absl::Status {
    while (rows.next() < until) {
      const absl::StatusOr<bool> folded = rows.FoldSome(until);
      if (!folded.ok()) return folded.status();
      if (!*folded) break;
      meter.At(rows.next());
    }
    return absl::OkStatus();
  };
  std::optional<Views::Snapshot> fresh;
  absl::Status status;
  if (stored.ok()) {
    replayed.compared_at = (*stored)->cursor().next;
    status = fold_to(*replayed.compared_at);
    fresh = rows.views()->TakeSnapshot();
  }
  if (status.ok()) status = fold_to(replayed.head.next);
  replayed.seconds = meter.seconds();
  replayed.events_per_second = meter.Rate(rows.next());
  meter.Clear();
  if (!status.ok()) return status;

  if (fresh.has_value()) {
    absl::StatusOr<RowsCompared> compared = CompareAll((*stored)->TakeSnapshot(), *fresh);
    if (!compared.ok()) return compared.status();
    replayed.compared = *std::move(compared);
  }
  return replayed;
}

void Client::AddReplay() {
  CLI::App* sub = AddSubcommand(
      &app_, "replay",
      Say("Recalcule tous les livres d'un dossier de données, serveur arrêté, et les compare",
          "Computes all books of a stopped server's data folder again, and compares them"));
  sub->group(Say("Fichiers et exploitation", "Files and operation"));
  const auto data = std::make_shared<std::string>();
  sub->add_option(
         "--data", *data,
         Say("Dossier d'un serveur arrêté, ou de sauvegardes, dont la plus récente compte\u00a0; "
             "rien n'y est écrit",
             "Folder of a stopped server, or of backups, of which the newest counts; "
             "nothing is written there"))
      ->required()
      ->option_text(Say("DOSSIER (obligatoire)", "FOLDER (required)"));
  sub->footer(
      Say("Chaque ligne, chaque identifiant de demande et chaque état sont comparés à ceux que les "
          "écritures donnent.\nCodes de sortie\u00a0: 0 égaux (ou pas de lignes enregistrées), 3 "
          "dossier "
          "illisible ou journal endommagé, 16 écart.\nLes lignes recalculées vont dans un dossier "
          "provisoire sous TMPDIR.",
          "Each row, each request id and each report is compared with what the events give.\nExit "
          "codes: 0 equal (or no stored rows), 3 unreadable folder or damaged log, 16 a "
          "difference.\nThe rows computed again go to a temporary folder below TMPDIR."));
  sub->final_callback([this, data] { action_ = [this, data] { return RunReplay(*data); }; });
}

int Client::RunReplay(const std::string& data) {
  const absl::StatusOr<Replayed> replayed =
      Replay(data, terminal_.progress ? &terminal_.err : nullptr, style_.lang);
  if (!replayed.ok()) {
    terminal_.err << "denier\u00a0: " << replayed.status().message() << "\n";
    return kTrouble;
  }
  const bool missing = absl::IsNotFound(replayed->no_rows);
  const bool of_other_format = absl::IsFailedPrecondition(replayed->no_rows);
  const bool equal =
      replayed->no_rows.ok() ? replayed->compared.equal() : missing || of_other_format;
  const int code = equal ? static_cast<int>(kDone) : static_cast<int>(kProjectionsDiffer);
  const std::string root = store::ToHex(replayed->head.root);
  const RowsCompared& compared = replayed->compared;

  if (style_.format != Format::kTable) {
    nlohmann::ordered_json json{{"next", replayed->head.next},
                                {"root", root},
                                {"seconds", replayed->seconds},
                                {"events_per_second", replayed->events_per_second}};
    if (!missing && !of_other_format) json["equal"] = equal;
    if (!replayed->no_rows.ok()) json["no_rows"] = std::string(replayed->no_rows.message());
    if (replayed->compared_at) {
      json["compared_at"] = *replayed->compared_at;
      for (const auto& [name, of] :
           {std::pair("rows", &compared.rows), std::pair("request_ids", &compared.requests),
            std::pair("reports", &compared.reports)}) {
        json[name] = {{"compared", of->compared},
                      {"equal", of->equal},
                      {"first_difference", of->first_difference}};
      }
    }
    terminal_.out << json.dump(2) << "\n";
    return code;
  }
  terminal_.out << Count(static_cast<std::int64_t>(replayed->head.next), style_.lang)
                << Say(" écritures rejouées (", " events replayed (")
                << Count(replayed->events_per_second, style_.lang)
                << Say(" par seconde), racine ", " a second), root ") << root << "\n";
  if (missing) {
    terminal_.out << Say(
        "Ce dossier n'a pas de lignes enregistrées\u00a0: rien à comparer. Les livres ont été "
        "recalculés\u00a0; un serveur les recalculerait de même.\n",
        "This folder has no stored rows: nothing to compare. The books were computed; a server "
        "would compute them alike.\n");
  } else if (of_other_format) {
    terminal_.out << Say("Les lignes enregistrées ne se comparent pas\u00a0: ",
                         "The stored rows cannot be compared: ")
                  << replayed->no_rows.message()
                  << Say(". Un serveur les recalculerait.\n", ". A server would compute them.\n");
  } else if (!replayed->no_rows.ok()) {
    terminal_.out << Say("ÉCART : les lignes enregistrées sont endommagées\u00a0: ",
                         "DIFFERENCE: the stored rows are damaged: ")
                  << replayed->no_rows.message() << "\n";
  } else {
    terminal_.out << (equal ? "" : Say("ÉCART : ", "DIFFERENCE: "))
                  << Describe(compared, style_.lang) << Say(", après ", ", after ")
                  << Count(static_cast<std::int64_t>(*replayed->compared_at), style_.lang)
                  << Say(" écritures.\n", " events.\n");
  }
  return code;
}

}  // namespace denier::cli
