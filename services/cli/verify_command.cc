// `denier verify` as people and scripts meet it: the checks run in a process of their own, since
// RocksDB may end the one that meets a damaged byte; this one prints what they find, and says so
// when they die.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "services/cli/client.h"
#include "services/cli/grid.h"
#include "services/cli/verifier_key.h"
#include "services/cli/verify.h"
#include "services/cli/whole_file.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/sha256.h"

namespace denier::cli {
namespace {

using Json = nlohmann::ordered_json;
using store::Position;

constexpr std::size_t kNameColumns = 20;
constexpr std::size_t kResultColumns = 14;

std::string_view NameOf(Result result) {
  switch (result) {
    case Result::kPassed:
      return "passed";
    case Result::kDamaged:
      return "damaged";
    case Result::kPartly:
      return "partly";
    case Result::kSkipped:
      return "skipped";
  }
  return "";
}

std::string Word(const Finding& finding, Lang lang) {
  if (finding.exit_code == kTrouble) return In(lang, "NON CONTRÔLÉ", "NOT CHECKED");
  switch (finding.result) {
    case Result::kPassed:
      return In(lang, "conforme", "sound");
    case Result::kDamaged:
      return In(lang, "NON CONFORME", "DAMAGED");
    case Result::kPartly:
      return In(lang, "en partie", "in part");
    case Result::kSkipped:
      return In(lang, "sans objet", "nothing there");
  }
  return "";
}

std::string Word(Check check, Lang lang) {
  switch (check) {
    case Check::kFormat:
      return In(lang, "format", "format");
    case Check::kAnchor:
      return In(lang, "ancre", "anchor");
    case Check::kFiles:
      return In(lang, "fichiers", "files");
    case Check::kTree:
      return In(lang, "lots et arbre", "batches and tree");
    case Check::kEvents:
      return In(lang, "écritures", "events");
    case Check::kRules:
      return In(lang, "règles", "rules");
    case Check::kProjections:
      return In(lang, "lignes et états", "projections");
    case Check::kCheckpoint:
      return In(lang, "point de contrôle", "checkpoint");
  }
  return "";
}

// What a check exits with when the process that makes it dies.
int ExitCodeOf(Check check) {
  switch (check) {
    case Check::kFormat:
      return kFormatDamaged;
    case Check::kAnchor:
      return kAnchorDamaged;
    case Check::kFiles:
      return kFilesDamaged;
    case Check::kTree:
      return kTreeDamaged;
    case Check::kEvents:
      return kEventsDamaged;
    case Check::kRules:
      return kRulesBroken;
    case Check::kProjections:
      return kProjectionsDiffer;
    case Check::kCheckpoint:
      return kCheckpointContradicts;
  }
  return kTrouble;
}

std::string Padded(std::string text, std::size_t columns) {
  const std::size_t width = DisplayWidth(text);
  return text + std::string(width < columns ? columns - width : 1, ' ');
}

std::string Places(const Finding& finding, Lang lang) {
  if (!finding.position) return "";
  if (!finding.before || *finding.before == *finding.position + 1) {
    return absl::StrCat("position ", *finding.position, In(lang, "\u00a0: ", ": "));
  }
  return absl::StrCat("positions ", *finding.position, In(lang, " à ", " to "), *finding.before - 1,
                      In(lang, "\u00a0: ", ": "));
}

Json ToJson(const Finding& finding) {
  Json json{{"check", NameOf(finding.check)}, {"result", NameOf(finding.result)}};
  if (finding.position) json["position"] = *finding.position;
  if (finding.before) json["before"] = *finding.before;
  json["detail"] = finding.detail;
  if (finding.exit_code != 0) json["exit_code"] = finding.exit_code;
  return json;
}

// What the process that verifies tells the one that prints: a line of JSON each.
class Teller {
 public:
  explicit Teller(int fd) : fd_(fd) {}

  void Begins(Check check) const { Tell({{"begins", static_cast<int>(check)}}); }
  void Found(const Finding& finding) const {
    Json json = ToJson(finding);
    json["number"] = static_cast<int>(finding.check);
    json["result_number"] = static_cast<int>(finding.result);
    Tell(json);
  }
  void Ends(const Verified& verified) const {
    Tell({{"next", verified.head.next},
          {"root", store::ToHex(verified.head.root)},
          {"end", verified.end}});
  }

