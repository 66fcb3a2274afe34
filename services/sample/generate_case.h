// One patient's story, written by a scenario in a few sentences: enrol, permit, perform an exam, order, accept, ... Each sentence
// adds records, events and truth to the world. The case's hand knows what it made, so it also says what is true of it; nothing
// here works out a rule. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_CASE_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_CASE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/sample/generate_random.h"
#include "services/sample/generate_world.h"

namespace custodian::sample {

// An exam that was, or is said to be, performed, and where it is written down.
struct ResultSpec {
  // Where the record lies; who performed it, when that is another tenant.
  int site = 0;
  std::optional<int> performer;
  const CatalogExam* exam = nullptr;
  Side side = Side::kNone;
  absl::Time performed;
  bool date_only = false;
  // When the record arrives; absent: some hours after `performed`.
  std::optional<absl::Time> stored;
  std::string status = "final";
  bool report = true;
  // Absent: chance decides for imaging, unless the record's time must be exact.
  std::optional<bool> study;
  // Absent: `performed`.
  std::optional<absl::Time> study_started;
  // Empty: a new number.
  std::string accession;
  // The order that was carried out, written with the result; absent: none, or a new one.
  std::optional<OrderFields> order;
  // Another patient's record; empty: this case's.
  std::string patient_id;
};

struct Result {
  ResultSpec spec;
  ReportFields report;
};

struct CheckSpec {
  // Absent: the case's ordering tenant, exam and side.
  std::optional<int> site;
  const CatalogExam* exam = nullptr;
  std::optional<Side> side;
  absl::Time at;
  std::string hook = "order-sign";
  std::string priority = "routine";
  std::string encounter_class = "AMB";
  bool pregnant = false;
  bool conditions_prefetched = true;
};

struct Order {
  int site = 0;
  OrderFields fields;
  std::string identifier;
  absl::Time checked;
  // FHIR JSON: the draft ServiceRequest, and what the EHR hands over with it.
  std::string draft;
  std::string prefetch;
  // Its (latest) order event.
  std::size_t event = Event::kNone;
  std::size_t truth = 0;
  // The outcomeTimestamp of its acceptance.
  absl::Time accepted;
};

class Case {
 public:
  Case(World& world, std::string scenario, Random random);
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
  // Hands the records to the world.
  void Finish();

  World& world;
  Random random;
  // The ordering tenant, the tenant with the prior, and the third, in seeded order.
  int ordering = 0, source = 1, third = 2;
  Person person;
  const CatalogExam* exam = nullptr;
  Side side = Side::kNone;
  // Written by Suggested().
  Result prior;

  // Chooses what is ordered: a class offered as `offer` for which `fits` holds.
  void Choose(Offer offer, const std::function<bool(const CatalogExam&)>& fits = nullptr);
  // By class; a side is drawn where the class has one.
  void Choose(const CatalogExam& chosen);

  // The patient's record at a tenant (once), as the tenant wrote it down.
  const std::string& Enroll(int site) { return Enroll(site, person); }
  const std::string& Enroll(int site, const Person& as_written);
  // Somebody else's record; its id.
  std::string EnrollOther(int site, const Person& other);

  // A permit, for years around the population's calendar, by the patient at `site` for `reader`.
  ConsentFields Permit(int site, int reader);
  ConsentFields Deny(int site, int reader);
  // As `consent` says, but for id and patient; imported.
  ConsentFields Consent(int site, int reader, ConsentFields consent);
  // The patient withdraws it.
  void Revoke(int site, ConsentFields consent, absl::Time at);

  Result Perform(ResultSpec spec);
  // A result that an order at `check` may reuse, and still `margin` later: same exam and side, a day old or more.
  ResultSpec Reusable(int site, absl::Time check, absl::Duration margin = absl::Hours(24));
  // The report is written again with another status.
  void Restate(Result& result, const std::string& status, absl::Time at);

  Order Check(const CheckSpec& spec, Card card, const std::string& reason);
  // The same order is asked about, by "order-select" or "order-sign".
  void Ask(Order& order, const std::string& hook, absl::Time at);
  // The clinician deletes the order; received a second or so later unless said.
  void Accept(Order& order, absl::Time outcome, std::optional<absl::Time> received = std::nullopt);
  void Override(Order& order, absl::Time outcome, std::optional<absl::Time> received = std::nullopt);
  // Feedback exactly as said: neither truth nor the order learns of it. `card` and `suggestion` are "shown" or an id.
  struct Feedback {
    int sender = 0;
    std::string outcome = "accepted";
    std::string card = "shown";
    std::string suggestion = "shown";
    absl::Time outcome_time;
    absl::Time received;
    // Refusing it is right, too: it must change nothing.
    bool doubtful = true;
  };
  void Send(const Order& order, const Feedback& feedback);
  // The exam of an order that stood was carried out where it was ordered (mostly).
  void MaybeCarryOut(const Order& order);
  void CarryOut(const Order& order, absl::Time performed);
  // The patient's death, written down by a tenant.
  void Die(int site, absl::Time at, absl::Time stored);

  // What became of an accepted order, at the price of its acceptance.
  void Avoided(const Order& order, int prior_at, Outcome outcome);
  // Nothing came in between: confirmed when its time was over by as_of.
  [[nodiscard]] Outcome Kept(const Order& order) const;

  // A moment in [low, high), within working hours at `site` when there are any.
  absl::Time Moment(absl::Time low, absl::Time high, int site);
  absl::Duration Between(absl::Duration low, absl::Duration high);
  // When an order is checked: from first_order() to end(), and `tail` before as_of().
  absl::Time CheckTime(absl::Duration tail = absl::ZeroDuration());
  // Choose(kSuggest) among the classes that `tail_of` leaves time for; then CheckTime().
  absl::Time ChooseWithTail(const std::function<absl::Duration(const CatalogExam&)>& tail_of);

  // The plain beginning of most stories: enrolled at both, permitted, a usable prior, a check that shows the suggestion.
  Order Suggested(absl::Time check, const std::string& reason);
  // And the clinician follows it at once.
  Order Followed(absl::Time check, const std::string& reason);

 private:
  struct Record {
    int site = 0;
    PatientFields patient;
    std::vector<std::string> imported;
  };
  Record& RecordOf(int site);
  // Imports or posts, depending on the time.
  void Write(int site, const std::string& patient_id, std::vector<std::string> entries, absl::Time at);
  void Put(int site, const std::string& type, const std::string& id, const std::string& resource, absl::Time at);
  OrderFields EarlierOrder(const ResultSpec& spec, const std::string& patient_id);
  void AddUnrelatedHistory();

  std::string scenario_;
  std::vector<Record> records_;
  // Index into records_ of the patient at a tenant.
  std::map<int, std::size_t> own_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_CASE_H_
