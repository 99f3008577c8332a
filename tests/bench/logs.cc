#include "tests/bench/logs.h"

#include <array>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/past.h"
#include "projections/reports.h"
#include "store/batch.h"
#include "store/data_directory.h"
#include "tests/bench/ledger.h"
#include "tests/bench/load_client.h"
#include "tests/bench/postgres_trial.h"
#include "tests/bench/raw_store.h"
#include "tests/bench/scan.h"

namespace denier::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

constexpr std::size_t kBatchEvents = 1000;
// In a round: one takes half a second, and ledger, which has run before it, half a minute.
constexpr int kReports = 5;

// Batches of 1000 events as they stand in a log, cut out of the history in `data`.
struct Batches {
  std::vector<std::vector<std::string>> events;
  std::vector<std::string> packed;  // with a header
};

absl::StatusOr<Batches> CutBatches(const std::string& data, std::size_t count) {
  const auto log = store::Log::OpenReadOnly(data);
  if (!log.ok()) return log.status();
  Batches batches;
  store::Log::Reader reader = (*log)->ReadFrom(kSetupEvents);
  store::Batch batch;
  std::vector<std::string> events;
  while (batches.events.size() < count) {
    const auto stored = reader.Next();
    if (!stored.ok()) return stored.status();
    if (*stored == nullptr) {
      reader = (*log)->ReadFrom(kSetupEvents);  // a short history gives its events again
      continue;
    }
    for (const std::string_view event : (*stored)->events) {
      events.emplace_back(event);
      batch.Add(event);
      if (events.size() < kBatchEvents) continue;
      batches.events.push_back(std::exchange(events, {}));
      batches.packed.push_back(std::string(36, 'h') + batch.bytes());
      batch.Clear();
      if (batches.events.size() == count) break;
    }
  }
  return batches;
}

