#include "notices/words.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string_view>
#include <utility>
#include <vector>

namespace tiltyard::notices {
namespace {

namespace json = boost::json;

constexpr int kGreen = 0x2ECC71, kRed = 0xE74C3C, kYellow = 0xF1C40F, kOrange = 0xE67E22, kGrey = 0x95A5A6;
constexpr std::size_t kTitle = 256, kValue = 1024, kFooter = 2048;

/// At most `most` characters of UTF-8; what is cut off is told by an ellipsis.
std::string shortened(std::string_view text, std::size_t most) {
  std::size_t characters = 0, keep = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (++characters == most) keep = at;
    if (characters > most) return std::string(text.substr(0, keep)) + "…";
  }
  return std::string(text);
}

/// What Discord's Markdown would act on, made plain.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\*_~`|>#[]()<").contains(c)) out += '\\';
    out += c;
  }
  return out;
}

json::object detail_of(const bus::Event& event) {
  boost::system::error_code error;
  auto value = json::parse(event.detail.empty() ? "{}" : event.detail, error);
  if (error || !value.is_object()) return {};
  return std::move(value.get_object());
}

std::string text_in(const json::object& detail, std::string_view key) {
  const auto* value = detail.if_contains(key);
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(value->get_string());
  return value->is_null() ? std::string() : json::serialize(*value);
}

int colour_of(const bus::EventKind& kind) {
  if (kind.notice.colour == bus::Notice::Colour::kYellow) return kYellow;
  if (kind.notice.colour == bus::Notice::Colour::kOrange) return kOrange;
  switch (kind.severity) {
    case bus::Severity::kGood:
      return kGreen;
    case bus::Severity::kWarning:
      return kOrange;
    case bus::Severity::kError:
      return kRed;
    case bus::Severity::kInfo:
      return kGrey;
  }
  return kGrey;
}

std::string headline(const bus::Event& event, const json::object& detail) {
  const std::string title(event.kind->notice.title.empty() ? event.kind->name : event.kind->notice.title);
  auto what = text_in(detail, "template_name");
  if (what.empty()) what = event.subject;
  return what.empty() ? title : title + ": " + what;
}

/// What there is to say, in the order in which people ask.
std::vector<std::pair<std::string, std::string>> facts(const bus::Event& event, const json::object& detail) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto add = [&out](std::string name, std::string value) {
    if (!value.empty()) out.emplace_back(std::move(name), std::move(value));
  };
  const auto& words = event.kind->notice;
  add("Template", text_in(detail, "template"));
  auto owner = text_in(detail, "owner_name");
  add("Owner", owner.empty() ? event.owner : owner);
  add(std::string(words.subject), event.subject);
  if (!words.fact.member.empty()) add(std::string(words.fact.title), text_in(detail, words.fact.member));
  add("Reason", text_in(detail, "reason_text").empty() ? text_in(detail, "reason") : text_in(detail, "reason_text"));
  add("By", event.actor.name);
  return out;
}

}  // namespace

json::object embed_of(const bus::Event& event, const std::string& mark, const std::string& site,
                      const std::string& public_url) {
  const auto detail = detail_of(event);
  json::array fields;
  for (const auto& [name, value] : facts(event, detail)) {
    // Escaping at most doubles a text.
    fields.push_back({{"name", name}, {"value", plain(shortened(value, kValue / 2))}, {"inline", value.size() <= 40}});
  }
  json::object embed{{"title", plain(shortened(headline(event, detail), kTitle / 2))},
                     {"color", colour_of(*event.kind)},
                     {"timestamp", to_rfc3339(event.at)},
                     {"fields", std::move(fields)},
                     {"footer", json::object{{"text", shortened(site + " · " + mark, kFooter)}}}};
  if (public_url.starts_with("https://")) embed["url"] = public_url;
  return embed;
}

std::string message_of(json::array embeds, const std::string& site) {
  // A name like "@everyone" calls nobody.
  return json::serialize(json::object{{"username", shortened(site, 80)},
                                      {"allowed_mentions", json::object{{"parse", json::array{}}}},
                                      {"embeds", std::move(embeds)}});
}

Mail letter_of(const bus::Event& event, const std::string& to, const std::string& site, const std::string& public_url) {
  const auto detail = detail_of(event);
  Mail letter;
  letter.to = to;
  letter.subject = shortened(fmt::format("[{}] {}", site, headline(event, detail)), 150);
  letter.text = fmt::format("{}\n\n", event.kind->prose);
  for (const auto& [name, value] : facts(event, detail)) letter.text += fmt::format("{}: {}\n", name, value);
  letter.text += fmt::format("Time: {}\n", to_rfc3339(event.at));
  if (!public_url.empty()) letter.text += fmt::format("\nThe event log: {}/events\n", public_url);
  return letter;
}

}  // namespace tiltyard::notices
