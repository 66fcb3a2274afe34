#include "services/feeds/feed_intake.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/record_store.h"
#include "services/feeds/feed_plan.h"
#include "services/feeds/hl7_element_mapper.h"
#include "services/feeds/hl7_time.h"
#include "services/rpc/identity.h"
#include "spdlog/spdlog.h"

namespace custodian::feeds {
namespace {

using exchange::Json;

constexpr std::string_view kPurpose = "hl7-feed";
// Registered by HL7 for messages with these delimiters; what interface engines call them, too.
constexpr char kContentType[] = "x-application/hl7-v2+er7";
// Another message changed the same resource between our reading and our writing.
constexpr int kAttempts = 8;

Location MshField(int field) { return Location{"MSH", 1, field}; }

Fault TryAgain() { return {FaultCode::kInternal, Location{}, "The message could not be stored now and left nothing behind: send it again, unchanged."}; }

// MSH-13: nothing when it is not valued or no number (0 begins anew, v2.5 section 2.10.1).
std::optional<std::int64_t> SequenceOf(const Header& header) {
  std::int64_t number = 0;
  if (header.sequence.empty() || !absl::SimpleAtoi(header.sequence, &number) || number < 0 || number > 999'999'999'999'999) return std::nullopt;
  return number;
}

}  // namespace

// One message on its way through.
class FeedIntake::Call {
 public:
  Call(const FeedIntake& intake, const tenants::Client& client, tenants::Partition& partition, std::string_view bytes)
      : intake_(intake), client_(client), partition_(partition), store_(*partition.database), map_(intake.map_of_(client.tenant)), bytes_(bytes) {}

  std::vector<std::string> Take(bool whole) {
    Verdict verdict;
    absl::Status status = Judge(whole, verdict);
    if (!status.ok()) {
      spdlog::error("event=hl7_failed tenant={} code={} reason=\"{}\"", partition_.tenant.id.text(), absl::StatusCodeToString(status.code()),
                    std::string(status.message()));
      verdict = {.fault = TryAgain(), .time = intake_.clock_.Now(), .control_id = "", .expected_sequence = ""};
    }
    verdict.control_id = key_.empty() ? HexEncode(RandomBytes(10)) : HexEncode(std::string_view(key_).substr(0, 10));
    if (const auto sequence = SequenceOf(header_); sequence && !verdict.fault) verdict.expected_sequence = absl::StrCat(*sequence + 1);
    spdlog::info("event=hl7_message tenant={} actor={} type={} verdict={} place={}", partition_.tenant.id.text(), rpc::ActorPseudonym(client_.spiffe_id),
                 KnownType(), verdict.fault ? absl::StrCat(static_cast<int>(verdict.fault->code)) : "accepted", verdict.fault ? verdict.fault->where.Text() : "");
    return Acknowledge(header_, verdict);
  }

  absl::StatusOr<std::optional<Fault>> Replay(const QuarantineRow& row) {
    if (row.replayed) return std::optional<Fault>();
    quarantine_id_ = row.id;
    auto read = Header::Read(bytes_);
    if (const auto* fault = std::get_if<Fault>(&read)) return std::optional(*fault);
    header_ = std::get<Header>(std::move(read));
    if (absl::Status status = MakeKeys(); !status.ok()) return status;
    const auto known = store_.FindMessage(key_);
    if (!known.ok()) return known.status();
    if (known->has_value() && ((*known)->accepted || (*known)->body_digest != digest_)) return std::optional(AnotherBody());
    replaying_ = true;
    absl::Time time;
    return Process(time);
  }

 private:
  static Fault AnotherBody() {
    return {FaultCode::kDuplicateKey, MshField(10), "Another message had this control id: give each message one of its own."};
  }

  // Type and event as the feed map names them; nothing a sender made up.
  [[nodiscard]] std::string KnownType() const {
    std::string name = absl::StrCat(header_.type, "^", header_.event);
    return map_->FindEvent(name) == nullptr ? "" : name;
  }

  absl::StatusOr<std::string> Token(std::string_view what, std::string_view value) const {
    return intake_.sealer_.IndexToken(partition_.tenant.id, absl::StrCat(std::string(what), "\n", std::string(value)));
  }

