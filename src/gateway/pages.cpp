#include "gateway/pages.h"

#include <fmt/format.h>

#include "gateway/head.h"
#include "net/text.h"

namespace tiltyard::gateway {

namespace {

struct Wording {
  std::string_view type;  ///< of the problem
  std::string_view title;
  std::string_view text;
};

Wording wording(Page page) {
  switch (page) {
    case Page::kWelcome:
      return {"gateway", "This is the gateway",
              "Every running instance has a name of its own under this address. Start one on the Tiltyard page, then "
              "follow the link that it shows."};
    case Page::kUnknownHost:
      return {"instance-unknown", "Nothing runs under this name",
              "The instance may have ended, may still be starting, or the address has a slip in it. Look on the "
              "Tiltyard page: it shows the links of what is running."};
    case Page::kNoAnswer:
      return {"machine-unreachable", "The machine does not answer",
              "The instance is running, but nothing takes connections on this port. It may need a moment more, or the "
              "service in it has stopped. Reload to try again."};
    case Page::kBadAnswer:
      return {"machine-bad-answer", "The machine's answer makes no sense",
              "Something answers on this port, but not in proper HTTP, so it cannot be passed on."};
    case Page::kTooSlow:
      return {"machine-timeout", "The machine takes too long",
              "The request was delivered, but no answer came in time. The service may be busy or stuck."};
    case Page::kAsleep:
      return {
          "instance-asleep", "The instance does not wake up",
          "It was put to sleep because nobody used it, and waking it did not work. Reload to try again; if that does "
          "not help, stop it and start it anew on the Tiltyard page."};
    case Page::kTooMany:
      return {"too-many-connections", "Too many connections",
              "There are as many open connections as allowed. Close some, or try again in a moment."};
    case Page::kDoor:
      return {"not-let-in", "This is its owner's alone",
              "Open it in a browser that is signed in on the Tiltyard page. Programs show a token, which the page has "
              "beside the link: curl -b tiltyard-door=TOKEN (over https: __Host-tiltyard-door)."};
    case Page::kNotYours:
      return {"not-yours", "This is somebody else's",
              "You are signed in, and neither this instance's owner nor in their team. Ask them for a link that shares "
              "it, or start one of your own on the Tiltyard page."};
    case Page::kLink:
      return {"link-closed", "This link does not lead in",
              "Links that share an instance have an end, and their owners take them back."};
    case Page::kLetIn:
      return {"let-in", "You are let in",
              "From the address that you use this page from, its ports are open to you as long as the link lives. From "
              "anywhere else they ask for a token, where they can: tiltyard door ID."};
    case Page::kUsedUp:
      return {"link-used", "This way in was used already",
              "What lets a browser in counts once and for half a minute. Ask for a new one: it takes a moment."};
    case Page::kRefused:
      break;
  }
  return {"bad-request", "This request cannot be passed on", "It is malformed, or it could be understood in two ways."};
}

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark;--ground:#f6f7f8;--card:#fff;--line:#d9dde1;--text:#1d2329;--soft:#5b6670;"
    "--accent:#0b63a5}"
    "@media(prefers-color-scheme:dark){:root{--ground:#14171a;--card:#1c2024;--line:#343a41;--text:#e6e9ec;"
    "--soft:#9aa5af;--accent:#6cb4ee}}"
    "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;"
    "padding:16px;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif}"
    "main{width:100%;max-width:560px;background:var(--card);border:1px solid "
    "var(--line);border-radius:8px;padding:32px}"
    "p{margin:12px 0 0}h1{margin:4px 0 0;font-size:24px;line-height:32px;font-weight:600}"
    ".code{margin:0;color:var(--soft);font-size:14px;font-variant-numeric:tabular-nums}"
    ".host{font:14px/20px ui-monospace,monospace;overflow-wrap:anywhere;color:var(--soft);"
    "border-left:4px solid var(--accent);padding-left:12px}"
    ".go{color:var(--accent);font-weight:600}";

std::string html(const PageText& text, const Wording& words) {
  std::string body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" "
      "content=\"noindex\">"
      "<title>{0} · Tiltyard</title><style>{1}</style></head><body><main>"
      "<p class=\"code\">Tiltyard gateway{2}</p><h1>{0}</h1>",
      words.title, kStyle, text.status == 200 ? std::string() : fmt::format(" · {}", text.status));
  if (!text.host.empty()) body += fmt::format("<p class=\"host\">{}</p>", escape_html(text.host));
  body += fmt::format("<p>{}</p>", words.text);
  if (!text.detail.empty()) body += fmt::format("<p>{}</p>", escape_html(text.detail));
  if (!text.open.empty()) body += fmt::format("<p><a class=\"go\" href=\"{}\">Go on</a></p>", escape_html(text.open));
  return body + "</main></body></html>\n";
}

std::string problem_json(const PageText& text, const Wording& words) {
  std::string detail(words.text);
  if (!text.detail.empty()) detail = fmt::format("{} {}", words.text, text.detail);
  std::string body = fmt::format(
      "{{\"type\":\"urn:tiltyard:error:{}\",\"title\":\"{}\",\"status\":{},\"detail\":\"{}\","
      "\"answered_by\":\"gateway\"",
      words.type, escape_json(words.title), text.status, escape_json(detail));
  if (!text.host.empty()) body += fmt::format(",\"host\":\"{}\"", escape_json(text.host));
  if (!text.open.empty()) body += fmt::format(",\"open\":\"{}\"", escape_json(text.open));
  return body + "}\n";
}

/// The line that helps comes first.
std::string plain_text(const PageText& text, const Wording& words) {
  auto body = fmt::format("{} {}\n", text.status, words.title);
  if (!text.detail.empty()) body += fmt::format("{}\n", text.detail);
  body += fmt::format("{}\n", words.text);
  if (!text.open.empty()) body += fmt::format("{}\n", text.open);
  return body;
}

std::string_view type_of(Form form) {
  switch (form) {
    case Form::kText:
      break;
    case Form::kHtml:
      return "text/html; charset=utf-8";
    case Form::kProblem:
      return "application/problem+json";
  }
  return "text/plain; charset=utf-8";
}

}  // namespace

