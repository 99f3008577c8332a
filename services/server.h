// denierd: the data folder, the log, the rows, the sequencer and the services put together, and
// what a process around them does. The only place where the parts meet.
#ifndef DENIER_SERVICES_SERVER_H_
#define DENIER_SERVICES_SERVER_H_

#include <rocksdb/file_system.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/server_log.h"

namespace denier::services {

struct ServerOptions {
  std::string data_directory;
  bool initialize = false;  // allows a new log, and anchoring one whose anchor is gone

  // Where CreateBackup puts its backups; empty: nowhere. Best on another disk than the data.
  std::string backup_directory;

  // HOST:PORT; port 0: any free one.
  std::string listen = "127.0.0.1:7163";
  std::string metrics = "127.0.0.1:7164";  // "off": nowhere

  // Who calls is read from the call's metadata, unproven: on loopback only.
  bool development = false;
  // PEM files. Clients must show a certificate that an authority in tls_ca has signed.
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;

  // Commands are refused while the disk has less room than this.
  std::uint64_t min_free_bytes = std::uint64_t{256} << 20;
  // Commands waiting at most, beyond which they are answered OVERLOADED, and in one batch at most.
  std::size_t most_queued_commands = 20'000;
  std::size_t most_batch_commands = 5'000;
  // What calls in flight have to end, once the server stops.
  std::chrono::milliseconds grace = std::chrono::seconds(10);

  // PEM file of the key that signs checkpoints (store/checkpoint.h); empty: nothing is signed.
  std::string checkpoint_key;
  std::string log_name = "denier/log";
  // From an event to the checkpoint over it, at most.
  std::chrono::milliseconds checkpoint_delay = std::chrono::seconds(10);

  std::string log_file;  // empty: stderr

  // Microseconds since 1970 UTC. Required.
  std::function<std::int64_t()> now_us;

  // For tests: as in store::LogOptions.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  bool sync = true;
  bool use_anchor = true;
};

// A server that serves. Start, RequestStop and Wait from any thread.
class Server {
 public:
  enum class Ending {
    kAsked,      // in order
    kLogFailed,  // the log or the rows have failed: start again, clients repeat their requests
  };

  // Serves on return. `log` must outlive the server.
  // INVALID_ARGUMENT: options that do not go together, TLS files that cannot be read.
  // FAILED_PRECONDITION: an address is taken, another process has the data folder, or a newer
  //   program wrote it. NOT_FOUND, PERMISSION_DENIED, DATA_LOSS, UNAVAILABLE: as
  //   store::DataDirectory, store::Log and projections::Runner say. The message tells a person what
  //   to do.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       ServerLog& log);

  // Stops as RequestStop does, if nobody has waited for it.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // HOST:PORT with the port that was taken.
  const std::string& address() const;
  // Where /metrics is served; 0: nowhere.
  int metrics_port() const;
  // Last durable event; -1: none.
  std::int64_t head_position() const;

  // Returns at once.
  void RequestStop();

  // Waits for RequestStop or for a failure, then ends in order: health says NOT_SERVING, new
  // commands are refused (STOPPING), what is in flight is answered, rows are flushed, the anchor is
  // synced. Once.
  Ending Wait();

 private:
  class Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// The whole life of the process: serves until SIGTERM or SIGINT, prints
// "denierd ready on HOST:PORT (position N)" on stdout once it serves, and why it does not on
// stderr. Returns the exit code: 0 stopped in order, 1 could not start, 75 (EX_TEMPFAIL) the log
// has failed. Called from main, before there is another thread.
int RunServer(const ServerOptions& options);

}  // namespace denier::services

#endif  // DENIER_SERVICES_SERVER_H_
