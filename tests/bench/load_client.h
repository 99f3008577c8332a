// The one client of all loads: what it does to Denier it does to the echo server, to the byte.
// gRPC's asynchronous API, one thread, one connection; requests are sent as bytes that are ready,
// answers are not parsed.
#ifndef DENIER_TESTS_BENCH_LOAD_CLIENT_H_
#define DENIER_TESTS_BENCH_LOAD_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/v1/command_service.pb.h"
#include "denier/v1/query_service.pb.h"
#include "tests/bench/workload.h"

namespace denier::bench {

// What a load came to.
struct Load {
  std::uint64_t commands = 0;  // answered with OK (of streams: sent in messages that were answered)
  double seconds = 0;          // from the first one sent to the last one answered
  std::vector<double> latencies_us;  // of unary calls, where they were asked for
  std::size_t answer_bytes = 0;      // of the last answer

  double rate() const { return static_cast<double>(commands) / seconds; }
};

// When a load sends nothing more: after so long (and so many requests), or when somebody says so.
struct Until {
  std::chrono::duration<double> elapsed = std::chrono::hours(1);
  std::uint64_t at_least = 0;
  const std::atomic<bool>* stop = nullptr;
  // Counts the answers as they come, for whoever waits for some.
  std::atomic<std::uint64_t>* answers = nullptr;
};

// Used by one thread at a time.
class LoadClient {
 public:
  explicit LoadClient(const std::string& address);

  // The next request of a unary call, by its number from 0 on.
  using Requests = std::function<grpc::ByteBuffer(std::uint64_t)>;

  // Unary calls of `method` ("Engage", "GetYearlyExecution"), `in_flight` at a time. Not OK: a call
  // failed, all others have ended.
  absl::StatusOr<Load> Unary(const std::string& method, const Requests& requests, int in_flight,
                             const Until& until, bool keep_latencies = false);

  // One ExecuteCommands stream of messages of 1000 commands, `in_flight` at a time. The first
  // message has the commands from `first` on, a multiple of 1000.
  absl::StatusOr<Load> Stream(const EngageCommands& commands, std::uint64_t first, int in_flight,
                              const Until& until);

  // The bytes of one answer.
  absl::StatusOr<grpc::ByteBuffer> CallOnce(const std::string& method,
                                            const grpc::ByteBuffer& request);

  // Has the programme manager's commands executed, all of them accepted.
  absl::Status SetUp(const std::vector<v1::Command>& commands);

  // Where the log's last event is; -1: there is none.
  absl::StatusOr<std::int64_t> HeadPosition();
  // The yearly execution once the rows have got to `min_position`.
  absl::StatusOr<v1::GetYearlyExecutionResponse> YearlyExecution(std::int64_t min_position);
  // Has the projections rebuilt; returns once they are.
  absl::Status Rebuild();

 private:
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
};

// A GetYearlyExecutionRequest of the bench's agreement, as of `position` (-1: now).
grpc::ByteBuffer YearlyExecutionRequest(std::int64_t position = -1);

absl::StatusOr<v1::GetYearlyExecutionResponse> ParseYearlyExecution(const grpc::ByteBuffer& answer);

// Not OK: the yearly execution says something else than `expected`; the message names the year.
absl::Status Compare(const v1::GetYearlyExecutionResponse& found, const Totals& expected);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_LOAD_CLIENT_H_
