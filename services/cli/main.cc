// denier: the command-line client.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "services/cli/client.h"

namespace {

std::size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log lines would stand between ours; what matters comes back in the status.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  denier::cli::Client client(denier::cli::LangOf(argc, argv),
                             {.in = std::cin,
                              .out = std::cout,
                              .err = std::cerr,
                              .width = TerminalWidth(),
                              .progress = isatty(STDERR_FILENO) != 0});
  return client.Run(argc, argv);
}
