// What machines said last, for those who ask why a start has failed.
#include <soci/soci.h>

#include "labs/store.h"

namespace tiltyard::labs {

asio::awaitable<Result<>> LabsStore::keep_last_words(InstanceId id, std::map<std::string, std::string> said,
                                                     TimePoint now) {
  auto work = [key = id.str(), said = std::move(said), now = to_micros(now)](soci::session& sql) -> Result<> {
    for (const auto& [machine, text] : said) {
      sql << "DELETE FROM last_words WHERE instance = :instance AND machine = :machine", soci::use(key),
          soci::use(machine);
      sql << "INSERT INTO last_words (instance, machine, at, said) VALUES (:instance, :machine, :at, :said)",
          soci::use(key), soci::use(machine), soci::use(now), soci::use(text);
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::map<std::string, std::string>>> LabsStore::last_words(InstanceId id) {
  auto work = [key = id.str()](soci::session& sql) -> Result<std::map<std::string, std::string>> {
    std::map<std::string, std::string> out;
    std::string machine, said;
    soci::statement query = (sql.prepare << "SELECT machine, said FROM last_words WHERE instance = :instance",
                             soci::use(key), soci::into(machine), soci::into(said));
    for (bool more = query.execute(true); more; more = query.fetch()) out[machine] = said;
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> LabsStore::forget_last_words(TimePoint before) {
  auto work = [until = to_micros(before)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM last_words WHERE at < :until", soci::use(until);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::labs
