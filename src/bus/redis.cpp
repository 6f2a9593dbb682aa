#include "bus/redis.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <openssl/sha.h>

#include <array>
#include <charconv>
#include <deque>

#include <hiredis.h>

#include "base/backoff.h"
#include "base/gate.h"
#include "base/id.h"
#include "base/text.h"
#include "net/dial.h"
#include "net/transport.h"
#include "observe/log.h"

namespace tiltyard::bus {
namespace {

using boost::system::error_code;
using http::Transport;
using Clock = std::chrono::steady_clock;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadSize = 64 * 1024;
/// Without any reply for this many deadlines the connection is thought dead.
constexpr int kPatience = 20;

/// Where the server is and how to introduce oneself.
struct Address {
  std::string host, unix_path, user, password, db;
  std::uint16_t port = 6379;
  bool tls = false;
};

std::unexpected<Error> bad_url(std::string what) {
  return fail(Code::kInvalid, "redis-url",
              "The URL of Redis " + what + "; write it like redis://:PASSWORD@HOST:6379/0.");
}

Result<std::string> read_db(std::string_view text) {
  const bool digits = text.size() <= 3 && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return bad_url("names no database number");
  return std::string(text);
}

Result<Address> read_url(const std::string& text) {
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed) return bad_url("is not a URL");
  Address address;
  const auto& url = *parsed;
  if (url.scheme() == "unix") {
    address.unix_path = url.path();
    if (address.unix_path.empty()) return bad_url("names no socket");
    const auto params = url.params();
    const auto db = params.find("db");
    auto number = read_db(db == params.end() ? std::string() : std::string((*db).value));
    if (!number) return fail(std::move(number.error()));
    address.db = std::move(*number);
    return address;
  }
  if (url.scheme() != "redis" && url.scheme() != "rediss")
    return bad_url("begins with neither redis://, rediss:// nor unix://");
  address.tls = url.scheme() == "rediss";
  address.host = url.host_address();
  if (address.host.empty()) return bad_url("names no host");
  if (url.has_port() && url.port_number() == 0) return bad_url("names no port");
  if (url.has_port()) address.port = url.port_number();
  address.user = url.user();
  address.password = url.password();
  std::string path(url.path());
  if (path.starts_with('/')) path.erase(0, 1);
  auto number = read_db(path);
  if (!number) return fail(std::move(number.error()));
  address.db = std::move(*number);
  return address;
}

Error away(std::string cause) { return {Code::kUnavailable, "redis-away", "Redis is away.", std::move(cause), {}}; }

RedisReply take_reply(const redisReply& from) {
  RedisReply reply;
  using Kind = RedisReply::Kind;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = Kind::kInteger;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
      reply.kind = Kind::kText;
      break;
    case REDIS_REPLY_STATUS:
      reply.kind = Kind::kStatus;
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Kind::kError;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Kind::kList;
      reply.items.reserve(from.elements);
      for (std::size_t i = 0; i < from.elements; ++i) reply.items.push_back(take_reply(*from.element[i]));
      break;
    default:
      break;
  }
  if (from.str != nullptr && from.len > 0) reply.text.assign(from.str, static_cast<std::size_t>(from.len));
  return reply;
}

void append_command(std::string& out, const std::vector<std::string>& words) {
  std::array<const char*, 64> small_texts;
  std::array<std::size_t, 64> small_sizes;
  std::vector<const char*> many_texts;
  std::vector<std::size_t> many_sizes;
  const char** texts = small_texts.data();
  std::size_t* sizes = small_sizes.data();
  if (words.size() > small_texts.size()) {
    many_texts.resize(words.size());
    many_sizes.resize(words.size());
    texts = many_texts.data();
    sizes = many_sizes.data();
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    texts[i] = words[i].data();
    sizes[i] = words[i].size();
  }
  char* bytes = nullptr;
  const auto length = redisFormatCommandArgv(&bytes, static_cast<int>(words.size()), texts, sizes);
  if (length < 0) throw std::bad_alloc();
  out.append(bytes, static_cast<std::size_t>(length));
  redisFreeCommand(bytes);
}

