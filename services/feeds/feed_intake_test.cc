#include "services/feeds/feed_intake.h"

#include <thread>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"
#include "services/feeds/feed_watermark.h"
#include "services/feeds/test_messages.h"

namespace custodian::feeds {
namespace {

using exchange::Json;
using exchange::TestWorld;

// Tenant "alpha" of exchange's test world with a feed.
class World {
 public:
  World()
      : intake_(std::make_unique<FeedIntake>(
            world_.partitions(), world_.sealer(), world_.key_process().client(), world_.clock(), [this](const TenantId&) { return map_; },
            [this](const tenants::Client&, absl::Time from, absl::Time to, const std::string& key) {
              gaps_[key] = {from, to};
              return absl::OkStatus();
            })) {}

  tenants::Client Client() {
    return {.spiffe_id = "spiffe://custodian.example/tenant/00000000000000aa/feed/his", .tenant = world_.partition("alpha").tenant.id, .role = "feed", .purpose = ""};
  }
  std::vector<std::string> Take(const std::string& message, bool whole = true) { return intake_->Take(Client(), message, whole); }
  // "AA", or "AE PID^1^3".
  std::string Verdict(const std::string& message) {
    const auto answers = Take(message);
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? "" : Short(answers.front());
  }
  static std::string Short(const std::string& answer) {
    const auto msa = answer.find("\rMSA|");
    std::string text = answer.substr(msa + 5, 2);
    if (const auto err = answer.find("\rERR||"); err != std::string::npos) absl::StrAppend(&text, " ", answer.substr(err + 6, answer.find('|', err + 6) - err - 6));
    return text;
  }
  Json Get(const std::string& target) { return TestWorld::Body(world_.Send("alpha", "alpha", "GET", target), 200); }
  // The only Patient with that number.
  Json PatientBy(const std::string& number) {
    const Json found = Get("Patient?identifier=" + rpc::PercentEncode(kAuthority + std::string("|") + number));
    EXPECT_EQ(found["entry"].items().size(), 1u) << found.Text();
    return found["entry"][0]["resource"];
  }
  // Of the patient, one type.
  std::vector<Json> Of(const std::string& type, const std::string& patient) {
    std::vector<Json> all;
    const Json bundle = Get(type + "?patient=" + patient);
    for (const Json& entry : bundle["entry"].items()) all.push_back(entry["resource"]);
    return all;
  }
  std::int64_t Count(const std::string& from) {
    const auto rows = world_.database("alpha").Sql("SELECT count(*) FROM " + from);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? std::stoll(rows->at(0).at(0)) : -1;
  }
  std::uint64_t log_size() { return world_.partition("alpha").writer->size(); }
  std::vector<QuarantineRow> Quarantined(bool all = false) { return FeedStore(*world_.partition("alpha").database).Quarantined(all, 100).value(); }

  static constexpr char kAuthority[] = "https://custodian.example/p/00000000000000aa/authority/LAKE";
  TestWorld world_;
  std::shared_ptr<const FeedMap> map_ = FeedMap::Standard();
  std::map<std::string, std::pair<absl::Time, absl::Time>> gaps_;
  std::unique_ptr<FeedIntake> intake_;
};

TEST(FeedIntake, RegistersUpdatesAndKeepsWhatIsNotTold) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ADT^A04"}, {kPid})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.control_id = "2"}, {"PID|1||4711^^^LAKE^MR||Quill-Reyes^Marisol|||\"\""})), "AA");
  const Json patient = world.PatientBy("4711");
  EXPECT_EQ(patient["name"][0].TextOf("family"), "Quill-Reyes");
  EXPECT_EQ(patient.TextOf("birthDate"), "1971-04-09");
  EXPECT_EQ(patient.Find("gender"), nullptr);
  EXPECT_EQ(patient["identifier"].items().size(), 2u);
  EXPECT_EQ(patient["meta"].TextOf("versionId"), "2");
}