  absl::Status MakeKeys() {
    // Length first, so that no two senders' parts run together.
    const std::string sender = absl::StrCat(header_.sending_application.size(), "\n", header_.sending_application, header_.sending_facility);
    auto token = Token("hl7-sender", sender);
    if (!token.ok()) return token.status();
    sender_ = *std::move(token);
    auto digest = Token("hl7-body", bytes_);
    if (!digest.ok()) return digest.status();
    digest_ = *std::move(digest);
    // A message without a control id is known by its bytes alone.
    auto key = Token("hl7-message", header_.control_id.empty() ? absl::StrCat("\n", digest_) : absl::StrCat(header_.control_id.size(), "\n", header_.control_id, sender));
    if (!key.ok()) return key.status();
    key_ = *std::move(key);
    auto quarantine = Token("hl7-quarantine", key_ + digest_);
    if (!quarantine.ok()) return quarantine.status();
    quarantine_id_ = quarantine->substr(0, 16);
    return absl::OkStatus();
  }

  absl::Status Judge(bool whole, Verdict& verdict) {
    auto read = Header::Read(bytes_);
    std::optional<Fault> fault;
    if (auto* found = std::get_if<Header>(&read)) {
      header_ = *std::move(found);
    } else {
      fault = std::get<Fault>(std::move(read));
    }
    if (!whole) {
      // Nothing to keep: it is not there. The sender learns it before it is cut off.
      verdict.fault = Fault{FaultCode::kSegmentSequence, Location{}, "The message is larger than is taken: send large documents in parts, or by FHIR."};
      verdict.time = intake_.clock_.Now();
      return absl::OkStatus();
    }
    if (absl::Status status = MakeKeys(); !status.ok()) return status;
    const auto known = store_.FindMessage(key_);
    if (!known.ok()) return known.status();
    if (known->has_value()) return JudgeAgain(**known, verdict);
    if (!fault) fault = CheckHeader(header_, *map_);
    if (!fault) {
      auto processed = Process(verdict.time);
      if (!processed.ok()) {
        // Perhaps the same message came on two connections: then its row says what became of it.
        const auto now_known = store_.FindMessage(key_);
        if (now_known.ok() && now_known->has_value()) return JudgeAgain(**now_known, verdict);
        return processed.status();
      }
      fault = *std::move(processed);
    }
    if (!fault) return absl::OkStatus();
    return Refuse(*std::move(fault), verdict);
  }

  // The key was seen: the first answer to the same message, and none to another.
  absl::Status JudgeAgain(const MessageRow& first, Verdict& verdict) {
    verdict.time = first.arrived;
    const bool same = first.body_digest == digest_;
    if (same && first.accepted) return absl::OkStatus();
    const auto quarantined = store_.FindQuarantined(quarantine_id_);
    if (!quarantined.ok()) return quarantined.status();
    if (!quarantined->has_value()) return same ? absl::DataLossError("a refused message is not in quarantine") : Refuse(AnotherBody(), verdict, /*first=*/false);
    const QuarantineRow& row = **quarantined;
    verdict.time = row.arrived;
    if (same && row.replayed) return absl::OkStatus();
    verdict.fault = Fault{row.code, PlaceOf(row.place), row.reason};
    return absl::OkStatus();
  }

  static Location PlaceOf(const std::string& text) {
    Location where;
    const std::vector<std::string> parts = absl::StrSplit(text, '^');
    int* const numbers[] = {&where.sequence, &where.field, &where.repetition, &where.component, &where.subcomponent};
    where.segment = parts.front();
    for (std::size_t i = 1; i < parts.size() && i <= 5; ++i) {
      if (!absl::SimpleAtoi(parts[i], numbers[i - 1])) *numbers[i - 1] = 0;
    }
    return where;
  }

  [[nodiscard]] MessageRow RowOfMessage(bool accepted) const {
    const auto zone = StatedZone(header_.time).value_or(exchange::ZoneOf(partition_.tenant.time_zone));
    const auto time = Hl7Time::Parse(header_.time);
    const EventRow* event = map_->FindEvent(absl::StrCat(header_.type, "^", header_.event));
    const bool results = event != nullptr && (event->action == FeedAction::kResult || event->action == FeedAction::kHeartbeat);
    return {.key = key_, .body_digest = digest_, .sender = sender_, .accepted = accepted, .results = results && accepted,
            .sent = time ? std::optional(TruncateToMilliseconds(time->Instant(zone))) : std::nullopt, .sequence = SequenceOf(header_), .arrived = {}};
  }

