#include "realtime/socket_io.h"

#include <boost/asio/this_coro.hpp>

#include <optional>
#include <utility>

#include "base/gate.h"
#include "base/id.h"
#include "base/offload.h"
#include "base/parallel.h"
#include "observe/log.h"

namespace tiltyard::realtime::socket_io {
namespace {

constexpr std::size_t kMostQuestions = 100;  ///< that one client may leave open
/// A text over this is parsed on a worker, so that nobody's large words hold up what everybody waits for.
constexpr std::size_t kParseHere = 4 * 1024;

Packet packet_of(PacketType type, const std::string& name_space, json::value data = nullptr) {
  Packet packet;
  packet.type = type;
  packet.name_space = name_space;
  packet.data = std::move(data);
  return packet;
}

Packet packet_of(PacketType plain, PacketType binary, const std::string& name_space, Arguments arguments) {
  Packet packet = packet_of(arguments.attachments.empty() ? plain : binary, name_space, std::move(arguments.values));
  packet.attachments = std::move(arguments.attachments);
  return packet;
}

}  // namespace

struct Server::State {
  State(asio::any_io_executor h, Options o) : home(std::move(h)), options(o), heartbeat(home) {}

  asio::any_io_executor home;
  Options options;
  std::map<std::string, Namespace*, std::less<>> namespaces;
  Heartbeat heartbeat;
  WorkerPool worker{"packets", 1};
  Gate gate{"socket.io"};
};

/// One connection with the namespaces that its client is in. Packets wait in the inbox and are worked off one after the
/// other; while a large message is read on the worker, those behind it wait unread.
class Client final : public ChannelUser, public Heartbeat::Beating, public std::enable_shared_from_this<Client> {
 public:
  Client(std::shared_ptr<Server::State> server, ChannelRef channel, Opaque greeting)
      : server_(std::move(server)), channel_(std::move(channel)), greeting_(std::move(greeting)) {}

  void begin() { server_->heartbeat.set(*this, server_->options.connect_timeout); }
  Channel& channel() const { return *channel_; }

  void on_message(Message message) override;
  void on_closed(std::string_view reason) override;
  void on_beat() override { channel_->close("no namespace"); }

  void send(const Packet& packet) {
    if (!closed_) channel_->send(parcel_of(encode(packet)));
  }
  void leave(const std::string& name_space, std::string_view reason);

 private:
  struct Place {
    SocketRef socket;
    Namespace* meaning;
  };

  PacketBounds bounds() const { return let_in_ ? PacketBounds{} : kKnock; }
  void took(Decoder::Step step);
  static asio::awaitable<void> read_apart(std::shared_ptr<Client> self);
  static asio::awaitable<void> work(std::shared_ptr<Client> self);
  asio::awaitable<void> take(Packet packet);
  asio::awaitable<void> connect(Packet packet);
  asio::awaitable<void> pass_on(Place place, Packet packet);
  void answer(Socket& socket, Packet packet);
  Place* place_of(std::string_view name_space);

