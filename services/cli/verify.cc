#include "services/cli/verify.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/calendar.h"
#include "projections/event_version.h"
#include "projections/rows.h"
#include "services/cli/failure.h"
#include "services/rules/redecide.h"
#include "services/sequencer.h"
#include "store/anchor.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/log.h"
#include "store/merkle.h"
#include "store/views.h"

namespace denier::cli {
namespace {

using events::v1::Event;
using store::Head;
using store::Log;
using store::Position;
using store::Views;

std::string Bytes(std::uint64_t bytes, Lang lang) {
  constexpr std::uint64_t kMega = 1'000'000;
  const bool large = bytes >= 10 * kMega;
  return Count(static_cast<std::int64_t>(large ? bytes / kMega : bytes / 1000), lang) +
         (large ? In(lang, " Mo", " MB") : In(lang, " ko", " kB"));
}

// The first damage that a check met on its way along the log.
struct Damage {
  Position position;
  std::optional<Position> before = std::nullopt;
  std::string what;
};

// One verification: a check a function, in order; what one learns the next may use.
class Verifier {
 public:
  Verifier(const VerifyOptions& options, const std::function<void(Check)>& begins,
           const std::function<void(const Finding&)>& found)
      : options_(options), begins_(begins), found_(found) {}

  Verified Run() {
    if (!CheckFormat()) return verified_;
    CheckAnchor();
    CheckFiles();
    Begin(Check::kTree);
    ReadCheckpoint();
    if (log_ != nullptr) Walk();
    ReportTree();
    ReportEvents();
    ReportRules();
    CheckProjections();
    CheckCheckpoint();
    return verified_;
  }

 private:
  std::string Say(std::string_view french, std::string_view english) const {
    return In(options_.lang, french, english);
  }
  std::string Number(Position n) const {
    return Count(static_cast<std::int64_t>(n), options_.lang);
  }
  void Begin(Check check) {
    check_ = check;
    begins_(check);
  }
  void Passed(std::string detail) { Report({.detail = std::move(detail)}); }
  void Skipped(std::string detail) {
    Report({.result = Result::kSkipped, .detail = std::move(detail)});
  }
  void Damaged(int exit_code, std::string detail, std::optional<Position> position = std::nullopt,
               std::optional<Position> before = std::nullopt) {
    Report({.result = Result::kDamaged,
            .position = position,
            .before = before,
            .detail = std::move(detail),
            .exit_code = exit_code});
  }
  void Report(Finding finding) {
    finding.check = check_;
    found_(finding);
  }

  bool CheckFormat();
  void CheckAnchor();
  void CheckFiles();
  void Walk();
  void WalkBatch(const store::StoredBatch& batch);
  void CheckRoot(const store::StoredBatch& batch);
  void CheckEvent(std::string_view bytes, Position position);
  std::string WrongForm(const Event& event, Position position);
  bool IsNewRequest(const Event& event);
  void CheckRules(const Event& event, Position position);
  absl::StatusOr<std::optional<Event>> Original(const Event& event, Position position) const;
  void CommitRows(const Head& head);
  void OpenStored();
  void ReportTree();
  void ReportEvents();
  void ReportRules();
  void CheckProjections();
  void ReadCheckpoint();
  void CheckCheckpoint();

  // A log that cannot be read any further: events that were not reached are neither sound nor not.
  void ReportWalked(int exit_code, const std::optional<Damage>& damage, Position reached,
                    std::string passed);

  const VerifyOptions& options_;
  const std::function<void(Check)>& begins_;
  const std::function<void(const Finding&)>& found_;
  Check check_ = Check::kFormat;
  Verified verified_{.head = {0, store::EmptyRoot()}};

  std::optional<store::DataDirectory> folder_;
  std::optional<Head> anchored_;
  std::unique_ptr<Log> log_;
  bool knows_head_ = true;
  absl::Status unopened_;                  // why there is no log_
  std::optional<Position> damaged_files_;  // the first event that may lie in one

