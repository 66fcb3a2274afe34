/* Failover of one log: writers, a primary with a synchronous and an asynchronous standby, the key process, a mirror, witnesses and
 * a witness that lies. README.md says what is modelled and how to read a counter-example; `run` checks it. Each variant that must
 * fail is this file with one #define.
 *
 * A node is a root: what one commit appends to the root before it. Node 0 is the empty log. history[x] has a bit for each node that
 * x contains, itself too, so that "consistent" is a question of bits. */

/* Nodes that may be begun before faults stop; with PROGRESS two more are kept for after. */
#ifndef NODES
#define NODES 2
#endif
/* Promotions, and all other faults together (lost answers, late statements, crashes, take-overs, restarts of the primary). */
#ifndef PROMOTIONS
#define PROMOTIONS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
/* Witnesses that tell the truth beside the mirror; the liar comes on top: n = WITNESSES + 2. */
#ifndef WITNESSES
#define WITNESSES 2
#endif
/* Cosignatures that make a quorum. */
#ifndef QUORUM
#define QUORUM 3
#endif
/* A number: only that property is checked, of those below; 0: all. */
#ifndef ONLY
#define ONLY 0
#endif

#ifdef PROGRESS
#define ALL_NODES (NODES + 3)
#else
#define ALL_NODES (NODES + 1)
#endif

#define CONTAINS(x, y) ((history[x] >> (y)) & 1)
#define ON_ONE_HISTORY(x, y) (CONTAINS(x, y) || CONTAINS(y, x))

/* What is checked; the name is what Spin prints. Hidden: no part of a state. */
hidden byte one_cosigned_history;  /* 1: no two checkpoints with a quorum, whatever the liar adds, of which neither contains the other */
hidden byte acknowledged_is_kept;  /* 2: what was admitted or witnessed is in the log that is written on */
hidden byte signed_is_kept;        /* 3: so is what the key signed, as long as the synchronous standby is the one promoted */
hidden byte refused_stays_out;     /* 4: what its author was told is not stored does not get stored */
hidden byte only_appended;         /* 5: a commit goes on top of what is there */
hidden byte refill_fits;           /* 6: so does a refill: nothing has to be taken back */
#define CHECK(number, property, condition) \
  property = (condition) || (ONLY != 0 && ONLY != number); \
  assert(property)

/* Used within one step only. */
hidden byte i;
hidden byte k;
hidden byte found;

/* The tree of roots. */
byte nodes = 1;
byte history[ALL_NODES];
byte size[ALL_NODES];

/* A server's copy of ledger.head. */
typedef Copy { byte head; byte epoch };
Copy primary;
Copy synchronous;
Copy asynchronous;
/* A change waits for the synchronous standby: it holds the head's row, and nobody else sees it. */
bool held;
/* The synchronous standby has confirmed since it became it: only then may it be promoted as one. */
bool confirms = true;
/* The asynchronous standby has what the synchronous one has not. */
bool ahead;
#define FLUSHED (confirms && primary.head == synchronous.head && primary.epoch == synchronous.epoch)

/* A statement that is under way to the primary although its writer has lost the connection. */
typedef Statement { byte node; byte before; byte epoch };
Statement late;

mtype = { OFF, TAKE, TAKING, ASK, REFILL, READY, WAIT };
typedef Writer {
  mtype step = OFF;
  /* What it takes for the head, and its epoch; `next` is an epoch that it has sent and that may have come. */
  byte head;
  byte epoch;
  byte next;
  /* The node whose commit is under way or in doubt. */
  byte plan
};
Writer writer[2];

/* The key process: the last node it signed; and all that it signed, which is everywhere. */
byte key;
byte signed_nodes;
/* What the publisher has read, and will have signed. */
byte candidate;
/* What the mirror and the honest witnesses cosigned last. Witnesses are alike: the lower node comes first. */
byte mirror;
byte witness[WITNESSES];
/* Signed, no longer in the database, and still under way to a mirror or witness. */
byte in_flight;

/* What was promised: the last node whose admission was answered, the last that was signed, and those that were refused. */
byte admitted;
byte signed_last;
byte refused;

byte promotions_left = PROMOTIONS;
byte faults_left = FAULTS;
/* The first node of after the faults; 0 while there may be more. */
byte first_new;

