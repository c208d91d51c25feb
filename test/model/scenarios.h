/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios of flow_table.pml: sizes, what the keys' hashes say, and the processes.
 * HASH(key, place, first group, second group)
 */
#define HASH(k, p, first, second) place[k] = p; first_group[k] = first; second_group[k] = second

#ifdef LARGE
#define LARGER(process) process
#else
#define LARGER(process) skip
#endif

#if defined(PAIRS) || defined(REUSE)
#define CLIENTS 2
#define PORTS 2
#define GROUPS 2
#define GROUP_SLOTS 2
#define FIRST_PORT(client) 0
#define HASHES \
    HASH(FORWARD(0), 1, 0, 1); \
    HASH(FORWARD(1), 0, 1, 0); \
    HASH(REPLY(0), 1, 1, 0); \
    HASH(REPLY(1), 0, 0, 1)
#ifdef PAIRS /* two CPUs open one flow, a third one wants its port; expiry and growth meanwhile */
#define PROCESSES run opener(0); run opener(0); run opener(1); run sweep(); run mover(); LARGER(run sweep())
#else /* no growth, but two sweeps: one may come with what it read of an earlier flow */
#define PROCESSES run opener(0); run opener(0); run opener(1); run sweep(); run sweep(); LARGER(run opener(1))
#endif
#endif

#ifdef READ /* a look-up without the lock, while its client's slot is cleared, moved and given to another flow */
#define READER
#define CLIENTS 2
#define PORTS 2
#define GROUPS 3
#define GROUP_SLOTS 1
#define FIRST_PORT(client) 0
#define HASHES \
    HASH(FORWARD(0), 1, 0, 1); \
    HASH(FORWARD(1), 1, 1, 2); \
    HASH(REPLY(0), 0, 1, 2); \
    HASH(REPLY(1), 1, 0, 1)
#ifdef LARGE /* another opener and sweep in place of the mover: with all of them it takes more than 2 GB */
#define PROCESSES run opener(0); run opener(0); run opener(1); run sweep(); run sweep(); run reader(0)
#else
#define PROCESSES run opener(0); run opener(1); run sweep(); run mover(); run reader(0)
#endif
#endif

#ifdef CROWDED /* three groups of one slot: the one move, and a new block too full for what waits in the old one */
#define CLIENTS 3
#define PORTS 3
#define GROUPS 3
#define GROUP_SLOTS 1
#define FIRST_PORT(client) (client)
#define HASHES \
    HASH(FORWARD(0), 1, 1, 0); \
    HASH(FORWARD(1), 1, 0, 1); \
    HASH(FORWARD(2), 1, 1, 2); \
    HASH(REPLY(0), 0, 2, 1); \
    HASH(REPLY(1), 0, 1, 2); \
    HASH(REPLY(2), 1, 2, 0)
#define PROCESSES run opener(0); run opener(1); run opener(2); run sweep(); run mover(); LARGER(run opener(0))
#endif

#ifdef VICTIMS /* more half-open flows than slots: evicted in one hold, or later if the partner is in another block */
#define CLIENTS 3
#define PORTS 3
#define GROUPS 3
#define GROUP_SLOTS 1
#define FIRST_PORT(client) (client)
#define HASHES \
    HASH(FORWARD(0), 0, 0, 1); \
    HASH(FORWARD(1), 1, 1, 0); \
    HASH(FORWARD(2), 0, 1, 2); \
    HASH(REPLY(0), 0, 1, 0); \
    HASH(REPLY(1), 0, 2, 0); \
    HASH(REPLY(2), 0, 0, 2)
#define PROCESSES run opener(0); run opener(1); run opener(2); run confirmer(); run mover(); LARGER(run opener(0))
#endif