/// Somebody who waits for a reply; completed once.
struct Waiter {
  struct Base {
    virtual ~Base() = default;
    virtual void complete(Result<RedisReply> reply) = 0;
  };
  template <class Handler>
  struct Of final : Base {
    explicit Of(Handler h) : handler(std::move(h)) {}
    void complete(Result<RedisReply> reply) override {
      // Posted, so that what is resumed here finds the connection at rest.
      auto executor = asio::get_associated_executor(handler);
      asio::post(executor, [handler = std::move(handler), reply = std::move(reply)]() mutable {
        std::move(handler)(std::move(reply));
      });
    }
    Handler handler;
  };
  std::unique_ptr<Base> who;  ///< empty once it was told, while its reply is still to come
  Clock::time_point until;
};

struct ReaderDeleter {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

}  // namespace

RedisScript::RedisScript(std::string source) : text(std::move(source)) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  hash = hex(digest);
}

struct Redis::State : std::enable_shared_from_this<Redis::State> {
  State(asio::any_io_executor on, RedisOptions o, Address a)
      : loop(std::move(on)), options(std::move(o)), address(std::move(a)), pause(loop), watch(loop) {}

  asio::any_io_executor loop;
  RedisOptions options;
  Address address;
  asio::steady_timer pause, watch;
  std::shared_ptr<Transport> transport;  ///< of the connection at hand
  std::deque<Waiter> waiting;            ///< in the order of their commands
  std::string outbox;
  bool ready = false, flushing = false, flush_due = false, closed = false;
  Clock::time_point heard{};  ///< when the last reply came
  Gate gate{"redis"};

  static asio::awaitable<void> run(std::shared_ptr<State> self);
  static asio::awaitable<void> supervise(std::shared_ptr<State> self);
  static asio::awaitable<void> flush(std::shared_ptr<State> self, std::shared_ptr<Transport> link);
  asio::awaitable<Result<std::shared_ptr<Transport>>> connect();
  asio::awaitable<Result<>> introduce(std::shared_ptr<Transport> link);
  asio::awaitable<std::string> read(std::shared_ptr<Transport> link);
  bool deliver(redisReader& reader);
  void drop(const std::string& why);
  void expire(Clock::time_point now);
  void send_soon();
  template <class Handler>
  void begin(Handler handler, std::string bytes);
};

template <class Handler>
void Redis::State::begin(Handler handler, std::string bytes) {
  auto who = std::make_unique<Waiter::Of<Handler>>(std::move(handler));
  if (!ready || !options.channel.empty()) return who->complete(fail(away("not connected for commands")));
  if (waiting.size() >= options.queue_limit) {
    return who->complete(fail(Code::kUnavailable, "redis-busy", "Too many commands wait for Redis."));
  }
  outbox += bytes;
  waiting.push_back({std::move(who), Clock::now() + options.deadline});
  send_soon();
}

/// In the next turn of the loop, so that all commands of this turn go together.
void Redis::State::send_soon() {
  if (flushing || flush_due) return;
  flush_due = true;
  asio::post(loop, [self = shared_from_this()] {
    self->flush_due = false;
    if (self->flushing || !self->transport || self->outbox.empty()) return;
    self->flushing = true;
    self->gate.spawn(self->loop, "flush", flush(self, self->transport));
  });
}

asio::awaitable<void> Redis::State::flush(std::shared_ptr<State> self, std::shared_ptr<Transport> link) {
  while (self->transport == link && !self->outbox.empty()) {
    const std::string bytes = std::exchange(self->outbox, {});
    const error_code error = co_await link->write_all(bytes);
    if (error) {
      link->close();
      break;
    }
  }
  if (self->transport == link) self->flushing = false;
}

/// Tells those whose replies have arrived; false when the bytes make no sense.
bool Redis::State::deliver(redisReader& reader) {
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(&reader, &raw) != REDIS_OK) return false;
    if (raw == nullptr) return true;
    const auto reply = std::unique_ptr<redisReply, void (*)(void*)>(static_cast<redisReply*>(raw), freeReplyObject);
    if (!options.channel.empty()) {
      auto pushed = take_reply(*reply);
      if (pushed.items.size() == 3 && pushed.items[0].text == "message")
        options.on_message(std::move(pushed.items[2].text));
      continue;
    }
    if (waiting.empty()) return false;
    auto waiter = std::move(waiting.front());
    waiting.pop_front();
    heard = Clock::now();
    if (waiter.who) waiter.who->complete(take_reply(*reply));
  }
}

