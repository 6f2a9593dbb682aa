#include "postgres_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace tiltyard::store::contract {
namespace {

namespace fs = std::filesystem;

/// Debian keeps the server's programs out of the PATH, a folder for each version.
std::string newest_programs() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(version.path() / "bin" / "initdb")) found.push_back((version.path() / "bin").string());
  }
  if (found.empty()) throw std::runtime_error("PostgreSQL is not there: apt-get install postgresql");
  return *std::ranges::max_element(found);
}

/// Below the ports that the kernel gives to outgoing connections, which could take it while the server is down.
int free_port() {
  std::random_device random;
  while (true) {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(10000 + random() % 10000));
    const bool free = ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    if (free) return ntohs(address.sin_port);
  }
}

/// PostgreSQL refuses to run as root; its package made a user for it.
const passwd* user_for_postgres() { return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr; }

/// Starts a program as PostgreSQL's user; its output goes to `log`. It dies with us.
pid_t launch(const std::vector<std::string>& arguments, const std::string& log) {
  const passwd* user = user_for_postgres();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent) ::_exit(1);
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file < 0 || ::dup2(file, 1) < 0 || ::dup2(file, 2) < 0) ::_exit(1);
  if (user != nullptr &&
      (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(1);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // a change of the user forgets it
  std::vector<char*> words;
  for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

/// Every process of the server, the first one last.
std::vector<pid_t> family(pid_t first) {
  std::vector<pid_t> out;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", first));
  for (pid_t child = 0; children >> child;) out.push_back(child);
  out.push_back(first);
  return out;
}

bool has_ended(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string number, name, state;
  return !(file >> number >> name >> state) || state == "Z";
}

}  // namespace

PostgresCluster& PostgresCluster::shared() {
  static PostgresCluster cluster;
  return cluster;
}

PostgresCluster::PostgresCluster() : programs_(newest_programs()), port_(free_port()) {
  std::string pattern = (fs::temp_directory_path() / "tiltyard-postgres-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  if (const passwd* user = user_for_postgres()) {
    if (::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown of " + folder_);
  }
  initialize();
  start();
}

PostgresCluster::~PostgresCluster() {
  if (pid_ > 0) {
    ::kill(pid_, SIGCONT);
    ::kill(pid_, SIGQUIT);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void PostgresCluster::initialize() {
  std::ofstream(folder_ + "/password") << kPassword;
  fs::permissions(folder_ + "/password", fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  const pid_t child = launch({programs_ + "/initdb", "-D", folder_ + "/data", "-U", "tester", "-A", "scram-sha-256",
                              "--pwfile", folder_ + "/password", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"},
                             folder_ + "/log");
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error("initdb failed; see " + folder_ + "/log");
}

void PostgresCluster::start() {
  // Killed processes lose nothing that the kernel has: a sync would only cost time here.
  pid_ =
      launch({programs_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-p", std::to_string(port_), "-c",
              "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c", "fsync=off", "-c", "shared_buffers=32MB"},
             folder_ + "/log");
  wait_until_ready();
}

void PostgresCluster::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (PQping(url_of("postgres").c_str()) != PQPING_OK) {
    if (std::chrono::steady_clock::now() > deadline || ::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      throw std::runtime_error("PostgreSQL did not start; see " + folder_ + "/log");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

void PostgresCluster::kill9() {
  ::kill(pid_, SIGSTOP);  // so that it makes no new ones meanwhile
  const auto processes = family(pid_);
  for (const pid_t process : processes) ::kill(process, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  while (!std::ranges::all_of(processes, has_ended)) std::this_thread::sleep_for(std::chrono::milliseconds{5});
  std::error_code ignored;
  fs::remove(folder_ + "/data/postmaster.pid", ignored);
}

void PostgresCluster::pause(bool paused) { ::kill(pid_, paused ? SIGSTOP : SIGCONT); }

std::string PostgresCluster::url_of(const std::string& database) const {
  return fmt::format("postgresql://tester:s3cret%2Fp%40ss@127.0.0.1:{}/{}", port_, database);
}

std::string PostgresCluster::ask(const std::string& sql, const std::string& database) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url_of(database).c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    throw std::runtime_error(PQerrorMessage(connection.get()));
  return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
}

std::string PostgresCluster::fresh() {
  const auto name = fmt::format("test_{}_{}", ::getpid(), ++databases_);
  ask("CREATE DATABASE " + name + " TEMPLATE template0");
  return url_of(name);
}

void PostgresCluster::drop(const std::string& url) {
  ask("DROP DATABASE IF EXISTS " + url.substr(url.rfind('/') + 1) + " WITH (FORCE)");
}

}  // namespace tiltyard::store::contract
