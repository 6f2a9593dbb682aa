#include "templates/dockerfile_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "engine/ignore.h"
#include "templates/dockerfile.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

namespace json = boost::json;

constexpr std::string_view kContext = "context", kTexts = "texts";
constexpr int kLink = 104, kHereDocument = 104, kTrimmed = 107;

bool is_letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string without_tabs(std::string_view text) {
  std::string out;
  bool begin = true;
  for (const char c : text) {
    if (begin && c == '\t') continue;
    begin = c == '\n';
    out += c;
  }
  return out;
}

std::string json_list(const std::vector<std::string>& words) {
  json::array out;
  for (const auto& word : words) out.emplace_back(word);
  return json::serialize(out);
}

bool is_remote(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://") || source.starts_with("git@") ||
         source.starts_with("git://") || source.starts_with("ssh://");
}

/// "./a", "/a" and "../a" are all the context's own "a".
std::string below_context(std::string_view source, std::string_view context = kContext) {
  std::string_view rest = source;
  const bool quoted = rest.starts_with('"') || rest.starts_with('\'');
  if (quoted) rest.remove_prefix(1);
  while (true) {
    if (rest.starts_with('/')) rest.remove_prefix(1);
    else if (rest.starts_with("./")) rest.remove_prefix(2);
    else if (rest.starts_with("../")) rest.remove_prefix(3);
    else break;
  }
  if (rest == "." || rest == "..") rest = "";
  return fmt::format("{}{}/{}", quoted ? source.substr(0, 1) : "", context, rest);
}

