// farm.toml: read and checked as a whole.
#include "farm/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "farm/format.h"
#include "farm/toml_json.h"

namespace tiltyard::farm {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr std::size_t kMostTeams = 4096;
constexpr std::size_t kLongestFile = 1024 * 1024;

/// What the known juries take in one call, and how many calls each second; see docs/farm.md for where it is from.
struct KnownJury {
  std::string_view protocol;
  std::size_t batch;
  double calls_per_second;
};
constexpr std::array kKnownJuries = {
    KnownJury{"forcad_http", 100, 2}, KnownJury{"hackerdom", 200, 0},  KnownJury{"faust", 500, 0},
    KnownJury{"enowars", 500, 0},     KnownJury{"saarctf", 500, 0},    KnownJury{"ccit", 1000, 20.0 / 60},
    KnownJury{"themis", 25, 0},       KnownJury{"forcad_tcp", 100, 0},
};

std::unexpected<Error> invalid(const toml::node* node, std::string message) {
  Error error{Code::kInvalid, reason::kConfigInvalid, std::move(message), {}, {}};
  if (node != nullptr && node->source().begin.line > 0) error.with("line", std::to_string(node->source().begin.line));
  return fail(std::move(error));
}

/// "300", "5m", "90s", "250ms", "2h", or a number of seconds.
std::optional<milliseconds> duration_of(const toml::node& node) {
  if (const auto seconds = node.value<double>(); seconds && node.is_number()) {
    if (!(*seconds >= 0 && *seconds <= 1e7)) return std::nullopt;
    return milliseconds{static_cast<std::int64_t>(*seconds * 1000)};
  }
  const auto text = node.value<std::string>();
  if (!text) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || !(number >= 0 && number <= 1e7)) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
  const double factor = unit == "ms"                   ? 1
                        : unit.empty() || unit == "s"  ? 1000
                        : unit == "m" || unit == "min" ? 60'000
                        : unit == "h"                  ? 3'600'000
                                                       : -1;
  if (factor < 0) return std::nullopt;
  return milliseconds{static_cast<std::int64_t>(number * factor)};
}

/// One table of the file with the keys that it may have; the first thing that is wrong is remembered.
class Section {
 public:
  Section(const toml::table* table, std::string name, std::optional<Error>& failure)
      : table_(table), name_(std::move(name)), failure_(failure) {}

  void text(std::string_view key, std::string& into) {
    const auto* node = take(key);
    if (node == nullptr) return;
    if (const auto value = node->value<std::string>(); value && node->is_string()) into = *value;
    else wrong(node, key, "a text");
  }
  void secret(std::string_view key, Secret& into) {
    std::string value;
    text(key, value);
    if (!value.empty()) into = Secret(std::move(value));
  }
  void duration(std::string_view key, milliseconds& into, milliseconds least, milliseconds most) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = duration_of(*node);
    if (value && *value >= least && *value <= most) into = *value;
    else
      wrong(
          node, key,
          fmt::format("a time from {} ms to {} s, such as \"90s\", \"5m\" or 300", least.count(), most.count() / 1000));
  }
  template <class Number>
  void number(std::string_view key, Number& into, double least, double most) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value<double>();
    const bool whole = !std::is_integral_v<Number> || node->is_integer();
    if (value && node->is_number() && whole && *value >= least && *value <= most) into = static_cast<Number>(*value);
    else wrong(node, key, fmt::format("a number from {} to {}", least, most));
  }
  void texts(std::string_view key, std::vector<std::string>& into) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return wrong(node, key, "a list of texts");
    into.clear();
    for (const auto& item : *array) {
      if (!item.is_string()) return wrong(&item, key, "a list of texts");
      into.push_back(*item.value<std::string>());
    }
  }
  const toml::node* take(std::string_view key) {
    known_.insert(std::string(key));
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  const toml::table* table(std::string_view key) {
    const auto* node = take(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) wrong(node, key, "a section");
    return node->as_table();
  }
  /// What is left is a mistake, and often the cause of another that was found before.
  void end() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      if (known_.contains(std::string(key.str()))) continue;
      std::string list;
      for (const auto& name : known_) list += (list.empty() ? "" : ", ") + name;
      failure_ = invalid(&node, fmt::format("Unknown key '{}{}'; known are {}.", name_.empty() ? "" : name_ + ".",
                                            std::string(key.str()), list))
                     .error();
      return;
    }
  }
  void set(std::unexpected<Error> error) {
    if (!failure_) failure_ = std::move(error.error());
  }
  void wrong(const toml::node* node, std::string_view key, std::string_view wanted) {
    set(invalid(node, fmt::format("'{}{}' must be {}.", name_.empty() ? "" : name_ + ".", key, wanted)));
  }

 private:
  const toml::table* table_;
  std::string name_;
  std::optional<Error>& failure_;
  std::set<std::string> known_;
};

