#include "names/store.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include "bus/event_log.h"

namespace tiltyard::names {
namespace {

/// The columns as SOCI takes and gives them.
struct Row {
  std::string id, host, skeleton, kind, state, owner, user_id, token, instance, tmpl, endpoint, record, ownership,
      ownership_text, address, address_text, problem;
  long long follow = 0, certificate = 0, created_at = 0, held_at = 0, rests_until = 0;
};

/// Every column, named here and nowhere else.
template <class Any, class Use>
void for_each_column(Any& row, Use use) {
  use("id", row.id);
  use("host", row.host);
  use("skeleton", row.skeleton);
  use("kind", row.kind);
  use("state", row.state);
  use("owner", row.owner);
  use("user_id", row.user_id);
  use("token", row.token);
  use("instance", row.instance);
  use("template", row.tmpl);
  use("endpoint", row.endpoint);
  use("follow", row.follow);
  use("record", row.record);
  use("certificate", row.certificate);
  use("created_at", row.created_at);
  use("held_at", row.held_at);
  use("rests_until", row.rests_until);
  use("ownership", row.ownership);
  use("ownership_text", row.ownership_text);
  use("address", row.address);
  use("address_text", row.address_text);
  use("problem", row.problem);
}

template <class Form>
std::string columns(Form form) {
  std::string out;
  Row row;
  for_each_column(row, [&](std::string_view name, auto&) { out += (out.empty() ? "" : ", ") + form(name); });
  return out;
}

long long micros(const std::optional<TimePoint>& time) { return time ? to_micros(*time) : 0; }
std::optional<TimePoint> time_of(long long micros) {
  return micros == 0 ? std::nullopt : std::optional(from_micros(micros));
}

Row to_row(const Name& name) {
  Row row;
  row.id = name.id.str();
  row.host = name.host;
  row.skeleton = name.skeleton;
  row.kind = to_string(name.kind);
  row.state = to_string(name.state);
  row.owner = name.owner;
  row.user_id = name.user;
  row.token = name.token;
  row.instance = name.instance.str();
  row.tmpl = name.tmpl.str();
  row.endpoint = name.endpoint;
  row.follow = name.follow ? 1 : 0;
  row.record = to_string(name.record);
  row.certificate = name.certificate ? 1 : 0;
  row.created_at = to_micros(name.created_at);
  row.held_at = micros(name.held_at);
  row.rests_until = micros(name.rests_until);
  row.ownership = to_string(name.ownership.is);
  row.ownership_text = name.ownership.text;
  row.address = to_string(name.address.is);
  row.address_text = name.address.text;
  row.problem = name.problem;
  return row;
}

Name to_name(const Row& row) {
  Name name;
  name.id = NameId(row.id);
  name.host = row.host;
  name.skeleton = row.skeleton;
  name.kind = parse_kind(row.kind).value_or(Kind::kOwn);
  // A word of a newer server: it is taken back rather than served.
  name.state = parse_state(row.state).value_or(State::kLeaving);
  name.owner = row.owner;
  name.user = row.user_id;
  name.token = row.token;
  name.instance = InstanceId(row.instance);
  name.tmpl = TemplateId(row.tmpl);
  name.endpoint = row.endpoint;
  name.follow = row.follow != 0;
  name.record = parse_record(row.record).value_or(Record::kMaybe);
  name.certificate = row.certificate != 0;
  name.created_at = from_micros(row.created_at);
  name.held_at = time_of(row.held_at);
  name.rests_until = time_of(row.rests_until);
  name.ownership = {parse_check(row.ownership).value_or(Check::Is::kUnknown), row.ownership_text};
  name.address = {parse_check(row.address).value_or(Check::Is::kUnknown), row.address_text};
  name.problem = row.problem;
  return name;
}

void execute(soci::session& sql, const std::string& text, const Row& row, long long& changed) {
  soci::statement statement(sql);
  for_each_column(
      row, [&](std::string_view name, const auto& value) { statement.exchange(soci::use(value, std::string(name))); });
  statement.alloc();
  statement.prepare(text);
  statement.define_and_bind();
  statement.execute(true);
  changed = statement.get_affected_rows();
}

Result<> put_row(soci::session& sql, const Row& row) {
  if (row.held_at != 0) {
    long long others = 0;
    sql << "select count(*) from names where host = :host and id <> :id and held_at <> 0", soci::use(row.host),
        soci::use(row.id), soci::into(others);
    if (others != 0) return fail(Code::kConflict, "name-taken", "Somebody else has this name.");
  }
  static const std::string update =
      fmt::format("update names set {} where id = :id",
                  columns([](std::string_view name) { return fmt::format("{0} = :{0}", name); }));
  static const std::string insert = fmt::format(
      "insert into names ({}) values ({})", columns([](std::string_view name) { return std::string(name); }),
      columns([](std::string_view name) { return fmt::format(":{}", name); }));
  long long changed = 0;
  execute(sql, update, row, changed);
  if (changed == 0) execute(sql, insert, row, changed);
  return {};
}

}  // namespace

std::vector<store::Migration> migrations() {
  return {{"names", R"sql(
create table names (
  id text primary key,
  host text not null,
  skeleton text not null,
  kind text not null,
  state text not null,
  owner text not null,
  user_id text not null,
  token text not null,
  instance text not null,
  template text not null,
  endpoint text not null,
  follow bigint not null,
  record text not null,
  certificate bigint not null,
  created_at bigint not null,
  held_at bigint not null,
  rests_until bigint not null,
  ownership text not null,
  ownership_text text not null,
  address text not null,
  address_text text not null,
  problem text not null
);
create unique index names_one_holder on names (host) where held_at <> 0
)sql"}};
}

asio::awaitable<Result<std::vector<Name>>> NameRows::all() {
  auto work = [](soci::session& sql) -> Result<std::vector<Name>> {
    std::vector<Name> names;
    Row row;
    soci::statement query(sql);
    for_each_column(row, [&](std::string_view, auto& value) { query.exchange(soci::into(value)); });
    query.alloc();
    query.prepare(fmt::format("select {} from names order by id",
                              columns([](std::string_view name) { return std::string(name); })));
    query.define_and_bind();
    for (bool more = query.execute(true); more; more = query.fetch()) names.push_back(to_name(row));
    return names;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> NameRows::put(Name name, std::optional<bus::Event> event) {
  auto work = [row = to_row(name), event = std::move(event)](soci::session& sql) -> Result<> {
    if (auto written = put_row(sql, row); !written) return written;
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> NameRows::remove(NameId id) {
  auto work = [id = id.str()](soci::session& sql) -> Result<> {
    sql << "delete from names where id = :id", soci::use(id);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::names
