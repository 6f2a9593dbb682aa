#include <gmock/gmock.h>

#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;

Template read_toml(const TestFolder& folder, std::string_view toml) {
  folder.write("t/instance.toml", toml);
  return read_folder(folder.at("t"), test_options());
}

TEST(R2_3, ADatagramEndpointIsBesideTheTcpOneOfItsNumber) {
  TestFolder folder;
  const Template tmpl =
      read_toml(folder,
                "image = \"x\"\naccess = [\"tcp\", \"udp\"]\n[[endpoint]]\nport = 53\nkind = \"udp\"\n"
                "[[endpoint]]\nport = 53\n[[endpoint]]\nport = 69\nkind = \"udp\"\nname = \"tftp\"\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  ASSERT_EQ(tmpl.endpoints.size(), 3u);
  EXPECT_EQ(tmpl.endpoints[0].kind, EndpointKind::kUdp);
  EXPECT_EQ(tmpl.endpoints[0].name, "udp-53");
  EXPECT_FALSE(tmpl.endpoints[0].guessed);
  EXPECT_EQ(tmpl.endpoints[1].kind, EndpointKind::kTcp);
  EXPECT_EQ(tmpl.endpoints[1].name, "port-53");
  EXPECT_EQ(tmpl.endpoints[2].name, "tftp");
  EXPECT_THAT(tmpl.services[0].ports, ElementsAre(53));
  EXPECT_THAT(tmpl.services[0].udp_ports, ElementsAre(53, 69));
  EXPECT_THAT(tmpl.services[0].machine.exposed, ElementsAre(53));
  EXPECT_TRUE(
      read_toml(folder,
                "image = \"x\"\n[[endpoint]]\nport = 53\nkind = \"udp\"\n[[endpoint]]\nport = 53\nkind = \"udp\"\n")
          .broken());
}

}  // namespace
}  // namespace tiltyard::templates
