#include "templates/desktop_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "templates/desktop.h"
#include "templates/inside.h"
#include "templates/settings.h"
#include "templates/text.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::array<std::string_view, 1> kKinds{"vnc"};
constexpr std::size_t kHeard = 8;  // characters of a password that VNC's own way of asking looks at (RFC 6143, 7.2.2)

}  // namespace

std::string_view word_of(Desktop::Kind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

void read_desktop(Table& top, Settings& settings) {
  auto table = top.table("desktop");
  if (!table) return;
  auto& problems = top.problems();
  DesktopSettings made;
  made.place = table->place();
  made.machine = table->text("machine");
  if (const auto kind = table->text("kind")) {
    if (kind->value != kKinds[0])
      problems.error(kind->place, fmt::format("desktop.kind \"{}\" is not known; there is vnc{}",
                                              printable(kind->value), did_you_mean(kind->value, kKinds)));
  } else {
    problems.error(made.place, "desktop needs its kind: vnc");
  }
  if (const auto port = table->integer("port", 1, 65535)) made.desktop.port = static_cast<std::uint16_t>(port->value);
  if (const auto password = table->text("password", 100)) {
    made.has_password = true;
    made.desktop.password = password->value;
    if (password->value.empty())
      problems.error(password->place, "desktop.password is empty; without the key none is asked for");
    if (password->value.size() > kHeard)
      problems.warn(password->place, "VNC looks at the first 8 characters of desktop.password alone");
  }
  table->finish();
  settings.desktop = std::move(made);
}

Desktop settle_desktop(const DesktopSettings& said, const Template& tmpl, Problems& problems) {
  Desktop desktop = said.desktop;
  if (said.machine) desktop.machine = said.machine->value;
  else if (!tmpl.services.empty()) desktop.machine = tmpl.services.front().name;
  if (said.machine && std::ranges::find(tmpl.services, desktop.machine, &Service::name) == tmpl.services.end())
    problems.error(said.machine->place, fmt::format("there is no service \"{}\"", printable(desktop.machine)));
  const auto& credentials = tmpl.credentials;
  desktop.per_owner = !said.has_password && credentials && credentials->per_owner;
  if (desktop.per_owner && credentials->machine != desktop.machine) {
    problems.error(said.place,
                   fmt::format("the password of [credentials] is that of {}, not of {}; say desktop.password",
                               credentials->machine, desktop.machine));
  }
  return desktop;
}

std::optional<Desktop> desktop_of(const Template& tmpl) {
  const Inside inside(tmpl.folder);
  const auto text = inside.read({}, "instance.toml", 1024 * 1024);
  if (!text) return std::nullopt;
  Problems unsaid;  // they were said when the template was read
  const auto settings = read_settings(*text, unsaid);
  if (!settings.desktop) return std::nullopt;
  return settle_desktop(*settings.desktop, tmpl, unsaid);
}

}  // namespace tiltyard::templates
