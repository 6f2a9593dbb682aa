#include "config/values.h"

#include <fmt/core.h>
#include <cctype>

#include <algorithm>

#include "config/forms.h"
#include "config/oidc.h"

namespace tiltyard::config {

std::string quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + "\"";
}

std::string list_text(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + quotes(item);
  return out + "]";
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

namespace {

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};

std::string raw_text(const Raw& raw) {
  return std::visit(Overload{[](const std::string& text) { return quotes(text); },
                             [](std::int64_t number) { return std::to_string(number); },
                             [](double number) { return fmt::format("{}", number); },
                             [](bool flag) { return std::string(flag ? "true" : "false"); },
                             [](const std::vector<std::string>& items) { return list_text(items); },
                             [](const RawLists&) { return std::string("a table"); },
                             [](const RawTables&) { return std::string("a table of tables"); },
                             [](const Unfit& unfit) { return unfit.type; }},
                    raw);
}

std::string what_text(const Text& text) {
  switch (text.form) {
    case Text::Form::kAny:
      return "a text";
    case Text::Form::kAddress:
      return "ADDRESS:PORT with an IP address, such as \"127.0.0.1:8000\" or \"[::1]:8000\"";
    case Text::Form::kAddressOrNone:
      return "ADDRESS:PORT with an IP address, or nothing";
    case Text::Form::kHost:
      return "a host name or an address";
    case Text::Form::kUrl:
      return "a URL with http:// or https://";
    case Text::Form::kEngineUrl:
      return "unix:///PATH or tcp://HOST:PORT";
    case Text::Form::kPath:
      return "a path";
    case Text::Form::kStoreUrl:
      return "sqlite:PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE";
    case Text::Form::kLogFile:
      return "\"stderr\" or a path";
    case Text::Form::kNamespace:
      return "1 to 16 of a-z, 0-9 and -";
    case Text::Form::kFlagPrefix:
      return "1 to 32 letters, digits, \"_\", \".\" and \"-\"";
    case Text::Form::kNetwork:
      return "an IPv4 network, /8 to /16, such as \"10.64.0.0/12\"";
  }
  return "a text";
}

bool fits(const Text& target, const std::string& text) {
  const auto name_char = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (text.contains('\0') || text.contains('\n')) return false;
  switch (target.form) {
    case Text::Form::kAny:
    case Text::Form::kPath:
      return true;
    case Text::Form::kAddress:
      return parse_address(text).has_value();
    case Text::Form::kAddressOrNone:
      return text.empty() || parse_address(text).has_value();
    case Text::Form::kHost:
      return text.empty() || is_host(text);
    case Text::Form::kUrl:
      return text.empty() || is_web_url(text);
    case Text::Form::kEngineUrl:
      return is_engine_url(text);
    case Text::Form::kStoreUrl:
      return (text.starts_with("sqlite:") && text.size() > 7) || text.starts_with("postgresql://") ||
             text.starts_with("postgres://");
    case Text::Form::kLogFile:
      return !text.empty();
    case Text::Form::kNamespace:
      return !text.empty() && text.size() <= 16 && std::ranges::all_of(text, name_char) && !text.starts_with('-');
    case Text::Form::kFlagPrefix:
      return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](unsigned char c) {
        return c < 128 && (std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-');
      });
    case Text::Form::kNetwork:
      return is_pool(text);
  }
  return false;
}

constexpr std::string_view kStrategies[] = {"local", "token", "address", "ctfd", "oidc"};

bool fits(const Texts& target, const std::string& item) {
  if (target.form == Texts::Form::kNetworks) return is_network(item);
  if (target.form == Texts::Form::kWords)
    return !item.empty() && std::ranges::all_of(item, [](char c) { return c > ' ' && c < 0x7F; });
  return std::ranges::find(kStrategies, item) != std::ranges::end(kStrategies);
}

std::string words_text(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += quotes(words[i]);
  }
  return out;
}

// Each puts the value where it belongs and says whether it fitted.

bool put(const Text& target, const Raw& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr || !fits(target, *text)) return false;
  *target.value = *text;
  if (target.form == Text::Form::kUrl) {
    while (target.value->ends_with('/')) target.value->pop_back();
  }
  return true;
}

bool put(const Number& target, const Raw& raw) {
  const auto* number = std::get_if<std::int64_t>(&raw);
  if (number == nullptr || *number < target.least || *number > target.most) return false;
  *target.value = static_cast<int>(*number);
  return true;
}

