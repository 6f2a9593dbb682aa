// Whose door it is, on raw TCP: the address that its owner has, or a line with the token, which plain nc can send.
#include <sys/uio.h>

#include <algorithm>

#include "gateway/hello_session.h"
#include "gateway/known.h"
#include "gateway/tcp_session.h"

namespace tiltyard::gateway {
namespace {

constexpr auto kPromptTime = std::chrono::seconds(10);
// Who speaks TLS says hello as soon as it is connected, and would not understand the question.
constexpr auto kBeforeAsking = std::chrono::milliseconds(200);
constexpr char kFirstOfHello = 0x16;
constexpr std::string_view kQuestion = "This is its owner's alone. Token: ";
constexpr std::string_view kWrong =
    "This token does not open it. The Tiltyard page and \"tiltyard door\" show the right one.\n";
constexpr std::string_view kTooOften = "Too many wrong tokens from your address. Wait a minute.\n";

void say(Stream& stream, std::string_view text) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  stream.write({&piece, 1});  // a peer that does not take one line gets none
}

/// The port that is the endpoint's alone.
std::uint16_t port_of(const Target& target) {
  const auto& endpoints = target.instance->endpoints;
  const auto at = std::ranges::find(endpoints, target.endpoint) - endpoints.begin();
  return target.instance->publication->routes[static_cast<std::size_t>(at)].port;
}

bool ends_at_machine(const Target& target) {
  return target.kind == EndpointKind::kTls && target.handover.tls == TlsEnd::kMachine;
}

/// What a token is at the end of a line that somebody typed or pasted.
std::string_view without_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

}  // namespace

/// Whether the visitor may go on at once; otherwise they have been asked, or cut off.
bool TcpSession::pass_door(const Target& target, std::string_view token) {
  if (target.door == Door::kOpen) return true;
  const auto now = millis_now();
  // Whose TLS ends at the machine cannot be asked in the middle of it.
  const bool through = ends_at_machine(target);
  if ((target.door != Door::kPrompt || through) && address())
    pass_ = known_at(shard_.doors(), *target.instance->publication, *address());
  if (pass_) return true;
  if (target.door == Door::kAddress || (through && token.empty())) {
    cut();
    return false;
  }
  prompt_ = std::make_unique<Prompt>(Prompt{.target = target, .bytes = {}});
  // Who speaks for many shows them all one face; their tries are one's.
  if (!shard_.shared().door_memory.may_try(address().value_or(0), now)) {
    if (through) cut();
    else refuse(kTooOften);
    return false;
  }
  if (!token.empty()) {
    take_token(token, {});
  } else if (client_.layered() || !shard_.options().tls) {
    ask();
    advance();
  } else {
    shard_.loop().set_deadline(*this, shard_.loop().now() + kBeforeAsking);
  }
  return false;
}

void TcpSession::refuse(std::string_view why) {
  say(client_, why);
  client_.shutdown_write();
  end();
}

void TcpSession::ask() {
  prompt_->asked = true;
  shard_.loop().set_deadline(*this, shard_.loop().now() + kPromptTime);
  say(client_, kQuestion);
}

/// A visitor who begins with a hello shows the token as the name that it asks for, or is asked inside.
void TcpSession::go_under_tls() {
  auto& shard = shard_;
  auto arrival = client_.hand_over(std::string(prompt_->bytes.data(), prompt_->size));
  const auto port = port_of(prompt_->target);
  auto guest = hand_over();
  end();
  HelloSession::begin(shard, std::move(arrival), std::move(guest), port);
}

/// Reads the line. What comes behind it is for the machine.
void TcpSession::read_token() {
  auto& prompt = *prompt_;
  while (client_.readable && prompt.size < prompt.bytes.size()) {
    const auto got = client_.read(prompt.bytes.data() + prompt.size, prompt.bytes.size() - prompt.size);
    if (got.state == Io::kBlocked) break;
    if (got.state != Io::kOk) return cut();
    prompt.size += got.size;
    if (!prompt.asked && prompt.bytes[0] == kFirstOfHello) return go_under_tls();
    const std::string_view all(prompt.bytes.data(), prompt.size);
    if (const auto end = all.find('\n'); end != all.npos) return take_token(all.substr(0, end), all.substr(end + 1));
  }
  if (client_.broken) return cut();
  if (prompt.size == prompt.bytes.size()) take_token({}, {});
}

void TcpSession::take_token(std::string_view line, std::string_view rest) {
  const auto now = millis_now();
  const auto target = prompt_->target;
  const auto& instance = target.instance->publication->instance;
  pass_ = shard_.doors().check(without_end(line), Pass::Kind::kToken, {instance.str(), {}}, now);
  if (!pass_) {
    shard_.shared().door_memory.tried_in_vain(address().value_or(0), now);
    if (ends_at_machine(target)) cut();
    else refuse(kWrong);
    return;
  }
  first_ += rest;
  prompt_.reset();
  shard_.loop().clear_deadline(*this);
  if (!shard_.serves(*target.instance)) return cut();
  enter(target);
}

}  // namespace tiltyard::gateway
