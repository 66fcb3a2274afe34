#include "services/feeds/hl7_message.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "services/feeds/hl7_ack.h"
#include "services/feeds/hl7_time.h"
#include "services/feeds/test_messages.h"

namespace custodian::feeds {
namespace {

Message Parsed(const std::string& text, const std::string& character_set = "") {
  auto message = Message::Parse(text, character_set);
  if (const auto* fault = std::get_if<Fault>(&message)) ADD_FAILURE() << fault->where.Text() << ": " << fault->text;
  return std::get<Message>(message);
}
std::string PlaceOf(const std::string& text) {
  const auto message = Message::Parse(text);
  const auto* fault = std::get_if<Fault>(&message);
  return fault == nullptr ? "" : fault->where.Text();
}

TEST(Hl7Message, SeparatorsAreTheMessagesOwn) {
  const Message message = Parsed("MSH$*@!%$A$B$C$D$20260101$$ADT*A08$7$P$2.5\rPID$1$$12*%%$A!F!B*C@D*E%F\r");
  EXPECT_EQ(message.header().type, "ADT");
  EXPECT_EQ(message.header().event, "A08");
  const Segment& pid = message.segments()[1];
  EXPECT_EQ(message.First(pid, 4).Text(), "A$B");
  const auto repetitions = message.Repetitions(pid, 4);
  ASSERT_EQ(repetitions.size(), 2u);
  EXPECT_EQ(repetitions[1].Part(2).Part(1).Text(), "E");
  EXPECT_EQ(repetitions[1].Part(2).Part(2).Text(), "F");
  EXPECT_EQ(repetitions[1].Part(3).Text(), "");
}

TEST(Hl7Message, EscapesAreUndone) {
  const Message message = Parsed(MessageOf({}, {R"(OBX|1|TX|a||A\F\B\S\C\T\D\R\E\E\F\X0D0A\G\.br\H \H\bold\N\ C:\temp \Z1\)"}));
  EXPECT_EQ(message.First(message.segments()[1], 5).Prose(), "A|B^C&D~E\\F\r\nG\nH bold C:\\temp \\Z1\\");
}

TEST(Hl7Message, CharacterSetsAreThoseOfMsh18) {
  const Message latin = Parsed(MessageOf({.character_set = "8859/1"}, {"PID|\xC9t\xE9|\\XE9\\"}));
  EXPECT_EQ(latin.First(latin.segments()[1], 1).Text(), "\xC3\x89t\xC3\xA9");
  EXPECT_EQ(latin.First(latin.segments()[1], 2).Text(), "\xC3\xA9");
  const Message utf8 = Parsed(MessageOf({}, {"PID|\xC3\x89|\\XC3A9\\"}));
  EXPECT_EQ(utf8.First(utf8.segments()[1], 2).Text(), "\xC3\xA9");
  EXPECT_EQ(PlaceOf(MessageOf({.character_set = "ISO IR87"}, {"PID|a"})), "MSH^1^18");
  EXPECT_EQ(PlaceOf(MessageOf({.character_set = ""}, {"PID|\xC3\x89"})), "MSH^1^18");
  EXPECT_EQ(PlaceOf(MessageOf({.character_set = "8859/1"}, {"PID|\x93quoted\x94"})), "MSH^1^18");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|\xC3"})), "MSH^1^18");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|\xED\xA0\x80"})), "MSH^1^18");
  const Message by_setting = Parsed(MessageOf({.character_set = ""}, {"PID|\xE9"}), "8859/1");
  EXPECT_EQ(by_setting.First(by_setting.segments()[1], 1).Text(), "\xC3\xA9");
}

TEST(Hl7Message, WhatIsMalformedIsNamed) {
  EXPECT_EQ(PlaceOf(""), "MSH^1");
  EXPECT_EQ(PlaceOf("PID|1"), "MSH^1");
  EXPECT_EQ(PlaceOf("BHS|^~\\&|a|b"), "BHS^1");
  EXPECT_EQ(PlaceOf("MSHA^~\\&|a|b"), "MSH^1^1");
  EXPECT_EQ(PlaceOf("MSH|^^\\&|a|b"), "MSH^1^2");
  EXPECT_EQ(PlaceOf("MSH|^~|a|b"), "MSH^1^2");
  EXPECT_EQ(PlaceOf("MSH|^~\\&|a|b\rMSH|^~\\&|a\r"), "MSH^2");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|1", "loose text"})), "PID^1");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|1", "PID|a|b\x01"})), "PID^2^2");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|\\X00\\"})), "PID^1^1");
  EXPECT_EQ(PlaceOf(MessageOf({}, {"PID|\\C2842\\x"})), "PID^1^1");
  EXPECT_EQ(PlaceOf("MSH|^~\\&|a|b|c|d|t||ADT^A08|" + std::string(200, 'x') + "|P|2.5\r"), "MSH^1^10");
}

