#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kFatal };
enum class Format { kText, kJson };

/// One key and its value. Values of keys that name secrets (token, cookie, authorization, password, flag, secret, link)
/// are printed as "***"; line breaks and control characters are escaped, so that no value can forge a line.
struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, std::int64_t v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, std::size_t v) : key(k), value(std::to_string(v)) {}
};
using Fields = std::initializer_list<Field>;

/// Call once, before the first thread. `destination` is "stderr" or a file's path. Until then everything from info up
/// goes to standard error as text.
void configure(Level least, Format format, const std::string& destination);
void set_level(Level least);
bool enabled(Level level);
/// Flushes and closes; the last thing the process does.
void shutdown();

/// Thread-safe, never throws. `module` is the folder the line comes from, `message` a fixed text (values go to
/// `fields`).
void write(Level level, std::string_view module, std::string_view message, Fields fields = {});

inline void trace(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kTrace, m, msg, f); }
inline void debug(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kDebug, m, msg, f); }
inline void info(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kInfo, m, msg, f); }
inline void warn(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kWarn, m, msg, f); }
inline void error(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kError, m, msg, f); }
inline void fatal(std::string_view m, std::string_view msg, Fields f = {}) { write(Level::kFatal, m, msg, f); }

}  // namespace tiltyard::log
