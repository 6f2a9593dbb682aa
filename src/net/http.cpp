#include "net/http.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

#include "net/text.h"

namespace tiltyard::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
  }
  return out;
}

Response with_type(int status, std::string body, const char* type) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", type);
  response.body = std::move(body);
  return response;
}

}  // namespace

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (same_text(trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

Result<std::string> clean_path(std::string_view encoded) {
  const auto usual = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '/';
  };
  if (encoded.starts_with('/') && std::ranges::all_of(encoded, usual) && !encoded.contains("//"))
    return std::string(encoded);
  const std::string decoded = decode(encoded, false);
  const auto bad = [] {
    return fail(Code::kInvalid, "invalid-path", "The path of the request is not one that can exist here.");
  };
  if (!decoded.starts_with('/')) return bad();
  const auto forbidden = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(decoded, forbidden)) return bad();
  std::string out;
  out.reserve(decoded.size());
  std::string_view rest = decoded;
  bool directory = false;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    directory = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (out.empty()) return bad();
      out.resize(out.rfind('/'));
    } else if (!directory) {
      out.push_back('/');
      out.append(segment);
    }
  }
  if (directory || out.empty()) out.push_back('/');
  return out;
}

std::string address_text(const boost::asio::ip::address& address) {
  if (!address.is_v4()) return address.to_string();
  std::array<char, 16> text{};
  char* at = text.data();
  for (const unsigned char byte : address.to_v4().to_bytes()) {
    if (at != text.data()) *at++ = '.';
    at = std::to_chars(at, text.data() + text.size(), static_cast<unsigned>(byte)).ptr;
  }
  return {text.data(), at};
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (same_text(key, name)) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::ranges::any_of(fields_, [name](const Field& field) { return same_text(field.first, name); });
}

void Headers::set(std::string name, std::string value) {
  const auto first = std::ranges::find_if(fields_, [&](const Field& field) { return same_text(field.first, name); });
  if (first == fields_.end()) {
    add(std::move(name), std::move(value));
    return;
  }
  first->second = std::move(value);
  fields_.erase(
      std::remove_if(first + 1, fields_.end(), [&](const Field& field) { return same_text(field.first, name); }),
      fields_.end());
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [name](const Field& field) { return same_text(field.first, name); });
}

std::string_view Request::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return {};
}

std::string Request::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const auto equals = pair.find('=');
    if (decode(pair.substr(0, equals), true) == name) {
      return equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1), true);
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return {};
}

std::string_view Request::cookie(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (!same_text(key, "Cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      const auto equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) return pair.substr(equals + 1);
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return {};
}

Response Response::json(int status, std::string body) { return with_type(status, std::move(body), "application/json"); }

Response Response::text(int status, std::string body) {
  return with_type(status, std::move(body), "text/plain; charset=utf-8");
}

Response Response::empty(int status) {
  Response response;
  response.status = status;
  return response;
}

std::string percent_decode(std::string_view text) { return decode(text, false); }

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
      continue;
    }
    out.push_back('%');
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

}  // namespace tiltyard::http
