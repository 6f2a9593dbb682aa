#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "config/forms.h"
#include "config/raw.h"

/// The configuration: one TOML file, every key overridable by an environment variable TILTYARD_SECTION_KEY (rows 15.1
/// and 15.2). Here is how keys are declared, read and shown; which there are, each part of the server says itself, next
/// to the options that they fill in.
namespace tiltyard::config {

/// Gathers what is wrong.
class Problems {
 public:
  void add(std::string problem) { all_.push_back(std::move(problem)); }
  void expect(bool good, std::string problem) {
    if (!good) add(std::move(problem));
  }
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
};

/// How a value is read, kept and shown. The functions refer to where it lives.
struct Value {
  std::string takes;  ///< ends "it takes …"
  /// Keeps what fits. Else what is wrong: a sentence, or an empty text where value and `takes` say it.
  std::function<Problem(const Raw&)> put;
  std::function<std::string()> shown;                         ///< as TOML; a secret is "***", or "" where there is none
  std::function<Raw(const std::string& text)> from_variable;  ///< null: the text itself
  /// When all is read: what is relative to the file's folder, or in a file. Null: nothing is.
  std::function<void(const std::filesystem::path& folder, Problems& problems)> settle;
  std::string (*hide)(std::string text) = nullptr;  ///< a bad value as it may be shown; null: as it is
  bool secret = false;
};

struct Key {
  std::string section;
  std::string name;  ///< empty: the section is a table of tables, [section.NAME]
  std::string prose;
  std::string owner;  ///< whose it is
  Value value;
  std::vector<Key> members;  ///< of a table of tables: the keys of one, with their defaults

  std::string dotted() const { return name.empty() ? section : section + "." + name; }
  /// TILTYARD_SECTION_KEY
  std::string variable() const;
};

template <class T>
concept Whole = std::integral<T> && !std::same_as<T, bool>;

/// Declares the keys of one section. Each binds a field, which must outlive the keys and holds the default.
class Section {
 public:
  Section(std::vector<Key>& keys, std::string name, std::string owner)
      : keys_(keys), name_(std::move(name)), owner_(std::move(owner)) {}

  Section& text(std::string_view name, std::string& value, const Form& form, std::string_view prose);
  Section& texts(std::string_view name, std::vector<std::string>& value, const Form& item, std::string_view prose);
  Section& flag(std::string_view name, bool& value, std::string_view prose);
  Section& real(std::string_view name, double& value, double least, double most, std::string_view prose);
  /// "20000-29999"
  Section& ports(std::string_view name, std::uint16_t& first, std::uint16_t& last, std::string_view prose);
  /// Printable, without blanks; `least`: characters, when it is given at all.
  Section& secret(std::string_view name, Secret& value, std::size_t least, std::string_view prose);
  Section& own(std::string_view name, Value value, std::string_view prose);
  /// Whether one of the section's keys that are declared by now is given at all, be it as its default.
  Section& note_given(std::shared_ptr<bool> given);

  template <Whole T>
  Section& number(std::string_view name, T& value, std::int64_t least, std::int64_t most, std::string_view prose) {
    return number(name, Field<std::int64_t>::of(value), least, most, prose);
  }
  /// "256m"
  template <Whole T>
  Section& bytes(std::string_view name, T& value, std::uint64_t least, std::uint64_t most, std::string_view prose) {
    return bytes(name, Field<std::uint64_t>::of(value), least, most, prose);
  }
  /// "5m"
  template <class Rep, class Period>
  Section& time(std::string_view name, std::chrono::duration<Rep, Period>& value, std::chrono::seconds least,
                std::chrono::seconds most, std::string_view prose) {
    using Duration = std::chrono::duration<Rep, Period>;
    return time(name,
                {[&value] { return std::chrono::duration_cast<std::chrono::seconds>(value); },
                 [&value](std::chrono::seconds to) { value = std::chrono::duration_cast<Duration>(to); }},
                least, most, prose);
  }
  /// One of a few words.
  template <class T>
  Section& choice(std::string_view name, T& value, std::initializer_list<std::pair<std::string_view, T>> words,
                  std::string_view prose) {
    std::vector<std::string_view> names;
    std::vector<T> values;
    for (const auto& [word, meaning] : words) {
      names.push_back(word);
      values.push_back(meaning);
    }
    const auto get = [&value, values] {
      return static_cast<std::size_t>(std::ranges::find(values, value) - values.begin());
    };
    return choice(name, std::move(names), {get, [&value, values](std::size_t index) { value = values[index]; }}, prose);
  }
  /// [section.name.NAME]: a table for each name. `declare` binds the keys of one; `settle`, if given, looks at a whole
  /// one and says what is wrong with it.
  template <class T>
  Section& tables(std::string_view name, std::map<std::string, T>& value,
                  std::function<void(Section& keys, T& one)> declare,
                  std::function<void(const std::string& name, T& one, Problems& problems)> settle,
                  std::string_view prose);

