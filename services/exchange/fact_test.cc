#include "services/exchange/fact.h"

#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

TEST(Fact, ReadsBackAsItWasWritten) {
  const Fact fact{Fact::Kind::kWithdrawal,
                  "card",
                  "urn:o|\"1\"",
                  "mr-knee-wo",
                  "MR",
                  "left",
                  "north",
                  "DiagnosticReport/r1",
                  absl::FromUnixMillis(1'767'225'600'123),
                  "00112233445566778899aabbccddeeff"};
  const std::string text = SerializeFact(fact);
  EXPECT_EQ(text,
            R"({"avoidance_id":"00112233445566778899aabbccddeeff","card_id":"card","class_id":"mr-knee-wo","kind":"withdrawal",)"
            R"("laterality":"left","modality":"MR","order":"urn:o|\"1\"","source_resource":"DiagnosticReport/r1","source_tenant":"north","t_ms":1767225600123})");
  const auto read = ParseFact(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(SerializeFact(*read), text);
}

TEST(Fact, OneOfBeforeCorrectionsNamesNoResult) {
  const auto read = ParseFact(
      R"({"avoidance_id":"","card_id":"","class_id":"","kind":"acceptance","laterality":"","modality":"","order":"","source_tenant":"north","t_ms":1})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->source_resource, "");
}

TEST(Fact, WhatIsNoFactIsDataLoss) {
  for (
      const char* text :
      {"", "[]", "{}",
       R"({"avoidance_id":"","card_id":"","class_id":"","kind":"gift","laterality":"","modality":"","order":"","source_tenant":"","t_ms":1})",
       R"({"avoidance_id":"","card_id":"","class_id":"","kind":"acceptance","laterality":"","modality":"","order":"","source_tenant":"","t_ms":1.5})"})
    EXPECT_EQ(ParseFact(text).status().code(), absl::StatusCode::kDataLoss) << text;
}

}  // namespace
}  // namespace custodian::exchange
