// `denier backup`: asks a server for backups, and looks after a backup folder without one.
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "denier/v1/admin_service.pb.h"
#include "nlohmann/json.hpp"
#include "services/cli/client.h"
#include "services/cli/grid.h"
#include "services/cli/offline.h"
#include "services/cli/verifier_key.h"
#include "services/cli/whole_file.h"
#include "store/backup.h"
#include "store/checkpoint.h"
#include "store/sha256.h"

namespace denier::cli {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::MethodDescriptor;

const MethodDescriptor& Method(const char* name) {
  return *v1::CreateBackupRequest::descriptor()
              ->file()
              ->FindServiceByName("AdminService")
              ->FindMethodByName(name);
}

// Copying takes as long as the log is long.
constexpr double kCreateTimeoutS = 3600;

v1::Backup ToProto(const store::Backup& backup) {
  v1::Backup message;
  message.set_backup_id(static_cast<std::int32_t>(backup.id));
  message.set_created_time_us(backup.created_us);
  message.set_position(static_cast<std::int64_t>(backup.head.next) - 1);
  message.set_root(std::string(store::AsBytes(backup.head.root)));
  message.set_size_bytes(static_cast<std::int64_t>(backup.size_bytes));
  return message;
}

// What a command without a server exits with.
int CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kFailedPrecondition:
      return kRefused;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kDataLoss:
      return kFilesDamaged;
    case absl::StatusCode::kOutOfRange:
      return kOlderThanCheckpoint;
    default:
      return kTrouble;
  }
}

}  // namespace

// What was typed, and the commands themselves. Each returns an exit code.
class Client::BackupCommand {
 public:
  explicit BackupCommand(Client& client) : client_(client) {}

  std::string dir, data, checkpoint_file, key;
  std::optional<store::BackupId> id;
  std::uint32_t keep = 0;

  int Create();
  int List();
  int Verify();
  int Restore();
  int Prune();

 private:
  std::string Say(std::string_view french, std::string_view english) const {
    return client_.Say(french, english);
  }
  std::ostream& out() { return client_.terminal_.out; }
  int Tell(const std::string& what, int code) {
    client_.terminal_.err << "denier\u00a0: " << what << "\n";
    return code;
  }
  // Nothing, and `code` is set, where what was typed is no checkpoint of the key's log.
  std::optional<store::Checkpoint> ReadCheckpoint(int* code);

  // "Sauvegarde 3 du 05/01/2022 10:00:00 (UTC) : 1 204 écritures, …".
  std::string Describe(const store::Backup& backup) const;
  // A verdict for programs: `result`, the backup if it is known, and why not.
  int Conclude(std::string_view result, const std::optional<store::Backup>& backup,
               const std::string& detail, int code);
  // What went wrong, in the form that is asked for.
  int Fail(const absl::Status& status, bool contradicts);

  Client& client_;
};

std::string Client::BackupCommand::Describe(const store::Backup& backup) const {
  const Lang lang = client_.style_.lang;
  const auto count = static_cast<std::int64_t>(backup.head.next);
  std::string text =
      absl::StrCat(Say("Sauvegarde ", "Backup "), backup.id, Say(" du ", " of "),
                   Instant(backup.created_us, lang), Say(" (UTC)\u00a0: ", " (UTC): "));
  if (count == 0) return text + Say("aucune écriture", "no event");
  absl::StrAppend(&text, Count(count, lang),
                  count == 1 ? Say(" écriture", " event") : Say(" écritures", " events"),
                  Say(", jusqu'à la position ", ", up to position "), count - 1,
                  Say(", racine ", ", root "), store::ToHex(backup.head.root));
  return text;
}

int Client::BackupCommand::Conclude(std::string_view result,
                                    const std::optional<store::Backup>& backup,
                                    const std::string& detail, int code) {
  if (client_.style_.format == Format::kCsv) {
    Grid grid{.columns = {{"result"}, {"backup"}, {"position"}, {"root"}, {"detail"}},
              .rows = {{std::string(result), "", "", "", detail}}};
    if (backup.has_value()) {
      const v1::Backup message = ToProto(*backup);
      grid.rows[0][1] = std::to_string(message.backup_id());
      grid.rows[0][2] = std::to_string(message.position());
      grid.rows[0][3] = store::ToHex(backup->head.root);
    }
    out() << ToCsv(grid);
    return code;
  }
  Json json{{"result", result}};
  if (backup.has_value()) json["backup"] = ToJson(ToProto(*backup));
  if (!detail.empty()) json["detail"] = detail;
  json["exit_code"] = code;
  out() << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  return code;
}

