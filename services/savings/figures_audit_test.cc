#include "services/savings/figures_audit.h"

#include "gmock/gmock.h"
#include "services/savings/test_network.h"

namespace custodian::savings {
namespace {

using ::testing::HasSubstr;

// One avoidance of each standing: pending, confirmed, reversed by its own tenant, and redone elsewhere.
TEST(FiguresAudit, AlteredFiguresAreFound) {
  const auto postgres = testing::TestSuperuser();
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  TestNetwork net;
  net.Begin();
  const auto next_person = [&net](absl::Duration later) {
    ++net.year;
    net.clock.Advance(later);
    for (const char* name : TestNetwork::kNames) net.Put(name, "Patient/" + net.PatientName(), net.PatientJson());
  };
  const std::string confirmed = net.Accept("lakeside", "summit", "c1");
  ASSERT_TRUE(net.Drain().ok());
  net.clock.Advance(absl::Hours(24 * 91));
  net.AdvanceAllFeeds();
  next_person(absl::Hours(1));
  const std::string pending = net.Accept("lakeside", "harbor", "c2");
  next_person(absl::Hours(1));
  const std::string reversed = net.Accept("harbor", "summit", "c3");
  ASSERT_TRUE(net.Drain().ok());
  net.clock.Advance(absl::Hours(24));
  net.PutExam("harbor", "A1", net.clock.Now() - absl::Hours(1));
  next_person(absl::Hours(1));
  const std::string elsewhere = net.Accept("harbor", "lakeside", "c4");
  ASSERT_TRUE(net.Drain().ok());
  net.clock.Advance(absl::Hours(24));
  net.PutExam("summit", "A2", net.clock.Now() - absl::Hours(1));
  ASSERT_TRUE(net.Drain().ok());
  ASSERT_EQ(net.Exams(), "4/1/1/2/0");
  ASSERT_EQ(net.Audit(), "");

  const auto of = [](const std::string& id) { return " WHERE avoidance_id = '\\x" + id + "'"; };
  const std::string copy =
      "INSERT INTO savings.avoidance SELECT set_byte(avoidance_id, 0, get_byte(avoidance_id, 0) # 1), ordering_tenant, "
      "source_tenant, class_id, modality, cents, month, t_ms, deadline_ms, acceptance_index, due_ms, feed_due_ms FROM "
      "savings.avoidance";
  struct Case {
    std::string change;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"UPDATE savings.avoidance SET cents = cents * 10", "has other cents than its postings"},
      {"UPDATE savings.avoidance SET cents = cents + 1" + of(pending), pending + " of the savings projection has other cents"},
      {"UPDATE savings.known_state SET state = 'open' WHERE state = 'reversed'", "has states that contradict each other"},
      {"UPDATE savings.known_state SET state = 'open', why = '', reversed_by = '', ended_ms = NULL WHERE state = 'reversed'",
       reversed + " of the savings projection has states from which other postings follow"},
      {"UPDATE savings.known_state SET state = 'open', why = '', reversed_by = '', ended_ms = NULL WHERE state = 'reversed'",
       elsewhere + " of the savings projection has states from which other postings follow"},
      {"UPDATE savings.known_state SET state = 'reversed', why = 'redo', reversed_by = 'lakeside', ended_ms = known_from_ms" +
           of(pending),
       pending + " of the savings projection has states from which other postings follow"},
      {"UPDATE savings.known_state SET state = 'censored', why = 'gap', ended_ms = known_from_ms" + of(confirmed),
       confirmed + " of the savings projection has states from which other postings follow"},
      {"UPDATE savings.known_state SET reversed_by = 'lakeside'" + of(elsewhere) + " AND state = 'reversed'",
       elsewhere + " of the savings projection has states from which other postings follow"},
      {"INSERT INTO savings.known_state SELECT avoidance_id, known_from_ms + 1, known_to_ms, state, why, reversed_by, ended_ms "
       "FROM savings.known_state" + of(pending),
       pending + " of the savings projection has states that contradict"},
      {"DELETE FROM savings.known_state" + of(pending), pending + " of the savings projection has states from which other"},
      {"DELETE FROM savings.known_state", confirmed + " of the savings projection has states from which other"},
      {copy, "has several avoidances of this acceptance"},
      {copy + "; INSERT INTO savings.known_state SELECT set_byte(avoidance_id, 0, get_byte(avoidance_id, 0) # 1), known_from_ms, "
              "known_to_ms, state, why, reversed_by, ended_ms FROM savings.known_state",
       "has states from which other postings follow"},
      {"UPDATE savings.avoidance SET month = '2020-01'" + of(pending), "has another month than its acceptance"},
      {"UPDATE savings.avoidance SET month = '2024-01', t_ms = 1704103200000" + of(pending), "happened in another month"},
      {"UPDATE savings.avoidance SET deadline_ms = deadline_ms + 31536000000" + of(confirmed),
       confirmed + " of the savings projection has states from which other"},
      {"UPDATE savings.avoidance SET deadline_ms = t_ms + 1" + of(pending), "waits for the feeds until another time"},
      {"UPDATE savings.avoidance SET deadline_ms = t_ms + 1, feed_due_ms = NULL" + of(pending),
       pending + " of the savings projection has states from which other"},
      {"UPDATE savings.avoidance SET ordering_tenant = 'nobody'" + of(pending), "names a tenant that is not in the registry"},
      {"UPDATE savings.avoidance SET ordering_tenant = 'summit'" + of(confirmed),
       confirmed + " of the savings projection has states from which other"},
      {"UPDATE savings.avoidance SET source_tenant = 'summit'" + of(pending),
       pending + " of the savings projection has states from which other"},
  };
  const std::string undo =
      "SET session_replication_role = replica; TRUNCATE savings.posting, savings.known_state, savings.avoidance; "
      "INSERT INTO savings.avoidance SELECT * FROM public.avoidance; INSERT INTO savings.known_state SELECT * FROM "
      "public.known_state; INSERT INTO savings.posting SELECT * FROM public.posting";
  for (const char* table : {"avoidance", "known_state", "posting"})
    ASSERT_TRUE(net.network->Sql(absl::StrCat("CREATE TABLE public.", table, " AS SELECT * FROM savings.", table)).ok());
  for (const Case& one : cases) {
    const auto changed = net.network->Sql(one.change);
    ASSERT_TRUE(changed.ok()) << one.change << ": " << changed.status();
    EXPECT_THAT(net.Audit(), HasSubstr(one.message)) << one.change;
    ASSERT_TRUE(net.network->Sql(undo).ok());
    EXPECT_EQ(net.Audit(), "") << one.change;
  }
}

}  // namespace
}  // namespace custodian::savings
