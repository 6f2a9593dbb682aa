#include "gateway/head.h"

#include <algorithm>
#include <cstring>

namespace tiltyard::gateway {

namespace {

using Table = std::array<bool, 256>;

constexpr Table make_token_table() {
  Table table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = true;
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) table[c] = true;
  return table;
}

// RFC 9110 section 5.5: HTAB, SP, visible characters and obs-text; so no CR, LF or NUL.
constexpr Table make_value_table() {
  Table table{};
  table['\t'] = true;
  for (int c = 0x20; c <= 0xff; ++c) table[c] = c != 0x7f;
  return table;
}

// Any visible byte but '#': machines are there to be probed with odd paths, and none of these bytes can end the line.
constexpr Table make_target_table() {
  Table table{};
  for (int c = 0x21; c <= 0xff; ++c) table[c] = c != 0x7f && c != '#';
  return table;
}

constexpr Table make_host_table() {
  Table table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = true;
  table['-'] = table['.'] = table['_'] = true;
  return table;
}

constexpr Table kToken = make_token_table();
constexpr Table kValue = make_value_table();
constexpr Table kTarget = make_target_table();
constexpr Table kHostName = make_host_table();

bool all_of(const Table& table, std::string_view text) {
  for (unsigned char c : text) {
    if (!table[c]) return false;
  }
  return true;
}

/// Calls `visit` with each element of a comma-separated list.
template <class Visit>
void each_token(std::string_view list, Visit visit) {
  while (!list.empty()) {
    auto comma = list.find(',');
    auto token = trim(list.substr(0, comma));
    if (!token.empty()) visit(token);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
}

bool parse_number(std::string_view text, std::uint64_t& value) {
  if (text.empty() || text.size() > 18) return false;
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

/// uri-host [":" port] (RFC 9110 section 7.2); percent-encoded names are refused: no name of ours needs them.
bool split_authority(std::string_view authority, std::string_view& name) {
  std::string_view rest;
  if (!authority.empty() && authority.front() == '[') {
    auto close = authority.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    name = authority.substr(0, close + 1);
    for (char c : name.substr(1, close - 1)) {
      bool hex = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
      if (!hex && c != ':' && c != '.') return false;
    }
    rest = authority.substr(close + 1);
  } else {
    auto colon = authority.find(':');
    name = authority.substr(0, colon);
    if (name.empty() || name.size() > 253 || !all_of(kHostName, name)) return false;
    if (colon != std::string_view::npos) rest = authority.substr(colon);
  }
  if (rest.empty()) return true;
  std::uint64_t port = 0;
  return rest.front() == ':' && rest.size() <= 6 &&
         (rest.size() == 1 || (parse_number(rest.substr(1), port) && port <= 65535));
}

/// What the fields say about framing while they are read one by one.
struct FramingFields {
  int lengths = 0, codings = 0;
  std::uint64_t length = 0;
  bool chunked = false;
};

/// An answer may say its length several times, if it is the same each time (RFC 9112 section 6.3, rule 5).
std::optional<Refusal> note_length(Field& field, Reading reading, FramingFields& framing) {
  std::uint64_t length = 0;
  if (const auto comma = field.value.find(','); reading == Reading::kAnswer && comma != std::string_view::npos) {
    const auto first = trim(field.value.substr(0, comma));
    bool same = true;
    each_token(field.value, [&](std::string_view token) { same = same && token == first; });
    if (same) field.value = first, field.line = {};
  }
  if (!parse_number(field.value, length)) return Refusal{400, "The Content-Length is not a number."};
  if (++framing.lengths > 1 && (reading == Reading::kRequest || length != framing.length))
    return Refusal{400, "There is more than one Content-Length."};
  framing.length = length;
  return std::nullopt;
}

/// An answer may say "chunked" several times: an application does, and the server under it. "identity" is gone since
/// RFC 7230; who still says so in an answer, and nothing else, ends it by closing.
std::optional<Refusal> note_coding(const Field& field, Reading reading, MessageHead& head, FramingFields& framing) {
  head.coded = true;
  ++framing.codings;
  if (reading == Reading::kRequest) {
    if (framing.codings > 1) return Refusal{400, "There is more than one Transfer-Encoding."};
    framing.chunked = same_text(field.value, "chunked");
    if (framing.chunked) return std::nullopt;
    return Refusal{501, "The only transfer coding understood here is chunked."};
  }
  bool known = true;
  each_token(field.value, [&](std::string_view token) {
    if (same_text(token, "chunked")) framing.chunked = true;
    else known = known && same_text(token, "identity");
  });
  if (known) return std::nullopt;
  return Refusal{501, "The only transfer coding understood here is chunked."};
}

std::optional<Refusal> note_field(Field& field, Reading reading, MessageHead& head, FramingFields& framing) {
  switch (field.kind) {
    case FieldKind::kContentLength:
      return note_length(field, reading, framing);
    case FieldKind::kTransferEncoding:
      return note_coding(field, reading, head, framing);
    case FieldKind::kForwarding:
      head.forwarded = true;
      break;
    case FieldKind::kConnection:
      each_token(field.value, [&head](std::string_view token) {
        if (same_text(token, "close")) head.close = true;
        else if (same_text(token, "keep-alive")) head.keep_alive = true;
        else if (same_text(token, "upgrade")) head.connection_upgrade = true;
        else head.connection_names = true;
      });
      break;
    case FieldKind::kUpgrade:
      head.upgrade = field.value;
      break;
    default:
      break;
  }
  return std::nullopt;
}

/// Takes a field line apart. A request's must be as RFC 9112 section 5.1 has it; from an answer a proxy takes blanks
/// before the colon away. Says why it is none; empty: it is one.
inline std::string_view parse_field(std::string_view line, Reading reading, Field& field) {
  const bool whole = line.ends_with("\r\n");
  if (line.front() == ' ' || line.front() == '\t') return "A header field is folded over several lines.";
  std::size_t end_of_name = 0;
  while (kToken[static_cast<unsigned char>(line[end_of_name])]) ++end_of_name;
  auto colon = end_of_name;
  while (reading == Reading::kAnswer && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (end_of_name == 0 || line[colon] != ':') return "A header field's name is malformed.";
  const auto value = line.substr(colon + 1, line.size() - colon - (whole ? 3 : 2));
  if (!all_of(kValue, value)) return "A header field's value has control characters.";
  field = {line.substr(0, end_of_name), trim(value), line, field_kind(line.substr(0, end_of_name))};
  if (!whole || colon != end_of_name) field.line = {};
  return {};
}

/// Reads the field lines up to the empty line.
std::optional<Refusal> parse_fields(std::string_view bytes, Reading reading, MessageHead& head,
                                    FramingFields& framing) {
  head.count = 0;
  while (true) {
    if (bytes.starts_with("\r\n")) return std::nullopt;
    const auto feed = bytes.find('\n');
    if (feed == std::string_view::npos) return kBareLineFeed;
    const bool whole = feed > 0 && bytes[feed - 1] == '\r';
    if (!whole && reading == Reading::kRequest) return kBareLineFeed;
    if (feed == 0) return std::nullopt;
    if (head.count == (reading == Reading::kRequest ? kMaxFields : kMaxAnswerFields))
      return Refusal{431, "There are too many header fields."};
    const auto line = bytes.substr(0, feed + 1);
    bytes.remove_prefix(feed + 1);
    auto& field = head.fields[head.count];
    if (const auto why = parse_field(line, reading, field); !why.empty()) {
      // What is no field of an answer is nobody's: browsers pass over it, and it does not go on.
      if (reading == Reading::kAnswer) continue;
      return Refusal{400, why};
    }
    ++head.count;
    if (auto refusal = note_field(field, reading, head, framing)) return refusal;
  }
}

/// "HTTP/1.0" or "HTTP/1.1"
std::optional<Refusal> parse_version(std::string_view text, int& minor) {
  if (text == "HTTP/1.1") minor = 1;
  else if (text == "HTTP/1.0") minor = 0;
  else if (text.size() == 8 && text.starts_with("HTTP/"))
    return Refusal{505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  else return Refusal{400, "The first line is not one of HTTP."};
  return std::nullopt;
}

/// Brings the four forms of RFC 9112 section 3.2 down to origin form; `authority` is set by the absolute form only.
std::optional<Refusal> parse_target(RequestHead& head, std::string_view& authority) {
  auto& target = head.target;
  if (head.method == "CONNECT") return Refusal{405, "This is no forward proxy: there is no CONNECT."};
  if (target.empty() || !all_of(kTarget, target)) return Refusal{400, "The request target is malformed."};
  if (target.front() == '/') return std::nullopt;
  if (target == "*" && head.method == "OPTIONS") return std::nullopt;
  // Either scheme: whether there is TLS is known from the connection, or by who takes it off in front.
  std::size_t scheme = 0;
  for (const std::string_view each : {"http://", "https://"}) {
    if (target.size() > each.size() && same_text(target.substr(0, each.size()), each)) scheme = each.size();
  }
  if (scheme == 0) return Refusal{400, "The request target is neither a path nor an http address."};
  target.remove_prefix(scheme);
  auto path = target.find_first_of("/?");
  authority = target.substr(0, path);
  if (authority.empty()) return Refusal{400, "The request target has no host."};
  target = path == std::string_view::npos ? std::string_view{} : target.substr(path);
  head.empty_path = target.empty() || target.front() == '?';
  return std::nullopt;
}

std::optional<Refusal> parse_request_line(std::string_view line, RequestHead& head, std::string_view& authority) {
  auto first = line.find(' ');
  if (first == std::string_view::npos) return Refusal{400, "The first line is not one of HTTP."};
  head.method = line.substr(0, first);
  if (head.method.empty() || head.method.size() > 32 || !all_of(kToken, head.method)) {
    return Refusal{400, "The method is malformed."};
  }
  auto second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return Refusal{400, "The first line is not one of HTTP."};
  head.target = line.substr(first + 1, second - first - 1);
  if (auto refusal = parse_version(line.substr(second + 1), head.minor)) return refusal;
  return parse_target(head, authority);
}

std::optional<Refusal> settle_host(RequestHead& head, std::string_view authority) {
  const Field* host = nullptr;
  for (const auto& field : head) {
    if (field.kind == FieldKind::kAccept) head.accept = field.value;
    if (field.kind != FieldKind::kHost) continue;
    if (host) return Refusal{400, "There is more than one Host."};
    host = &field;
  }
  if (!host && head.minor == 1) return Refusal{400, "There is no Host."};
  if (host) head.host = host->value;
  // RFC 9112 section 3.2.2: the authority of an absolute target counts, whatever Host says; but Host must be sound.
  if (host && !split_authority(head.host, head.host_name)) return Refusal{400, "The Host is malformed."};
  if (!authority.empty()) head.host = authority;
  if (head.host.empty() && !host) return std::nullopt;
  if (!split_authority(head.host, head.host_name)) return Refusal{400, "The host of the request target is malformed."};
  return std::nullopt;
}

std::optional<Refusal> settle_request_framing(RequestHead& head, const FramingFields& framing) {
  if (framing.codings > 0) {
    if (framing.lengths > 0) return Refusal{400, "There are both a Content-Length and a Transfer-Encoding."};
    if (head.minor == 0) return Refusal{400, "HTTP/1.0 has no Transfer-Encoding."};
    head.framing = {Framing::Kind::kChunked, 0};
  } else if (framing.lengths > 0) {
    head.framing = {Framing::Kind::kLength, framing.length};
  } else {
    head.framing = {};
  }
  head.websocket = head.minor == 1 && head.connection_upgrade && same_text(head.upgrade, "websocket") &&
                   head.method == "GET" && framing.codings == 0 && (framing.lengths == 0 || framing.length == 0);
  return std::nullopt;
}

void clear(MessageHead& head) {
  head.count = 0;
  head.framing = {};
  head.close = head.keep_alive = head.connection_upgrade = head.connection_names = false;
  head.coded = head.sized = head.forwarded = false;
  head.upgrade = {};
}

/// Blanks may be several, as browsers take them; a newer HTTP/1 is read as the one that we know (RFC 9110 section 2.5).
std::optional<Refusal> parse_status_line(std::string_view line, ResponseHead& head) {
  constexpr std::string_view kHttp1 = "HTTP/1.";
  if (line.size() < 8 || !same_text(line.substr(0, kHttp1.size()), kHttp1) || line[7] < '0' || line[7] > '9') {
    const bool other = line.size() >= 5 && same_text(line.substr(0, 5), "HTTP/");
    return Refusal{502, other ? "Only HTTP/1.1 and HTTP/1.0 are spoken here." : "The first line is not one of HTTP."};
  }
  head.minor = line[7] == '0' ? 0 : 1;
  line.remove_prefix(8);
  const auto blanks = std::min(line.find_first_not_of(' '), line.size());
  if (blanks == 0) return Refusal{502, "The status line is malformed."};
  line.remove_prefix(blanks);
  std::uint64_t status = 0;
  if (line.size() < 3 || !parse_number(line.substr(0, 3), status) || status < 100)
    return Refusal{502, "The status is not one of HTTP."};
  head.status = static_cast<int>(status);
  line.remove_prefix(3);
  if (!line.empty() && line.front() != ' ') return Refusal{502, "The status line is malformed."};
  head.reason = line.empty() ? line : line.substr(1);
  // It means nothing; what cannot be passed on is left out.
  if (!all_of(kValue, head.reason)) head.reason = {};
  return std::nullopt;
}

}  // namespace

FieldKind field_kind(std::string_view name) {
  auto is = [name](std::string_view other) { return same_text(name, other); };
  switch (name.size()) {
    case 2:
      return is("te") ? FieldKind::kHopByHop : FieldKind::kOther;
    case 3:
      return is("via") ? FieldKind::kForwarding : FieldKind::kOther;
    case 4:
      return is("host") ? FieldKind::kHost : FieldKind::kOther;
    case 6:
      if (is("accept")) return FieldKind::kAccept;
      if (is("cookie")) return FieldKind::kCookie;
      return is("expect") ? FieldKind::kExpect : FieldKind::kOther;
    case 7:
      if (is("upgrade")) return FieldKind::kUpgrade;
      return is("trailer") ? FieldKind::kHopByHop : FieldKind::kOther;
    case 9:
      if (is("forwarded")) return FieldKind::kForwarding;
      return is("x-real-ip") ? FieldKind::kForwarding : FieldKind::kOther;
    case 10:
      if (is("connection")) return FieldKind::kConnection;
      if (is("set-cookie")) return FieldKind::kSetCookie;
      return is("keep-alive") ? FieldKind::kHopByHop : FieldKind::kOther;
    case 14:
      return is("content-length") ? FieldKind::kContentLength : FieldKind::kOther;
    case 15:
      if (is("clear-site-data")) return FieldKind::kHopByHop;
      break;
    default:
      break;
  }
  if (is("transfer-encoding")) return FieldKind::kTransferEncoding;
  if (is("proxy-connection") || is("proxy-authorization") || is("proxy-authenticate") ||
      is("proxy-authentication-info")) {
    return FieldKind::kHopByHop;
  }
  if (name.size() > 12 && same_text(name.substr(0, 12), "x-forwarded-")) return FieldKind::kForwarding;
  return FieldKind::kOther;
}

std::optional<std::string_view> name_of(std::string_view authority) {
  std::string_view name;
  return split_authority(authority, name) ? std::optional(name) : std::nullopt;
}

bool MessageHead::named_by_connection(std::string_view name) const {
  bool named = false;
  for (const auto& field : *this) {
    if (field.kind != FieldKind::kConnection) continue;
    each_token(field.value, [&](std::string_view token) { named = named || same_text(token, name); });
  }
  return named;
}

HeadEnd::State HeadEnd::find(std::string_view bytes) {
  while (scanned_ < bytes.size()) {
    const void* found = std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_);
    if (!found) {
      scanned_ = bytes.size();
      return State::kMore;
    }
    auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    const bool whole = feed > line_ && bytes[feed - 1] == '\r';
    if (!whole && reading_ == Reading::kRequest) return State::kBareLineFeed;
    const bool empty = feed == line_ + (whole ? 1 : 0);
    if (bytes[line_] == ' ' || bytes[line_] == '\t') folded_ = true;
    line_ = scanned_ = feed + 1;
    if (!empty) continue;
    if (feed == start_ + (whole ? 1 : 0)) {
      start_ = line_;
      continue;
    }
    end_ = line_;
    return State::kFound;
  }
  return State::kMore;
}

void unfold(std::span<char> bytes) {
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    if (bytes[i - 1] != '\n' || (bytes[i] != ' ' && bytes[i] != '\t')) continue;
    bytes[i - 1] = ' ';
    if (i >= 2 && bytes[i - 2] == '\r') bytes[i - 2] = ' ';
  }
}

bool may_be_answer(std::string_view bytes) {
  constexpr std::string_view kBegin = "HTTP/";
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  const auto size = std::min(bytes.size(), kBegin.size());
  return same_text(bytes.substr(0, size), kBegin.substr(0, size));
}

std::optional<Refusal> parse_request(std::string_view bytes, RequestHead& head) {
  clear(head);
  head.host = head.host_name = head.accept = {};
  head.websocket = head.empty_path = false;
  auto end = bytes.find("\r\n");
  if (end == std::string_view::npos) return Refusal{400, "The first line is not one of HTTP."};
  std::string_view authority;
  if (auto refusal = parse_request_line(bytes.substr(0, end), head, authority)) return refusal;
  FramingFields framing;
  if (auto refusal = parse_fields(bytes.substr(end + 2), Reading::kRequest, head, framing)) return refusal;
  if (auto refusal = settle_host(head, authority)) return refusal;
  return settle_request_framing(head, framing);
}

std::optional<Refusal> parse_response(std::string_view bytes, bool to_head, ResponseHead& head) {
  clear(head);
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) return Refusal{502, "The first line is not one of HTTP."};
  auto line = bytes.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (auto refusal = parse_status_line(line, head)) return refusal;
  FramingFields framing;
  if (auto refusal = parse_fields(bytes.substr(end + 1), Reading::kAnswer, head, framing))
    return Refusal{502, refusal->why};
  head.sized = framing.lengths > 0 && framing.length > 0;
  // RFC 9112 section 6.1: HTTP/1.0 has no codings; the connection of who says one ends after this.
  if (framing.codings > 0 && head.minor == 0) head.close = true;
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304) head.framing = {};
  else if (framing.chunked) head.framing = {Framing::Kind::kChunked, 0};
  else if (framing.codings == 0 && framing.lengths > 0) head.framing = {Framing::Kind::kLength, framing.length};
  else head.framing = {Framing::Kind::kUntilClose, 0};
  return std::nullopt;
}

}  // namespace tiltyard::gateway
