#include "services/feeds/hl7_to_fhir.h"

#include "gtest/gtest.h"
#include "services/exchange/fhir_validator.h"
#include "services/feeds/test_messages.h"

namespace custodian::feeds {
namespace {

using exchange::Json;

ValueContext ContextOf(const FeedMap& map) {
  ValueContext context{&map, absl::UTCTimeZone(), "https://custodian.example/p/aa", "urn:accession:lake"};
  EXPECT_TRUE(absl::LoadTimeZone("America/Chicago", &context.zone));
  return context;
}
OrFault<MappedMessage> Map(const std::string& text, const FeedMap& map = *FeedMap::Standard()) {
  auto message = Message::Parse(text);
  if (auto* fault = std::get_if<Fault>(&message)) return *fault;
  if (auto fault = CheckHeader(std::get<Message>(message).header(), map)) return *fault;
  return MapMessage(std::get<Message>(message), ContextOf(map));
}
MappedMessage Mapped(const std::string& text, const FeedMap& map = *FeedMap::Standard()) {
  auto mapped = Map(text, map);
  if (const auto* fault = std::get_if<Fault>(&mapped)) ADD_FAILURE() << fault->where.Text() << ": " << fault->text;
  if (std::holds_alternative<Fault>(mapped)) return {};
  // Whatever comes out is good R4, once it has its subject.
  for (MappedResource& resource : std::get<MappedMessage>(mapped).resources) {
    Json whole = resource.content;
    whole.Set("resourceType", Json::String(resource.type));
    for (const auto& [name, value] : resource.defaults.members())
      if (whole.Find(name) == nullptr) whole.Set(name, value);
    if (resource.subject) whole.Set("subject", Json::Object({{"reference", Json::String("Patient/p")}}));
    for (const auto& issue : exchange::ValidateResource(whole, resource.type)) ADD_FAILURE() << issue.diagnostics << " in " << whole.Text();
  }
  return std::get<MappedMessage>(mapped);
}
std::string FaultOf(const std::string& text) {
  const auto mapped = Map(text);
  const auto* fault = std::get_if<Fault>(&mapped);
  return fault == nullptr ? "" : absl::StrCat(static_cast<int>(fault->code), " ", fault->where.Text());
}
const Json& Content(const MappedMessage& message, std::size_t at) {
  static const Json kNone;
  return at < message.resources.size() ? message.resources[at].content : kNone;
}

TEST(Hl7ToFhir, ANumberMayBeCompared) {
  const auto value = [](const std::string& obx2, const std::string& obx5) {
    const MappedMessage message = Mapped(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, absl::StrCat("OBX|1|", obx2, "|2160-0^Creatinine^LN||", obx5, "|mg/dL^^UCUM|||||F")}));
    for (const MappedResource& resource : message.resources)
      if (resource.type == "Observation") return resource.content["valueQuantity"].Text();
    return std::string();
  };
  const std::string unit = R"("unit":"mg/dL","code":"mg/dL","system":"http://unitsofmeasure.org"})";
  EXPECT_EQ(value("NM", "<0.5"), R"({"comparator":"<","value":0.5,)" + unit);
  EXPECT_EQ(value("NM", ">= 1000"), R"({"comparator":">=","value":1000,)" + unit);
  EXPECT_EQ(value("NM", "7.10"), R"({"value":7.10,)" + unit);
  EXPECT_EQ(value("SN", "<^0.5"), R"({"comparator":"<","value":0.5,)" + unit);
  for (const char* bad : {"<", "<>5", "=<5", "5<", "<five"}) {
    const std::string fault = FaultOf(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, absl::StrCat("OBX|1|NM|2160-0^Creatinine^LN||", bad, "||||||F")}));
    EXPECT_TRUE(fault.ends_with(" OBX^1^5")) << bad << " " << fault;
  }
}

TEST(Hl7ToFhir, OrderControlsThatAnswerLeaveTheOrderAsItWas) {
  const auto status = [](const std::string& control) {
    const MappedMessage message = Mapped(MessageOf({.type = "ORM^O01"}, {kPid, absl::StrCat("ORC|", control, "|P100^EHR"), kOrderObr}));
    for (const MappedResource& resource : message.resources)
      if (resource.type == "ServiceRequest") return resource.content.TextOf("status");
    return std::string("none");
  };
  for (const char* control : {"UC", "UD", "UH", "UX", "UR", "SR", "SS", "DE", "NA"}) EXPECT_EQ(status(control), "") << control;
  for (const char* control : {"UA", "OC", "CA", "DC"}) EXPECT_EQ(status(control), "revoked") << control;
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORM^O01"}, {kPid, "ORC|ZZ|P100^EHR", kOrderObr})), "103 ORC^1^1");
}

