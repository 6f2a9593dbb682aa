#include "flags/store.h"

#include <soci/soci.h>
#include <sodium.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "bus/event_log.h"
#include "flags/events.h"

namespace tiltyard::flags {
namespace {

namespace json = boost::json;
using soci::into;
using soci::use;

constexpr int kMostDraws = 100;

std::string unhex(const json::value& value) {
  const auto& text = value.as_string();
  std::string out(text.size() / 2, '\0');
  std::size_t length = 0;
  sodium_hex2bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(), text.size(), nullptr, &length,
                 nullptr);
  out.resize(length);
  return out;
}

json::object to_object(const FileFacts& facts) {
  return {{"uid", facts.uid},         {"gid", facts.gid},     {"mode", facts.mode},
          {"seconds", facts.seconds}, {"nanos", facts.nanos}, {"capability", hex(facts.capability)}};
}

FileFacts facts_of(const json::value& value) {
  const auto& from = value.as_object();
  FileFacts out;
  out.uid = from.at("uid").to_number<std::uint32_t>();
  out.gid = from.at("gid").to_number<std::uint32_t>();
  out.mode = from.at("mode").to_number<std::uint32_t>();
  out.seconds = from.at("seconds").to_number<std::int64_t>();
  out.nanos = from.at("nanos").to_number<std::uint32_t>();
  out.capability = unhex(from.at("capability"));
  return out;
}

json::object to_object(const Holder& holder) {
  json::array texts;
  for (const auto& held : holder.texts) texts.push_back(json::object{{"text", hex(held.text)}, {"room", held.room}});
  return {{"path", hex(holder.path)}, {"facts", to_object(holder.facts)}, {"binary", holder.binary},
          {"size", holder.size},      {"content", holder.content},        {"texts", std::move(texts)}};
}

Holder holder_of(const json::value& value) {
  const auto& from = value.as_object();
  Holder out;
  out.path = unhex(from.at("path"));
  out.facts = facts_of(from.at("facts"));
  out.binary = from.at("binary").as_bool();
  out.size = from.at("size").to_number<std::int64_t>();
  out.content = from.at("content").to_number<int>();
  for (const auto& held : from.at("texts").as_array()) {
    out.texts.push_back({unhex(held.at("text")), held.at("room").to_number<std::size_t>()});
  }
  return out;
}

json::value programs_to_json(const std::optional<std::vector<Program>>& programs) {
  if (!programs) return nullptr;
  json::array out;
  for (const auto& program : *programs)
    out.push_back(json::object{{"path", hex(program.path)}, {"facts", to_object(program.facts)}});
  return out;
}

/// Absent where a version before looked, which did not look for them.
std::optional<std::vector<Program>> programs_of(const json::object& from) {
  const json::value* list = from.if_contains("programs");
  if (!list || list->is_null()) return std::nullopt;
  std::vector<Program> out;
  for (const auto& program : list->as_array())
    out.push_back({unhex(program.at("path")), facts_of(program.at("facts"))});
  return out;
}

std::optional<std::string> select_flag(soci::session& sql, const std::string& owner, const std::string& tmpl) {
  std::string flag;
  sql << "SELECT flag FROM flags WHERE owner = :owner AND template = :template", use(owner), use(tmpl), into(flag);
  return sql.got_data() ? std::optional(flag) : std::nullopt;
}

bool is_taken(soci::session& sql, const std::string& flag) {
  int one = 0;
  sql << "SELECT 1 FROM flags WHERE flag = :flag", use(flag), into(one);
  return sql.got_data();
}

}  // namespace

std::vector<store::Migration> migrations() {
  return {{200, "flags",
           "CREATE TABLE flags (owner TEXT NOT NULL, template TEXT NOT NULL, flag TEXT NOT NULL, base TEXT NOT NULL, "
           "created_at BIGINT NOT NULL, PRIMARY KEY (owner, template));\n"
           "CREATE UNIQUE INDEX flags_flag ON flags (flag);\n"
           "CREATE TABLE flag_images (image TEXT NOT NULL, looked_for TEXT NOT NULL, found TEXT NOT NULL, "
           "created_at BIGINT NOT NULL, PRIMARY KEY (image, looked_for))"}};
}

