// /api/v1/auth/register, reset and password: how an account is made, and come back to, without being signed in.
#include <fmt/core.h>
#include <boost/asio/this_coro.hpp>

#include "bus/event_log.h"
#include "identity/names.h"
#include "identity/registration.h"
#include "identity/secrets.h"
#include "identity/state.h"
#include "limits/limits.h"
#include "net/body.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

using Answered = Result<http::Response>;

constexpr Duration kResetFor = std::chrono::minutes{30};

struct Applicant {
  NewAccount account;
  Secret password;
};

Result<Applicant> read_wanted(const Service::State& state, std::string_view bytes) {
  http::Body body(bytes);
  Applicant wanted;
  auto& account = wanted.account;
  account.name = body.text("name", 0, kLongestField);
  wanted.password = Secret(body.text("password", 0, kLongestField));
  account.email = body.maybe_text("email", 0, kLongestField).value_or("");
  const auto code = body.maybe_text("code", 0, kLongestField).value_or("");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  if (auto good = check_name("name", account.name); !good) return fail(std::move(good.error()));
  if (auto good = check_password(wanted.password.reveal(), account.name, state.options.password_min); !good)
    return fail(std::move(good.error()));
  if (!account.email.empty()) {
    if (auto good = check_email(account.email); !good) return fail(std::move(good.error()));
  }
  if (!code.empty()) account.code_hash = code_hash(code);
  return wanted;
}

/// Whether an account without an invitation waits for a letter.
bool waits_for_letter(const Service::State& state, const NewAccount& account) {
  return account.code_hash.empty() && state.options.confirm_mail && state.options.mail != nullptr;
}

/// Nobody waits for it, as for a reset. To who has an account with this address it says so, and leads nowhere.
asio::awaitable<void> send_confirmation(StatePtr state, NewAccount account, std::string site) {
  auto find = [email = account.email](soci::session& sql) -> Result<std::optional<sql::User>> {
    return sql::user_by_email(sql, email);
  };
  const auto known = co_await state->store.read(std::move(find));
  if (!known) co_return;
  Letter letter;
  letter.to = account.email;
  letter.subject = "Your account at " + state->options.site_name;
  letter.text =
      *known ? fmt::format(
                   "Somebody, probably you, wanted an account at {} with this address. It has one already, \"{}\"; its "
                   "password can be reset there.\n",
                   site, (*known)->name)
             : fmt::format(
                   "Somebody, probably you, wants an account \"{}\" at {}.\n\nOpen this within an hour to make it and "
                   "sign in:"
                   "\n\n{}/signin#{}\n\nIf it was not you, do nothing: there is no account then.\n",
                   account.name, site, site, seal_account(account, state->admin_token, state->clock.now()));
  const auto sent = co_await state->options.mail(std::move(letter));
  if (!sent) log::warn("identity", "a letter could not be handed over", {{"reason", sent.error().reason}});
}

/// 202: the account is made when the link of a letter is used. Until then nothing of it is kept, not even the name.
asio::awaitable<Answered> confirm_first(StatePtr state, http::Request request, NewAccount account) {
  if (account.email.empty())
    co_return fail(Code::kInvalid, "invalid-body",
                   "'email' is needed: the account is made when the link in a letter is opened.");
  auto look = [name = account.name](soci::session& sql) -> Result<bool> {
    return sql::user_by_name(sql, name).has_value();
  };
  const auto taken = co_await state->store.read(std::move(look));
  if (!taken) co_return fail(taken.error());
  if (*taken) co_return fail(Code::kConflict, "user-exists", "Somebody has this name already. Take another one.");
  if (state->attempts.begin("reset|" + fold_address(account.email), state->clock.now())) {
    const auto executor = co_await asio::this_coro::executor;
    state->gate.spawn(executor, "confirmation letter",
                      send_confirmation(state, std::move(account), site_url(*state, request)));
  }
  co_return json_answer(202, json::object{{"confirm", "mail"}});
}

