#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "farm/model.h"

namespace tiltyard::farm {

class FlagFormat;

namespace reason {
inline constexpr char kConfigInvalid[] = "farm-config-invalid";
}

/// How the farm's own programs hand flags in: what `farm.toml` says in [jury].
struct Jury {
  std::string protocol;  ///< "forcad_http", "hackerdom", "faust", "enowars", "saarctf", "ccit", "themis", "forcad_tcp",
                         ///< or one of your own
  std::string settings;  ///< a JSON object, tokens included: everything else of [jury]
  std::size_t batch = 100;      ///< flags in one call, at most
  double calls_per_second = 0;  ///< of all senders together; 0: no limit is known
  double flags_per_second = 0;  ///< the same of flags
};

/// Where opponents' flag ids come from: [attack_data].
struct AttackSource {
  std::string format;  ///< "forcad", "faust", "saarctf", "enowars", "ccit", "hackerdom"; empty: none
  std::string url, teams_url, credentials_url;
  Secret token;
  std::chrono::milliseconds period{15'000}, timeout{5'000}, stale_after{180'000};
  std::vector<std::string> services;  ///< hackerdom: the services to ask for
};

/// Sender programs that the server itself starts: [senders].
struct SenderPrograms {
  int count = 0;
  std::vector<std::string> command;  ///< program and arguments; empty: the one for the jury's protocol. What the file
                                     ///< on the machine says: nobody changes it over the API
};

/// Everything that `farm.toml` says, checked as a whole. Immutable; replaced by another when the file changes.
struct Config {
  std::uint64_t version = 0;  ///< grows with each change
  std::string text;           ///< as it was read
  std::string json;           ///< the same as a JSON object for pages, tokens blanked
  std::shared_ptr<const FlagFormat> format;
  std::chrono::milliseconds flag_lifetime{0};
  std::chrono::milliseconds submit_period{0};
  std::chrono::milliseconds lease_time{0};
  std::chrono::milliseconds retry_after{0};  ///< before a flag is tried again that the jury wants later
  int keep_days = 0;
  Secret token;  ///< of clients and senders; empty: the one in the data folder
  std::vector<Team> teams;
  std::map<std::string, std::string, std::less<>> services;  ///< sploit (may end in "*") to service
  Jury jury;
  AttackSource attack;
  SenderPrograms senders;
};

/// Reads and checks a whole file. `farm-config-invalid` with field `line` and a sentence that says what is wrong.
Result<Config> parse_config(std::string_view text);
/// The text with every token and password blanked ("***").
std::string blank_secrets(std::string_view text);
/// What came back from an editor: where a value is still blank, it is the one of `before`.
std::string fill_blanks(std::string_view text, std::string_view before);
/// That no secret of `before` goes to a place that it was not given with: where [jury] or [attack_data] leads somewhere
/// else than before, none of its values may be blank. `farm-config-invalid` with the line of the blank one.
Result<> check_targets(std::string_view text, std::string_view before);
/// "10.60.{1..30}.1" → thirty texts; `{01..12}` keeps the zeros. At most 4,096. `farm-config-invalid`.
Result<std::vector<std::string>> expand(std::string_view pattern);

}  // namespace tiltyard::farm
