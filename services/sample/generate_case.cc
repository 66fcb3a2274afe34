#include "services/sample/generate_case.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

std::string OutcomeBody(const Case::Feedback& feedback, bool overridden_with_reason, int reason) {
  return Object({{"card", Text(feedback.card)},
                 {"doubtful", feedback.doubtful ? "true" : "false"},
                 {"outcome", Text(feedback.outcome)},
                 {"outcome_timestamp", Text(Utc(feedback.outcome_time))},
                 {"override_reason", overridden_with_reason ? Number(reason) : ""},
                 {"suggestion", feedback.outcome == "accepted" ? Text(feedback.suggestion) : ""}});
}

}  // namespace

Case::Case(World& stage, std::string scenario, Random dice)
    : world(stage), random(std::move(dice)), scenario_(std::move(scenario)) {
  std::vector<int> sites{0, 1, 2};
  random.Shuffle(sites);
  ordering = sites[0];
  source = sites[1];
  third = sites[2];
  person = world.people().Someone(random, absl::ToCivilDay(world.start(), absl::UTCTimeZone()), ordering);
}

void Case::Finish() {
  AddUnrelatedHistory();
  for (Record& record : records_) world.Import(record.site, std::move(record.imported));
  records_.clear();
}

void Case::Choose(const CatalogExam& chosen) {
  exam = &chosen;
  side = !chosen.has_side ? Side::kNone : random.Chance(50) ? Side::kLeft : Side::kRight;
}

void Case::Choose(Offer offer, const std::function<bool(const CatalogExam&)>& fits) {
  // More imaging than its share of the classes: it is what money is saved on.
  const bool imaging = random.Chance(60);
  std::vector<const CatalogExam*> all, preferred;
  for (const CatalogExam* candidate : Offered(offer)) {
    if (fits && !fits(*candidate)) continue;
    if (candidate->class_id == "lab-psa" && person.gender != "male") continue;
    all.push_back(candidate);
    if (candidate->imaging() == imaging) preferred.push_back(candidate);
  }
  Choose(*random.Pick(preferred.empty() ? all : preferred));
}

absl::Duration Case::Between(absl::Duration low, absl::Duration high) {
  return absl::Milliseconds(random.Between(absl::ToInt64Milliseconds(low), absl::ToInt64Milliseconds(high)));
}

absl::Time Case::Moment(absl::Time low, absl::Time high, int site) {
  absl::Time t = low;
  for (int i = 0; i < 24; ++i) {
    t = absl::FromUnixMillis(random.Between(absl::ToUnixMillis(low), absl::ToUnixMillis(high) - 1));
    const int hour = absl::ToCivilHour(t, world.site(site).zone).hour();
    if (hour >= 7 && hour < 18) break;
  }
  return t;
}

absl::Time Case::CheckTime(absl::Duration tail) {
  return Moment(world.first_order(), std::min(world.end(), world.as_of() - tail), ordering);
}

absl::Time Case::ChooseWithTail(const std::function<absl::Duration(const CatalogExam&)>& tail_of) {
  Choose(Offer::kSuggest,
         [&](const CatalogExam& candidate) { return world.as_of() - tail_of(candidate) > world.first_order() + kDay; });
  return CheckTime(tail_of(*exam));
}

Case::Record& Case::RecordOf(int site) {
  Enroll(site);
  return records_[own_.at(site)];
}

const std::string& Case::Enroll(int site, const Person& as_written) {
  if (own_.count(site) == 0) {
    EnrollOther(site, as_written);
    own_[site] = records_.size() - 1;
  }
  return records_[own_[site]].patient.id;
}

std::string Case::EnrollOther(int site, const Person& other) {
  Record record{site, {random.Uuid(), world.NewRecordNumber(site), other, std::nullopt}, {}};
  record.imported.push_back(PutEntry("Patient", record.patient.id, PatientJson(world.site(site), record.patient)));
  records_.push_back(std::move(record));
  return records_.back().patient.id;
}

ConsentFields Case::Permit(int site, int reader) { return Consent(site, reader, {}); }

