#pragma once

#include <sys/types.h>

#include <string>

namespace tiltyard::store::contract {

/// A private PostgreSQL server in a temporary folder, on a loopback port, with a password: the real thing, from
/// Debian's package. Started when a test first asks for it, ended with the process, also when that is killed.
class PostgresCluster {
 public:
  static PostgresCluster& shared();

  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  /// A new, empty database's URL, and the way to be rid of it.
  std::string fresh();
  void drop(const std::string& url);

  /// SIGKILL to every process of the server, as after a power cut. Until `start`, nobody answers.
  void kill9();
  void start();
  /// SIGSTOP and SIGCONT to the server's first process: it takes no new connections meanwhile.
  void pause(bool paused);
  /// A statement as the superuser, on a connection of its own; its first value, "" when there is none.
  std::string ask(const std::string& sql, const std::string& database = "postgres");

  /// The password in the URLs.
  static constexpr const char* kPassword = "s3cret/p@ss";

 private:
  PostgresCluster();
  void initialize();
  std::string url_of(const std::string& database) const;
  void wait_until_ready();

  std::string folder_;
  std::string programs_;
  int port_ = 0;
  pid_t pid_ = -1;
  int databases_ = 0;
};

}  // namespace tiltyard::store::contract
