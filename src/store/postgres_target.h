#pragma once

#include <string>

#include "base/result.h"

namespace tiltyard::store {

/// Which PostgreSQL database is meant, and how one gets there.
struct PostgresTarget {
  std::string url;    ///< for libpq, in a form that SOCI hands on as it is; holds the password
  std::string shown;  ///< host, port and database: what may be logged and shown
};

/// Whether the URL is one for `postgres_target`.
bool is_postgres_url(const std::string& url);

/// Reads `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE` (libpq's connection URIs, with all of its options
/// and environment variables: PGPASSWORD, PGPASSFILE, ...) and adds time-outs and keep-alives where none are given, so
/// that a server that has gone without a word is noticed within about ten seconds. `store-url` when libpq cannot read
/// it. Source: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
Result<PostgresTarget> postgres_target(const std::string& url);

}  // namespace tiltyard::store