class Rewriter {
 public:
  Rewriter(std::string_view text, int syntax, engine::BuildSpec& spec)
      : cut_(cut_dockerfile(text)), syntax_(syntax), spec_(spec), variables_(spec.args) {
    for (auto line : split(text, '\n')) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      lines_.emplace_back(line);
    }
  }

  void rewrite() {
    directives();
    for (const auto& one : cut_.instructions) {
      if (one.word == "FROM") from(one);
      variables_.take(one);
      if (one.word == "FROM") shell_ = {"/bin/sh", "-c"};
      if (one.word == "SHELL") shell_ = json_words(one.rest).value_or(shell_);
      if (one.word == "COPY" || one.word == "ADD") copy(one);
      if (one.word == "RUN") run(one);
    }
    std::string out;
    for (const auto& line : lines_) out += line + "\n";
    spec_.dockerfile_text = std::move(out);
    spec_.below = kContext;
    std::erase_if(spec_.args, [](const auto& arg) { return arg.first.starts_with("BUILDKIT_"); });
  }

 private:
  /// What follows a comment is no directive any more, so one that stays moves up.
  void directives() {
    if (cut_.syntax_line == 0) return;
    std::string& line = lines_[static_cast<std::size_t>(cut_.syntax_line - 1)];
    line = "# the engine's own front end reads this";
    if (cut_.escape_line > cut_.syntax_line) std::swap(line, lines_[static_cast<std::size_t>(cut_.escape_line - 1)]);
  }

  /// What a name stands for besides stages; nullptr: nothing.
  const std::string* named(std::string_view name) const {
    const auto found = spec_.contexts.find(lower(name));
    return found == spec_.contexts.end() ? nullptr : &found->second;
  }

  void from(const Instruction& one) {
    const auto words = raw_words(one.rest);
    if (words.empty()) return;
    const std::string* to = named(variables_.fill_from(words[0]));
    const bool older = trims_variables(words[0]) && syntax_ < kTrimmed;
    if (!to && !older) return;
    std::string rest(trim(std::string_view(one.rest).substr(words[0].size())));
    if (!to) return put(one, one.flags, variables_.fill_from(words[0]) + " " + rest);
    if (!to->starts_with('/')) return put(one, one.flags, *to + " " + rest);
    put(one, {}, "scratch " + rest);
    // It is the whole of such a stage.
    lines_[static_cast<std::size_t>(one.line - 1)] +=
        fmt::format("\nCOPY {}/ /", engine::named_folder(lower(variables_.fill_from(words[0]))));
  }

  void put(const Instruction& one, const std::vector<std::string>& flags, const std::string& rest) {
    std::string line = one.word;
    for (const auto& flag : flags) line += " " + flag;
    lines_[static_cast<std::size_t>(one.line - 1)] = line + " " + rest;
    for (int number = one.line; number < one.last; ++number) lines_[static_cast<std::size_t>(number)].clear();
  }

  std::vector<std::string> flags_of(const Instruction& one) const {
    std::vector<std::string> out;
    for (const auto& flag : one.flags) {
      const bool link = flag == "--link" || flag.starts_with("--link=");
      if (!link || syntax_ >= kLink) out.push_back(flag);
    }
    return out;
  }

  /// Sends a text beside the context, in a folder of its own, under the name that its here-document has.
  std::string send(const HereDocument& document, std::string text, int mode) {
    const std::string path = fmt::format("{}/{}/{}", kTexts, spec_.texts.size() + 1, document.name);
    spec_.texts.push_back({path, std::move(text), mode});
    return path;
  }

  void copy(const Instruction& one) {
    auto flags = flags_of(one);
    bool elsewhere = false;
    std::string context(kContext);
    for (auto& flag : flags) {
      if (!flag.starts_with("--from=")) continue;
      const std::string name = flag.substr(7);
      const std::string* to = named(name);
      elsewhere = !to || !to->starts_with('/');
      if (to && elsewhere) flag = "--from=" + *to;
      else if (to) context = engine::named_folder(lower(name)), flag.clear();
    }
    std::erase(flags, "");
    const auto listed = json_words(one.rest);
    std::vector<std::string> words;
    if (listed) words = *listed;
    else
      for (const auto word : raw_words(one.rest)) words.emplace_back(word);
    const bool keeps = !one.documents.empty() && syntax_ >= kHereDocument;
    std::size_t document = 0;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      const bool here = !listed && document < one.documents.size() && words[i].contains("<<");
      if (here && !keeps) {
        const HereDocument& from = one.documents[document];
        std::string text = from.indent ? without_tabs(from.text) : from.text;
        if (from.expand) text = variables_.fill(text).value_or("");
        words[i] = send(from, std::move(text), 0644);
      } else if (!here && !elsewhere && !(one.word == "ADD" && is_remote(words[i]))) {
        words[i] = below_context(words[i], context);
      }
      document += here ? 1 : 0;
    }
    std::string rest;
    for (const auto& word : words) rest += (rest.empty() ? "" : " ") + word;
    if (keeps) put_with_documents(one, flags, rest);
    else put(one, flags, listed ? json_list(words) : rest);
  }

  /// The here-documents stay as they are, behind one line in place of the instruction's own.
  void put_with_documents(const Instruction& one, const std::vector<std::string>& flags, const std::string& rest) {
    int bodies = 0;
    for (const auto& document : one.documents) bodies += 1 + static_cast<int>(std::ranges::count(document.text, '\n'));
    Instruction head = one;
    head.last = one.last - bodies;
    // A line that is empty would belong to the first body: the head moves to the last of its own lines instead.
    for (int number = one.line; number < head.last; ++number) lines_[static_cast<std::size_t>(number - 1)].clear();
    head.line = head.last;
    put(head, flags, rest);
  }

  void run(const Instruction& one) {
    auto flags = flags_of(one);
    for (auto& flag : flags) {
      if (const auto wish = secret_wish(flag)) secret(*wish, flag);
      else mount(flag);
    }
    std::erase(flags, "");
    if (one.documents.empty() || syntax_ >= kHereDocument) {
      if (flags == one.flags) return;  // nothing to say in other words
      if (one.documents.empty()) put(one, flags, one.rest);
      else put_with_documents(one, flags, one.rest);
      return;
    }
    const HereDocument& first = one.documents.front();
    const bool alone = raw_words(one.rest).size() == 1;
    std::string command = one.rest;
    if (alone) {
      command = first.indent ? without_tabs(first.text) : first.text;
    } else {
      for (const auto& document : one.documents) command += "\n" + document.text + document.name;
    }
    if (alone && command.starts_with("#!")) {
      const std::string path = send(first, command, 0755);
      flags.push_back(fmt::format("--mount=type=bind,source={},target=/dev/pipes", folder_of(path)));
      command = "/dev/pipes/" + first.name;
    }
    auto words = shell_;
    words.push_back(std::move(command));
    put(one, flags, json_list(words));
  }

  static std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

  /// What a secret says lies beside the context, and is mounted from there for that step alone. One that nobody gives
  /// is not there, as BuildKit has it.
  void secret(const SecretWish& wish, std::string& flag) {
    const auto given = spec_.secrets.find(wish.id);
    flag.clear();
    if (given == spec_.secrets.end()) return;
    const std::string path = "secrets/" + wish.id;
    if (std::ranges::find(spec_.texts, path, &engine::BuildText::path) == spec_.texts.end())
      spec_.texts.push_back({path, given->second, 0400});
    flag = fmt::format("--mount=type=bind,source={},target={}", path, wish.target);
  }

  /// A mount of the context's files looks where they are now.
  void mount(std::string& flag) const {
    if (!flag.starts_with("--mount=")) return;
    const auto parts = split(std::string_view(flag).substr(8), ',');
    const std::string* to = nullptr;
    std::string context(kContext);
    bool bind = true, elsewhere = false, source = false;
    for (const auto part : parts) {
      bind = bind && (!part.starts_with("type=") || part == "type=bind");
      if (!part.starts_with("from=")) continue;
      to = named(part.substr(5));
      elsewhere = !to || !to->starts_with('/');
      if (!elsewhere) context = engine::named_folder(lower(part.substr(5)));
    }
    if (elsewhere && !to) return;
    if (!bind && !to) return;
    std::string out;
    for (const auto part : parts) {
      std::string said(part);
      if (part.starts_with("from=")) {
        if (!elsewhere) continue;
        said = "from=" + *to;
      }
      for (const std::string_view key : {"source=", "src="}) {
        if (elsewhere || !part.starts_with(key)) continue;
        source = true;
        said = std::string(key) + below_context(part.substr(key.size()), context);
      }
      out += (out.empty() ? "" : ",") + said;
    }
    flag = "--mount=" + out + (source || elsewhere ? std::string{} : fmt::format(",source={}", context));
  }

  DockerfileText cut_;
  int syntax_;
  engine::BuildSpec& spec_;
  StageVariables variables_;
  std::vector<std::string> lines_;
  std::vector<std::string> shell_{"/bin/sh", "-c"};
};

}  // namespace

