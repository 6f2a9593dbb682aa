#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "contest/model.h"
#include "store/store.h"

namespace tiltyard::contest {

namespace asio = boost::asio;

/// The channel (store/news.h) on which it is said that a contest has something new.
inline constexpr char kChannel[] = "contest";

std::vector<store::Migration> migrations();

/// A hand-in on its way into the tables, once it is known what was handed in.
struct Entry {
  Submission submission;                     ///< `result` is what the text is by itself: kCorrect, kWrong or kForeign
  std::string hash;                          ///< SHA-256 of the whole text, in hexadecimal
  std::string flag_owner;                    ///< of kForeign: whose it is
  std::size_t flag = 0;                      ///< of kCorrect: which of the challenge's
  std::size_t wanted = 1;                    ///< how many different ones it takes: flags, or members of the team
  bool by_member = false;                    ///< each by another member
  std::int64_t attempts = 0;                 ///< wrong ones that one may hand in; 0: any number
  std::optional<bus::Event> solved, shared;  ///< what is told if it comes to that
};

struct Outcome {
  Submission::Result result = Submission::Result::kWrong;
  std::optional<Mark> mark;  ///< of a solve that is new
  std::optional<std::int64_t> attempts_left;
  std::size_t found = 0;  ///< of kPart: how many of those that are wanted
};

struct SubmissionQuery {
  std::string contest = {}, challenge = {}, owner = {}, result = {};  ///< empty: any
  std::int64_t before = 0;  ///< of the page before, its last id; 0: the newest
  int limit = 100;
};

/// The tables of contests. Every change is one transaction with the event that tells of it.
class ContestStore {
 public:
  explicit ContestStore(store::Store& store) : store_(store) {}

  asio::awaitable<Result<std::vector<Contest>>> contests();
  asio::awaitable<Result<>> put(Contest contest, bus::Event event);
  /// With all that belongs to it.
  asio::awaitable<Result<>> remove(std::string contest, bus::Event event);

  /// Atomic: of two that solve the same for one owner at the same moment one is the solve and one `kAlready`.
  /// `attempts-used-up`.
  asio::awaitable<Result<Outcome>> hand_in(Entry entry);
  /// A hint that was taken, or an award. Of a hint that is there already nothing happens: nullopt.
  asio::awaitable<Result<std::optional<Mark>>> add(Mark mark, std::optional<bus::Event> event);
  /// Takes a mark back: an award, or a solve that staff do not let count. `mark-unknown`.
  asio::awaitable<Result<>> take_back(std::string contest, std::int64_t seq, bus::Event event);
  /// Of one contest, or (empty) of all; after `seq`, in their order.
  asio::awaitable<Result<std::vector<Mark>>> marks(std::string contest, std::int64_t after);

  asio::awaitable<Result<std::map<std::string, std::map<std::string, Standing>>>> standings();
  asio::awaitable<Result<>> put_standing(std::string contest, std::string owner, Standing standing, bus::Event event);

  asio::awaitable<Result<std::vector<Submission>>> submissions(SubmissionQuery query);
  asio::awaitable<Result<std::int64_t>> wrong_ones(std::string contest, std::string challenge, std::string owner);
  /// Newest first.
  asio::awaitable<Result<std::vector<Shared>>> shared(std::string contest);
  asio::awaitable<Result<std::optional<Shared>>> find_shared(std::string hash);
  asio::awaitable<Result<>> judge(Shared shared, bus::Event event);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::contest
