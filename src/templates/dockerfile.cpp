#include "templates/dockerfile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using Args = std::map<std::string, std::string>;

constexpr int kRefused = -1;

struct Flag {
  std::string_view instruction, name;
  int syntax;  ///< which brought it; 0: every builder knows it; `kRefused`
};

/// https://docs.docker.com/reference/dockerfile/ says of each since when it is.
constexpr Flag kFlags[]{
    {"FROM", "platform", 0},
    {"COPY", "from", 0},
    {"COPY", "chown", 0},
    {"COPY", "chmod", 102},
    {"COPY", "link", 104},
    {"COPY", "parents", 120},
    {"COPY", "exclude", 119},
    {"ADD", "chown", 0},
    {"ADD", "chmod", 102},
    {"ADD", "link", 104},
    {"ADD", "checksum", 106},
    {"ADD", "keep-git-dir", 106},
    {"ADD", "unpack", 117},
    {"ADD", "exclude", 119},
    {"RUN", "mount", 102},
    {"RUN", "network", 103},
    {"RUN", "security", kRefused},
    {"RUN", "device", kRefused},
    {"HEALTHCHECK", "interval", 0},
    {"HEALTHCHECK", "timeout", 0},
    {"HEALTHCHECK", "start-period", 0},
    {"HEALTHCHECK", "start-interval", 106},
    {"HEALTHCHECK", "retries", 0},
};

constexpr std::array<std::string_view, 18> kInstructions{
    "ADD",   "ARG",        "CMD",     "COPY", "ENTRYPOINT", "ENV",        "EXPOSE", "FROM",   "HEALTHCHECK",
    "LABEL", "MAINTAINER", "ONBUILD", "RUN",  "SHELL",      "STOPSIGNAL", "USER",   "VOLUME", "WORKDIR"};

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "amd64";
#else
constexpr std::string_view kArchitecture = "arm64";
#endif

/// What BuildKit says of the machine that builds, and of the one that it builds for, which are the same here.
Args platform_args() {
  Args out;
  for (const std::string side : {"BUILD", "TARGET"}) {
    out[side + "OS"] = "linux";
    out[side + "ARCH"] = kArchitecture;
    out[side + "VARIANT"] = "";
    out[side + "PLATFORM"] = fmt::format("linux/{}", kArchitecture);
  }
  return out;
}

std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

bool is_repository(std::string_view source) {
  source = source.substr(0, source.find('#'));
  return source.starts_with("git@") || source.starts_with("git://") || source.starts_with("ssh://") ||
         (source.starts_with("http") && source.ends_with(".git"));
}

class Reader {
 public:
  explicit Reader(const engine::BuildSpec& build)
      : build_(build), given_(build.args), target_(lower(build.target)), variables_(build.args) {}

  void instruction(const Instruction& one) {
    if (std::ranges::find(kInstructions, one.word) == kInstructions.end())
      return fail(one.line, fmt::format("\"{}\" is no instruction{}", printable(one.word),
                                        did_you_mean(one.word, std::span(kInstructions))));
    if (facts_.stages.empty() && one.word != "FROM" && one.word != "ARG")
      return fail(one.line, fmt::format("{} stands before the first FROM", one.word));
    const auto words = raw_words(one.rest);
    if (one.word == "FROM") from(one, words);
    if (behind_target_) return;
    variables_.take(one);
    check_flags(one);
    if (one.word == "ARG") arg(one, words);
    if (one.word == "RUN") ++facts_.runs;
    if (one.word == "LABEL") label(words);
    if (one.word == "RUN" || one.word == "COPY" || one.word == "ADD") copies(one);
    // A shell fills in its own.
    if (one.word != "RUN" && one.word != "CMD" && one.word != "ENTRYPOINT" && trims_variables(one.rest))
      need(one.line, 107, "a variable with #, % or /", one.word == "FROM" ? 0 : 107);
    if (!one.documents.empty()) need(one.line, 104, "a here-document", least_of(one));
    if (one.word == "ADD" && std::ranges::any_of(words, is_repository)) need(one.line, 106, "ADD of a repository");
  }

  DockerfileFacts take() {
    if (facts_.stages.empty() && facts_.fault.empty()) facts_.fault = "it has no FROM";
    return std::move(facts_);
  }

 private:
  void fail(int line, std::string why) {
    if (!facts_.fault.empty()) return;
    facts_.fault = std::move(why);
    facts_.fault_line = line;
  }

