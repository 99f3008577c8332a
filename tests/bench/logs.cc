#include "tests/bench/logs.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/past.h"
#include "projections/reports.h"
#include "store/batch.h"
#include "store/data_directory.h"
#include "tests/bench/raw_store.h"
#include "tests/bench/scan.h"

namespace denier::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

constexpr std::size_t kBatchEvents = 1000;

// Batches of 1000 events as they stand in a log, cut out of the history in `data`.
struct Batches {
  std::vector<std::vector<std::string>> events;
  std::vector<std::string> packed;  // as they lie on disk, with a header
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
        return absl::InternalError(
            absl::StrCat("the replayed books of ", EnvelopeId(envelope), " in ", year,
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

  store::Batch batch;
  std::uint64_t appended = 0;
  std::uint64_t put = 0;
  for (int round = 0; round <= session.options().rounds; ++round) {
    const double time = session.options().load_seconds / 2;
    std::array<double, 2> rates{};
    auto begun = Clock::now();
    std::uint64_t count = 0;
    for (; SecondsSince(begun) < time || count < 20; ++count) {
      batch.Clear();
      for (const std::string& event : batches->events[count % batches->events.size()]) {
        batch.Add(event);
      }
      const auto at = (*log)->Append(batch, (*log)->head().next);
      if (!at.ok()) return at.status();
    }
    rates[0] = static_cast<double>(count * kBatchEvents) / SecondsSince(begun);
    appended += count * kBatchEvents;

    begun = Clock::now();
    for (count = 0; SecondsSince(begun) < time || count < 20; ++count) {
      const std::string& value = batches->packed[count % batches->packed.size()];
      if (absl::Status status = raw->Put(kBatchEvents * put++, value); !status.ok()) return status;
    }
    rates[1] = static_cast<double>(count * kBatchEvents) / SecondsSince(begun);
    if (round == 0) continue;
    session.measured().Add("append_vs_raw", rates[0] / rates[1]);
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.0f events/s against %.0f/s",
                  rates[0], rates[1]);
    session.measured().Note("append_vs_raw", text.data());
  }
  if ((*log)->head().next != appended) return absl::InternalError("appended events are missing");
  return absl::OkStatus();
}

absl::StatusOr<Totals> ReplayBooks(const store::Log& log) {
  projections::Past past(log);
  const auto rows = past.At(std::string(kAgreement), {.next = log.head().next},
                            projections::Depth::kTotals, [] { return false; });
  if (!rows.ok()) return rows.status();
  const auto agreement = projections::ReadAgreement(*rows, kAgreement);
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
  const auto log = store::Log::OpenReadOnly((*prepared)->folder);
  if (!log.ok()) return log.status();
  const auto raw = OpenToRead((*prepared)->folder + "/log");
  if (!raw.ok()) return raw.status();
  for (int round = 0; round <= session.options().rounds; ++round) {
    // The first scan brings the files into memory, for both.
    auto begun = Clock::now();
    const auto scanned = ScanLog(**raw);
    const double scan_seconds = SecondsSince(begun);
    if (!scanned.ok()) return scanned.status();
    if (absl::Status wrong = CheckSums(*scanned, history); !wrong.ok()) return wrong;
    if (round == 0) continue;

    begun = Clock::now();
    const auto totals = ReplayBooks(**log);
    const double replay_seconds = SecondsSince(begun);
    if (!totals.ok()) return totals.status();
    if (absl::Status wrong = CheckSums(*totals, history.totals); !wrong.ok()) return wrong;

    session.measured().Add("replay_vs_scan", scan_seconds / replay_seconds);
    const auto events = static_cast<double>(history.events);
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.0f events/s against %.0f/s",
                  events / replay_seconds, events / scan_seconds);
    session.measured().Note("replay_vs_scan", text.data());
    Session::Say(absl::StrCat("  replay, round ", round, " of ", session.options().rounds));
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