bool put(const Real& target, const Raw& raw) {
  double value = 0;
  if (const auto* real = std::get_if<double>(&raw)) {
    value = *real;
  } else if (const auto* whole = std::get_if<std::int64_t>(&raw)) {
    value = static_cast<double>(*whole);
  } else {
    return false;
  }
  if (!(value >= target.least && value <= target.most)) return false;  // also refuses NaN
  *target.value = value;
  return true;
}

bool put(const Bytes& target, const Raw& raw) {
  std::optional<std::uint64_t> bytes;
  if (const auto* text = std::get_if<std::string>(&raw)) bytes = parse_bytes(*text);
  if (const auto* number = std::get_if<std::int64_t>(&raw); number != nullptr && *number >= 0) bytes = *number;
  if (!bytes || *bytes < target.least || *bytes > target.most) return false;
  *target.value = *bytes;
  return true;
}

bool put(const Seconds& target, const Raw& raw) {
  std::optional<std::chrono::seconds> time;
  if (const auto* text = std::get_if<std::string>(&raw)) time = parse_seconds(*text);
  if (const auto* number = std::get_if<std::int64_t>(&raw)) time = std::chrono::seconds(*number);
  if (!time || *time < target.least || *time > target.most) return false;
  *target.value = *time;
  return true;
}

bool put(const Flag& target, const Raw& raw) {
  const auto* flag = std::get_if<bool>(&raw);
  if (flag == nullptr) return false;
  *target.value = *flag;
  return true;
}

bool put(const Ports& target, const Raw& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  const auto range = text != nullptr ? parse_ports(*text) : std::nullopt;
  if (!range) return false;
  *target.value = PortRange{range->first, range->second};
  return true;
}

bool put(const Texts& target, const Raw& raw) {
  const auto* items = std::get_if<std::vector<std::string>>(&raw);
  if (items == nullptr) return false;
  if (!std::ranges::all_of(*items, [&](const std::string& item) { return fits(target, item); })) return false;
  *target.value = *items;
  return true;
}

bool put(const Allow& target, const Raw& raw) {
  const auto* table = std::get_if<std::map<std::string, std::vector<std::string>>>(&raw);
  if (table == nullptr) return false;
  for (const auto& [id, allowances] : *table) {
    if (id.empty() || !std::ranges::all_of(allowances, [](const std::string& one) { return is_allowance(one); })) {
      return false;
    }
  }
  *target.value = *table;
  return true;
}

bool put(const Oidc& target, const Raw& raw) { return !read_oidc(raw, *target.value); }

bool put(const SecretText& target, const Raw& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr || (!text->empty() && text->size() < target.least)) return false;
  const auto printable = [](char c) { return c > ' ' && c < 0x7F; };
  if (!std::ranges::all_of(*text, printable)) return false;
  *target.value = Secret(*text);
  return true;
}

bool put(const Choice& target, const Raw& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr) return false;
  const auto word = std::ranges::find(target.words, *text);
  if (word == target.words.end()) return false;
  target.set(static_cast<std::size_t>(word - target.words.begin()));
  return true;
}

Raw allow_from_variable(const std::string& text) {
  std::map<std::string, std::vector<std::string>> table;
  for (const std::string& entry : split(text, ';')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) return text;
    table[entry.substr(0, equals)] = split(entry.substr(equals + 1), ',');
  }
  return table;
}

/// Levenshtein's distance with one row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Problem assign(const Key& key, const Raw& raw) {
  // A provider has keys of its own: what is wrong is told of them.
  if (const auto* oidc = std::get_if<Oidc>(&key.target)) return read_oidc(raw, *oidc->value);
  if (std::visit([&](const auto& target) { return put(target, raw); }, key.target)) return std::nullopt;
  const auto* text = std::get_if<Text>(&key.target);
  const bool has_password = text != nullptr && text->form == Text::Form::kStoreUrl;
  const std::string value = key.secret()   ? "not usable"
                            : has_password ? without_password(raw_text(raw))
                                           : raw_text(raw);
  return fmt::format("{} is {}; it takes {}.", key.dotted(), value, range_text(key));
}

