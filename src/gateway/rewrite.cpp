#include "gateway/rewrite.h"

namespace tiltyard::gateway {

namespace {

void add(std::string& out, std::initializer_list<std::string_view> pieces) {
  for (auto piece : pieces) out.append(piece);
}

/// Copies the fields that `keep` lets through; neighbours go in one piece, since their lines are adjacent.
template <class Keep>
void copy_fields(const MessageHead& head, std::string& out, Keep keep) {
  const char* from = nullptr;
  const char* to = nullptr;
  for (const auto& field : head) {
    bool wanted = keep(field) && !(head.connection_names && head.named_by_connection(field.name));
    if (!wanted) continue;
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
      return true;
    default:
      return false;
  }
}

void add_origin(const RequestHead& head, std::string_view client, bool secure, std::string& out) {
  std::string_view scheme = secure ? "https" : "http";
  bool v6 = client.find(':') != std::string_view::npos;
  add(out, {"X-Forwarded-For: ", client, "\r\nX-Real-IP: ", client, "\r\nX-Forwarded-Proto: ", scheme, "\r\n"});
  if (!head.host.empty()) add(out, {"X-Forwarded-Host: ", head.host, "\r\n"});
  // RFC 7239 section 6: an IPv6 address is quoted and in brackets.
  add(out, {"Forwarded: for=", v6 ? "\"[" : "", client, v6 ? "]\"" : ""});
  if (!head.host.empty()) add(out, {";host=\"", head.host, "\""});
  add(out, {";proto=", scheme, "\r\nVia: ", head.minor == 1 ? "1.1" : "1.0", " tiltyard\r\n"});
}

}  // namespace

void write_request_head(const RequestHead& head, std::string_view client, bool secure, std::string& out) {
  out.clear();
  std::string_view slash;
  if (head.empty_path) slash = head.method == "OPTIONS" && head.target.empty() ? "*" : "/";
  add(out, {head.method, " ", slash, head.target, " HTTP/1.1\r\nHost: ", head.host, "\r\n"});
  copy_fields(head, out, request_field_stays);
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
  add_origin(head, client, secure, out);
  out.append("\r\n");
}

void write_response_head(const ResponseHead& head, AnswerShape shape, std::string& out) {
  const char status[] = {' ', static_cast<char>('0' + head.status / 100),
                         static_cast<char>('0' + head.status / 10 % 10), static_cast<char>('0' + head.status % 10),
                         ' '};
  add(out, {"HTTP/1.1", {status, sizeof status}, head.reason, "\r\n"});
  bool sized = head.framing.kind != Framing::Kind::kChunked && head.status >= 200 && head.status != 204;
  copy_fields(head, out, [&](const Field& field) {
    switch (field.kind) {
      case FieldKind::kContentLength:
        return sized;
      case FieldKind::kConnection:
      case FieldKind::kTransferEncoding:
      case FieldKind::kHopByHop:
        return false;
      case FieldKind::kUpgrade:
        return head.status == 426;
      default:
        return true;
    }
  });
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