  // The walk.
  std::unique_ptr<projections::Rows> rows_;  // null once they cannot be folded any further
  absl::Status rows_failed_;                 // our own rows, in the temporary folder
  Event event_;
  store::MerkleFrontier frontier_;
  std::vector<store::MerkleNode> completed_;
  std::uint64_t nodes_ = 0;
  std::uint64_t batches_ = 0;
  std::uint64_t wrong_roots_ = 0;
  Position walked_ = 0;   // events read
  Position decoded_ = 0;  // events looked at
  Position decided_ = 0;
  std::optional<Damage> unreadable_, tree_damage_, event_damage_, rule_damage_;
  std::int64_t last_recorded_us_ = 0;
  std::unordered_set<std::string> fresh_requests_;  // not committed to rows_ yet

  // The stored rows, and ours where they stand.
  absl::StatusOr<std::shared_ptr<Views>> stored_ = absl::NotFoundError("");
  std::optional<Views::Snapshot> fresh_;
  bool cursor_is_of_this_log_ = false;

  // The checkpoint.
  absl::StatusOr<store::Checkpoint> checkpoint_ = absl::NotFoundError("");
  std::optional<store::Hash> root_there_;  // what the log has at its size
};

// ----------------------------------------------------------------------- Format, anchor, files

// False: nothing else can be checked.
bool Verifier::CheckFormat() {
  Begin(Check::kFormat);
  absl::Status damaged;
  absl::StatusOr<store::DataDirectory> folder =
      store::DataDirectory::OpenForReading(options_.data, &damaged);
  if (!folder.ok()) {
    Damaged(kTrouble, std::string(folder.status().message()));
    return false;
  }
  folder_ = *std::move(folder);
  const absl::StatusOr<store::DataDirectory::Files> files = folder_->ForgetCached();
  if (!files.ok()) {
    Damaged(kTrouble, std::string(files.status().message()));
    return false;
  }
  if (!damaged.ok()) {
    Damaged(kFormatDamaged, std::string(damaged.message()));
  } else {
    Passed(absl::StrCat(Say("format ", "format "),
                        store::DataDirectory::ReadFormat(options_.data).value_or(0), "; ",
                        Number(files->count), Say(" fichiers, ", " files, "),
                        Bytes(files->bytes, options_.lang),
                        Say(", relus du disque", ", read again from the disk")));
  }
  return true;
}

void Verifier::CheckAnchor() {
  Begin(Check::kAnchor);
  const absl::StatusOr<store::Anchor::Slots> slots =
      store::Anchor::ReadSlots(*rocksdb::FileSystem::Default(), folder_->path() + "/anchor");
  if (!slots.ok()) {
    return Damaged(absl::IsUnavailable(slots.status()) ? static_cast<int>(kTrouble)
                                                       : static_cast<int>(kAnchorDamaged),
                   std::string(slots.status().message()));
  }
  const auto& [a, b] = slots->heads;
  if (a && b && a->next == b->next && a->root != b->root) {
    return Damaged(kAnchorDamaged, Say("ses deux moitiés garantissent deux histoires différentes",
                                       "its two slots vouch for two different histories"));
  }
  if (a || b) anchored_ = !b || (a && a->next > b->next) ? *a : *b;
  if (!anchored_) {
    return Damaged(kAnchorDamaged,
                   Say("ses deux moitiés sont endommagées", "both of its slots are damaged"));
  }
  const std::string vouches =
      absl::StrCat(Say("garantit ", "vouches for "), Number(anchored_->next),
                   Say(" écritures, racine ", " events, root "), store::ToHex(anchored_->root));
  if (!a || !b) {
    return Damaged(
        kAnchorDamaged,
        absl::StrCat(Say("une moitié est endommagée (par une coupure de courant pendant son "
                         "écriture, ou après coup) ; l'autre ",
                         "one slot is damaged (by a power loss while it was written, or later); "
                         "the other "),
                     vouches));
  }
  if (!slots->zero_elsewhere) {
    return Damaged(kAnchorDamaged,
                   absl::StrCat(Say("des octets hors de ses deux moitiés ont changé ; elle ",
                                    "bytes outside its slots have changed; it "),
                                vouches));
  }
  Passed(vouches);
}

void Verifier::CheckFiles() {
  Begin(Check::kFiles);
  absl::StatusOr<Log::Unverified> opened = Log::OpenUnverified(folder_->path());
  if (!opened.ok()) {
    unopened_ = opened.status();
    return Damaged(absl::IsUnavailable(unopened_) ? static_cast<int>(kTrouble)
                                                  : static_cast<int>(kFilesDamaged),
                   std::string(unopened_.message()));
  }
  log_ = std::move(opened->log);
  knows_head_ = opened->knows_head;
  const absl::StatusOr<std::vector<Log::File>> files = log_->CheckFiles();
  if (!files.ok()) return Damaged(kTrouble, std::string(files.status().message()));

  std::uint64_t bytes = 0;
  std::string damage;
  std::optional<Position> before;
  for (const Log::File& file : *files) {
    bytes += file.bytes;
    if (file.damage.empty()) continue;
    absl::StrAppend(&damage, damage.empty() ? "" : "; ", "log/", file.name, ": ", file.damage);
    if (!file.first) continue;
    std::optional<Position> end = file.before;
    if (!end && knows_head_) end = log_->head().next;
    if (!end && anchored_) end = anchored_->next;
    if (end && *end <= *file.first) end = std::nullopt;  // the anchor is of another log
    if (!damaged_files_ || *file.first < *damaged_files_) {
      damaged_files_ = file.first;
      before = end;
    }
    absl::StrAppend(&damage, Say(" (écritures à partir de ", " (events from "), *file.first,
                    end ? absl::StrCat(Say(", jusqu'à ", " to "), *end - 1) : "", ")");
  }
  if (damage.empty() && !opened->damage.ok()) {
    // No file is to blame: what is left are the WAL, and what says which files there are.
    if (knows_head_) damaged_files_ = log_->head().next;
    return Damaged(kFilesDamaged, std::string(opened->damage.message()), damaged_files_);
  }
  if (!damage.empty()) return Damaged(kFilesDamaged, damage, damaged_files_, before);
  Passed(absl::StrCat(Number(files->size()), Say(" fichiers de ", " files of "),
                      Bytes(bytes, options_.lang),
                      Say(", sommes de contrôle recalculées ; chaque article du journal "
                          "d'écriture anticipée",
                          ", checksums computed again; each record of the WAL")));
}

// -------------------------------------------------------------------------- Along the log

// One walk feeds three checks: the log is read once.
void Verifier::Walk() {
  absl::StatusOr<std::shared_ptr<Views>> views = Views::Open(options_.scratch + "/rows");
  rows_failed_ = views.status();
  if (views.ok()) rows_ = std::make_unique<projections::Rows>(*log_, *std::move(views));
  OpenStored();
  if (stored_.ok() && (*stored_)->cursor() == Head{0, store::EmptyRoot()} && rows_ != nullptr) {
    cursor_is_of_this_log_ = true;
    fresh_ = rows_->views()->TakeSnapshot();
  }
  if (checkpoint_.ok() && checkpoint_->head.next == 0) root_there_ = store::EmptyRoot();

  Meter meter(options_.progress, options_.lang, knows_head_ ? log_->head().next : 0);
  Log::Reader reader = log_->ReadFrom(0);
  while (true) {
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) {
      // A file that cannot be opened hides what lies in the others too.
      const Position at = reader.position();
      unreadable_ = {std::max(at, damaged_files_.value_or(at)), std::nullopt,
                     std::string(batch.status().message())};
      break;
    }
    if (*batch == nullptr) break;
    WalkBatch(**batch);
    meter.At(walked_);
  }
  meter.Clear();
  verified_.end = walked_;
  if (tree_damage_ || unreadable_) return;
  if (anchored_ && anchored_->next > walked_) {
    tree_damage_ = {
        walked_, std::nullopt,
        absl::StrCat(Say("le journal finit à la position ", "the log ends at position "), walked_,
                     Say(", l'ancre garantit ", ", the anchor vouches for "), anchored_->next,
                     Say(" écritures : il en manque ", " events: "), anchored_->next - walked_,
                     Say("", " are missing"))};
    return;
  }
  const absl::Status nodes = log_->VerifyNodes({walked_, frontier_.Root()}, nodes_);
  if (!nodes.ok()) tree_damage_ = {walked_, std::nullopt, std::string(nodes.message())};
}

void Verifier::WalkBatch(const store::StoredBatch& batch) {
  CheckRoot(batch);
  Position position = batch.first;
  for (const std::string_view bytes : batch.events) CheckEvent(bytes, position++);
  walked_ = batch.head.next;
  ++batches_;
  if (rows_ != nullptr) {
    const bool stored_stand_here = stored_.ok() && (*stored_)->cursor().next == walked_;
    if (stored_stand_here || rows_->IsCommitDue()) CommitRows(batch.head);
    if (stored_stand_here && rows_ != nullptr) {
      cursor_is_of_this_log_ = (*stored_)->cursor().root == batch.head.root;
      fresh_ = rows_->views()->TakeSnapshot();
    }
  }
  if (!tree_damage_ && !event_damage_ && !rule_damage_) verified_.head = batch.head;
}

void Verifier::CheckRoot(const store::StoredBatch& batch) {
  const auto damaged = [&](std::string what) {
    if (!tree_damage_) tree_damage_ = {batch.first, batch.head.next, std::move(what)};
  };
  completed_.clear();
  const std::vector<store::Hash> leaves = store::LeafHashes(batch.events);
  std::span<const store::Hash> left(leaves);
  if (checkpoint_.ok() && frontier_.size() < checkpoint_->head.next &&
      checkpoint_->head.next - frontier_.size() <= left.size()) {
    const std::size_t until = checkpoint_->head.next - frontier_.size();
    frontier_.Append(left.first(until), &completed_);
    root_there_ = frontier_.Root();
    left = left.subspan(until);
  }
  frontier_.Append(left, &completed_);
  if (frontier_.Root() != batch.head.root) {
    ++wrong_roots_;
    damaged(absl::StrCat(
        Say("les écritures avant la position ", "the events before position "), batch.head.next,
        Say(" ne donnent pas la racine que ce lot porte : une écriture du lot [",
            " do not give the root that this batch carries: an event of the batch ["),
        batch.first, ", ", batch.head.next,
        Say(") a changé, de place aussi, ou bien sa racine",
            ") was changed or moved, or else its root")));
  }
  // Once the tree differs, so do all nodes above it.
  for (const store::MerkleNode& node : completed_) {
    ++nodes_;
    if (tree_damage_) continue;
    const absl::StatusOr<store::Hash> stored = log_->ReadNode(node);
    if (stored.ok() && *stored == node.hash) continue;
    const Position from = node.index << node.level;
    damaged(absl::StrCat(
        Say("le nœud ", "the node of level "), static_cast<int>(node.level), "/", node.index,
        Say(" sur les écritures à partir de ", " over the events from "), from,
        Say(" n'est pas celui qu'elles donnent", " is not the one that they give"),
        stored.ok() ? "" : ": ", stored.ok() ? "" : std::string(stored.status().message())));
  }
  if (anchored_ && !tree_damage_ && batch.head.next >= anchored_->next &&
      batch.first < anchored_->next && batch.head != *anchored_) {
    damaged(absl::StrCat(Say("ce n'est pas l'histoire que l'ancre garantit : après ",
                             "this is not the history that the anchor vouches for: after "),
                         anchored_->next,
                         Say(" écritures elle a la racine ", " events it has the root "),
                         store::ToHex(anchored_->root)));
  }
}

void Verifier::CheckEvent(std::string_view bytes, Position position) {
  const auto damaged = [&](std::string what) {
    if (!event_damage_) event_damage_ = {position, std::nullopt, std::move(what)};
  };
  const absl::Status decoded = projections::DecodeEvent(bytes, position, event_);
  if (!decoded.ok()) {
    damaged(std::string(decoded.message()));
    if (!rule_damage_) {
      rule_damage_ = {position, std::nullopt,
                      Say("l'écriture ne se décode pas : les livres s'arrêtent là",
                          "the event does not decode: the books end there")};
    }
    rows_.reset();
    return;
  }
  if (std::string wrong = WrongForm(event_, position); !wrong.empty()) damaged(std::move(wrong));
  decoded_ = position + 1;
  if (rows_ == nullptr) return;
  CheckRules(event_, position);
  if (rows_ == nullptr) return;
  const absl::Status folded = rows_->FoldOne(event_, bytes.size());
  if (folded.ok()) {
    decided_ = position + 1;
    return;
  }
  if (rows_->rows_at_fault() || absl::IsUnavailable(folded)) {
    rows_failed_ = folded;
  } else if (!rule_damage_) {
    rule_damage_ = {position, std::nullopt, std::string(folded.message())};
  }
  rows_.reset();
}

// What no event that this server accepted can look like; empty: nothing.
std::string Verifier::WrongForm(const Event& event, Position position) {
  const auto wrong = [&](std::string_view french, std::string_view english) {
    return absl::StrCat(Say("l'écriture ", "the event "), position, " ", Say(french, english));
  };
  const std::int64_t before_us = std::exchange(last_recorded_us_, event.recorded_time_us());
  if (event.recorded_time_us() < before_us) {
    return wrong("est enregistrée avant celle qui la précède",
                 "was recorded before the one before it");
  }
  if (event.fact_case() == Event::FACT_NOT_SET) return wrong("ne dit aucun fait", "has no fact");
  if (event.agreement_id().empty()) return wrong("n'a pas de convention", "has no agreement");
  if (event.actor().principal_id().empty() || event.actor().body_id().empty()) {
    return wrong("n'a pas d'auteur", "has no actor");
  }
  if (!projections::IsDay(event.effective_date())) {
    return wrong("n'a pas de date d'effet qui existe", "has no effective date that exists");
  }
  if (!projections::IsFiscalYear(event.fiscal_year()) ||
      event.fiscal_year() > projections::YearOf(event.effective_date()) + 1) {
    return wrong("compte dans un exercice impossible", "counts in an impossible budget year");
  }
  if (event.request_sha256().size() != sizeof(store::Hash)) {
    return wrong("n'a pas l'empreinte de sa demande", "has no hash of its request");
  }
  if (event.request_id().empty()) return wrong("n'a pas de demande", "has no request id");
  if (!IsNewRequest(event)) {
    return wrong("répond à une demande qui a déjà une écriture",
                 "answers a request that has an event already");
  }
  return "";
}

bool Verifier::IsNewRequest(const Event& event) {
  if (rows_ == nullptr) return true;  // the index is in the rows
  if (!fresh_requests_.insert(event.actor().body_id() + "/" + event.request_id()).second) {
    return false;
  }
  const absl::StatusOr<std::optional<Position>> earlier =
      rows_->views()->FindRequest(event.actor().body_id(), event.request_id());
  if (!earlier.ok()) rows_failed_ = earlier.status();
  return !earlier.ok() || !earlier->has_value();
}

void Verifier::CheckRules(const Event& event, Position position) {
  const absl::StatusOr<std::optional<Event>> original = Original(event, position);
  const Event* reversed = original.ok() && original->has_value() ? &**original : nullptr;
  const auto disagreement =
      rules::Redecide(rows_->books(), static_cast<std::int64_t>(position), event, reversed,
                      [](const v1::Command& command) {
                        return std::string(store::AsBytes(services::ContentHash(command)));
                      });
  if (!rows_->books().status().ok()) {
    rows_failed_ = rows_->books().status();
    rows_.reset();
    return;
  }
  if (disagreement.has_value() && !rule_damage_) {
    rule_damage_ = {position, std::nullopt, rules::Describe(*disagreement)};
  }
}

// The event that a reversal names.
absl::StatusOr<std::optional<Event>> Verifier::Original(const Event& event,
                                                        Position position) const {
  if (!event.has_reversed()) return std::nullopt;
  const auto named = static_cast<Position>(event.reversed().reversed_position());
  if (named >= position) return std::nullopt;
  const absl::StatusOr<std::string> bytes = log_->Read(named);
  if (!bytes.ok()) return bytes.status();
  Event original;
  if (absl::Status decoded = projections::DecodeEvent(*bytes, named, original); !decoded.ok()) {
    return decoded;
  }
  return original;
}

void Verifier::CommitRows(const Head& head) {
  if (rows_->views()->cursor().next == head.next) return;
  if (absl::Status committed = rows_->Commit(head); !committed.ok()) {
    rows_failed_ = committed;
    rows_.reset();
  }
  fresh_requests_.clear();
}

// A check along the log passes when it came to the end.
void Verifier::ReportWalked(int exit_code, const std::optional<Damage>& damage, Position reached,
                            std::string passed) {
  if (damage) return Damaged(exit_code, damage->what, damage->position, damage->before);
  if (!unopened_.ok()) {
    return Report({.result = Result::kPartly,
                   .detail = Say("le journal ne s'ouvre pas", "the log cannot be opened")});
  }
  if (unreadable_ && reached == 0) {
    return Report({.result = Result::kPartly,
                   .detail = Say("aucune écriture ne se lit", "no event can be read")});
  }
  if (unreadable_ || reached < walked_) {
    return Report(
        {.result = Result::kPartly,
         .detail = absl::StrCat(passed, Say(" ; seulement les ", "; only the first "),
                                Number(reached), Say(" premières", ""),
                                rows_failed_.ok() ? "" : ": ", std::string(rows_failed_.message())),
         .exit_code = rows_failed_.ok() ? 0 : static_cast<int>(kTrouble)});
  }
  Passed(std::move(passed));
}

void Verifier::ReportTree() {
  if (!tree_damage_ && unreadable_) tree_damage_ = unreadable_;
  if (tree_damage_ && wrong_roots_ == 1 && batches_ > 1 && anchored_ && !unreadable_ &&
      anchored_->next == walked_ && anchored_->root == frontier_.Root()) {
    tree_damage_->what += Say(" ; les racines suivantes sont celles des écritures",
                              "; the roots after it are those of the events");
  }
  ReportWalked(kTreeDamaged, tree_damage_, walked_,
               absl::StrCat(Number(batches_), Say(" lots, ", " batches, "), Number(nodes_),
                            Say(" nœuds, chaque racine recalculée", " nodes, each root computed")));
}

void Verifier::ReportEvents() {
  Begin(Check::kEvents);
  ReportWalked(
      kEventsDamaged, event_damage_, decoded_,
      absl::StrCat(Number(decoded_), Say(" écritures de forme sûre", " events of sound form")));
}

void Verifier::ReportRules() {
  Begin(Check::kRules);
  ReportWalked(kRulesBroken, rule_damage_, decided_,
               absl::StrCat(Number(decided_),
                            Say(" écritures décidées à nouveau, équilibrées, sans découvert",
                                " events decided again, balanced, none overdrawn")));
}

// ---------------------------------------------------------------------- Projections, checkpoint

// Before the walk, which has to know where the stored rows stand.
void Verifier::OpenStored() {
  if (!options_.rows_readable) {
    stored_ = absl::DataLossError(
        Say("le processus qui a ouvert les lignes en est mort : elles sont endommagées",
            "the process that opened the rows died of it: they are damaged"));
    return;
  }
  stored_ = OpenStoredRows(folder_->views_path());
  if (!stored_.ok()) return;
  if (absl::Status format = projections::CheckRowFormat(**stored_); !format.ok()) stored_ = format;
}

void Verifier::CheckProjections() {
  Begin(Check::kProjections);
  if (log_ == nullptr) return ReportWalked(kProjectionsDiffer, std::nullopt, 0, "");
  if (absl::IsNotFound(stored_.status())) {
    return Skipped(Say("pas de lignes enregistrées ; un serveur les recalculerait",
                       "there are no stored rows; a server would compute them"));
  }
  if (absl::IsFailedPrecondition(stored_.status())) {
    return Skipped(
        absl::StrCat(std::string(stored_.status().message()),
                     Say(" ; un serveur les recalculerait", "; a server would compute them")));
  }
  if (!stored_.ok()) {
    return Damaged(absl::IsUnavailable(stored_.status()) ? static_cast<int>(kTrouble)
                                                         : static_cast<int>(kProjectionsDiffer),
                   std::string(stored_.status().message()));
  }
  const Head cursor = (*stored_)->cursor();
  if (!fresh_.has_value()) {
    if (unreadable_ || !rows_failed_.ok() || (rule_damage_ && decided_ < cursor.next)) {
      return Report(
          {.result = Result::kPartly,
           .detail = absl::StrCat(
               Say("les livres recalculés s'arrêtent après ", "the books computed end after "),
               Number(decided_),
               Say(" écritures, les lignes sont à ", " events, the rows stand at "),
               Number(cursor.next))});
    }
    return Damaged(
        kProjectionsDiffer,
        absl::StrCat(
            Say("les lignes sont à la position ", "the rows stand at position "), cursor.next,
            Say(", où ce journal n'a pas de fin de lot : elles sont d'un autre journal, ou "
                "celui-ci est plus ancien (il finit à ",
                ", where this log has no end of a batch: they are of another log, or this "
                "one is older (it ends at "),
            walked_, ")"));
  }
  const absl::StatusOr<RowsCompared> compared = CompareAll((*stored_)->TakeSnapshot(), *fresh_);
  if (!compared.ok()) return Damaged(kTrouble, std::string(compared.status().message()));
  std::string detail = Describe(*compared, options_.lang);
  if (cursor.next != walked_) {
    absl::StrAppend(&detail, Say(", après les ", ", after the first "), Number(cursor.next),
                    Say(" premières écritures", " events"));
  }
  if (!compared->equal()) return Damaged(kProjectionsDiffer, std::move(detail));
  if (!cursor_is_of_this_log_) {
    return Damaged(kProjectionsDiffer,
                   absl::StrCat(detail, Say(" ; mais elles sont d'un journal d'une autre racine",
                                            "; but they are of a log of another root")));
  }
  Passed(std::move(detail));
}

// Before the walk, which has to know its size.
void Verifier::ReadCheckpoint() {
  if (options_.checkpoint.empty()) return;
  const absl::StatusOr<store::VerifierKey> key = store::VerifierKey::Parse(options_.verifier_key);
  if (!key.ok()) {
    checkpoint_ = key.status();
    return;
  }
  checkpoint_ = store::OpenCheckpoint(options_.checkpoint, *key);
}

void Verifier::CheckCheckpoint() {
  if (options_.checkpoint.empty()) return;
  Begin(Check::kCheckpoint);
  if (!checkpoint_.ok()) {
    return Damaged(kCheckpointContradicts, std::string(checkpoint_.status().message()));
  }
  const Head& head = checkpoint_->head;
  const std::string of =
      absl::StrCat(checkpoint_->origin, Say(", ", ", "), Number(head.next),
                   Say(" écritures, racine ", " events, root "), store::ToHex(head.root));
  if (!unopened_.ok() || (!root_there_ && unreadable_)) {
    return Report({.result = Result::kPartly,
                   .detail = absl::StrCat(of, Say(" : le journal ne se lit pas jusque-là",
                                                  ": the log cannot be read that far"))});
  }
  if (!root_there_) {
    return Damaged(
        kOlderThanCheckpoint,
        absl::StrCat(Say("ce dossier est plus ancien que le point de contrôle : il finit à ",
                         "this folder is older than the checkpoint: it ends at "),
                     walked_, Say(", le point de contrôle en a ", ", the checkpoint has "),
                     head.next, " (", of, ")"),
        walked_, head.next);
  }
  if (*root_there_ != head.root) {
    return Damaged(
        kCheckpointContradicts,
        absl::StrCat(Say("ce journal est une autre histoire : après ",
                         "this log is another history: after "),
                     head.next, Say(" écritures il a la racine ", " events it has the root "),
                     store::ToHex(*root_there_), " (", of, ")"),
        0, head.next);
  }
  Passed(absl::StrCat(Say("signé par la clé ; le journal commence par lui : ",
                          "signed by the key; the log begins with it: "),
                      of));
}

}  // namespace

Verified Verify(const VerifyOptions& options, const std::function<void(Check)>& begins,
                const std::function<void(const Finding&)>& found) {
  return Verifier(options, begins, found).Run();
}

std::string_view NameOf(Check check) {
  switch (check) {
    case Check::kFormat:
      return "format";
    case Check::kAnchor:
      return "anchor";
    case Check::kFiles:
      return "files";
    case Check::kTree:
      return "tree";
    case Check::kEvents:
      return "events";
    case Check::kRules:
      return "rules";
    case Check::kProjections:
      return "projections";
    case Check::kCheckpoint:
      return "checkpoint";
  }
  return "";
}

}  // namespace denier::cli
