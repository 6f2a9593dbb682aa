#pragma once

#include <boost/asio/awaitable.hpp>

#include <any>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tiltyard::http {

namespace asio = boost::asio;

/// Header fields in the order they came; names compare without regard to case. Small, so look-ups are linear.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  /// The first value of `name`, or an empty text.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

/// A request as a handler sees it, or as a client sends it.
struct Request {
  std::string method = "GET";
  /// As on the wire: path and query, percent-encoded.
  std::string target = "/";
  Headers headers;
  std::string body;

  // Filled in by the server.
  std::string path;   ///< decoded, without dot segments
  std::string query;  ///< without the question mark, still encoded
  std::string remote_address;
  std::string
      client_address;  ///< who asks, behind trusted proxies; set by the router's filter, empty where it is not known
  bool secure = false;
  std::string trace_id;
  std::vector<std::pair<std::string, std::string>> params;  ///< "{id}" of the route's pattern → value
  std::any principal;                                       ///< set by the router's filter (who is asking)
  std::vector<Headers::Field> answer_fields;  ///< what the filter wants on the answer, whatever it becomes

  std::string_view param(std::string_view name) const;
  /// The decoded value of a query parameter, or an empty text.
  std::string query_value(std::string_view name) const;
  /// The value of a cookie, or an empty text.
  std::string_view cookie(std::string_view name) const;
};

/// Where a streaming answer writes. May be used from any executor; completes when the bytes were handed to the kernel,
/// with an error once the peer has gone or the server shuts down.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual asio::awaitable<Result<>> write(std::string bytes) = 0;
};

/// One side of an open WebSocket. May be used from any executor; one read and one write at a time.
class WebSocket {
 public:
  struct Message {
    bool binary = false;
    std::string data;
  };
  virtual ~WebSocket() = default;
  /// The next message; `closed` when the peer has closed, `too-large` over the limit.
  virtual asio::awaitable<Result<Message>> read() = 0;
  virtual asio::awaitable<Result<>> write(Message message) = 0;
  virtual asio::awaitable<void> close(std::uint16_t code, std::string reason) = 0;
};

/// An answer: a whole body, or a stream that runs on the handler's executor, or an upgrade to a WebSocket.
struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  std::function<asio::awaitable<void>(std::shared_ptr<BodyWriter>)> stream;
  std::function<asio::awaitable<void>(std::shared_ptr<WebSocket>)> websocket;

  static Response json(int status, std::string body);
  static Response text(int status, std::string body);
  static Response empty(int status);
};

/// The answer to a failure: RFC 9457 `application/problem+json` with type "urn:tiltyard:error:<reason>", title, status,
/// detail (the safe message) and the error's fields. Adds Retry-After to 503 and 429. The cause is not in it.
Response problem(const Error& error);
/// The one table from codes to HTTP statuses.
int http_status(Code code);

std::string percent_decode(std::string_view text);
std::string percent_encode(std::string_view text);

}  // namespace tiltyard::http
