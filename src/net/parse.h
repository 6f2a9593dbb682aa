#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tiltyard::http {

enum class Stage { kHead, kBody, kDone, kBad };

/// Reads one HTTP/1.1 request (RFC 9112) from pieces of bytes, strictly: whatever two readers could frame differently
/// is refused (both or several lengths, an encoding other than `chunked`, folded lines, no or several hosts).
class RequestReader {
 public:
  explicit RequestReader(std::size_t head_limit);
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;

  /// Uses bytes and returns how many; the caller gives the unused ones again, with more behind them. Pauses once when
  /// the head is complete, so that the caller can look at it before it lets the body in.
  std::size_t feed(std::string_view bytes);
  Stage stage() const;
  /// In stage kBad: the status that says why (400, 413, 431, 501, 505) and the reason in words.
  int failure() const;
  std::string_view why() const;

  /// The method, target and fields once the head is complete; the body once all is done.
  Request& request();
  bool http_1_0() const;
  bool keep_alive() const;
  bool expects_continue() const;
  std::optional<std::uint64_t> content_length() const;
  /// How much of it has come.
  std::size_t body_size() const;
  /// Over it the reader goes to kBad with 413.
  void limit_body(std::size_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads one HTTP/1.1 answer. Pieces of the body gather in `take_body`.
class ResponseReader {
 public:
  explicit ResponseReader(bool to_head_request);
  ~ResponseReader();
  ResponseReader(ResponseReader&&) noexcept;
  ResponseReader& operator=(ResponseReader&&) noexcept;

  std::size_t feed(std::string_view bytes);
  /// The peer has closed its side: ends a body that has no length, otherwise spoils the message.
  void feed_end();
  Stage stage() const;
  std::string_view why() const;
  bool started() const;
  /// Status and fields once the head is complete; the body stays with the reader.
  Response& response();
  std::string take_body();
  std::size_t body_size() const;
  bool keep_alive() const;
  /// The body ends where the connection ends.
  bool until_end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiltyard::http