TEST(FeedIntake, TheSameMessageGetsTheFirstAnswerAndChangesNothing) {
  World world;
  const std::string message = MessageOf({}, {kPid});
  const auto first = world.Take(message);
  const auto size = world.log_size();
  world.world_.clock().Advance(absl::Hours(3));
  EXPECT_EQ(world.Take(message), first);
  EXPECT_EQ(world.log_size(), size);
  // A new control id and nothing new: no version, but a message.
  EXPECT_EQ(world.Verdict(MessageOf({.control_id = "2"}, {kPid})), "AA");
  EXPECT_EQ(world.PatientBy("4711")["meta"].TextOf("versionId"), "1");
  EXPECT_EQ(world.Count("feed.message"), 2);
}

TEST(FeedIntake, TheSameKeyWithAnotherBodyIsRefusedAndQuarantined) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({}, {kPid})), "AA");
  const std::string other = MessageOf({}, {"PID|1||4711^^^LAKE^MR||Other^Name"});
  const auto refused = world.Take(other);
  EXPECT_EQ(World::Short(refused.front()), "AE MSH^1^10");
  EXPECT_EQ(world.Take(other), refused);
  EXPECT_EQ(world.PatientBy("4711")["name"][0].TextOf("family"), "Quill");
  ASSERT_EQ(world.Quarantined().size(), 1u);
  EXPECT_EQ(world.intake_->Show(world.Client().tenant, world.Quarantined()[0].id)->message, other);
  // Another application has numbers of its own.
  EXPECT_EQ(world.Verdict(MessageOf({.application_name = "RIS"}, {"PID|1||4711^^^LAKE^MR||Other^Name"})), "AA");
}

TEST(FeedIntake, ManyAtOnceStoreOneMessageOnce) {
  World world;
  const std::string message = MessageOf({}, {kPid});
  std::vector<std::string> answers(8);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) threads.emplace_back([&] { answer = world.Take(message).front(); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) EXPECT_EQ(answer, answers.front());
  EXPECT_EQ(world.Count("feed.message"), 1);
  EXPECT_EQ(world.Count("exchange.patient"), 1);
}

TEST(FeedIntake, ManyAtOnceOnOnePatientLoseNothing) {
  World world;
  std::vector<std::string> verdicts(6);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    threads.emplace_back([&, i] {
      verdicts[i] = world.Verdict(MessageOf({.control_id = absl::StrCat("c", i)}, {absl::StrCat("PID|1||4711^^^LAKE^MR~X", i, "^^^OLD^XX||Quill^Marisol")}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& verdict : verdicts) EXPECT_EQ(verdict, "AA");
  EXPECT_EQ(world.PatientBy("4711")["identifier"].items().size(), 7u);
}

TEST(FeedIntake, ARefusedMessageIsSealedAndCanBeReplayed) {
  World world;
  const std::string message = MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "OBX|1|ZZ|718-7^Hb^LN||Secretword||||||F"});
  const auto refused = world.Take(message);
  EXPECT_EQ(World::Short(refused.front()), "AE OBX^1^2");
  EXPECT_EQ(refused.front().find("Secretword"), std::string::npos);
  EXPECT_EQ(world.Take(message), refused);
  ASSERT_EQ(world.Quarantined().size(), 1u);
  const QuarantineRow row = world.Quarantined()[0];
  EXPECT_EQ(row.message_type, "ORU^R01");
  EXPECT_EQ(world.Count("exchange.record WHERE position('Secretword'::bytea IN sealed) > 0"), 0);
  // Still wrong, then mended by the tenant's map.
  const auto again = world.intake_->Replay(world.Client(), row.id);
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((*again)->where.Text(), "OBX^1^2");
  world.map_ = std::make_shared<FeedMap>(
      FeedMap::Standard()->With("table,name,source,target,type,detail,when\ncode,ValueTypeUse,ZZ,text,,,\nelement,Observation,OBX-5,valueString,TEXT,,OBX-2=ZZ\n").value());
  const auto replayed = world.intake_->Replay(world.Client(), row.id);
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_FALSE(replayed->has_value());
  EXPECT_TRUE(world.Quarantined().empty());
  EXPECT_EQ(world.Quarantined(true).size(), 1u);
  const auto size = world.log_size();
  EXPECT_FALSE(world.intake_->Replay(world.Client(), row.id)->has_value());
  EXPECT_EQ(world.log_size(), size);
  EXPECT_EQ(World::Short(world.Take(message).front()), "AA");
  EXPECT_EQ(world.Of("DiagnosticReport", world.PatientBy("4711").TextOf("id")).size(), 1u);
}

TEST(FeedIntake, AMessageOfAKnownPatientIsQuarantinedUnderItsKey) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({}, {kPid})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.control_id = "2"}, {"PID|1||4711^^^LAKE^MR||Quill||nonsense"})), "AE PID^1^7");
  EXPECT_EQ(world.Count("exchange.patient AS p JOIN exchange.record AS r ON r.patient_id = p.patient_id"), 2);
}