ConsentFields Case::Deny(int site, int reader) {
  ConsentFields consent;
  consent.permit = false;
  return Consent(site, reader, consent);
}

ConsentFields Case::Consent(int site, int reader, ConsentFields consent) {
  Record& record = RecordOf(site);
  consent.id = random.Uuid();
  consent.patient_id = record.patient.id;
  consent.actor = &world.site(reader);
  if (consent.until == absl::UnixEpoch()) {
    consent.given = world.start() - Between(kDay * 30, kDay * 700);
    consent.from = consent.given;
    consent.until = world.as_of() + Between(kDay * 100, kDay * 1000);
  }
  record.imported.push_back(PutEntry("Consent", consent.id, ConsentJson(world.site(site), consent)));
  return consent;
}

void Case::Revoke(int site, ConsentFields consent, absl::Time at) {
  consent.status = "inactive";
  Put(site, "Consent", consent.id, ConsentJson(world.site(site), consent), at);
}

void Case::Put(int site, const std::string& type, const std::string& id, const std::string& resource, absl::Time at) {
  world.AddEvent({at, site, "fhir",
                  Object({{"body", resource},
                          {"idempotency_key", Text(random.Uuid())},
                          {"method", Text("PUT")},
                          {"path", Text(absl::StrCat(type, "/", id))}})});
}

void Case::Write(int site, const std::string& patient_id, std::vector<std::string> entries, absl::Time at) {
  if (at > world.start()) {
    world.AddEvent({at, site, "fhir",
                    Object({{"body", TransactionBundle(entries)},
                            {"idempotency_key", Text(random.Uuid())},
                            {"method", Text("POST")},
                            {"path", Text("")}})});
    return;
  }
  for (Record& record : records_) {
    if (record.site != site || record.patient.id != patient_id) continue;
    for (std::string& entry : entries) record.imported.push_back(std::move(entry));
  }
}

OrderFields Case::EarlierOrder(const ResultSpec& spec, const std::string& patient_id) {
  OrderFields order;
  order.id = random.Uuid();
  order.identifier = world.NewOrderNumber(spec.site);
  order.patient_id = patient_id;
  order.practitioner_id = random.Pick(world.site(spec.site).practitioner_ids);
  order.exam = spec.exam;
  order.side = spec.side;
  order.status = "completed";
  order.authored = spec.performed - Between(kDay, kDay * 20);
  return order;
}

Result Case::Perform(ResultSpec spec) {
  const Site& site = world.site(spec.site);
  const int performer = spec.performer.value_or(spec.site);
  const std::string patient_id = spec.patient_id.empty() ? Enroll(spec.site) : spec.patient_id;
  const absl::Time stored = spec.stored ? *spec.stored : spec.performed + Between(absl::Hours(2), absl::Hours(20));
  if (spec.accession.empty()) spec.accession = world.NewAccession(performer);
  if (!spec.study) spec.study = spec.exam->imaging() && !spec.date_only && random.Chance(60);
  const std::string time = spec.date_only ? DateOnly(spec.performed, site) : DateTime(spec.performed, site);

  std::vector<std::string> entries;
  // A side is written on the series, or on the order, or on both.
  const bool side_on_order = spec.side != Side::kNone && (!*spec.study || random.Chance(40));
  const bool side_on_series = *spec.study && (!side_on_order || random.Chance(30));
  if (!spec.order && (side_on_order || random.Chance(30))) {
    spec.order = EarlierOrder(spec, patient_id);
    if (!side_on_order) spec.order->side = Side::kNone;
  }
  const std::string order_id = spec.order ? spec.order->id : "";
  if (spec.order) entries.push_back(PutEntry("ServiceRequest", order_id, ServiceRequestJson(site, *spec.order)));
  StudyFields study;
  if (*spec.study) {
    study.id = random.Uuid();
    study.uid = absl::StrCat("1.2.826.0.1.3680043.10.", 500 + spec.site, ".", random.Between(100'000'000, 999'999'999));
    study.accession_system = world.site(performer).accession_system;
    study.accession = spec.accession;
    study.patient_id = patient_id;
    study.exam = spec.exam;
    if (side_on_series) study.side = spec.side;
    if (spec.status == "cancelled" || spec.status == "entered-in-error") study.status = spec.status;
    study.started = spec.study_started ? DateTime(*spec.study_started, site) : time;
    study.order_id = order_id;
    entries.push_back(PutEntry("ImagingStudy", study.id, ImagingStudyJson(study)));
  }
  Result result{spec, {}};
  result.report.id = random.Uuid();
  result.report.accession_system = world.site(performer).accession_system;
  result.report.accession = spec.accession;
  result.report.patient_id = patient_id;
  result.report.practitioner_id = random.Pick(site.practitioner_ids);
  result.report.exam = spec.exam;
  result.report.status = spec.status;
  result.report.effective = time;
  result.report.issued = stored;
  result.report.order_id = order_id;
  result.report.study_id = study.id;
  if (spec.report) entries.push_back(PutEntry("DiagnosticReport", result.report.id, DiagnosticReportJson(site, result.report)));
  Write(spec.site, patient_id, std::move(entries), stored);
  return result;
}

