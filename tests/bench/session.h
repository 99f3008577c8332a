// One run of the bench: how long, on which folders, and what was measured so far.
#ifndef DENIER_TESTS_BENCH_SESSION_H_
#define DENIER_TESTS_BENCH_SESSION_H_

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/figure.h"
#include "tests/bench/load_client.h"
#include "tests/bench/process.h"
#include "tests/bench/workload.h"

namespace denier::bench {

struct Options {
  bool quick = false;
  std::uint64_t events = 10'000'000;        // of the long history
  std::string folder;                       // where everything lies; deleted in the end
  std::set<std::string, std::less<>> only;  // figures; empty: all

  // At least so many rounds give a figure.
  int rounds = 5;
  // What one side of a round takes, in seconds.
  double load_seconds = 4;
  double stream_seconds = 60;
  double short_stream_seconds = 8;  // where the views need not get far behind
};

// A data folder of a stopped server whose rows stand at the head, with a history that is known. It
// stays as it is: servers are started on copies.
struct Prepared {
  std::string folder;
  History history;
};

// Not thread-safe.
class Session {
 public:
  static constexpr std::uint64_t kShortEvents = 10'000;
  static constexpr int kInFlight = 64;
  static constexpr int kMessagesInFlight = 4;

  explicit Session(const Options& options);

  const Options& options() const { return options_; }
  Measured& measured() { return measured_; }
  // Whether any of these figures was asked for.
  bool Wants(std::span<const std::string_view> figures) const;

  // A line of progress for who watches.
  static void Say(const std::string& text);

  // Made when they are first asked for.
  absl::StatusOr<const Prepared*> ShortHistory();
  absl::StatusOr<const Prepared*> LongHistory();
  // A twentieth of the long one: rebuilding all of that takes minutes.
  absl::StatusOr<const Prepared*> MiddleHistory();
  // At most a million events: what ledger reads in a minute.
  absl::StatusOr<const Prepared*> ReportedHistory();
  // A client of the echo server, which is started when it is first asked for.
  absl::StatusOr<LoadClient*> Echo();
  const std::string& echo_address() const { return echo_->address(); }  // after Echo()
  // The same of the echo server that puts and syncs what it is sent.
  absl::StatusOr<LoadClient*> DurableEcho();

  // A name below the run's folder that nobody has had.
  std::string FreshPath(std::string_view name);
  // A name for EngageCommands that no other load has had.
  std::string FreshLoadName();

 private:
  absl::StatusOr<const Prepared*> Prepare(std::unique_ptr<Prepared>& prepared,
                                          std::string_view name, std::uint64_t events);

  const Options options_;
  Measured measured_;
  std::unique_ptr<Prepared> short_, middle_, reported_, long_;
  std::unique_ptr<ServerProcess> echo_;
  std::unique_ptr<LoadClient> echo_client_;
  std::string echo_file_;  // the answer to a query
  std::unique_ptr<ServerProcess> durable_echo_;
  std::unique_ptr<LoadClient> durable_echo_client_;
  int paths_ = 0;
  int loads_ = 0;
};

// A denierd on a copy of a prepared folder, and the books that it must have. Not thread-safe.
class Trial {
 public:
  static absl::StatusOr<std::unique_ptr<Trial>> Start(Session& session, const Prepared& prepared);
  // The same with a server that was started otherwise, on a `folder` that has `history`.
  Trial(Session& session, std::unique_ptr<ServerProcess> server, std::string folder,
        const History& history);
  // Kills the server, deletes the folder.
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  LoadClient& client() { return *client_; }
  ServerProcess& server() { return *server_; }
  const std::string& folder() const { return folder_; }
  std::uint64_t events() const { return events_; }

  // Engage, `in_flight` unary calls at a time, on all envelopes or (`hot`) one.
  absl::StatusOr<Load> Engage(int in_flight, const Until& until, bool hot = false,
                              bool keep_latencies = false);
  // Engage, 1000 a message, until the views have reached the head: `seconds` is until then.
  absl::StatusOr<Load> EngageStreamed(const Until& until);
  // What was sent is in the books, each command once, to the cent.
  absl::Status Check();

 private:
  void Expect(const EngageCommands& commands, std::uint64_t count);

  Session& session_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<LoadClient> client_;
  const std::string folder_;
  std::uint64_t events_;
  Totals expected_;
};

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_SESSION_H_
