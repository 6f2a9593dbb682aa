#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "templates/settings.h"
#include "templates/values.h"

namespace tiltyard::templates {

/// One table of instance.toml. Each reader says what it wants; what nobody wanted is reported at the end.
class Table {
  using milliseconds = std::chrono::milliseconds;
  using seconds = std::chrono::seconds;
  static constexpr seconds kLongest{366LL * 86'400};

 public:
  Table(const toml::table& table, Problems& problems, std::shared_ptr<const Source> source)
      : table_(table), problems_(problems), source_(std::move(source)) {}

  Place place(const toml::node& node) const { return {source_, static_cast<int>(node.source().begin.line)}; }
  Place place() const { return place(table_); }
  Problems& problems() { return problems_; }
  std::shared_ptr<const Source> source() const { return source_; }

  const toml::node* take(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }

  void wrong(std::string_view key, const toml::node& node, std::string_view wanted) {
    problems_.error(place(node), fmt::format("{}{} takes {}", prefix(), key, wanted));
  }

  std::optional<Said<std::string>> text(std::string_view key, std::size_t most = 200) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    const auto value = node->value_exact<std::string>();
    if (!value || value->size() > most) {
      wrong(key, *node, fmt::format("a text of at most {} characters", most));
      return std::nullopt;
    }
    return Said<std::string>{*value, place(*node)};
  }

  std::optional<Said<bool>> flag(std::string_view key) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    const auto value = node->value_exact<bool>();
    if (!value) {
      wrong(key, *node, "true or false");
      return std::nullopt;
    }
    return Said<bool>{*value, place(*node)};
  }

  std::optional<Said<std::int64_t>> integer(std::string_view key, std::int64_t least, std::int64_t most) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      wrong(key, *node, fmt::format("a whole number from {} to {}", least, most));
      return std::nullopt;
    }
    return Said<std::int64_t>{*value, place(*node)};
  }

  /// A number of `unit`, or a text with units ("90s", "1h30m").
  std::optional<milliseconds> duration(std::string_view key, milliseconds unit, milliseconds least = milliseconds{0}) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    std::optional<milliseconds> value;
    if (const auto number = node->value_exact<std::int64_t>()) {
      if (*number >= 0 && *number <= milliseconds(kLongest).count() / unit.count()) value = *number * unit;
    } else if (const auto decimal = node->value_exact<double>()) {
      if (*decimal >= 0 &&
          *decimal < static_cast<double>(milliseconds(kLongest).count()) / static_cast<double>(unit.count())) {
        value = milliseconds{static_cast<std::int64_t>(*decimal * static_cast<double>(unit.count()))};
      }
    } else if (const auto written = node->value_exact<std::string>()) {
      value = parse_duration(*written);
    }
    if (value && *value >= least && *value <= kLongest) return value;
    wrong(key, *node,
          fmt::format("{} or a text like \"1h30m\"{}, at most a year",
                      unit == seconds{1} ? "a number of seconds" : "a number of milliseconds",
                      least.count() > 0 ? ", not zero" : ""));
    return std::nullopt;
  }

  std::optional<seconds> whole_seconds(std::string_view key, seconds least = seconds{0}) {
    const auto value = duration(key, seconds{1}, least);
    return value ? std::optional(std::chrono::duration_cast<seconds>(*value)) : std::nullopt;
  }

  std::optional<Said<std::int64_t>> bytes(std::string_view key) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    std::optional<std::int64_t> value = node->value_exact<std::int64_t>();
    if (const auto written = node->value_exact<std::string>()) value = parse_bytes(*written);
    if (!value || *value < 0) {
      wrong(key, *node, "a size like \"256m\"");
      return std::nullopt;
    }
    return Said<std::int64_t>{*value, place(*node)};
  }

  std::optional<Said<double>> decimal(std::string_view key) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    std::optional<double> value = node->value<double>();
    if (const auto written = node->value_exact<std::string>()) value = parse_decimal(*written);
    if (!value || !(*value > 0 && *value <= 1024)) {
      wrong(key, *node, "a number of processors, like 0.5");
      return std::nullopt;
    }
    return Said<double>{*value, place(*node)};
  }

  std::vector<Said<std::string>> texts(std::string_view key) {
    std::vector<Said<std::string>> out;
    const toml::node* node = take(key);
    if (!node) return out;
    const toml::array* list = node->as_array();
    if (!list || list->size() > 64) {
      wrong(key, *node, "a list of texts");
      return out;
    }
    for (const auto& item : *list) {
      const auto value = item.value_exact<std::string>();
      if (value && value->size() <= 200) out.push_back({*value, place(item)});
      else wrong(key, item, "a list of texts");
    }
    return out;
  }

  /// A table below this one; nullopt: not there, or no table.
  std::optional<Table> table(std::string_view key) {
    const toml::node* node = take(key);
    if (!node) return std::nullopt;
    const toml::table* inner = node->as_table();
    if (!inner) {
      problems_.error(place(*node), fmt::format("{0}{1} is a table; write [{0}{1}]", prefix(), key));
      return std::nullopt;
    }
    return below(*inner, key);
  }

  Table below(const toml::table& inner, std::string_view key) const {
    Table out(inner, problems_, source_);
    out.name_ = fmt::format("{}{}", prefix(), key);
    out.unknown_ = unknown_;
    return out;
  }

  const toml::table& raw() const { return table_; }

  /// Keeps the keys that nobody wanted until all are known that there are.
  void finish() {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known_, key.str()) != known_.end()) continue;
      const Place where{source_, static_cast<int>(key.source().begin.line)};
      const auto meant = nearest(key.str(), known_);
      std::optional<Fix> fix;
      if (!meant.empty() && !table_.contains(meant))
        fix = Fix{.deed = Fix::Deed::kRename, .from = std::string(key.str()), .to = std::string(meant)};
      unknown_->push_back({where, prefix(), std::string(key.str()), hint_for(key.str()), std::move(fix)});
    }
  }

  /// Of the whole file, once each table is finished.
  void report_unknown() {
    for (const auto& [where, prefix, key, hint, fix] : *unknown_) {
      const bool above = !prefix.empty() && std::ranges::find(known_, key) != known_.end();
      problems_.error(where,
                      above ? fmt::format("\"{0}\" stands below [{1}] and so is taken for {1}.{0}; put it above the "
                                          "file's first [table]",
                                          key, prefix.substr(0, prefix.size() - 1))
                            : fmt::format("\"{}{}\" is no key of instance.toml{}", prefix, printable(key), hint),
                      above ? std::nullopt : fix);
    }
  }

 private:
  /// The nearest key; of a table in the file, which has few, all there are.
  std::string hint_for(std::string_view key) const {
    auto meant = did_you_mean(key, known_);
    if (!meant.empty() || name_.empty()) return meant;
    std::string all;
    for (const auto one : known_) all += fmt::format("{}{}", all.empty() ? "" : ", ", one);
    return fmt::format("; [{}] has {}", name_, all);
  }

  std::string prefix() const { return name_.empty() ? "" : name_ + "."; }

  struct Unknown {
    Place place;
    std::string prefix, key, hint;
    std::optional<Fix> fix;
  };

  const toml::table& table_;
  std::string name_;
  Problems& problems_;
  std::shared_ptr<const Source> source_;
  std::vector<std::string_view> known_;
  std::shared_ptr<std::vector<Unknown>> unknown_ = std::make_shared<std::vector<Unknown>>();
};

}  // namespace tiltyard::templates