#if WITNESSES == 2
#define WITNESSES_WITH(x) (CONTAINS(witness[0], x) + CONTAINS(witness[1], x))
#else
#define WITNESSES_WITH(x) CONTAINS(witness[0], x)
#endif
/* With the liar's help. */
#define COSIGNED(x) (CONTAINS(mirror, x) + WITNESSES_WITH(x) + 1 >= QUORUM)
/* Without it. */
#define WITNESSED(x) (CONTAINS(mirror, x) + WITNESSES_WITH(x) >= QUORUM)

/* An epoch that nothing has: by chance in the code, the lowest that is free here, so that states are few. */
#define HAS(e) (primary.epoch == (e) || synchronous.epoch == (e) || asynchronous.epoch == (e) || late.epoch == (e) || \
  writer[0].epoch == (e) || writer[0].next == (e) || writer[1].epoch == (e) || writer[1].next == (e))
#ifdef EPOCH_PLUS_ONE
#define FRESH_EPOCH found = primary.epoch + 1
#else
#define FRESH_EPOCH found = 1; do :: HAS(found) -> found++ :: else -> break od
#endif

inline stop(w) {
  writer[w].step = OFF;
  writer[w].head = 0; writer[w].epoch = 0; writer[w].next = 0; writer[w].plan = 0
}

/* An epoch is that of a session: whoever loses the session takes a new one. A statement under way to that server is gone. */
inline end_session(w) {
  if
#ifdef SESSIONS_RETURN
  :: writer[w].step == READY
#endif
  :: writer[w].step == OFF
  :: else -> writer[w].step = TAKE
  fi
}
inline end_sessions() {
  end_session(0);
  end_session(1);
  late.node = 0; late.before = 0; late.epoch = 0
}

/* ---- the writer (tenants/partition_writer.cc) ---- */

/* Create(); and Reload() or Settle() once the session was lost: a new epoch, which ends whatever is still under way, and the head as it is now. */
inline take(w) {
  if
  :: writer[w].epoch != 0 && primary.epoch != writer[w].epoch && primary.epoch != writer[w].next ->
     printf("writer %d: another has taken over, stops\n", w);
     stop(w)
  :: else ->
#ifdef SETTLE_KEEPS_EPOCH
     if
     :: writer[w].plan != 0 -> found = primary.epoch
     :: else -> FRESH_EPOCH; held = true
     fi;
#else
     FRESH_EPOCH;
     held = true;
#endif
     primary.epoch = found;
     writer[w].next = found;
     writer[w].head = primary.head;
     writer[w].step = TAKING;
     printf("writer %d: takes epoch %d at node %d\n", w, found, primary.head)
  fi
}

inline admit(w) {
  CHECK(2, acknowledged_is_kept, ON_ONE_HISTORY(writer[w].plan, admitted));
  if
  :: CONTAINS(writer[w].plan, admitted) -> admitted = writer[w].plan
  :: else
  fi;
  printf("writer %d: node %d is admitted\n", w, writer[w].plan);
  writer[w].plan = 0
}

/* What became of a commit in doubt: its epoch is over, so a node that is not there never will be. */
inline settle(w) {
  if
  :: writer[w].plan != 0 && CONTAINS(primary.head, writer[w].plan) -> admit(w)
  :: writer[w].plan != 0 && !CONTAINS(primary.head, writer[w].plan) ->
     refused = refused | (1 << writer[w].plan);
     printf("writer %d: node %d is refused\n", w, writer[w].plan);
     writer[w].plan = 0
  :: else
  fi
}

inline taken(w) {
  writer[w].epoch = writer[w].next;
  writer[w].next = 0;
#ifdef SETTLE_BEFORE_QUESTION
  settle(w);
#endif
#ifdef NO_QUESTION
  settle(w);
  writer[w].step = READY
#else
  writer[w].step = ASK
#endif
}

/* Appends a node to what the writer takes for the head. Past the last signed size where that is another history's, since the key
 * process would not sign it (a batch is filled up). */
inline make_plan(w) {
  history[nodes] = history[writer[w].head] | (1 << nodes);
  size[nodes] = size[writer[w].head] + 1;
  if
  :: !CONTAINS(writer[w].head, key) && size[nodes] <= size[key] -> size[nodes] = size[key] + 1
  :: else
  fi;
  writer[w].plan = nodes;
  nodes++
}

/* `x` is what is written on: is all there that was admitted, and all that anybody could hold a quorum for? */
inline check_kept(x) {
  CHECK(2, acknowledged_is_kept, CONTAINS(x, admitted));
  i = 1;
  do
  :: i < nodes ->
     CHECK(2, acknowledged_is_kept, CONTAINS(x, i) || !((signed_nodes >> i) & 1 && CONTAINS(mirror, i) && COSIGNED(i)));
     i++
  :: else -> break
  od
}