TEST(FeedIntake, OrdersAndResultsFindEachOther) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORM^O01"}, {kPid, kOrc, kOrderObr})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "2"}, {kPid, kReportObr, kReportObx})), "AA");
  const std::string patient = world.PatientBy("4711").TextOf("id");
  const auto orders = world.Of("ServiceRequest", patient);
  const auto reports = world.Of("DiagnosticReport", patient);
  ASSERT_EQ(orders.size(), 1u);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(orders[0].TextOf("status"), "active");
  EXPECT_EQ(reports[0]["basedOn"][0].TextOf("reference"), "ServiceRequest/" + orders[0].TextOf("id"));
  ASSERT_EQ(world.Of("Observation", patient).size(), 1u);
  // Corrected, then withdrawn; and the order cancelled.
  std::string corrected = kReportObr;
  corrected.back() = 'C';
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "3"}, {kPid, corrected, "OBX|1|TX|30679-5&IMP^Impression^LN||Changed.||||||C"})), "AA");
  EXPECT_EQ(world.Of("DiagnosticReport", patient)[0].TextOf("status"), "corrected");
  EXPECT_EQ(world.Of("DiagnosticReport", patient)[0].TextOf("conclusion"), "Changed.");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "4"}, {kPid, corrected, "OBX|1|TX|30679-5&IMP^Impression^LN||Changed.||||||W"})), "AA");
  EXPECT_EQ(world.Of("DiagnosticReport", patient)[0].TextOf("status"), "entered-in-error");
  EXPECT_EQ(world.Of("Observation", patient)[0].TextOf("status"), "entered-in-error");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORM^O01", .control_id = "5"}, {kPid, "ORC|CA|P100^EHR"})), "AA");
  EXPECT_EQ(world.Of("ServiceRequest", patient)[0].TextOf("status"), "revoked");
  EXPECT_EQ(world.Of("ServiceRequest", patient)[0]["code"]["coding"][0].TextOf("code"), "30679-5");
}

TEST(FeedIntake, AResultOfAnotherPatientsNumberIsRefused) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, kReportObx})), "AA");
  EXPECT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "2"}, {"PID|1||9999^^^LAKE^MR||Other^One", kReportObr, kReportObx})), "AE OBX^1");
}

