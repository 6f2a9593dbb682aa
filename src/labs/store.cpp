#include "labs/store.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <set>

#include "bus/event_log.h"
#include "labs/events.h"
#include "labs/lease.h"
#include "labs/machine_rows.h"
#include "labs/reasons.h"
#include "labs/row_json.h"

namespace tiltyard::labs {
namespace {

/// The columns as SOCI takes and gives them: text and 64-bit integers only, so that every database means the same.
struct Row {
  std::string id, tmpl, template_name, template_hash, owner, owner_name, user_id, team, cost_centre, state, reason_code,
      reason_text, context, lease, plan, timings, login, password, pool, engine;
  long long created_at = 0, started_at = 0, ended_at = 0, expires_at = 0, extensions = 0, added = 0;
  double cpu_seconds = 0, memory_gib_hours = 0;
};

/// Every column of `instances`, named here and nowhere else: calls `use` with its name and its place in the row.
template <class Row, class Use>
void for_each_column(Row& row, Use use) {
  use("id", row.id);
  use("template", row.tmpl);
  use("template_name", row.template_name);
  use("template_hash", row.template_hash);
  use("owner", row.owner);
  use("owner_name", row.owner_name);
  use("user_id", row.user_id);
  use("team", row.team);
  use("cost_centre", row.cost_centre);
  use("state", row.state);
  use("reason_code", row.reason_code);
  use("reason_text", row.reason_text);
  use("context", row.context);
  use("lease", row.lease);
  use("plan", row.plan);
  use("timings", row.timings);
  use("login", row.login);
  use("password", row.password);
  use("created_at", row.created_at);
  use("started_at", row.started_at);
  use("ended_at", row.ended_at);
  use("expires_at", row.expires_at);
  use("extensions", row.extensions);
  use("added", row.added);
  use("cpu_seconds", row.cpu_seconds);
  use("memory_gib_hours", row.memory_gib_hours);
  use("pool", row.pool);
  use("engine", row.engine);
}

/// "a, b", and with `form` something else of each name.
template <class Form>
std::string columns(Form form) {
  std::string out;
  Row row;
  for_each_column(row, [&](std::string_view name, auto&) {
    const std::string text = form(name);
    if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
  });
  return out;
}

/// What a change of an instance may touch; the rest of its row stays as it was written first.
using Names = std::set<std::string_view>;

const Names& changes_at_update() {
  static const Names names{"state",      "reason_code", "reason_text",      "plan",          "timings",
                           "started_at", "ended_at",    "expires_at",       "extensions",    "added",
                           "lease",      "cpu_seconds", "memory_gib_hours", "template_hash", "engine"};
  return names;
}

const Names& changes_at_claim() {
  static const Names names{"pool",       "owner",      "owner_name", "user_id", "team",    "context",
                           "lease",      "login",      "password",   "plan",    "timings", "state",
                           "created_at", "started_at", "expires_at", "engine"};
  return names;
}

/// How many rows were changed: 1, or 0 if there is none that `which` (a condition beside the id) allows.
long long change_row(soci::session& sql, const Row& row, const Names& names, std::string_view which = {}) {
  const auto set = columns(
      [&](std::string_view name) { return names.contains(name) ? fmt::format("{0} = :{0}", name) : std::string{}; });
  soci::statement change(sql);
  for_each_column(row, [&](std::string_view name, const auto& value) {
    if (name == "id" || names.contains(name)) change.exchange(soci::use(value, std::string(name)));
  });
  change.alloc();
  change.prepare(fmt::format("UPDATE instances SET {} WHERE id = :id{}", set, which));
  change.define_and_bind();
  change.execute(true);
  return change.get_affected_rows();
}

long long micros(const std::optional<TimePoint>& time) { return time ? to_micros(*time) : 0; }
std::optional<TimePoint> time_of(long long micros) {
  return micros == 0 ? std::nullopt : std::optional(from_micros(micros));
}

Row to_row(const Instance& instance) {
  Row row;
  row.id = instance.id.str();
  row.tmpl = instance.tmpl.str();
  row.template_name = *instance.template_name;
  row.template_hash = *instance.template_hash;
  row.owner = instance.owner;
  row.owner_name = instance.owner_name;
  row.user_id = instance.user.str();
  row.team = instance.team;
  row.cost_centre = *instance.cost_centre;
  row.state = to_string(instance.state);
  if (instance.reason) {
    row.reason_code = instance.reason->code;
    row.reason_text = instance.reason->text;
  }
  row.context = instance.context;
  row.lease = instance.pool == PoolRole::kWaiting ? "{}" : to_json(instance.lease);  // a lease begins with its owner
  row.plan = to_json(instance.plan);
  row.timings = timings_json(instance.timings);
  if (instance.credentials) {
    row.login = instance.credentials->user;
    row.password = instance.credentials->password.reveal();
  }
  row.created_at = to_micros(instance.created_at);
  row.started_at = micros(instance.started_at);
  row.ended_at = micros(instance.ended_at);
  row.expires_at = micros(instance.expires_at);
  row.extensions = instance.extensions;
  row.added = instance.added.count();
  row.cpu_seconds = instance.cpu_seconds;
  row.memory_gib_hours = instance.memory_gib_hours;
  row.pool = to_string(instance.pool);
  row.engine = *instance.plan.engine;
  return row;
}

/// What many rows have in common, so that they have it once.
struct Common {
  std::map<std::string, Shared<std::string>> texts;
  std::map<std::string, Shared<templates::LeasePolicy>> leases;

