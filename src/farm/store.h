#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace soci {
class session;
}

namespace tiltyard::farm::sql {

/// A row of the log. Its number is given, not drawn: two servers that write one log at the same time collide here, and
/// the one that comes second is refused (`farm-elsewhere`).
Result<> insert_row(soci::session& session, std::uint32_t row, const std::string& body);

struct Row {
  std::uint32_t number = 0;
  std::string body;
};
/// At most `most` rows after `after`, in order.
Result<std::vector<Row>> read_rows(soci::session& session, std::uint32_t after, int most);
/// One row; an empty body when it is not there.
Result<Row> read_row(soci::session& session, std::uint32_t number);
/// All rows before this one.
Result<> remove_before(soci::session& session, std::uint32_t row);

}  // namespace tiltyard::farm::sql