 private:
  void Tell(const Json& json) const {
    const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    for (std::size_t at = 0; at < line.size();) {
      const ssize_t written = write(fd_, line.data() + at, line.size() - at);
      if (written <= 0) _exit(1);
      at += static_cast<std::size_t>(written);
    }
  }
  int fd_;
};

// All that became known.
struct Told {
  std::vector<Finding> findings;
  bool ended = false;
  Position next = 0;  // verified without reserve
  std::string root;
  Position end = 0;

  int exit_code() const {
    for (const Finding& finding : findings) {
      if (finding.exit_code != 0) return finding.exit_code;
    }
    return kDone;
  }
  // The finding that names the earliest damage in the log itself.
  const Finding* first_damage() const {
    const Finding* first = nullptr;
    for (const Finding& finding : findings) {
      if (!OfLog(finding)) continue;
      if (first == nullptr || *finding.position < *first->position) first = &finding;
    }
    return first;
  }
  // The first event within [position, before) of `damage` that another check takes exception to.
  std::optional<Position> first_within(const Finding& damage) const {
    std::optional<Position> first;
    for (const Finding& finding : findings) {
      if (!OfLog(finding) || finding.before || !damage.before) continue;
      if (*finding.position >= *damage.before) continue;
      if (!first || *finding.position < *first) first = finding.position;
    }
    return first;
  }

