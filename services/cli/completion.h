// Shell completion, written from the command tree itself.
#ifndef DENIER_SERVICES_CLI_COMPLETION_H_
#define DENIER_SERVICES_CLI_COMPLETION_H_

#include <string>

namespace CLI {
class App;
}

namespace denier::cli {

// A script for "bash", "zsh" or "fish" that completes subcommands, options, and values where an
// option has a few fixed ones. Any other shell: empty.
std::string CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_COMPLETION_H_
