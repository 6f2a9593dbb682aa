#include "flags/packing.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <memory>
#include <utility>

namespace tiltyard::flags {
namespace {

/// Relative to the machine's root.
std::string name_of(const Patch& patch) { return patch.target.substr(patch.target.find_first_not_of('/')); }

/// A tar that grows in memory. Stays where it is: the writer knows its text's address.
class Tar {
 public:
  Tar() : writer_(archive_write_new(), archive_write_free) {
    archive_write_set_format_pax_restricted(writer_.get());
    archive_write_set_bytes_per_block(writer_.get(), 0);
    archive_write_open(writer_.get(), &text_, nullptr, take, nullptr);
  }

  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;

  Result<> add(const Patch& patch, const std::string& content) {
    const auto entry = entry_of(patch);
    const auto& facts = patch.facts;
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), static_cast<mode_t>(facts.mode & 07777));
    archive_entry_set_uid(entry.get(), facts.uid);
    archive_entry_set_gid(entry.get(), facts.gid);
    archive_entry_set_mtime(entry.get(), facts.seconds, static_cast<long>(facts.nanos));
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    if (!facts.capability.empty()) {
      archive_entry_xattr_add_entry(entry.get(), "security.capability", facts.capability.data(),
                                    facts.capability.size());
    }
    if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(writer_.get(), content.data(), content.size()) != static_cast<la_ssize_t>(content.size())) {
      return refused(patch);
    }
    return {};
  }

  Result<> add_link(const Patch& patch, const std::string& to) {
    const auto entry = entry_of(patch);
    archive_entry_set_hardlink_utf8(entry.get(), to.c_str());
    if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK) return refused(patch);
    return {};
  }

  std::string finish() {
    archive_write_close(writer_.get());
    return std::move(text_);
  }

 private:
  using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

  static Entry entry_of(const Patch& patch) {
    Entry entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname_utf8(entry.get(), name_of(patch).c_str());
    return entry;
  }

  static la_ssize_t take(archive*, void* text, const void* bytes, std::size_t size) {
    static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  }

  std::unexpected<Error> refused(const Patch& patch) const {
    const char* why = archive_error_string(writer_.get());
    return fail(Code::kInternal, "flag-file-refused", "A file with the flag could not be packed for the instance.",
                patch.target + ": " + (why ? why : "no reason given"));
  }

  std::unique_ptr<archive, decltype(&archive_write_free)> writer_;
  std::string text_;
};

}  // namespace

Result<std::map<std::string, std::string>> pack_files(const Plan& plan, OwnTexts own, Pack which) {
  std::map<std::string, Tar> tars;
  std::map<std::pair<std::string, int>, std::string> first_names;
  for (const auto& patch : plan.patches) {
    if (which == Pack::kLayer && !patch.in_layer) continue;
    auto& tar = tars[patch.service];
    const auto [known, fresh] = first_names.try_emplace({patch.service, patch.file}, name_of(patch));
    if (!fresh) {
      auto linked = tar.add_link(patch, known->second);
      if (!linked) return fail(std::move(linked.error()));
      continue;
    }
    auto content = patched(patch, plan.placeholder, own);
    if (!content) return fail(std::move(content.error()));
    auto added = tar.add(patch, *content);
    if (!added) return fail(std::move(added.error()));
  }
  std::map<std::string, std::string> out;
  for (auto& [service, tar] : tars) out.emplace(service, tar.finish());
  return out;
}

}  // namespace tiltyard::flags
