#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/capability.h"
#include "base/gate.h"
#include "base/parallel.h"
#include "base/turn.h"
#include "contest/board.h"
#include "contest/model.h"
#include "contest/shelf.h"
#include "contest/store.h"
#include "flags/flags.h"
#include "identity/identity.h"
#include "labs/capability.h"

namespace tiltyard::config {
class Keys;
}

/// Contests (row 5.3): challenges, what is handed in, and who is where.
namespace tiltyard::contest {

struct Options {
  bool practice = true;        ///< the contest that is always there
  std::int64_t points = 100;   ///< of a challenge whose file names no value
  bool public_boards = false;  ///< whether boards are shown to who has not signed in
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  templates::Catalogue& catalogue;
  flags::Service& flags;
  identity::Service& identity;
  WorkerPool& files;
  const Clock& clock;
  labs::Capability& labs;
  access::Capability& visits;
  std::string folder;  ///< of the templates
};

/// How somebody sees a challenge.
enum class Sight {
  kNot,        ///< as if it were not there
  kAnonymous,  ///< there is something, and what to solve before
  kLocked,     ///< what it is, not what it says
  kOpen,
};

/// A contest as it runs.
struct Running {
  Running(Contest its, Board board) : contest(std::move(its)), live(std::move(board)) {}

  Contest contest;
  Board live;
  std::optional<Board> kept;  ///< as it was at the freeze, once something came after it
  std::uint64_t version = 0;  ///< of what a board shows

  /// Who is where, as it was worked out last; by division.
  struct Ranking {
    std::shared_ptr<const std::vector<Place>> all;
    std::uint64_t version = 0;
    const Board* of = nullptr;
  };
  mutable std::map<std::string, Ranking> places;

  /// What everybody may see of it.
  const Board& shown(TimePoint now) const { return contest.frozen(now) && kept ? *kept : live; }
  bool has(const std::string& challenge) const;
};
using RunningRef = std::shared_ptr<Running>;

/// What came of a hand-in.
struct Answer {
  Outcome outcome;
  std::string contest, challenge;
  std::int64_t value = 0;
  int blood = 0;
  std::size_t wanted = 1;
  bool counts = true;  ///< no: staff have tried it
};

/// Lives on the home loop.
class Service {
 public:
  Service(const Options& options, Parts parts);
  ~Service();

  asio::awaitable<Result<>> start();
  void open();
  asio::awaitable<void> close();

  TimePoint now() const { return parts_.clock.now(); }
  const Options& options() const { return options_; }
  const Shelf& shelf() const { return shelf_; }
  ContestStore& store() { return store_; }
  identity::Service& identity() { return parts_.identity; }

  /// All that there are, practice too where it is on; by their beginning, the newest first.
  std::vector<RunningRef> contests() const;
  /// `contest-unknown`.
  Result<RunningRef> find(std::string_view id) const;
  /// The one that a challenge counts in now, for who names none. `challenge-unknown`.
  Result<RunningRef> contest_for(const std::string& challenge) const;

  /// `challenge-unknown` also for what this caller must not know of.
  Result<ChallengeRef> challenge(const RunningRef& contest, std::string_view id, const identity::Principal& who) const;
  Sight sight(const Running& contest, const Challenge& challenge, const identity::Principal& who) const;
  std::vector<ChallengeRef> challenges(const Running& contest) const;
  /// Worked out anew only when something has changed. `division` is empty or one of the contest's; `live`: without the
  /// freeze.
  std::shared_ptr<const std::vector<Place>> places(const Running& contest, const std::string& division,
                                                   bool live) const;
  /// A score with the values that everybody sees, and all that the owner has solved.
  std::int64_t own_score(const Running& contest, const std::string& owner) const;

  /// `contest` empty: the one that it counts in now. Errors: `challenge-unknown`, `contest-unknown`,
  /// `contest-not-begun`, `contest-over`, `challenge-locked`, `challenge-closed`, `challenge-without-flag`,
  /// `attempts-used-up`.
  asio::awaitable<Result<Answer>> hand_in(identity::Principal who, std::string contest, std::string challenge,
                                          std::string text, std::string address);
  /// Its text costs what it says, once. `hint-unknown`, `hint-locked`, `points-missing`, and those of above.
  asio::awaitable<Result<>> take_hint(identity::Principal who, RunningRef contest, ChallengeRef challenge,
                                      std::size_t hint);
  /// Which hints the owner has taken, by their names.
  bool has_hint(const Running& contest, const std::string& owner, const std::string& challenge,
                const std::string& name) const;

  // What staff change. On disk, and seen by everybody on this server, when it returns.
  asio::awaitable<Result<>> put(Contest contest, bus::Actor actor);
  asio::awaitable<Result<>> remove(std::string contest, bus::Actor actor);
  asio::awaitable<Result<>> award(RunningRef contest, std::string owner, std::int64_t points, std::string note,
                                  bus::Actor actor);
  asio::awaitable<Result<>> take_back(RunningRef contest, std::int64_t seq, bus::Actor actor);
  asio::awaitable<Result<>> stand(RunningRef contest, std::string owner, Standing standing, bus::Actor actor);
  asio::awaitable<Result<>> judge(Shared shared, bus::Actor actor);
  asio::awaitable<Result<>> announce(RunningRef contest, std::string text, bus::Actor actor);
  Standing standing(const Running& contest, const std::string& owner) const;
  /// Takes up what another server of the database has written.
  asio::awaitable<Result<>> see_up_to_now() { return catch_up(); }
  /// The newest 100 that the owner has had of it, also those that have ended.
  asio::awaitable<Result<std::vector<labs::Instance>>> instances_of(std::string owner, TemplateId tmpl);
  /// Who of the owner's came to them; nullopt: nobody writes that down.
  asio::awaitable<Result<std::optional<std::vector<access::Seen>>>> visits_of(std::string owner, TemplateId tmpl);
  /// Reads all that is changed, files too.
  asio::awaitable<Result<>> look_again();

 private:
  struct Verdict;
  asio::awaitable<Result<Verdict>> judge_text(const identity::Principal* who, const Challenge* challenge,
                                              std::string text);
  Result<> open_for(const Running& contest, const Challenge& challenge, const identity::Principal& who) const;
  asio::awaitable<Result<>> known(std::string owner);
  asio::awaitable<Result<>> load();
  asio::awaitable<Result<>> read_all();
  asio::awaitable<Result<>> catch_up();
  void apply(const Mark& mark);
  void settle(Running& contest) const;
  asio::awaitable<void> follow();
  asio::awaitable<void> look_at_files();

  const Options& options_;
  Parts parts_;
  ContestStore store_;
  Shelf shelf_;
  std::map<std::string, RunningRef, std::less<>> running_;
  std::map<std::string, std::map<std::string, Standing>> standings_;
  std::map<std::string, std::map<std::string, std::vector<std::string>>>
      hints_;                 ///< contest, owner → "challenge\nname"
  std::int64_t applied_ = 0;  ///< marks up to here are on the boards
  bool reload_ = false;       ///< something was changed that is no mark
  Signal news_;
  Turn loads_, hint_turn_;
  std::unique_ptr<store::Listener> listener_;
  Gate gate_{"contest"};
};

/// What a hint is called in the tables.
std::string name_of(const imports::Challenge& challenge, std::size_t hint);

}  // namespace tiltyard::contest
