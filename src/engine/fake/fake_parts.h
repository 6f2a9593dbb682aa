#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "engine/engine.h"

namespace tiltyard::engine::fake {

/// What a machine has written, and whether it may write more. Shared by the machine and those who read.
struct Log {
  explicit Log(asio::any_io_executor executor) : changed(executor) {}
  std::vector<std::pair<TimePoint, std::string>> lines;
  bool ended = true;
  Signal changed;
};

/// Reads a log from its last `tail` lines on; follows it until the machine has ended.
std::unique_ptr<ByteStream> read_log(std::shared_ptr<Log> log, LogOptions options);

/// Bytes that are known.
std::unique_ptr<ByteStream> read_text(std::string text);

/// What a program does: known ones end by themselves.
struct Program {
  bool missing = false;
  bool ends = false;
  bool reads_input = false;  ///< cat
  int exit_code = 0;
  std::string output;
};
Program program_of(const std::vector<std::string>& command, bool missing);

std::unique_ptr<ExecSession> run_program(asio::any_io_executor executor, Program program, bool terminal);

/// A tar stream of files, and the files of a tar stream below `folder`.
std::string pack_files(const std::map<std::string, std::string>& files);
Result<std::map<std::string, std::string>> unpack_files(const std::string& tar, const std::string& folder);

/// Answers HTTP/1.1 on one address and port with a fixed JSON text plus the request's path.
class Responder {
 public:
  /// `address-taken` where somebody else listens.
  static Result<std::unique_ptr<Responder>> listen(asio::any_io_executor executor, const std::string& address,
                                                   std::uint16_t port, std::string machine, Labels labels);
  ~Responder();
  /// A paused one takes connections and does not answer.
  void set_paused(bool paused);

 private:
  struct State;
  explicit Responder(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::engine::fake