  // Stores what the message tells of. The fault, when it cannot; a status when nothing is known to be wrong with it.
  absl::StatusOr<std::optional<Fault>> Process(absl::Time& time) {
    auto parsed = Message::Parse(bytes_, map_->Setting("character_set"));
    if (auto* fault = std::get_if<Fault>(&parsed)) return std::optional(*std::move(fault));
    const Message& message = std::get<Message>(parsed);
    if (auto fault = CheckHeader(message.header(), *map_)) return fault;
    const ValueContext context{map_.get(), StatedZone(header_.time).value_or(exchange::ZoneOf(partition_.tenant.time_zone)),
                               absl::StrCat("https://", partition_.tenant.origin), partition_.tenant.accession_system};
    auto mapped = MapMessage(message, context);
    if (auto* fault = std::get_if<Fault>(&mapped)) return std::optional(*std::move(fault));
    const MappedMessage& told = std::get<MappedMessage>(mapped);
    for (const MappedResource& resource : told.resources) {
      if (resource.type == "Patient") patients_.push_back(resource.identifiers);
    }
    if (!replaying_) {
      if (absl::Status status = WatchSequence(); !status.ok()) return status;
    }
    const FeedPlanner planner(partition_, intake_.sealer_);
    for (int attempt = 1;; ++attempt) {
      auto planned = planner.Plan(told);
      if (!planned.ok()) return planned.status();
      if (auto* fault = std::get_if<Fault>(&*planned)) return std::optional(*std::move(fault));
      auto outcome = Write(std::get<FeedPlan>(*std::move(planned)), time);
      if (!outcome.ok() && absl::IsAborted(outcome.status()) && attempt < kAttempts) continue;
      return outcome;
    }
  }

  // MSH-13 counts one by one for a sender. What is left out may have been results.
  absl::Status WatchSequence() {
    const auto sequence = SequenceOf(header_);
    if (!sequence || *sequence == 0) return absl::OkStatus();
    const auto last = store_.LastInSequence(sender_);
    if (!last.ok()) return last.status();
    if (!last->has_value() || *sequence == *(*last)->sequence + 1) return absl::OkStatus();
    const absl::Time now = TruncateToMilliseconds(intake_.clock_.Now());
    absl::Time to = std::min(RowOfMessage(true).sent.value_or(now), now);
    absl::Time from = std::min((*last)->sent.value_or((*last)->arrived), now);
    // The clocks of sender and network need not agree: a break is told, however short.
    if (from >= to) to = now;
    if (from >= to) from = to - absl::Milliseconds(1);
    return intake_.report_gap_(client_, from, to, "hl7-sequence-" + HexEncode(key_));
  }

  absl::StatusOr<std::optional<Fault>> Write(FeedPlan plan, absl::Time& time) {
    std::vector<tenants::Row> rows;
    if (replaying_) {
      rows.push_back(ReplayRow(quarantine_id_));
    } else {
      const MessageRow row = RowOfMessage(true);
      rows.push_back(RowOf(row));
      if (row.results) rows.push_back(SenderRow(row.sender));
    }
    if (plan.entries.empty()) return WriteRows(std::move(rows), time);
    const std::vector<Location> places = std::move(plan.places);
    std::vector<std::string> types;
    for (const auto& entry : plan.entries) types.push_back(entry.resource_path);
    const auto answer = intake_.writer_.Apply(RequestOf("hl7:", std::move(plan.entries), std::move(rows)));
    if (const auto* stored = std::get_if<exchange::StoredTransaction>(&answer)) {
      time = stored->time;
      return std::optional<Fault>();
    }
    const auto& refusal = std::get<exchange::Refusal>(answer);
    if (refusal.status == 412) return absl::AbortedError("others changed what the message changes");
    const bool ours = refusal.status >= 500 || refusal.status == 409 || refusal.status == 429 || refusal.issues.empty();
    if (ours) return absl::UnavailableError("the records could not be written");
    if (refusal.issues.front().code == "duplicate") return std::optional(AnotherBody());
    // The element that R4 does not have so, and the segment it comes from.
    Location where;
    const std::string& expression = refusal.issues.front().expression;
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (where.segment.empty() && expression.starts_with(types[i])) where = places[i];
    }
    return std::optional(Fault{FaultCode::kDataType, where, absl::StrCat("The record made of it is not valid FHIR R4: ", refusal.issues.front().diagnostics)});
  }

