#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>

#include "base/text.h"
#include "bus/event_log.h"
#include "certificates/events.h"
#include "certificates/state.h"
#include "observe/log.h"
#include "tls/certificates.h"

namespace tiltyard::certificates {
namespace {

constexpr std::string_view kSource = "acme:";
constexpr std::size_t kLongestName = 253, kLongestLabel = 63;

Result<std::vector<Row>> read_all(soci::session& sql) { return rows::all(sql); }

std::string state_of(const Row& row) {
  if (!row.progress.order_url.empty() && row.progress.error.empty()) return "ordering";
  if (!row.progress.error.empty()) return "failing";
  // One for other names serves meanwhile, and is not what is wanted.
  return row.chain.empty() || row.progress.names != row.names ? "waiting" : "good";
}

Standing standing_of(const Row& row) {
  const auto& progress = row.progress;
  Standing out{row.name, row.names, state_of(row), progress.error, {}, {}, {}, progress.issuer};
  const bool failing = !progress.error.empty();
  if (!row.chain.empty()) {
    out.not_before = progress.not_before;
    out.not_after = progress.not_after;
    out.next_try = progress.renew_at;
  }
  if (failing) out.next_try = std::max(progress.next_try, progress.paused_until);
  return out;
}

/// Of a certificate that others have brought.
Standing standing_of(const tls::Shown& shown) {
  Standing out{shown.source, shown.names, shown.problem.empty() ? "good" : "failing", shown.problem, {}, {},
               {},           shown.issuer};
  if (!shown.names.empty()) {
    out.not_before = shown.not_before;
    out.not_after = shown.not_after;
  }
  return out;
}

std::vector<std::string> tidy(std::vector<std::string> names) {
  for (auto& name : names) name = lower(name);
  std::ranges::sort(names);
  const auto doubles = std::ranges::unique(names);
  names.erase(doubles.begin(), doubles.end());
  return names;
}

std::unexpected<Error> off() {
  return fail(Code::kConflict, "certificates-off", "No certificates are ordered here: acme.directory is not set.");
}

}  // namespace

bool is_certificate_name(std::string_view name) {
  if (name.size() > kLongestName) return false;
  if (name.starts_with("*.")) name.remove_prefix(2);
  std::size_t labels = 0;
  while (true) {
    const auto dot = std::min(name.find('.'), name.size());
    const auto label = name.substr(0, dot);
    const bool good = !label.empty() && label.size() <= kLongestLabel && !label.starts_with('-') &&
                      !label.ends_with('-') && std::ranges::all_of(label, [](char c) {
                        return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-';
                      });
    if (!good) return false;
    ++labels;
    if (dot == name.size()) break;
    name.remove_prefix(dot + 1);
  }
  return labels >= 2;
}

Service::Service(const Options& options, Parts parts) : state_(std::make_shared<State>(options, parts)) {}
Service::~Service() = default;

Result<> Service::State::enqueue(soci::session& sql, const std::string& name) const {
  jobs::NewJob job;
  job.kind = kKeeping;
  job.payload = name;
  job.unique = name;
  auto made = parts.jobs.enqueue(sql, std::move(job), jobs::IfTaken::kReplace);
  if (!made) return fail(std::move(made.error()));
  return {};
}

Result<> Service::State::show(const Row& row) const {
  const auto source = std::string(kSource) + row.name;
  const auto key = seal->open_text(row.key);
  if (!key) {
    parts.shelf.complain(source,
                         "Its key cannot be opened: certificates.key is another than the one it was sealed with.");
    return fail(Code::kInternal, "certificates-key", "A certificate's key cannot be opened.");
  }
  return parts.shelf.put(source, row.chain, *key);
}

Result<> Service::prepare() {
  auto& state = *state_;
  auto seal = Seal::open(state.parts.data, "certificates");
  if (!seal) return fail(std::move(seal.error()));
  state.seal = std::move(*seal);
  if (!state.options.powerdns.url.empty()) {
    auto powerdns = net::PowerDns::make(state.options.powerdns);
    if (!powerdns) return fail(std::move(powerdns.error()));
    state.powerdns = std::move(*powerdns);
  }
  state.proofs = std::make_unique<Proofs>(state.parts, make_dns(state.options, state.powerdns.get()));
  jobs::Kind kind;
  kind.name = kKeeping;
  kind.about = "Orders and renews a certificate.";
  kind.handler = [state = state_.get()](jobs::Firing firing) { return state->keep(std::move(firing.payload)); };
  // Failures of an order are no failures of the job, which has none to give up for.
  kind.tries = 1'000'000;
  kind.timeout = std::chrono::minutes{10};
  kind.at_once = 4;
  // What public CAs ask of their clients (300 orders in three hours) is kept by the pauses after failures; this keeps
  // a host with many names from asking for all of them in one second.
  kind.rate = jobs::Rate{10, std::chrono::seconds{10}};
  state.parts.jobs.declare(std::move(kind));
  return {};
}

asio::awaitable<Result<>> Service::start() {
  auto& state = *state_;
  auto all = co_await state.parts.store.read(read_all);
  if (!all) co_return fail(std::move(all.error()));
  for (const auto& row : *all) {
    if (!row.wanted || row.chain.empty()) continue;
    if (auto shown = state.show(row); !shown)
      log::warn("certificates", "a certificate cannot be used; it is ordered anew",
                {{"certificate", row.name}, {"reason", shown.error().reason}, {"message", shown.error().message}});
  }
  co_return co_await state.proofs->load();
}

/// The jobs run by now, with those that wait since before; here comes what the configuration has changed.
asio::awaitable<Result<>> Service::open() {
  auto work = [this](soci::session& sql) -> Result<> {
    const auto& options = state_->options;
    if (options.names.empty() || !state_->on()) {
      const auto site = rows::find(sql, kSite);
      return site && site->wanted ? withdraw(sql, kSite) : Result<>{};
    }
    rows::want(sql, kSite, tidy(options.names));
    return state_->enqueue(sql, kSite);
  };
  co_return co_await state_->parts.store.write(std::move(work));
}

Result<> Service::want(soci::session& sql, const std::string& name, std::vector<std::string> names) {
  if (!state_->on()) return off();
  names = tidy(std::move(names));
  if (name == kSite || names.empty() || names.size() > kMostNames)
    return fail(Code::kInvalid, "certificate-name", fmt::format("A certificate is for 1 to {} names.", kMostNames));
  for (const auto& one : names) {
    if (!is_certificate_name(one))
      return fail(Code::kInvalid, "certificate-name", fmt::format("{} is no name for a certificate.", one));
    const auto& domain = state_->parts.instance_domain;
    if (one == domain || one.ends_with("." + domain))
      return fail(Code::kForbidden, "certificate-instance",
                  fmt::format("{} is an instance's name: instances share one wildcard certificate, *.{}, because CAs "
                              "limit how many a domain gets.",
                              one, domain));
  }
  rows::want(sql, name, names);
  return state_->enqueue(sql, name);
}

Result<> Service::withdraw(soci::session& sql, const std::string& name) {
  if (!rows::withdraw(sql, name, state_->parts.clock.now())) return {};
  return state_->enqueue(sql, name);
}

asio::awaitable<Result<std::optional<Standing>>> Service::standing(std::string name) {
  auto work = [name](soci::session& sql) -> Result<std::optional<Row>> { return rows::find(sql, name); };
  auto row = co_await state_->parts.store.read(std::move(work));
  if (!row) co_return fail(std::move(row.error()));
  if (!*row || !(*row)->wanted) co_return std::optional<Standing>();
  co_return standing_of(**row);
}

void Service::on_change(std::function<void(const std::string& name)> told) { state_->told.push_back(std::move(told)); }

asio::awaitable<Result<std::vector<Standing>>> Service::list() {
  auto all = co_await state_->parts.store.read(read_all);
  if (!all) co_return fail(std::move(all.error()));
  std::vector<Standing> out;
  for (const auto& row : *all) {
    if (row.wanted) out.push_back(standing_of(row));
  }
  for (const auto& shown : state_->parts.shelf.list()) {
    if (!shown.source.starts_with(kSource)) out.push_back(standing_of(shown));
  }
  co_return out;
}

asio::awaitable<Result<>> Service::renew(std::string name, bus::Actor actor) {
  if (!state_->on()) co_return off();
  auto work = [this, name, actor](soci::session& sql) -> Result<> {
    const auto now = state_->parts.clock.now();
    const auto row = rows::find(sql, name);
    if (!row || !row->wanted)
      return fail(Code::kNotFound, "certificate-unknown", "No certificate that is ordered here has this name.");
    if (row->progress.paused_until > now)
      return fail(Code::kConflict, "certificate-limited",
                  fmt::format("The CA wants to be left alone until {}; it is tried again then.",
                              to_rfc3339(row->progress.paused_until)));
    rows::ask(sql, name, now);
    bus::Event event;
    event.kind = events::kAsked;
    event.subject = name;
    event.actor = actor;
    event.at = now;
    event.detail = "{}";
    if (auto noted = bus::record(sql, event); !noted) return noted;
    return state_->enqueue(sql, name);
  };
  co_return co_await state_->parts.store.write(std::move(work));
}

std::optional<std::string> Service::answer_to(std::string_view token) const {
  const auto* found = state_->proofs->answer_to(std::string(token));
  return found == nullptr ? std::nullopt : std::optional(*found);
}

net::PowerDns* Service::powerdns() { return state_->powerdns.get(); }

}  // namespace tiltyard::certificates
