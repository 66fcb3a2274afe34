// One evaluation of one order check, and what it writes: the person's charts, a judgement of each order, disclosures at their sources, the answer with
// its entries. Made for a call, used by one thread; what it is made of must outlive it. order_check.h says what is done with it, and how often.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ORDER_ATTEMPT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ORDER_ATTEMPT_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exam.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/order_check.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/person_exams.h"
#include "tenants/partition_writer.h"

namespace custodian::exchange {

// Of the keys that are used for a check.
inline constexpr std::string_view kOrderCheckPurpose = "order-check";

class OrderAttempt {
 public:
  // `patient`: none when it is not known here.
  OrderAttempt(const ExchangeParts& parts, const CdsCall& call, const CheckRequest& request, const ExamTable& table,
               RecordedKeys& recorded, std::string check_key, std::string digest, const std::optional<PatientId>& patient, absl::Time charts_until);
  // `judge_person`: anew, since how it was judged last did not stand.
  [[nodiscard]] absl::Status Evaluate(bool judge_person);
  [[nodiscard]] bool has_cards() const {
    return std::any_of(judged_.begin(), judged_.end(), [](const Judged& judged) { return judged.has_card(); });
  }
  // Records each disclosure at its source, before anything is recorded here or shown. FailedPrecondition when a consent, the record or the link changed.
  [[nodiscard]] absl::Status Disclose(const AnswerClaim& claim);
  // The answer's body and the Write that records it.
  [[nodiscard]] absl::StatusOr<std::pair<std::string, tenants::Write>> Record();
  // Which of the cards of an earlier answer may be shown again: those whose record is a result still, and the patient's to be seen by this reader now; with
  // their suggestion where it would be made now. Each is disclosed on the present consents. FailedPrecondition as Disclose().
  [[nodiscard]] absl::StatusOr<std::string> Reshow(const std::string& body, const AnswerClaim& claim);
  // Once the answer stands.
  void NoteRefusals();

 private:
  struct Disclosed {
    // "<origin>#<index>" of the DISCLOSURE.
    std::string entry;
    // The patient's consent permits it; else the legal basis that its source has recorded.
    bool by_consent = false;
    // Of 42 CFR part 2; empty for other records.
    std::string notice;
  };
  // What became of one order.
  struct Judged {
    const DraftOrder* order = nullptr;
    const ExamClass* exam_class = nullptr;
    std::string laterality;
    // "unknown-class", "off", "unknown-patient", "no-prior", "own-prior", "card".
    std::string outcome;
    // Why a card only informs, and the record of another tenant that says so, if one does: it is disclosed with the card.
    std::string gate;
    const PersonChart* gate_chart = nullptr;
    const OpenedRecord* gate_record = nullptr;
    std::string order_key;
    // Of a card only.
    std::string card_id;
    std::string suggestion;
    std::string avoidance_id;
    std::vector<Exam> offered;
    // Among `offered`.
    const Exam* exam = nullptr;
    const ExamHolding* source = nullptr;
    const PersonChart* chart = nullptr;
    Disclosed disclosed;

    [[nodiscard]] bool has_card() const { return !card_id.empty(); }
    [[nodiscard]] std::string mode() const {
      if (!has_card()) return "";
      return suggestion.empty() ? "info" : "suggest";
    }
  };

  [[nodiscard]] absl::Status TakePseudoPatient();
  // The tenant's own pseudo patient gets its key at first use, by a check or by a record, whichever comes first. A crash may have
  // come between key and entry, so the entry is asked for once in each run; equal ones are one.
  [[nodiscard]] absl::Status MakeKeyOnce(const PatientId& patient);
  [[nodiscard]] absl::Status OpenCharts(bool judge_person);
  // Class and side of its order, and what needs no chart to be known.
  [[nodiscard]] absl::StatusOr<Judged> BeginJudging(const DraftOrder& order) const;
  [[nodiscard]] absl::Status Judge(Judged& judged);
  // Whether a card that was shown with a suggestion would be now. What speaks against it is put into `shown`.
  [[nodiscard]] absl::StatusOr<bool> WouldSuggest(Judged& shown);
  void NoteRefusal(const PersonChart& chart, const OpenedRecord& record);
  // What was kept of a card that was shown; null when there is no such card.
  [[nodiscard]] absl::StatusOr<Json> OpenKept(const std::string& uuid) const;
  [[nodiscard]] absl::StatusOr<std::string> Derived(const char* what, const Judged& judged) const;
  [[nodiscard]] static std::string ResourceOf(const Judged& judged);
  [[nodiscard]] absl::Status DiscloseOne(Judged& judged);
  // A record that the card shows, or that decided about it, in its source's log.
  [[nodiscard]] absl::StatusOr<Disclosed> DiscloseRecord(const PersonChart& chart, const OpenedRecord& shown, const Judged& judged, Json detail) const;
  [[nodiscard]] absl::StatusOr<Json> CardOf(const Judged& judged) const;
  [[nodiscard]] absl::Status AddChecked(const Judged& judged, const std::string& answer_sha256, tenants::Write& write) const;
  [[nodiscard]] absl::Status AddShown(const Judged& judged, tenants::Write& write) const;

  const ExchangeParts& parts_;
  const CdsCall& call_;
  const CheckRequest& request_;
  const ExamTable& table_;
  RecordedKeys& recorded_;
  const tenants::Tenant& tenant_;
  const std::string check_key_;
  const std::string digest_;
  const bool known_;
  // The patient, or the tenant's pseudo patient for one that is not known here.
  PatientId patient_;
  const absl::Time charts_until_;
  absl::Time now_;
  PersonCharts charts_;
  // Of `charts_`, once they are open.
  std::optional<PersonExams> exams_;
  std::vector<Judged> judged_;
  // Of priors that would have been offered.
  std::vector<Refused> refused_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ORDER_ATTEMPT_H_