std::string page_body(const PageText& text, Form form) {
  const auto words = wording(text.page);
  if (form == Form::kText) return plain_text(text, words);
  return form == Form::kHtml ? html(text, words) : problem_json(text, words);
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_json(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c < 0x20) out += fmt::format("\\u{:04x}", c);
    else out += static_cast<char>(c);
  }
  return out;
}

Form wanted_form(std::string_view accept) {
  if (accept.contains("text/html")) return Form::kHtml;
  const bool json = accept.contains("application/json") || accept.contains("application/problem+json");
  return json ? Form::kProblem : Form::kText;
}

/// A 401 says how one is let in (RFC 9110, 11.6.1); there is no registered scheme for a cookie.
constexpr std::string_view kChallenge = "WWW-Authenticate: Cookie cookie-name=\"tiltyard-door\"\r\n";

std::string render_page(const PageText& text, Form form, bool keep_alive, bool head_only) {
  const auto body = page_body(text, form);
  std::string answer = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n{}{}"
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
      "Connection: {}\r\n\r\n",
      text.status, http::phrase(text.status), type_of(form), body.size(),
      text.status == 503   ? "Retry-After: 2\r\n"
      : text.status == 401 ? kChallenge
                           : "",
      text.status == 405 ? "Allow: GET, HEAD, POST\r\n" : "", keep_alive ? "keep-alive" : "close");
  if (!head_only) answer += body;
  return answer;
}

std::string render_text(std::string_view text, bool keep_alive, bool head_only) {
  auto answer = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: {}\r\n\r\n",
      text.size(), keep_alive ? "keep-alive" : "close");
  if (!head_only) answer += text;
  return answer;
}

}  // namespace tiltyard::gateway
