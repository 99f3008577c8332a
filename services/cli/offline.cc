#include "services/cli/offline.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/backup.h"

namespace denier::cli {
namespace {

constexpr auto kShowEvery = std::chrono::milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<ScratchFolder>> ScratchFolder::Make() {
  std::error_code error;
  const std::filesystem::path where = std::filesystem::temp_directory_path(error);
  std::string path = error ? "/tmp/denier-XXXXXX" : (where / "denier-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat("making ", path, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
}

absl::StatusOr<ReadFolder> ReadFolder::Open(const std::string& path) {
  absl::StatusOr<store::DataDirectory> there = store::DataDirectory::OpenForReading(path);
  if (there.ok()) return ReadFolder(nullptr, *std::move(there));
  if (!absl::IsNotFound(there.status()) || !store::ListBackups(path).ok()) return there.status();

  absl::StatusOr<std::unique_ptr<ScratchFolder>> scratch = ScratchFolder::Make();
  if (!scratch.ok()) return scratch.status();
  const std::string restored = (*scratch)->path() + "/restored";
  if (const auto backup = store::RestoreBackup(path, std::nullopt, restored); !backup.ok()) {
    return backup.status();
  }
  absl::StatusOr<store::DataDirectory> directory = store::DataDirectory::OpenForReading(restored);
  if (!directory.ok()) return directory.status();
  return ReadFolder(*std::move(scratch), *std::move(directory));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool Survives(const std::function<void()>& read) {
  const pid_t child = fork();
  if (child == 0) {
    read();
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status);
}

absl::StatusOr<std::shared_ptr<store::Views>> OpenStoredRows(const std::string& views_path) {
  const store::Generations generations(views_path);
  absl::StatusOr<std::shared_ptr<store::Views>> views = generations.OpenCurrentReadOnly();
  if (!views.ok()) return views;
  if (absl::Status whole = (*views)->VerifyFiles(); !whole.ok()) return whole;
  return views;
}

absl::StatusOr<RowsCompared> CompareAll(const store::Views::Snapshot& stored,
                                        const store::Views::Snapshot& fresh) {
  absl::StatusOr<projections::Comparison> rows = projections::CompareRows(stored, fresh);
  if (!rows.ok()) return rows.status();
  absl::StatusOr<projections::Comparison> requests = projections::CompareRequests(stored, fresh);
  if (!requests.ok()) return requests.status();
  absl::StatusOr<projections::Comparison> reports = projections::CompareReports(stored, fresh);
  if (!reports.ok()) return reports.status();
  return RowsCompared{*std::move(rows), *std::move(requests), *std::move(reports)};
}

std::string Describe(const RowsCompared& compared, Lang lang) {
  const auto count = [lang](std::int64_t n) { return Count(n, lang); };
  std::string text;
  for (const auto& [of, french, english] :
       {std::tuple(&compared.rows, "lignes égales", "rows equal"),
        std::tuple(&compared.requests, "identifiants de demande égaux", "request ids equal"),
        std::tuple(&compared.reports, "états égaux", "reports equal")}) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", count(of->equal), In(lang, " sur ", " of "),
                    count(of->compared), " ", In(lang, french, english));
    if (of->first_difference.empty()) continue;
    absl::StrAppend(&text, In(lang, " (premier écart : ", " (first difference: "),
                    of->first_difference);
    if (!of->stored_damage.ok()) absl::StrAppend(&text, "; ", of->stored_damage.message());
    absl::StrAppend(&text, ")");
  }
  return text;
}

void Meter::At(store::Position done) {
  if (err_ == nullptr || Clock::now() - said_ < kShowEvery) return;
  said_ = Clock::now();
  shown_ = true;
  *err_ << "\r" << Count(static_cast<std::int64_t>(done), lang_) << " / "
        << Count(static_cast<std::int64_t>(total_), lang_) << In(lang_, " écritures, ", " events, ")
        << Count(Rate(done), lang_) << In(lang_, " par seconde", " a second") << "\x1b[K"
        << std::flush;
}

void Meter::Clear() {
  if (shown_) *err_ << "\r\x1b[K" << std::flush;
  shown_ = false;
}

double Meter::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begun_).count();
}

std::int64_t Meter::Rate(store::Position done) const {
  const double elapsed = seconds();
  return elapsed <= 0 ? 0 : static_cast<std::int64_t>(static_cast<double>(done) / elapsed);
}

}  // namespace denier::cli