TEST(Hl7ToFhir, OlderMergesAreMerges) {
  for (const char* event : {"ADT^A18", "ADT^A34", "ADT^A36", "ADT^A40"}) {
    const MappedMessage message = Mapped(MessageOf({.type = event, .version = "2.3"}, {"EVN||20260115", kPid, "MRG|9999^^^LAKE^MR"}));
    EXPECT_EQ(message.action, FeedAction::kMerge) << event;
    EXPECT_EQ(message.pairs.size(), 1u) << event;
  }
}

TEST(Hl7ToFhir, PidBecomesAPatient) {
  const MappedMessage message = Mapped(MessageOf({}, {kPid}));
  ASSERT_EQ(message.resources.size(), 1u);
  EXPECT_EQ(Content(message, 0).Text(),
            "{\"identifier\":[{\"value\":\"4711\",\"system\":\"https://custodian.example/p/aa/authority/LAKE\",\"type\":{\"coding\":[{\"system\":"
            "\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"MR\"}]}},{\"value\":\"910-44-2211\",\"system\":\"http://hl7.org/fhir/sid/us-ssn\","
            "\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"SS\"}]}}],"
            "\"name\":[{\"family\":\"Quill\",\"given\":[\"Marisol\",\"J\"],\"use\":\"official\"}],\"birthDate\":\"1971-04-09\",\"gender\":\"female\","
            "\"address\":[{\"line\":[\"4 Larkspur Ct\"],\"city\":\"Dover\",\"state\":\"DE\",\"postalCode\":\"19901\",\"country\":\"USA\",\"use\":\"home\"}],"
            "\"telecom\":[{\"value\":\"+1 555 0771234\",\"system\":\"phone\",\"use\":\"home\"}],"
            "\"communication\":[{\"language\":{\"coding\":[{\"system\":\"urn:ietf:bcp:47\",\"code\":\"en\",\"display\":\"English\"}]}}],"
            "\"maritalStatus\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus\",\"code\":\"M\",\"display\":\"Married\"}]}}");
  // The medical record number names the patient, the social security number does not.
  ASSERT_EQ(message.resources[0].identifiers.size(), 1u);
  EXPECT_EQ(message.resources[0].identifiers[0].value, "4711");
}

TEST(Hl7ToFhir, TwoQuotesClearAnElement) {
  const MappedMessage message = Mapped(MessageOf({}, {"PID|1||4711^^^LAKE^MR||\"\"||19710409|\"\""}));
  EXPECT_EQ(message.resources[0].cleared, (std::set<std::string>{"name", "gender"}));
  EXPECT_EQ(Content(message, 0).Find("name"), nullptr);
}

TEST(Hl7ToFhir, AdmissionsBringAnEncounter) {
  const MappedMessage message = Mapped(MessageOf({.type = "ADT^A01"}, {kPid, "PV1|1|E|||||||||||||||||V77^^^LAKE^VN|||||||||||||||||||||||||20260115053000"}));
  ASSERT_EQ(message.resources.size(), 2u);
  EXPECT_EQ(Content(message, 1)["class"].TextOf("code"), "EMER");
  EXPECT_EQ(Content(message, 1).TextOf("status"), "in-progress");
  EXPECT_EQ(Content(message, 1)["period"].TextOf("start"), "2026-01-15T05:30:00-06:00");
}

TEST(Hl7ToFhir, OrdersKeepNumberCodeSideAndStatus) {
  const MappedMessage message = Mapped(MessageOf({.type = "ORM^O01"}, {kPid, kOrc, kOrderObr}));
  ASSERT_EQ(message.resources.size(), 2u);
  const Json& order = Content(message, 1);
  EXPECT_EQ(order.TextOf("status"), "active");
  EXPECT_EQ(order["code"]["coding"][0].TextOf("system"), "http://loinc.org");
  EXPECT_EQ(order["bodySite"][0]["coding"][0].TextOf("code"), "7771000");
  EXPECT_EQ(order["identifier"][0].TextOf("value"), "P100");
  EXPECT_EQ(order["requester"].TextOf("display"), "Dr Ana Reyes");
  EXPECT_EQ(order["requester"]["identifier"].TextOf("system"), "http://hl7.org/fhir/sid/us-npi");
  EXPECT_EQ(order.TextOf("occurrenceDateTime"), "2026-01-16T08:00:00-06:00");
  EXPECT_EQ(order.TextOf("authoredOn"), "2026-01-15T05:30:00-06:00");
  EXPECT_TRUE(message.resources[0].only_when_new);
  const auto status = [](const std::string& orc) { return Content(Mapped(MessageOf({.type = "OMG^O19"}, {kPid, orc, kOrderObr})), 1).TextOf("status"); };
  EXPECT_EQ(status("ORC|CA|P100^EHR"), "revoked");
  EXPECT_EQ(status("ORC|OC|P100^EHR"), "revoked");
  EXPECT_EQ(status("ORC|DC|P100^EHR"), "revoked");
  EXPECT_EQ(status("ORC|HD|P100^EHR"), "on-hold");
  EXPECT_EQ(status("ORC|SC|P100^EHR|||CM"), "completed");
  EXPECT_EQ(status("ORC|XO|P100^EHR"), "");
}

