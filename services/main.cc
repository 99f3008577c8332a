// denierd: reads its flags, and leaves the rest to server.h.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "absl/synchronization/mutex.h"
#include "services/admin_service.h"
#include "services/server.h"

int main(int argc, char** argv) {
  denier::services::ServerOptions options;
  std::uint64_t min_free_mib = options.min_free_bytes >> 20;
  std::chrono::seconds::rep checkpoint_seconds = 10;

  CLI::App app(
      "denierd keeps the books of delegated State credits: an event log on disk, and gRPC services "
      "over it.",
      "denierd");
  app.set_version_flag("--version", std::string("denierd ") + denier::services::ServerVersion());
  app.add_option("--data", options.data_directory, "Data folder")->required()->type_name("DIR");
  app.add_flag("--init", options.initialize,
               "Allow a new, empty log, and a log whose anchor is gone");
  app.add_option("--backup-dir", options.backup_directory,
                 "Folder for the backups that `denier backup create` asks for")
      ->type_name("DIR");
  app.add_option("--listen", options.listen, "Address of the API; port 0: any free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--metrics", options.metrics, "Address of /metrics, or off")
      ->type_name("HOST:PORT|off")
      ->capture_default_str();
  app.add_flag("--development", options.development,
               "Believe the principal in a call's metadata; loopback only");
  app.add_option("--tls-ca", options.tls_ca, "Authorities that sign clients' certificates (PEM)")
      ->type_name("FILE");
  app.add_option("--tls-cert", options.tls_certificate, "Certificate of this server (PEM)")
      ->type_name("FILE");
  app.add_option("--tls-key", options.tls_key, "Its key (PEM)")->type_name("FILE");
  app.add_option("--min-free-mib", min_free_mib,
                 "Refuse commands while the disk has less room than this")
      ->type_name("MIB")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
      ->capture_default_str();
  app.add_option("--checkpoint-key", options.checkpoint_key,
                 "Key that signs how far the log has got (PEM, Ed25519)")
      ->type_name("FILE");
  app.add_option("--log-name", options.log_name, "Name of the log in what is signed")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--checkpoint-seconds", checkpoint_seconds, "Sign at most so long after an event")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--log-file", options.log_file, "JSON lines go here instead of stderr")
      ->type_name("FILE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // Debian builds Abseil as for debugging: gRPC's locks, each time, would have their order
  // compared.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  options.min_free_bytes = min_free_mib << 20;
  options.checkpoint_delay = std::chrono::seconds(checkpoint_seconds);
  options.now_us = [] {
    return std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count()};
  };
  return denier::services::RunServer(options);
}
