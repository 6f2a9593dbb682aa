#include "privileged/server.h"

#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "base/json.h"
#include "observe/log.h"

namespace tiltyard::privileged {
namespace {

namespace json = boost::json;

constexpr int kThreads = 4;
constexpr int kWaiting = 64;        // connections that nobody has taken yet
constexpr int kLookEvery = 200;     // ms, whether to end
constexpr timeval kPatience{5, 0};  // of who connects and then says nothing, or does not listen
constexpr std::size_t kLongestInLog = 64;

std::unexpected<Error> cannot_listen(const std::string& path) {
  const int why = errno;
  return fail(Code::kInternal, "socket-refused", "The socket " + path + " cannot be made: " + std::strerror(why));
}

json::object answer_of(const Error& error) {
  return {{"code", static_cast<std::int64_t>(error.code)},
          {"reason", error.reason},
          {"message", error.message},
          {"cause", error.cause}};
}

}  // namespace

Result<Account> account_of(const std::string& name) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool digits = error == std::errc{} && end == name.data() + name.size();
  const passwd* entry = digits ? ::getpwuid(number) : ::getpwnam(name.c_str());
  if (entry != nullptr) return Account{entry->pw_uid, entry->pw_gid};
  if (digits) return Account{number, number};
  return fail(Code::kInvalid, "account-unknown",
              "There is no account " + name + " on this host; make it (useradd --system " + name +
                  ") or name another in privileged.user.");
}

Result<Descriptor> listen_at(const std::string& path, int kind, const Account& account) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return cannot_listen(path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat there{};
  if (::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) ::unlink(path.c_str());
  // Several may see the same caller come: who is later must not wait in accept for the next one, and miss that it ends.
  Descriptor socket(::socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Nobody else's from the first moment on: the mode is asked when somebody connects.
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::umask(before);
  if (!bound || ::chown(path.c_str(), 0, account.group) != 0 || ::chmod(path.c_str(), 0660) != 0 ||
      ::listen(socket.get(), kWaiting) != 0)
    return cannot_listen(path);
  return socket;
}

Peer peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {0, static_cast<uid_t>(-1)};
  return {peer.pid, peer.uid};
}

Server::Server(Descriptor listener, Account caller, std::vector<Verb> verbs)
    : listener_(std::move(listener)), caller_(caller), verbs_(std::move(verbs)) {
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this](const std::stop_token& stop) { serve(stop); });
}

Server::~Server() {
  for (auto& thread : threads_) thread.request_stop();
}

void Server::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kLookEvery) <= 0) continue;
    const Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.open()) {  // no descriptor is free, or another thread was faster
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
      continue;
    }
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    answer(socket.get());
  }
}

void Server::answer(int socket) const {
  const Peer peer = peer_of(socket);
  std::string verb;
  Result<Outcome> outcome;
  // Read in any case: who is closed upon with something unread hears no answer.
  auto question = receive_message(socket);
  if (question && question->text.empty()) return;
  if (peer.user != caller_.user) {
    outcome = fail(Code::kForbidden, "caller-refused", "Only the server's own account may call.");
  } else if (!question) {
    outcome = fail(std::move(question.error()));
  } else {
    try {
      outcome = perform(*question, verb);
    } catch (const std::exception& error) {
      outcome = fail(Code::kInternal, "verb-failed", "The privileged half of the server failed.", error.what());
    }
  }
  if (!outcome) {
    log::warn("privileged", "a call was refused",
              {{"verb", verb.substr(0, kLongestInLog)},
               {"reason", outcome.error().reason},
               {"message", outcome.error().message},
               {"cause", outcome.error().cause},
               {"user", static_cast<std::int64_t>(peer.user)},
               {"pid", static_cast<std::int64_t>(peer.process)}});
  }
  const json::object said = outcome ? json::object{{"result", std::move(outcome->result)}} : answer_of(outcome.error());
  // Who does not wait for the answer gets none.
  [[maybe_unused]] const auto sent = send_message(socket, json::serialize(said), outcome ? outcome->file.get() : -1);
}

Result<Server::Outcome> Server::perform(const Message& question, std::string& verb) const {
  boost::system::error_code failed;
  const auto value = json::parse(question.text, failed);
  const auto* asked = value.if_object();
  const auto* arguments = asked == nullptr ? nullptr : member(*asked, "arguments").if_object();
  if (failed || arguments == nullptr || asked->size() != 2)
    return refused("the message is not a verb with its arguments");
  verb = text_of(*asked, "verb");
  const auto found = std::ranges::find(verbs_, verb, &Verb::name);
  if (found == verbs_.end())
    return fail(Code::kNotFound, "verb-unknown", "The privileged half of the server knows no such verb.");
  const Arguments with(*arguments, question.file.get());
  if (found->open) {
    auto file = found->open(with);
    if (!file) return fail(std::move(file.error()));
    return Outcome{{}, std::move(*file)};
  }
  auto result = found->run(with);
  if (!result) return fail(std::move(result.error()));
  return Outcome{std::move(*result), Descriptor()};
}

}  // namespace tiltyard::privileged
