#pragma once

#include <cstdint>
#include <string_view>

#include "contest/model.h"

namespace soci {
class session;
}

/// Statements that both files of the store use.
namespace tiltyard::contest::sql {

std::string_view kind_text(Mark::Kind kind);
/// One more than the largest. Only in strict writes, which run one after the other.
std::int64_t next(soci::session& sql, const char* column, const char* table);
/// Gives it its `seq`, and tells those who listen.
void insert(soci::session& sql, Mark& mark);
/// Takes up a number, so that none is given twice whatever is removed.
void leave_hole(soci::session& sql, TimePoint now);
bool is_there(soci::session& sql, const Mark& mark);

}  // namespace tiltyard::contest::sql
