#include "store/postgres_target.h"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string_view>

namespace tiltyard::store {
namespace {

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
    if (plain) out += static_cast<char>(c);
    else out += fmt::format("%{:02X}", c);
  }
  return out;
}

/// How servers of ours show up in `pg_stat_activity`, and in the message of one that finds the database in use.
std::string application_name() {
  char host[64] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return fmt::format("tiltyard {}:{}", std::string_view(host).substr(0, 40), ::getpid());
}

std::string shown(const std::map<std::string, std::string>& settings) {
  const auto of = [&](const char* key, const char* otherwise) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string(otherwise) : found->second;
  };
  const auto port = of("port", "");
  return fmt::format("postgresql://{}{}{}/{}", of("host", "(default)"), port.empty() ? "" : ":", port,
                     of("dbname", "(default)"));
}

}  // namespace

bool is_postgres_url(const std::string& url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

Result<PostgresTarget> postgres_target(const std::string& url) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), &message),
                                                                             &PQconninfoFree);
  PQfreemem(message);  // it may quote the password
  // SOCI looks for single-row mode in what it hands on; nothing of ours may be taken for it.
  if (!options || url.contains("singlerow")) {
    return fail(Code::kInvalid, "store-url",
                "The database's URL cannot be read. It is postgresql://USER:PASSWORD@HOST:PORT/DATABASE; letters like "
                "@ : / % in "
                "the password are written as %40 %3A %2F %25.");
  }
  std::map<std::string, std::string> settings{{"connect_timeout", "5"},
                                              {"keepalives_idle", "5"},
                                              {"keepalives_interval", "2"},
                                              {"keepalives_count", "3"},
                                              {"tcp_user_timeout", "10000"},
                                              {"client_encoding", "UTF8"},
                                              // Of several hosts, or after a fail-over, the one that takes writes.
                                              {"target_session_attrs", "read-write"},
                                              {"application_name", application_name()}};
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings[option->keyword] = option->val;
  }
  // SOCI reads the text as key=value pairs, cut at white space and with double quotes taken off: in this form there are
  // none.
  std::string text = "postgresql://";
  char joint = '?';
  for (const auto& [key, value] : settings) {
    text += fmt::format("{}{}={}", joint, key, percent_encoded(value));
    joint = '&';
  }
  return PostgresTarget{std::move(text), shown(settings)};
}

}  // namespace tiltyard::store
