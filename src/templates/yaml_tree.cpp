#include "templates/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "templates/faults.h"
#include "templates/text.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

/// Ends the parse from inside an event; yaml-cpp has no other way to be told.
struct Refused {
  int line;
  std::string message;
};

struct Extent {
  std::size_t nodes = 0, bytes = 0;
  int depth = 0;

  void add(const Extent& inner) {
    nodes += inner.nodes;
    bytes += inner.bytes;
    depth = std::max(depth, inner.depth + 1);
  }
};

/// Stands for a question mark while yaml-cpp reads. It takes one for an indicator in the midst of a plain text between
/// brackets, where YAML 1.2 (7.3.3) has it only before a blank: "[http://x/?a=1]" would be an error. Valid UTF-8 has no
/// such byte.
constexpr char kQuestionMark = '\xFF';

/// Question marks that are part of a text, as kQuestionMark; "? " that marks a key stays.
void hide_question_marks(std::string& text) {
  const auto blank = [&text](std::size_t at) {
    return at >= text.size() || std::isspace(static_cast<unsigned char>(text[at])) != 0;
  };
  for (auto at = text.find('?', 1); at != std::string::npos; at = text.find('?', at + 1)) {
    const bool begins = blank(at - 1) || std::string_view("[]{},").find(text[at - 1]) != std::string_view::npos;
    if (!begins || !blank(at + 1)) text[at] = kQuestionMark;
  }
}

/// A text as it was meant: with its question marks, and with the two escapes ("\_" and "\N") of which yaml-cpp makes
/// the bytes of Latin-1.
std::string as_meant(const std::string& text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return text;
  std::string out;
  out.reserve(text.size() + 2);
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte < 0xC0 ? 0 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    if (text[i] == kQuestionMark) out += '?';
    else if (length == 0) (out += '\xC2') += text[i];
    else out.append(text, i, length);
    i += text[i] == kQuestionMark || length == 0 ? 1 : length;
  }
  return out;
}

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const Source> source, const YamlLimits& limits)
      : source_(std::move(source)), limits_(limits) {}

  Node take() { return std::move(root_); }
  /// Where the file's last text begins, if it stands between quotes.
  std::optional<std::size_t> last_quote() const { return last_quote_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = at(mark);
    spend({1, 0, 0}, mark.line + 1);
    finish(std::move(node), {1, 0, 0}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{mark.line + 1, "an alias may not stand inside the node it names"};
    spend(found->second.extent, mark.line + 1);
    finish(found->second.node, found->second.extent, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.place = at(mark);
    node.quoted = tag == "!";
    last_quote_ = node.quoted ? std::optional(static_cast<std::size_t>(mark.pos)) : std::nullopt;
    node.mark = mark_of(tag, mark);
    node.kind =
        !node.quoted && tag != "tag:yaml.org,2002:str" && is_null_text(value) ? Node::Kind::kNull : Node::Kind::kScalar;
    if (node.is_scalar()) node.text = as_meant(value);
    const Extent extent{1, value.size(), 0};
    spend(extent, mark.line + 1);
    finish(std::move(node), extent, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::kSequence, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    resolve_merges(frames_.back());
    close();
  }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    Extent extent;
    bool want_value = false, merged = false;
    Member pending;
    std::unordered_set<std::string> seen;
    std::vector<Node> merges;
  };
  struct Anchored {
    Node node;
    Extent extent;
  };

  Place at(const YAML::Mark& mark) const { return {source_, mark.line + 1}; }

  Node::Mark mark_of(const std::string& tag, const YAML::Mark& mark) const {
    if (tag == "!reset") return Node::Mark::kReset;
    if (tag == "!override") return Node::Mark::kOverride;
    if (tag.empty() || tag == "!" || tag == "?") return Node::Mark::kNone;
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    for (const std::string_view name : {"str", "int", "float", "bool", "null", "map", "seq"}) {
      if (tag.starts_with(kCore) && std::string_view(tag).substr(kCore.size()) == name) return Node::Mark::kNone;
    }
    throw Refused{mark.line + 1, fmt::format("the tag \"{}\" is not known; Compose has !reset and !override",
                                             printable(as_meant(tag)))};
  }

  void spend(const Extent& extent, int line) {
    spent_.nodes += extent.nodes;
    spent_.bytes += extent.bytes;
    if (spent_.nodes > limits_.nodes || spent_.bytes > limits_.bytes) {
      throw Refused{line, fmt::format("with its aliases resolved the file is larger than {} values or {} bytes of text",
                                      limits_.nodes, limits_.bytes)};
    }
    if (static_cast<int>(frames_.size()) + extent.depth > limits_.depth) too_deep(line);
  }

  [[noreturn]] void too_deep(int line) const {
    throw Refused{line, fmt::format("nested more than {} levels deep", limits_.depth)};
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (static_cast<int>(frames_.size()) >= limits_.depth) too_deep(mark.line + 1);
    if (!frames_.empty() && frames_.back().node.is_map() && !frames_.back().want_value) {
      throw Refused{mark.line + 1, "a key must be a plain text"};
    }
    spend({1, 0, 0}, mark.line + 1);
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = at(mark);
    frame.node.mark = mark_of(tag, mark);
    frame.anchor = anchor;
    frame.extent = {1, 0, 0};
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    finish(std::move(frame.node), frame.extent, frame.anchor);
  }

  void finish(Node node, Extent extent, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      spend(extent, node.place.line);  // the kept copy costs memory too
      anchors_.insert_or_assign(anchor, Anchored{node, extent});
    }
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_sequence()) {
      frame.extent.add(extent);
      frame.node.items.push_back(std::move(node));
    } else if (!frame.want_value) {
      take_key(frame, std::move(node));
    } else {
      frame.extent.add(extent);
      take_value(frame, std::move(node));
    }
  }

  void take_key(Frame& frame, Node node) {
    if (!node.is_scalar()) throw Refused{node.place.line, "a key must be a plain text"};
    frame.pending.key = std::move(node.text);
    frame.pending.place = node.place;
    frame.want_value = true;
    if (frame.pending.key == "<<" && !node.quoted) {  // a merge, resolved at the end of the map
      if (frame.merged) throw Refused{node.place.line, "`<<` is there twice; write <<: [*a, *b]"};
      frame.merged = true;
      return;
    }
    if (!frame.seen.insert(frame.pending.key).second) {
      throw Refused{node.place.line, fmt::format("the key \"{}\" is there twice", printable(frame.pending.key))};
    }
  }

  void take_value(Frame& frame, Node node) {
    frame.want_value = false;
    if (frame.pending.key == "<<" && !frame.seen.contains("<<")) {
      take_merge(frame, std::move(node));
      return;
    }
    frame.pending.value = std::move(node);
    frame.node.members.push_back(std::move(frame.pending));
    frame.pending = {};
  }

  static void take_merge(Frame& frame, Node node) {
    const int line = frame.pending.place.line;
    if (node.is_map()) {
      frame.merges.push_back(std::move(node));
    } else if (node.is_sequence()) {
      for (auto& item : node.items) {
        if (!item.is_map()) throw Refused{line, "<< takes a map or a list of maps"};
        frame.merges.push_back(std::move(item));
      }
    } else if (!node.is_null()) {
      throw Refused{line, "<< takes a map or a list of maps"};
    }
  }

  /// YAML's merge key: what the map says itself wins, then what is named first. http://yaml.org/type/merge.html
  static void resolve_merges(Frame& frame) {
    for (auto& from : frame.merges) {
      for (auto& member : from.members) {
        if (frame.seen.insert(member.key).second) frame.node.members.push_back(std::move(member));
      }
    }
  }

  std::shared_ptr<const Source> source_;
  const YamlLimits& limits_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  Extent spent_;
  Node root_;
  std::optional<std::size_t> last_quote_;
};

}  // namespace