TEST(FeedIntake, MergesAreFollowedAndUnmade) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({}, {kPid})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "2"}, {"PID|1||9999^^^LAKE^MR||Quill^Mari", kReportObr, kReportObx})), "AA");
  const std::string stays = world.PatientBy("4711").TextOf("id"), goes = world.PatientBy("9999").TextOf("id");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ADT^A40", .control_id = "3"}, {kPid, "MRG|9999^^^LAKE^MR"})), "AA");
  EXPECT_EQ(world.Get("Patient/" + goes)["link"].Text(), "[{\"other\":{\"reference\":\"Patient/" + stays + "\"},\"type\":\"replaced-by\"}]");
  EXPECT_EQ(world.Get("Patient/" + goes)["active"].Text(), "false");
  EXPECT_EQ(world.Get("Patient/" + stays)["link"][0].TextOf("type"), "replaces");
  // What comes for the one that went is the other's; what lies with it stays there, and can be corrected.
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORM^O01", .control_id = "4"}, {"PID|1||9999^^^LAKE^MR", "ORC|NW|P7^EHR", kOrderObr})), "AA");
  EXPECT_EQ(world.Of("ServiceRequest", stays).size(), 1u);
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .control_id = "5"}, {kPid, kReportObr, "OBX|1|TX|30679-5&IMP^Impression^LN||Better.||||||C"})), "AA");
  ASSERT_EQ(world.Of("DiagnosticReport", goes).size(), 1u);
  EXPECT_EQ(world.Of("DiagnosticReport", goes)[0].TextOf("conclusion"), "Better.");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ADT^A37", .control_id = "6"}, {kPid, "PID|2||9999^^^LAKE^MR"})), "AA");
  EXPECT_EQ(world.Get("Patient/" + goes).Find("link"), nullptr);
  EXPECT_EQ(world.Get("Patient/" + goes).Find("active"), nullptr);
  EXPECT_EQ(world.Get("Patient/" + stays).Find("link"), nullptr);
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ADT^A24", .control_id = "7"}, {kPid, "PID|2||9999^^^LAKE^MR"})), "AA");
  EXPECT_EQ(world.Get("Patient/" + goes)["link"][0].TextOf("type"), "seealso");
}

TEST(FeedIntake, SeveralPatientsIdentifiersAreRefused) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({}, {"PID|1||1^^^LAKE^MR||A^B"})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.control_id = "2"}, {"PID|1||2^^^LAKE^MR||C^D"})), "AA");
  EXPECT_EQ(world.Verdict(MessageOf({.control_id = "3"}, {"PID|1||1^^^LAKE^MR~2^^^LAKE^MR||A^B"})), "AE PID^1^3");
}

TEST(FeedIntake, FindsWhatOthersStoredByItsIdentifierUntilItIsTakenAway) {
  World world;
  const auto text = [](const std::string& value) {
    return absl::StrCat("{\"resourceType\":\"Patient\",\"id\":\"p1\",\"identifier\":[{\"system\":\"", World::kAuthority, "\",\"value\":\"", value, "\"}]}");
  };
  ASSERT_EQ(world.world_.Send("alpha", "alpha", "PUT", "Patient/p1", text("4711")).status, 201);
  ASSERT_EQ(world.Verdict(MessageOf({}, {"PID|1||4711^^^LAKE^MR||Quill^Marisol"})), "AA");
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORM^O01", .control_id = "2"}, {"PID|1||4711^^^LAKE^MR", kOrc, kOrderObr})), "AA");
  EXPECT_EQ(world.PatientBy("4711").TextOf("id"), "p1");
  EXPECT_EQ(world.Get("Patient/p1")["name"][0].TextOf("family"), "Quill");
  EXPECT_EQ(world.Of("ServiceRequest", "p1").size(), 1u);
  ASSERT_EQ(world.world_.Send("alpha", "alpha", "PUT", "Patient/p1", text("4712")).status, 200);
  ASSERT_EQ(world.Verdict(MessageOf({.control_id = "3"}, {"PID|1||4711^^^LAKE^MR||Other^One"})), "AA");
  EXPECT_NE(world.PatientBy("4711").TextOf("id"), "p1");
}