  std::shared_ptr<Server::State> server_;
  ChannelRef channel_;
  Opaque greeting_;
  Decoder decoder_;
  std::vector<Place> places_;
  std::vector<Packet> inbox_;
  std::size_t inbox_bytes_ = 0;  ///< of packets whose turn has not come
  std::vector<Message> unread_;
  std::size_t unread_bytes_ = 0;
  std::size_t knocks_ = 0;  ///< at namespaces that did not let it in
  bool reading_ = false, working_ = false, closed_ = false, let_in_ = false;
};

void Client::on_message(Message message) {
  if (closed_) return;
  if (!reading_ && (message.binary || message.data.size() <= kParseHere))
    return took(decoder_.feed(std::move(message), bounds()));
  if (unread_bytes_ + inbox_bytes_ + message.data.size() > server_->options.inbox_bytes)
    return channel_->close("flood");
  unread_bytes_ += message.data.size();
  unread_.push_back(std::move(message));
  if (reading_) return;
  reading_ = true;
  auto job = read_apart(shared_from_this());
  server_->gate.spawn(server_->home, "a client's large packets", std::move(job));
}

asio::awaitable<void> Client::read_apart(std::shared_ptr<Client> self) {
  while (!self->unread_.empty() && !self->closed_) {
    for (auto& message : std::exchange(self->unread_, {})) {
      if (self->closed_) break;
      const std::size_t bytes = message.data.size();
      auto feed = [self, &message, most = self->bounds()] { return self->decoder_.feed(std::move(message), most); };
      const auto step = bytes <= kParseHere ? feed() : co_await offload(self->server_->worker, feed);
      self->unread_bytes_ -= bytes;
      if (!self->closed_) self->took(step);
    }
  }
  self->reading_ = false;
}

void Client::took(Decoder::Step step) {
  switch (step) {
    case Decoder::Step::kMore:
      return;
    case Decoder::Step::kBad:
      return channel_->close("parse error");
    case Decoder::Step::kPacket:
      break;
  }
  auto packet = decoder_.take();
  if (packet.type == PacketType::kAck || packet.type == PacketType::kBinaryAck) {
    // Not through the inbox: an event there may be waiting for exactly this.
    if (auto* place = place_of(packet.name_space)) answer(*place->socket, std::move(packet));
    return;
  }
  const auto& options = server_->options;
  const std::size_t most = let_in_ ? options.inbox : options.knocks + options.namespaces;
  if (inbox_.size() >= most || inbox_bytes_ + packet.bytes > options.inbox_bytes) return channel_->close("flood");
  inbox_bytes_ += packet.bytes;
  inbox_.push_back(std::move(packet));
  if (working_) return;
  working_ = true;
  auto job = work(shared_from_this());
  server_->gate.spawn(server_->home, "a client's packets", std::move(job));
}

asio::awaitable<void> Client::work(std::shared_ptr<Client> self) {
  while (!self->inbox_.empty() && !self->closed_) {
    auto packets = std::exchange(self->inbox_, {});
    for (auto& packet : packets) {
      self->inbox_bytes_ -= packet.bytes;
      if (!self->closed_) co_await self->take(std::move(packet));
    }
  }
  self->working_ = false;
}

Client::Place* Client::place_of(std::string_view name_space) {
  for (auto& place : places_) {
    if (place.socket->name_space() == name_space) return &place;
  }
  return nullptr;
}

asio::awaitable<void> Client::take(Packet packet) {
  auto* place = place_of(packet.name_space);
  if (packet.type == PacketType::kConnect) {
    if (place == nullptr) co_await connect(std::move(packet));
  } else if (place == nullptr) {
    channel_->close("parse error");
  } else if (packet.type == PacketType::kDisconnect) {
    leave(packet.name_space, "client namespace disconnect");
  } else {
    co_await pass_on(*place, std::move(packet));
  }
}

asio::awaitable<void> Client::connect(Packet packet) {
  const std::string name = packet.name_space;
  const auto refuse = [&](json::object why) {
    send(packet_of(PacketType::kConnectError, name, std::move(why)));
    if (!let_in_ && ++knocks_ >= server_->options.knocks) channel_->close("flood");
  };
  const auto found = server_->namespaces.find(name);
  if (found == server_->namespaces.end() || places_.size() >= server_->options.namespaces)
    co_return refuse({{"message", "Invalid namespace"}});
  auto socket = std::make_shared<Socket>(shared_from_this(), name, greeting_);
  auto auth = packet.data.is_object() ? std::move(packet.data.get_object()) : json::object();
  auto admitted = co_await found->second->admit(socket, std::move(auth));
  if (closed_) {
    if (admitted) found->second->on_gone(socket, "closed");
    co_return;
  }
  if (!admitted) {
    const auto& error = admitted.error();
    co_return refuse({{"message", error.message}, {"data", {{"reason", error.reason}}}});
  }
  server_->heartbeat.clear(*this);
  json::object welcome = std::move(*admitted);
  welcome["sid"] = socket->id();
  socket->connected_ = true;
  if (!std::exchange(let_in_, true)) channel_->trust();
  places_.push_back({socket, found->second});
  // Clients may listen for what they get first only once they have this.
  channel_->send_alone(parcel_of(encode(packet_of(PacketType::kConnect, name, std::move(welcome)))));
  found->second->on_connected(socket);
}

asio::awaitable<void> Client::pass_on(Place place, Packet packet) {
  Event event;
  auto& values = packet.data.get_array();
  event.name = std::string(values[0].get_string());
  values.erase(values.begin());
  event.arguments = {std::move(values), std::move(packet.attachments)};
  if (packet.ack) {
    event.acknowledge = [weak = weak_from_this(), socket = place.socket, ack = *packet.ack,
                         answered = false](Arguments arguments) mutable {
      const auto self = weak.lock();
      if (!self || !socket->connected() || std::exchange(answered, true)) return;
      auto answer = packet_of(PacketType::kAck, PacketType::kBinaryAck, socket->name_space(), std::move(arguments));
      answer.ack = ack;
      self->send(answer);
    };
  }
  co_await place.meaning->on_event(place.socket, std::move(event));
}

void Client::leave(const std::string& name_space, std::string_view reason) {
  auto* place = place_of(name_space);
  if (place == nullptr) return;
  const Place left = *place;
  std::swap(*place, places_.back());
  places_.pop_back();
  left.socket->connected_ = false;
  left.meaning->on_gone(left.socket, reason);
}

void Client::on_closed(std::string_view reason) {
  const auto self = shared_from_this();
  closed_ = true;
  server_->heartbeat.clear(*this);
  inbox_.clear();
  while (!places_.empty()) leave(std::string(places_.back().socket->name_space()), reason);
}

/// Somebody waits for it on the stack of `ask`.
struct Socket::Question {
  explicit Question(asio::any_io_executor home) : answered(std::move(home)) {}
  Signal answered;
  std::optional<Arguments> answer;
};

void Client::answer(Socket& socket, Packet packet) {
  if (!socket.questions_) return;
  const auto found = socket.questions_->find(*packet.ack);
  if (found == socket.questions_->end()) return;
  found->second->answer = Arguments{std::move(packet.data.get_array()), std::move(packet.attachments)};
  found->second->answered.set();
}

Socket::Socket(std::shared_ptr<Client> client, std::string name_space, Opaque greeting)
    : client_(client), id_(random_hex(10)), name_space_(std::move(name_space)), greeting_(std::move(greeting)) {}

/// Valid while the socket is connected, or about to be.
Channel& Socket::channel() const { return client_.lock()->channel(); }

void Socket::emit(Arguments arguments) {
  const auto client = client_.lock();
  if (!client || !connected_) return;
  client->send(packet_of(PacketType::kEvent, PacketType::kBinaryEvent, name_space_, std::move(arguments)));
}

asio::awaitable<Result<Arguments>> Socket::ask(Arguments arguments, std::chrono::milliseconds limit) {
  const auto self = shared_from_this();
  const auto client = client_.lock();
  if (!client || !connected_) co_return fail(Code::kCancelled, "closed", "The client has gone.");
  if (!questions_) questions_ = std::make_unique<std::map<std::uint64_t, Question*>>();
  if (questions_->size() >= kMostQuestions)
    co_return fail(Code::kLimited, "too-many-questions", "The client does not answer.");
  const auto home = co_await asio::this_coro::executor;
  Question question(home);
  const auto id = asked_++;
  struct Entry {
    Socket& socket;
    std::uint64_t id;
    ~Entry() { socket.questions_->erase(id); }
  } entry{*this, id};
  questions_->emplace(id, &question);
  auto packet = packet_of(PacketType::kEvent, PacketType::kBinaryEvent, name_space_, std::move(arguments));
  packet.ack = id;
  client->send(packet);
  const bool answered = co_await question.answered.wait_for(limit);
  if (!answered || !question.answer) co_return fail(Code::kTimeout, "no-answer", "The client did not answer.");
  co_return std::move(*question.answer);
}

void Socket::disconnect() {
  const auto self = shared_from_this();
  const auto client = client_.lock();
  if (!client || !connected_) return;
  client->send(packet_of(PacketType::kDisconnect, name_space_));
  client->leave(name_space_, "server namespace disconnect");
}

Server::Server(asio::any_io_executor home, Options options)
    : state_(std::make_shared<State>(std::move(home), options)) {}
Server::~Server() = default;

void Server::add(std::string name, Namespace& meaning) {
  state_->namespaces.insert_or_assign(std::move(name), &meaning);
}

std::shared_ptr<ChannelUser> Server::accept(ChannelRef channel, Opaque greeting) {
  auto client = std::make_shared<Client>(state_, std::move(channel), std::move(greeting));
  client->begin();
  return client;
}

asio::awaitable<void> Server::close() {
  const auto state = state_;
  co_await state->gate.close();
}

}  // namespace tiltyard::realtime::socket_io