ResultSpec Case::Reusable(int site, absl::Time check, absl::Duration margin) {
  ResultSpec spec;
  spec.site = site;
  spec.exam = exam;
  spec.side = side;
  spec.performed = Moment(check - exam->reuse() + margin, check - kDay, site);
  return spec;
}

void Case::Restate(Result& result, const std::string& status, absl::Time at) {
  result.report.status = status;
  result.report.issued = at;
  Put(result.spec.site, "DiagnosticReport", result.report.id, DiagnosticReportJson(world.site(result.spec.site), result.report),
      at);
}

Outcome Case::Kept(const Order& order) const {
  return order.accepted + order.fields.exam->observe() <= world.as_of() ? Outcome::kConfirmed : Outcome::kPending;
}

void Case::Avoided(const Order& order, int prior_at, Outcome outcome) {
  world.truth().AddAvoidance(world.site(order.site).name, world.site(prior_at).name, order.fields.exam->modality,
                             PriceCentsAt(order.site, *order.fields.exam, order.accepted), outcome);
}

Order Case::Check(const CheckSpec& spec, Card card, const std::string& reason) {
  Order order;
  order.site = spec.site.value_or(ordering);
  order.checked = spec.at;
  order.accepted = absl::InfiniteFuture();
  const Site& site = world.site(order.site);
  OrderFields& fields = order.fields;
  fields.id = random.Uuid();
  fields.identifier = world.NewOrderNumber(order.site);
  fields.patient_id = Enroll(order.site);
  fields.encounter_id = random.Uuid();
  fields.practitioner_id = random.Pick(site.practitioner_ids);
  fields.exam = spec.exam != nullptr ? spec.exam : exam;
  fields.side = spec.side.value_or(side);
  fields.priority = spec.priority;
  fields.authored = spec.at;
  order.identifier = absl::StrCat(site.order_system, "|", fields.identifier);
  order.truth = world.truth().AddOrder({site.name, order.identifier, scenario_, card, reason, false, false});

  const Record& record = RecordOf(order.site);
  const std::string conditions =
      spec.conditions_prefetched
          ? ConditionsJson(fields.patient_id,
                           absl::ToCivilYear(world.start(), site.zone) - 1 - static_cast<int>(random.Below(12)), spec.pregnant,
                           DateOnly(spec.at - kDay * 40, site))
          : "";
  order.draft = ServiceRequestJson(site, fields);
  order.prefetch = Object({{"patient", PatientJson(site, record.patient)},
                           {"encounter", EncounterJson(fields.encounter_id, fields.patient_id, spec.encounter_class)},
                           {"conditions", conditions}});
  Ask(order, spec.hook, spec.at);
  return order;
}