  const Shared<std::string>& text(const std::string& value) { return texts.try_emplace(value, value).first->second; }
};

Result<Instance> from_row(const Row& row, Common& common) {
  Instance instance;
  auto plan = parse_plan(row.plan, row.engine.empty() ? PlanForm::kOfBefore : PlanForm::kNow);
  if (!plan) return fail(std::move(plan.error()));
  auto lease = common.leases.find(row.lease);
  if (lease == common.leases.end()) {
    auto parsed = parse_lease(row.lease);
    if (!parsed) return fail(std::move(parsed.error()));
    lease = common.leases.emplace(row.lease, std::move(*parsed)).first;
  }
  instance.id = InstanceId(row.id);
  instance.tmpl = TemplateId(row.tmpl);
  instance.template_name = common.text(row.template_name);
  instance.template_hash = common.text(row.template_hash);
  instance.owner = row.owner;
  instance.owner_name = row.owner_name;
  instance.user = UserId(row.user_id);
  instance.team = row.team;
  instance.cost_centre = common.text(row.cost_centre);
  instance.state = parse_state(row.state).value_or(InstanceState::kFailed);
  if (!row.reason_code.empty()) instance.reason = Reason{row.reason_code, row.reason_text};
  instance.context = row.context;
  instance.plan = std::move(*plan);
  // A row of a version before has it in its plan, with the machines' handles.
  if (!row.engine.empty()) instance.plan.engine = common.text(row.engine);
  instance.lease = lease->second;
  instance.timings = parse_timings(row.timings);
  if (!row.login.empty()) instance.credentials = Credentials{row.login, Secret(row.password)};
  instance.created_at = from_micros(row.created_at);
  instance.started_at = time_of(row.started_at);
  instance.ended_at = time_of(row.ended_at);
  instance.expires_at = time_of(row.expires_at);
  instance.extensions = static_cast<int>(row.extensions);
  instance.added = std::chrono::seconds{row.added};
  instance.cpu_seconds = row.cpu_seconds;
  instance.memory_gib_hours = row.memory_gib_hours;
  if (row.pool == "waiting") instance.pool = PoolRole::kWaiting;
  if (row.pool == "claimed") instance.pool = PoolRole::kClaimed;
  return instance;
}

/// Runs a select of all columns; `bind` adds the statement's parameters.
template <class Bind>
Result<std::vector<Instance>> select(soci::session& sql, const std::string& where, Bind bind) {
  Row row;
  soci::statement query(sql);
  for_each_column(row, [&](std::string_view, auto& place) { query.exchange(soci::into(place)); });
  bind(query);
  query.alloc();
  query.prepare(fmt::format("SELECT {} FROM instances {}",
                            columns([](std::string_view name) { return std::string(name); }), where));
  query.define_and_bind();
  std::vector<Instance> out;
  Common common;
  for (bool more = query.execute(true); more; more = query.fetch()) {
    auto instance = from_row(row, common);
    if (!instance) return fail(std::move(instance.error()));
    out.push_back(std::move(*instance));
  }
  return out;
}

std::string detail_of(const Instance& instance) {
  boost::json::object detail{{"template", instance.tmpl.str()},
                             {"template_name", *instance.template_name},
                             {"owner_name", instance.owner_name},
                             {"state", to_string(instance.state)}};
  if (instance.reason) {
    detail["reason"] = instance.reason->code;
    detail["reason_text"] = instance.reason->text;
  }
  if (instance.expires_at) detail["expires_at"] = to_rfc3339(*instance.expires_at);
  if (instance.pool != PoolRole::kNone) detail["from_pool"] = true;
  return boost::json::serialize(detail);
}

/// Keeps what happened to the instance, in the transaction that changes its row.
Result<> keep(soci::session& sql, const Instance& instance, bus::Event event) {
  if (event.kind->rows == bus::Rows::kNone) return {};
  event.detail = detail_of(instance);
  return bus::record(sql, event);
}

void insert_row(soci::session& sql, const Row& row) {
  static const auto text = fmt::format("INSERT INTO instances ({}) VALUES ({})",
                                       columns([](std::string_view name) { return std::string(name); }),
                                       columns([](std::string_view name) { return fmt::format(":{}", name); }));
  soci::statement insert(sql);
  for_each_column(
      row, [&](std::string_view name, const auto& value) { insert.exchange(soci::use(value, std::string(name))); });
  insert.alloc();
  insert.prepare(text);
  insert.define_and_bind();
  insert.execute(true);
}

/// Whether the owner has no live instance of the template; inside the transaction that makes one.
Result<> no_twin(soci::session& sql, const Row& row) {
  std::string twin;
  sql << "SELECT id FROM instances WHERE owner = :owner AND template = :template AND state NOT IN ('stopped', "
         "'failed') "
         "AND pool <> 'waiting'",
      soci::use(row.owner), soci::use(row.tmpl), soci::into(twin);
  if (!sql.got_data()) return {};
  Error exists{
      Code::kConflict, reason::kInstanceExists, "You already run this template; stop that instance first.", {}, {}};
  return fail(std::move(exists).with("instance_id", twin));
}

/// In the table of ports; those of UDP come after all of TCP.
int number_of(std::uint16_t machine_port, Transport transport) {
  return machine_port + (transport == Transport::kUdp ? 65536 : 0);
}

/// Remembers the gateway's ports, so that the same owner gets the same ones again.
void remember_ports(soci::session& sql, const Instance& instance) {
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.port == 0) continue;
    const std::string tmpl = instance.tmpl.str();
    const int machine_port = number_of(endpoint.machine_port, transport_of(endpoint.kind)), port = endpoint.port;
    sql << "DELETE FROM ports WHERE owner = :owner AND template = :template AND machine_port = :machine_port",
        soci::use(instance.owner), soci::use(tmpl), soci::use(machine_port);
    sql << "INSERT INTO ports (owner, template, machine_port, port) VALUES (:owner, :template, :machine_port, :port)",
        soci::use(instance.owner), soci::use(tmpl), soci::use(machine_port), soci::use(port);
  }
}

}  // namespace

