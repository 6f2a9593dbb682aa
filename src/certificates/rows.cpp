#include "certificates/rows.h"

#include <soci/soci.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "certificates/certificates.h"

namespace tiltyard::certificates {

std::vector<store::Migration> migrations() {
  return {{"certificates", R"sql(
create table certificates (
  name text primary key,
  names text not null,
  wanted bigint not null,
  withdrawn_at bigint not null,
  asked_at bigint not null,
  chain text not null,
  private_key text not null,
  progress text not null
);
create table acme_accounts (
  directory text primary key,
  url text not null,
  private_key text not null
);
create table acme_proofs (
  kind text not null,
  name text not null,
  value text not null,
  certificate text not null,
  primary key (kind, name, value, certificate)
)
)sql"}};
}

namespace {

namespace json = boost::json;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

json::object to_json(const Progress& p) {
  return {{"directory", p.directory},
          {"names", joined(p.names)},
          {"not_before", to_micros(p.not_before)},
          {"not_after", to_micros(p.not_after)},
          {"issuer", p.issuer},
          {"renew_at", to_micros(p.renew_at)},
          {"ask_at", to_micros(p.ask_at)},
          {"window_start", to_micros(p.window_start)},
          {"window_end", to_micros(p.window_end)},
          {"early", p.early},
          {"order_url", p.order_url},
          {"order_directory", p.order_directory},
          {"order_key", p.order_key},
          {"order_names", joined(p.order_names)},
          {"tries", p.tries},
          {"next_try", to_micros(p.next_try)},
          {"paused_until", to_micros(p.paused_until)},
          {"reason", p.reason},
          {"error", p.error}};
}

Progress from_json(const std::string& text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  const auto time = [&](std::string_view name) { return from_micros(number_of(value, name)); };
  Progress p;
  p.directory = text_of(value, "directory");
  p.names = split(text_of(value, "names"));
  p.not_before = time("not_before");
  p.not_after = time("not_after");
  p.issuer = text_of(value, "issuer");
  p.renew_at = time("renew_at");
  p.ask_at = time("ask_at");
  p.window_start = time("window_start");
  p.window_end = time("window_end");
  p.early = static_cast<int>(number_of(value, "early"));
  p.order_url = text_of(value, "order_url");
  p.order_directory = text_of(value, "order_directory");
  p.order_key = text_of(value, "order_key");
  p.order_names = split(text_of(value, "order_names"));
  p.tries = static_cast<int>(number_of(value, "tries"));
  p.next_try = time("next_try");
  p.paused_until = time("paused_until");
  p.reason = text_of(value, "reason");
  p.error = text_of(value, "error");
  return p;
}

/// All, or the one of this name.
std::vector<Row> read(soci::session& sql, const std::string* only) {
  std::vector<Row> out;
  Row row;
  std::string names, progress;
  long long wanted = 0, withdrawn = 0, asked = 0;
  std::string text =
      "select name, names, wanted, withdrawn_at, asked_at, chain, private_key, progress from certificates";
  text += only == nullptr ? " order by name" : " where name = :only";
  soci::statement statement(sql);
  for (auto* into : {&row.name, &names}) statement.exchange(soci::into(*into));
  for (auto* into : {&wanted, &withdrawn, &asked}) statement.exchange(soci::into(*into));
  for (auto* into : {&row.chain, &row.key, &progress}) statement.exchange(soci::into(*into));
  if (only != nullptr) statement.exchange(soci::use(*only));
  statement.alloc();
  statement.prepare(text);
  statement.define_and_bind();
  statement.execute();
  while (statement.fetch()) {
    row.names = split(names);
    row.wanted = wanted != 0;
    row.withdrawn_at = from_micros(withdrawn);
    row.asked_at = from_micros(asked);
    row.progress = from_json(progress);
    out.push_back(row);
  }
  return out;
}

long long changed(soci::statement& statement) {
  statement.execute(true);
  return statement.get_affected_rows();
}

}  // namespace

namespace rows {

std::optional<Row> find(soci::session& sql, const std::string& name) {
  auto found = read(sql, &name);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Row> all(soci::session& sql) { return read(sql, nullptr); }

void want(soci::session& sql, const std::string& name, const std::vector<std::string>& names) {
  const auto text = joined(names);
  sql << "insert into certificates (name, names, wanted, withdrawn_at, asked_at, chain, private_key, progress) "
         "values (:name, :names, 1, 0, 0, '', '', '{}') "
         "on conflict (name) do update set names = excluded.names, wanted = 1, withdrawn_at = 0",
      soci::use(name), soci::use(text);
}

bool withdraw(soci::session& sql, const std::string& name, TimePoint at) {
  const long long when = to_micros(at);
  soci::statement statement =
      (sql.prepare << "update certificates set wanted = 0, withdrawn_at = :at where name = :name and wanted = 1",
       soci::use(when), soci::use(name));
  return changed(statement) > 0;
}

bool ask(soci::session& sql, const std::string& name, TimePoint at) {
  const long long when = to_micros(at);
  soci::statement statement =
      (sql.prepare << "update certificates set asked_at = :at where name = :name and wanted = 1", soci::use(when),
       soci::use(name));
  return changed(statement) > 0;
}

void answered(soci::session& sql, const std::string& name, TimePoint seen) {
  const long long when = to_micros(seen);
  sql << "update certificates set asked_at = 0 where name = :name and asked_at <= :seen", soci::use(name),
      soci::use(when);
}

void save(soci::session& sql, const std::string& name, const Progress& progress) {
  const auto text = json::serialize(to_json(progress));
  sql << "update certificates set progress = :progress where name = :name", soci::use(text), soci::use(name);
}

void save_pair(soci::session& sql, const Row& row) {
  const auto text = json::serialize(to_json(row.progress));
  sql << "update certificates set chain = :chain, private_key = :key, progress = :progress where name = :name",
      soci::use(row.chain), soci::use(row.key), soci::use(text), soci::use(row.name);
}

void remove(soci::session& sql, const std::string& name) {
  sql << "delete from certificates where name = :name", soci::use(name);
}

std::optional<Account> account(soci::session& sql, const std::string& directory) {
  Account out;
  soci::statement statement = (sql.prepare << "select url, private_key from acme_accounts where directory = :directory",
                               soci::use(directory), soci::into(out.url), soci::into(out.key));
  statement.execute();
  if (!statement.fetch()) return std::nullopt;
  return out;
}

void save_account(soci::session& sql, const std::string& directory, const Account& account) {
  sql << "insert into acme_accounts (directory, url, private_key) values (:directory, :url, :key) "
         "on conflict (directory) do update set url = excluded.url, private_key = excluded.private_key",
      soci::use(directory), soci::use(account.url), soci::use(account.key);
}

void add_proof(soci::session& sql, const Proof& proof) {
  sql << "insert into acme_proofs (kind, name, value, certificate) values (:kind, :name, :value, :certificate) "
         "on conflict (kind, name, value, certificate) do nothing",
      soci::use(proof.kind), soci::use(proof.name), soci::use(proof.value), soci::use(proof.certificate);
}

std::vector<Proof> proofs(soci::session& sql) {
  std::vector<Proof> out;
  Proof proof;
  soci::statement statement =
      (sql.prepare << "select kind, name, value, certificate from acme_proofs order by kind, name, value",
       soci::into(proof.kind), soci::into(proof.name), soci::into(proof.value), soci::into(proof.certificate));
  statement.execute();
  while (statement.fetch()) out.push_back(proof);
  return out;
}

void remove_proofs(soci::session& sql, const std::string& certificate) {
  sql << "delete from acme_proofs where certificate = :certificate", soci::use(certificate);
}

}  // namespace rows

}  // namespace tiltyard::certificates
