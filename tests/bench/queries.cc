#include "tests/bench/queries.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/load_client.h"

namespace denier::bench {
namespace {

using Seconds = std::chrono::duration<double>;

// Runs `load` in a thread of its own until `work` has ended. Not OK: one of the two failed.
absl::Status UnderLoad(const std::function<absl::Status(const Until&)>& load,
                       const std::function<absl::Status()>& work) {
  std::atomic<bool> stop = false;
  absl::Status loaded;
  std::thread loader([&] { loaded = load({.stop = &stop}); });
  absl::Status worked = work();
  stop = true;
  loader.join();
  return worked.ok() ? loaded : worked;
}

std::string Milliseconds(double denier_us, double against_us) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "last round here: %.2f ms against %.2f ms",
                denier_us / 1000, against_us / 1000);
  return text.data();
}

}  // namespace

absl::Status MeasureQueries(Session& session) {
  const auto echo = session.Echo();
  if (!echo.ok()) return echo.status();
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto trial = Trial::Start(session, **prepared);
  if (!trial.ok()) return trial.status();
  LoadClient asker((*trial)->server().address());
  LoadClient echo_asker(session.echo_address());
  const EngageCommands commands(session.FreshLoadName());
  const Until until{.elapsed = Seconds(session.options().load_seconds), .at_least = 200};

  // One question after the other, while the same server takes all the commands that it can.
  const auto p99_us = [&](LoadClient& client) -> absl::StatusOr<double> {
    auto asked = client.Unary(
        "GetYearlyExecution", [](std::uint64_t) { return YearlyExecutionRequest(); }, 1, until,
        /*keep_latencies=*/true);
    if (!asked.ok()) return asked.status();
    return Quantile(std::move(asked->latencies_us), 0.99);
  };
  for (int round = 0; round <= session.options().rounds; ++round) {
    absl::StatusOr<double> denier_us, echo_us;
    absl::Status status = UnderLoad(
        [&](const Until& load_until) {
          return (*trial)->Engage(Session::kInFlight, load_until).status();
        },
        [&] { return (denier_us = p99_us(asker)).status(); });
    if (!status.ok()) return status;
    status = UnderLoad(
        [&](const Until& load_until) {
          return (*echo)
              ->Unary(
                  "Engage", [&](std::uint64_t number) { return commands.Unary(number); },
                  Session::kInFlight, load_until)
              .status();
        },
        [&] { return (echo_us = p99_us(echo_asker)).status(); });
    if (!status.ok()) return status;
    if (round == 0) continue;
    session.measured().Add("query_p99", *denier_us / *echo_us);
    session.measured().Note("query_p99", Milliseconds(*denier_us, *echo_us));
  }
  return (*trial)->Check();
}

absl::Status MeasureAsOf(Session& session) {
  const auto prepared = session.LongHistory();
  if (!prepared.ok()) return prepared.status();
  const auto trial = Trial::Start(session, **prepared);
  if (!trial.ok()) return trial.status();
  std::mt19937_64 random(3);
  const auto head = static_cast<std::int64_t>((*prepared)->history.events) - 1;
  const auto first = static_cast<std::int64_t>(kSetupEvents);

  for (int round = 0; round < session.options().rounds; ++round) {
    const Until until{.elapsed = Seconds(session.options().load_seconds / 2),
                      .at_least = session.options().quick ? std::uint64_t{3} : std::uint64_t{20}};
    auto past = (*trial)->client().Unary(
        "GetYearlyExecution",
        [&](std::uint64_t) {
          return YearlyExecutionRequest(
              first +
              static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(head - first)));
        },
        1, until, /*keep_latencies=*/true);
    if (!past.ok()) return past.status();
    auto now = (*trial)->client().Unary(
        "GetYearlyExecution", [](std::uint64_t) { return YearlyExecutionRequest(); }, 1, until,
        /*keep_latencies=*/true);
    if (!now.ok()) return now.status();
    const double past_us = Quantile(std::move(past->latencies_us), 0.99);
    const double now_us = Quantile(std::move(now->latencies_us), 0.99);
    session.measured().Add("asof_p99", past_us / now_us);
    session.measured().Note("asof_p99", absl::StrCat(Milliseconds(past_us, now_us), ", ",
                                                     past->commands, " positions"));
    Session::Say(absl::StrCat("  as of, round ", round + 1, " of ", session.options().rounds, ": ",
                              past_us / now_us));
  }

  // The books of some moment are what had been written by then.
  HistoryEvents written((*prepared)->history.events, /*hashed=*/false);
  const std::int64_t position = first + (head - first) / 3;
  while (static_cast<std::int64_t>(written.history().events) <= position) {
    if (const auto event = written.Next(); !event.ok()) return event.status();
  }
  const auto answer =
      (*trial)->client().CallOnce("GetYearlyExecution", YearlyExecutionRequest(position));
  if (!answer.ok()) return answer.status();
  const auto report = ParseYearlyExecution(*answer);
  if (!report.ok()) return report.status();
  return Compare(*report, written.history().totals);
}

absl::Status MeasureRebuild(Session& session) {
  const auto prepared = session.MiddleHistory();
  if (!prepared.ok()) return prepared.status();
  const Seconds alone_seconds(session.options().load_seconds);
  for (int round = 0; round < session.options().rounds; ++round) {
    const auto trial = Trial::Start(session, **prepared);
    if (!trial.ok()) return trial.status();
    LoadClient operating((*trial)->server().address());
    const auto rebuild = [&]() -> absl::StatusOr<double> {
      const auto begun = std::chrono::steady_clock::now();
      if (absl::Status status = operating.Rebuild(); !status.ok()) return status;
      return Seconds(std::chrono::steady_clock::now() - begun).count();
    };
    const auto alone = (*trial)->Engage(Session::kInFlight, {.elapsed = alone_seconds});
    if (!alone.ok()) return alone.status();
    const auto idle = rebuild();
    if (!idle.ok()) return idle.status();

    absl::StatusOr<double> loaded;
    absl::StatusOr<Load> beside;
    const absl::Status status = UnderLoad(
        [&](const Until& until) {
          beside = (*trial)->Engage(Session::kInFlight, until);
          return beside.status();
        },
        [&] { return (loaded = rebuild()).status(); });
    if (!status.ok()) return status;
    if (absl::Status wrong = (*trial)->Check(); !wrong.ok()) return wrong;

    session.measured().Add("rebuild_interference", beside->rate() / alone->rate());
    session.measured().Add("rebuild_slowdown", *loaded / *idle);
    std::array<char, 128> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.0f/s against %.0f/s",
                  beside->rate(), alone->rate());
    session.measured().Note("rebuild_interference", text.data());
    std::snprintf(text.data(), text.size(), "last round here: %.1f s against %.1f s", *loaded,
                  *idle);
    session.measured().Note("rebuild_slowdown", text.data());
    Session::Say(absl::StrCat("  rebuild, round ", round + 1, " of ", session.options().rounds));
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