 private:
  static bool OfLog(const Finding& finding) {
    return finding.result == Result::kDamaged && finding.position &&
           finding.check != Check::kCheckpoint;
  }
};

Finding FindingOf(const Json& json) {
  Finding finding;
  finding.check = static_cast<Check>(json["number"].get<int>());
  finding.result = static_cast<Result>(json["result_number"].get<int>());
  if (json.contains("position")) finding.position = json["position"].get<Position>();
  if (json.contains("before")) finding.before = json["before"].get<Position>();
  finding.detail = json["detail"].get<std::string>();
  finding.exit_code = json.value("exit_code", 0);
  return finding;
}

// Runs the checks in a process of their own; `show` sees each finding as it comes.
Told VerifyApart(const VerifyOptions& options, const std::function<void(const Finding&)>& show) {
  Told told;
  Check running = Check::kFormat;
  std::array<int, 2> ends{};
  const pid_t child = pipe(ends.data()) == 0 ? fork() : -1;
  if (child == 0) {
    close(ends[0]);
    const Teller teller(ends[1]);
    teller.Ends(Verify(
        options, [&](Check check) { teller.Begins(check); },
        [&](const Finding& finding) { teller.Found(finding); }));
    _exit(0);
  }
  const auto find = [&](Finding finding) {
    show(finding);
    told.findings.push_back(std::move(finding));
  };
  int status = 0;
  if (child > 0) {
    close(ends[1]);
    FILE* const lines = fdopen(ends[0], "r");
    char* line = nullptr;
    std::size_t room = 0;
    while (getline(&line, &room, lines) > 0) {
      const Json json = Json::parse(line);
      if (json.contains("begins")) {
        running = static_cast<Check>(json["begins"].get<int>());
      } else if (json.contains("check")) {
        find(FindingOf(json));
      } else {
        told.ended = true;
        told.next = json["next"].get<Position>();
        told.root = json["root"].get<std::string>();
        told.end = json["end"].get<Position>();
      }
    }
    std::free(line);
    std::fclose(lines);
    waitpid(child, &status, 0);
  }
  if (told.ended) return told;
  std::string detail;
  if (child < 0) {
    detail = std::strerror(errno);
  } else if (WIFSIGNALED(status)) {
    detail = absl::StrCat(
        In(options.lang, "le processus qui lisait est mort (", "the process that read died ("),
        strsignal(WTERMSIG(status)),
        In(options.lang,
           ") : un octet endommagé que RocksDB ne supporte pas ; le reste n'est pas contrôlé",
           "): a damaged byte that RocksDB does not survive; the rest is not checked"));
  } else {
    detail = In(options.lang, "le processus qui lisait s'est arrêté",
                "the process that read has stopped");
  }
  find({.check = running,
        .result = Result::kDamaged,
        .detail = detail,
        .exit_code = WIFSIGNALED(status) ? ExitCodeOf(running) : static_cast<int>(kTrouble)});
  return told;
}

std::string Closing(const Told& told, bool with_checkpoint, Lang lang) {
  const auto say = [lang](std::string_view fr, std::string_view en) { return In(lang, fr, en); };
  const auto number = [lang](Position n) { return Count(static_cast<std::int64_t>(n), lang); };
  const int code = told.exit_code();
  std::string text;
  const std::string up_to =
      told.next == 0
          ? say("aucune écriture", "no event")
          : absl::StrCat(number(told.next),
                         say(" écritures, jusqu'à la position ", " events, up to position "),
                         told.next - 1, say(", racine ", ", root "), told.root);
  if (code == kDone) {
    absl::StrAppend(&text, say("Vérifié\u00a0: ", "Verified: "), up_to, ".\n");
    if (!with_checkpoint) {
      absl::StrAppend(
          &text,
          say("Sans point de contrôle gardé ailleurs (--checkpoint, --key), rien ne dit si le "
              "journal entier a été\nréécrit, ou si ce dossier est une copie plus ancienne.\n",
              "Without a checkpoint that was kept elsewhere (--checkpoint, --key) nothing tells "
              "whether the whole log\nwas written anew, or whether this folder is an older "
              "copy.\n"));
    }
    return text;
  }
  if (code == kTrouble && told.findings.size() == 1) return "";  // nothing was checked
  absl::StrAppend(&text, say("NON CONFORME.", "NOT SOUND."));
  if (const Finding* damage = told.first_damage()) {
    absl::StrAppend(&text,
                    say(" Première position endommagée\u00a0: ", " First damaged position: "));
    if (damage->before && *damage->before > *damage->position + 1) {
      absl::StrAppend(&text, say("entre ", "between "), *damage->position, say(" et ", " and "),
                      *damage->before - 1);
      if (const auto event = told.first_within(*damage)) {
        absl::StrAppend(&text, say(", première écriture contredite ", ", first event objected to "),
                        *event);
      }
    } else {
      absl::StrAppend(&text, *damage->position);
    }
    absl::StrAppend(&text, " (", Word(damage->check, lang), ").");
  }
  if (told.ended && told.next > 0) {
    absl::StrAppend(&text,
                    say(" Journal, écritures et règles sont conformes sur ",
                        " Log, events and rules are sound over "),
                    up_to, ".");
  }
  return text + "\n";
}

}  // namespace

void Client::AddVerify() {
  CLI::App* sub =
      AddSubcommand(&app_, "verify",
                    Say("Contrôle un dossier de données sur le disque, serveur arrêté\u00a0: "
                        "journal, règles, états",
                        "Checks a stopped server's data folder on the disk: log, rules, reports"));
  sub->group(Say("Fichiers et exploitation", "Files and operation"));
  const auto data = std::make_shared<std::string>();
  const auto checkpoint = std::make_shared<std::string>();
  const auto key = std::make_shared<std::string>();
  sub->add_option(
         "--data", *data,
         Say("Dossier d'un serveur arrêté\u00a0; rien n'y est écrit. Des sauvegardes sont "
             "contrôlées par denier backup verify",
             "Folder of a stopped server; nothing is written there. Backups are checked by "
             "denier backup verify"))
      ->required()
      ->option_text(Say("DOSSIER (obligatoire)", "FOLDER (required)"));
  CLI::Option* of = sub->add_option("--checkpoint", *checkpoint,
                                    Say("Point de contrôle signé, gardé ailleurs",
                                        "Signed checkpoint that was kept elsewhere"))
                        ->option_text(Say("FICHIER", "FILE"));
  sub->add_option("--verifier-key,--key", *key,
                  Say("Clé publique du journal (NOM+EMPREINTE+CLÉ), ou un fichier qui la porte",
                      "The log's public key (NAME+HASH+KEY), or a file that holds it"))
      ->option_text(Say("CLÉ", "KEY"))
      ->needs(of);
  of->needs(sub->get_option("--verifier-key"));
  sub->footer(Say(
      "Contrôles, dans l'ordre, et code de sortie du premier qui échoue\u00a0:\n"
      "  10 format, 11 ancre, 12 fichiers (sommes de contrôle), 13 lots et arbre, 14 écritures, "
      "15 règles,\n  16 lignes et états, 17 point de contrôle (signature, clé, autre histoire), "
      "18 dossier plus ancien que le point de contrôle.\n"
      "  0 tout est conforme, 2 mal écrit, 3 dossier illisible ou en service.\n"
      "Les octets sont relus du disque\u00a0: le système oublie d'abord ce qu'il en gardait. Les "
      "livres "
      "recalculés vont\ndans un dossier provisoire sous TMPDIR.",
      "Checks, in their order, and the exit code of the first that fails:\n"
      "  10 format, 11 anchor, 12 files (checksums), 13 batches and tree, 14 events, 15 rules,\n"
      "  16 rows and reports, 17 checkpoint (signature, key, another history), 18 folder older "
      "than "
      "the checkpoint.\n"
      "  0 all is sound, 2 wrong usage, 3 folder unreadable or in use.\n"
      "The bytes are read again from the disk: first the system forgets what it kept of them. The "
      "books computed\nagain go to a temporary folder below TMPDIR."));
  sub->final_callback([this, data, checkpoint, key] {
    action_ = [this, data, checkpoint, key] { return RunVerify(*data, *checkpoint, *key); };
  });
}

int Client::RunVerify(const std::string& data, const std::string& checkpoint_file,
                      const std::string& verifier_key) {
  const auto usage = [this](const std::string& what) {
    terminal_.err << "denier\u00a0: " << what << "\n";
    return kUsage;
  };
  VerifyOptions options;
  options.data = data;
  options.lang = style_.lang;
  options.progress = terminal_.progress ? &terminal_.err : nullptr;
  if (!checkpoint_file.empty()) {
    options.checkpoint = ReadWholeFile(checkpoint_file).value_or("");
    if (options.checkpoint.empty()) {
      return usage(Say("fichier illisible ou vide\u00a0: ", "unreadable or empty file: ") +
                   checkpoint_file);
    }
    const absl::StatusOr<store::VerifierKey> key = ReadVerifierKey(verifier_key);
    if (!key.ok()) return usage("--verifier-key: " + std::string(key.status().message()));
    options.verifier_key = key->ToString();
  }
  const absl::StatusOr<std::unique_ptr<ScratchFolder>> scratch = ScratchFolder::Make();
  if (!scratch.ok()) {
    terminal_.err << "denier\u00a0: " << scratch.status().message() << "\n";
    return kTrouble;
  }
  options.scratch = (*scratch)->path();
  absl::Status unreadable_format;
  const auto folder = store::DataDirectory::OpenForReading(data, &unreadable_format);
  options.rows_readable = !folder.ok() || Survives([&] {
    OpenStoredRows(folder->views_path()).status().IgnoreError();
  });

  const bool table = style_.format == Format::kTable;
  terminal_.out << std::flush;
  const Told told = VerifyApart(options, [&](const Finding& finding) {
    if (!table) return;
    terminal_.out << Padded(Word(finding.check, style_.lang), kNameColumns)
                  << Padded(Word(finding, style_.lang), kResultColumns)
                  << Places(finding, style_.lang) << finding.detail << std::endl;
  });
  const int code = told.exit_code();
  if (table) {
    terminal_.out << Closing(told, !checkpoint_file.empty(), style_.lang);
    return code;
  }
  if (style_.format == Format::kCsv) {
    Grid grid{.columns = {{"check"}, {"result"}, {"position"}, {"before"}, {"detail"}}};
    for (const Finding& finding : told.findings) {
      grid.rows.push_back({std::string(NameOf(finding.check)), std::string(NameOf(finding.result)),
                           finding.position ? std::to_string(*finding.position) : "",
                           finding.before ? std::to_string(*finding.before) : "", finding.detail});
    }
    terminal_.out << ToCsv(grid);
    return code;
  }
  Json json;
  for (const Finding& finding : told.findings) json["checks"].push_back(ToJson(finding));
  json["verified"] = {{"next", told.next}, {"root", told.root}};
  json["end"] = told.end;
  if (const Finding* damage = told.first_damage()) {
    json["first_damage"] = {{"check", NameOf(damage->check)}, {"position", *damage->position}};
    if (damage->before) json["first_damage"]["before"] = *damage->before;
    if (const auto event = told.first_within(*damage)) json["first_damage"]["event"] = *event;
  }
  json["exit_code"] = code;
  terminal_.out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  return code;
}

}  // namespace denier::cli
