#include "privileged/caller.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <cstring>

#include "base/json.h"

namespace tiltyard::privileged {
namespace {

namespace json = boost::json;

constexpr timeval kDeadline{30, 0};

std::unexpected<Error> away(const std::string& socket) {
  const int why = errno;
  return fail(Code::kUnavailable, "privileged-away",
              "The privileged half of the server does not run; start it: systemctl start tiltyard-privileged.",
              socket + ": " + std::strerror(why));
}

Result<Descriptor> dial(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return away(path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.open() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return away(path);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kDeadline, sizeof kDeadline);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kDeadline, sizeof kDeadline);
  return socket;
}

Error error_of(const json::object& answer) {
  const auto code = number_of(answer, "code");
  const bool known = code >= 0 && code <= static_cast<std::int64_t>(Code::kInternal);
  return Error{known ? static_cast<Code>(code) : Code::kInternal,
               text_of(answer, "reason"),
               text_of(answer, "message"),
               text_of(answer, "cause"),
               {}};
}

}  // namespace

Result<Caller::Answer> Caller::ask(std::string_view verb, json::object arguments, int file) const {
  auto socket = dial(socket_);
  if (!socket) return fail(std::move(socket.error()));
  const json::object question{{"verb", verb}, {"arguments", std::move(arguments)}};
  if (auto sent = send_message(socket->get(), json::serialize(question), file); !sent)
    return fail(std::move(sent.error()));
  auto answer = receive_message(socket->get());
  if (!answer) return fail(std::move(answer.error()));
  boost::system::error_code failed;
  const auto value = json::parse(answer->text, failed);
  const auto* object = value.if_object();
  if (failed || object == nullptr)
    return fail(Code::kUnavailable, "privileged-lost", "The privileged half of the server closed without an answer.");
  if (object->contains("reason")) return fail(error_of(*object));
  const auto* result = member(*object, "result").if_object();
  return Answer{result == nullptr ? json::object() : *result, std::move(answer->file)};
}

Result<json::object> Caller::call(std::string_view verb, json::object arguments, int file) const {
  auto answer = ask(verb, std::move(arguments), file);
  if (!answer) return fail(std::move(answer.error()));
  return std::move(answer->result);
}

Result<Descriptor> Caller::open(std::string_view verb, json::object arguments, int file) const {
  auto answer = ask(verb, std::move(arguments), file);
  if (!answer) return fail(std::move(answer.error()));
  if (!answer->file.open())
    return fail(Code::kUnavailable, "privileged-lost", "The privileged half of the server handed out nothing.");
  return std::move(answer->file);
}

}  // namespace tiltyard::privileged
