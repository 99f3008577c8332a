// PostgreSQL on the bench's workload, and the balances that it must have.
#ifndef DENIER_TESTS_BENCH_POSTGRES_TRIAL_H_
#define DENIER_TESTS_BENCH_POSTGRES_TRIAL_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/load_client.h"
#include "tests/bench/postgres.h"
#include "tests/bench/session.h"
#include "tests/bench/workload.h"

namespace denier::bench {

// Each kind of load runs with as many connections as gave most the first time. Not thread-safe.
class PostgresTrial {
 public:
  using Seconds = std::chrono::duration<double>;

  // A server with the envelopes and credits of the bench, and nothing committed.
  static absl::StatusOr<std::unique_ptr<PostgresTrial>> Start(Session& session);

  // A transaction a command, on all envelopes or (`hot`) one: the best of 1, 4, 16, 64 connections.
  absl::StatusOr<Load> Engage(Seconds time, bool hot = false);
  // 1000 commands a transaction: the best of 1 to 4 clients.
  absl::StatusOr<Load> EngageStreamed(Seconds time);

  // What was sent is in its balances, each command once, to the cent.
  absl::Status Check();

 private:
  enum class Kind : std::uint8_t { kUnary, kHot, kStream };

  PostgresTrial(Session& session, std::unique_ptr<Postgres> postgres)
      : session_(session), postgres_(std::move(postgres)) {}
  absl::StatusOr<Load> RunBest(Kind kind, Seconds time);
  absl::StatusOr<Load> Run(Kind kind, Seconds time, int connections);

  Session& session_;
  const std::unique_ptr<Postgres> postgres_;
  std::array<int, 3> best_{};  // by kind; 0: not known yet
  std::uint64_t events_ = std::uint64_t{kEnvelopes} * kYears;
  Totals engaged_;
};

// The history of `events` in a server, without the events that open the agreement and its
// envelopes, which move nothing; what its balances must be is checked.
absl::StatusOr<std::unique_ptr<Postgres>> LoadHistory(Session& session, std::uint64_t events);

// Not OK: `balances` are not what was opened less what was engaged, and less what was held and
// paid.
absl::Status CompareBalances(const Balances& balances, const Totals& totals);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_POSTGRES_TRIAL_H_
