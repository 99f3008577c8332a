// denier-bench: Denier and its opponents, side by side in one run. See figure.cc for what is
// measured, and docs/performance.md for what came out.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "store/zeroed_wal.h"
#include "tests/bench/commands.h"
#include "tests/bench/echo_server.h"
#include "tests/bench/logs.h"
#include "tests/bench/queries.h"
#include "tests/bench/session.h"
#include "tests/bench/starts.h"
#include "tests/bench/tree_switch.h"

namespace denier::bench {
namespace {

struct Group {
  std::vector<std::string_view> figures;
  absl::Status (*measure)(Session&);
};

const std::vector<Group>& Groups() {
  static const auto& groups = *new std::vector<Group>{
      {{"unary_vs_echo", "unary_vs_postgres"}, MeasureUnary},
      {{"single_latency"}, MeasureSingle},
      {{"hot_vs_postgres"}, MeasureHot},
      {{"stream_vs_echo", "stream_vs_postgres"}, MeasureStream},
      {{"merkle_cost"}, MeasureTree},
      {{"append_vs_raw"}, MeasureAppend},
      {{"replay_vs_scan", "replay_vs_postgres", "bytes_per_event"}, MeasureReplay},
      {{"report_vs_ledger"}, MeasureReport},
      {{"query_p99"}, MeasureQueries},
      {{"asof_p99"}, MeasureAsOf},
      {{"start_vs_open", "start_rss_mib"}, MeasureStart},
      {{"rebuild_interference", "rebuild_slowdown"}, MeasureRebuild},
      {{"growth_unary", "growth_query", "growth_start"}, MeasureGrowth},
  };
  return groups;
}

// 0, or 1 when something came out wrong. That a goal is missed is no error.
int Run(const Options& options, const std::string& json_file) {
  Session session(options);
  int exit_code = 0;
  for (const Group& group : Groups()) {
    if (!session.Wants(group.figures)) continue;
    std::string names;
    for (const std::string_view figure : group.figures) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(figure));
    }
    Session::Say(names);
    if (absl::Status status = group.measure(session); !status.ok()) {
      std::fprintf(stderr, "denier-bench: %s: %s\n", names.c_str(), status.ToString().c_str());
      exit_code = 1;
    }
    // A long run that is ended early has told what it knows.
    for (const std::string_view figure : group.figures) {
      std::fputs(session.measured().LinesOf(figure).c_str(), stderr);
    }
  }
  std::fputs(session.measured().ToTable().c_str(), stdout);
  if (!json_file.empty()) {
    std::ofstream file(json_file);
    file << session.measured().ToJson();
    if (!file.flush()) {
      std::fprintf(stderr, "denier-bench: cannot write %s\n", json_file.c_str());
      exit_code = 1;
    }
  }
  return exit_code;
}

}  // namespace
}  // namespace denier::bench

int main(int argc, char** argv) {
  using denier::bench::Figures;
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as services/main.cc does
  denier::bench::Options options;
  std::string json_file;
  std::string folder = std::filesystem::temp_directory_path();
  std::vector<std::string> only;
  std::optional<std::uint64_t> events;
  std::optional<double> seconds;
  std::string echo_file;
  std::vector<std::string> durable_echo;
  std::vector<std::string> served;

  CLI::App app("Measures Denier and its opponents side by side, and checks what they answer.",
               "denier-bench");
  app.add_flag("--quick", options.quick, "A smaller run, within three minutes");
  app.add_option("--json", json_file, "Write the figures there, too")->type_name("FILE");
  app.add_option("--only", only, "Measure these figures alone")->type_name("FIGURE");
  app.add_option("--events", events, "Events of the long history")
      ->check(CLI::Range(std::uint64_t{10'000}, std::uint64_t{1'000'000'000}));
  app.add_option("--seconds", seconds,
                 "What one side of a round of calls takes; streams in proportion")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.05, 600.0));
  app.add_option("--folder", folder, "Where the data folders are made; on the disk to measure")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--serve-echo", echo_file, "(for itself) Be the echo server")->group("");
  app.add_option("--serve-durable-echo", durable_echo,
                 "(for itself) Be the echo server that syncs: FILE DATA STORE BYTES")
      ->expected(4)
      ->group("");
  app.add_option("--serve-denier", served, "(for itself) Be a denierd: DATA tree|no-tree")
      ->expected(2)
      ->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!echo_file.empty()) denier::bench::ServeEcho(echo_file);
  if (!durable_echo.empty()) {
    auto store = denier::bench::RawStore::Create(
        durable_echo[1], durable_echo[2],
        denier::store::WithZeroedWal(rocksdb::FileSystem::Default()));
    auto rows = denier::bench::RawRows::Create(durable_echo[1], durable_echo[2] + "-rows");
    if (!store.ok() || !rows.ok()) return 1;
    denier::bench::ServeDurableEcho(durable_echo[0], *std::move(store), *std::move(rows),
                                    std::stoul(durable_echo[3]));
  }
  if (!served.empty()) return denier::bench::ServeDenier(served[0], served[1] == "tree");

  for (const std::string& name : only) {
    if (denier::bench::FindFigure(name) == nullptr) {
      std::fprintf(stderr, "denier-bench: no figure %s; there are:", name.c_str());
      for (const auto& figure : Figures()) std::fprintf(stderr, " %s", figure.name.data());
      std::fputs("\n", stderr);
      return 2;
    }
    options.only.insert(name);
  }
  if (options.quick) {
    options.events = 200'000;
    options.load_seconds = 0.5;
    options.stream_seconds = 1.5;
    options.short_stream_seconds = 0.7;
  }
  if (seconds.has_value()) {
    options.stream_seconds *= *seconds / options.load_seconds;
    options.short_stream_seconds *= *seconds / options.load_seconds;
    options.load_seconds = *seconds;
  }
  options.events = events.value_or(options.events);
  const denier::bench::ScratchFolder scratch(folder, "denier-bench");
  options.folder = scratch.path();
  return denier::bench::Run(options, json_file);
}