#ifdef NO_EPOCH
#define EPOCH_IS(e) true
#else
#define EPOCH_IS(e) (primary.epoch == (e))
#endif
/* What a commit of `x` on top of `base` leaves at the primary. */
inline swap_head(x, base) {
  CHECK(5, only_appended, primary.head == base);
  primary.head = x;
  held = true;
  check_kept(x);
  CHECK(4, refused_stays_out, (history[x] & refused) == 0)
}

inline commit(w) {
  if
  :: size[primary.head] == size[writer[w].head] && EPOCH_IS(writer[w].epoch) ->
     make_plan(w);
     printf("writer %d: commits node %d on node %d, size %d, epoch %d\n", w, writer[w].plan, writer[w].head, size[writer[w].plan], writer[w].epoch);
     swap_head(writer[w].plan, writer[w].head);
     writer[w].step = WAIT
  :: else ->
     printf("writer %d: the head has moved\n", w);
     writer[w].step = TAKE
  fi
}

inline commit_late(w) {
  make_plan(w);
  late.node = writer[w].plan;
  late.before = writer[w].head;
  late.epoch = writer[w].epoch;
  writer[w].step = TAKE;
  printf("writer %d: sends node %d on node %d, size %d, epoch %d, and loses the connection\n", w, late.node, late.before, size[late.node], late.epoch)
}

/* The mirror has answered, and n - k + 1 + f in all; the liar's answer counts, though it says nothing. What is past the head is refilled from the
 * mirror. By now no request of an earlier publisher is under way any more. Who sends a write again finds its answer in what is there: all of that
 * counts as admitted. */
inline ask(w, farthest) {
  found = farthest;
  if
  :: CONTAINS(primary.head, found) ->
     writer[w].head = primary.head;
     writer[w].step = READY;
     printf("writer %d: nobody is past node %d, writes\n", w, primary.head);
     check_kept(primary.head);
     settle(w);
     admitted = primary.head
  :: else ->
     CHECK(6, refill_fits, CONTAINS(found, primary.head));
     primary.head = found;
     held = true;
     writer[w].next = writer[w].epoch;
     writer[w].step = TAKING;
     printf("writer %d: refills the log up to node %d\n", w, found)
  fi;
#ifndef ASK_AT_ONCE
  in_flight = 0
#endif
}

/* Clients keep writing; after the faults until a new node is there that the key process signs. */
#ifdef IDLE_AFTER_REFUSAL
#define IS_REFUSED false
#else
#define IS_REFUSED (size[primary.head] <= size[key] && primary.head != key)
#endif
#define WANTED (first_new == 0 && nodes <= NODES || first_new != 0 && nodes < ALL_NODES && (nodes == first_new || IS_REFUSED))
#define MAY_FAIL (first_new == 0 && faults_left > 0)
#ifdef ADMIT_BEFORE_FLUSH
#define ANSWERED true
#else
#define ANSWERED FLUSHED
#endif
#define OTHER_IS_OFF (writer[1 - w].step == OFF)
/* A witness that is past the mirror is no refill: wait for the mirror. */
#define MAY_ASK (writer[w].step == ASK && !held && primary.epoch == writer[w].epoch)
#if defined(ASK_NO_MIRROR)
#define ASKED :: d_step { MAY_ASK -> ask(w, witness[1]) }
#elif WITNESSES == 2
#define ASKED :: d_step { MAY_ASK && (CONTAINS(mirror, witness[0]) || CONTAINS(mirror, witness[1])) -> ask(w, mirror) }
#else
#define ASKED :: d_step { MAY_ASK -> ask(w, mirror) }
#endif