absl::Status CheckSums(const Totals& totals, const Totals& expected) {
  for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
    for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
      if (totals.At(envelope, year) != expected.At(envelope, year)) {
        return absl::InternalError(absl::StrCat("the replayed books of ", EnvelopeId(envelope),
                                                " in ", year,
                                                " are not those of the history that was written"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSums(const Scanned& scanned, const History& history) {
  Cell sum;
  for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
    sum += history.totals.OfYear(year);
  }
  if (scanned.events == history.events && scanned.engaged == sum.engaged &&
      scanned.paid == sum.paid && scanned.requested == sum.held + sum.paid) {
    return absl::OkStatus();
  }
  return absl::InternalError("the scan's sums are not those of the history that was written");
}

// How long two scans of everything take that run beside each other, in seconds.
absl::StatusOr<double> TwoScans(rocksdb::DB& db, const History& history) {
  const auto begun = Clock::now();
  std::array<absl::Status, 2> statuses;
  {
    std::array<std::jthread, 2> threads;
    for (std::size_t i = 0; i < threads.size(); ++i) {
      threads[i] = std::jthread([&, i] {
        const auto scanned = ScanLog(db);
        statuses[i] = scanned.ok() ? CheckSums(*scanned, history) : scanned.status();
      });
    }
  }
  const double seconds = SecondsSince(begun);
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return seconds;
}

// The balances of the bench's agreement from every event of `log`, as Denier makes them where there
// are no rows.
absl::StatusOr<projections::AgreementRows> ReplayAgreement(const store::Log& log) {
  projections::Past past(log);
  const auto rows = past.At(std::string(kAgreement), {.next = log.head().next},
                            projections::Depth::kTotals, /*stored=*/nullptr, [] { return false; });
  if (!rows.ok()) return rows.status();
  return projections::ReadAgreement(*rows, kAgreement);
}

std::string EventRates(double denier, double against) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "last round here: %.0f events/s against %.0f/s", denier,
                against);
  return text.data();
}

// How much both keep of an event, once they have tidied up. Files do not vary from round to round.
absl::Status MeasureBytes(Session& session, const Prepared& prepared, Postgres& postgres) {
  const std::string folder = session.FreshPath("compacted");
  absl::Status status = CopyDataFolder(prepared.folder, folder);
  if (status.ok()) status = Compact(folder);
  if (!status.ok()) return status;
  const auto events = static_cast<double>(prepared.history.events);
  const double denier = static_cast<double>(BytesIn(folder)) / events;
  std::filesystem::remove_all(folder);
  const auto bytes = postgres.Bytes();
  if (!bytes.ok()) return bytes.status();
  const double against = static_cast<double>(*bytes) / events;
  session.measured().Add("bytes_per_event", denier / against);
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%.0f bytes an event against %.0f", denier, against);
  session.measured().Note("bytes_per_event", text.data());
  return absl::OkStatus();
}

// The journal that `denier export ledger` makes of the history, with its figures alone.
absl::StatusOr<std::string> ExportJournal(Session& session, const Prepared& prepared) {
  const auto trial = Trial::Start(session, prepared);
  if (!trial.ok()) return trial.status();
  const std::string whole = session.FreshPath("whole.ledger");
  const std::string command =
      absl::StrCat(ProgramBeside("denier"), " --server ", (*trial)->server().address(),
                   " export ledger --out ", whole, " >", whole, ".err 2>&1");
  if (std::system(command.c_str()) != 0) {
    return absl::InternalError(absl::StrCat("denier export: see ", whole, ".err"));
  }
  Session::Say("the journal is exported");
  const std::string figures = session.FreshPath("figures.ledger");
  if (absl::Status status = WriteFiguresOnly(whole, figures); !status.ok()) return status;
  return figures;
}

// The cents of "1234.50".
std::int64_t CentsOf(std::string text) {
  text.erase(text.find('.'), 1);
  return std::strtoll(text.c_str(), nullptr, 10);
}

// What `denier report` says of a folder, and how long its process took.
struct FolderReport {
  double seconds = 0;
  v1::GetYearlyExecutionResponse report;  // its figures that Compare looks at
};

// The yearly execution out of the log of a folder that has nothing else, by the program that people
// have for it.
absl::StatusOr<FolderReport> ReportFromLog(const std::string& data) {
  const std::string command = absl::StrCat("exec ", ProgramBeside("denier"),
                                           " report yearly-execution --format json --data ", data);
  const auto begun = Clock::now();
  std::FILE* const output = popen(command.c_str(), "r");
  if (output == nullptr) return absl::InternalError(absl::StrCat("cannot be run: ", command));
  std::string text;
  std::array<char, 16384> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), output)) {
    text.append(buffer.data(), got);
  }
  const int status = pclose(output);
  FolderReport made{.seconds = SecondsSince(begun), .report = {}};
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (status != 0 || json.is_discarded()) {
    return absl::InternalError(absl::StrCat("failed: ", command));
  }
  for (const auto& row : json["rows"]) {
    const auto cents = [&row](const char* name) { return CentsOf(row[name].get<std::string>()); };
    v1::ExecutionRow& figures = *made.report.add_rows();
    figures.set_fiscal_year(row["fiscal_year"].get<int>());
    figures.set_ae_engaged(cents("ae_engaged"));
    figures.set_cp_held(cents("cp_held"));
    figures.set_cp_paid(cents("cp_paid"));
    figures.set_outstanding(cents("outstanding"));
  }
  return made;
}

// What ledger says of each envelope and year is what was written.
absl::Status CompareAccounts(const std::map<std::string, std::int64_t>& cents,
                             const Totals& totals) {
  const auto balance = [&](const std::string& account) {
    const auto found = cents.find(account);
    return found == cents.end() ? 0 : found->second;
  };
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
      const std::string place =
          absl::StrCat(std::string(kAgreement), ":", EnvelopeId(envelope), ":", year, ":");
      const Cell& cell = totals.At(envelope, year);
      if (balance("AE:" + place + "engaged") != cell.engaged ||
          balance("CP:" + place + "held") != cell.held ||
          balance("CP:" + place + "paid") != cell.paid) {
        return absl::InternalError(
            absl::StrCat("ledger's balances of ", place, " are not those that were written"));
      }
    }
  }
  return absl::OkStatus();
}

