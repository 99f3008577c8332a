#include "tests/bench/session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/raw_store.h"

namespace denier::bench {
namespace {

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

double SecondsSince(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(Now() - begun).count();
}

}  // namespace

Session::Session(const Options& options) : options_(options) {}

bool Session::Wants(std::span<const std::string_view> figures) const {
  return options_.only.empty() || std::ranges::any_of(figures, [this](std::string_view figure) {
           return options_.only.contains(figure);
         });
}

void Session::Say(const std::string& text) {
  static const auto begun = Now();
  std::fprintf(stderr, "%6.1f s  %s\n", SecondsSince(begun), text.c_str());
}

absl::StatusOr<const Prepared*> Session::ShortHistory() {
  return Prepare(short_, "short", std::min(kShortEvents, options_.events));
}

absl::StatusOr<const Prepared*> Session::LongHistory() {
  return Prepare(long_, "long", options_.events);
}

absl::StatusOr<const Prepared*> Session::MiddleHistory() {
  const std::uint64_t events = options_.events / 20;
  if (events <= kShortEvents) return ShortHistory();
  return Prepare(middle_, "middle", events);
}

absl::StatusOr<const Prepared*> Session::ReportedHistory() {
  constexpr std::uint64_t kReported = 1'000'000;
  if (options_.events <= kReported) return LongHistory();
  return Prepare(reported_, "reported", kReported);
}

absl::StatusOr<const Prepared*> Session::Prepare(std::unique_ptr<Prepared>& prepared,
                                                 std::string_view name, std::uint64_t events) {
  if (prepared != nullptr) return prepared.get();
  auto made = std::make_unique<Prepared>();
  made->folder = FreshPath(name);
  std::uint64_t said = 0;
  absl::StatusOr<History> history = WriteHistory(made->folder, events, [&](std::uint64_t written) {
    if (written - said < 1'000'000) return;
    said = written;
    Say(absl::StrCat("  ", written, " of ", events, " events written"));
  });
  if (!history.ok()) return history.status();
  made->history = *std::move(history);
  Say(absl::StrCat("a history of ", events, " events and ", made->history.commitments,
                   " commitments is written; a server makes its rows"));

  auto server = StartDenierd(made->folder);
  if (!server.ok()) return server.status();
  // The client goes before the server, which would wait for its connection.
  auto report =
      LoadClient((*server)->address()).YearlyExecution(static_cast<std::int64_t>(events) - 1);
  if (!report.ok()) return report.status();
  if (absl::Status wrong = Compare(*report, made->history.totals); !wrong.ok()) return wrong;
  if (absl::Status stopped = (*server)->Stop(); !stopped.ok()) return stopped;
  if (absl::Status settled = Settle(made->folder); !settled.ok()) return settled;
  Say("the rows are made, and right, and RocksDB has merged them");
  prepared = std::move(made);
  return prepared.get();
}

absl::StatusOr<LoadClient*> Session::Echo() {
  if (echo_client_ != nullptr) return echo_client_.get();
  const absl::StatusOr<const Prepared*> prepared = ShortHistory();
  if (!prepared.ok()) return prepared.status();
  // Its answers are to be as long as Denier's.
  auto trial = Trial::Start(*this, **prepared);
  if (!trial.ok()) return trial.status();
  const auto report = (*trial)->client().YearlyExecution(/*min_position=*/0);
  if (!report.ok()) return report.status();
  echo_file_ = FreshPath("yearly-execution");
  std::ofstream(echo_file_, std::ios::binary) << report->SerializeAsString();
  auto echo =
      ServerProcess::Start({ThisProgram(), "--serve-echo", echo_file_}, FreshPath("echo.err"));
  if (!echo.ok()) return echo.status();
  LoadClient client((*echo)->address());
  for (LoadClient* each : {&(*trial)->client(), &client}) {
    const EngageCommands commands(FreshLoadName());
    const auto unary = each->CallOnce("Engage", commands.Unary(0));
    if (!unary.ok()) return unary.status();
    const EngageCommands streamed(FreshLoadName());
    const auto stream = each->Stream(streamed, 0, 1, {.elapsed = {}, .at_least = 1});
    if (!stream.ok()) return stream.status();
    const auto query = each->CallOnce("GetYearlyExecution", YearlyExecutionRequest());
    if (!query.ok()) return query.status();
    Say(absl::StrCat(each == &client ? "the echo server" : "Denier", " answers with ",
                     unary->Length(), ", ", stream->answer_bytes, " and ", query->Length(),
                     " bytes"));
  }
  echo_ = *std::move(echo);
  echo_client_ = std::make_unique<LoadClient>(echo_->address());
  return echo_client_.get();
}

absl::StatusOr<LoadClient*> Session::DurableEcho() {
  if (durable_echo_client_ != nullptr) return durable_echo_client_.get();
  if (const auto echo = Echo(); !echo.ok()) return echo.status();
  const absl::StatusOr<const Prepared*> prepared = ShortHistory();
  if (!prepared.ok()) return prepared.status();
  auto started = ServerProcess::Start(
      {ThisProgram(), "--serve-durable-echo", echo_file_, (*prepared)->folder,
       FreshPath("durable-echo"), absl::StrCat((*prepared)->history.bytes_per_event())},
      FreshPath("durable-echo.err"));
  if (!started.ok()) return started.status();
  durable_echo_ = *std::move(started);
  durable_echo_client_ = std::make_unique<LoadClient>(durable_echo_->address());
  return durable_echo_client_.get();
}

std::string Session::FreshPath(std::string_view name) {
  return absl::StrCat(options_.folder, "/", ++paths_, "-", std::string(name));
}

std::string Session::FreshLoadName() {
  std::array<char, 8> name{};
  std::snprintf(name.data(), name.size(), "L%03d", ++loads_ % 1000);
  return name.data();
}

// -------------------------------------------------------------------------------------- Trial

absl::StatusOr<std::unique_ptr<Trial>> Trial::Start(Session& session, const Prepared& prepared) {
  const std::string folder = session.FreshPath("trial");
  if (absl::Status copied = CopyDataFolder(prepared.folder, folder); !copied.ok()) return copied;
  auto server = StartDenierd(folder);
  if (!server.ok()) return server.status();
  return std::make_unique<Trial>(session, *std::move(server), folder, prepared.history);
}

Trial::Trial(Session& session, std::unique_ptr<ServerProcess> server, std::string folder,
             const History& history)
    : session_(session),
      server_(std::move(server)),
      client_(std::make_unique<LoadClient>(server_->address())),
      folder_(std::move(folder)),
      events_(history.events),
      expected_(history.totals) {}

Trial::~Trial() {
  server_->Kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  std::filesystem::remove(folder_ + ".jsonl", ignored);
}

void Trial::Expect(const EngageCommands& commands, std::uint64_t count) {
  expected_ += commands.Engaged(count);
  events_ += count;
}

absl::StatusOr<Load> Trial::Engage(int in_flight, const Until& until, bool hot,
                                   bool keep_latencies) {
  const EngageCommands commands(session_.FreshLoadName(), hot);
  absl::StatusOr<Load> load = client_->Unary(
      "Engage", [&](std::uint64_t number) { return commands.Unary(number); }, in_flight, until,
      keep_latencies);
  if (load.ok()) Expect(commands, load->commands);
  return load;
}

absl::StatusOr<Load> Trial::EngageStreamed(const Until& until) {
  const EngageCommands commands(session_.FreshLoadName());
  const auto begun = Now();
  absl::StatusOr<Load> load = client_->Stream(commands, 0, Session::kMessagesInFlight, until);
  if (!load.ok()) return load;
  Expect(commands, load->commands);
  const auto report = client_->YearlyExecution(static_cast<std::int64_t>(events_) - 1);
  load->seconds = SecondsSince(begun);
  if (!report.ok()) return report.status();
  return load;
}

absl::Status Trial::Check() {
  const absl::StatusOr<std::int64_t> head = client_->HeadPosition();
  if (!head.ok()) return head.status();
  if (*head + 1 != static_cast<std::int64_t>(events_)) {
    return absl::InternalError(
        absl::StrCat("the log has ", *head + 1, " events; ", events_, " were written or sent"));
  }
  const auto report = client_->YearlyExecution(*head);
  if (!report.ok()) return report.status();
  return Compare(*report, expected_);
}

}  // namespace denier::bench