void StageVariables::take(const Instruction& one) {
  const auto words = raw_words(one.rest);
  const auto plain = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c != '"' && c != '\'') out += c;
    }
    return out;
  };
  if (one.word == "FROM") {
    if (number_ >= 0) stages_[name_.empty() ? std::to_string(number_) : name_] = now_;
    ++number_;
    name_ = words.size() > 2 ? lower(words[2]) : std::string{};
    const auto below = words.empty() ? stages_.end() : stages_.find(lower(words[0]));
    now_ = below == stages_.end() ? std::map<std::string, std::string>{} : below->second;
    return;
  }
  auto& into = number_ < 0 ? outside_ : now_;
  if (one.word == "ENV" && words.size() > 1 && !words[0].contains('=')) {  // the old form: ENV NAME the rest
    into[std::string(words[0])] = expand_args(trim(std::string_view(one.rest).substr(words[0].size())), into);
    return;
  }
  if (one.word != "ENV" && one.word != "ARG") return;
  for (const auto word : words) {
    const auto equals = word.find('=');
    const std::string name(word.substr(0, equals));
    const auto given = given_.find(name);
    const auto outside = outside_.find(name);
    if (one.word == "ARG" && given != given_.end()) into[name] = given->second;
    else if (equals != std::string_view::npos) into[name] = expand_args(plain(word.substr(equals + 1)), into);
    else if (outside != outside_.end()) into[name] = outside->second;
  }
}

std::string StageVariables::fill_from(std::string_view word) const {
  if (word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
    word = word.substr(1, word.size() - 2);
  return expand_args(word, outside_);
}

std::optional<std::string> StageVariables::fill(std::string_view text) const {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    if (c == '\\' && text.size() > 1) {
      out += text[1];
      text.remove_prefix(2);
      continue;
    }
    if (c != '$' || text.size() == 1) {
      out += c;
      text.remove_prefix(1);
      continue;
    }
    const bool brace = text[1] == '{';
    std::string_view name = text.substr(brace ? 2 : 1);
    std::size_t end = 0;
    while (end < name.size() && (is_letter(name[end]) || (end > 0 && name[end] >= '0' && name[end] <= '9'))) ++end;
    name = name.substr(0, end);
    if (name.empty() && !brace && !std::string_view("0123456789@*#?-!$").contains(text[1])) {
      out += c;  // "$(" and the like are no variables
      text.remove_prefix(1);
      continue;
    }
    if (name.empty() || !now_.contains(std::string(name))) return std::nullopt;
    const auto close = brace ? text.find('}') : 1 + name.size() - 1;
    if (close == std::string_view::npos || (brace && text.substr(2, close - 2).contains("${"))) return std::nullopt;
    out += expand_args(text.substr(0, close + 1), now_);
    text.remove_prefix(close + 1);
  }
  return out;
}

void rewrite_dockerfile(std::string_view text, int syntax, engine::BuildSpec& spec) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Rewriter(text, syntax, spec).rewrite();
  const auto facts = read_dockerfile(text, spec);
  spec.buildkit = std::ranges::any_of(
      facts.needs, [syntax](const BuildNeed& need) { return need.least > 0 || need.syntax <= syntax; });
}

}  // namespace tiltyard::templates
