// The bare gRPC server that Denier is held against: the same services through the same API (the
// callbacks of the generated code), with answers of the same size, and nothing behind them.
#ifndef DENIER_TESTS_BENCH_ECHO_SERVER_H_
#define DENIER_TESTS_BENCH_ECHO_SERVER_H_

#include <string>

namespace denier::bench {

// Answers Engage, ExecuteCommands and GetYearlyExecution (each time with the serialized response
// in the file) on a free port of the loopback until the process is killed. Says "echo ready on
// HOST:PORT" on standard output once it does.
[[noreturn]] void ServeEcho(const std::string& yearly_execution_file);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_ECHO_SERVER_H_