TEST(Hl7ToFhir, ResultsBecomeReportObservationsAndOrder) {
  const MappedMessage message =
      Mapped(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "NTE|1||Compared with 2024.", kReportObx, "OBX|2|NM|718-7^Hemoglobin^LN||13.10|g/dL^g/dL^UCUM|12-16|L|||F|||20260114093000",
                                             "NTE|1||hemolyzed", "OBX|3|SN|2345-7^Glucose^LN||>^300|mg/dL||H|||F", "OBX|4|CE|883-9^ABO^LN||A^Group A^L||||||F"}));
  ASSERT_EQ(message.resources.size(), 7u);
  const Json& report = Content(message, 6);
  EXPECT_EQ(report.TextOf("status"), "final");
  EXPECT_EQ(report.TextOf("effectiveDateTime"), "2026-01-14T10:15:00-06:00");
  EXPECT_EQ(report.TextOf("issued"), "2026-01-15T05:55:00-06:00");
  EXPECT_EQ(report.TextOf("conclusion"), "No change.\nCompared with 2024.");
  EXPECT_EQ(report["identifier"][1].TextOf("system"), "urn:accession:lake");
  EXPECT_EQ(report["identifier"][1].TextOf("value"), "ACC-9");
  EXPECT_EQ(report["identifier"][1]["type"]["coding"][0].TextOf("code"), "ACSN");
  // What a number looks like stays as the laboratory wrote it.
  EXPECT_EQ(Content(message, 3)["valueQuantity"].Text(), "{\"value\":13.10,\"unit\":\"g/dL\",\"code\":\"g/dL\",\"system\":\"http://unitsofmeasure.org\"}");
  EXPECT_EQ(Content(message, 3)["note"][0].TextOf("text"), "hemolyzed");
  EXPECT_EQ(Content(message, 3)["interpretation"][0]["coding"][0].TextOf("code"), "L");
  EXPECT_EQ(Content(message, 4)["valueQuantity"].TextOf("comparator"), ">");
  EXPECT_EQ(Content(message, 5)["valueCodeableConcept"]["coding"][0].TextOf("system"), "https://custodian.example/p/aa/code-system/L");
  EXPECT_TRUE(message.resources[1].only_when_new);
}

TEST(Hl7ToFhir, LinesOfOneTextAreOneObservation) {
  const MappedMessage message = Mapped(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "OBX|1|TX|GDT^Text^L|1|First.~Second.||||||P", "OBX|2|TX|GDT^Text^L|1|Third.||||||P",
                                                                       "OBX|3|TX|GDT^Text^L|2|Other.||||||P"}));
  ASSERT_EQ(message.resources.size(), 5u);
  EXPECT_EQ(Content(message, 2).TextOf("valueString"), "First.\nSecond.\nThird.");
  EXPECT_EQ(Content(message, 3).TextOf("valueString"), "Other.");
}

TEST(Hl7ToFhir, StatusFollowsObx11AndObr25) {
  const auto statuses = [](const char* obr25, const char* obx11) {
    std::string obr = kReportObr;
    obr.back() = obr25[0];
    const MappedMessage message = Mapped(MessageOf({.type = "ORU^R01"}, {kPid, obr, std::string("OBX|1|NM|718-7^Hb^LN||13||||||") + obx11}));
    return absl::StrCat(Content(message, 3).TextOf("status"), " ", Content(message, 2).TextOf("status"));
  };
  EXPECT_EQ(statuses("P", "P"), "preliminary preliminary");
  EXPECT_EQ(statuses("F", "F"), "final final");
  EXPECT_EQ(statuses("C", "C"), "corrected corrected");
  EXPECT_EQ(statuses("X", "X"), "cancelled cancelled");
  EXPECT_EQ(statuses("C", "W"), "entered-in-error entered-in-error");
  EXPECT_EQ(statuses("F", "D"), "entered-in-error entered-in-error");
}

