#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "templates/model.h"

namespace tiltyard::templates {

/// A text that stands in the Dockerfile itself: `COPY <<EOF /x`.
struct HereDocument {
  std::string name;     ///< the delimiter, without its quotes
  std::string text;     ///< the lines between, as they stand
  bool expand = true;   ///< no part of the delimiter was quoted
  bool indent = false;  ///< `<<-`: tabs at the beginning of its lines do not count
};

/// One instruction, its continuation lines joined and comments taken out.
struct Instruction {
  int line = 0, last = 0;          ///< its lines, from 1; `last` is that of its last here-document
  std::string word;                ///< "COPY"
  std::vector<std::string> flags;  ///< "--from=build"
  std::string rest;
  std::vector<HereDocument> documents;
};

/// A Dockerfile cut into instructions, as BuildKit's parser does it. https://docs.docker.com/reference/dockerfile/
struct DockerfileText {
  std::vector<Instruction> instructions;
  char escape = '\\';
  int syntax_line = 0, escape_line = 0;  ///< of the `# syntax=` and `# escape=` directives; 0: there is none
  std::string fault;                     ///< why it cannot be one; empty: none found
  int fault_line = 0;
};

DockerfileText cut_dockerfile(std::string_view text);

/// The words of a line as a shell's: quotes and backslashes keep blanks together, and are kept themselves.
std::vector<std::string_view> raw_words(std::string_view line);
/// `["a", "b"]`; nullopt: it is no list of texts in JSON.
std::optional<std::vector<std::string>> json_words(std::string_view text);
/// `$NAME`, `${NAME}` and the forms with `:-`, `-`, `:+`, `+`; what is not known is empty, as the builder has it.
std::string expand_args(std::string_view text, const std::map<std::string, std::string>& args);

/// Whether it has variables with `#`, `%` or `/` behind their names, which Dockerfile syntax 1.7 brought.
bool trims_variables(std::string_view text);

/// "Docker 23": the engine that came with this syntax.
std::string_view engine_of_syntax(int syntax);

/// What ARG and ENV have said so far in each stage. What the image below has in its environment is not known here.
class StageVariables {
 public:
  explicit StageVariables(const std::map<std::string, std::string>& given) : given_(given) {}
  void take(const Instruction& one);
  /// A word of a FROM line, with what stands before the first one filled in.
  std::string fill_from(std::string_view word) const;
  /// The text of a here-document of COPY as the builder fills it in; nothing where it needs what is not known here.
  std::optional<std::string> fill(std::string_view text) const;

 private:
  const std::map<std::string, std::string>& given_;
  std::map<std::string, std::string> outside_, now_;  ///< before the first FROM; of this stage
  std::map<std::string, std::map<std::string, std::string>> stages_;
  std::string name_;
  int number_ = -1;
};

/// What a Dockerfile starts from and copies from, as far as `target` needs it.
struct DockerfileFacts {
  std::vector<std::string> bases;             ///< image references, without stages and `scratch`, each once
  std::vector<std::string> stages;            ///< names, in order; an unnamed one is empty
  std::vector<BuildNeed> needs;               ///< beyond what the classic builder knows
  std::map<std::string, std::string> labels;  ///< of the stage that is built
  int runs = 0;                               ///< RUN instructions: roughly how long a build takes
  std::string fault;                          ///< why it cannot be built; empty: none found
  int fault_line = 0;                         ///< 0: the whole file
};

DockerfileFacts read_dockerfile(std::string_view text, const engine::BuildSpec& build);
/// The id of a secret that a step asks for; nullopt: it asks for none.
struct SecretWish {
  std::string id, target;
  bool required = false, as_variable = false;
};
std::optional<SecretWish> secret_wish(std::string_view flag);

}  // namespace tiltyard::templates