/// Forgets an owner's list when a write has come back, whatever came of it, also when its caller was cancelled
/// meanwhile. Whoever asks before gets what was there before the write, which nobody was told of yet.
struct LabsStore::Forgetting {
  LabsStore& store;
  std::string owner;  ///< empty: everybody's

  ~Forgetting() {
    ++store.writes_;
    if (owner.empty()) store.own_.clear();
    else store.own_.erase(owner);
  }
};

asio::awaitable<Result<OwnList>> LabsStore::own(std::string owner) {
  // Enough for a busy hall; a list with more rows is rare and read again each time.
  constexpr std::size_t kMostOwners = 2000, kMostRows = 20;
  if (const auto known = own_.find(owner); known != own_.end()) co_return known->second;
  const auto writes = writes_;
  InstanceFilter filter;
  filter.owner = owner;
  auto rows = co_await list(std::move(filter));
  if (!rows) co_return fail(std::move(rows.error()));
  const auto read = std::make_shared<const std::vector<Instance>>(std::move(*rows));
  // What was read beside a write may be from before it.
  if (writes == writes_ && read->size() <= kMostRows) {
    if (own_.size() >= kMostOwners) own_.clear();
    own_.insert_or_assign(std::move(owner), read);
  }
  co_return read;
}

/// It is there for as long as the instance is up.
Result<> LabsStore::keep_lease_end(soci::session& sql, const Instance& instance) {
  if (!instance.expires_at) return {};
  const auto id = instance.id.str();
  const auto due = lease_due(instance);
  if (!due) {
    jobs_.cancel(sql, kLeaseEnd, id);
    return {};
  }
  jobs::NewJob job;
  job.kind = kLeaseEnd;
  job.payload = job.unique = id;
  job.due = due;
  auto kept = jobs_.enqueue(sql, std::move(job), jobs::IfTaken::kReplace);
  return kept ? Result<>{} : Result<>(fail(std::move(kept.error())));
}