TEST(Hl7ToFhir, FaultsNameTheField) {
  EXPECT_EQ(FaultOf(MessageOf({}, {"PID|1||"})), "101 PID^1^3");
  EXPECT_EQ(FaultOf(MessageOf({}, {"PV1|1"})), "100 PID^1");
  EXPECT_EQ(FaultOf(MessageOf({}, {"PID|1||4711^^^LAKE^MR||A^B||1971-04-09"})), "102 PID^1^7");
  EXPECT_EQ(FaultOf(MessageOf({}, {"PID|1||4711^^^LAKE^MR||A^B||19710409|Q"})), "103 PID^1^8");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ADT^A99"}, {kPid})), "201 MSH^1^9");
  EXPECT_EQ(FaultOf(MessageOf({.type = "MDM^T02"}, {kPid})), "200 MSH^1^9");
  EXPECT_EQ(FaultOf(MessageOf({.control_id = ""}, {kPid})), "101 MSH^1^10");
  EXPECT_EQ(FaultOf(MessageOf({.version = "2.2"}, {kPid})), "203 MSH^1^12");
  EXPECT_EQ(FaultOf(MessageOf({.version = "2.9"}, {kPid})), "203 MSH^1^12");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORM^O01"}, {kPid, "ORC|ZZ|P1", kOrderObr})), "103 ORC^1^1");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORM^O01"}, {kPid, "ORC|NW", "OBR|1|||30679-5^MR^LN"})), "101 OBR^1^2");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "OBX|1|NM|718-7^Hb^LN||high||||||F"})), "102 OBX^1^5");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "OBX|1|ZZ|718-7^Hb^LN||1||||||F"})), "103 OBX^1^2");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORU^R01"}, {kPid, kReportObr, "OBX|1|NM|718-7^Hb^LN||1~2||||||F"})), "102 OBX^1^5");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ORU^R01"}, {kPid, "OBR|1||F1|718-7^Hb^LN"})), "101 OBR^1^25");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ADT^A40"}, {kPid})), "100 MRG^1");
  EXPECT_EQ(FaultOf(MessageOf({.type = "ADT^A40"}, {kPid, "MRG|4711^^^LAKE^MR"})), "204 MRG^1^1");
}

TEST(FeedMap, ATenantsRowsComeFirst) {
  const auto map = FeedMap::Standard()->With(
      "table,name,source,target,type,detail,when\n"
      "code,ServiceCode,MRLUMB,30679-5,http://loinc.org,MR lumbar spine,\n"
      "code,AssigningAuthority,LAKE,urn:oid:1.2.3,,,\n"
      "element,DiagnosticReport,OBR-18,identifier[],none,,\n"
      "event,MDM^T02,,patient,,,\n"
      "event,ADT^A31,,none,,,\n"
      "setting,character_set,,8859/1,,,\n");
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->Setting("character_set"), "8859/1");
  EXPECT_NE(map->FindEvent("MDM^T02"), nullptr);
  EXPECT_EQ(map->FindEvent("ADT^A31"), nullptr);
  std::string obr = kReportObr;
  obr.replace(obr.find("30679-5"), 7, "MRLUMB").replace(obr.find("^LN"), 3, "^L");
  const MappedMessage message = Mapped(MessageOf({.type = "ORU^R01"}, {kPid, obr, kReportObx}), *map);
  const Json& report = Content(message, 3);
  EXPECT_EQ(report["code"]["coding"][1].Text(), "{\"system\":\"http://loinc.org\",\"code\":\"30679-5\",\"display\":\"MR lumbar spine\"}");
  EXPECT_EQ(report["identifier"].items().size(), 1u);
  EXPECT_EQ(message.resources[0].identifiers[0].system, "urn:oid:1.2.3");
}

TEST(FeedMap, FaultsNameLineAndColumn) {
  const std::string header = "table,name,source,target,type,detail,when\n";
  const auto fault = [&](const std::string& rows) { return std::string(FeedMap::Standard()->With(header + rows).status().message()); };
  EXPECT_EQ(FeedMap::Standard()->With("a,b\n").status().message(), "feed map: line 1: expected the header table,name,source,target,type,detail,when");
  EXPECT_EQ(fault("what,a,,,,,\n"), "feed map: line 2, column table: expected event, element, require, type, code or setting");
  EXPECT_EQ(fault("element,Patient,PID3,name[],XPN,,\n"), "feed map: line 2, column source: expected a field such as PID-3 or OBR-27.6");
  EXPECT_EQ(fault("element,Patient,PID-3,na-me,XPN,,\n"), "feed map: line 2, column target: expected a path such as identifier[] or type.coding[0].code");
  EXPECT_EQ(fault("element,Patient,PID-3,name,XPNX,,\n"), "feed map: element Patient.name: there is no type XPNX");
  EXPECT_EQ(fault("type,A,1,b,B,,\ntype,B,1,c,A,,\n"), "feed map: type A contains itself");
  EXPECT_EQ(fault("setting,character_set,,KOI8,,,\n"), "feed map: line 2, column target: expected UNICODE UTF-8, 8859/1 or ASCII");
}

}  // namespace
}  // namespace custodian::feeds
