#include "config/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace tiltyard::config {
namespace {

/// Whether it is one line, and of the form.
bool fits(const Form& form, const std::string& text) {
  if (text.contains('\0') || text.contains('\n')) return false;
  return form.fits == nullptr || form.fits(text);
}

Problem unless(bool good) { return good ? Problem() : Problem(std::string()); }

std::string words_text(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += toml_text(words[i]);
  }
  return out;
}

Raw whole_from_variable(const std::string& text) {
  if (const auto number = parse_whole(text)) return *number;
  return text;
}

}  // namespace

std::string Key::variable() const {
  std::string variable = "TILTYARD_" + dotted();
  std::ranges::transform(variable, variable.begin(), [](unsigned char c) { return c == '.' ? '_' : std::toupper(c); });
  return variable;
}

Section& Section::own(std::string_view name, Value value, std::string_view prose) {
  keys_.push_back({name_, std::string(name), std::string(prose), owner_, std::move(value), {}});
  return *this;
}

Section& Section::note_given(std::shared_ptr<bool> given) {
  for (auto& key : keys_) {
    if (key.section != name_) continue;
    key.value.put = [put = std::move(key.value.put), given](const Raw& raw) {
      *given = true;
      return put(raw);
    };
  }
  return *this;
}

Section& Section::text(std::string_view name, std::string& value, const Form& form, std::string_view prose) {
  Value kept;
  kept.takes = form.takes;
  kept.hide = form.shown;
  kept.put = [&value, form](const Raw& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    const bool good = text != nullptr && fits(form, *text);
    if (good) value = form.tidy != nullptr ? form.tidy(*text) : *text;
    return unless(good);
  };
  kept.shown = [&value, form] { return toml_text(form.shown != nullptr ? form.shown(value) : value); };
  if (form.resolve != nullptr) {
    kept.settle = [&value, form](const std::filesystem::path& folder, Problems&) {
      value = form.resolve(folder, value);
    };
  }
  return own(name, std::move(kept), prose);
}

Section& Section::texts(std::string_view name, std::vector<std::string>& value, const Form& item,
                        std::string_view prose) {
  Value kept;
  kept.takes = item.takes;
  kept.put = [&value, item](const Raw& raw) {
    const auto* items = std::get_if<std::vector<std::string>>(&raw);
    const bool good =
        items != nullptr && std::ranges::all_of(*items, [&](const std::string& one) { return fits(item, one); });
    if (good) value = *items;
    return unless(good);
  };
  kept.shown = [&value] { return list_text(value); };
  kept.from_variable = [](const std::string& text) -> Raw { return split(text, ','); };
  return own(name, std::move(kept), prose);
}

Section& Section::flag(std::string_view name, bool& value, std::string_view prose) {
  Value kept;
  kept.takes = "true or false";
  kept.put = [&value](const Raw& raw) {
    const auto* flag = std::get_if<bool>(&raw);
    if (flag != nullptr) value = *flag;
    return unless(flag != nullptr);
  };
  kept.shown = [&value] { return std::string(value ? "true" : "false"); };
  kept.from_variable = [](const std::string& text) -> Raw {
    if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "0" || text == "no" || text == "off") return false;
    return text;
  };
  return own(name, std::move(kept), prose);
}

Section& Section::real(std::string_view name, double& value, double least, double most, std::string_view prose) {
  Value kept;
  kept.takes = fmt::format("a number from {} to {}", least, most);
  kept.put = [&value, least, most](const Raw& raw) {
    std::optional<double> number;
    if (const auto* real = std::get_if<double>(&raw)) number = *real;
    if (const auto* whole = std::get_if<std::int64_t>(&raw)) number = static_cast<double>(*whole);
    const bool good = number && *number >= least && *number <= most;  // no NaN either
    if (good) value = *number;
    return unless(good);
  };
  kept.shown = [&value] { return fmt::format("{}", value); };
  kept.from_variable = [](const std::string& text) -> Raw {
    if (const auto number = parse_real(text)) return *number;
    return text;
  };
  return own(name, std::move(kept), prose);
}

Section& Section::ports(std::string_view name, std::uint16_t& first, std::uint16_t& last, std::string_view prose) {
  Value kept;
  kept.takes = "a range of ports from 1024 up, such as \"20000-29999\"";
  kept.put = [&first, &last](const Raw& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    const auto range = text != nullptr ? parse_ports(*text) : std::nullopt;
    if (range) std::tie(first, last) = *range;
    return unless(range.has_value());
  };
  kept.shown = [&first, &last] { return toml_text(fmt::format("{}-{}", first, last)); };
  return own(name, std::move(kept), prose);
}

