#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::engine::docker {

/// `text` without what a terminal would obey: no colours, no control characters; of a line that was written over itself
/// (a progress bar) the last.
std::string plain(std::string_view text);
/// The same for each of several lines.
std::string plain_lines(std::string_view text);

/// BuildKit tells how a build goes in protocol buffers, each in base64: which steps there are, and what their programs
/// say. https://github.com/moby/buildkit/blob/master/api/services/control/control.proto (StatusResponse)
class BuildTrace {
 public:
  /// The lines that one message adds: the name of each step as it begins, and what was said. What cannot be read adds
  /// none.
  std::vector<std::string> take(const std::string& base64);
  /// What was said last without an end of line.
  std::vector<std::string> rest();

 private:
  void vertex(std::string_view message, std::vector<std::string>& lines);
  void log(std::string_view message, std::vector<std::string>& lines);

  std::map<std::string, bool> begun_;           ///< by step
  std::map<std::string, std::string> pending_;  ///< by step: the line that goes on
};

inline constexpr char kTrace[] = "moby.buildkit.trace";

}  // namespace tiltyard::engine::docker