Result<> add_teams(const toml::node& node, std::string_view name, std::string_view address, std::vector<Team>& teams) {
  auto addresses = expand(address);
  if (!addresses) return invalid(&node, addresses.error().message);
  auto names = name.empty() ? Result<std::vector<std::string>>(std::vector<std::string>{}) : expand(name);
  if (!names) return invalid(&node, names.error().message);
  if (!name.empty() && names->size() != addresses->size()) {
    return invalid(&node, fmt::format("'{}' stands for {} names and '{}' for {} addresses.", name, names->size(),
                                      address, addresses->size()));
  }
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    auto& at = (*addresses)[i];
    if (at.empty() || at.size() > 253 || at.find_first_of(" \t\r\n\"'") != std::string::npos)
      return invalid(&node, fmt::format("'{}' is no address of a team.", at));
    teams.push_back({name.empty() ? fmt::format("Team #{}", teams.size() + 1) : (*names)[i], std::move(at)});
  }
  if (teams.size() > kMostTeams) return invalid(&node, fmt::format("There are more than {} teams.", kMostTeams));
  return {};
}

/// A list of addresses and patterns, or a section of names to addresses.
Result<> read_teams(const toml::node& node, std::vector<Team>& teams) {
  if (const auto* array = node.as_array()) {
    for (const auto& item : *array) {
      if (!item.is_string())
        return invalid(
            &item,
            "'teams' must be a list of addresses, such as [\"10.60.{1..30}.1\"], or a section of names to addresses.");
      if (auto added = add_teams(item, {}, *item.value<std::string>(), teams); !added) return added;
    }
  } else if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      if (!value.is_string())
        return invalid(&value,
                       fmt::format("'teams.{}' must be an address or a pattern of addresses.", std::string(key.str())));
      if (auto added = add_teams(value, key.str(), *value.value<std::string>(), teams); !added) return added;
    }
  } else {
    return invalid(
        &node,
        "'teams' must be a list of addresses, such as [\"10.60.{1..30}.1\"], or a section of names to addresses.");
  }
  std::set<std::string_view> names, addresses;
  for (const auto& team : teams) {
    if (!names.insert(team.name).second) return invalid(&node, fmt::format("Two teams are named '{}'.", team.name));
    if (!addresses.insert(team.address).second)
      return invalid(&node, fmt::format("Two teams have the address '{}'.", team.address));
  }
  return {};
}