proctype Write(byte w) {
end:
  do
  /* Which of two that are off starts is all one. */
  :: d_step { w == 0 && writer[w].step == OFF && OTHER_IS_OFF -> writer[w].step = TAKE }
  /* A take-over: the other is alive, and thinks itself the only one. */
  :: d_step { writer[w].step == OFF && !OTHER_IS_OFF && MAY_FAIL -> faults_left--; writer[w].step = TAKE; printf("writer %d: starts beside the other\n", w) }
  :: d_step { writer[w].step == TAKE && !held -> take(w) }
  :: d_step { writer[w].step == TAKING && FLUSHED -> taken(w) }
  ASKED
  :: d_step { writer[w].step == ASK && primary.epoch != writer[w].epoch -> writer[w].step = TAKE }
#ifdef BELIEVE_UNSIGNED
  /* Never to end, for no mirror has it. */
  :: d_step { writer[w].step == ASK -> writer[w].step = REFILL; printf("writer %d: waits for a mirror that is as far as the liar says\n", w) }
#endif
  :: d_step { writer[w].step == READY && !held && WANTED -> commit(w) }
  :: d_step { writer[w].step == READY && late.node == 0 && WANTED && MAY_FAIL -> faults_left--; commit_late(w) }
  :: d_step { writer[w].step == WAIT && ANSWERED -> writer[w].head = writer[w].plan; admit(w); writer[w].step = READY }
  :: d_step { writer[w].step == WAIT && MAY_FAIL -> faults_left--; writer[w].step = TAKE; printf("writer %d: loses the answer\n", w) }
  :: d_step { writer[w].step != OFF && MAY_FAIL -> faults_left--; stop(w); printf("writer %d: crashes\n", w) }
  od
}

/* ---- PostgreSQL ---- */

proctype Database() {
end:
  do
  :: d_step { !FLUSHED ->
       synchronous.head = primary.head; synchronous.epoch = primary.epoch;
       confirms = true; held = false; ahead = false;
       printf("synchronous standby: has node %d, epoch %d\n", primary.head, primary.epoch) }
  :: d_step { asynchronous.head != primary.head || asynchronous.epoch != primary.epoch ->
       ahead = !FLUSHED;
       asynchronous.head = primary.head; asynchronous.epoch = primary.epoch;
       printf("asynchronous standby: has node %d, epoch %d\n", primary.head, primary.epoch) }
  :: d_step { late.node != 0 && !held ->
       if
       :: size[primary.head] == size[late.before] && EPOCH_IS(late.epoch) ->
          printf("primary: the late statement commits node %d\n", late.node);
          swap_head(late.node, late.before)
       :: else -> printf("primary: the late statement finds another head\n")
       fi;
       late.node = 0; late.before = 0; late.epoch = 0 }
  :: d_step { late.node != 0 -> late.node = 0; late.before = 0; late.epoch = 0; printf("the late statement is lost\n") }
  /* It comes back with what it had on its own disk, flushed to the standby or not. */
  :: d_step { MAY_FAIL -> faults_left--; held = false; end_sessions(); printf("primary: restarts\n") }
  od
}

/* Leaves of the promise `x` what the new primary has: the rest is lost with the two servers, unless it was witnessed. */
inline excuse(x) {
  found = 0;
  i = 0;
  do
  :: i < nodes && CONTAINS(x, i) && CONTAINS(primary.head, i) && size[i] >= size[found] -> found = i; i++
  :: i < nodes && !(CONTAINS(x, i) && CONTAINS(primary.head, i) && size[i] >= size[found]) -> i++
  :: i == nodes -> break
  od;
  x = found
}

inline promote(standby) {
  promotions_left--;
  primary.head = standby.head; primary.epoch = standby.epoch;
  if
  :: !CONTAINS(primary.head, signed_last) -> in_flight = signed_last
  :: else
  fi;
  confirms = false;
  held = false;
  end_sessions()
}

/* From outside: what becomes primary, and when no more goes wrong. */
proctype Operator() {
end:
  do
  :: d_step { first_new == 0 && promotions_left > 0 && confirms ->
       printf("operator: promotes the synchronous standby, node %d, epoch %d\n", synchronous.head, synchronous.epoch);
       promote(synchronous);
       CHECK(2, acknowledged_is_kept, CONTAINS(primary.head, admitted));
       CHECK(3, signed_is_kept, CONTAINS(primary.head, signed_last));
       /* What the other had ahead of it is rewound; it becomes the synchronous one once it has all. */
       if
       :: ahead -> asynchronous.head = primary.head; asynchronous.epoch = primary.epoch; ahead = false
       :: else
       fi;
       synchronous.head = asynchronous.head; synchronous.epoch = asynchronous.epoch }
#ifndef NO_ASYNCHRONOUS
  /* Only when primary and synchronous standby are both lost. */
  :: d_step { first_new == 0 && promotions_left > 0 ->
       printf("operator: promotes the asynchronous standby, node %d, epoch %d\n", asynchronous.head, asynchronous.epoch);
       promote(asynchronous);
       excuse(admitted);
       excuse(signed_last);
       ahead = false;
       synchronous.head = primary.head; synchronous.epoch = primary.epoch }
#endif
#ifdef KEY_RESTORED
  :: d_step { MAY_FAIL && key != 0 -> faults_left--; key = 0; printf("key process: its signing state is restored from before the first signature\n") }
#endif
#ifdef PROGRESS
  :: d_step { first_new == 0 -> first_new = nodes; printf("from here on nothing fails\n") }
#endif
  od
}

