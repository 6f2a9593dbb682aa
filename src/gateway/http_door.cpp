// Whose door it is, on HTTP: who has no cookie of this host is sent to the page, which knows them, and comes back with
// a grant; that becomes the cookie.
#include <fmt/format.h>

#include <array>

#include "gateway/http_session.h"
#include "net/http.h"

namespace tiltyard::gateway {
namespace {

// A longer way is not gone again after the door: it would not fit into addresses everywhere.
constexpr std::size_t kLongestWay = 1500;

std::string_view value_of(const RequestHead& head, std::string_view name) {
  for (const auto& field : head) {
    if (same_text(field.name, name)) return field.value;
  }
  return {};
}

/// A Location on this host: what begins with two slashes would name another one (RFC 3986, 4.2).
std::string own_path(std::string_view path) {
  const bool elsewhere = path.starts_with("//") || path.starts_with("/\\");
  return (elsewhere ? "/." : "") + std::string(path);
}

}  // namespace

struct HttpSession::AtDoor {
  const RequestHead& head;
  const Target& target;
  DoorPlace place;
  bool secure;
  Millis now;

  /// Where the page asks who this is, and how the visitor comes back to where they wanted to go.
  std::string page(const std::string& origin, std::string_view path) const {
    if (origin.empty()) return {};
    return fmt::format("{}/api/v1/door?host={}&to={}", origin, http::percent_encode(place.host),
                       http::percent_encode(path.size() <= kLongestWay ? path : "/"));
  }
};

bool HttpSession::stays_outside(const RequestHead& head, const Target& target, bool secure) {
  const bool reserved = head.target.starts_with(kReservedPath);
  pass_.reset();
  if (target.door == Door::kOpen && !reserved) return false;
  std::array<char, 256> room;
  const AtDoor at{head,
                  target,
                  {target.instance->publication->instance.str(), plain_name(head.host_name, room)},
                  secure,
                  millis_now()};
  if (reserved) {
    serve_reserved(at);
    return true;
  }
  for (const auto& field : head) {
    if (field.kind == FieldKind::kCookie) pass_ = shard_.doors().visitor(field.value, secure, at.place, at.now);
    if (pass_) break;
  }
  if (pass_ && !is_led_here(at)) return false;
  pass_.reset();
  turn_away(at);
  return true;
}

/// Whether a page of somebody else's opens a WebSocket here with its visitor's cookie: browsers let any page do that
/// and read what comes, and the cookie goes along from siblings below one domain, whose machines are hostile. Pages of
/// the same instance may.
bool HttpSession::is_led_here(const AtDoor& at) const {
  if (!at.head.websocket || pass_->kind != Pass::Kind::kCookie) return false;
  const auto origin = value_of(at.head, "Origin");
  if (origin.empty()) return false;  // no browser
  const auto scheme = origin.find("://");
  const auto name = scheme == origin.npos ? std::nullopt : name_of(origin.substr(scheme + 3));
  std::array<char, 256> room;
  const auto* from = name ? shard_.find_name(plain_name(*name, room)) : nullptr;
  return !from || from->instance != at.target.instance;
}

/// `/.tiltyard/door/GRANT/way?further` and, where the page has found that it is somebody else's,
/// `/.tiltyard/door/closed/way`.
void HttpSession::serve_reserved(const AtDoor& at) {
  auto rest = at.head.target;
  if (!rest.starts_with(kDoorPath)) {
    return answer_page(Page::kRefused, 404, at.head.host, "Paths under /.tiltyard are the gateway's own.");
  }
  rest.remove_prefix(kDoorPath.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto word = rest.substr(0, slash);
  const auto path = slash == rest.size() ? std::string_view("/") : rest.substr(slash);
  if (at.target.door == Door::kOpen) return send_to(own_path(path));
  if (word != "closed") return redeem(at, word, path);
  const auto page = at.page(shard_.doors().page, path);
  answer_page({Page::kNotYours, 403, at.head.host, {}, page});
}

void HttpSession::redeem(const AtDoor& at, std::string_view grant, std::string_view path) {
  auto& doors = shard_.doors();
  auto pass = at.head.method == "GET" ? doors.check(grant, Pass::Kind::kGrant, at.place, at.now) : std::nullopt;
  if (!pass || !shard_.shared().door_memory.use_up(grant, at.now)) {
    const auto page = at.page(doors.page, path);
    return answer_page({Page::kUsedUp, 403, at.head.host, {}, page});
  }
  pass->kind = Pass::Kind::kCookie;
  const auto cookie = doors.mint(*pass, at.place);
  send_to(own_path(path), fmt::format("Set-Cookie: {}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}\r\n",
                                      door_cookie(at.secure), cookie, pass->lives, at.secure ? "; Secure" : ""));
}

/// Only what a person sees in a window of its own goes to the page and back; a program is told where a person would.
void HttpSession::turn_away(const AtDoor& at) {
  const auto& head = at.head;
  const auto mode = value_of(head, "Sec-Fetch-Mode");
  const bool visits = (head.method == "GET" || head.method == "HEAD") && !head.websocket &&
                      (mode.empty() ? exchange_.form == Form::kHtml : mode == "navigate");
  const auto page = at.page(shard_.doors().page, visits ? head.target : "/");
  if (visits && !page.empty()) return send_to(page);
  answer_page({Page::kDoor, 401, head.host, {}, page});
}

void HttpSession::send_to(std::string_view location, std::string_view fields) {
  if (!begin_own_answer(303)) return;
  down_head_ += fmt::format(
      "HTTP/1.1 303 See Other\r\nLocation: {}\r\n{}Content-Length: 0\r\nCache-Control: no-store\r\n"
      "Referrer-Policy: no-referrer\r\nConnection: {}\r\n\r\n",
      location, fields, exchange_.keep_alive ? "keep-alive" : "close");
  end_own_answer();
}

}  // namespace tiltyard::gateway