  // A message that changes no record still was there.
  absl::StatusOr<std::optional<Fault>> WriteRows(std::vector<tenants::Row> rows, absl::Time& time) const {
    tenants::Write write;
    const auto key = Token("hl7-nothing", replaying_ ? quarantine_id_ : key_);
    if (!key.ok()) return key.status();
    write.idempotency_key = *key;
    write.request_digest = digest_;
    write.rows = std::move(rows);
    const auto admitted = partition_.writer->Apply(std::move(write));
    if (!admitted.ok()) return admitted.status();
    time = admitted->time;
    return std::optional<Fault>();
  }

  [[nodiscard]] exchange::FhirWriter::Request RequestOf(const char* prefix, std::vector<exchange::TransactionEntry> entries, std::vector<tenants::Row> rows) const {
    return {.partition = &partition_,
            .client = client_.spiffe_id,
            .base_url = "",
            .idempotency_key = absl::StrCat(prefix, HexEncode(prefix == std::string_view("hl7:") ? key_ : quarantine_id_)),
            .content = std::string(bytes_),
            .entries = std::move(entries),
            // The row of feed.message is the answer.
            .keep_answer = false,
            .rows = std::move(rows),
            .await_follow_up = false};
  }

  // Into quarantine, under the patient's key when it is told whose message it is.
  absl::Status Refuse(Fault fault, Verdict& verdict, bool first = true) {
    const FeedPlanner planner(partition_, intake_.sealer_);
    const std::string binary_id = UuidOfToken(quarantine_id_);
    Json binary = Json::Object({{"resourceType", Json::String("Binary")},
                                {"id", Json::String(binary_id)},
                                {"contentType", Json::String(kContentType)}});
    if (const auto patient = PatientOfMessage(planner); patient.ok() && patient->has_value()) {
      binary.Set("securityContext", Json::Object({{"reference", Json::String(absl::StrCat("Patient/", **patient))}}));
    }
    if (!bytes_.empty()) binary.Set("data", Json::String(absl::Base64Escape(absl::string_view(bytes_.data(), bytes_.size()))));
    exchange::TransactionEntry entry;
    entry.type = "Binary";
    entry.id = binary_id;
    entry.path = entry.resource_path = entry.type;
    entry.method = exchange::TransactionEntry::Method::kUpdate;
    entry.resource = std::move(binary);
    std::vector<tenants::Row> rows;
    if (first) rows.push_back(RowOf(RowOfMessage(false)));
    rows.push_back(RowOf(QuarantineRow{.id = quarantine_id_, .message_key = key_, .body_digest = digest_, .binary_id = binary_id, .message_type = KnownType(),
                                       .code = fault.code, .place = fault.where.Text(), .reason = fault.text, .arrived = {}, .replayed = {}}));
    const auto answer = intake_.writer_.Apply(RequestOf("hl7-quarantine:", {std::move(entry)}, std::move(rows)));
    if (const auto* refusal = std::get_if<exchange::Refusal>(&answer)) {
      return absl::UnavailableError(absl::StrCat("a refused message could not be put into quarantine: status ", refusal->status));
    }
    verdict.time = std::get<exchange::StoredTransaction>(answer).time;
    verdict.fault = std::move(fault);
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> PatientOfMessage(const FeedPlanner& planner) const {
    if (!patients_.empty()) return planner.FindPatient(patients_.front());
    // What is wrong may lie behind the PID.
    const auto parsed = Message::Parse(bytes_, map_->Setting("character_set"));
    const auto* message = std::get_if<Message>(&parsed);
    if (message == nullptr) return std::optional<std::string>();
    const ValueContext context{map_.get(), absl::UTCTimeZone(), absl::StrCat("https://", partition_.tenant.origin), ""};
    std::vector<exchange::IdentifierQuery> identifiers;
    for (const Segment& segment : message->segments()) {
      if (segment.name != "PID" || !identifiers.empty()) continue;
      for (const Value& each : message->Repetitions(segment, 3)) {
        const CodeRow* key = map_->FindCode("PatientKey", each.Part(5).Text());
        const auto converted = Convert(context, "CX", "", each, LocationOf(segment, 3));
        const auto* json = std::get_if<std::optional<Json>>(&converted);
        if (json == nullptr || !json->has_value() || key == nullptr || key->target.empty()) continue;
        identifiers.push_back({"Patient", (*json)->TextOf("system"), (*json)->TextOf("value")});
      }
    }
    return planner.FindPatient(identifiers);
  }

  const FeedIntake& intake_;
  const tenants::Client& client_;
  tenants::Partition& partition_;
  const FeedStore store_;
  const std::shared_ptr<const FeedMap> map_;
  const std::string_view bytes_;
  Header header_;
  std::string sender_;
  std::string key_;
  std::string digest_;
  std::string quarantine_id_;
  // Identifiers of the patients it tells of.
  std::vector<std::vector<exchange::IdentifierQuery>> patients_;
  bool replaying_ = false;
};

FeedIntake::FeedIntake(const tenants::Partitions& partitions, keys::Sealer& sealer, keys::KeyClient& keys, const Clock& network_clock, MapOf map_of,
                       ReportGap report_gap)
    : partitions_(partitions),
      sealer_(sealer),
      clock_(network_clock),
      map_of_(std::move(map_of)),
      report_gap_(std::move(report_gap)),
      writer_(sealer, keys, {}) {}
FeedIntake::~FeedIntake() = default;

std::vector<std::string> FeedIntake::Take(const tenants::Client& client, std::string_view bytes, bool whole) const {
  tenants::Partition* partition = partitions_.FindById(client.tenant);
  if (partition != nullptr) return Call(*this, client, *partition, bytes).Take(whole);
  const auto header = Header::Read(bytes);
  return Acknowledge(std::holds_alternative<Header>(header) ? std::get<Header>(header) : Header(),
                     {.fault = TryAgain(), .time = clock_.Now(), .control_id = HexEncode(RandomBytes(10)), .expected_sequence = ""});
}

std::vector<std::string> FeedIntake::TurnAway(std::string_view bytes) const {
  const auto header = Header::Read(bytes);
  Fault fault{FaultCode::kInternal, Location{}, "This client certificate is not registered as a feed: have the custodian register it (custodian tenant client, role feed)."};
  return Acknowledge(std::holds_alternative<Header>(header) ? std::get<Header>(header) : Header(),
                     {.fault = std::move(fault), .time = clock_.Now(), .control_id = HexEncode(RandomBytes(10)), .expected_sequence = ""});
}

absl::StatusOr<FeedIntake::Quarantined> FeedIntake::Show(const TenantId& tenant, const std::string& quarantine_id) const {
  const tenants::Partition* partition = partitions_.FindById(tenant);
  if (partition == nullptr) return absl::UnavailableError("the tenant's partition does not run here; try again in a second");
  const auto row = FeedStore(*partition->database).FindQuarantined(quarantine_id);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return absl::NotFoundError("there is no such message in quarantine");
  const auto record = sealer_.RecordIdOf(tenant, "Binary", (*row)->binary_id);
  if (!record.ok()) return record.status();
  const auto stored = exchange::RecordStore(*partition->database).Newest(*record);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value() || (*stored)->deleted) return absl::NotFoundError("the message was erased");
  const auto opened = exchange::OpenRecord(partition->tenant, **stored, sealer_, kPurpose);
  if (!opened.ok()) return opened.status();
  const auto binary = Json::Parse(opened->json);
  if (!binary.ok()) return absl::DataLossError("a stored record holds no JSON");
  Quarantined quarantined{**row, ""};
  if (!absl::Base64Unescape(binary->TextOf("data"), &quarantined.message)) return absl::DataLossError("a quarantined message is damaged");
  return quarantined;
}

absl::StatusOr<std::optional<Fault>> FeedIntake::Replay(const tenants::Client& client, const std::string& quarantine_id) const {
  auto quarantined = Show(client.tenant, quarantine_id);
  if (!quarantined.ok()) return quarantined.status();
  return Call(*this, client, *partitions_.FindById(client.tenant), quarantined->message).Replay(quarantined->row);
}

}  // namespace custodian::feeds