  void need(int line, int syntax, std::string what, int least) {
    facts_.needs.push_back({line, syntax, least, std::move(what)});
  }
  void need(int line, int syntax, std::string what) { need(line, syntax, std::move(what), syntax); }

  /// With which syntax `rewrite_dockerfile` can still say what the here-documents of an instruction say.
  int least_of(const Instruction& one) const {
    if (one.word == "ONBUILD") return 104;
    if (one.word == "RUN") {
      const HereDocument& first = one.documents.front();
      const auto begin = first.indent ? first.text.find_first_not_of('\t') : 0;
      const bool script = first.text.find("#!", begin) == begin && raw_words(one.rest).size() == 1;
      return script ? 102 : 0;
    }
    const bool known = std::ranges::all_of(one.documents, [this](const HereDocument& document) {
      return !document.name.contains('/') && (!document.expand || variables_.fill(document.text));
    });
    return known ? 0 : 104;
  }

  void check_flags(const Instruction& one) {
    for (const auto& flag : one.flags) {
      const std::string name = flag.substr(2, flag.find('=') == std::string::npos ? flag.size() : flag.find('=') - 2);
      const auto is_it = [&](const Flag& known) { return known.instruction == one.word && known.name == name; };
      const auto* const known = std::ranges::find_if(kFlags, is_it);
      const std::string what = fmt::format("{} --{}", one.word, printable(name));
      if (known == std::end(kFlags)) fail(one.line, fmt::format("there is no {}", what));
      else if (known->syntax == kRefused)
        fail(one.line, fmt::format("{} is refused: a build gets nothing of the host", what));
      else if (known->syntax > 0) need(one.line, known->syntax, what, name == "link" ? 0 : known->syntax);
    }
  }

  /// `LABEL a=b "c d"="e f"`
  void label(const std::vector<std::string_view>& words) {
    for (const auto word : words) {
      const auto equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      facts_.labels[std::string(unquote(word.substr(0, equals)))] = unquote(word.substr(equals + 1));
    }
  }

  void arg(const Instruction& one, const std::vector<std::string_view>& words) {
    static const Args kPlatform = platform_args();
    for (const auto word : words) {
      const auto equals = word.find('=');
      const std::string name(word.substr(0, equals));
      const auto given = given_.find(name);
      const auto platform = kPlatform.find(name);
      if (equals == std::string_view::npos && given == given_.end() && platform != kPlatform.end())
        need(one.line, 100, "ARG " + name);
      if (!facts_.stages.empty()) continue;  // of a stage, not of FROM lines
      if (given != given_.end()) known_[name] = given->second;
      else if (equals != std::string_view::npos) known_[name] = expand_args(unquote(word.substr(equals + 1)), known_);
    }
  }

  /// In FROM lines BuildKit knows its platform's names without an ARG.
  std::string expand_from(const Instruction& one, std::string_view text) {
    Args all = platform_args();
    for (const auto& [name, value] : all) {
      if (!known_.contains(name) && text.contains("$" + name)) need(one.line, 100, "$" + name + " in FROM");
      else if (!known_.contains(name) && text.contains("${" + name)) need(one.line, 100, "$" + name + " in FROM");
    }
    for (const auto& [name, value] : known_) all[name] = value;
    return expand_args(unquote(text), all);
  }

  void from(const Instruction& one, const std::vector<std::string_view>& words) {
    const std::size_t number = facts_.stages.size();
    const bool named = words.size() > 2 && lower(words[1]) == "as";
    const std::string name = named ? lower(words[2]) : std::string{};
    if (words.empty() || (words.size() > 1 && !named)) return fail(one.line, "it is FROM IMAGE or FROM IMAGE AS NAME");
    if (number > 0 && !target_.empty()) {
      const std::string& last = facts_.stages.back();
      behind_target_ = behind_target_ || last == target_ || std::to_string(number - 1) == target_;
    }
    if (!behind_target_) {
      const std::string image = expand_from(one, words[0]);
      if (image.empty())
        fail(one.line, fmt::format("FROM {} names no image; give its ARG a default", printable(words[0])));
      add(image);
      for (const auto& flag : one.flags) check_platform(one, flag);
      // A stage has the labels of the one that it starts from.
      if (number > 0) labels_of_[facts_.stages.back()] = std::exchange(facts_.labels, {});
      if (const auto below = labels_of_.find(lower(image)); below != labels_of_.end()) facts_.labels = below->second;
    }
    facts_.stages.push_back(name);
  }