void Case::Ask(Order& order, const std::string& hook, absl::Time at) {
  const OrderFields& fields = order.fields;
  const std::string drafts = Object(
      {{"resourceType", Text("Bundle")}, {"type", Text("collection")}, {"entry", Array({Object({{"resource", order.draft}})})}});
  const std::string context = Object({{"userId", Text("Practitioner/" + fields.practitioner_id)},
                                      {"patientId", Text(fields.patient_id)},
                                      {"encounterId", Text(fields.encounter_id)},
                                      {"selections", hook == "order-select" ? Array({Text("ServiceRequest/" + fields.id)}) : ""},
                                      {"draftOrders", drafts}});
  order.event = world.AddEvent({at, order.site, "order",
                                Object({{"context", context},
                                        {"hook", Text(hook)},
                                        {"hook_instance", Text(random.Uuid())},
                                        {"order", Text(order.identifier)},
                                        {"prefetch", order.prefetch}})});
}

void Case::Send(const Order& order, const Feedback& feedback) {
  const bool with_reason = feedback.outcome == "overridden" && random.Chance(60);
  const int reason = static_cast<int>(random.Below(4));
  world.AddEvent({feedback.received, feedback.sender, "feedback", OutcomeBody(feedback, with_reason, reason), order.event});
}

void Case::Accept(Order& order, absl::Time outcome, std::optional<absl::Time> received) {
  Feedback feedback;
  feedback.doubtful = false;
  feedback.sender = order.site;
  feedback.outcome_time = outcome;
  feedback.received = received.value_or(outcome + Between(absl::Milliseconds(40), absl::Milliseconds(1900)));
  Send(order, feedback);
  order.accepted = outcome;
  world.truth().order(order.truth).accepted = true;
}

void Case::Override(Order& order, absl::Time outcome, std::optional<absl::Time> received) {
  Feedback feedback;
  feedback.doubtful = false;
  feedback.sender = order.site;
  feedback.outcome = "overridden";
  feedback.outcome_time = outcome;
  feedback.received = received.value_or(outcome + Between(absl::Milliseconds(40), absl::Milliseconds(1900)));
  Send(order, feedback);
  world.truth().order(order.truth).overridden = true;
}

void Case::CarryOut(const Order& order, absl::Time performed) {
  ResultSpec spec;
  spec.site = order.site;
  spec.exam = order.fields.exam;
  spec.side = order.fields.side;
  spec.performed = performed;
  spec.stored = performed + Between(absl::Hours(1), absl::Hours(12));
  spec.order = order.fields;
  spec.order->status = "completed";
  Perform(spec);
}

void Case::MaybeCarryOut(const Order& order) {
  if (random.Chance(40)) return;
  CarryOut(order, Moment(order.checked + kDay, order.checked + kDay * 10, order.site));
}

void Case::Die(int site, absl::Time at, absl::Time stored) {
  Record& record = RecordOf(site);
  record.patient.deceased = at;
  Put(site, "Patient", record.patient.id, PatientJson(world.site(site), record.patient), stored);
}

Order Case::Suggested(absl::Time check, const std::string& reason) {
  Enroll(ordering);
  Permit(source, ordering);
  prior = Perform(Reusable(source, check));
  CheckSpec spec;
  spec.at = check;
  return Check(spec, Card::kSuggest, reason);
}

Order Case::Followed(absl::Time check, const std::string& reason) {
  Order order = Suggested(check, reason);
  Accept(order, check + Between(absl::Seconds(15), absl::Minutes(6)));
  return order;
}

void Case::AddUnrelatedHistory() {
  if (!random.Chance(35) || own_.empty()) return;
  // Of a class that no case orders, long before: it can neither be offered nor undo anything.
  static const auto& classes = *new std::vector<std::string>{"lab-cbc", "lab-cmp", "xr-chest-2v", "us-abdomen"};
  ResultSpec spec;
  spec.site = own_.begin()->first;
  spec.exam = &FindExam(random.Pick(classes));
  spec.performed = Moment(world.start() - kDay * 600, world.start() - kDay * 150, spec.site);
  spec.study = false;
  Perform(spec);
}

}  // namespace custodian::sample
