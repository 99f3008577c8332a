#include "tests/bench/commands.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/postgres_trial.h"
#include "tests/bench/raw_store.h"

namespace denier::bench {
namespace {

using std::chrono::duration;

// "last round here": absolute figures, which say nothing of another machine.
std::string Rates(double denier, double against) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "last round here: %.0f/s against %.0f/s", denier,
                against);
  return text.data();
}

// What AddBound says of the durable echo.
constexpr std::string_view kDurableEcho =
    "an echo that puts what waits into RocksDB and syncs it, and nothing else";
constexpr std::string_view kDurableEchoWithRows =
    "an echo that does so, and puts two rows a command where it can be found again";

// `durable` is the durable echo's.
void AddRates(Session& session, std::string_view figure, const Load& denier, const Load& against,
              const Load& durable, std::string_view durable_is = kDurableEcho) {
  session.measured().Add(figure, denier.rate() / against.rate());
  session.measured().AddBound(figure, durable.rate() / against.rate(), durable_is);
  session.measured().Note(figure, Rates(denier.rate(), against.rate()));
}

// How long a synced write of one command's event takes, median `until` then, in microseconds.
absl::StatusOr<double> MedianPut(RawStore& store, std::string_view event, const Until& until,
                                 std::uint64_t& key) {
  std::vector<double> times_us;
  const auto first = std::chrono::steady_clock::now();
  for (auto begun = first; begun - first < until.elapsed || times_us.size() < until.at_least;) {
    if (absl::Status put = store.Put(key++, event); !put.ok()) return put;
    const auto ended = std::chrono::steady_clock::now();
    times_us.push_back(duration<double, std::micro>(ended - begun).count());
    begun = ended;
  }
  return Median(std::move(times_us));
}

}  // namespace

absl::Status MeasureUnary(Session& session) {
  const auto echo = session.Echo();
  if (!echo.ok()) return echo.status();
  const auto durable_echo = session.DurableEcho();
  if (!durable_echo.ok()) return durable_echo.status();
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto trial = Trial::Start(session, **prepared);
  if (!trial.ok()) return trial.status();
  const auto postgres = PostgresTrial::Start(session);
  if (!postgres.ok()) return postgres.status();
  const EngageCommands commands(session.FreshLoadName());
  const auto request = [&](std::uint64_t number) { return commands.Unary(number); };
  const duration<double> time(session.options().load_seconds);

  for (int round = 0; round <= session.options().rounds; ++round) {
    const auto denier = (*trial)->Engage(Session::kInFlight, {.elapsed = time});
    if (!denier.ok()) return denier.status();
    const auto bare = (*echo)->Unary("Engage", request, Session::kInFlight, {.elapsed = time});
    if (!bare.ok()) return bare.status();
    const auto durable =
        (*durable_echo)->Unary("Engage", request, Session::kInFlight, {.elapsed = time});
    if (!durable.ok()) return durable.status();
    const auto other = (*postgres)->Engage(time);
    if (!other.ok()) return other.status();
    if (round == 0) continue;  // to warm up
    AddRates(session, "unary_vs_echo", *denier, *bare, *durable);
    AddRates(session, "unary_vs_postgres", *denier, *other, *durable);
  }
  if (absl::Status wrong = (*postgres)->Check(); !wrong.ok()) return wrong;
  return (*trial)->Check();
}

absl::Status MeasureHot(Session& session) {
  const auto durable_echo = session.DurableEcho();
  if (!durable_echo.ok()) return durable_echo.status();
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto trial = Trial::Start(session, **prepared);
  if (!trial.ok()) return trial.status();
  const auto postgres = PostgresTrial::Start(session);
  if (!postgres.ok()) return postgres.status();
  const EngageCommands commands(session.FreshLoadName(), /*hot=*/true);
  const auto request = [&](std::uint64_t number) { return commands.Unary(number); };
  const duration<double> time(session.options().load_seconds);
  for (int round = 0; round <= session.options().rounds; ++round) {
    const auto denier = (*trial)->Engage(Session::kInFlight, {.elapsed = time}, /*hot=*/true);
    if (!denier.ok()) return denier.status();
    const auto durable =
        (*durable_echo)->Unary("Engage", request, Session::kInFlight, {.elapsed = time});
    if (!durable.ok()) return durable.status();
    const auto other = (*postgres)->Engage(time, /*hot=*/true);
    if (!other.ok()) return other.status();
    if (round > 0) AddRates(session, "hot_vs_postgres", *denier, *other, *durable);
  }
  if (absl::Status wrong = (*postgres)->Check(); !wrong.ok()) return wrong;
  return (*trial)->Check();
}