bool Node::is_empty() const { return is_null() || (is_sequence() && items.empty()) || (is_map() && members.empty()); }

const Member* Node::member(std::string_view key) const {
  for (const auto& one : members) {
    if (one.key == key) return &one;
  }
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Member* found = member(key);
  return found ? &found->value : nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

void Node::set(std::string key, Place key_place, Node value) {
  if (Node* there = find(key)) {
    *there = std::move(value);
    return;
  }
  members.push_back(Member{std::move(key), std::move(key_place), std::move(value)});
}

void Node::erase(std::string_view key) {
  std::erase_if(members, [key](const Member& one) { return one.key == key; });
}

std::string_view kind_name(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a text";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

std::optional<Node> parse_yaml(std::string_view text, std::shared_ptr<const Source> source, Problems& problems,
                               const YamlLimits& limits) {
  const auto place = [&source](int line) { return Place{source, line}; };
  if (text.size() > limits.size) {
    problems.error(place(0), fmt::format("the file has {} bytes; at most {} are read", text.size(), limits.size));
    return std::nullopt;
  }
  auto clean = clean_text(text);
  if (!clean) {
    problems.error(place(clean.error().line), clean.error().message);
    return std::nullopt;
  }
  const auto refuse = [&](const TextFault& fault) { problems.error(place(fault.line), fault.message); };
  std::string hidden = *clean;
  hide_question_marks(hidden);
  std::istringstream in(hidden);
  try {
    TreeBuilder builder(source, limits);
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) {
      Node nothing;
      nothing.place = place(1);
      return nothing;
    }
    while (true) {  // a "---" at the end begins one with nothing in it
      TreeBuilder rest(source, limits);
      if (!parser.HandleNextDocument(rest)) break;
      const Node more = rest.take();
      if (more.is_null()) continue;
      problems.error(place(more.place.line), "a second YAML document; there may be only one in the file");
      return std::nullopt;
    }
    if (const auto fault = open_quote(*clean, builder.last_quote())) {
      refuse(*fault);
      return std::nullopt;
    }
    return builder.take();
  } catch (const Refused& refused) {
    problems.error(place(refused.line), refused.message);
  } catch (const YAML::Exception& failure) {
    refuse(failure.mark.is_null() ? TextFault{0, failure.msg}
                                  : explain_yaml(*clean, {failure.mark.line + 1, failure.msg}));
  } catch (const std::exception& failure) {
    problems.error(place(0), fmt::format("not readable as YAML: {}", failure.what()));
  }
  return std::nullopt;
}

}  // namespace tiltyard::templates
