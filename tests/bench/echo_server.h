// The bare gRPC server that Denier is held against: the same services through the same API (the
// callbacks of the generated code), with answers of the same size, and nothing behind them; and the
// least that a durable server behind this API can do, which says how near to the bare one any of
// them can come.
#ifndef DENIER_TESTS_BENCH_ECHO_SERVER_H_
#define DENIER_TESTS_BENCH_ECHO_SERVER_H_

#include <cstddef>
#include <string>

#include "tests/bench/raw_store.h"

namespace denier::bench {

// Answers Engage, ExecuteCommands and GetYearlyExecution (each time with the serialized response
// in the file) on a free port of the loopback until the process is killed. Says "echo ready on
// HOST:PORT" on standard output once it does.
[[noreturn]] void ServeEcho(const std::string& yearly_execution_file);

// The same, but a command is answered once a value of `event_bytes` for it was put into `store` and
// synced, with those of all commands that wait; a streamed one once it can be found again in
// `rows`, too, since the clock of a stream stops when the views have reached the head. Nothing is
// decided, hashed or folded.
[[noreturn]] void ServeDurableEcho(const std::string& yearly_execution_file, RawStore store,
                                   RawRows rows, std::size_t event_bytes);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_ECHO_SERVER_H_
