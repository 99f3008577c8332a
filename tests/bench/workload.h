// What the bench does to the books: one agreement with 300 envelopes over three years, and in it
// either a long history, written straight into a log, or Engage commands, sent to a server.
// Everything follows from fixed seeds, so two runs do the same.
#ifndef DENIER_TESTS_BENCH_WORKLOAD_H_
#define DENIER_TESTS_BENCH_WORKLOAD_H_

#include <grpcpp/support/byte_buffer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "tests/bench/postgres.h"

namespace denier::bench {

inline constexpr std::string_view kAgreement = "bench";
inline constexpr int kEnvelopes = 300;
inline constexpr int kFirstYear = 2021;
inline constexpr int kYears = 3;
// Events before the first commitment: the agreement, its envelopes and their credits.
inline constexpr std::uint64_t kSetupEvents = 1 + kEnvelopes + kEnvelopes * kYears;
// What each envelope may commit, and pay, in each year.
inline constexpr std::int64_t kCreditsCents = 30'000'000'000;

// "env-007".
std::string EnvelopeId(int envelope);

// The programme manager's commands that make the first kSetupEvents events.
std::vector<v1::Command> SetupCommands();

// What the books must say, in cents: of each envelope and year.
struct Cell {
  std::int64_t engaged = 0;
  std::int64_t held = 0;
  std::int64_t paid = 0;
  std::int64_t outstanding = 0;  // what the year itself moved it by

  Cell& operator+=(const Cell& other);
  bool operator==(const Cell&) const = default;
};
class Totals {
 public:
  Cell& At(int envelope, int year) { return cells_[Index(envelope, year)]; }
  const Cell& At(int envelope, int year) const { return cells_[Index(envelope, year)]; }
  Cell OfYear(int year) const;
  Totals& operator+=(const Totals& other);

 private:
  static std::size_t Index(int envelope, int year) {
    return static_cast<std::size_t>(envelope) * kYears +
           static_cast<std::size_t>(year - kFirstYear);
  }
  std::array<Cell, std::size_t{kEnvelopes} * kYears> cells_{};
};

// A history that was written.
struct History {
  std::uint64_t events = 0;
  std::uint64_t commitments = 0;
  std::uint64_t event_bytes = 0;  // of all events together
  Totals totals = {};

  std::uint64_t bytes_per_event() const { return event_bytes / events; }
};

// The events of a history of `events`, kSetupEvents at least, in their order: a tenth of them
// engage, the others certify, ask for payment and pay, mixed over commitments that are open side by
// side. The same each time. Not thread-safe.
class HistoryEvents {
 public:
  // `hashed` off: for whom the request's hash does not matter; making it takes longest.
  explicit HistoryEvents(std::uint64_t events, bool hashed = true);
  ~HistoryEvents();
  HistoryEvents(const HistoryEvents&) = delete;
  HistoryEvents& operator=(const HistoryEvents&) = delete;

  // The next event; the object is the same each time. INTERNAL: the rules refuse the workload.
  absl::StatusOr<const events::v1::Event*> Next();
  // What the events so far come to.
  const History& history() const;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

// Makes `folder` a data folder with a log of those events. Half of them lie in batches of 1 to 32,
// half in batches of 1000. The first 20,000 are decided again by the rules. `progress` hears how
// many there are, now and then.
// The events are synced at the next start, not one batch after the other.
absl::StatusOr<History> WriteHistory(const std::string& folder, std::uint64_t events,
                                     const std::function<void(std::uint64_t)>& progress);

// Engage commands, each with a commitment of its own, as requests that are ready to be sent: a
// client that serialized them anew would measure itself. Number n is always the same command.
// Any thread.
class EngageCommands {
 public:
  // `name` (4 characters) tells these commands from others on the same books. They take the
  // envelopes in turn, or (`hot`) all of them the first one.
  explicit EngageCommands(std::string_view name, bool hot = false);

  // An EngageRequest, of about 130 bytes.
  grpc::ByteBuffer Unary(std::uint64_t number) const;
  // An ExecuteCommandsRequest with the commands [first, first + kMessageCommands).
  grpc::ByteBuffer Message(std::uint64_t first) const;

  // The same command as an opponent takes it.
  Engagement At(std::uint64_t number) const;

  // What the commands [0, count) engage.
  Totals Engaged(std::uint64_t count) const;

  static constexpr int kMessageCommands = 1000;

 private:
  static constexpr int kCycle = 1000;  // number n differs from n + kCycle in its identifiers alone
  struct Pattern {
    std::string bytes;
    std::vector<std::size_t> digits;  // where the command's number is to stand
  };
  static grpc::ByteBuffer Fill(const Pattern& pattern, std::uint64_t first,
                               std::size_t places_a_command);

  struct Amount {
    int envelope, year;
    std::int64_t cents;
  };
  const std::string name_;
  std::array<Amount, kCycle> amounts_;
  std::vector<Pattern> unary_;
  Pattern message_;
};

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_WORKLOAD_H_
