// The opponent on PostgreSQL: an event store with deciding balances (postgres.sql), on Debian's
// server, tuned as its experts tune it and as durable as Denier: fsync, synchronous_commit and
// full_page_writes are on.
//
//   auto postgres = Postgres::Start("/data/bench");
//   postgres->Open(envelope_ids, 2022, 3, ae_cents, cp_cents);
//   auto rate = postgres->EngageEach(Source, 0, 100'000, absl::Seconds(20), 16);
//   rate->accepted / rate->seconds                       // commands a second, a transaction each
//
// A stream is one envelope in one budget year; its balance is what is available. All amounts are
// cents, all times seconds. Errors: INTERNAL with the server's own words, but where something else
// is said; after one, the object is good for nothing but its destruction.
#ifndef DENIER_TESTS_BENCH_POSTGRES_H_
#define DENIER_TESTS_BENCH_POSTGRES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace denier::bench {

// An Engage of one line.
struct Engagement {
  int envelope = 0;  // index into the identifiers that Open was given
  int year = 0;
  std::int64_t cents = 0;       // > 0, of AE
  std::string request_id = "";  // unique
  std::string commitment_id = "";
};
// The command of a number: always the same one. Called from several threads at once.
using EngagementSource = std::function<Engagement(std::uint64_t number)>;

// A fact of a history that is loaded; kind is its field's number in events/v1/event.proto. Amounts
// are what it adds to what is available: an opening's are positive, an engagement's AE negative.
// Identifiers are the books' (no quotation marks, backslashes or control characters), an empty one
// or a zero amount takes no place in the payload.
struct StoredFact {
  int kind = 0;
  std::string envelope_id = "";
  int year = 0;
  std::string request_id = "";
  std::string commitment_id = "";
  std::string line_id = "";
  std::string product_id = "";
  std::int64_t ae_cents = 0;
  std::int64_t cp_cents = 0;
  std::string principal_id = "";
  std::string body_id = "";
  int effective_date = 0;  // YYYYMMDD
  std::int64_t recorded_time_us = 0;
};
// Fills in the fact of a number; `fact` has what was in it before. Called in order, by one thread.
using FactSource = std::function<void(std::uint64_t number, StoredFact& fact)>;

struct Available {
  std::int64_t ae_cents = 0;
  std::int64_t cp_cents = 0;
  bool operator==(const Available&) const = default;
};
// By envelope and year.
using Balances = std::map<std::pair<std::string, int>, Available>;

enum class Verdict : std::uint8_t {
  kAccepted,  // or accepted earlier: a repetition gets the earlier answer
  kAeExceeded,
  kVersionMoved,
  kRequestIdReused,  // known, with another content
  kInvalid,          // no such envelope and year, or not > 0
};
struct EngageAnswer {
  Verdict verdict = Verdict::kInvalid;
  std::int64_t position = -1;  // of the event, from 0; -1 when refused
};

struct Rate {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  double seconds = 0;  // from the first command to the last answer
};

struct Sums {
  double seconds = 0;  // of the query, rows received
  Balances rows;
};

// One server with one database, and the only client of it. Calls come one after the other, from any
// thread; those that name connections make them and the threads themselves. Needs `postgresql` and,
// as root, its user `postgres`.
class Postgres {
 public:
  // In a folder of its own below `parent`, which should be on the disk that the opponents share,
  // and which the user postgres must be able to reach. `settings` are lines of postgresql.conf,
  // after those that Start chooses for this machine, so that they win. Takes some two seconds.
  //
  // The server stops and the folder goes when the object does, and when this process ends in
  // whatever way: a guard (postgres.sh) waits for that.
  static absl::StatusOr<std::unique_ptr<Postgres>> Start(
      const std::string& parent, const std::vector<std::string>& settings = {});
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  // Empty books; then `years` budget years from `first_year` for each envelope, with an event each
  // that opens so much AE and CP.
  absl::Status Open(const std::vector<std::string>& envelope_ids, int first_year, int years,
                    std::int64_t ae_cents, std::int64_t cp_cents);

  // One command, a transaction: decided and synced when this returns. With `expected_version` only
  // if that many events stand in the stream, the opening included.
  absl::StatusOr<EngageAnswer> Engage(const Engagement& command,
                                      std::optional<int> expected_version = std::nullopt);

  // The commands first, first + 1, ..., one transaction and one round trip each, as many in flight
  // as there are connections, until `count` are answered or `at_most` is over (whichever is first;
  // what is in flight then is waited for).
  absl::StatusOr<Rate> EngageEach(const EngagementSource& source, std::uint64_t first,
                                  std::uint64_t count, absl::Duration at_most, int connections);

  // The same with `batch` commands a transaction, each still looked up, checked and answered.
  // Client k of `clients` takes the commands first + k, first + k + clients, ...: where the source
  // takes the envelopes in turn, and their count is a multiple of `clients`, the clients work on
  // rows of their own and wait for nobody. Otherwise they wait for each other.
  absl::StatusOr<Rate> EngageStream(const EngagementSource& source, std::uint64_t first,
                                    std::uint64_t count, absl::Duration at_most, int clients,
                                    int batch = 1000);

  // Empty books; then `count` events by COPY, at positions from 0, the indexes built afterwards,
  // the balances made of their sums, VACUUM ANALYZE. 10 M take some two minutes.
  // INVALID_ARGUMENT when a balance comes out below zero.
  absl::Status Load(std::uint64_t count, const FactSource& source);

  // SUM ... GROUP BY year and envelope over all events, out of their payloads, by as many processes
  // as the machine has processors.
  absl::StatusOr<Sums> SumEvents();

  // VACUUM ANALYZE: to be called before SumEvents where EngageEach or EngageStream wrote.
  absl::Status Vacuum();

  // Bytes of the tables with their indexes, after REINDEX and VACUUM: what it is at its smallest.
  absl::StatusOr<std::int64_t> Bytes();

  absl::StatusOr<Balances> ReadBalances();
  absl::StatusOr<std::uint64_t> CountEvents();

  // Process of the guard; it ends after the server has ended and the folder has gone.
  int guard_pid() const;
  // The server's first process.
  absl::StatusOr<int> ServerPid();
  const std::string& folder() const;

 private:
  struct State;
  explicit Postgres(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_POSTGRES_H_