  void check_platform(const Instruction& one, std::string_view flag) {
    if (!flag.starts_with("--platform=")) return;
    const std::string asked = lower(expand_from(one, flag.substr(11)));
    const std::string host = fmt::format("linux/{}", kArchitecture);
    if (asked.empty() || asked == "linux" || asked == host || asked.starts_with(host + "/")) return;
    fail(one.line, fmt::format("the platform \"{}\" is refused: the host is {}", printable(asked), host));
  }

  void copies(const Instruction& one) {
    for (const std::string_view flag : one.flags) {
      if (flag.starts_with("--from=")) add(expand_args(unquote(flag.substr(7)), known_));
      if (!flag.starts_with("--mount=")) continue;
      for (const auto part : split(unquote(flag.substr(8)), ',')) {
        if (part.starts_with("from=")) add(expand_args(unquote(part.substr(5)), known_));
      }
      if (const auto wish = secret_wish(flag)) secret(one, *wish);
    }
  }

  void secret(const Instruction& one, const SecretWish& wish) {
    const bool there = build_.secrets.contains(wish.id);
    if (there && wish.as_variable)
      fail(one.line, fmt::format("the secret {0} as a variable cannot be had; leave env= out and write X=$(cat "
                                 "/run/secrets/{0}) in the command",
                                 printable(wish.id)));
    if (!there && wish.required)
      fail(one.line,
           fmt::format("the build needs the secret {0}, and there is none: write secrets: [{0}] in its `build`, and "
                       "secrets: {{{0}: {{file: ./{0}}}}} in the compose file",
                       printable(wish.id)));
  }

  void add(const std::string& image) {
    if (const auto named = build_.contexts.find(lower(image)); named != build_.contexts.end()) {
      if (!named->second.starts_with('/')) add_image(named->second);
      return;
    }
    if (image.empty() || lower(image) == "scratch" || parse_integer(image)) return;
    if (std::ranges::find(facts_.stages, lower(image)) != facts_.stages.end()) return;
    add_image(image);
  }

  void add_image(const std::string& image) {
    if (std::ranges::find(facts_.bases, image) == facts_.bases.end()) facts_.bases.push_back(image);
  }

  const engine::BuildSpec& build_;
  const Args& given_;
  const std::string target_;
  Args known_;
  DockerfileFacts facts_;
  StageVariables variables_;
  std::map<std::string, std::map<std::string, std::string>> labels_of_;  // by stage
  bool behind_target_ = false;
};

}  // namespace

std::string_view engine_of_syntax(int syntax) {
  if (syntax <= 100) return "Docker 18.09";
  if (syntax <= 102) return "Docker 20.10";
  if (syntax <= 104) return "Docker 23";
  if (syntax <= 106) return "Docker 25";
  if (syntax <= 114) return "Docker 28";
  return "Docker 29";
}

std::optional<SecretWish> secret_wish(std::string_view flag) {
  if (!flag.starts_with("--mount=")) return std::nullopt;
  SecretWish wish;
  bool secret = false;
  for (const auto part : split(unquote(flag.substr(8)), ',')) {
    const auto value = [&](std::string_view key) { return std::string(unquote(part.substr(key.size()))); };
    secret = secret || part == "type=secret" || part == "type=ssh";
    if (part.starts_with("id=")) wish.id = value("id=");
    for (const std::string_view key : {"target=", "dst=", "destination="}) {
      if (part.starts_with(key)) wish.target = value(key);
    }
    wish.required = wish.required || part == "required" || part == "required=true";
    wish.as_variable = wish.as_variable || part.starts_with("env=");
  }
  if (!secret) return std::nullopt;
  if (wish.id.empty()) wish.id = wish.target.substr(wish.target.rfind('/') + 1);
  if (wish.id.empty()) wish.id = "default";  // that of an SSH agent
  if (wish.target.empty()) wish.target = "/run/secrets/" + wish.id;
  return wish;
}

DockerfileFacts read_dockerfile(std::string_view text, const engine::BuildSpec& build) {
  const DockerfileText cut = cut_dockerfile(text);
  if (!cut.fault.empty()) {
    DockerfileFacts facts;
    facts.fault = cut.fault;
    facts.fault_line = cut.fault_line;
    return facts;
  }
  Reader reader(build);
  for (const auto& one : cut.instructions) reader.instruction(one);
  return reader.take();
}

}  // namespace tiltyard::templates
