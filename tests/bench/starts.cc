#include "tests/bench/starts.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/load_client.h"
#include "tests/bench/raw_store.h"

namespace denier::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Of each side of a round of growth_start: one takes some fifty milliseconds, and its noise is as
// much as what is looked for.
constexpr std::uint64_t kStarts = 5;

// A data folder as a kill -9 under load left it; deleted in the end.
class KilledFolder {
 public:
  static absl::StatusOr<KilledFolder> Make(Session& session, const Prepared& prepared) {
    KilledFolder killed;
    killed.path_ = session.FreshPath("killed");
    if (absl::Status copied = CopyDataFolder(prepared.folder, killed.path_); !copied.ok()) {
      return copied;
    }
    auto server = StartDenierd(killed.path_);
    if (!server.ok()) return server.status();
    const EngageCommands commands(session.FreshLoadName());
    LoadClient client((*server)->address());
    // In messages, so that the rows are as far behind as they get: a start has most to do then.
    std::atomic<std::uint64_t> answers = 0;
    std::atomic<bool> ended = false;
    std::thread load([&] {
      // It ends with the server.
      client.Stream(commands, 0, Session::kMessagesInFlight, {.answers = &answers})
          .status()
          .IgnoreError();
      ended = true;
      ++answers;
      answers.notify_all();
    });
    const std::uint64_t wanted = session.options().quick ? 30 : 300;
    for (std::uint64_t seen = answers; seen < wanted && !ended; seen = answers) answers.wait(seen);
    const std::uint64_t acknowledged = answers;
    (*server)->Kill();
    load.join();
    if (acknowledged < wanted) return absl::InternalError("the load ended before it was to");
    killed.least_events_ =
        prepared.history.events + acknowledged * EngageCommands::kMessageCommands;
    return killed;
  }
  KilledFolder(KilledFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), least_events_(other.least_events_) {}
  KilledFolder& operator=(KilledFolder&&) = delete;
  ~KilledFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  // Those that were acknowledged; what was under way may be there too.
  std::uint64_t least_events() const { return least_events_; }

 private:
  KilledFolder() = default;
  std::string path_;
  std::uint64_t least_events_ = 0;
};

struct Start {
  double seconds = 0;  // from the start of the process to the first accepted command
  double resident_mib = 0;
};

// The log must have `least_events` before that command.
absl::StatusOr<Start> StartAndEngage(Session& session, const std::string& data,
                                     std::uint64_t least_events) {
  const EngageCommands commands(session.FreshLoadName());
  Start start;
  const auto begun = Clock::now();
  auto server = StartDenierd(data);
  if (!server.ok()) return server.status();
  LoadClient client((*server)->address());
  const auto accepted = client.CallOnce("Engage", commands.Unary(0));
  start.seconds = Seconds(Clock::now() - begun).count();
  if (!accepted.ok()) return accepted.status();
  start.resident_mib = (*server)->ResidentMib();
  const auto head = client.HeadPosition();
  if (!head.ok()) return head.status();
  if (*head < static_cast<std::int64_t>(least_events)) {
    return absl::InternalError(absl::StrCat("the log has ", *head, " events after the start, ",
                                            least_events, " were acknowledged before it"));
  }
  return start;
}

}  // namespace

absl::Status MeasureStart(Session& session) {
  const auto prepared = session.LongHistory();
  if (!prepared.ok()) return prepared.status();
  for (int round = 0; round < session.options().rounds; ++round) {
    const auto killed = KilledFolder::Make(session, **prepared);
    if (!killed.ok()) return killed.status();
    // Opening changes the folder: each side has one of its own. They take turns at going first.
    const std::string bare_folder = session.FreshPath("bare");
    if (absl::Status copied = CopyDataFolder(killed->path(), bare_folder); !copied.ok()) {
      return copied;
    }
    absl::StatusOr<double> bare;
    if (round % 2 == 0) bare = OpenBare(bare_folder);
    const auto start = StartAndEngage(session, killed->path(), killed->least_events());
    if (round % 2 == 1) bare = OpenBare(bare_folder);
    if (!bare.ok()) return bare.status();
    if (!start.ok()) return start.status();
    std::error_code ignored;
    std::filesystem::remove_all(bare_folder, ignored);

    session.measured().Add("start_vs_open", start->seconds / *bare);
    session.measured().Add("start_rss_mib", start->resident_mib);
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "last round here: %.0f ms against %.0f ms",
                  start->seconds * 1000, *bare * 1000);
    session.measured().Note("start_vs_open", text.data());
    Session::Say(absl::StrCat("  start, round ", round + 1, " of ", session.options().rounds));
  }
  return absl::OkStatus();
}

absl::Status MeasureGrowth(Session& session) {
  const auto short_history = session.ShortHistory();
  if (!short_history.ok()) return short_history.status();
  const auto long_history = session.LongHistory();
  if (!long_history.ok()) return long_history.status();
  const Until until{.elapsed = Seconds(session.options().load_seconds / 2), .at_least = 100};

  struct Side {
    double command_us = 0;
    double query_us = 0;
    double start_ms = 0;
  };
  const auto measure = [&](const Prepared& prepared) -> absl::StatusOr<Side> {
    Side side;
    const std::string folder = session.FreshPath("start");
    if (absl::Status copied = CopyDataFolder(prepared.folder, folder); !copied.ok()) return copied;
    std::vector<double> starts_ms;
    for (std::uint64_t i = 0; i < kStarts; ++i) {
      const auto start = StartAndEngage(session, folder, prepared.history.events + i);
      if (!start.ok()) return start.status();
      starts_ms.push_back(start->seconds * 1000);
    }
    side.start_ms = Median(std::move(starts_ms));
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);

    const auto trial = Trial::Start(session, prepared);
    if (!trial.ok()) return trial.status();
    auto queried = (*trial)->client().Unary(
        "GetYearlyExecution", [](std::uint64_t) { return YearlyExecutionRequest(); }, 1, until,
        /*keep_latencies=*/true);
    if (!queried.ok()) return queried.status();
    side.query_us = Median(std::move(queried->latencies_us));
    const auto warm = (*trial)->Engage(Session::kInFlight, until);
    if (!warm.ok()) return warm.status();
    const auto engaged = (*trial)->Engage(Session::kInFlight, until);
    if (!engaged.ok()) return engaged.status();
    side.command_us = 1e6 / engaged->rate();
    if (absl::Status wrong = (*trial)->Check(); !wrong.ok()) return wrong;
    return side;
  };
  for (int round = 0; round < session.options().rounds; ++round) {
    const auto large = measure(**long_history);
    if (!large.ok()) return large.status();
    const auto small = measure(**short_history);
    if (!small.ok()) return small.status();
    const auto add = [&](const char* figure, double on_long, double on_short, const char* unit) {
      session.measured().Add(figure, on_long / on_short);
      std::array<char, 96> text{};
      std::snprintf(text.data(), text.size(), "last round here: %.1f %s against %.1f %s", on_long,
                    unit, on_short, unit);
      session.measured().Note(figure, text.data());
    };
    add("growth_unary", large->command_us, small->command_us, "us");
    add("growth_query", large->query_us, small->query_us, "us");
    add("growth_start", large->start_ms, small->start_ms, "ms");
    Session::Say(absl::StrCat("  growth, round ", round + 1, " of ", session.options().rounds));
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
