#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <unordered_map>

#include "identity/egress.h"
#include "identity/store.h"

namespace tiltyard::identity {

/// The accounts of a CTFd, by their access tokens (CTFd 3.x, /api/v1). Answers are believed for a minute; whoever asks
/// for the same token meanwhile waits for the same answer. Lives on the home loop.
class Ctfd {
 public:
  static constexpr Duration kBelievedFor = std::chrono::seconds{60};

  /// `admins`: the role of the CTFd's administrators, with which everybody else is a player; nullopt: it says nothing
  /// of roles.
  Ctfd(std::string url, Secret admin_token, std::optional<Role> admins, const Clock& clock);

  /// Whether a text has the form of a CTFd token ("ctfd_" and hex digits; older ones are 64 hex digits).
  static bool looks_like_token(std::string_view text);

  /// What its users and teams are known by here: another CTFd's user 7 is somebody else.
  std::string provider() const { return "ctfd " + url_; }

  /// The user behind the token and, when the CTFd plays in teams, the team. `credentials-wrong`, or `ctfd-unavailable`
  /// when it cannot be asked or does not answer as a CTFd does.
  asio::awaitable<Result<sql::Outside>> who(std::string token);
  /// What `who` would answer without asking anybody.
  std::optional<Result<sql::Outside>> known(const std::string& token) const;

 private:
  using Object = boost::json::object;
  struct Known {
    Result<sql::Outside> answer;
    TimePoint until;
  };
  struct Member {
    std::string id, name, team_id;
  };

  asio::awaitable<Result<egress::Answer>> get(std::string path, std::string token);
  /// The "data" object of a successful answer; nullopt when the CTFd keeps it from us.
  asio::awaitable<Result<std::optional<boost::json::value>>> data(std::string path, std::string token);
  asio::awaitable<Result<sql::Outside>> ask(std::string token);
  asio::awaitable<Result<Role>> role_of(std::string id, std::string token);
  /// Nullopt: the CTFd does not say, it has to be told from the user.
  asio::awaitable<Result<std::optional<bool>>> plays_in_teams(std::string token);
  asio::awaitable<Result<std::optional<sql::OutsideTeam>>> team_of(Member member, std::string token);
  asio::awaitable<Result<std::optional<sql::OutsideTeam>>> team_details(Member member, std::string token);
  void remember(const std::string& key, const Result<sql::Outside>& answer);

  std::string url_;
  Secret admin_token_;
  std::optional<Role> admins_;
  const Clock& clock_;
  egress::Breaker breaker_;
  egress::SingleFlight flights_;
  std::unordered_map<std::string, Known> known_;
  std::optional<bool> teams_;
  TimePoint teams_until_{};
};

}  // namespace tiltyard::identity
