#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>

#include "net/http.h"
#include "net/problem.h"
#include "net/text.h"

namespace tiltyard::http {
namespace {

/// The store of fields is text, the document wants `limit: 3`: what reads as a plain decimal number is written as one.
bool as_number(std::string_view text, std::int64_t& out) {
  if (text.empty() || text.size() > 15) return false;
  if (text.size() > 1 && text.front() == '0') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

constexpr std::string_view kNumbers[] = {"limit", "current", "position", "retry_after_s", "line"};

}  // namespace

std::string_view phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kForbidden:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
      return 409;
    case Code::kTooLarge:
      return 413;
    case Code::kLimited:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kTimeout:
      return 504;
    case Code::kExhausted:
      return 507;
    case Code::kCancelled:
      return 503;
    case Code::kInternal:
      return 500;
  }
  return 500;
}

Response problem_with_status(int status, const Error& error) {
  boost::json::object document;
  document["type"] = "urn:tiltyard:error:" + (error.reason.empty() ? std::string("internal") : error.reason);
  document["title"] = phrase(status);
  document["status"] = status;
  if (!error.message.empty()) document["detail"] = error.message;
  std::string retry_after = "2";
  for (const auto& [key, value] : error.fields) {
    std::int64_t number = 0;
    const bool numeric = std::ranges::find(kNumbers, key) != std::end(kNumbers) && as_number(value, number);
    if (numeric) document[key] = number;
    else document[key] = value;
    if (key == "retry_after_s" && numeric) retry_after = value;
  }
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/problem+json");
  if (status == 503 || status == 429) response.headers.add("Retry-After", std::move(retry_after));
  if (status == 401) response.headers.add("WWW-Authenticate", "Bearer");
  response.body = boost::json::serialize(document);
  return response;
}

Response problem(const Error& error) { return problem_with_status(http_status(error.code), error); }

}  // namespace tiltyard::http
