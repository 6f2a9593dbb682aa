#pragma once

#include <sys/types.h>

#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "privileged/arguments.h"
#include "privileged/wire.h"

namespace tiltyard::privileged {

/// One thing that the privileged half does. It checks all it is called with itself; called on several threads. One of
/// the two functions is there: what it answers, or an open file that goes to the caller.
struct Verb {
  std::string name;
  std::function<Result<boost::json::object>(const Arguments&)> run;
  std::function<Result<Descriptor>(const Arguments&)> open = {};
};

/// Who may call.
struct Account {
  uid_t user = 0;
  gid_t group = 0;
};
/// An account of this host, by its name or number; `account-unknown`.
Result<Account> account_of(const std::string& name);

/// A Unix socket at `path` that the account may connect to and nobody else but root; takes the place of one that a
/// process before left there. `kind` is SOCK_STREAM or SOCK_SEQPACKET. `socket-refused`.
Result<Descriptor> listen_at(const std::string& path, int kind, const Account& account);
/// Who is at the other end of a connected Unix socket.
struct Peer {
  pid_t process = 0;
  uid_t user = 0;
};
Peer peer_of(int socket);

/// Answers calls, one a connection, on a few threads, and none of anybody but the one account. Writes a line for each
/// call that it refuses.
class Server {
 public:
  Server(Descriptor listener, Account caller, std::vector<Verb> verbs);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  void serve(const std::stop_token& stop);
  void answer(int socket) const;
  struct Outcome {
    boost::json::object result;
    Descriptor file;
  };
  Result<Outcome> perform(const Message& question, std::string& verb) const;

  Descriptor listener_;
  Account caller_;
  std::vector<Verb> verbs_;
  std::vector<std::jthread> threads_;
};

}  // namespace tiltyard::privileged