asio::awaitable<Answered> register_account(StatePtr state, http::Request request) {
  if (auto ours = check_same_origin(request); !ours) co_return fail(std::move(ours.error()));
  if (state->options.registration == Registration::kOff || !state->on("local")) {
    co_return fail(Code::kForbidden, "registration-off", "Accounts are made by the staff here; ask them for one.");
  }
  auto wanted = read_wanted(*state, request.body);
  if (!wanted) co_return fail(std::move(wanted.error()));
  auto& account = wanted->account;
  auto visitor = visitor_of(*state, request);
  const auto attempt = "register|" + visitor.address;
  if (account.code_hash.empty()) {
    if (state->options.registration == Registration::kInvite) {
      co_return fail(Code::kForbidden, "invitation-needed", "Making an account needs the code of an invitation.");
    }
  } else if (auto free = state->outside_attempts.begin(attempt, state->clock.now()); !free) {
    co_return fail(std::move(free.error()));
  }
  const auto hash = co_await state->hasher.hash(wanted->password);
  if (!hash) co_return fail(hash.error());
  account.password_hash = *hash;
  if (visitor.client) account.origin = limits::address_share(*visitor.client);
  if (waits_for_letter(*state, account)) co_return co_await confirm_first(state, std::move(request), account);
  Admission admission;
  admission.admit = [account, most = state->options.accounts_per_address, actor = actor_of(*state, request),
                     now = state->clock.now()](soci::session& sql) {
    return make_account(sql, account, most, actor, now);
  };
  const bool invited = !account.code_hash.empty();
  auto work = open_session_for(state, std::move(admission), "local", std::move(visitor));
  auto done = co_await std::move(work);
  if (!done) co_return fail(std::move(done.error()));
  if (invited) state->outside_attempts.succeeded(attempt);
  auto me = co_await me_json(state, done->principal);
  auto response = json_answer(201, me);
  for (auto& cookie : done->cookies) response.headers.add("Set-Cookie", std::move(cookie));
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

/// The letter, if there is somebody to write to. Nobody waits for it: neither the answer nor its time tells.
asio::awaitable<void> send_reset(StatePtr state, std::string email, std::string site, bus::Actor actor) {
  const auto link = new_random_value();
  const auto now = state->clock.now();
  auto work = [email, hash = fingerprint(link.reveal()), now,
               actor](soci::session& sql) -> Result<std::optional<sql::User>> {
    auto user = sql::user_by_email(sql, email);
    // Only who has a password can have forgotten it: another provider's account is not opened by a letter.
    if (!user || user->password_hash.empty() || user->disabled_at != sql::kNever) return std::nullopt;
    sql::insert_link(sql, hash, user->id, now, now + kResetFor, sql::kResetLink);
    if (auto recorded = bus::record(sql, event_of(events::kUserLink, actor, user->id, {{"by", "e-mail"}})); !recorded) {
      return fail(std::move(recorded.error()));
    }
    return user;
  };
  const auto user = co_await state->store.write(std::move(work));
  if (!user || !*user) co_return;
  Letter letter;
  letter.to = (*user)->email;
  letter.subject = "A new password for " + state->options.site_name;
  letter.text = fmt::format(
      "Somebody, probably you, asked for a new password for the account \"{}\" at {}.\n\n"
      "Choose one here within 30 minutes:\n\n{}/reset#{}\n\n"
      "If it was not you, do nothing: the old password goes on working.\n",
      (*user)->name, site, site, link.reveal());
  const auto sent = co_await state->options.mail(std::move(letter));
  if (!sent) log::warn("identity", "a letter could not be handed over", {{"reason", sent.error().reason}});
}

asio::awaitable<Answered> ask_reset(StatePtr state, http::Request request) {
  if (auto ours = check_same_origin(request); !ours) co_return fail(std::move(ours.error()));
  if (!state->options.mail || !state->on("local")) {
    co_return fail(Code::kForbidden, "mail-off", "This server sends no mail. Ask the staff for a sign-in link.");
  }
  http::Body body(request.body);
  auto email = body.text("email", 0, kLongestField);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (auto good = check_email(email); !good) co_return fail(std::move(good.error()));
  // A mailbox is not flooded, whoever asks; and that it is not is not told either.
  if (state->attempts.begin("reset|" + fold_address(email), state->clock.now())) {
    const auto executor = co_await asio::this_coro::executor;
    state->gate.spawn(executor, "reset letter",
                      send_reset(state, std::move(email), site_url(*state, request), actor_of(*state, request)));
  }
  co_return http::Response::empty(202);
}

asio::awaitable<Answered> reset_password(StatePtr state, http::Request request) {
  if (auto ours = check_same_origin(request); !ours) co_return fail(std::move(ours.error()));
  http::Body body(request.body);
  const auto token = body.text("token", 0, kLongestField);
  const Secret fresh(body.text("new", 0, kLongestField));
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (!looks_like_random_value(token)) co_return credentials_wrong("not a link");
  const auto link = fingerprint(token);
  auto peek = [link, now = state->clock.now()](soci::session& sql) {
    return sql::user_of_link(sql, link, now, sql::kResetLink);
  };
  const auto user = co_await state->store.read(std::move(peek));
  if (!user) co_return fail(user.error());
  if (!*user) co_return credentials_wrong("link unknown, used or expired");
  if (auto good = check_password(fresh.reveal(), (*user)->name, state->options.password_min); !good)
    co_return fail(std::move(good.error()));
  const auto hash = co_await state->hasher.hash(fresh);
  if (!hash) co_return fail(hash.error());
  auto work = [link, old_hash = (*user)->password_hash, hash = *hash, now = state->clock.now(),
               actor = actor_of(*state, request)](soci::session& sql) -> Result<> {
    const auto id = sql::use_link(sql, link, now, sql::kResetLink);
    if (!id || !sql::replace_password(sql, *id, old_hash, hash)) return credentials_wrong("link used meanwhile");
    sql::end_sessions_and_links(sql, *id, "");
    return bus::record(sql, event_of(events::kUserPassword, actor, *id, {{"by", "e-mail"}}));
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->cache.forget_user(UserId((*user)->id));
  log::info("identity", "password set by a letter's link", {{"user", (*user)->id}});
  co_return http::Response::empty(204);
}

}  // namespace

void add_account_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "POST", "/api/v1/auth/register", {Access::kOpen}, {"registration"}, register_account);
  add_route(state, routes, "POST", "/api/v1/auth/reset", {Access::kOpen}, {"reset-mail", "reset-name"}, ask_reset);
  add_route(state, routes, "PUT", "/api/v1/auth/password", {Access::kOpen}, {"sign-in-address"}, reset_password);
}

}  // namespace tiltyard::identity