// What is found out about other tenants' patients (the locator, savings, corrections) is work for after the acknowledgement: neither its
// bytes nor its time can tell of them.
TEST(FeedIntake, IsAcknowledgedBeforeAnybodyLooksAtOtherTenants) {
  World world;
  ASSERT_EQ(world.world_.Send("beta", "beta", "PUT", "Patient/p1",
                              R"({"resourceType":"Patient","id":"p1","name":[{"family":"Quill","given":["Marisol","J"]}],"birthDate":"1971-04-09",)"
                              R"("identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"910-44-2211"}]})")
                .status,
            201);
  const auto located = [&] { return world.world_.network().Sql("SELECT count(*) FROM locator.patient").value().at(0).at(0); };
  ASSERT_EQ(located(), "1");
  const int savings_runs = world.world_.savings_runs();
  // Registered, ordered for, refused; without MSH, whose time and control id are those of the answer.
  const auto answers = [&](const std::string& id, const std::string& pid) {
    const std::vector<std::pair<std::string, std::vector<std::string>>> messages = {
        {"ADT^A04", {pid}}, {"ORM^O01", {pid, "ORC|NW|P" + id + "^EHR", "OBR|1|P" + id + "^EHR||30679-5^MR lumbar spine^LN"}}, {"ORM^O01", {pid, "ORC|NW|"}}};
    std::string all;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::string control_id = absl::StrCat(id, "-", i);
      const std::string answer = world.Take(MessageOf({.type = messages[i].first, .control_id = control_id}, messages[i].second)).front();
      absl::StrAppend(&all, absl::StrReplaceAll(answer.substr(answer.find('\r')), {{control_id, "*"}}));
    }
    return all;
  };
  const std::string unknown = answers("U", "PID|1||4712^^^LAKE^MR~910-44-2212^^^USSSA^SS||Quarrel^Bettina^K^^^^L||19710410|F");
  EXPECT_NE(unknown.find("MSA|AA|"), std::string::npos);
  EXPECT_NE(unknown.find("MSA|AE|"), std::string::npos);
  EXPECT_EQ(answers("K", kPid), unknown);
  EXPECT_EQ(located(), "1");
  EXPECT_EQ(world.world_.savings_runs(), savings_runs);
  ASSERT_TRUE(world.world_.partition("alpha").outbox->Drain().ok());
  EXPECT_EQ(located(), "3");
}

TEST(FeedIntake, TimesWithoutZoneAreTheTenants) {
  World world;
  ASSERT_EQ(world.Verdict(MessageOf({.type = "ORU^R01", .time = "20260115060000"}, {kPid, kReportObr, kReportObx})), "AA");
  const auto reports = world.Of("DiagnosticReport", world.PatientBy("4711").TextOf("id"));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].TextOf("effectiveDateTime"), "2026-01-14T10:15:00-06:00");
}

TEST(FeedIntake, ABreakInTheSequenceIsAGap) {
  World world;
  const auto send = [&](const char* id, const char* sequence, const char* time) {
    return world.Verdict(MessageOf({.type = "NMD^N02", .control_id = id, .time = time, .sequence = sequence}, {"NMD"}));
  };
  EXPECT_EQ(send("1", "7", "20260115010000+0000"), "AA");
  EXPECT_EQ(send("2", "8", "20260115020000+0000"), "AA");
  EXPECT_TRUE(world.gaps_.empty());
  EXPECT_EQ(send("3", "11", "20260115030000+0000"), "AA");
  ASSERT_EQ(world.gaps_.size(), 1u);
  EXPECT_EQ(world.gaps_.begin()->second.second - world.gaps_.begin()->second.first, absl::Hours(1));
  EXPECT_EQ(send("3", "11", "20260115030000+0000"), "AA");
  EXPECT_EQ(send("4", "0", "20260115040000+0000"), "AA");
  EXPECT_EQ(send("5", "1", "20260115050000+0000"), "AA");
  EXPECT_EQ(world.gaps_.size(), 1u);
  const auto answers = world.Take(MessageOf({.type = "NMD^N02", .control_id = "6", .sequence = "2"}, {"NMD"}));
  EXPECT_NE(answers.front().find("MSA|AA|6||3\r"), std::string::npos);
}

