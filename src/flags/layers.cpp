#include "flags/layers.h"

#include <sodium.h>

#include <algorithm>
#include <deque>

#include "flags/rights.h"

namespace tiltyard::flags {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr int kMostLinks = 40;            // as many as Linux follows
constexpr std::size_t kMostNoted = 1000;  // of a layer: an image of programs that give rights must not fill the memory

using Key = std::array<std::uint64_t, 2>;

/// SipHash-2-4 with 128 bits, under a key of this process: nobody can choose names that meet.
Key key_of(std::string_view path) {
  static const auto secret = [] {
    std::array<unsigned char, crypto_shorthash_siphashx24_KEYBYTES> key;
    randombytes_buf(key.data(), key.size());
    return key;
  }();
  Key out;
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(out.data()),
                              reinterpret_cast<const unsigned char*>(path.data()), path.size(), secret.data());
  return out;
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string beside(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

std::string whiteout_of(std::string_view path) {
  const auto parent = parent_of(path);
  const auto name = parent.empty() ? path : path.substr(parent.size() + 1);
  return beside(parent, std::string(kWhiteout) + std::string(name));
}

bool is_folder(const Layer::Record& record) {
  return record.kind == EntryKind::kFolder || record.kind == EntryKind::kImplied;
}

void append_parts(std::string_view path, std::deque<std::string>& parts, bool in_front) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= path.size();) {
    const auto slash = std::min(path.find('/', at), path.size());
    if (slash > at) all.emplace_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  parts.insert(in_front ? parts.begin() : parts.end(), all.begin(), all.end());
}

}  // namespace

std::string tidy_path(std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at <= raw.size();) {
    const auto slash = std::min(raw.find('/', at), raw.size());
    const auto part = raw.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") return {};
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

void Layer::imply_parents(const std::string& path) {
  const std::string parent(parent_of(path));
  if (parent == last_parent_) return;
  last_parent_ = parent;
  for (std::string_view at = parent; !at.empty(); at = parent_of(at)) {
    Record record;
    record.key = key_of(at);
    record.kind = EntryKind::kImplied;
    records_.push_back(record);
  }
}

void Layer::add(const std::string& path, EntryKind kind, const FileFacts& facts) {
  const auto name = std::string_view(path).substr(path.rfind('/') + 1);
  imply_parents(path);
  Record record;
  record.key = key_of(path);
  record.kind = name.starts_with(kWhiteout) ? EntryKind::kMark : kind;
  record.uid = facts.uid;
  record.gid = facts.gid;
  record.mode = facts.mode;
  record.seconds = facts.seconds;
  record.nanos = facts.nanos;
  records_.push_back(record);
  holders_.erase(path);
  targets_.erase(path);
  programs_.erase(path);
  if (record.kind == EntryKind::kFile && programs_.size() < kMostNoted && gives_rights(facts))
    programs_.emplace(path, facts);
}

void Layer::add_symlink(const std::string& path, std::string target) {
  add(path, EntryKind::kSymlink, {});
  targets_[path] = std::move(target);
}

void Layer::add_holder(Holder holder) {
  const auto path = tidy_path(holder.path);
  add(path, EntryKind::kFile, holder.facts);
  holders_.insert_or_assign(path, std::move(holder));
}

void Layer::add_link(const std::string& path, const std::string& target, const FileFacts& facts) {
  const auto held = holders_.find(target);
  const auto program = programs_.find(target);  // a link's own entry does not repeat the file's capability
  if (held == holders_.end())
    return add(path, EntryKind::kFile, program == programs_.end() ? facts : FileFacts(program->second));
  Holder same = held->second;
  same.path = "/" + path;
  add_holder(std::move(same));
}

void Layer::settle() {
  // Of several with one key the last that was really there counts, and what is only implied counts least.
  std::ranges::stable_sort(records_, [](const Record& a, const Record& b) { return a.key < b.key; });
  std::vector<Record> kept;
  kept.reserve(records_.size());
  for (const auto& record : records_) {
    const bool same = !kept.empty() && kept.back().key == record.key;
    if (!same) kept.push_back(record);
    else if (record.kind != EntryKind::kImplied) kept.back() = record;
  }
  kept.shrink_to_fit();
  records_ = std::move(kept);
}

const Layer::Record* Layer::find(std::string_view path) const {
  const auto key = key_of(path);
  const auto found = std::ranges::lower_bound(records_, key, {}, &Record::key);
  return found != records_.end() && found->key == key ? &*found : nullptr;
}

const Layer::Record* Layer::whiteout(std::string_view path) const { return find(whiteout_of(path)); }

bool Layer::hides(std::string_view path) const {
  if (whiteout(path)) return true;
  for (auto at = path; !at.empty();) {
    at = parent_of(at);
    if (find(beside(at, kOpaque))) return true;
    if (at.empty()) break;
    const auto* above = find(at);
    if (whiteout(at) || (above && !is_folder(*above))) return true;
  }
  return false;
}

const std::string* Layer::target(const std::string& path) const {
  const auto found = targets_.find(path);
  return found == targets_.end() ? nullptr : &found->second;
}

Stack::Seen Stack::see(std::string_view path) const {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = *layers_[i];
    const auto* record = layer.find(path);
    if (record && record->kind != EntryKind::kMark) {
      for (auto at = parent_of(path); !at.empty(); at = parent_of(at)) {
        const auto* above = layer.find(at);
        if (above && !is_folder(*above)) return {};
      }
      return {i, record};
    }
    if (layer.hides(path)) return {};
  }
  return {};
}