int Client::BackupCommand::Fail(const absl::Status& status, bool contradicts) {
  const std::string detail(status.message());
  const int code = contradicts ? static_cast<int>(kCheckpointContradicts) : CodeOf(status);
  std::string_view result;
  std::string verdict;
  if (code == kCheckpointContradicts) {
    result = "contradicted";
    verdict = Say("NON CONFORME\u00a0: le point de contrôle la contredit",
                  "NOT SOUND: the checkpoint contradicts it");
  } else if (code == kFilesDamaged) {
    result = "damaged";
    verdict = Say("ENDOMMAGÉE", "DAMAGED");
  } else if (code == kOlderThanCheckpoint) {
    result = "older";
    verdict = Say("PLUS ANCIENNE que le point de contrôle, et conforme elle-même",
                  "OLDER than the checkpoint, and sound in itself");
  } else {
    return Tell(detail, code);
  }
  if (client_.style_.format != Format::kTable) {
    return Conclude(result, std::nullopt, detail, code);
  }
  out() << verdict << Say("\u00a0: ", ": ") << detail << "\n";
  return code;
}

std::optional<store::Checkpoint> Client::BackupCommand::ReadCheckpoint(int* code) {
  const std::string note = ReadWholeFile(checkpoint_file).value_or("");
  if (note.empty()) {
    *code = Tell(
        Say("fichier illisible ou vide\u00a0: ", "unreadable or empty file: ") + checkpoint_file,
        kUsage);
    return std::nullopt;
  }
  const absl::StatusOr<store::VerifierKey> parsed = ReadVerifierKey(key);
  if (!parsed.ok()) {
    *code = Tell("--verifier-key: " + std::string(parsed.status().message()), kUsage);
    return std::nullopt;
  }
  const absl::StatusOr<store::Checkpoint> checkpoint = store::OpenCheckpoint(note, *parsed);
  if (!checkpoint.ok()) {
    const std::string why =
        checkpoint_file + Say("\u00a0: ", ": ") + std::string(checkpoint.status().message());
    if (client_.style_.format != Format::kTable) {
      *code = Conclude("checkpoint_refused", std::nullopt, why, kCheckpointContradicts);
      return std::nullopt;
    }
    out() << Say("POINT DE CONTRÔLE REFUSÉ, rien n'est comparé\u00a0: ",
                 "CHECKPOINT REFUSED, nothing was compared: ")
          << why << "\n";
    *code = kCheckpointContradicts;
    return std::nullopt;
  }
  return *checkpoint;
}

int Client::BackupCommand::Create() {
  if (client_.app_.get_option("--timeout")->count() == 0) client_.timeout_s_ = kCreateTimeoutS;
  if (!client_.Connect(kOperator)) return client_.exit_code_;
  v1::CreateBackupResponse response;
  if (!client_.Call(Method("CreateBackup"), v1::CreateBackupRequest(), &response)) {
    return client_.exit_code_;
  }
  out() << Show(response, "backup", client_.style_);
  return kDone;
}

int Client::BackupCommand::List() {
  v1::ListBackupsResponse response;
  if (dir.empty()) {
    if (!client_.Connect(kOperator)) return client_.exit_code_;
    if (!client_.Call(Method("ListBackups"), v1::ListBackupsRequest(), &response)) {
      return client_.exit_code_;
    }
  } else {
    const absl::StatusOr<std::vector<store::Backup>> backups = store::ListBackups(dir);
    if (!backups.ok()) return Fail(backups.status(), false);
    for (const store::Backup& backup : *backups) *response.add_backups() = ToProto(backup);
  }
  out() << Show(response, "backups", client_.style_);
  return kDone;
}