asio::awaitable<Result<>> LabsStore::keep_lease_ends(std::vector<Instance> instances) {
  auto work = [this, instances = std::move(instances)](soci::session& sql) -> Result<> {
    for (const auto& instance : instances) {
      if (auto kept = keep_lease_end(sql, instance); !kept) return kept;
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> LabsStore::insert(Instance instance, bus::Event event) {
  const Forgetting after{*this, instance.owner};
  auto work = [instance = std::move(instance), event = std::move(event)](soci::session& sql) -> Result<> {
    const Row row = to_row(instance);
    auto alone = instance.pool == PoolRole::kWaiting ? Result<>{} : no_twin(sql, row);
    if (!alone) return alone;
    insert_row(sql, row);
    keep_machines(sql, instance);
    remember_ports(sql, instance);
    return keep(sql, instance, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> LabsStore::claim(Instance instance, bus::Event event) {
  const Forgetting after{*this, instance.owner};
  auto work = [this, instance = std::move(instance), event = std::move(event)](soci::session& sql) -> Result<> {
    const Row row = to_row(instance);
    auto alone = no_twin(sql, row);
    if (!alone) return alone;
    if (change_row(sql, row, changes_at_claim(), " AND pool = 'waiting' AND state = 'running'") != 1) {
      return fail(Code::kConflict, "claim-lost",
                  "The instance was given to somebody else, or has gone; press start again.");
    }
    keep_machines(sql, instance);
    remember_ports(sql, instance);
    if (auto kept = keep_lease_end(sql, instance); !kept) return kept;
    // A claim that hands over a running instance is the asking as well.
    auto asked = event;
    asked.kind = events::kAsked;
    if (auto kept = keep(sql, instance, asked); !kept || event.kind == asked.kind) return kept;
    return keep(sql, instance, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> LabsStore::remove(InstanceId id) {
  const Forgetting after{*this, {}};
  auto work = [key = id.str()](soci::session& sql) -> Result<> {
    sql << "DELETE FROM instances WHERE id = :id", soci::use(key);
    sql << "DELETE FROM machines WHERE instance = :id", soci::use(key);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> LabsStore::update(Instance instance, bus::Event event) {
  const Forgetting after{*this, instance.owner};
  auto work = [this, instance = std::move(instance), event = std::move(event)](soci::session& sql) -> Result<> {
    change_row(sql, to_row(instance), changes_at_update());
    keep_machines(sql, instance);
    if (instance.state == InstanceState::kPreparing || instance.state == InstanceState::kRunning) {
      remember_ports(sql, instance);
    }
    if (auto kept = keep_lease_end(sql, instance); !kept) return kept;
    return keep(sql, instance, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::vector<Instance>>> LabsStore::live() {
  auto work = [](soci::session& sql) {
    auto found = select(sql, "WHERE state NOT IN ('stopped', 'failed') ORDER BY created_at", [](soci::statement&) {});
    if (found) add_machines(sql, *found);
    return found;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> LabsStore::note_machines(Instance instance) {
  auto work = [instance = std::move(instance)](soci::session& sql) -> Result<> {
    keep_machines(sql, instance);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::optional<Instance>>> LabsStore::find(InstanceId id) {
  auto work = [key = id.str()](soci::session& sql) -> Result<std::optional<Instance>> {
    auto found = select(sql, "WHERE id = :id", [&](soci::statement& query) { query.exchange(soci::use(key)); });
    if (!found) return fail(std::move(found.error()));
    if (found->empty()) return std::optional<Instance>{};
    return std::optional<Instance>(std::move(found->front()));
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Instance>>> LabsStore::list(InstanceFilter filter) {
  auto work = [filter = std::move(filter)](soci::session& sql) {
    std::string where = "WHERE pool <> 'waiting'";
    long long before = 0;
    std::string before_id;
    if (!filter.owner.empty()) where += " AND owner = :owner";
    for (std::size_t i = 0; i < filter.states.size(); ++i) {
      where += fmt::format("{} :state{}", i == 0 ? " AND state IN (" : ",", i);
    }
    if (!filter.states.empty()) where += ")";
    if (const auto slash = filter.after.find('/'); slash != std::string::npos) {
      before = std::atoll(filter.after.c_str());
      before_id = filter.after.substr(slash + 1);
      where += " AND (created_at < :before OR (created_at = :before_too AND id < :before_id))";
    }
    where += fmt::format(" ORDER BY created_at DESC, id DESC LIMIT {}", filter.limit);
    return select(sql, where, [&](soci::statement& query) {
      if (!filter.owner.empty()) query.exchange(soci::use(filter.owner));
      for (const auto& state : filter.states) query.exchange(soci::use(state));
      if (!before_id.empty()) {
        query.exchange(soci::use(before));
        query.exchange(soci::use(before));
        query.exchange(soci::use(before_id));
      }
    });
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::uint16_t>> LabsStore::remembered_port(std::string owner, TemplateId tmpl,
                                                                  std::uint16_t machine_port, Transport transport) {
  auto work = [owner = std::move(owner), key = tmpl.str(),
               wanted = number_of(machine_port, transport)](soci::session& sql) -> Result<std::uint16_t> {
    int port = 0;
    sql << "SELECT port FROM ports WHERE owner = :owner AND template = :template AND machine_port = :machine_port",
        soci::use(owner), soci::use(key), soci::use(wanted), soci::into(port);
    return static_cast<std::uint16_t>(sql.got_data() ? port : 0);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::map<TemplateId, std::chrono::microseconds>>> LabsStore::usual_starts() {
  auto work = [](soci::session& sql) -> Result<std::map<TemplateId, std::chrono::microseconds>> {
    std::map<TemplateId, std::chrono::microseconds> out;
    std::string tmpl;
    long long usual = 0;
    soci::statement query =
        (sql.prepare << "SELECT template, usual FROM template_starts", soci::into(tmpl), soci::into(usual));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      out.emplace(TemplateId(tmpl), std::chrono::microseconds{usual});
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> LabsStore::note_start(TemplateId tmpl, std::chrono::microseconds usual) {
  auto work = [key = tmpl.str(), value = static_cast<long long>(usual.count())](soci::session& sql) -> Result<> {
    sql << "DELETE FROM template_starts WHERE template = :template", soci::use(key);
    sql << "INSERT INTO template_starts (template, usual) VALUES (:template, :usual)", soci::use(key), soci::use(value);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::map<std::string, double>>> LabsStore::pace() {
  auto work = [](soci::session& sql) -> Result<std::map<std::string, double>> {
    std::map<std::string, double> out;
    std::string name;
    double value = 0;
    soci::statement query = (sql.prepare << "SELECT name, value FROM spawn_pace", soci::into(name), soci::into(value));
    for (bool more = query.execute(true); more; more = query.fetch()) out.emplace(name, value);
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> LabsStore::note_pace(std::map<std::string, double> values) {
  auto work = [values = std::move(values)](soci::session& sql) -> Result<> {
    for (const auto& [name, value] : values) {
      sql << "DELETE FROM spawn_pace WHERE name = :name", soci::use(name);
      sql << "INSERT INTO spawn_pace (name, value) VALUES (:name, :value)", soci::use(name), soci::use(value);
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::vector<UsageRow>>> LabsStore::usage(std::string by, TimePoint from, TimePoint to) {
  // The column's name comes from this list, never from the outside.
  const std::string column = by == "template" ? "template" : by == "owner" ? "owner_name" : "cost_centre";
  auto work = [column, start = static_cast<long long>(to_micros(from)),
               end = static_cast<long long>(to_micros(to))](soci::session& sql) -> Result<std::vector<UsageRow>> {
    std::vector<UsageRow> out;
    UsageRow row;
    long long instances = 0;
    const std::string text = fmt::format(
        "SELECT {0}, COUNT(*), "
        "SUM((CASE WHEN ended_at = 0 OR ended_at > :end1 THEN :end2 ELSE ended_at END "
        "- CASE WHEN started_at < :start1 THEN :start2 ELSE started_at END) / 3600000000.0), "
        "SUM(cpu_seconds), SUM(memory_gib_hours) FROM instances "
        "WHERE started_at > 0 AND started_at < :end3 AND (ended_at = 0 OR ended_at > :start3) GROUP BY {0} ORDER BY 3 "
        "DESC",
        column);
    soci::statement query =
        (sql.prepare << text, soci::use(end), soci::use(end), soci::use(start), soci::use(start), soci::use(end),
         soci::use(start), soci::into(row.key), soci::into(instances), soci::into(row.instance_hours),
         soci::into(row.cpu_seconds), soci::into(row.memory_gib_hours));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      row.instances = instances;
      out.push_back(row);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> LabsStore::add_usage(InstanceId id, double cpu_seconds, double memory_gib_hours) {
  auto work = [key = id.str(), cpu_seconds, memory_gib_hours](soci::session& sql) -> Result<> {
    sql << "UPDATE instances SET cpu_seconds = :cpu, memory_gib_hours = :memory WHERE id = :id", soci::use(cpu_seconds),
        soci::use(memory_gib_hours), soci::use(key);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> LabsStore::note(bus::Event event) {
  co_return co_await bus::record(store_, std::move(event));
}

}  // namespace tiltyard::labs