Section& Section::secret(std::string_view name, Secret& value, std::size_t least, std::string_view prose) {
  Value kept;
  kept.takes = fmt::format("a text of at least {} printable characters without blanks", least);
  kept.secret = true;
  kept.put = [&value, least](const Raw& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    const auto printable = [](char c) { return c > ' ' && c < 0x7F; };
    const bool good =
        text != nullptr && (text->empty() || text->size() >= least) && std::ranges::all_of(*text, printable);
    if (good) value = Secret(*text);
    return unless(good);
  };
  kept.shown = [&value] { return std::string(value.empty() ? "\"\"" : "\"***\""); };
  return own(name, std::move(kept), prose);
}

Section& Section::number(std::string_view name, Field<std::int64_t> field, std::int64_t least, std::int64_t most,
                         std::string_view prose) {
  Value kept;
  kept.takes = fmt::format("a whole number from {} to {}", least, most);
  kept.put = [set = field.set, least, most](const Raw& raw) {
    const auto* number = std::get_if<std::int64_t>(&raw);
    const bool good = number != nullptr && *number >= least && *number <= most;
    if (good) set(*number);
    return unless(good);
  };
  kept.shown = [get = field.get] { return std::to_string(get()); };
  kept.from_variable = whole_from_variable;
  return own(name, std::move(kept), prose);
}

Section& Section::bytes(std::string_view name, Field<std::uint64_t> field, std::uint64_t least, std::uint64_t most,
                        std::string_view prose) {
  Value kept;
  kept.takes = fmt::format("a size from {} to {}, such as \"256m\"", bytes_text(least), bytes_text(most));
  kept.put = [set = field.set, least, most](const Raw& raw) {
    std::optional<std::uint64_t> bytes;
    if (const auto* text = std::get_if<std::string>(&raw)) bytes = parse_bytes(*text);
    if (const auto* number = std::get_if<std::int64_t>(&raw); number != nullptr && *number >= 0) bytes = *number;
    const bool good = bytes && *bytes >= least && *bytes <= most;
    if (good) set(*bytes);
    return unless(good);
  };
  kept.shown = [get = field.get] { return toml_text(bytes_text(get())); };
  return own(name, std::move(kept), prose);
}

Section& Section::time(std::string_view name, Field<std::chrono::seconds> field, std::chrono::seconds least,
                       std::chrono::seconds most, std::string_view prose) {
  Value kept;
  kept.takes =
      fmt::format("a time from {} s to {} s: seconds, or \"90s\", \"5m\", \"2h\"", least.count(), most.count());
  kept.put = [set = field.set, least, most](const Raw& raw) {
    std::optional<std::chrono::seconds> time;
    if (const auto* text = std::get_if<std::string>(&raw)) time = parse_seconds(*text);
    if (const auto* number = std::get_if<std::int64_t>(&raw)) time = std::chrono::seconds(*number);
    const bool good = time && *time >= least && *time <= most;
    if (good) set(*time);
    return unless(good);
  };
  kept.shown = [get = field.get] { return toml_text(fmt::format("{}s", get().count())); };
  return own(name, std::move(kept), prose);
}

Section& Section::choice(std::string_view name, std::vector<std::string_view> words, Field<std::size_t> field,
                         std::string_view prose) {
  Value kept;
  kept.takes = words_text(words);
  kept.put = [set = field.set, words](const Raw& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    const auto word = text == nullptr ? words.end() : std::ranges::find(words, *text);
    if (word != words.end()) set(static_cast<std::size_t>(word - words.begin()));
    return unless(word != words.end());
  };
  kept.shown = [get = field.get, words] { return toml_text(words.at(get())); };
  return own(name, std::move(kept), prose);
}

Section Keys::section(std::string_view name, std::string_view prose) {
  if (!prose.empty()) sections_.emplace_back(name, prose);
  return Section(keys_, std::string(name), owner_);
}

std::string_view Keys::prose_of(std::string_view section) const {
  const auto found = std::ranges::find(sections_, section, &std::pair<std::string, std::string>::first);
  return found == sections_.end() ? std::string_view() : found->second;
}

Result<> Keys::each_once() const {
  for (auto key = keys_.begin(); key != keys_.end(); ++key) {
    const auto twin = std::find_if(keys_.begin(), key, [&](const Key& one) { return one.dotted() == key->dotted(); });
    if (twin == key) continue;
    return fail(Code::kInternal, "config-key-twice",
                fmt::format("The key {} is declared by {} and by {}.", key->dotted(), twin->owner, key->owner));
  }
  return {};
}

Problem assign(const Key& key, const Raw& raw) {
  auto problem = key.value.put(raw);
  if (!problem || !problem->empty()) return problem;
  const auto text = key.value.secret            ? "not usable"
                    : key.value.hide != nullptr ? key.value.hide(raw_text(raw))
                                                : raw_text(raw);
  return fmt::format("{} is {}; it takes {}.", key.dotted(), text, key.value.takes);
}

Raw from_variable(const Key& key, const std::string& text) {
  return key.value.from_variable ? key.value.from_variable(text) : Raw(text);
}

}  // namespace tiltyard::config