int Client::BackupCommand::Verify() {
  std::optional<store::Checkpoint> known;
  if (!checkpoint_file.empty()) {
    int code = kDone;
    known = ReadCheckpoint(&code);
    if (!known.has_value()) return code;
  }
  const absl::StatusOr<store::Backup> backup = store::VerifyBackup(dir, id, known);
  if (!backup.ok()) {
    // Damage, or a sound log that is not the checkpoint's: without the checkpoint it shows.
    const bool contradicts =
        known.has_value() && absl::IsDataLoss(backup.status()) && store::VerifyBackup(dir, id).ok();
    return Fail(backup.status(), contradicts);
  }
  if (client_.style_.format != Format::kTable) return Conclude("sound", *backup, "", kDone);
  out() << Describe(*backup) << ".\n";
  if (known.has_value()) {
    out() << Say("Conforme, et commence par le journal du point de contrôle (",
                 "Sound, and begins with the log of the checkpoint (")
          << Count(static_cast<std::int64_t>(known->head.next), client_.style_.lang)
          << Say(" écritures).\n", " events).\n");
    return kDone;
  }
  out() << Say(
      "Conforme\u00a0: fichiers, arbre et ancre. Sans point de contrôle gardé ailleurs "
      "(--checkpoint, --key), rien ne dit\nsi le journal entier a été réécrit.\n",
      "Sound: files, tree and anchor. Without a checkpoint that was kept elsewhere "
      "(--checkpoint, --key) nothing tells\nwhether the whole log was written anew.\n");
  return kDone;
}

int Client::BackupCommand::Restore() {
  const absl::StatusOr<store::Backup> backup = store::RestoreBackup(dir, id, data);
  if (!backup.ok()) return Fail(backup.status(), false);
  if (client_.style_.format != Format::kTable) return Conclude("restored", *backup, "", kDone);
  out() << Describe(*backup) << ".\n"
        << Say("Restaurée et contrôlée dans ", "Restored and verified in ") << data
        << Say(". Ce qui a été enregistré après elle n'y est pas\u00a0;\navant d'y démarrer un "
               "serveur\u00a0: denier verify --data ",
               ". What was recorded after it is not in it;\nbefore a server starts on it: denier "
               "verify --data ")
        << data << Say(" --checkpoint FICHIER --key CLÉ\n", " --checkpoint FILE --key KEY\n");
  return kDone;
}

int Client::BackupCommand::Prune() {
  const absl::StatusOr<std::vector<store::BackupId>> deleted = store::PruneBackups(dir, keep);
  if (!deleted.ok()) return Fail(deleted.status(), false);
  switch (client_.style_.format) {
    case Format::kJson:
      out() << Json{{"deleted", *deleted}}.dump(2) << "\n";
      return kDone;
    case Format::kCsv: {
      Grid grid{.columns = {{"deleted"}}};
      for (const store::BackupId number : *deleted) grid.rows.push_back({std::to_string(number)});
      out() << ToCsv(grid);
      return kDone;
    }
    case Format::kTable:
      break;
  }
  if (deleted->empty()) {
    out() << Say("Rien à supprimer.\n", "Nothing to delete.\n");
    return kDone;
  }
  std::string numbers;
  for (const store::BackupId number : *deleted) {
    absl::StrAppend(&numbers, numbers.empty() ? "" : ", ", number);
  }
  out() << Say("Sauvegardes supprimées\u00a0: ", "Backups deleted: ") << numbers << "\n";
  return kDone;
}

