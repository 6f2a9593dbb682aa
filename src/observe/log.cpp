#include "observe/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>

#include "observe/redact.h"

namespace tiltyard::log {
namespace {

/// spdlog hands the finished line to its sink; we make the line, because its form is our promise.
std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("tiltyard", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

/// Never destroyed: a thread that still runs while the process ends may log.
struct State {
  std::shared_ptr<spdlog::logger> standard_error = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  std::shared_ptr<spdlog::logger> configured;
  std::atomic<spdlog::logger*> current{standard_error.get()};
  std::atomic<Level> least{Level::kInfo};
  std::atomic<Format> format{Format::kText};
};

State& state() {
  static State* const instance = new State;
  return *instance;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kTrace:
      return "trace";
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
    case Level::kFatal:
      return "fatal";
  }
  return "fatal";
}

void append_time(std::string& line) {
  using namespace std::chrono;
  const auto now = system_clock::now().time_since_epoch();
  const std::time_t seconds = duration_cast<std::chrono::seconds>(now).count();
  const auto millis = static_cast<int>(duration_cast<milliseconds>(now).count() % 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, millis);
}

std::string shown(const Field& field) { return detail::names_secret(field.key) ? "***" : detail::redact(field.value); }

/// A value stands bare when it cannot be mistaken for the next key.
bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"\\") != std::string_view::npos;
}

std::string text_line(Level level, std::string_view module, std::string_view message, Fields fields) {
  std::string line;
  append_time(line);
  fmt::format_to(std::back_inserter(line), " {:<5} {}: {}", name_of(level), module,
                 detail::escape(detail::redact(message), detail::Quotes::kKeep));
  for (const Field& field : fields) {
    const std::string value = shown(field);
    line += ' ';
    line += detail::escape(field.key, detail::Quotes::kKeep);
    line += '=';
    if (needs_quotes(value)) {
      line += '"';
      line += detail::escape(value, detail::Quotes::kEscape);
      line += '"';
    } else {
      line += detail::escape(value, detail::Quotes::kKeep);
    }
  }
  return line;
}

bool reserved(std::string_view key) { return key == "time" || key == "level" || key == "module" || key == "message"; }

void append_member(std::string& line, std::string_view key, std::string_view value) {
  line += ",\"";
  line += detail::escape(key, detail::Quotes::kEscape);
  line += "\":\"";
  line += detail::escape(value, detail::Quotes::kEscape);
  line += '"';
}

std::string json_line(Level level, std::string_view module, std::string_view message, Fields fields) {
  std::string line = "{\"time\":\"";
  append_time(line);
  line += '"';
  append_member(line, "level", name_of(level));
  append_member(line, "module", module);
  append_member(line, "message", detail::redact(message));
  for (const Field& field : fields) {
    // A second "level" would let a field overrule the line's own.
    const std::string key = reserved(field.key) ? "field." + std::string(field.key) : std::string(field.key);
    append_member(line, key, shown(field));
  }
  line += '}';
  return line;
}

}  // namespace

void configure(Level least, Format format, const std::string& destination) {
  State& log = state();
  log.least = least;
  log.format = format;
  if (destination.empty() || destination == "stderr") {
    log.current = log.standard_error.get();
    return;
  }
  try {
    log.configured = make_logger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(destination));
    log.current = log.configured.get();
  } catch (const std::exception& failure) {
    log.current = log.standard_error.get();
    error("observe", "The log file cannot be opened; logging goes to standard error.",
          {{"file", destination}, {"cause", failure.what()}});
  }
}

void set_level(Level least) { state().least = least; }

bool enabled(Level level) { return level >= state().least.load(std::memory_order_relaxed); }

void shutdown() {
  State& log = state();
  // The file's logger stays alive for threads that are in the middle of a line; what comes later goes to standard
  // error.
  spdlog::logger* last = log.current.exchange(log.standard_error.get());
  try {
    last->flush();
  } catch (...) {  // there is nobody left to tell
  }
}

void write(Level level, std::string_view module, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  try {
    State& log = state();
    const bool json = log.format.load(std::memory_order_relaxed) == Format::kJson;
    const std::string line =
        json ? json_line(level, module, message, fields) : text_line(level, module, message, fields);
    log.current.load()->log(spdlog::level::info, spdlog::string_view_t(line));
  } catch (...) {  // no memory, no disk: a line is lost, the caller is not
  }
}

}  // namespace tiltyard::log