TEST(FeedIntake, WhatFailsForOurReasonsLeavesNothing) {
  World world;
  const std::string message = MessageOf({}, {kPid});
  world.world_.key_process().Stop();
  EXPECT_EQ(world.Verdict(message), "AR ");
  ASSERT_TRUE(world.world_.key_process().Start().ok());
  EXPECT_EQ(world.Count("feed.message"), 0);
  // The connection to the keys comes back by itself.
  std::string verdict = "AR ";
  for (int i = 0; i < 100 && verdict == "AR "; ++i) {
    verdict = world.Verdict(message);
    if (verdict == "AR ") absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(verdict, "AA");
}

TEST(FeedIntake, MalformedMessagesAreAnsweredAndKept) {
  World world;
  EXPECT_EQ(world.Verdict("hello"), "AE MSH^1");
  EXPECT_EQ(world.Verdict(""), "AE MSH^1");
  EXPECT_EQ(world.Verdict("hello"), "AE MSH^1");
  EXPECT_EQ(world.Count("feed.quarantine"), 2);
  EXPECT_EQ(World::Short(world.Take(MessageOf({}, {kPid}), false).front()).substr(0, 2), "AE");
  EXPECT_EQ(world.Verdict(MessageOf({.version = "9"}, {kPid})), "AR MSH^1^12");
}

TEST(FeedWatermark, FollowsTheSlowestSenderAndTellsSilence) {
  World world;
  testing::FakeClock machine;
  std::vector<absl::Time> advanced;
  std::vector<std::pair<absl::Time, absl::Time>> gaps;
  absl::Time furthest = absl::InfinitePast();
  FeedWatermark::Options options{.lateness = absl::Hours(1), .silence = absl::Hours(2), .step = absl::Minutes(1)};
  FeedWatermark watermark(world.world_.partitions(), machine, world.world_.clock(), "custodian.example", options,
                          {.advance = [&](const tenants::Client&, absl::Time through, const std::string&) {
                             advanced.push_back(furthest = through);
                             return absl::OkStatus();
                           },
                           .gap = [&](const tenants::Client&, absl::Time from, absl::Time to, const std::string&) {
                             gaps.emplace_back(from, to);
                             return absl::OkStatus();
                           },
                           .furthest = [&](const tenants::Partition&) -> absl::StatusOr<absl::Time> { return furthest; }});
  const auto at = [](int hour) { return absl::FromCivil(absl::CivilSecond(2026, 1, 15, hour, 0, 0), absl::UTCTimeZone()); };
  ASSERT_EQ(world.Verdict(MessageOf({}, {kPid})), "AA");
  ASSERT_TRUE(watermark.Tick().ok());
  EXPECT_TRUE(advanced.empty()) << "registrations say nothing of results";
  const auto beat = [&](const char* id, const char* time, const char* application) {
    ASSERT_EQ(world.Verdict(MessageOf({.type = "NMD^N02", .control_id = id, .time = time, .application_name = application}, {"NMD"})), "AA");
  };
  beat("2", "20260115100000+0000", "RIS");
  beat("3", "20260115090000+0000", "LIS");
  ASSERT_TRUE(watermark.Tick().ok());
  ASSERT_TRUE(watermark.Tick().ok());
  EXPECT_EQ(advanced, std::vector<absl::Time>{at(8)});
  // A sender's clock that runs ahead takes the watermark no further than network time.
  beat("4", "20260115230000+0000", "RIS");
  beat("5", "20260115230000+0000", "LIS");
  ASSERT_TRUE(watermark.Tick().ok());
  EXPECT_EQ(advanced.back(), world.world_.clock().Now());
  // Nobody speaks for two hours of the machine's: a gap from the last message on, told once; and one more when they are heard again.
  world.world_.clock().Advance(absl::Hours(2));
  machine.Advance(absl::Hours(2));
  ASSERT_TRUE(watermark.Tick().ok());
  ASSERT_TRUE(watermark.Tick().ok());
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_EQ(gaps[0], std::pair(at(12), at(14)));
  world.world_.clock().Advance(absl::Hours(1));
  beat("6", "20260115150000+0000", "RIS");
  ASSERT_TRUE(watermark.Tick().ok());
  ASSERT_EQ(gaps.size(), 3u);
  EXPECT_EQ(gaps[2], std::pair(at(14), at(15)));
}

}  // namespace
}  // namespace custodian::feeds