/* ---- the publisher, the key process, mirror and witnesses (services/log/publisher.cc, services/keys, services/node) ---- */

#ifdef SIGN_BEFORE_FLUSH
#define MAY_READ true
#else
#ifdef SIGN_WHAT_IS_VISIBLE
#define MAY_READ (!held)
#else
/* Reading is a transaction of its own whose commit waits for the standby: what it read is there then. */
#define MAY_READ (!held && FLUSHED)
#endif
#endif

/* What the database holds can be offered, at any time and in any order; what it has lost, only by requests that were under way. */
#define OFFERED(x) (((signed_nodes >> (x)) & 1) && (CONTAINS(primary.head, x) || CONTAINS(in_flight, x)))
#ifdef ANY_ORDER
#define MIRROR_HAS(x) true
#else
#define MIRROR_HAS(x) CONTAINS(mirror, x)
#endif

/* All that a quorum has cosigned by now. */
inline compare_cosigned() {
  i = 1;
  do
  :: i < nodes ->
     k = 1;
     do
     :: k < i ->
        CHECK(1, one_cosigned_history, ON_ONE_HISTORY(i, k) || !((signed_nodes >> i) & (signed_nodes >> k) & 1 && COSIGNED(i) && COSIGNED(k)));
        k++
     :: else -> break
     od;
     i++
  :: else -> break
  od;
  skip
}

#define TO_MIRROR(x) \
  d_step { x < nodes && OFFERED(x) && x != mirror && CONTAINS(x, mirror) -> \
    mirror = x; printf("mirror: cosigns node %d\n", x); compare_cosigned() }
#define TO_WITNESS(w, x) \
  d_step { x < nodes && OFFERED(x) && MIRROR_HAS(x) && x != witness[w] && CONTAINS(x, witness[w]) -> \
    witness[w] = x; printf("witness %d: cosigns node %d\n", w, x); compare_cosigned(); order_witnesses() }

#if WITNESSES == 2
#define TO_COSIGNERS(x) TO_MIRROR(x) :: TO_WITNESS(0, x) :: TO_WITNESS(1, x)
#else
#define TO_COSIGNERS(x) TO_MIRROR(x) :: TO_WITNESS(0, x)
#endif

inline order_witnesses() {
#if WITNESSES == 2
  if
  :: witness[0] > witness[1] -> found = witness[0]; witness[0] = witness[1]; witness[1] = found
  :: else
  fi
#endif
  skip
}

proctype Publish() {
end:
  do
  :: d_step { candidate == 0 && MAY_READ && size[primary.head] > size[key] ->
       candidate = primary.head;
       printf("publisher: reads node %d\n", candidate) }
  :: d_step { candidate != 0 ->
       if
       :: size[candidate] > size[key] ->
          key = candidate;
          printf("key process: signs node %d\n", candidate);
          /* StoreSigned() finds no such root in a database that has lost it: then nobody gets to see the signature. */
          if
          :: CONTAINS(primary.head, candidate) ->
             signed_last = candidate;
             signed_nodes = signed_nodes | (1 << candidate)
#ifdef OFFER_WHAT_IS_LOST
          :: else ->
             in_flight = candidate;
             signed_nodes = signed_nodes | (1 << candidate)
#else
          :: else
#endif
          fi
       :: else
       fi;
       candidate = 0 }
  :: TO_COSIGNERS(1) :: TO_COSIGNERS(2)
#if NODES >= 3 || defined(PROGRESS)
  :: TO_COSIGNERS(3) :: TO_COSIGNERS(4)
#endif
#if NODES >= 3 && defined(PROGRESS)
  :: TO_COSIGNERS(5)
#endif
  od
}

init {
  history[0] = 1;
  atomic { run Write(0); run Write(1); run Database(); run Operator(); run Publish() }
}

/* Once nothing fails any more a new entry is witnessed, whatever the liar does. */
#ifdef PROGRESS
ltl progress { <> (first_new != 0 && (first_new < nodes && WITNESSED(first_new) || first_new + 1 < nodes && WITNESSED(first_new + 1))) }
#endif
