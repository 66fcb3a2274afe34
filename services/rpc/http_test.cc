#include "services/rpc/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace custodian::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(Http, PercentDecodingUndoesEncoding) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
  EXPECT_EQ(PercentEncode("a|b c~"), "a%7Cb%20c~");
}

TEST(Http, MalformedEscapesStayAsTheyAre) {
  EXPECT_EQ(PercentDecode("%"), "%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
  EXPECT_EQ(PercentDecode("%zz%41"), "%zzA");
  EXPECT_EQ(PercentDecode("100%25"), "100%");
}

TEST(Http, ParametersAreDecodedInOrder) {
  HttpRequest request;
  request.query = "identifier=urn%3Ax%7C1&name=a+b&name=c&flag&&=v&x=a=b";
  EXPECT_THAT(request.Parameters(), ElementsAre(Pair("identifier", "urn:x|1"), Pair("name", "a b"), Pair("name", "c"), Pair("flag", ""),
                                                Pair("", "v"), Pair("x", "a=b")));
  request.query = "";
  EXPECT_THAT(request.Parameters(), IsEmpty());
}

TEST(Http, HeaderIsFoundByLowerCaseName) {
  HttpRequest request;
  request.headers = {{"accept", "a"}, {"accept", "b"}};
  EXPECT_EQ(request.Header("accept"), "a");
  EXPECT_EQ(request.Header("Accept"), std::nullopt);
}

}  // namespace
}  // namespace custodian::rpc