/// Reads until the connection ends; the answer says why.
asio::awaitable<std::string> Redis::State::read(std::shared_ptr<Transport> link) {
  const std::unique_ptr<redisReader, ReaderDeleter> reader(redisReaderCreate());
  std::string bytes(kReadSize, '\0');
  while (!closed) {
    auto [error, size] = co_await link->read_some(asio::mutable_buffer(bytes.data(), bytes.size()));
    if (error) co_return error.message();
    if (redisReaderFeed(reader.get(), bytes.data(), size) != REDIS_OK || !deliver(*reader))
      co_return "a reply that makes no sense";
  }
  co_return "closed";
}

void Redis::State::drop(const std::string& why) {
  ready = flushing = false;
  if (transport) transport->close();
  transport.reset();
  outbox.clear();
  auto lost = std::exchange(waiting, {});
  for (auto& waiter : lost) {
    if (waiter.who) waiter.who->complete(fail(away(why)));
  }
}

/// Tells those whose time is up. Their places stay, because their replies may still come.
void Redis::State::expire(Clock::time_point now) {
  for (auto& waiter : waiting) {
    if (waiter.until > now) break;
    if (!waiter.who) continue;
    const auto who = std::move(waiter.who);
    who->complete(fail(Code::kTimeout, "redis-slow", "Redis did not answer in time."));
  }
  const bool silent = !waiting.empty() && now - waiting.front().until > options.deadline * kPatience &&
                      now - heard > options.deadline * kPatience;
  if (silent && transport) transport->close();
}

asio::awaitable<void> Redis::State::supervise(std::shared_ptr<State> self) {
  while (!self->closed) {
    self->watch.expires_after(self->options.deadline / 5);
    co_await self->watch.async_wait(kTuple);
    self->expire(Clock::now());
  }
}

asio::awaitable<Result<std::shared_ptr<Transport>>> Redis::State::connect() {
  auto socket =
      co_await http::dial({address.unix_path, address.host, address.port}, Clock::now() + options.connect_within);
  if (!socket) co_return fail(away(socket.error().cause));
  auto link = std::make_shared<Transport>(std::move(*socket));
  if (address.tls) {
    auto context = http::make_client_context("", "", "");
    if (!context) co_return fail(std::move(context.error()));
    asio::steady_timer shake(loop, options.connect_within);
    shake.async_wait([link](const error_code& error) {
      if (!error) link->close();
    });
    const error_code failed = co_await link->connect_tls(*context, address.host);
    if (failed) co_return fail(away(failed.message()));
  }
  co_return link;
}

/// AUTH and SELECT; PING otherwise, so that a server that is only loading its data is not taken for ready.
asio::awaitable<Result<>> Redis::State::introduce(std::shared_ptr<Transport> link) {
  std::vector<std::vector<std::string>> commands;
  if (!address.password.empty() && address.user.empty()) commands.push_back({"AUTH", address.password});
  if (!address.password.empty() && !address.user.empty()) commands.push_back({"AUTH", address.user, address.password});
  if (!address.db.empty()) commands.push_back({"SELECT", address.db});
  commands.push_back({"PING"});
  if (!options.channel.empty()) commands.push_back({"SUBSCRIBE", options.channel});
  std::string bytes;
  for (const auto& words : commands) append_command(bytes, words);
  asio::steady_timer limit(loop, options.connect_within);
  limit.async_wait([link](const error_code& error) {
    if (!error) link->close();
  });
  if (const error_code error = co_await link->write_all(bytes)) co_return fail(away(error.message()));
  const std::unique_ptr<redisReader, ReaderDeleter> reader(redisReaderCreate());
  std::array<char, 4096> piece{};
  for (std::size_t answered = 0; answered < commands.size();) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader.get(), &raw) != REDIS_OK) co_return fail(away("not a Redis server"));
    if (raw != nullptr) {
      const auto reply = take_reply(*static_cast<redisReply*>(raw));
      freeReplyObject(raw);
      if (reply.kind == RedisReply::Kind::kError) co_return fail(away(commands[answered].front() + ": " + reply.text));
      ++answered;
      continue;
    }
    auto [error, size] = co_await link->read_some(asio::mutable_buffer(piece.data(), piece.size()));
    if (error) co_return fail(away(error.message()));
    redisReaderFeed(reader.get(), piece.data(), size);
  }
  co_return Result<>{};
}