void read_jury(Section section, const toml::table* table, Jury& jury) {
  if (table == nullptr)
    return section.set(invalid(nullptr,
                               "The section [jury] is missing: it says where flags are handed in, beginning with "
                               "protocol = \"forcad_http\"."));
  section.text("protocol", jury.protocol);
  if (jury.protocol.empty())
    return section.set(
        invalid(table, "'jury.protocol' is missing, such as \"forcad_http\", \"faust\" or \"saarctf\"."));
  const auto known = std::ranges::find(kKnownJuries, jury.protocol, &KnownJury::protocol);
  if (known != kKnownJuries.end()) {
    jury.batch = known->batch;
    jury.calls_per_second = known->calls_per_second;
  }
  section.number("batch", jury.batch, 1, 10'000);
  section.number("calls_per_second", jury.calls_per_second, 0, 100'000);
  section.number("flags_per_second", jury.flags_per_second, 0, 10'000'000);
  // The rest is for the senders, who know what the protocol needs.
  jury.settings = to_json(*table);
}

void read_attack(Section section, const toml::table* table, AttackSource& attack) {
  if (table == nullptr) return;
  section.text("format", attack.format);
  section.text("url", attack.url);
  section.text("teams_url", attack.teams_url);
  section.text("credentials_url", attack.credentials_url);
  section.secret("token", attack.token);
  section.duration("period", attack.period, 500ms, 1h);
  section.duration("timeout", attack.timeout, 100ms, 60s);
  section.duration("stale_after", attack.stale_after, 1s, 24h);
  section.texts("services", attack.services);
  section.end();
  static constexpr std::array kFormats = {"forcad", "faust", "saarctf", "enowars", "ccit", "hackerdom"};
  if (std::ranges::find(kFormats, attack.format) == kFormats.end()) {
    return section.set(
        invalid(table, "'attack_data.format' must be forcad, faust, saarctf, enowars, ccit or hackerdom."));
  }
  for (const auto& [name, url] : {std::pair{"url", &attack.url},
                                  {"teams_url", &attack.teams_url},
                                  {"credentials_url", &attack.credentials_url}}) {
    const bool http = url->starts_with("http://") || url->starts_with("https://");
    if (!http && !(url->empty() && name != std::string_view("url")))
      return section.set(
          invalid(table, fmt::format("'attack_data.{}' must be an address with http:// or https://.", name)));
  }
}

void read_services(Section& root, std::map<std::string, std::string, std::less<>>& services) {
  const auto* table = root.table("services");
  if (table == nullptr) return;
  for (const auto& [key, value] : *table) {
    if (!value.is_string())
      return root.wrong(&value, "services", "a section of sploits (a last * stands for anything) to services");
    services.emplace(key.str(), *value.value<std::string>());
  }
}

void read_root(const toml::table& table, Config& config, std::optional<Error>& failure) {
  Section root(&table, "", failure);
  std::string format;
  root.text("flag_format", format);
  auto made = FlagFormat::make(format);
  if (made) config.format = std::move(*made);
  else root.set(invalid(table.get("flag_format"), made.error().message));
  config.flag_lifetime = 5min;
  root.duration("flag_lifetime", config.flag_lifetime, 1s, 7 * 24h);
  config.submit_period = 2s;
  root.duration("submit_period", config.submit_period, 0ms, 1h);
  config.lease_time = 30s;
  root.duration("lease_time", config.lease_time, 100ms, 1h);
  config.retry_after = 5s;
  root.duration("retry_after", config.retry_after, 0ms, 1h);
  config.keep_days = 7;
  root.number("keep_days", config.keep_days, 1, 3650);
  root.secret("token", config.token);
  if (!config.token.empty() && config.token.reveal().size() < 6)
    root.wrong(table.get("token"), "token", "at least 6 characters long");
  if (const auto* teams = root.take("teams")) {
    if (auto read = read_teams(*teams, config.teams); !read) root.set(std::unexpected(std::move(read.error())));
  }
  read_services(root, config.services);
  const auto* jury = root.table("jury");
  read_jury(Section(jury, "jury", failure), jury, config.jury);
  const auto* attack = root.table("attack_data");
  read_attack(Section(attack, "attack_data", failure), attack, config.attack);
  if (const auto* senders = root.table("senders")) {
    Section section(senders, "senders", failure);
    section.number("count", config.senders.count, 0, 64);
    section.texts("command", config.senders.command);
    section.end();
  }
  root.end();
}

}  // namespace

Result<Config> parse_config(std::string_view text) {
  if (text.size() > kLongestFile) return invalid(nullptr, "The configuration is larger than 1 MiB.");
  try {
    const toml::table table = toml::parse(text);
    if (auto plain = check_secrets(text, table); !plain) return std::unexpected(std::move(plain.error()));
    Config config;
    config.text = text;
    std::optional<Error> failure;
    read_root(table, config, failure);
    if (failure) return fail(std::move(*failure));
    config.json = to_json(table, Secrets::kBlank);
    return config;
  } catch (const toml::parse_error& error) {
    Error out{Code::kInvalid, reason::kConfigInvalid, fmt::format("This is no TOML: {}.", error.description()), {}, {}};
    return fail(std::move(out).with("line", std::to_string(error.source().begin.line)));
  }
}

Result<std::vector<std::string>> expand(std::string_view pattern) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::kInvalid, reason::kConfigInvalid, fmt::format("'{}' is no good pattern: {}.", pattern, why));
  };
  std::vector<std::string> done = {""};
  while (!pattern.empty()) {
    const auto open = pattern.find('{');
    const auto plain = pattern.substr(0, open);
    for (auto& text : done) text += plain;
    if (open == std::string_view::npos) break;
    const auto close = pattern.find('}', open);
    const auto dots = pattern.find("..", open);
    if (close == std::string_view::npos || dots == std::string_view::npos || dots > close)
      return wrong("a range is written {1..30}");
    const auto from_text = pattern.substr(open + 1, dots - open - 1),
               to_text = pattern.substr(dots + 2, close - dots - 2);
    std::uint32_t from = 0, to = 0;
    const auto read = [](std::string_view digits, std::uint32_t& into) {
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
      return error == std::errc{} && end == digits.data() + digits.size();
    };
    if (!read(from_text, from) || !read(to_text, to) || to < from)
      return wrong("a range goes from a number to one that is not smaller");
    if (std::uint64_t{to - from + 1} * done.size() > kMostTeams) return wrong("it stands for more than 4,096 texts");
    std::vector<std::string> next;
    for (const auto& text : done) {
      for (std::uint32_t number = from; number <= to; ++number)
        next.push_back(fmt::format("{}{:0{}}", text, number, from_text.starts_with('0') ? from_text.size() : 0));
    }
    done = std::move(next);
    pattern.remove_prefix(close + 1);
  }
  return done;
}

}  // namespace tiltyard::farm