void Client::AddBackup() {
  CLI::App* backup = AddSubcommand(&app_, "backup",
                                   Say("Sauvegardes\u00a0: en faire, les contrôler, les restaurer",
                                       "Backups: to make them, verify them, restore them"));
  backup->group(Say("Fichiers et exploitation", "Files and operation"));
  backup->require_subcommand(1);
  const auto typed = std::make_shared<BackupCommand>(*this);
  const std::string folder = Say("DOSSIER", "FOLDER");
  const std::string required = Say(" (obligatoire)", " (required)");
  const std::string codes = Say(
      "Codes de sortie\u00a0: 0 fait, conforme\u00a0; 1 refusé (dossier non vide ou en service, "
      "autre sauvegarde en cours,\nformat plus récent)\u00a0; 2 mal écrit\u00a0; 3 pas de telle "
      "sauvegarde, disque illisible ou plein\u00a0; 12 endommagée\n(le fichier ou la position est "
      "nommé)\u00a0; 17 point de contrôle refusé, ou qui la contredit\u00a0; 18 plus ancienne que "
      "lui.",
      "Exit codes: 0 done, sound; 1 refused (folder not empty or in use, another backup runs, "
      "newer format);\n2 wrong usage; 3 no such backup, disk unreadable or full; 12 damaged (the "
      "file or the position is named);\n17 checkpoint refused, or it contradicts the backup; 18 "
      "older than the checkpoint.");

  const CLI::Validator above_zero(
      [this](const std::string& text) {
        const std::optional<std::int64_t> number = ParseNumber(text);
        if (number && *number > 0 && *number <= std::numeric_limits<std::int32_t>::max()) {
          return std::string();
        }
        return Say("un nombre à partir de 1, et non ", "a number from 1, and not ") + text;
      },
      "");
  const auto add = [&](const char* name, const std::string& help,
                       int (BackupCommand::*run)()) -> CLI::App* {
    CLI::App* sub = AddSubcommand(backup, name, help);
    sub->final_callback(
        [this, typed, run] { action_ = [typed, run] { return ((*typed).*run)(); }; });
    return sub;
  };
  const auto add_dir = [&](CLI::App* sub) {
    sub->add_option("--dir", typed->dir,
                    Say("Dossier des sauvegardes\u00a0; aucun serveur n'est appelé",
                        "Folder of the backups; no server is called"))
        ->required()
        ->option_text(folder + required);
    sub->footer(codes);
  };
  const auto add_id = [&](CLI::App* sub) {
    sub->add_option("--id", typed->id,
                    Say("Numéro de la sauvegarde\u00a0; sinon la plus récente",
                        "Number of the backup; else the newest"))
        ->check(above_zero)
        ->option_text("N");
  };

  add("create",
      Say("Ajoute une sauvegarde, pendant que le serveur travaille\u00a0; délai d'une heure sans "
          "--timeout",
          "Adds a backup while the server works; deadline of an hour without --timeout"),
      &BackupCommand::Create);
  CLI::App* list = add(
      "list", Say("Les sauvegardes, les plus anciennes d'abord", "The backups, the oldest first"),
      &BackupCommand::List);
  list->add_option("--dir", typed->dir,
                   Say("Lit ce dossier\u00a0; sinon demande au serveur",
                       "Reads this folder; else asks the server"))
      ->option_text(folder);

  CLI::App* verify =
      add("verify",
          Say("Relit une sauvegarde\u00a0: fichiers, arbre, ancre, point de contrôle",
              "Reads a backup: files, tree, anchor, checkpoint"),
          &BackupCommand::Verify);
  add_dir(verify);
  add_id(verify);
  CLI::Option* checkpoint = verify
                                ->add_option("--checkpoint", typed->checkpoint_file,
                                             Say("Point de contrôle signé, gardé ailleurs",
                                                 "Signed checkpoint that was kept elsewhere"))
                                ->option_text(Say("FICHIER", "FILE"));
  CLI::Option* key =
      verify
          ->add_option(
              "--verifier-key,--key", typed->key,
              Say("Clé publique du journal (NOM+EMPREINTE+CLÉ), ou un fichier qui la porte",
                  "The log's public key (NAME+HASH+KEY), or a file that holds it"))
          ->option_text(Say("CLÉ", "KEY"))
          ->needs(checkpoint);
  checkpoint->needs(key);

  CLI::App* restore = add("restore",
                          Say("Fait d'une sauvegarde un nouveau dossier de données, et le contrôle",
                              "Makes a new data folder of a backup, and verifies it"),
                          &BackupCommand::Restore);
  add_dir(restore);
  add_id(restore);
  restore
      ->add_option("--data", typed->data,
                   Say("Dossier de données à faire, vide ou absent",
                       "Data folder to be made, empty or missing"))
      ->required()
      ->option_text(folder + required);

  CLI::App* prune = add("prune",
                        Say("Supprime toutes les sauvegardes, sauf les plus récentes",
                            "Deletes all backups but the newest"),
                        &BackupCommand::Prune);
  add_dir(prune);
  prune
      ->add_option("--keep", typed->keep,
                   Say("Combien de bonnes sauvegardes garder, une au moins",
                       "How many good backups stay, one at least"))
      ->required()
      ->check(above_zero)
      ->option_text("N" + required);
}

}  // namespace denier::cli