asio::awaitable<void> Redis::State::run(std::shared_ptr<State> self) {
  auto& state = *self;
  Growing back_off(state.options.back_off, state.options.longest_back_off);
  std::string told;
  while (!state.closed) {
    auto link = co_await state.connect();
    Result<> greeted = link ? Result<>{} : Result<>(std::unexpected(link.error()));
    if (greeted) greeted = co_await state.introduce(*link);
    if (state.closed) {
      if (link) (*link)->close();
      break;
    }
    std::string why;
    if (greeted) {
      log::info("redis", "connected", {});
      told.clear();
      back_off.reset();
      state.transport = *link;
      state.ready = true;
      state.heard = Clock::now();
      if (state.options.on_connected) state.options.on_connected();
      why = co_await state.read(*link);
      state.drop(why);
    } else {
      if (link) (*link)->close();
      why = greeted.error().cause.empty() ? greeted.error().message : greeted.error().cause;
    }
    if (state.closed) break;
    // Once for each reason, however often it is tried.
    if (why != told) log::warn("redis", "not connected; trying again", {{"cause", why}});
    told = why;
    std::uint64_t dice = 0;
    const auto hex = random_hex(4);
    std::from_chars(hex.data(), hex.data() + hex.size(), dice, 16);
    const auto wait = back_off.next();
    state.pause.expires_after(wait / 2 +
                              std::chrono::milliseconds(dice % static_cast<std::uint64_t>(wait.count() / 2 + 1)));
    co_await state.pause.async_wait(kTuple);
  }
}

Redis::Redis(std::shared_ptr<State> state) : state_(std::move(state)) {}

Redis::~Redis() = default;

Result<std::unique_ptr<Redis>> Redis::open(asio::any_io_executor loop, RedisOptions options) {
  auto address = read_url(options.url.reveal());
  if (!address) return fail(std::move(address.error()));
  auto state = std::make_shared<State>(loop, std::move(options), std::move(*address));
  state->gate.spawn(loop, "connection", State::run(state));
  state->gate.spawn(loop, "deadlines", State::supervise(state));
  return std::unique_ptr<Redis>(new Redis(std::move(state)));
}

asio::awaitable<Result<RedisReply>> Redis::send(std::string bytes) {
  auto start = [state = state_](auto handler, std::string all) { state->begin(std::move(handler), std::move(all)); };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<RedisReply>)>(
      std::move(start), asio::use_awaitable, std::move(bytes));
}

asio::awaitable<Result<RedisReply>> Redis::command(std::vector<std::string> words) {
  std::string bytes;
  append_command(bytes, words);
  return send(std::move(bytes));
}

asio::awaitable<Result<RedisReply>> Redis::eval(const RedisScript& script, std::vector<std::string> keys_and_arguments,
                                                std::size_t keys) {
  auto& words = keys_and_arguments;
  words.insert(words.begin(), {"EVALSHA", script.hash, std::to_string(keys)});
  std::string bytes;
  append_command(bytes, words);
  auto reply = co_await send(std::move(bytes));
  const bool unknown = reply && reply->kind == RedisReply::Kind::kError && reply->text.starts_with("NOSCRIPT");
  if (unknown) {
    words[0] = "EVAL";
    words[1] = script.text;
    std::string whole;
    append_command(whole, words);
    reply = co_await send(std::move(whole));
  }
  if (reply && reply->kind == RedisReply::Kind::kError) {
    co_return fail(Code::kUnavailable, "redis-refused", "Redis refused a script.", reply->text);
  }
  co_return reply;
}

bool Redis::connected() const { return state_->ready; }

asio::awaitable<void> Redis::close() {
  const auto state = state_;
  state->closed = true;
  state->pause.cancel();
  state->watch.cancel();
  state->drop("closed");
  co_await state->gate.close();
}

}  // namespace tiltyard::bus
