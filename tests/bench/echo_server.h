// The bare gRPC server that Denier is held against: it takes the same calls through the same API
// (callbacks), answers each with bytes of the same size, and does nothing else. It does not even
// parse what it gets.
#ifndef DENIER_TESTS_BENCH_ECHO_SERVER_H_
#define DENIER_TESTS_BENCH_ECHO_SERVER_H_

#include <cstddef>
#include <string>
#include <vector>

namespace denier::bench {

// How many bytes the answers have, each as Denier's own had.
struct ReplySizes {
  std::size_t engage = 0;            // to one Engage
  std::size_t execute_commands = 0;  // to a message of 1000 commands
  std::size_t yearly_execution = 0;  // to GetYearlyExecution

  // As `denier-bench --serve-echo` takes them.
  std::vector<std::string> ToArguments() const;
};

// Serves on a free port of the loopback until the process is killed; says "echo ready on HOST:PORT"
// on standard output once it does.
[[noreturn]] void ServeEcho(const ReplySizes& sizes);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_ECHO_SERVER_H_
