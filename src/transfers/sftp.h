#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "transfers/packets.h"

namespace tiltyard::transfers {

namespace asio = boost::asio;

/// One conversation with the program in a machine (inside/inside.h). One call at a time, on the home loop. Errors:
/// those of `sftp::error_of`, `machine-answer`, and `timeout` or the engine's when it does not answer.
class Sftp {
 public:
  /// For one answer, and for the whole of a folder's names.
  static constexpr std::chrono::milliseconds kPatience{30'000};

  explicit Sftp(std::shared_ptr<engine::ExecSession> session, std::chrono::milliseconds patience = kPatience)
      : session_(std::move(session)), patience_(patience) {}

  /// How it opens a file.
  enum class For { kRead, kNewContent, kMoreContent };

  asio::awaitable<Result<>> begin();
  /// Of what a link leads to.
  asio::awaitable<Result<sftp::Attributes>> look(std::string path);
  asio::awaitable<Result<sftp::Attributes>> look_at_link(std::string path);
  asio::awaitable<Result<std::string>> real_path(std::string path);
  asio::awaitable<Result<std::string>> read_link(std::string path);
  struct Listing {
    std::vector<sftp::Name> names;
    bool more = false;  ///< than `most`
  };
  asio::awaitable<Result<Listing>> list(std::string path, std::size_t most);
  asio::awaitable<Result<std::string>> open(std::string path, For what);
  asio::awaitable<Result<sftp::Attributes>> look_at_open(std::string handle);
  asio::awaitable<Result<>> set_mode(std::string handle, std::uint32_t mode);
  asio::awaitable<Result<>> close(std::string handle);
  /// At most sftp::kMostData bytes; empty: the end.
  asio::awaitable<Result<std::string>> read(std::string handle, std::uint64_t offset, std::size_t size);
  /// Asks ahead: `take_read` gives the answers in the same order.
  asio::awaitable<Result<>> ask_read(std::string handle, std::uint64_t offset, std::size_t size);
  asio::awaitable<Result<std::string>> take_read(std::size_t size);
  /// All of it.
  asio::awaitable<Result<>> write(std::string handle, std::uint64_t offset, std::string bytes);
  asio::awaitable<Result<>> make_folder(std::string path);
  /// Takes the place of what is there.
  asio::awaitable<Result<>> move(std::string from, std::string to);

  /// Nothing went wrong, and nothing is on its way.
  bool clean() const { return !broken_ && asked_ == answered_; }
  const std::shared_ptr<engine::ExecSession>& session() const { return session_; }

 private:
  asio::awaitable<Result<>> send(sftp::Type type, std::string rest);
  asio::awaitable<Result<sftp::Packet>> receive();
  asio::awaitable<Result<sftp::Packet>> next_packet();
  asio::awaitable<Result<>> read_more();
  asio::awaitable<Result<sftp::Packet>> ask(sftp::Type type, std::string rest, sftp::Type wanted, std::string path);
  asio::awaitable<Result<>> tell(sftp::Type type, std::string rest, std::string path);
  asio::awaitable<Result<sftp::Attributes>> attributes_of(sftp::Type type, std::string what);
  asio::awaitable<Result<std::string>> path_of(sftp::Type type, std::string path);

  std::shared_ptr<engine::ExecSession> session_;
  std::chrono::milliseconds patience_;
  sftp::Packets packets_;
  std::uint32_t asked_ = 0, answered_ = 0;  ///< the ids: answers come in the order of the questions
  bool broken_ = false;
};

}  // namespace tiltyard::transfers
