#pragma once

#include <memory>

#include "house/capability.h"
#include "privileged/files.h"
#include "privileged/options.h"

namespace tiltyard::apart {

/// What the server has others do for it that have the rights: its privileged half, if it has one. Offers its files to
/// whom instances' own files concern.
class Capability final : public house::Capability, public privileged::HasFiles {
 public:
  std::string_view name() const override { return "apart"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  /// How the server runs is not for staff to switch.
  std::vector<house::Switch> switches() const override { return {}; }
  Result<> make(house::Ground& ground) override;

  std::shared_ptr<const privileged::Files> files() const override { return files_; }
  /// As both halves read them, with whole paths once they are read.
  const privileged::Options& options() const { return options_; }

 private:
  privileged::Options options_;
  std::shared_ptr<const privileged::Files> files_;
};

}  // namespace tiltyard::apart