  // Where no field is the value itself.
  template <class T>
  struct Field {
    std::function<T()> get;
    std::function<void(T)> set;
    template <Whole Stored>
    static Field of(Stored& value) {
      return {[&value] { return static_cast<T>(value); }, [&value](T to) { value = static_cast<Stored>(to); }};
    }
  };
  Section& number(std::string_view name, Field<std::int64_t> field, std::int64_t least, std::int64_t most,
                  std::string_view prose);
  Section& bytes(std::string_view name, Field<std::uint64_t> field, std::uint64_t least, std::uint64_t most,
                 std::string_view prose);
  Section& time(std::string_view name, Field<std::chrono::seconds> field, std::chrono::seconds least,
                std::chrono::seconds most, std::string_view prose);
  Section& choice(std::string_view name, std::vector<std::string_view> words, Field<std::size_t> field,
                  std::string_view prose);

 private:
  /// One table of tables, whatever is in them.
  struct Tables {
    std::function<void()> clear;
    std::function<std::vector<std::string>()> names;  ///< of those that are there
    /// Makes the table of this name anew and gives its keys.
    std::function<std::vector<Key>(const std::string& name)> make;
    std::function<std::vector<Key>(const std::string& name)> keys_of;  ///< of one that is there
    std::function<std::vector<Key>()> sample;                          ///< of one with its defaults
    std::function<void(const std::string& name, Problems&)> settle;
  };
  Section& tables(std::string_view name, Tables tables, std::string_view prose);
  std::string below(std::string_view name) const { return name.empty() ? name_ : name_ + "." + std::string(name); }

  std::vector<Key>& keys_;
  std::string name_, owner_;
};

/// The variables that begin with TILTYARD_.
using Environment = std::map<std::string, std::string>;
Environment process_environment();

/// Every key that the parts of the server have declared.
class Keys {
 public:
  Keys() = default;
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  /// What is declared from here on belongs to this part.
  void begin(std::string_view owner) { owner_ = owner; }
  /// One of the parts says in a line what the section is about; others may add keys to it without.
  Section section(std::string_view name, std::string_view prose = {});
  /// Is called when all has been read: to say what does not fit together, and to work out what follows from the keys.
  void afterwards(std::function<void(Problems&)> look) { looks_.push_back(std::move(look)); }

  const std::vector<Key>& all() const { return keys_; }
  std::string_view prose_of(std::string_view section) const;

  /// Reads the file (a missing or empty path: defaults), then the environment, then looks whether the settings fit each
  /// other. Relative paths are relative to the file's folder (without a file: to the working directory).
  /// `config-unreadable`, or `config-invalid`: the message names every problem on a line of its own, with file and line
  /// or the variable; secrets are not in it. `config-key-twice` (a bug) names both who declare a key.
  Result<> read(const std::string& path, const Environment& environment);

  /// Every key with its prose and default, commented out: a file to begin with.
  std::string example_toml() const;
  /// The same as a page of documentation (docs/configuration.md).
  std::string markdown() const;

 private:
  Result<> each_once() const;

  std::string owner_;
  std::vector<Key> keys_;
  std::vector<std::pair<std::string, std::string>> sections_;  ///< with their prose
  std::vector<std::function<void(Problems&)>> looks_;
};

/// Puts a value that fits into its place. What is wrong, or nothing.
Problem assign(const Key& key, const Raw& raw);
/// A variable's text as the kind of value that the key takes; what cannot be read stays text, and `assign` complains.
Raw from_variable(const Key& key, const std::string& text);

template <class T>
Section& Section::tables(std::string_view name, std::map<std::string, T>& value,
                         std::function<void(Section& keys, T& one)> declare,
                         std::function<void(const std::string& name, T& one, Problems& problems)> settle,
                         std::string_view prose) {
  const auto keys_of = [declare, path = below(name), owner = owner_](const std::string& one, T& into) {
    std::vector<Key> keys;
    Section section(keys, path + "." + one, owner);
    declare(section, into);
    return keys;
  };
  Tables all;
  all.clear = [&value] { value.clear(); };
  all.names = [&value] {
    std::vector<std::string> names;
    for (const auto& [one, what] : value) names.push_back(one);
    return names;
  };
  all.make = [&value, keys_of](const std::string& one) {
    value[one] = T{};
    return keys_of(one, value[one]);
  };
  all.keys_of = [&value, keys_of](const std::string& one) { return keys_of(one, value.at(one)); };
  all.sample = [keys_of, sample = std::make_shared<T>()] { return keys_of("NAME", *sample); };
  if (settle)
    all.settle = [&value, settle](const std::string& one, Problems& problems) { settle(one, value.at(one), problems); };
  return tables(name, std::move(all), prose);
}

}  // namespace tiltyard::config
