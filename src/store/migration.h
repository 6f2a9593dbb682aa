#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tiltyard::store {

/// One forward-only step of the schema. Several statements are separated by ";\n". One text for both databases: numbers
/// are BIGINT (INTEGER has 32 bits on PostgreSQL; a BIGINT PRIMARY KEY is made SQLite's own kind of key there), the
/// rest TEXT or DOUBLE PRECISION; no AUTOINCREMENT, no rowid. Never changed once it is out.
struct Migration {
  Migration(std::string its_name, std::string its_sql) : name(std::move(its_name)), sql(std::move(its_sql)) {}
  /// One of those that all parts numbered together, before each counted for itself: databases of then know it by this
  /// number. New ones have none.
  Migration(int number, std::string its_name, std::string its_sql)
      : formerly(number), name(std::move(its_name)), sql(std::move(its_sql)) {}

  int formerly = 0;  ///< 0: it never had a number of all
  std::string name;
  std::string sql;
};

/// The migrations of one part of the house, from its first on: a migration's number is its place here, from 1.
struct Slice {
  std::string name;  ///< the capability's; databases keep it
  std::vector<Migration> migrations;
};

}  // namespace tiltyard::store