Raw from_variable(const Key& key, const std::string& text) {
  const auto whole_or_text = [&]() -> Raw {
    if (const auto number = parse_whole(text)) return *number;
    return text;
  };
  const auto as_text = [&](const auto&) -> Raw { return text; };
  return std::visit(Overload{as_text, [&](const Number&) { return whole_or_text(); },
                             [&](const Real&) -> Raw {
                               if (const auto number = parse_real(text)) return *number;
                               return text;
                             },
                             [&](const Flag&) -> Raw {
                               if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
                               if (text == "false" || text == "0" || text == "no" || text == "off") return false;
                               return text;
                             },
                             [&](const Texts&) -> Raw { return split(text, ','); },
                             [&](const Allow&) -> Raw { return allow_from_variable(text); },
                             [&](const Oidc&) -> Raw { return oidc_from_variable(text); }},
                    key.target);
}

std::string without_password(std::string url) {
  constexpr std::string_view kParameter = "password=";
  if (const auto begin = url.find(kParameter); begin != std::string::npos) {
    const auto value = begin + kParameter.size();
    url.replace(value, std::min(url.find('&', value), url.size()) - value, "***");
  }
  const auto scheme = url.find("://");
  const auto at = url.rfind('@');
  if (scheme == std::string::npos || at == std::string::npos) return url;
  const auto colon = url.find(':', scheme + 3);
  return colon < at ? url.replace(colon + 1, at - colon - 1, "***") : url;
}

std::string value_text(const Key& key) {
  return std::visit(Overload{[](const Text& t) {
                               return quotes(t.form == Text::Form::kStoreUrl ? without_password(*t.value) : *t.value);
                             },
                             [](const Number& t) { return std::to_string(*t.value); },
                             [](const Real& t) { return fmt::format("{}", *t.value); },
                             [](const Bytes& t) { return quotes(bytes_text(*t.value)); },
                             [](const Seconds& t) { return quotes(fmt::format("{}s", t.value->count())); },
                             [](const Flag& t) { return std::string(*t.value ? "true" : "false"); },
                             [](const Ports& t) { return quotes(fmt::format("{}-{}", t.value->first, t.value->last)); },
                             [](const Texts& t) { return list_text(*t.value); },
                             [](const Allow& t) {
                               std::string out;
                               for (const auto& [id, items] : *t.value)
                                 out += (out.empty() ? " " : ", ") + quotes(id) + " = " + list_text(items);
                               return out.empty() ? std::string("{}") : "{" + out + " }";
                             },
                             [](const Oidc& t) { return oidc_text(*t.value); },
                             [](const SecretText& t) { return std::string(t.value->empty() ? "\"\"" : "\"***\""); },
                             [](const Choice& t) { return quotes(t.words[t.get()]); }},
                    key.target);
}

std::string range_text(const Key& key) {
  return std::visit(
      Overload{[](const Text& t) { return what_text(t); },
               [](const Number& t) { return fmt::format("a whole number from {} to {}", t.least, t.most); },
               [](const Real& t) { return fmt::format("a number from {} to {}", t.least, t.most); },
               [](const Bytes& t) {
                 return fmt::format("a size from {} to {}, such as \"256m\"", bytes_text(t.least), bytes_text(t.most));
               },
               [](const Seconds& t) {
                 return fmt::format("a time from {} s to {} s: seconds, or \"90s\", \"5m\", \"2h\"", t.least.count(),
                                    t.most.count());
               },
               [](const Flag&) { return std::string("true or false"); },
               [](const Ports&) { return std::string("a range of ports from 1024 up, such as \"20000-29999\""); },
               [](const Texts& t) {
                 if (t.form == Texts::Form::kWords) return std::string("a list of words");
                 return std::string(t.form == Texts::Form::kNetworks
                                        ? "a list of addresses and networks (CIDR)"
                                        : "a list of \"local\", \"token\", \"address\", \"ctfd\" and \"oidc\"");
               },
               [](const Allow&) { return std::string("a table from template ids to lists of allowances"); },
               [](const Oidc&) { return std::string("a table from names to tables with issuer and client_id"); },
               [](const SecretText& t) {
                 return fmt::format("a text of at least {} printable characters without blanks", t.least);
               },
               [](const Choice& t) { return words_text(t.words); }},
      key.target);
}

std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t away = distance(word, candidate);
    if (away >= least) continue;
    least = away;
    best = candidate;
  }
  return best;
}

}  // namespace tiltyard::config
