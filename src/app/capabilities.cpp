// The list of capabilities. A new one is one line here; everything else about it stands in its own folder.
#include "app/capabilities.h"

#include <utility>

#include "access/capability.h"
#include "apart/capability.h"
#include "audit/capability.h"
#include "board/capability.h"
#include "captures/capability.h"
#include "certificates/capability.h"
#include "contest/capability.h"
#include "desktop/capability.h"
#include "disk/capability.h"
#include "doors/capability.h"
#include "farm/capability.h"
#include "features/capability.h"
#include "flags/capability.h"
#include "grants/capability.h"
#include "identity/capability.h"
#include "imports/capability.h"
#include "labs/capability.h"
#include "names/capability.h"
#include "notices/capability.h"
#include "ports/capability.h"
#include "rates/capability.h"
#include "realtime/capability.h"
#include "recordings/capability.h"
#include "snapshots/capability.h"
#include "ssh/capability.h"
#include "templates/capability.h"
#include "traefik/capability.h"
#include "traffic/capability.h"
#include "transfers/capability.h"

namespace tiltyard::app {
namespace {

template <class One, class... Others>
One& add(Capabilities& all, Others&... others) {
  auto one = std::make_unique<One>(others...);
  auto& made = *one;
  all.push_back(std::move(one));
  return made;
}

}  // namespace

Capabilities capabilities() {
  Capabilities all;
  auto& apart = add<apart::Capability>(all);
  auto& notices = add<notices::Capability>(all);
  auto& identity = add<identity::Capability>(all, notices);
  add<audit::Capability>(all);
  auto& features = add<features::Capability>(all);
  auto& certificates = add<certificates::Capability>(all);
  auto& templates = add<templates::Capability>(all);
  add<imports::Capability>(all, templates);
  auto& flags = add<flags::Capability>(all, templates);
  add<recordings::Capability>(all);
  auto& labs = add<labs::Capability>(all, identity, templates);
  auto& access = add<access::Capability>(all, identity, labs);
  add<contest::Capability>(all, identity, templates, flags, labs, access);
  add<names::Capability>(all, identity, labs, certificates);
  add<doors::Capability>(all, identity, labs);
  auto& grants = add<grants::Capability>(all, labs);
  add<disk::Capability>(all, apart, labs, templates);
  add<captures::Capability>(all, apart, labs);
  add<traffic::Capability>(all, labs);
  add<ports::Capability>(all, labs);
  add<transfers::Capability>(all, labs);
  add<desktop::Capability>(all, templates, labs, grants);
  add<snapshots::Capability>(all, labs);
  add<ssh::Capability>(all, identity);
  add<traefik::Capability>(all, labs);
  add<farm::Capability>(all);
  add<board::Capability>(all);
  add<rates::Capability>(all, identity);
  add<realtime::Capability>(all, identity, features);
  return all;
}

}  // namespace tiltyard::app
