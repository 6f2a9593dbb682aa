#include "notices/smtp.h"

#include <curl/curl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sodium.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace tiltyard::notices {
namespace {

constexpr std::size_t kLongestAddress = 254, kLongestSubject = 400, kLongestText = 64 * 1024;
/// RFC 2047, 2: 75 characters for an encoded word and 76 for its line; 45 bytes make 60 of base64, and before the first
/// word stands the field's name.
constexpr std::size_t kWordBytes = 45, kFirstWordBytes = 39;

std::unexpected<Error> invalid(std::string message) {
  return fail(Code::kInvalid, "notices-invalid", std::move(message));
}

std::string base64(std::string_view text) {
  std::string out(sodium_base64_encoded_len(text.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  out.resize(std::strlen(out.c_str()));
  return out;
}

bool plain_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F; }) && !text.contains("=?");
}

/// A header's text. Words are cut between characters, and go on on the next line.
std::string encoded(std::string_view text) {
  if (plain_ascii(text) && text.size() <= 60) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const auto most = std::min(text.size(), out.empty() ? kFirstWordBytes : kWordBytes);
    std::size_t end = most;
    while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    if (end == 0) end = most;
    out += fmt::format("{}=?UTF-8?B?{}?=", out.empty() ? "" : "\r\n ", base64(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return out;
}

std::string wrapped(std::string_view text) {
  const auto all = base64(text);
  std::string out;
  for (std::size_t at = 0; at < all.size(); at += 76) out += all.substr(at, 76) + "\r\n";
  return out;
}

/// What libcurl reads the message from.
struct Source {
  const std::string* text;
  std::size_t at = 0;
};

std::size_t read_some(char* to, std::size_t size, std::size_t count, void* from) {
  auto& source = *static_cast<Source*>(from);
  const auto length = source.text->copy(to, size * count, source.at);
  source.at += length;
  return length;
}

Delivered judge(CURLcode code, long answer) {
  if (code == CURLE_OK) return {Delivery::kDone, {}};
  const auto cause = fmt::format("{} (answer {})", curl_easy_strerror(code), answer);
  // RFC 5321, 4.2.1: 5yz will not do better next time. What is wrong with us and not with the letter may be put right
  // by then: no sign-in, or one that is refused (RFC 4954, 6), no TLS (RFC 3207, 4), and storage (RFC
  // 5321, 4.5.3.1.10).
  const bool of_us = code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED || answer == 530 || answer == 534 ||
                     answer == 535 || answer == 538 || answer == 552;
  const bool refused = answer >= 500 && answer < 600 && !of_us;
  return {refused ? Delivery::kNever : Delivery::kLater, cause};
}

}  // namespace

Result<MailServer> mail_server_of(const Options& options) {
  const auto parsed = boost::urls::parse_uri(options.smtp_url);
  const bool known = parsed && (parsed->scheme() == "smtp" || parsed->scheme() == "smtps") && !parsed->host().empty() &&
                     !parsed->has_userinfo() && (parsed->path().empty() || parsed->path() == "/");
  if (!known)
    return invalid(
        "notices.smtp_url must be smtp://HOST:PORT or smtps://HOST:PORT; the name and password have keys of their "
        "own.");
  if (!good_address(options.mail_from))
    return invalid("notices.mail_from must be an address like range@ctf.example when notices.smtp_url is set.");
  if (!options.mail_to.empty() && !good_address(options.mail_to))
    return invalid("notices.mail_to must be an address like staff@ctf.example.");
  MailServer server;
  server.url = options.smtp_url;
  server.user = options.smtp_user;
  server.password = options.smtp_password;
  server.ca_file = options.smtp_ca;
  server.from = options.mail_from;
  const auto host = std::string(parsed->host_address());
  const bool loopback = host == "127.0.0.1" || host == "::1" || host == "localhost";
  server.plain = parsed->scheme() == "smtp" && options.plain_loopback && loopback;
  return server;
}

bool good_address(std::string_view address) {
  const auto at = address.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size() || address.size() > kLongestAddress)
    return false;
  if (address.find('@', at + 1) != std::string_view::npos || at > 64 || address.front() == '-') return false;
  return std::ranges::all_of(
      address, [](char c) { return c > ' ' && c < 0x7F && !std::string_view("<>()[],;:\\\"").contains(c); });
}

Result<> check(const Mail& letter) {
  const auto bad = [](std::string what) { return fail(Code::kInvalid, "invalid-mail", std::move(what)); };
  if (!good_address(letter.to)) return bad("This is no mail address.");
  const bool one_line =
      std::ranges::none_of(letter.subject, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; });
  if (letter.subject.empty() || !one_line || letter.subject.size() > kLongestSubject)
    return bad("The subject must be one line of at most 400 bytes.");
  if (letter.text.size() > kLongestText || letter.text.contains('\0'))
    return bad("The letter is too long, or no text.");
  return {};
}

std::string message(const Mail& letter, const std::string& from, const std::string& mark, TimePoint at) {
  const auto seconds = std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::seconds>(at));
  const auto domain = from.substr(from.find('@') + 1);
  std::string out;
  out += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\n", fmt::gmtime(seconds));
  out += fmt::format("From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\n", from, letter.to, encoded(letter.subject));
  out += fmt::format("Message-ID: <{}@{}>\r\n", mark, domain);
  // RFC 3834: no out-of-office note comes back.
  out +=
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
      "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  return out + wrapped(letter.text);
}

Delivered send(const MailServer& server, const Mail& letter, const std::string& message) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) return {Delivery::kLater, "no memory"};
  Source source{&message};
  const auto envelope_from = "<" + server.from + ">";
  const auto envelope_to = "<" + letter.to + ">";
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> recipients(
      curl_slist_append(nullptr, envelope_to.c_str()), &curl_slist_free_all);
  const auto set = [&](auto option, auto value) { curl_easy_setopt(curl.get(), option, value); };
  // The path is what we call ourselves in EHLO.
  const auto url = server.url + (server.url.ends_with('/') ? "" : "/") + server.from.substr(server.from.find('@') + 1);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(CURLOPT_USE_SSL, static_cast<long>(server.plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
  if (!server.ca_file.empty()) set(CURLOPT_CAINFO, server.ca_file.c_str());
  if (!server.user.empty()) {
    set(CURLOPT_USERNAME, server.user.c_str());
    set(CURLOPT_PASSWORD, server.password.reveal().c_str());
  }
  set(CURLOPT_MAIL_FROM, envelope_from.c_str());
  set(CURLOPT_MAIL_RCPT, recipients.get());
  set(CURLOPT_READFUNCTION, &read_some);
  set(CURLOPT_READDATA, &source);
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_PROXY, "");
  set(CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
  set(CURLOPT_TIMEOUT_MS, 30'000L);
  const auto code = curl_easy_perform(curl.get());
  long answer = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer);
  return judge(code, answer);
}

}  // namespace tiltyard::notices