std::vector<Holder> Stack::holders() const {
  std::vector<Holder> out;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    for (const auto& [path, holder] : layers_[i]->holders()) {
      const auto seen = see(path);
      if (seen.record && seen.layer == i) out.push_back(holder);
    }
  }
  std::ranges::sort(out, {}, &Holder::path);
  return out;
}

std::vector<Program> Stack::programs(std::size_t most) const {
  std::map<std::string, FileFacts> found;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    for (const auto& [path, facts] : layers_[i]->programs()) {
      const auto seen = see(path);
      if (seen.record && seen.layer == i) found.emplace("/" + path, facts);
    }
  }
  std::vector<Program> out;
  for (const auto& [path, facts] : found) {
    if (out.size() == most) break;
    out.push_back({path, facts});
  }
  return out;
}

Watched Stack::resolve(const std::string& path) const {
  Watched out;
  std::deque<std::string> parts;
  append_parts(path, parts, false);
  std::string at;
  for (int links = 0; !parts.empty();) {
    const std::string part = std::move(parts.front());
    parts.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      if (at.empty()) return {Watched::Kind::kOutside, path, {}};
      at = parent_of(at);
      continue;
    }
    const std::string next = beside(at, part);
    const auto seen = see(next);
    if (!seen.record) {
      // What is not there can be made there, folders and all.
      at = next;
      for (const auto& rest : parts) at = rest == ".." ? std::string(parent_of(at)) : beside(at, rest);
      return {Watched::Kind::kAbsent, "/" + at, {}};
    }
    const Layer::Record& record = *seen.record;
    if (is_folder(record)) {
      at = next;
    } else if (record.kind == EntryKind::kSymlink) {
      const auto* target = layers_[seen.layer]->target(next);
      if (!target || ++links > kMostLinks) return {Watched::Kind::kOther, "/" + next, {}};
      if (target->starts_with('/')) at.clear();
      append_parts(*target, parts, true);
    } else if (record.kind == EntryKind::kFile && parts.empty()) {
      out.kind = Watched::Kind::kFile;
      out.path = "/" + next;
      out.facts = {record.uid, record.gid, record.mode, record.seconds, record.nanos, {}};
      return out;
    } else {
      return {Watched::Kind::kOther, "/" + next, {}};
    }
  }
  return {Watched::Kind::kFolder, "/" + at, {}};
}

}  // namespace tiltyard::flags
