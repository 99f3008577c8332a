#include "services/cli/completion.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "services/cli/values.h"

namespace denier::cli {
namespace {

// A word that may come next, and what it means.
struct Candidate {
  std::string word;
  std::string meaning;
};

// Words and options by the path of subcommands that they follow ("report outstanding").
struct Tree {
  std::map<std::string, std::vector<Candidate>> words;
  std::map<std::string, std::string> values;  // "path --option" -> "a b c"
  std::set<std::string> valued;               // options that take a value
};

void Walk(const CLI::App& app, const std::string& path, Tree* tree) {
  for (const CLI::App* sub : app.get_subcommands({})) {
    if (sub->get_group().empty()) continue;
    tree->words[path].push_back({sub->get_name(), sub->get_description()});
    Walk(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), tree);
  }
  for (const CLI::Option* option : app.get_options()) {
    const std::string type = option->get_option_text();
    for (const std::string& name : option->get_lnames()) {
      tree->words[path].push_back({"--" + name, option->get_description()});
      if (option->get_expected_max() > 0) tree->valued.insert("--" + name);
      if (type.find('|') != std::string::npos && type.find('=') == std::string::npos) {
        tree->values[path + " --" + name] = Replace(type, '|', ' ');
      }
    }
    if (option->get_positional() && type.find('|') != std::string::npos) {
      for (const std::string_view choice : Split(type, '|')) {
        tree->words[path].push_back({std::string(choice), ""});
      }
    }
  }
}

// For a single-quoted shell word.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Joined(const std::vector<Candidate>& candidates) {
  std::string joined;
  for (const Candidate& c : candidates) joined += (joined.empty() ? "" : " ") + c.word;
  return joined;
}

// The same function in bash and zsh: its arguments are the words before the cursor; sets `at`, the
// path of subcommands, and `previous`, an option that waits for its value.
std::string PathFunction(const Tree& tree) {
  std::string valued;
  for (const std::string& option : tree.valued) valued += (valued.empty() ? "" : "|") + option;
  std::string paths;
  for (const auto& [path, words] : tree.words) {
    if (!path.empty()) paths += (paths.empty() ? "" : "|") + Quoted(path);
  }
  return "_denier_path() {\n"
         "  local word; at='' previous=''\n"
         "  for word in \"$@\"; do\n"
         "    if [[ -n $previous ]]; then previous=''; continue; fi\n"
         "    case \"$word\" in\n"
         "      " +
         valued +
         ") previous=$word ;;\n"
         "      -*) ;;\n"
         "      *) case \"${at:+$at }$word\" in\n"
         "           " +
         paths +
         ") at=\"${at:+$at }$word\" ;;\n"
         "         esac ;;\n"
         "    esac\n"
         "  done\n"
         "}\n";
}

// The patterns of `path option` whose values are known; a general option's holds at every path.
std::string ValuePattern(const std::string& key) {
  return key.front() == ' ' ? "*" + Quoted(key) : Quoted(key);
}

std::string Bash(const Tree& tree) {
  std::string script = PathFunction(tree) +
                       "_denier() {\n"
                       "  local at previous words=''\n"
                       "  local current=${COMP_WORDS[COMP_CWORD]}\n"
                       "  _denier_path \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"\n"
                       "  if [[ -n $previous ]]; then\n"
                       "    case \"$at $previous\" in\n";
  for (const auto& [key, values] : tree.values) {
    script += "      " + ValuePattern(key) + ") words=" + Quoted(values) + " ;;\n";
  }
  script +=
      "      *) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
      "    esac\n"
      "  else\n"
      "    case \"$at\" in\n";
  for (const auto& [path, words] : tree.words) {
    script += "      " + Quoted(path) + ") words=" + Quoted(Joined(words)) + " ;;\n";
  }
  script +=
      "    esac\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}\n"
      "complete -o default -F _denier denier\n";
  return script;
}

std::string Zsh(const Tree& tree) {
  std::string script = "#compdef denier\n" + PathFunction(tree) +
                       "_denier() {\n"
                       "  local at previous; local -a candidates\n"
                       "  _denier_path \"${(@)words[2,CURRENT-1]}\"\n"
                       "  if [[ -n $previous ]]; then\n"
                       "    case \"$at $previous\" in\n";
  for (const auto& [key, values] : tree.values) {
    script += "      " + ValuePattern(key) + ") compadd -- " + values + " ;;\n";
  }
  script +=
      "      *) _files ;;\n"
      "    esac\n"
      "    return\n"
      "  fi\n"
      "  case \"$at\" in\n";
  for (const auto& [path, words] : tree.words) {
    script += "    " + Quoted(path) + ") candidates=(\n";
    for (const Candidate& c : words) {
      std::string meaning;
      for (const char ch : c.meaning)
        meaning += ch == ':' ? std::string("\\:") : std::string(1, ch);
      script += "      " + Quoted(meaning.empty() ? c.word : c.word + ":" + meaning) + "\n";
    }
    script += "    ) ;;\n";
  }
  script +=
      "  esac\n"
      "  _describe denier candidates || _files\n"
      "}\n"
      // Both ways in: as a file of $fpath, and sourced.
      "if [[ $funcstack[1] == _denier ]]; then _denier \"$@\"; else compdef _denier denier; fi\n";
  return script;
}

std::string Fish(const Tree& tree) {
  std::string script = "set -g __denier_paths";
  for (const auto& [path, words] : tree.words) {
    if (!path.empty()) script += " " + Quoted(path);
  }
  script +=
      "\n"
      "function __denier_at\n"
      "  set -l at\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    set -l longer (string join -- ' ' $at $word)\n"
      "    contains -- $longer $__denier_paths; and set at $longer\n"
      "  end\n"
      "  test \"$at\" = \"$argv[1]\"\n"
      "end\n";
  for (const auto& [path, candidates] : tree.words) {
    for (const Candidate& c : candidates) {
      const bool general = path.empty() && c.word.starts_with("--");
      script += "complete -c denier";
      if (!general) script += " -n " + Quoted("__denier_at " + Quoted(path));
      if (c.word.starts_with("--")) {
        const auto values = tree.values.find(path + " " + c.word);
        script += " -l " + c.word.substr(2);
        if (values != tree.values.end()) {
          script += " -x -a " + Quoted(values->second);
        } else if (tree.valued.contains(c.word)) {
          script += " -r";
        }
      } else {
        script += " -f -a " + Quoted(c.word);
      }
      if (!c.meaning.empty()) script += " -d " + Quoted(c.meaning);
      script += "\n";
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, const std::string& shell) {
  Tree tree;
  Walk(app, "", &tree);
  if (shell == "bash") return Bash(tree);
  if (shell == "zsh") return Zsh(tree);
  if (shell == "fish") return Fish(tree);
  return "";
}

}  // namespace denier::cli
