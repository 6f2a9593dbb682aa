#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/offload.h"
#include "contest/answers.h"
#include "imports/imports.h"
#include "templates/templates.h"

namespace tiltyard::contest {

namespace asio = boost::asio;

/// A challenge as its files say it.
struct Challenge {
  Challenge(std::string its_id, imports::Challenge says, std::string its_folder)
      : id(std::move(its_id)), content(std::move(says)), folder(std::move(its_folder)), answers(content.flags) {}

  std::string id;
  imports::Challenge content;
  std::string folder;              ///< absolute
  std::optional<TemplateId> tmpl;  ///< what can be started for it
  Answers answers;
  std::optional<TimePoint> opens, closes;
  imports::Value value;                      ///< as it counts: what the file says, or the site's usual points
  std::vector<templates::Problem> problems;  ///< with an error it is nobody's to solve

  bool broken() const;
  /// Whether there is anything to hand in.
  bool has_flag() const { return answers.size() > 0 || content.own_flags; }
};
using ChallengeRef = std::shared_ptr<const Challenge>;
using Challenges = std::map<std::string, ChallengeRef, std::less<>>;

/// All challenges: the templates, and the folders beside them that hold a challenge.toml alone. Files are read on a
/// pool, and again only when they have changed. Lives on the home loop.
class Shelf {
 public:
  Shelf(std::string folder, std::int64_t usual_points, templates::Catalogue& catalogue, WorkerPool& files)
      : folder_(std::move(folder)), usual_points_(usual_points), catalogue_(catalogue), files_(files) {}

  /// Looks again; whether anything is different from before.
  asio::awaitable<bool> look();
  const Challenges& all() const { return all_; }
  ChallengeRef find(std::string_view id) const;

 private:
  struct Seen;
  std::string folder_;
  std::int64_t usual_points_;
  templates::Catalogue& catalogue_;
  WorkerPool& files_;
  Challenges all_;
  std::string signature_;  ///< of all that was read
};

/// A file below the challenge's folder, whatever links there are in it; nullopt: it is not there, no ordinary file, or
/// leads out of the folder. Blocking; the descriptor is the caller's.
std::optional<int> open_below(const std::string& folder, const std::string& path);

}  // namespace tiltyard::contest
