#include "ledger/tiles.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <fstream>
#include <iterator>
#include <map>

namespace custodian::ledger {
namespace {

TEST(TilePath, EveryPathOfTheSpecificationComesBack) {
  for (const char* path : {"tile/0/000", "tile/63/999", "tile/0/x001/x234/067", "tile/1/x001/000.p/1", "tile/entries/000",
                           "tile/entries/x273/001.p/255"}) {
    const absl::StatusOr<TilePath> tile = TilePath::Parse(path);
    ASSERT_TRUE(tile.ok()) << path;
    EXPECT_EQ(tile->ToString(), path);
  }
  EXPECT_EQ(TilePath::Parse("tile/2/x001/x234/067.p/9").value(), (TilePath{false, 2, 1234067, 9}));
  EXPECT_EQ(TilePath::Parse("tile/entries/007").value(), (TilePath{true, 0, 7, 256}));
}

TEST(TilePath, RefusesWhatHasAnotherPath) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/0/001/067",
                           "tile/0/x000/067",
                           "tile/0/x1/067",
                           "tile/0/x001/x067",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/",
                           "tile/0/000.p",
                           "tile/0/000/",
                           "tile/entries/",
                           "tile/entries/../000",
                           "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
                           "/tile/0/000",
                           "tile/0/000?",
                           "tile/0/0a0",
                           "tile/data/000"})
    EXPECT_EQ(TilePath::Parse(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
}

TEST(TilePath, TreeOf70000HasTheTilesOfTheSpecification) {
  std::map<std::pair<int, unsigned>, int> full;
  std::map<std::pair<int, unsigned>, unsigned> partial;
  for (const TilePath& tile : TilesOf(70'000)) {
    const std::pair<int, unsigned> level{tile.entries ? -1 : 0, tile.level};
    if (tile.width == 256)
      ++full[level];
    else
      partial[level] = tile.width;
  }
  EXPECT_EQ(full, (std::map<std::pair<int, unsigned>, int>{{{-1, 0}, 273}, {{0, 0}, 273}, {{0, 1}, 1}}));
  EXPECT_EQ(partial, (std::map<std::pair<int, unsigned>, unsigned>{{{-1, 0}, 112}, {{0, 0}, 112}, {{0, 1}, 17}, {{0, 2}, 1}}));
  EXPECT_TRUE(TilesOf(0).empty());
}

TEST(Bundle, VectorComesBack) {
  std::ifstream file("tests/vectors/cosigned-proof.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  rapidjson::Document document;
  document.Parse(text.c_str());
  const auto unhex = [](const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return bytes;
  };
  std::vector<std::string> leaves;
  TileBuilder tiles([](const TilePath& path, const std::string&) { FAIL() << path.ToString() << " is not full"; });
  for (const auto& leaf : document["leaves_hex"].GetArray()) {
    leaves.push_back(unhex(leaf.GetString()));
    tiles.Append(LeafHash(leaves.back()));
  }
  const std::string bundle = unhex(document["entry_bundle_p8_hex"].GetString());
  EXPECT_EQ(EncodeBundle(leaves).value(), bundle);
  EXPECT_EQ(DecodeBundle(bundle).value(), leaves);
  std::vector<std::pair<TilePath, std::string>> made;
  TileBuilder edge([&](const TilePath& path, const std::string& bytes) { made.emplace_back(path, bytes); });
  for (const std::string& leaf : leaves) edge.Append(LeafHash(leaf));
  edge.EmitPartial();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].first.ToString(), "tile/0/000.p/8");
  EXPECT_EQ(made[0].second, unhex(document["level0_partial_tile_p8_hex"].GetString()));
}

TEST(Bundle, RefusesBytesThatDoNotEndWithALeaf) {
  EXPECT_TRUE(DecodeBundle("").value().empty());
  EXPECT_FALSE(DecodeBundle(std::string("\0", 1)).ok());
  EXPECT_FALSE(DecodeBundle(std::string("\0\2x", 3)).ok());
  EXPECT_FALSE(EncodeBundle(std::vector<std::string>{std::string(65'536, 'x')}).ok());
}

TEST(TileBuilder, HigherTilesAreTheRootsOfLowerOnes) {
  std::map<std::string, std::string> made;
  TileBuilder tiles([&](const TilePath& path, const std::string& bytes) { made[path.ToString()] = bytes; });
  std::vector<Hash> leaves;
  for (int i = 0; i < 256 * 256 + 300; ++i) {
    leaves.push_back(LeafHash(std::to_string(i)));
    tiles.Append(leaves.back());
  }
  EXPECT_EQ(made.size(), 257u + 1u);
  tiles.EmitPartial();
  std::vector<std::string> expected;
  for (const TilePath& tile : TilesOf(leaves.size()))
    if (!tile.entries) expected.push_back(tile.ToString());
  EXPECT_EQ(made.size(), expected.size());
  for (const std::string& path : expected) ASSERT_TRUE(made.contains(path)) << path;
  const Hash second = RootOf(std::span(leaves).subspan(256, 256));
  EXPECT_EQ(made["tile/1/000"].substr(32, 32), AsBytes(second));
  const Hash top = RootOf(std::span(leaves).first(65'536));
  EXPECT_EQ(made["tile/2/000.p/1"], AsBytes(top));
}

}  // namespace
}  // namespace custodian::ledger
