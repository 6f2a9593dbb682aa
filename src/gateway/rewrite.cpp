#include "gateway/rewrite.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "gateway/door.h"

namespace tiltyard::gateway {

namespace {

constexpr std::string_view kHsts = "Strict-Transport-Security";

void add(std::string& out, std::initializer_list<std::string_view> pieces) {
  for (auto piece : pieces) out.append(piece);
}

/// Copies the fields that `keep` lets through; neighbours go in one piece, since their lines are adjacent.
template <class Keep>
void copy_fields(const MessageHead& head, std::string& out, Keep keep) {
  const char* from = nullptr;
  const char* to = nullptr;
  for (const auto& field : head) {
    const bool may_be_named = head.connection_names && field.kind != FieldKind::kContentLength;
    const bool wanted = keep(field) && !(may_be_named && head.named_by_connection(field.name));
    if (!wanted) continue;
    if (field.line.empty()) {
      if (from) out.append(from, to);
      from = to = nullptr;
      add(out, {field.name, ": ", field.value, "\r\n"});
      continue;
    }
    if (to != field.line.data()) {
      if (from) out.append(from, to);
      from = field.line.data();
    }
    to = field.line.data() + field.line.size();
  }
  if (from) out.append(from, to);
}

bool request_field_stays(const Field& field) {
  switch (field.kind) {
    case FieldKind::kOther:
    case FieldKind::kAccept:
    case FieldKind::kExpect:
    case FieldKind::kSetCookie:
      return true;
    case FieldKind::kCookie:
      return !has_door_cookie(field.value);
    default:
      return false;
  }
}

/// What a visitor shows to the gateway is no machine's business: the machine could go in with it elsewhere.
void add_other_cookies(const RequestHead& head, std::string& out) {
  for (const auto& field : head) {
    if (field.kind != FieldKind::kCookie || !has_door_cookie(field.value)) continue;
    if (head.connection_names && head.named_by_connection(field.name)) continue;
    const auto before = out.size();
    add(out, {field.name, ": "});
    const auto begins = out.size();
    append_without_door_cookie(field.value, out);
    if (out.size() == begins) out.resize(before);
    else out.append("\r\n");
  }
}

/// What an Origin or Referer has behind scheme and host, if these are what the player has asked for.
std::optional<std::pair<std::string_view, std::string_view>> own_reference(const RequestHead& head,
                                                                           const Field& field) {
  if (head.host.empty() || (!same_text(field.name, "Origin") && !same_text(field.name, "Referer"))) return std::nullopt;
  const auto& value = field.value;
  const auto scheme = value.starts_with("https://") ? 8 : value.starts_with("http://") ? 7 : 0;
  const auto rest = value.substr(scheme);
  if (scheme == 0 || !same_text(rest.substr(0, head.host.size()), head.host)) return std::nullopt;
  const auto path = rest.substr(head.host.size());
  if (!path.empty() && path.front() != '/' && path.front() != '?') return std::nullopt;
  return std::pair{value.substr(0, scheme), path};
}

/// A program that is called otherwise than its players call it compares the pages of its own, of which these tell, with
/// the Host that it gets. Another site's stay as they are.
void copy_as_called(const RequestHead& head, const Way& way, std::string& out) {
  copy_fields(head, out,
              [&head](const Field& field) { return request_field_stays(field) && !own_reference(head, field); });
  for (const auto& field : head) {
    if (const auto own = own_reference(head, field); own && !head.named_by_connection(field.name))
      add(out, {field.name, ": ", own->first, way.called, own->second, "\r\n"});
  }
}

/// The name of a list that a proxy appends to, and what came of it (RFC 7239 section 4, RFC 9110 section 7.6.3).
void begin_list(const RequestHead& head, std::string_view name, std::string& out) {
  add(out, {name, ": "});
  if (!head.forwarded) return;
  for (const auto& field : head) {
    if (field.kind == FieldKind::kForwarding && !field.value.empty() && same_text(field.name, name))
      add(out, {field.value, ", "});
  }
}

bool is_list(std::string_view name) {
  return same_text(name, "X-Forwarded-For") || same_text(name, "Forwarded") || same_text(name, "Via");
}

/// What the gateway knows of the connection, or a trusted peer.
bool is_fact(std::string_view name) {
  return same_text(name, "X-Forwarded-Proto") || same_text(name, "X-Forwarded-Port");
}

bool says(const RequestHead& head, std::string_view name) {
  if (!head.forwarded) return false;
  return std::ranges::any_of(head, [name](const Field& field) { return same_text(field.name, name); });
}

/// A field with one value: who has said it before us knows better.
void add_once(const RequestHead& head, std::string_view name, std::string_view value, std::string& out) {
  if (!says(head, name)) add(out, {name, ": ", value, "\r\n"});
}

/// RFC 7239 section 6: an IPv6 address is quoted and in brackets.
void add_node(std::string_view address, std::string& out) {
  const bool v6 = address.contains(':');
  add(out, {"for=", v6 ? "\"[" : "", address, v6 ? "]\"" : ""});
}

/// What the player itself has written of a list; proxies that are trusted have added theirs behind it. `over`: all that
/// follows is theirs.
std::string_view claimed_part(const Field& field, const Way& way, bool& over) {
  const std::less<> before;
  const char* const client = way.client.data();
  over = way.trusted && !before(client, field.value.data()) && before(client, field.value.data() + field.value.size());
  if (!over) return field.value;
  const auto left = field.value.substr(0, static_cast<std::size_t>(client - field.value.data()));
  const auto comma = left.rfind(',');
  return comma == left.npos ? std::string_view() : trim(left.substr(0, comma));
}

/// Passes a list on as the player has sent it. False: the player has sent none.
bool add_claimed(const RequestHead& head, const Way& way, std::string_view name, std::string& out) {
  bool any = false, over = false;
  if (!way.claims || !head.forwarded) return false;
  for (const auto& field : head) {
    if (over || field.kind != FieldKind::kForwarding || !same_text(field.name, name)) continue;
    const auto part = claimed_part(field, way, over);
    if (!part.empty()) add(out, {field.name, ": ", part, "\r\n"});
    any = any || !part.empty();
  }
  return any;
}

/// The list as far as it goes on, and then what we know. Of one that is the player's alone nothing goes on here.
void add_list(const RequestHead& head, const Way& way, std::string_view name, std::string& out) {
  if (way.claims) add(out, {name, ": "});
  else begin_list(head, name, out);
}

/// The peer has spoken for somebody in one of the two lists; the other one is written as if it had there too.
bool speaks_first(const RequestHead& head, const Way& way, std::string_view name) {
  return way.client != way.peer && (way.claims || !says(head, name));
}

void add_forwarded(const RequestHead& head, const Way& way, std::string_view scheme, std::string& out) {
  const bool first = speaks_first(head, way, "Forwarded");
  add_list(head, way, "Forwarded", out);
  add_node(first ? way.client : way.peer, out);
  if (!head.host.empty()) add(out, {";host=\"", head.host, "\""});
  add(out, {";proto=", scheme});
  if (first) {
    out.append(", ");
    add_node(way.peer, out);
  }
  out.append("\r\n");
}

/// What the machine is told of the way here. The machine sees what the client claimed to be, as behind any proxy,
/// because that claim may be what it is there to teach; how the client has come is what we know or a trusted peer says.
/// Where the endpoint wants the claims alone, only what the client does not say is said by us.
void add_origin(const RequestHead& head, const Way& way, std::string& out) {
  const std::string_view scheme = way.secure ? "https" : "http";
  const bool facts_pass = way.trusted || way.claims;
  if (head.forwarded) {
    copy_fields(head, out, [facts_pass](const Field& field) {
      return field.kind == FieldKind::kForwarding && !is_list(field.name) && (facts_pass || !is_fact(field.name));
    });
  }
  if (!add_claimed(head, way, "X-Forwarded-For", out)) {
    add_list(head, way, "X-Forwarded-For", out);
    if (speaks_first(head, way, "X-Forwarded-For")) add(out, {way.client, ", "});
    add(out, {way.peer, "\r\n"});
  }
  add_once(head, "X-Real-IP", way.client, out);
  if (!facts_pass || !says(head, "X-Forwarded-Proto")) add(out, {"X-Forwarded-Proto: ", scheme, "\r\n"});
  if (!head.host.empty()) add_once(head, "X-Forwarded-Host", head.host, out);
  if (!add_claimed(head, way, "Forwarded", out)) add_forwarded(head, way, scheme, out);
  if (!add_claimed(head, way, "Via", out)) {
    add_list(head, way, "Via", out);
    add(out, {head.minor == 1 ? "1.1" : "1.0", " tiltyard\r\n"});
  }
}

/// Calls `each(attribute)` for what follows the name and value of a cookie, with the white space around it.
template <class Each>
void each_attribute(std::string_view cookie, Each each) {
  for (auto semicolon = cookie.find(';'); semicolon != cookie.npos; semicolon = cookie.find(';')) {
    cookie.remove_prefix(semicolon + 1);
    each(cookie.substr(0, cookie.find(';')));
  }
}

bool is_domain(std::string_view attribute) {
  return same_text(trim(attribute.substr(0, attribute.find('='))), "domain");
}

/// Whether a cookie would reach other hosts, or stand in the place of ours.
bool sets_for_others(const Field& field) {
  if (field.kind != FieldKind::kSetCookie) return false;
  bool found = sets_door_cookie(field.value);
  each_attribute(field.value, [&found](std::string_view attribute) { found = found || is_domain(attribute); });
  return found;
}

/// All cookies in their order but those that are ours alone to set, without the attribute Domain.
void add_own_cookies(const ResponseHead& head, std::string& out) {
  for (const auto& field : head) {
    if (field.kind != FieldKind::kSetCookie || sets_door_cookie(field.value)) continue;
    if (head.connection_names && head.named_by_connection(field.name)) continue;
    add(out, {field.name, ": ", field.value.substr(0, field.value.find(';'))});
    each_attribute(field.value, [&out](std::string_view attribute) {
      if (!is_domain(attribute)) add(out, {";", attribute});
    });
    out.append("\r\n");
  }
}

/// Whether `authority` is what the machine was called, with its own port or without.
bool is_called(std::string_view authority, const AnswerShape& shape) {
  if (same_text(authority, shape.called)) return true;
  const auto port = std::to_string(shape.port);
  return authority.size() == shape.called.size() + 1 + port.size() && authority.ends_with(port) &&
         authority[shape.called.size()] == ':' && same_text(authority.substr(0, shape.called.size()), shape.called);
}

/// The path of an address that is the machine's own; nullopt: it is not.
std::optional<std::string_view> own_path(const Field& field, const AnswerShape& shape) {
  if (shape.called.empty() || !same_text(field.name, "Location")) return std::nullopt;
  auto rest = field.value;
  const auto slashes = rest.find("//");
  if (slashes == rest.npos) return std::nullopt;
  const auto scheme = rest.substr(0, slashes);
  if (!scheme.empty() && !same_text(scheme, "http:") && !same_text(scheme, "https:")) return std::nullopt;
  rest.remove_prefix(slashes + 2);
  const auto path = std::min(rest.find_first_of("/?#"), rest.size());
  return is_called(rest.substr(0, path), shape) ? std::optional(rest.substr(path)) : std::nullopt;
}

void add_own_location(const ResponseHead& head, const AnswerShape& shape, std::string& out) {
  for (const auto& field : head) {
    const auto path = own_path(field, shape);
    // Two slashes in front would make the next word a host.
    if (path)
      add(out, {field.name, ": ", path->starts_with("//") ? "/." : path->starts_with('/') ? "" : "/", *path, "\r\n"});
  }
}

}  // namespace

void write_request_head(const RequestHead& head, const Way& way, std::string& out) {
  out.clear();
  std::string_view slash;
  if (head.empty_path) slash = head.method == "OPTIONS" && head.target.empty() ? "*" : "/";
  const auto host = way.called.empty() ? head.host : way.called;
  add(out, {head.method, " ", slash, head.target, " HTTP/1.1\r\nHost: ", host, "\r\n"});
  if (way.called.empty()) copy_fields(head, out, request_field_stays);
  else copy_as_called(head, way, out);
  add_other_cookies(head, out);
  if (head.framing.kind == Framing::Kind::kLength) {
    char digits[24];
    auto* end = digits + sizeof digits;
    auto* begin = end;
    auto length = head.framing.length;
    do *--begin = static_cast<char>('0' + length % 10);
    while (length /= 10);
    add(out, {"Content-Length: ", {begin, static_cast<std::size_t>(end - begin)}, "\r\n"});
  } else if (head.framing.kind == Framing::Kind::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (head.websocket) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  add_origin(head, way, out);
  out.append("\r\n");
}

void write_response_head(const ResponseHead& head, AnswerShape shape, std::string& out) {
  const char status[] = {' ', static_cast<char>('0' + head.status / 100),
                         static_cast<char>('0' + head.status / 10 % 10), static_cast<char>('0' + head.status % 10),
                         ' '};
  add(out, {"HTTP/1.1", {status, sizeof status}, head.reason, "\r\n"});
  const bool sized = !head.coded && head.status >= 200 && head.status != 204;
  const bool rewrites_cookies = std::ranges::any_of(head, sets_for_others);
  bool said = false;
  copy_fields(head, out, [&](const Field& field) {
    switch (field.kind) {
      case FieldKind::kContentLength:
        return sized && !std::exchange(said, true);
      case FieldKind::kSetCookie:
        return !rewrites_cookies;
      case FieldKind::kConnection:
      case FieldKind::kTransferEncoding:
      case FieldKind::kHopByHop:
        return false;
      case FieldKind::kUpgrade:
        return head.status == 426;
      default:
        if (shape.hsts > 0 && same_text(field.name, kHsts)) return false;
        return shape.called.empty() || !own_path(field, shape);
    }
  });
  if (!shape.called.empty()) add_own_location(head, shape, out);
  if (rewrites_cookies) add_own_cookies(head, out);
  if (shape.hsts > 0 && head.status >= 200) {
    add(out, {kHsts, ": max-age="});
    out.append(std::to_string(shape.hsts)).append("\r\n");
  }
  if (head.framing.kind == Framing::Kind::kChunked && shape.client_minor == 1) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (shape.upgraded) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  else if (head.status < 200) {
  } else if (!shape.keep_alive) out.append("Connection: close\r\n");
  else if (shape.client_minor == 0) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace tiltyard::gateway
