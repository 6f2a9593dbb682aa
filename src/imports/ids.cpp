#include "imports/ids.h"

#include <fmt/format.h>
#include <sodium.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "imports/origin.h"

namespace tiltyard::imports {
namespace {

constexpr std::size_t kLongestId = 40;
/// Names of folders that say nothing.
constexpr std::array<std::string_view, 6> kNoNames{"challenge", "chall", "src", "deploy", "docker", "."};

std::string fitting(std::string id) {
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

bool is_letter_or_digit(utf8proc_int32_t point) {
  const auto category = utf8proc_category(point);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO && category != UTF8PROC_CATEGORY_MN &&
         category != UTF8PROC_CATEGORY_MC && category != UTF8PROC_CATEGORY_ME;
}

}  // namespace

std::string digest(std::string_view text, std::size_t digits) {
  std::array<unsigned char, 32> bytes{};
  crypto_generichash(bytes.data(), bytes.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  return hex(std::span<const unsigned char>(bytes)).substr(0, digits);
}

std::string id_of(std::string_view text) {
  utf8proc_uint8_t* folded = nullptr;
  const auto length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &folded,
      static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK | UTF8PROC_CASEFOLD));
  std::string out;
  bool lost = length < 0;
  for (utf8proc_ssize_t at = 0; at < length;) {
    utf8proc_int32_t point = -1;
    at += std::max<utf8proc_ssize_t>(utf8proc_iterate(folded + at, length - at, &point), 1);
    const bool fits = (point >= 'a' && point <= 'z') || (point >= '0' && point <= '9');
    lost = lost || (!fits && point > 0 && is_letter_or_digit(point));
    if (fits) out += static_cast<char>(point);
    else if (!out.empty() && out.back() != '-') out += '-';
  }
  std::free(folded);
  out = fitting(std::move(out));
  if (out.empty()) return "c-" + digest(text, 10);
  if (!lost && out.size() <= kLongestId) return out;
  return fitting(out.substr(0, kLongestId - 7)) + "-" + digest(text, 6);
}

namespace {

class Giver {
 public:
  Giver(std::vector<Draft>& drafts, const std::map<std::string, std::string>& before)
      : drafts_(drafts), before_(before), ids_(drafts.size()) {}

  std::vector<std::string> give() {
    said();
    known();
    for (int round = 0; round < 3; ++round) made(round);
    return std::move(ids_);
  }

 private:
  /// Ids that a file says.
  void said() {
    std::map<std::string, std::vector<std::size_t>> owners;
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (drafts_[i].ask_id.empty()) continue;
      const auto id = id_of(drafts_[i].ask_id);
      if (id != drafts_[i].ask_id)
        drafts_[i].changed(drafts_[i].id_place, fmt::format("the id \"{}\" is \"{}\" here", drafts_[i].ask_id, id));
      owners[id].push_back(i);
    }
    for (const auto& [id, all] : owners) {
      taken_.insert(id);
      for (const auto i : all) {
        ids_[i] = id;
        if (all.size() == 1) continue;
        std::string others;
        for (const auto other : all) {
          if (other != i) others += (others.empty() ? "" : ", ") + drafts_[other].source;
        }
        drafts_[i].refuse(drafts_[i].id_place,
                          fmt::format("the id \"{}\" is also that of {}; give each its own", id, others));
      }
    }
  }

  /// Whoever had an id keeps it.
  void known() {
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      const auto old = before_.find(drafts_[i].key);
      if (ids_[i].empty() && old != before_.end() && taken_.insert(old->second).second) ids_[i] = old->second;
    }
  }

  std::string candidate(const Draft& draft, int round) const {
    const bool nothing = draft.title.empty() || std::ranges::find(kNoNames, lower(draft.title)) != kNoNames.end();
    const auto name = nothing ? draft.challenge.name : draft.title;
    const auto above = leaf(parent(draft.folder));
    if (round == 0) return id_of(name);
    if (round == 1) return id_of((above.empty() ? draft.challenge.category : above) + "-" + name);
    return fitting(id_of(name).substr(0, kLongestId - 7)) + "-" + digest(draft.key, 6);
  }

  void made(int round) {
    std::map<std::string, std::vector<std::size_t>> wanted;
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (ids_[i].empty()) wanted[candidate(drafts_[i], round)].push_back(i);
    }
    for (const auto& [id, all] : wanted) {
      if (all.size() > 1 || taken_.contains(id)) {
        clashed_.insert(all.begin(), all.end());
        continue;
      }
      const auto i = all.front();
      taken_.insert(id);
      ids_[i] = id;
      if (clashed_.contains(i))
        drafts_[i].changed({}, fmt::format("another challenge has this name, too: the id is \"{}\"", id));
    }
  }

  std::vector<Draft>& drafts_;
  const std::map<std::string, std::string>& before_;
  std::vector<std::string> ids_;
  std::set<std::string> taken_;
  std::set<std::size_t> clashed_;
};

}  // namespace

std::vector<std::string> give_ids(std::vector<Draft>& drafts, const std::map<std::string, std::string>& before) {
  return Giver(drafts, before).give();
}

}  // namespace tiltyard::imports