// Appends batches to `log` for so long, and returns how many events. While one is written the next
// one is packed, hashed and compressed by another thread: so the sequencer's threads use the store.
absl::StatusOr<std::uint64_t> AppendFor(double seconds, const Batches& batches, store::Log& log) {
  const store::Position first = log.head().next;
  std::array<store::Batch, 2> made;
  bool enough = false;
  bool ended = false;
  // The next one is made, and the one before it is written.
  std::barrier turn(2, [&]() noexcept { ended = enough; });
  std::jthread maker([&] {
    for (std::uint64_t i = 0;; ++i) {
      store::Batch& batch = made[i % 2];
      batch.Clear();
      for (const std::string& event : batches.events[i % batches.events.size()]) batch.Add(event);
      batch.TreeFrom(first + i * kBatchEvents);
      batch.Chunks();
      turn.arrive_and_wait();
      if (ended) return;
    }
  });

  const auto begun = Clock::now();
  absl::Status status;
  std::uint64_t count = 0;
  while (true) {
    enough = !status.ok() || (SecondsSince(begun) >= seconds && count >= 20);
    turn.arrive_and_wait();
    if (ended) break;
    status = log.Append(made[count % 2], first + count * kBatchEvents).status();
    ++count;
  }
  if (!status.ok()) return status;
  return count * kBatchEvents;
}

}  // namespace

absl::Status MeasureAppend(Session& session) {
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto batches = CutBatches((*prepared)->folder, 100);
  if (!batches.ok()) return batches.status();
  const std::string data = session.FreshPath("append");
  const auto directory = store::DataDirectory::Open(data, /*initialize=*/true);
  if (!directory.ok()) return directory.status();
  auto log = store::Log::Open(data, {.initialize = true});
  if (!log.ok()) return log.status();
  auto raw = RawStore::Create((*prepared)->folder, session.FreshPath("raw"));
  if (!raw.ok()) return raw.status();

  std::uint64_t appended = 0;
  std::uint64_t put = 0;
  for (int round = 0; round <= session.options().rounds; ++round) {
    const double time = session.options().load_seconds / 2;
    std::array<double, 2> rates{};
    auto begun = Clock::now();
    const auto events = AppendFor(time, *batches, **log);
    if (!events.ok()) return events.status();
    rates[0] = static_cast<double>(*events) / SecondsSince(begun);
    appended += *events;

    begun = Clock::now();
    std::uint64_t count = 0;
    for (; SecondsSince(begun) < time || count < 20; ++count) {
      const std::string& value = batches->packed[count % batches->packed.size()];
      if (absl::Status status = raw->Put(kBatchEvents * put++, value); !status.ok()) return status;
    }
    rates[1] = static_cast<double>(count * kBatchEvents) / SecondsSince(begun);

    if (round == 0) continue;
    session.measured().Add("append_vs_raw", rates[0] / rates[1]);
    session.measured().Note("append_vs_raw", EventRates(rates[0], rates[1]));
  }
  if ((*log)->head().next != appended) return absl::InternalError("appended events are missing");
  return absl::OkStatus();
}

absl::StatusOr<Totals> ReplayBooks(const store::Log& log) {
  const auto agreement = ReplayAgreement(log);
  if (!agreement.ok()) return agreement.status();
  Totals totals;
  for (const projections::EnvelopeRows& envelope : agreement->envelopes) {
    const int number = std::atoi(envelope.envelope.envelope_id().c_str() + 4);  // "env-007"
    for (const auto& [year, balances] : envelope.years) {
      using projections::Account;
      using projections::Ledger;
      totals.At(number, year) = {balances.total(Ledger::kAe, Account::kEngaged),
                                 balances.total(Ledger::kCp, Account::kHeld),
                                 balances.total(Ledger::kCp, Account::kPaid),
                                 balances.total(Ledger::kOutstanding, Account::kOutstanding)};
    }
  }
  return totals;
}