asio::awaitable<Result<std::optional<Secret>>> FlagStore::find(std::string owner, TemplateId tmpl) {
  auto work = [owner, tmpl](soci::session& sql) -> Result<std::optional<Secret>> {
    auto flag = select_flag(sql, owner, tmpl.str());
    if (!flag) return std::nullopt;
    return Secret(std::move(*flag));
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<Secret>> FlagStore::find_or_insert(std::string owner, TemplateId tmpl,
                                                          std::function<Secret()> draw, std::string base,
                                                          TimePoint now) {
  auto work = [owner, tmpl, draw, base, now](soci::session& sql) -> Result<Secret> {
    if (auto known = select_flag(sql, owner, tmpl.str())) return Secret(std::move(*known));
    Secret flag = draw();
    for (int draws = 1; is_taken(sql, flag.reveal()); ++draws) {
      if (draws == kMostDraws) {
        return fail(Code::kExhausted, "flags-used-up",
                    "All flags of this shape are taken; give [flag] a larger alphabet.");
      }
      flag = draw();
    }
    const long long at = to_micros(now);
    sql << "INSERT INTO flags (owner, template, flag, base, created_at) VALUES (:owner, :template, :flag, :base, :at)",
        use(owner), use(tmpl.str()), use(flag.reveal()), use(base), use(at);
    const bus::Event event{events::kFlagCreated, tmpl.str(), owner, {}, now, "{}"};
    if (auto noted = bus::record(sql, event); !noted) return fail(std::move(noted.error()));
    return flag;
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> FlagStore::remove_all_of(std::string owner, bus::Actor actor, TimePoint now) {
  auto work = [owner, actor, now](soci::session& sql) -> Result<> {
    std::vector<std::string> templates;
    const soci::rowset<std::string> rows =
        (sql.prepare << "SELECT template FROM flags WHERE owner = :owner", use(owner));
    for (const auto& tmpl : rows) templates.push_back(tmpl);
    sql << "DELETE FROM flags WHERE owner = :owner", use(owner);
    for (const auto& tmpl : templates) {
      const bus::Event event{events::kFlagDeleted, tmpl, owner, actor, now, "{}"};
      if (auto noted = bus::record(sql, event); !noted) return noted;
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::optional<FlagOwner>>> FlagStore::owner_of(std::string flag) {
  auto work = [flag](soci::session& sql) -> Result<std::optional<FlagOwner>> {
    std::string owner, tmpl;
    sql << "SELECT owner, template FROM flags WHERE flag = :flag", use(flag), into(owner), into(tmpl);
    if (!sql.got_data()) return std::nullopt;
    return FlagOwner{owner, TemplateId(tmpl)};
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::optional<ImageScan>>> FlagStore::find_scan(std::string image, std::string key) {
  auto work = [image, key](soci::session& sql) -> Result<std::optional<ImageScan>> {
    std::string found;
    sql << "SELECT found FROM flag_images WHERE image = :image AND looked_for = :key", use(image), use(key),
        into(found);
    if (!sql.got_data()) return std::nullopt;
    auto scan = parse_scan(found);
    if (!scan) return std::nullopt;  // written by another version: look again
    return std::move(*scan);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> FlagStore::keep_scan(std::string image, std::string key, ImageScan scan, TimePoint now) {
  auto work = [image, key, found = to_json(scan), now](soci::session& sql) -> Result<> {
    const long long at = to_micros(now);
    sql << "DELETE FROM flag_images WHERE image = :image AND looked_for = :key", use(image), use(key);
    sql << "INSERT INTO flag_images (image, looked_for, found, created_at) VALUES (:image, :key, :found, :at)",
        use(image), use(key), use(found), use(at);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> FlagStore::drop_scans(std::set<std::string> but) {
  auto work = [but](soci::session& sql) -> Result<> {
    std::set<std::string> there;
    const soci::rowset<std::string> rows = (sql.prepare << "SELECT DISTINCT image FROM flag_images");
    for (const auto& image : rows) there.insert(image);
    for (const auto& image : there) {
      if (!but.contains(image)) sql << "DELETE FROM flag_images WHERE image = :image", use(image);
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

std::string to_json(const ImageScan& scan) {
  json::array holders, skipped;
  for (const auto& holder : scan.holders) holders.push_back(to_object(holder));
  for (const auto& path : scan.skipped) skipped.emplace_back(hex(path));
  const json::object watched{{"kind", static_cast<int>(scan.watched.kind)},
                             {"path", hex(scan.watched.path)},
                             {"facts", to_object(scan.watched.facts)}};
  return json::serialize(json::object{{"holders", std::move(holders)},
                                      {"skipped", std::move(skipped)},
                                      {"programs", programs_to_json(scan.programs)},
                                      {"watched", watched},
                                      {"files", scan.files},
                                      {"layers", scan.layers}});
}

Result<ImageScan> parse_scan(const std::string& text) {
  try {
    const json::value from = json::parse(text);
    ImageScan out;
    for (const auto& holder : from.at("holders").as_array()) out.holders.push_back(holder_of(holder));
    for (const auto& path : from.at("skipped").as_array()) out.skipped.push_back(unhex(path));
    out.programs = programs_of(from.as_object());
    const auto& watched = from.at("watched");
    out.watched = {static_cast<Watched::Kind>(watched.at("kind").to_number<int>()), unhex(watched.at("path")),
                   facts_of(watched.at("facts"))};
    out.files = from.at("files").to_number<std::size_t>();
    out.layers = from.at("layers").to_number<std::size_t>();
    return out;
  } catch (const std::exception& failure) {
    return fail(Code::kInternal, "scan-unreadable", "What was kept of an image cannot be read.", failure.what());
  }
}

}  // namespace tiltyard::flags