TEST(Hl7Message, LimitsAreNamed) {
  Message::Limits limits;
  limits.segments_max = 3;
  limits.fields_max = 25;
  EXPECT_TRUE(std::holds_alternative<Fault>(Message::Parse(MessageOf({}, {"PID|1", "PV1|1", "NTE|1"}), "", limits)));
  EXPECT_TRUE(std::holds_alternative<Fault>(Message::Parse(MessageOf({}, {"PID" + std::string(26, '|')}), "", limits)));
}

TEST(Hl7Message, LinesMayEndAsScriptsWriteThem) {
  std::string text = MessageOf({}, {"PID|1||2", "PV1|1"});
  std::replace(text.begin(), text.end(), '\r', '\n');
  EXPECT_EQ(Parsed(text).segments().size(), 3u);
}

TEST(Hl7Time, IsAsExactAsStated) {
  absl::TimeZone zone;
  ASSERT_TRUE(absl::LoadTimeZone("America/Chicago", &zone));
  const auto text = [&](const char* hl7) {
    const auto time = Hl7Time::Parse(hl7);
    return time ? time->DateTime(zone) : "";
  };
  EXPECT_EQ(text("2026"), "2026");
  EXPECT_EQ(text("202603"), "2026-03");
  EXPECT_EQ(text("20260301"), "2026-03-01");
  EXPECT_EQ(text("2026030107"), "2026-03-01T07:00:00-06:00");
  EXPECT_EQ(text("20260701073015.1234"), "2026-07-01T07:30:15.1234-05:00");
  EXPECT_EQ(text("202607010730+0200"), "2026-07-01T07:30:00+02:00");
  // Left out by the change to summer time, and said twice by the change back.
  EXPECT_EQ(text("202603080230"), "2026-03-08T03:30:00-05:00");
  EXPECT_EQ(text("202611010130"), "2026-11-01T01:30:00-05:00");
  for (const char* wrong : {"", "20", "20261301", "20260230", "2026030124", "20260301073060", "202603010730+15", "2026030107305.", "20260301T07", "0000"}) EXPECT_EQ(text(wrong), "") << wrong;
  EXPECT_EQ(Hl7Time::Parse("20260301120000+0100")->Instant(zone), absl::FromCivil(absl::CivilSecond(2026, 3, 1, 11, 0, 0), absl::UTCTimeZone()));
}

std::string Answers(const TestMessage& of, std::optional<Fault> fault) {
  const auto header = Header::Read(Msh(of));
  std::string all;
  for (const std::string& each : Acknowledge(std::get<Header>(header), {fault, absl::UnixEpoch(), "c1", ""})) absl::StrAppend(&all, all.empty() ? "" : "+", each);
  return all;
}
const Fault kFault{FaultCode::kRequiredField, {"PID", 1, 3}, "The field is required."};

TEST(Hl7Ack, OriginalModeAnswersOnce) {
  EXPECT_EQ(Answers({}, std::nullopt),
            "MSH|^~\\&|CUSTODIAN|NET|HIS|LAKE|19700101000000+0000||ACK^A08^ACK|c1|P|2.5.1||||||UNICODE UTF-8\rMSA|AA|1\r");
  EXPECT_EQ(Answers({}, kFault),
            "MSH|^~\\&|CUSTODIAN|NET|HIS|LAKE|19700101000000+0000||ACK^A08^ACK|c1|P|2.5.1||||||UNICODE UTF-8\rMSA|AE|1\r"
            "ERR||PID^1^3|101^Required field missing^HL70357|E||||The field is required.\r");
}

TEST(Hl7Ack, OldVersionsHaveTheirOldForm) {
  EXPECT_EQ(Answers({.version = "2.3", .character_set = ""}, kFault),
            "MSH|^~\\&|CUSTODIAN|NET|HIS|LAKE|19700101000000+0000||ACK^A08|c1|P|2.3\rMSA|AE|1|The field is required.\r"
            "ERR|PID^1^3^101&Required field missing&HL70357\r");
}

TEST(Hl7Ack, EnhancedModeAnswersWhatIsAskedFor) {
  const auto kinds = [](const std::string& answers) {
    std::string found;
    for (auto at = answers.find("MSA|"); at != std::string::npos; at = answers.find("MSA|", at + 1)) absl::StrAppend(&found, found.empty() ? "" : " ", answers.substr(at + 4, 2));
    return found;
  };
  const Fault rejection{FaultCode::kVersion, {"MSH", 1, 12}, "x"};
  EXPECT_EQ(kinds(Answers({.accept = "AL", .application = "NE"}, std::nullopt)), "CA");
  EXPECT_EQ(kinds(Answers({.accept = "AL", .application = "AL"}, std::nullopt)), "CA AA");
  EXPECT_EQ(kinds(Answers({.accept = "AL"}, kFault)), "CE");
  EXPECT_EQ(kinds(Answers({.accept = "AL", .application = "ER"}, rejection)), "CR AR");
  EXPECT_EQ(kinds(Answers({.accept = "NE", .application = "ER"}, std::nullopt)), "");
  EXPECT_EQ(kinds(Answers({.accept = "SU", .application = "SU"}, kFault)), "");
  EXPECT_EQ(kinds(Answers({.accept = "ER", .application = "NE"}, kFault)), "CE");
}

}  // namespace
}  // namespace custodian::feeds