absl::Status MeasureSingle(Session& session) {
  const auto echo = session.Echo();
  if (!echo.ok()) return echo.status();
  const auto durable_echo = session.DurableEcho();
  if (!durable_echo.ok()) return durable_echo.status();
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto trial = Trial::Start(session, **prepared);
  if (!trial.ok()) return trial.status();
  auto store = RawStore::Create((*prepared)->folder, session.FreshPath("raw"));
  if (!store.ok()) return store.status();
  // What Denier writes for one command: the batch's header, and its event.
  const std::string event(36 + 4 + (*prepared)->history.bytes_per_event(), 'x');
  std::uint64_t key = 0;
  const EngageCommands commands(session.FreshLoadName());
  const auto request = [&](std::uint64_t number) { return commands.Unary(number); };
  const duration<double> time(session.options().load_seconds / 2);

  for (int round = 0; round <= session.options().rounds; ++round) {
    const Until until{.elapsed = time, .at_least = 100};
    auto denier = (*trial)->Engage(1, until, /*hot=*/false, /*keep_latencies=*/true);
    if (!denier.ok()) return denier.status();
    auto bare = (*echo)->Unary("Engage", request, 1, until, /*keep_latencies=*/true);
    if (!bare.ok()) return bare.status();
    auto durable = (*durable_echo)->Unary("Engage", request, 1, until, /*keep_latencies=*/true);
    if (!durable.ok()) return durable.status();
    // As long as the calls: the disk has its slow spells.
    const auto put_us = MedianPut(*store, event, until, key);
    if (!put_us.ok()) return put_us.status();
    if (round == 0) continue;
    const double denier_us = Median(std::move(denier->latencies_us));
    const double echo_us = Median(std::move(bare->latencies_us));
    session.measured().Add("single_latency", denier_us / (echo_us + *put_us));
    session.measured().AddBound("single_latency",
                                Median(std::move(durable->latencies_us)) / (echo_us + *put_us),
                                kDurableEcho);
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.0f us against %.0f + %.0f us",
                  denier_us, echo_us, *put_us);
    session.measured().Note("single_latency", text.data());
  }
  return (*trial)->Check();
}

absl::Status MeasureStream(Session& session) {
  const auto echo = session.Echo();
  if (!echo.ok()) return echo.status();
  const auto durable_echo = session.DurableEcho();
  if (!durable_echo.ok()) return durable_echo.status();
  const auto prepared = session.ShortHistory();
  if (!prepared.ok()) return prepared.status();
  const auto postgres = PostgresTrial::Start(session);
  if (!postgres.ok()) return postgres.status();
  const EngageCommands commands(session.FreshLoadName());
  const duration<double> short_time(session.options().short_stream_seconds);

  for (int round = 0; round < session.options().rounds; ++round) {
    // A folder of its own each time: so many events would fill the disk.
    const auto trial = Trial::Start(session, **prepared);
    if (!trial.ok()) return trial.status();
    const auto denier =
        (*trial)->EngageStreamed({.elapsed = duration<double>(session.options().stream_seconds)});
    if (!denier.ok()) return denier.status();
    if (absl::Status wrong = (*trial)->Check(); !wrong.ok()) return wrong;
    const auto bare =
        (*echo)->Stream(commands, 0, Session::kMessagesInFlight, {.elapsed = short_time});
    if (!bare.ok()) return bare.status();
    const auto durable =
        (*durable_echo)->Stream(commands, 0, Session::kMessagesInFlight, {.elapsed = short_time});
    if (!durable.ok()) return durable.status();
    const auto other = (*postgres)->EngageStreamed(short_time);
    if (!other.ok()) return other.status();
    AddRates(session, "stream_vs_echo", *denier, *bare, *durable, kDurableEchoWithRows);
    AddRates(session, "stream_vs_postgres", *denier, *other, *durable, kDurableEchoWithRows);
    Session::Say(absl::StrCat("  stream, round ", round + 1, " of ", session.options().rounds));
  }
  return (*postgres)->Check();
}

absl::Status MeasureTree(Session& session) {
  const auto rate = [&](bool tree) -> absl::StatusOr<double> {
    const std::string folder = session.FreshPath(tree ? "tree" : "no-tree");
    auto server = ServerProcess::Start(
        {ThisProgram(), "--serve-denier", folder, tree ? "tree" : "no-tree"}, folder + ".err");
    if (!server.ok()) return server.status();
    Trial trial(session, *std::move(server), folder, {.events = kSetupEvents});
    if (absl::Status status = trial.client().SetUp(SetupCommands()); !status.ok()) return status;
    const auto load =
        trial.EngageStreamed({.elapsed = duration<double>(session.options().short_stream_seconds)});
    if (!load.ok()) return load.status();
    if (absl::Status wrong = trial.Check(); !wrong.ok()) return wrong;
    return load->rate();
  };
  for (int round = 0; round < session.options().rounds; ++round) {
    const auto on = rate(true);
    if (!on.ok()) return on.status();
    const auto off = rate(false);
    if (!off.ok()) return off.status();
    session.measured().Add("merkle_cost", *on / *off);
    session.measured().Note("merkle_cost", Rates(*on, *off));
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