absl::Status MeasureReplay(Session& session) {
  const auto prepared = session.LongHistory();
  if (!prepared.ok()) return prepared.status();
  const History& history = (*prepared)->history;
  const auto events = static_cast<double>(history.events);
  const auto postgres = LoadHistory(session, history.events);
  if (!postgres.ok()) return postgres.status();
  const auto log = store::Log::OpenReadOnly((*prepared)->folder);
  if (!log.ok()) return log.status();
  const auto raw = OpenToRead((*prepared)->folder + "/log");
  if (!raw.ok()) return raw.status();

  for (int round = 0; round <= session.options().rounds; ++round) {
    auto begun = Clock::now();
    const auto scanned = ScanLog(**raw);
    const double scan_seconds = SecondsSince(begun);
    if (!scanned.ok()) return scanned.status();
    if (absl::Status wrong = CheckSums(*scanned, history); !wrong.ok()) return wrong;

    begun = Clock::now();
    const auto totals = ReplayBooks(**log);
    const double replay_seconds = SecondsSince(begun);
    if (!totals.ok()) return totals.status();
    if (absl::Status wrong = CheckSums(*totals, history.totals); !wrong.ok()) return wrong;

    const auto sums = (*postgres)->SumEvents();
    if (!sums.ok()) return sums.status();
    if (absl::Status wrong = CompareBalances(sums->rows, history.totals); !wrong.ok()) {
      return wrong;
    }
    if (round == 0) continue;  // it brings the files into memory, for all
    session.measured().Add("replay_vs_scan", scan_seconds / replay_seconds);
    session.measured().Note("replay_vs_scan",
                            EventRates(events / replay_seconds, events / scan_seconds));
    session.measured().Add("replay_vs_postgres", sums->seconds / replay_seconds);
    const auto scans_seconds = TwoScans(**raw, history);
    if (!scans_seconds.ok()) return scans_seconds.status();
    session.measured().AddBound("replay_vs_postgres", sums->seconds / *scans_seconds * 2,
                                "the scan, on both processors");
    session.measured().Note("replay_vs_postgres",
                            EventRates(events / replay_seconds, events / sums->seconds));
    Session::Say(absl::StrCat("  replay, round ", round, " of ", session.options().rounds));
  }
  return MeasureBytes(session, **prepared, **postgres);
}

absl::Status MeasureReport(Session& session) {
  const auto prepared = session.ReportedHistory();
  if (!prepared.ok()) return prepared.status();
  const History& history = (*prepared)->history;
  const auto journal = ExportJournal(session, **prepared);
  if (!journal.ok()) return journal.status();
  const std::string folder = session.FreshPath("report");
  if (absl::Status copied = CopyDataFolder((*prepared)->folder, folder); !copied.ok()) {
    return copied;
  }
  std::filesystem::remove_all(folder + "/views");

  for (int round = 0; round < session.options().rounds; ++round) {
    std::vector<double> reports_seconds;
    for (int i = 0; i < kReports; ++i) {
      const auto made = ReportFromLog(folder);
      if (!made.ok()) return made.status();
      if (absl::Status wrong = Compare(made->report, history.totals); !wrong.ok()) return wrong;
      reports_seconds.push_back(made->seconds);
    }
    const double denier_seconds = Median(std::move(reports_seconds));

    const auto ledger = RunLedger(*journal);
    if (!ledger.ok()) return ledger.status();
    if (absl::Status wrong = CompareAccounts(ledger->cents, history.totals); !wrong.ok()) {
      return wrong;
    }
    session.measured().Add("report_vs_ledger", ledger->seconds / denier_seconds);
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.2f s against %.1f s",
                  denier_seconds, ledger->seconds);
    session.measured().Note("report_vs_ledger", text.data());
    Session::Say(absl::StrCat("  report, round ", round + 1, " of ", session.options().rounds));
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
