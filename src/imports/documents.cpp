// Files of others as trees with places: YAML, JSON (RFC 8259) and TOML.
#include <fmt/format.h>
#include <toml++/toml.h>
#include <boost/json/stream_parser.hpp>

#include <algorithm>
#include <sstream>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

namespace json = boost::json;

void refuse_file(std::vector<Note>& notes, const std::string& path, int line, std::string why) {
  notes.push_back({Note::Kind::kRefused, path, line, std::move(why)});
}

/// The documents of a YAML stream (YAML 1.2, 9.2), each as a text whose lines have the numbers that they have in the
/// file.
std::vector<std::string> split_documents(std::string_view text) {
  std::vector<std::string> out(1);
  int line = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto one = text.substr(at, end - at);
    at = end + 1;
    if (one == "---" || one.starts_with("--- ") || one == "---\r") {
      if (out.size() < 64) out.emplace_back(std::string(static_cast<std::size_t>(line), '\n'));
      out.back() += one.size() > 4 ? "    " + std::string(one.substr(4)) : std::string{};
    } else if (!one.starts_with("%") || out.back().find_first_not_of('\n') != std::string::npos) {
      out.back() += one;
    }
    out.back() += '\n';
  }
  return out;
}

/// Gives a value that was parsed the places of its text: walks both in step. The text is known to be good.
class Placing {
 public:
  Placing(std::string_view text, std::shared_ptr<const templates::Source> source)
      : text_(text), source_(std::move(source)) {}

  /// False: a key is there twice.
  bool place(const json::value& value, Node& out, int depth = 0) {
    blanks();
    out.place = {source_, line_};
    if (const auto* object = value.if_object()) return members(*object, out, depth);
    if (const auto* list = value.if_array()) return items(*list, out, depth);
    if (const auto* text = value.if_string()) {
      out = scalar(std::string(*text));
      out.place = {source_, line_};
      string();
      return true;
    }
    const auto start = at_;
    while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos) ++at_;
    if (value.is_null()) return true;
    out.kind = Node::Kind::kScalar;
    out.text = text_.substr(start, at_ - start);
    return true;
  }

 private:
  void blanks() {
    for (; at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos; ++at_)
      line_ += text_[at_] == '\n' ? 1 : 0;
  }
  bool next(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) at_ += text_[at_] == '\\' ? 1 : 0;
    ++at_;
  }
  bool members(const json::object& object, Node& out, int depth) {
    out.kind = Node::Kind::kMap;
    next('{');
    bool first = true;
    for (const auto& [key, value] : object) {
      if (!first && !next(',')) return false;
      first = false;
      blanks();
      const Place place{source_, line_};
      string();
      if (!next(':')) return false;
      Node inner;
      if (!this->place(value, inner, depth + 1)) return false;
      out.members.push_back({std::string(key), place, std::move(inner)});
    }
    return next('}');
  }
  bool items(const json::array& list, Node& out, int depth) {
    out.kind = Node::Kind::kSequence;
    next('[');
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i > 0 && !next(',')) return false;
      if (!place(list[i], out.items.emplace_back(), depth + 1)) return false;
    }
    return next(']');
  }

  std::string_view text_;
  std::shared_ptr<const templates::Source> source_;
  std::size_t at_ = 0;
  int line_ = 1;
};

Node node_of(const toml::node& value, const std::shared_ptr<const templates::Source>& source) {
  Node out;
  out.place = {source, static_cast<int>(value.source().begin.line)};
  if (const auto* table = value.as_table()) {
    out.kind = Node::Kind::kMap;
    for (const auto& [key, inner] : *table) {
      const Place place{source, static_cast<int>(key.source().begin.line)};
      out.members.push_back({std::string(key.str()), place, node_of(inner, source)});
    }
    std::ranges::sort(out.members, {}, [](const templates::Member& member) { return member.place.line; });
  } else if (const auto* list = value.as_array()) {
    out.kind = Node::Kind::kSequence;
    for (const auto& item : *list) out.items.push_back(node_of(item, source));
  } else {
    out.kind = Node::Kind::kScalar;
    const auto* text = value.as_string();
    out.quoted = text != nullptr;
    if (text) out.text = text->get();
    else
      value.visit([&](const auto& one) {
        if constexpr (!toml::is_table<decltype(one)> && !toml::is_array<decltype(one)>) {
          std::ostringstream written;
          written << one;
          out.text = written.str();
        }
      });
  }
  return out;
}

}  // namespace

std::vector<Document> documents(const Origin& origin, const std::string& path, std::vector<Note>& notes) {
  std::vector<Document> out;
  const auto text = origin.read(path);
  if (!text) return refuse_file(notes, path, 0, text.error()), out;
  const auto source = std::make_shared<const templates::Source>(templates::Source{path, {}});
  for (const auto& one : split_documents(*text)) {
    templates::Problems problems;
    auto root = templates::parse_yaml(one, source, problems);
    for (const auto& problem : problems.take()) {
      if (problem.severity == templates::Problem::Severity::kError)
        refuse_file(notes, path, problem.line, problem.message);
    }
    if (root && root->is_map()) out.push_back({path, std::move(*root)});
  }
  return out;
}

std::optional<Document> json_document(const Origin& origin, const std::string& path, std::vector<Note>& notes,
                                      std::size_t most) {
  const auto text = origin.read(path, most);
  if (!text) return refuse_file(notes, path, 0, text.error()), std::nullopt;
  std::string_view body = *text;
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  boost::system::error_code failure;
  json::parse_options bounded;
  bounded.max_depth = 32;
  json::stream_parser parser({}, bounded);
  const auto read = parser.write_some(body, failure);
  if (!failure) parser.finish(failure);
  if (failure) {
    const auto line = 1 + std::ranges::count(body.substr(0, std::min(read, body.size())), '\n');
    return refuse_file(notes, path, static_cast<int>(line), fmt::format("this is no JSON: {}", failure.message())),
           std::nullopt;
  }
  if (body.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    return refuse_file(notes, path, 0, "something stands behind the JSON"), std::nullopt;
  Document out{path, {}};
  Placing placing(body, std::make_shared<const templates::Source>(templates::Source{path, {}}));
  if (!placing.place(parser.release(), out.root)) {
    return refuse_file(notes, path, 0, "a key is there twice"), std::nullopt;
  }
  return out;
}

std::optional<Document> toml_document(const Origin& origin, const std::string& path, std::vector<Note>& notes) {
  const auto text = origin.read(path);
  if (!text) return refuse_file(notes, path, 0, text.error()), std::nullopt;
  try {
    const auto table = toml::parse(*text);
    auto root = node_of(table, std::make_shared<const templates::Source>(templates::Source{path, {}}));
    root.place.line = 0;
    return Document{path, std::move(root)};
  } catch (const toml::parse_error& wrong) {
    refuse_file(notes, path, static_cast<int>(wrong.source().begin.line), std::string(wrong.description()));
    return std::nullopt;
  }
}

}  // namespace tiltyard::imports
