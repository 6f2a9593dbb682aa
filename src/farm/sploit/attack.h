#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "farm/sploit/link.h"

namespace tiltyard::cli {
struct Context;
class Words;
}  // namespace tiltyard::cli

/// `tiltyard attack`: runs an exploit against all teams again and again and hands what it steals to the farm.
namespace tiltyard::farm::sploit {

struct AttackOptions {
  std::string sploit;                  ///< any program
  std::vector<std::string> arguments;  ///< may hold {host}, {team} and {ids}; without {host} the address comes first
  std::string farm, token_file, name, interpreter, distribute, state;
  int pool = 50;
  double period = 120, timeout = 0;  ///< seconds; a time-out of 0 is what fits into the period
  int rounds = 0;                    ///< 0: until Ctrl-C
  int verbose = 1;                   ///< rounds whose output is shown
  std::uint64_t memory = 0;          ///< bytes for each of a program's processes; 0: no limit
  bool all = false, endless = false;
};

int attack(cli::Context& context, AttackOptions options);
/// Adds the word to the command line.
void add_attack(cli::Words& words);

/// Which part of the teams is ours.
struct Share {
  std::uint32_t part = 1, parts = 1;  ///< 1 ≤ part ≤ parts
  /// As start_sploit.py divides: CRC-32 of the address modulo the parts, so that both can share one list.
  bool has(const Target& target) const;
};
/// Reads "K/N", N from 2. `usage`.
Result<Share> parse_share(std::string_view text);

/// The flag ids of one team, {service: [flag id, …]}: those that the jury keeps under its address, its name, or the
/// number at the end of its name.
boost::json::object ids_of_team(const boost::json::value& ids, const Target& target);

/// The words of the command line for one target.
std::vector<std::string> command_for(const AttackOptions& options, const Target& target, const std::string& ids);
/// The environment of one target's program, on top of ours: TILTYARD_TEAM, TILTYARD_HOST, TILTYARD_ROUND,
/// TILTYARD_FLAG_IDS (left out when it is too long for a variable) and TILTYARD_FLAG_IDS_FILE, PYTHONUNBUFFERED. Our
/// tokens are not passed on.
std::vector<std::string> environment_for(const std::map<std::string, std::string>& ours, const Target& target,
                                         const std::string& ids, const std::string& ids_file, int round);

}  // namespace tiltyard::farm::sploit
